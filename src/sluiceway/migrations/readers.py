"""Who still reads what a migration takes away, and when the last one left. Pure.

Contracting is safe when no release that serves relies on what goes: neither the one that is about to
be replaced, nor any further along the path, nor the release itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sluiceway.migrations.uses import Uses, breaks, contracting
from sluiceway.model import rfc3339
from sluiceway.record import Record

__all__ = ["Reader", "Stay", "last_reader", "with_readers"]


class Reader(Record):
    """One release in one environment."""

    environment: str
    digest: str
    release: str
    """Its version, or the beginning of its digest."""
    uses: Uses | None
    """``None``: not known, for *problem*."""
    problem: str = ""
    coming: bool = False
    """It is what would be promoted."""


class Stay(Record):
    """A release that has left an environment."""

    reader: Reader
    left_at: datetime


def with_readers(
    facts: Sequence[Mapping[str, Any]],
    serving: Sequence[Reader],
    past: Sequence[Stay],
    *,
    unknown: str = "",
) -> list[dict[str, Any]]:
    """Return *facts* as policies see them, each contracting one with its ``last_reader``.

    Args:
        facts: As JSON.
        serving: Every release that serves at or behind the target, and the promoted one itself.
        past: What has left, newest first.
        unknown: Why it is not known who serves; empty when it is.
    """
    return [
        {**fact, "last_reader": last_reader(fact, serving, past, unknown=unknown)}
        if contracting(fact)
        else dict(fact)
        for fact in facts
    ]


def last_reader(
    fact: Mapping[str, Any],
    serving: Sequence[Reader],
    past: Sequence[Stay],
    *,
    unknown: str = "",
) -> dict[str, Any]:
    """Return who relies on what *fact* takes away.

    Shape: ``{"known", "problem", "serving": [{"environment", "release", "digest", "uses"}],
    "release", "digest", "environment", "left_at"}``. *known* is true when every release that serves
    says what it uses; *serving* are those that rely on it all the same. *release* and what follows
    is the last one that did and has left; empty when none is known to have.
    """
    silent = [each for each in serving if each.uses is None]
    problem = unknown or "; ".join(
        dict.fromkeys(
            f"{each.environment} {'would serve' if each.coming else 'serves'} {each.release}, "
            f"and {each.problem or 'it is not known what that uses'}"
            for each in silent
        )
    )
    relying = [
        {
            "environment": each.environment,
            "release": each.release,
            "digest": each.digest,
            "uses": how,
        }
        for each in serving
        if each.uses is not None and (how := breaks(each.uses, fact))
    ]
    left = next(
        (stay for stay in past if stay.reader.uses is not None and breaks(stay.reader.uses, fact)),
        None,
    )
    return {
        "known": not problem,
        "problem": problem,
        "serving": relying,
        "release": left.reader.release if left is not None else "",
        "digest": left.reader.digest if left is not None else "",
        "environment": left.reader.environment if left is not None else "",
        "left_at": rfc3339(left.left_at) if left is not None else None,
    }
