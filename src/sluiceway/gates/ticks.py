"""Two questions about one image, for somebody who holds nothing but its name: is it signed, and is
it free of grave vulnerabilities? Pure; the gate asks far more, by policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sluiceway.gates.evidence import scan_evidence
from sluiceway.model import Attestation, Evidence, Status, parse_time, rfc3339
from sluiceway.record import Record

__all__ = ["GRAVE", "Tick", "scan_tick", "signature_tick"]

GRAVE = ("CRITICAL", "HIGH", "UNKNOWN")
"""Severities that cost the tick. What nobody rated may be anything, so it counts as the worst."""

_SHOWN = 5
_SKEW = timedelta(minutes=5)
"""How far ahead of ours a scanner's clock may be."""


class Tick(Record):
    """One question and its answer."""

    name: str
    good: bool
    summary: str
    """The answer in one sentence, with its reason."""
    evidence: Evidence | None
    """What it was answered from; ``None`` when there is nothing."""


def signature_tick(evidence: Evidence) -> Tick:
    """Answer whether the image is signed by somebody who is trusted."""
    return Tick(
        name="signature",
        good=evidence.status is Status.OK,
        summary=evidence.summary,
        evidence=evidence,
    )


def scan_tick(attestations: Iterable[Attestation], digest: str, now: datetime) -> Tick:
    """Answer whether the newest attested scan, joined over the scanners, found nothing grave.

    No scan, one that is not signed by somebody trusted, one that could not look, and one from the
    future are no tick.
    """
    found = scan_evidence(attestations, digest)
    if not found:
        return Tick(
            name="scan",
            good=False,
            summary="nobody attested a scan of it",
            evidence=None,
        )
    (evidence,) = found
    good, summary = _judged(evidence, now)
    return Tick(name="scan", good=good, summary=summary, evidence=evidence)


def _judged(evidence: Evidence, now: datetime) -> tuple[bool, str]:
    facts = evidence.facts
    if not facts.get("attested") or not facts.get("scanned"):
        # What failed is printed after the word FAILED.
        word = "" if evidence.status is Status.FAILED else f"{evidence.status}: "
        return False, f"{word}{evidence.summary}"
    # Of each scanner: one from the future would hide every later one, and be hidden by the others.
    for moment in sorted({evidence.made_at, *_moments(facts)}):
        if moment > now + _SKEW:
            return False, f"the scan says that it was made at {rfc3339(moment)}, after now"
    counts: Mapping[str, int] = facts["counts"]
    grave = {name: counts.get(name, 0) for name in GRAVE if counts.get(name, 0)}
    said = ", ".join(f"{number} {name}" for name, number in grave.items())
    uncovered = len(facts.get("uncovered", ()))
    unseen = f"; no database covers {uncovered} of its packages" if uncovered else ""
    when = f"scanned {_age(now - evidence.made_at)} by {evidence.maker.tool or 'nobody named'}"
    if not grave:
        others = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
        return True, f"no {', '.join(GRAVE)}; {others or 'and none milder'}; {when}{unseen}"
    named = list(
        dict.fromkeys(_named(item) for item in facts["vulnerabilities"] if _severity(item) in GRAVE)
    )
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return False, f"{said}: {', '.join(named[:_SHOWN])}{more}; {when}{unseen}"


def _moments(facts: Mapping[str, Any]) -> Iterator[datetime]:
    for scanner in facts["scanners"]:
        yield parse_time(scanner["scanned_at"])


def _severity(item: Mapping[str, Any]) -> str:
    severity = str(item.get("severity", ""))
    return severity if severity in {"CRITICAL", "HIGH", "MEDIUM", "LOW"} else "UNKNOWN"


def _named(item: Mapping[str, Any]) -> str:
    return f"{item.get('id', '?')} ({_severity(item)}) in {item.get('package', '?')}"


def _age(age: timedelta) -> str:
    minutes = max(int(age.total_seconds() // 60), 0)
    for size, word in ((24 * 60, "days"), (60, "hours"), (1, "minutes")):
        if minutes >= 2 * size:
            return f"{minutes // size} {word} ago"
    return "just now"
