"""What a person sees of a dry run: the answer, why, what each statement did, what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sluiceway.console.page import Block, Column, Grid, Line, Tone, cell

__all__ = ["dry_run_page"]

_ANSWERS = {
    "pass": ("passes", Tone.GOOD),
    "broken": ("breaks", Tone.BAD),
    "unsure": ("could not be judged", Tone.WARN),
}
_TONES = {"deny": Tone.BAD, "warn": Tone.WARN}
_QUIET = frozenset({"AccessShare", "RowShare", "RowExclusive"})
"""What ordinary statements take anyway."""
_LONGEST = 140


def dry_run_page(document: Mapping[str, Any]) -> list[Block]:
    """Return the page of what ``migrations.dry-run --json`` prints."""
    word, tone = _ANSWERS[document["outcome"]]
    new = document["new"]
    page: list[Block] = [
        Line.of(f"Dry run of {_files(len(new), 'new')}: {word}", tone),
        Line.of(
            f"{document['server']['version']} · after {_files(document['history'], 'earlier')}"
            + "".join(_tally(document)),
            Tone.DIM,
        ),
    ]
    if document["findings"]:
        page += [Line.of(""), _findings(document["findings"])]
    for note in document["notes"]:
        page += [Line.of(""), Line.of(note, Tone.WARN)]
    telling = [each for each in document["statements"] if any(_does(each))]
    if telling:
        page += [Line.of(""), _statements(telling)]
    quiet = len(document["statements"]) - len(telling)
    if quiet:
        which = "statement touches" if quiet == 1 else "statements touch"
        page += [Line.of(""), Line.of(f"{quiet} {which} nothing that was there before.", Tone.DIM)]
    if document["changes"]:
        page += [Line.of(""), Line.of("Schema", Tone.STRONG)]
        for change in document["changes"]:
            page += [
                Line.of(line, Tone.GOOD if line.startswith("+") else Tone.BAD)
                for line in change["lines"]
            ]
    return page


def _files(number: int, which: str) -> str:
    return f"{number} {which} file{'' if number == 1 else 's'}"


def _tally(document: Mapping[str, Any]) -> Iterable[str]:
    for key, words in (("old_release", "old release"), ("new_release", "new release")):
        told = document[key]
        if told is not None:
            yield f" · {words}: {told['counted'] - told['broken']} of {told['counted']} work"


def _findings(findings: Iterable[Mapping[str, Any]]) -> Grid:
    rows = []
    for finding in findings:
        tone = _TONES.get(finding["level"], Tone.PLAIN)
        at = f"{finding['file']}:{finding['line']}\n" if finding.get("file") else ""
        times = f" ({finding['times']} times)" if finding.get("times", 1) > 1 else ""
        statement = f"\n{finding['statement']}" if finding.get("statement") else ""
        rows.append(
            (
                cell(finding["code"], tone),
                cell(f"{at}{finding['message']}{times}{statement}"),
                cell(finding.get("solution", "")),
            )
        )
    return Grid(
        columns=(
            Column(title="Code", minimum=12),
            Column(title="Why", minimum=24),
            Column(title="What to do", minimum=20),
        ),
        rows=tuple(rows),
        spaced=True,
    )


def _statements(statements: Iterable[Mapping[str, Any]]) -> Grid:
    return Grid(
        columns=(
            Column(title="Statement", minimum=30),
            Column(title="Does", minimum=30),
            Column(title="ms", right=True),
        ),
        rows=tuple(
            (
                cell(f"{each['file']}:{each['line']}\n{_short(each['statement'])}"),
                cell("\n".join(_does(each))),
                cell(f"{each['milliseconds']:.0f}", Tone.DIM),
            )
            for each in statements
        ),
        spaced=True,
    )


def _does(statement: Mapping[str, Any]) -> Iterable[str]:
    if "failure" in statement:
        yield f"fails: {statement['failure']['sqlstate']} {statement['failure']['message']}"
    for lock in statement["locks"]:
        if lock["mode"] not in _QUIET:
            waits = f": {lock['blocks']} wait" if lock["blocks"] else ""
            yield f"{lock['mode']} on {_sized(lock['table'], statement)}{waits}"
    for key, words in (
        ("rewrites", "writes anew"),
        ("scans", "reads all of"),
        ("truncates", "empties"),
    ):
        for table in statement[key]:
            yield f"{words} {_sized(table, statement)}"
    if not statement["traced"]:
        yield "outside a transaction: its locks cannot be seen"


def _short(statement: str) -> str:
    return statement if len(statement) <= _LONGEST else statement[: _LONGEST - 1] + "\u2026"


def _sized(table: str, statement: Mapping[str, Any]) -> str:
    size = statement["sizes"].get(table)
    return f"{table} ({size['text']})" if size else table
