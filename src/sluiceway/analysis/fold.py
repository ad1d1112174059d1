"""The fold: one look into a watch, then judged by :mod:`sluiceway.analysis.judge`."""

from __future__ import annotations

import math
from dataclasses import replace

from sluiceway.analysis.counters import Counters
from sluiceway.analysis.judge import judge
from sluiceway.analysis.outcome import Outcome, Verdict
from sluiceway.analysis.watch import Measure, Tally, Watch
from sluiceway.model import CanaryLimits, Observation, Side

__all__ = ["advance", "miss"]

_EARLY = 0.5
"""A look sooner than this part of the interval after the last one is no further poll."""
_WEIGHT_TOLERANCE = 0.01
"""Percentage points; routers round."""


def advance(watch: Watch, observation: Observation, limits: CanaryLimits) -> Watch:
    """Return *watch* after one more look. A watch that has ended stays as it is.

    A look that comes sooner than half an interval after the last one (a restarted runner looks
    at once; a repeated step folds the same look again) is searched for what fails at once and is
    otherwise ignored: it neither lengthens a streak nor breaks one.

    Time is the sum of differences of ``observation.monotonic``. A gap longer than ``consecutive``
    intervals counts as that long and no longer, and a clock that went back counts as nothing:
    time in which nobody looked is not watched time.
    """
    if watch.verdict.ended:
        return watch
    problem = _contradiction(watch, observation)
    seen = watch if problem else _tallied(watch, observation)
    seen = replace(
        _timed(seen, observation.monotonic, limits),
        looks=watch.looks + 1,
        restarts=observation.canary_restarts if watch.restarts is None else watch.restarts,
        sight=watch.sight.answered(bad=False),
        health=watch.health.answered(
            bad=not observation.health_ok, detail=observation.health_detail
        ),
    )
    broken = _at_once(watch, observation, limits, problem)
    if broken is not None:
        return replace(seen, verdict=broken)
    if _early(watch, observation.monotonic, limits):
        return watch
    return judge(_checked_latency(_checked_errors(seen, limits), limits), limits)


def miss(watch: Watch, monotonic: float, problem: str, limits: CanaryLimits) -> Watch:
    """Return *watch* after a look that could not be made: the observer raised *problem*.

    It is no health poll and no check, and leaves their streaks alone. After
    ``limits.consecutive`` such looks in a row the watch ends in an error: a canary that nobody
    can see does not go on serving.

    Args:
        watch: The watch so far.
        monotonic: Seconds of the observer's monotonic clock.
        problem: What the observer said.
        limits: The numbers of the watch.
    """
    if watch.verdict.ended or _early(watch, monotonic, limits):
        return watch
    blind = replace(
        _timed(watch, monotonic, limits),
        looks=watch.looks + 1,
        sight=watch.sight.answered(bad=True, detail=problem),
    )
    return judge(blind, limits)


# --- time -----------------------------------------------------------------------------------------


def _early(watch: Watch, monotonic: float, limits: CanaryLimits) -> bool:
    if watch.clock is None:
        return False
    passed = monotonic - watch.clock
    if passed < 0:  # another machine's clock: nothing can be said about when
        return False
    last = passed > 0 and watch.seconds + passed >= limits.duration_seconds
    return passed < _EARLY * limits.interval_seconds and not last


def _timed(watch: Watch, monotonic: float, limits: CanaryLimits) -> Watch:
    if not math.isfinite(monotonic):
        return watch
    longest = limits.consecutive * limits.interval_seconds
    passed = 0.0 if watch.clock is None else min(max(monotonic - watch.clock, 0.0), longest)
    return replace(watch, clock=monotonic, seconds=watch.seconds + passed)


# --- what fails at once ---------------------------------------------------------------------------


def _at_once(
    watch: Watch, observation: Observation, limits: CanaryLimits, problem: str
) -> Verdict | None:
    if not observation.canary_alive:
        return _fail("canary.crashed", "the canary has crashed")
    if watch.restarts is not None and observation.canary_restarts != watch.restarts:
        return _fail(
            "canary.restarted",
            f"the canary was restarted: {observation.canary_restarts} restarts now, "
            f"{watch.restarts} when the watch began",
        )
    if not math.isclose(
        observation.weight, limits.traffic_percent, rel_tol=0.0, abs_tol=_WEIGHT_TOLERANCE
    ):
        return _fail(
            "canary.shed",
            f"the weight was shed: {observation.weight:g} % is in force, "
            f"{limits.traffic_percent:g} % was set",
        )
    if problem:
        return _fail("canary.contradiction", f"the canary's evidence contradicts itself: {problem}")
    return None


def _fail(code: str, reason: str) -> Verdict:
    return Verdict(outcome=Outcome.FAIL, code=code, reason=reason)


def _contradiction(watch: Watch, observation: Observation) -> str:
    if not math.isfinite(observation.monotonic):
        return f"the observer's clock read {observation.monotonic}"
    side = observation.canary
    if side is None:
        return ""
    try:
        now = Counters.of(side)
        if watch.canary is not None:
            if side.digest != watch.canary.digest:
                return f"{side.digest} answered where {watch.canary.digest} was watched"
            now.since(watch.canary.last)
    except ValueError as error:
        return str(error)
    return ""


def _tallied(watch: Watch, observation: Observation) -> Watch:
    canary, stable = watch.canary, watch.stable
    if observation.canary is not None:
        canary = _side(canary, observation.canary)
    if observation.stable is not None:
        try:
            stable = _side(stable, observation.stable)
        except ValueError:  # a restarted stable side is not the canary's fault: begin it anew
            stable = _begun(observation.stable)
    begun = stable.first if stable else None
    known = watch.stable.first if watch.stable else None
    errors, latency = watch.error_marks, watch.latency_marks
    if canary is not None:
        errors, latency = errors or (canary.first, begun), latency or (canary.first, begun)
        if begun is not known:  # marks on the side that was there before are no longer comparable
            errors, latency = (errors[0], begun), (latency[0], begun)
    return replace(watch, canary=canary, stable=stable, error_marks=errors, latency_marks=latency)


def _begun(side: Side) -> Tally | None:
    try:
        now = Counters.of(side)
    except ValueError:
        return None
    return Tally(digest=side.digest, first=now, last=now)


def _side(tally: Tally | None, side: Side) -> Tally:
    now = Counters.of(side)
    if tally is None or tally.digest != side.digest:
        return Tally(digest=side.digest, first=now, last=now)
    now.since(tally.last)
    return replace(tally, last=now)


# --- checks ---------------------------------------------------------------------------------------


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
        watch, errors=watch.errors.answered(bad=bad, last=measure), error_marks=watch.now
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
        watch, latency=watch.latency.answered(bad=bad, last=measure), latency_marks=watch.now
    )
