"""Reading what a scanner printed, strictly, and concluding from it. Pure.

A report that is cut off, preceded by something else or of another shape is not read in part: what
is missing might be the advisory that matters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluiceway.model import Maker, Scan, Status, Vulnerability, parse_time, rfc3339
from sluiceway.scanning.packages import Package, package_at, same
from sluiceway.words import counted

__all__ = [
    "LEVELS",
    "UNKNOWN",
    "ReportError",
    "conclude",
    "counted",
    "objects",
    "read_report",
    "refuse",
    "severity",
    "text",
]

UNKNOWN = "UNKNOWN"
"""A level of its own: nobody says, which is not the same as harmless."""
LEVELS = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
"""The worst first."""

_WORDS = {
    **{level: level for level in LEVELS},
    "MODERATE": "MEDIUM",  # GitHub's and npm's word
    "IMPORTANT": "HIGH",  # Red Hat's word
    "NEGLIGIBLE": "LOW",  # Debian's and Ubuntu's word
    "INFO": "LOW",  # npm's word
}
_SHOWN = 120  # characters of what was printed, in messages
_SKEW = 3600.0  # seconds that a database's clock may be ahead of ours


class ReportError(ValueError):
    """A report is not what it should be; the message is a clause: ``it ...``."""


def read_report(printed: str) -> dict[str, Any]:
    """Return the one JSON object that *printed* is.

    Raises:
        ReportError: It is empty, cut off, not JSON, no object, or something stands around it.
    """
    if not printed.strip():
        msg = "it printed nothing"
        raise ReportError(msg)
    try:
        document = json.loads(printed)
    except (ValueError, RecursionError) as error:
        shown = " ".join(printed[:_SHOWN].split())
        msg = f"what it printed is not JSON, or cut off; it begins with {shown!r}"
        raise ReportError(msg) from error
    if not isinstance(document, dict):
        msg = "what it printed is no JSON object"
        raise ReportError(msg)
    return document


def objects(place: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the list of objects at *key*; absent or null is empty.

    Raises:
        ReportError: There is something else.
    """
    items = place.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        msg = f"its {key!r} is no list of objects"
        raise ReportError(msg)
    return items


def text(place: Mapping[str, Any], key: str, *, needed: bool = True) -> str:
    """Return the text at *key*.

    Raises:
        ReportError: It is no text, or *needed* and absent or empty.
    """
    value = place.get(key)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or (needed and not value):
        msg = f"an entry of it has no {key!r}"
        raise ReportError(msg)
    return value


def severity(word: Any) -> str:
    """Return one of :data:`LEVELS`, or :data:`UNKNOWN` for any other word."""
    return _WORDS.get(word.strip().upper(), UNKNOWN) if isinstance(word, str) else UNKNOWN


def conclude(
    *,
    subject: str,
    made_at: datetime,
    maker: Maker,
    database: Mapping[str, Any],
    packages: Sequence[Package],
    judged: Iterable[Package],
    found: Iterable[Vulnerability],
    where: str = "the SBOM",
) -> Scan:
    """Return the scan of *packages* of which *judged* were really compared.

    OK when at least one was, or something was found; NO_DATA when everything was skipped; ERROR
    when the database says that it is from the future, because then no age of it means anything.

    Args:
        subject: What the scan is about.
        made_at: When it was made.
        maker: Who made it.
        database: As :attr:`sluiceway.model.Scan.database`.
        packages: What there is to judge.
        judged: What the scanner compared, in its own spelling; it may know more than *packages*.
        found: What it found; kept whole, whatever it is about.
        where: Where the packages are listed, for the summary.
    """
    newest = database.get("newest")
    if newest is not None and (parse_time(newest) - made_at).total_seconds() > _SKEW:
        return refuse(
            f"the database is from the future ({newest}): its age cannot be known",
            subject=subject,
            made_at=made_at,
            maker=maker,
            packages=packages,
            database=database,
        )
    seen = tuple(judged)
    keys = {same(each) for each in seen} - {None}
    labels = {each.label for each in seen if each.version}
    uncovered = [each for each in packages if each.label not in labels and same(each) not in keys]
    compared = len(packages) - len(uncovered)
    told = _told(found, packages)
    if not compared and not told:
        reason = (
            f"none of the {counted(len(packages), 'package')} of {where} could be compared"
            if packages
            else f"{where} lists no package"
        )
        return refuse(
            reason,
            subject=subject,
            made_at=made_at,
            maker=maker,
            packages=packages,
            database=database,
            status=Status.NO_DATA,
        )
    return Scan(
        status=Status.OK,
        subject=subject,
        made_at=made_at,
        maker=maker,
        vulnerabilities=told,
        database=database,
        uncovered=tuple(each.label for each in uncovered),
        summary=_summary(compared, database, told, len(uncovered)),
    )


def refuse(
    reason: str,
    *,
    subject: str,
    made_at: datetime,
    maker: Maker,
    packages: Sequence[Package] = (),
    database: Mapping[str, Any] | None = None,
    status: Status = Status.ERROR,
) -> Scan:
    """Return the record of a scan that was not made, and why: every package is uncovered."""
    nothing = {"uri": "", "digest": "", "advisories": 0, "newest": None, "ecosystems": []}
    return Scan(
        status=status,
        subject=subject,
        made_at=made_at,
        maker=maker,
        vulnerabilities=(),
        database=nothing if database is None else database,
        uncovered=tuple(each.label for each in packages),
        summary=f"not scanned: {reason}",
    )


def _told(found: Iterable[Vulnerability], packages: Sequence[Package]) -> tuple[Vulnerability, ...]:
    """Return *found* in the order of *packages*, about packages as they are spelt there.

    Two scanners that mean one package then say so in the same words.
    """
    spelt = {same(each): each.label for each in packages}
    spelt.pop(None, None)
    labels = {each.label for each in packages}
    named = (
        item
        if item.package in labels
        else replace(item, package=spelt.get(same(package_at(item.package)), item.package))
        for item in found
    )
    order = {each.label: number for number, each in enumerate(packages)}
    last = len(order)
    return tuple(
        sorted(named, key=lambda item: (order.get(item.package, last), item.package, item.id))
    )


def _summary(
    compared: int, database: Mapping[str, Any], found: Sequence[Vulnerability], uncovered: int
) -> str:
    levels = [
        f"{count} {level}"
        for level in (*LEVELS, UNKNOWN)
        if (count := sum(item.severity == level for item in found))
    ]
    newest = database.get("newest")
    dated = "" if newest is None else f" (newest {rfc3339(parse_time(newest))[:10]})"
    said = f"known vulnerabilities: {', '.join(levels)}" if found else "no known vulnerability"
    missed = f"; {counted(uncovered, 'package')} not covered" if uncovered else ""
    number = database.get("advisories")
    known = (
        counted(number, "advisory", "advisories")
        if isinstance(number, int)
        else database.get("uri") or "a database that does not say how large it is"
    )
    return f"{counted(compared, 'package')} compared with {known}{dated}: {said}{missed}"
