"""Checks of the two limits: each of the window since its last check, once that has enough requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sluiceway.analysis.counters import Counters
from sluiceway.analysis.watch import Measure, Watch
from sluiceway.model import CanaryLimits

__all__ = ["checked"]


def checked(
    watch: Watch, limits: CanaryLimits, fresh: tuple[Counters, Counters] | None = None
) -> Watch:
    """Return *watch* after checking the error rate and the p99, where there is enough to check.

    *fresh* is what came since the last look, where that is known: most checks are of just that.
    A window with fewer than ``minimum_check_requests`` stays open, and leaves the streak as it is.
    """
    changed = _errors(watch, limits, fresh) | _latency(watch, limits, fresh)
    return replace(watch, **changed) if changed else watch


def _errors(
    watch: Watch, limits: CanaryLimits, fresh: tuple[Counters, Counters] | None
) -> dict[str, Any]:
    """Return the fields of *watch* that a check of the error rate changes."""
    windows = fresh or watch.windows(watch.error_marks)
    if windows is None or windows[0].requests < max(1, limits.minimum_check_requests):
        return {}
    canary, stable = windows
    value = canary.error_rate or 0.0
    measure = Measure(
        canary=value,
        canary_requests=canary.requests,
        stable=stable.error_rate,
        stable_requests=stable.requests,
    )
    bad = value > limits.error_rate_threshold
    return {
        "errors": watch.errors.answered(watch.seconds, bad=bad, last=measure),
        "error_marks": watch.now,
    }


def _latency(
    watch: Watch, limits: CanaryLimits, fresh: tuple[Counters, Counters] | None
) -> dict[str, Any]:
    """Return the fields of *watch* that a check of the p99 changes."""
    windows = fresh or watch.windows(watch.latency_marks)
    if windows is None or windows[0].answered < max(1, limits.minimum_check_requests):
        return {}
    canary, stable = windows
    value = canary.p99 or 0.0
    measure = Measure(
        canary=value,
        canary_requests=canary.answered,
        stable=stable.p99,
        stable_requests=stable.answered,
    )
    bad = value > limits.latency_p99_threshold_ms
    return {
        "latency": watch.latency.answered(watch.seconds, bad=bad, last=measure),
        "latency_marks": watch.now,
    }
