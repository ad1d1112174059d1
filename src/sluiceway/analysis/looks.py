"""A canary's stored looks as series: what each side did between two looks. Pure.

Every look of a watch was remembered as a step, with the running totals of both sides. A look that
cannot be read (another version wrote it) is counted, and the others are shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sluiceway.analysis.counters import Counters
from sluiceway.analysis.documents import evidence
from sluiceway.analysis.watch import Watch
from sluiceway.errors import SluicewayError
from sluiceway.model import CanaryLimits, parse_time

__all__ = ["counters_of", "evidence_of", "looks_of", "side_of"]

_STREAMS = {
    "sight": "sight",
    "health": "health",
    "errors": "error_rate",
    "latency": "latency_p99",
}
"""A stream's name in a stored watch, and in the evidence document."""


def looks_of(values: Iterable[Any], limits: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Return each look as plain JSON data, and how many could not be read.

    ::

        number    of the look; the first, which sets what is counted from, is 0
        at        seconds since the watch began
        time      when, RFC 3339
        weight    percent of the traffic, as read back
        step      {index, count, weight}, or null where there is one weight only
        canary    what it did since the look before: {requests, errors, error_rate, p99_ms}; null
        stable    the same; null where it was not seen. "inf" beyond every bucket
        streams   {sight, health, error_rate, latency_p99}: {measured, over, streak, bad}; bad:
                  this look's answer was one
        evidence  the e-values: {worse, beyond, safe, leading}; null where none were computed
        needed    how much of it decides: {worse, beyond, safe}; {} where the rule compares nothing,
                  null where that was not kept
        verdict   of the policies: continue, extend, promote, rollback, hold; "" where not asked
        outcome   running, pass, fail, no-data, error, inconclusive
        codes     the reasons' codes
        reason    in a sentence; "" while it goes on

    Args:
        values: What the steps of the watch returned, in order.
        limits: The watch's numbers, as stored with the run.
    """
    looks: list[dict[str, Any]] = []
    lost = 0
    before: Mapping[str, Any] | None = None
    known = _limits(limits)
    for value in values:
        try:
            look = _look(value, before, known)
        except (KeyError, TypeError, ValueError, AttributeError):
            lost += 1
            continue
        looks.append(look)
        before = value
    return looks, lost


def evidence_of(value: Mapping[str, Any], limits: CanaryLimits | None) -> dict[str, Any] | None:
    """Return the e-values of a stored look: as they were kept, or computed from its watch again."""
    document = value.get("evidence")
    if not isinstance(document, Mapping) and limits is not None:
        try:
            document = evidence(Watch.from_json(value["watch"]), limits)
        except (
            SluicewayError,
            ValueError,
            TypeError,
        ):  # another version's watch, which compared nothing
            return None
    found = document.get("sequential") if isinstance(document, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    return {name: found.get(name) for name in ("worse", "beyond", "safe", "leading")}


def _needed(value: Any) -> dict[str, float] | None:
    """Return the numbers of a stored look; those of another version, or of nobody, are not known."""
    if not isinstance(value, Mapping):
        return None
    if not value:
        return {}
    found = {name: float(value[name]) for name in ("worse", "beyond", "safe")}
    return found if all(number > 0 for number in found.values()) else None


def _limits(document: Mapping[str, Any]) -> CanaryLimits | None:
    if not document:  # not kept: the defaults would be a guess
        return None
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    try:
        return CanaryLimits(**fields)
    except TypeError:  # written by another version
        return None


def _look(
    value: Mapping[str, Any], before: Mapping[str, Any] | None, limits: CanaryLimits | None
) -> dict[str, Any]:
    watch, earlier = value["watch"], (before or {}).get("watch") or {}
    decision = value.get("decision") or {}
    began = (parse_time(value["at"]) - parse_time(value["started_at"])).total_seconds()
    return {
        "number": int(value.get("number", 0)),
        "at": round(max(began, 0.0), 3),
        "time": value["at"],
        "weight": float(value.get("weight", 0.0)),
        "step": value.get("step"),
        "canary": _window(watch.get("canary"), earlier.get("canary")),
        "stable": _window(watch.get("stable"), earlier.get("stable")),
        "streams": {
            name: _stream(watch.get(kept) or {}, earlier.get(kept) or {})
            for kept, name in _STREAMS.items()
        },
        "evidence": evidence_of(value, limits),
        "needed": _needed(value.get("needed")),
        "verdict": str(value.get("verdict") or decision.get("verdict") or ""),
        "outcome": str(value.get("outcome") or ""),
        "codes": _codes(value, decision),
        "reason": str(value.get("reason") or ""),
    }


def _window(now: Any, before: Any) -> dict[str, Any] | None:
    """Return what a side did between two looks, from its totals at each."""
    if not now:
        return None
    last = counters_of(now["last"])
    same = bool(before) and before["digest"] == now["digest"]
    earlier = counters_of(before["last"] if same else now["first"])
    try:
        return side_of(last.since(earlier))
    except ValueError:  # the side was started anew; what it did before is in the look before
        return side_of(last)


def counters_of(document: Mapping[str, Any]) -> Counters:
    """Read stored counters. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
    return Counters(
        requests=int(document["requests"]),
        errors=int(document["errors"]),
        latency_ms=dict(document["latency_ms"]),
    )


def side_of(counters: Counters) -> dict[str, Any]:
    """Return ``{"requests", "errors", "error_rate", "p99_ms"}``; null where nothing was counted."""
    p99 = counters.p99
    return {
        "requests": counters.requests,
        "errors": counters.errors,
        "error_rate": counters.error_rate,
        "p99_ms": "inf" if p99 is not None and math.isinf(p99) else p99,
    }


def _stream(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    measured, over = int(now.get("measured", 0)), int(now.get("over", 0))
    return {
        "measured": measured,
        "over": over,
        "streak": int(now.get("streak", 0)),
        "bad": over > int(before.get("over", 0)),
        "detail": str(now.get("detail", "")),
    }


def _codes(value: Mapping[str, Any], decision: Mapping[str, Any]) -> list[str]:
    found = [str(code) for code in value.get("codes") or ()]
    found = found or [str(item.get("code", "")) for item in decision.get("findings") or ()]
    if not found and value.get("code"):
        found = [str(value["code"])]
    return list(dict.fromkeys(found))
