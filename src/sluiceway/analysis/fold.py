"""The fold: one look into a watch. Nothing is decided here, but that a broken canary has ended."""

from __future__ import annotations

import math
from dataclasses import replace

from sluiceway.analysis import buckets, peers, sequential
from sluiceway.analysis.checks import checked
from sluiceway.analysis.counters import Counters
from sluiceway.analysis.profiles import profile_of
from sluiceway.analysis.watch import AtOnce, Tally, Watch
from sluiceway.model import CanaryLimits, Observation, Side

__all__ = ["advance", "miss", "stepped"]

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

    Args:
        watch: The watch so far.
        observation: What was seen.
        limits: The numbers of the watch; ``traffic_percent`` is the weight that was set.
    """
    if watch.ended:
        return watch
    problem = _contradiction(watch, observation)
    seen = watch if problem else _tallied(watch, observation)
    seen = _timed(seen, observation.monotonic, limits)
    seen = replace(
        seen,
        looks=watch.looks + 1,
        restarts=observation.canary_restarts if watch.restarts is None else watch.restarts,
        sight=watch.sight.answered(seen.seconds, bad=False),
        health=watch.health.answered(
            seen.seconds, bad=not observation.health_ok, detail=observation.health_detail
        ),
    )
    broken = _at_once(watch, observation, limits, problem)
    if broken is not None:
        return replace(seen, at_once=broken)
    if _early(watch, observation.monotonic, limits):
        return watch
    return checked(_compared(watch, seen, observation, limits), limits)


def miss(watch: Watch, monotonic: float, problem: str, limits: CanaryLimits) -> Watch:
    """Return *watch* after a look that could not be made: the observer raised *problem*.

    It is no health poll and no check, and leaves their streaks alone. After
    ``limits.consecutive`` such looks in a row a rule ends the watch in an error: a canary that
    nobody can see does not go on serving.

    Args:
        watch: The watch so far.
        monotonic: Seconds of the observer's monotonic clock.
        problem: What the observer said.
        limits: The numbers of the watch.
    """
    if watch.ended or _early(watch, monotonic, limits):
        return watch
    blind = _timed(watch, monotonic, limits)
    return replace(
        blind,
        looks=watch.looks + 1,
        sight=watch.sight.answered(blind.seconds, bad=True, detail=problem),
        sequential=replace(
            watch.sequential,
            seconds=watch.sequential.seconds + blind.seconds - watch.seconds,
        ),
        stable_observed=False,
    )


def stepped(watch: Watch) -> Watch:
    """Return *watch* at the begin of its next step, for a new weight. The evidence goes on."""
    return replace(watch, step_from=watch.seconds)


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
) -> AtOnce | None:
    if not observation.canary_alive:
        return _broken("canary.crashed", "the canary has crashed")
    if watch.restarts is not None and observation.canary_restarts != watch.restarts:
        return _broken(
            "canary.restarted",
            f"the canary was restarted: {observation.canary_restarts} restarts now, "
            f"{watch.restarts} when the watch began",
        )
    if not math.isclose(
        observation.weight, limits.traffic_percent, rel_tol=0.0, abs_tol=_WEIGHT_TOLERANCE
    ):
        return _broken(
            "canary.shed",
            f"the weight was shed: {observation.weight:g} % is in force, "
            f"{limits.traffic_percent:g} % was set",
        )
    if problem:
        return _broken(
            "canary.contradiction", f"the canary's evidence contradicts itself: {problem}"
        )
    return None


def _broken(code: str, reason: str) -> AtOnce:
    return AtOnce(code=code, reason=reason)


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
    stable = observation.stable
    return buckets.differ(side.latency_ms, stable.latency_ms) if stable is not None else ""


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


# --- comparing ------------------------------------------------------------------------------------


def _compared(watch: Watch, seen: Watch, observation: Observation, limits: CanaryLimits) -> Watch:
    """Return *seen* after comparing what both sides did since they were last compared.

    A side that was not seen, or has been started anew, is not compared now; what it does until it
    is seen again is compared then.
    """
    whole = observation.canary is not None and observation.stable is not None
    marks, profile = watch.compared, profile_of(limits)
    canary, stable, state = Counters(), None, watch.sequential
    if whole and marks is not None and _same_stable(watch, seen):
        windows = seen.windows(marks)
        if windows is not None and marks[1] is not None:
            canary, stable = windows
            if not state.past:
                state = sequential.primed(state, marks[1], stable)
    state = sequential.observe(
        state,
        seen.seconds - watch.seconds,
        canary,
        stable,
        healthy=observation.health_ok,
        profile=profile,
    )
    return replace(
        seen,
        sequential=state,
        compared=seen.now if whole else marks,
        series=peers.noted(watch.series, seen.seconds, canary, stable, limits)
        if marks is not None
        else watch.series,
        stable_observed=stable is not None and stable.requests > 0,
    )


def _same_stable(watch: Watch, seen: Watch) -> bool:
    """Say whether the stable side is the one that was there, with counters that only grew."""
    return (
        watch.stable is not None
        and seen.stable is not None
        and watch.stable.first is seen.stable.first
    )


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
