"""Checks of the two limits: each of the window since its last check, once that has enough requests."""

from __future__ import annotations

from dataclasses import replace

from sluiceway.analysis.watch import Measure, Watch
from sluiceway.model import CanaryLimits

__all__ = ["checked"]


def checked(watch: Watch, limits: CanaryLimits) -> Watch:
    """Return *watch* after checking the error rate and the p99, where there is enough to check.

    A window with fewer than ``minimum_check_requests`` stays open, and leaves the streak as it is.
    """
    return _checked_latency(_checked_errors(watch, limits), limits)


def _checked_errors(watch: Watch, limits: CanaryLimits) -> Watch:
    windows = watch.windows(watch.error_marks)
    if windows is None or windows[0].requests < max(1, limits.minimum_check_requests):
        return watch
    canary, stable = windows
    value = canary.error_rate or 0.0
    measure = Measure(
        canary=value,
        canary_requests=canary.requests,
        stable=stable.error_rate,
        stable_requests=stable.requests,
    )
    bad = value > limits.error_rate_threshold
    return replace(
        watch,
        errors=watch.errors.answered(watch.seconds, bad=bad, last=measure),
        error_marks=watch.now,
    )


def _checked_latency(watch: Watch, limits: CanaryLimits) -> Watch:
    windows = watch.windows(watch.latency_marks)
    if windows is None or windows[0].answered < max(1, limits.minimum_check_requests):
        return watch
    canary, stable = windows
    value = canary.p99 or 0.0
    measure = Measure(
        canary=value,
        canary_requests=canary.answered,
        stable=stable.p99,
        stable_requests=stable.answered,
    )
    bad = value > limits.latency_p99_threshold_ms
    return replace(
        watch,
        latency=watch.latency.answered(watch.seconds, bad=bad, last=measure),
        latency_marks=watch.now,
    )
