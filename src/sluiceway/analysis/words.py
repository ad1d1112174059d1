"""A watch in words and as facts: numbers on both sides, value against limit."""

from __future__ import annotations

import math
from typing import Any

from sluiceway.analysis.counters import Counters
from sluiceway.analysis.outcome import Outcome
from sluiceway.analysis.watch import Stream, Tally, Watch
from sluiceway.model import CanaryLimits

__all__ = ["explain", "facts"]

_LEADS = {
    Outcome.PASS: "Passed after",
    Outcome.FAIL: "Roll back after",
    Outcome.NO_DATA: "Not enough data after",
    Outcome.ERROR: "Could not watch after",
    Outcome.INCONCLUSIVE: "Inconclusive after",
}


def explain(watch: Watch, limits: CanaryLimits) -> str:
    """Return one sentence that a person understands: what, why, and both sides' numbers."""
    found = watch.verdict
    if found.ended:
        lead = f"{_LEADS[found.outcome]} {watch.seconds:.0f} s: {found.reason}"
    else:
        lead = f"Watching for {watch.seconds:.0f} of {limits.duration_seconds:g} s"
    return f"{lead}; {_sides(watch, limits)}."


def _sides(watch: Watch, limits: CanaryLimits) -> str:
    canary, stable = _total(watch.canary), _total(watch.stable)
    if canary is None:
        return "the canary's counters have not been read"
    measured = [
        f"{name} {_shown(stream.last.canary, unit)} at the last check of "
        f"{stream.last.canary_requests} requests ({_beside(stream, unit)}, limit {limit:g} {unit})"
        for name, stream, unit, limit in (
            ("error rate", watch.errors, "%", limits.error_rate_threshold),
            ("p99", watch.latency, "ms", limits.latency_p99_threshold_ms),
        )
        if stream.last is not None
    ]
    sides = f"canary {_summed(canary)}, stable {_summed(stable)}"
    return "; ".join([*measured, sides])


def _total(tally: Tally | None) -> Counters | None:
    return tally.total if tally else None


def _summed(total: Counters | None) -> str:
    if total is None:
        return "not seen"
    return f"{total.errors} errors in {total.requests} requests"


def _beside(stream: Stream, unit: str) -> str:
    if stream.last is None or stream.last.stable is None:
        return "stable had none"
    return f"stable {_shown(stream.last.stable, unit)}"


def _shown(value: float, unit: str) -> str:
    if math.isinf(value):
        return "beyond every bucket"
    return f"{value:.1f} {unit}" if unit == "%" else f"{value:g} {unit}"


def facts(watch: Watch, limits: CanaryLimits) -> dict[str, Any]:
    """Return a watch as the facts of an evidence of kind ``canary``: plain JSON data.

    ``{"outcome", "code", "reason", "looks", "watched_seconds", "duration_seconds",
    "sides": {"canary": side, "stable": side}, "streams": {"sight", "health", "error_rate",
    "latency_p99": {"measured", "over", "streak", "limit", "canary", "stable"}}, "explanation"}``;
    a side is ``{"digest", "requests", "errors", "error_rate", "p99_ms"}`` over the whole watch or
    ``null``. Rates are percent, latencies milliseconds; a p99 beyond every bucket is ``"inf"``.
    """
    found = watch.verdict
    return {
        "outcome": found.outcome.value,
        "code": found.code,
        "reason": found.reason,
        "looks": watch.looks,
        "watched_seconds": round(watch.seconds, 3),
        "duration_seconds": limits.duration_seconds,
        "requests_needed": limits.minimum_requests,
        "sides": {"canary": _side(watch.canary), "stable": _side(watch.stable)},
        "streams": {
            "sight": _stream(watch.sight, None),
            "health": _stream(watch.health, None),
            "error_rate": _stream(watch.errors, limits.error_rate_threshold),
            "latency_p99": _stream(watch.latency, limits.latency_p99_threshold_ms),
        },
        "explanation": explain(watch, limits),
    }


def _side(tally: Tally | None) -> dict[str, Any] | None:
    if tally is None:
        return None
    total = tally.total
    return {
        "digest": tally.digest,
        "requests": total.requests,
        "errors": total.errors,
        "error_rate": total.error_rate,
        "p99_ms": _plain(total.p99),
    }


def _stream(stream: Stream, limit: float | None) -> dict[str, Any]:
    return {
        "measured": stream.measured,
        "over": stream.over,
        "streak": stream.streak,
        "limit": limit,
        "canary": _plain(stream.last.canary) if stream.last else None,
        "stable": _plain(stream.last.stable) if stream.last else None,
    }


def _plain(value: float | None) -> float | str | None:
    return "inf" if value is not None and math.isinf(value) else value
