"""What scanners said together: vulnerabilities, the worst first; coverage; the databases' ages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluiceway.console.document import read
from sluiceway.console.page import Block, Cell, Column, Grid, Line, Tone, cell
from sluiceway.console.text import NONE

__all__ = ["inert", "scan_report"]

_SEVERITY = {"CRITICAL": Tone.BAD, "HIGH": Tone.BAD, "UNKNOWN": Tone.WARN, "MEDIUM": Tone.WARN}
_MOST_NAMED = 20
"""Uncovered packages that are named; the JSON has all."""


def scan_report(subject: Any, report: Any) -> list[Block]:
    """Return a report as a page.

    Args:
        subject: What names the image or tree, for the headline.
        report: A :class:`sluiceway.scans.Report` or its JSON.
    """
    document = read(report)
    page: list[Block] = [Line.of(inert(subject), Tone.STRONG), Line.of("")]
    if not document["scanners"]:
        return [*page, Line.of("No scanner answered.", Tone.BAD)]
    found = document["vulnerabilities"]
    if found:
        page += [_vulnerabilities(found), Line.of(""), Line.of(_counts(document["counts"]))]
    elif document["status"] == "ok":
        page.append(Line.of("No known vulnerability in what was judged.", Tone.GOOD))
    elif any(each["status"] == "ok" for each in document["scanners"]):
        page.append(
            Line.of("Nothing was found, but not every scanner completed: see below.", Tone.BAD)
        )
    else:
        page.append(Line.of("Not scanned: see below.", Tone.BAD))
    page += _coverage(document)
    page += [Line.of(""), _scanners(document["scanners"])]
    page.append(Line.of(""))
    page += [
        Line.of(
            inert(f"{each['tool']}: {each['status']}, {each['summary']}"),
            Tone.DIM if each["status"] == "ok" else Tone.BAD,
        )
        for each in document["scanners"]
    ]
    return page


def inert(value: Any) -> str:
    """Return *value* as text that is no workflow command of GitHub, wherever a line is broken.

    The runner obeys ``::command::`` at the beginning of a line and ``##[command]`` anywhere; a
    package may be named so, and a joint without width takes the meaning away.
    """
    return re.sub(r":(?=:)", ":\u200b", str(value)).replace("##[", "##\u200b[")


def _vulnerabilities(found: Sequence[Mapping[str, Any]]) -> Grid:
    """Return the vulnerabilities; a column that would say nothing is left out."""
    shown = [
        ("Severity", 8, [item["severity"] for item in found]),
        ("Advisory", 14, [item["id"] for item in found]),
        ("Package", 16, [item["package"] for item in found]),
        ("Fixed in", 8, [", ".join(item["fixed"]) or NONE for item in found]),
    ]
    if any(item["installed"] not in item["package"] for item in found):
        shown.insert(3, ("Installed", 6, [item["installed"] or NONE for item in found]))
    if len({tool for item in found for tool in item["found_by"]}) > 1:
        shown.append(("Found by", 6, [", ".join(item["found_by"]) for item in found]))
    return Grid(
        columns=tuple(Column(title=title, minimum=least) for title, least, _ in shown),
        rows=tuple(
            tuple(
                _cell(value, _SEVERITY.get(value, Tone.PLAIN) if number == 0 else Tone.PLAIN)
                for number, value in enumerate(row)
            )
            for row in zip(*(values for _, _, values in shown), strict=True)
        ),
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {level}" for level, number in counts.items() if number)


def _coverage(document: Mapping[str, Any]) -> list[Block]:
    page: list[Block] = []
    if document["coverage"]:
        page += [
            Line.of(""),
            Grid(
                columns=(
                    Column(title="Ecosystem", minimum=9),
                    Column(title="Packages", right=True),
                    Column(title="Judged", right=True),
                ),
                rows=tuple(
                    (
                        _cell(name),
                        _cell(row["packages"]),
                        _cell(row["judged"], _judged(row)),
                    )
                    for name, row in document["coverage"].items()
                ),
            ),
        ]
    uncovered = document["uncovered"]
    if uncovered:
        more = len(uncovered) - _MOST_NAMED
        rest = f", and {more} more (--format=json has all)" if more > 0 else ""
        named = ", ".join(uncovered[:_MOST_NAMED])
        page += [Line.of(""), Line.of(inert(f"Not covered: {named}{rest}"), Tone.WARN)]
    return page


def _judged(row: Mapping[str, int]) -> Tone:
    return Tone.PLAIN if row["judged"] == row["packages"] else Tone.WARN


def _scanners(scanners: Iterable[Mapping[str, Any]]) -> Grid:
    return Grid(
        columns=(
            Column(title="Scanner", minimum=8),
            Column(title="Status", minimum=6),
            Column(title="Advisories", right=True),
            Column(title="Newest", minimum=10),
            Column(title="Age", right=True),
            Column(title="Database", minimum=10),
        ),
        rows=tuple(
            (
                _cell(f"{each['tool']} {each['version']}".strip()),
                _cell(each["status"], Tone.GOOD if each["status"] == "ok" else Tone.BAD),
                _cell(_or_none(each["database"].get("advisories"))),
                _cell(str(each["database"].get("newest") or NONE)[:10]),
                _cell(NONE if each["age_days"] is None else f"{each['age_days']:.0f} d"),
                _cell(each["database"].get("uri") or NONE),
            )
            for each in scanners
        ),
    )


def _or_none(value: Any) -> Any:
    return NONE if value is None else value


def _cell(value: Any, tone: Tone = Tone.PLAIN) -> Cell:
    return cell(" ".join(inert(value).split()), tone)
