"""The evidence of a watch as one document: what the gate ``canary`` decides from."""

from __future__ import annotations

import math
from typing import Any

from sluiceway.analysis import peers, sequential
from sluiceway.analysis.profiles import profile_of
from sluiceway.analysis.watch import Stream, Tally, Watch
from sluiceway.model import CanaryLimits

__all__ = ["evidence"]

_MOST = 1e12
"""Larger evidence says no more, and is written as this."""
_DIGITS = 6


def evidence(watch: Watch, limits: CanaryLimits) -> dict[str, Any]:
    """Return everything that is known of a canary, as plain JSON data. Nothing is decided.

    ::

        looks            how often it was looked at
        seconds          how long it was watched; time in which nobody looked is not in it
        step_seconds     the same, under the present weight
        at_once          null, or {code, reason}: crashed, restarted, shed or a contradiction
        samples          canary: its requests; good: those without an error; stable: its requests
        streams          sight      looks that could not be made
                         health     polls that failed
                         error_rate checks over the limit; canary and stable in percent
                         latency_p99   the same in milliseconds; "inf" beyond every bucket
                         each {measured, over, streak, streak_seconds, canary, stable, detail}:
                         how often it was asked, how many answers were bad, how many of the last in
                         a row, how long it is that one was good, the last answer's numbers (null
                         where there are none) and words
        sequential       worse      e-values of "no worse than stable"
                         beyond     e-values of "no worse by more than is tolerated"
                         each {errors, latency, health, together}
                         safe       {errors, latency, together}: the other way round, large when
                                    "worse by more than we let pass" is excluded; together is the
                                    smaller one. There is no certificate of health.
                         leading    the stream that says most: errors, latency or health
        stable_observed  the stable side was seen at the last look and had requests
        totals           canary and stable: null, or {digest, requests, errors, error_rate,
                         answered, p99_ms} over the whole watch
        unfinished       requests since the last check, too few for one: {errors: {requests,
                         errors}, latency: {answered, slow}}

        peers            what the rule of another tool reads, where that rule is asked for: see
                         :func:`sluiceway.analysis.peers.counted`

    Evidence and rates are rounded to six significant digits; evidence ends at 1e12.
    """
    profile = profile_of(limits)
    found = sequential.values(watch.sequential, profile)
    canary, stable = _side(watch.canary), _side(watch.stable)
    return {
        "looks": watch.looks,
        "seconds": round(watch.seconds, 3),
        "step_seconds": round(watch.step_seconds, 3),
        "at_once": None
        if watch.at_once is None
        else {"code": watch.at_once.code, "reason": watch.at_once.reason},
        "samples": {
            "canary": canary["requests"] if canary else 0,
            "good": max(0, canary["requests"] - canary["errors"]) if canary else 0,
            "stable": stable["requests"] if stable else 0,
        },
        "streams": {
            "sight": _stream(watch.sight, watch.seconds),
            "health": _stream(watch.health, watch.seconds),
            "error_rate": _stream(watch.errors, watch.seconds),
            "latency_p99": _stream(watch.latency, watch.seconds),
        },
        "sequential": {
            "worse": {name: _evidence(value) for name, value in found.worse.items()},
            "beyond": {name: _evidence(value) for name, value in found.beyond.items()},
            "safe": {
                **{name: _evidence(value) for name, value in found.safe.items()},
                "together": _evidence(min(found.safe.values())),
            },
            "leading": sequential.leading(found.worse),
        },
        "stable_observed": watch.stable_observed,
        "totals": {"canary": canary, "stable": stable},
        "unfinished": _unfinished(watch, limits),
        "peers": peers.counted(
            watch.series, limits, over=watch.step_seconds >= limits.duration_seconds
        ),
    }


def _evidence(value: float) -> float:
    return _rounded(min(value, _MOST))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _side(tally: Tally | None) -> dict[str, Any] | None:
    if tally is None:
        return None
    total = tally.total
    return {
        "digest": tally.digest,
        "requests": total.requests,
        "errors": total.errors,
        "error_rate": _plain(total.error_rate),
        "answered": total.answered,
        "p99_ms": _plain(total.p99),
    }


def _stream(stream: Stream, now: float) -> dict[str, Any]:
    return {
        "measured": stream.measured,
        "over": stream.over,
        "streak": stream.streak,
        "streak_seconds": round(stream.lasting(now), 3),
        "canary": _plain(stream.last.canary) if stream.last else None,
        "stable": _plain(stream.last.stable) if stream.last else None,
        "detail": stream.detail,
    }


def _plain(value: float | None) -> float | str | None:
    if value is None:
        return None
    return "inf" if math.isinf(value) else _rounded(value)


def _unfinished(watch: Watch, limits: CanaryLimits) -> dict[str, Any]:
    errors, latency = watch.windows(watch.error_marks), watch.windows(watch.latency_marks)
    return {
        "errors": {
            "requests": errors[0].requests if errors else 0,
            "errors": errors[0].errors if errors else 0,
        },
        "latency": {
            "answered": latency[0].answered if latency else 0,
            "slow": latency[0].slower_than(limits.latency_p99_threshold_ms) if latency else 0,
        },
    }
