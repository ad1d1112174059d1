"""A watch from bare counts: for simulators, which have no observer and no clock."""

from __future__ import annotations

from dataclasses import replace

from sluiceway.analysis import peers, sequential
from sluiceway.analysis.checks import checked
from sluiceway.analysis.counters import Counters
from sluiceway.analysis.profiles import profile_of
from sluiceway.analysis.watch import Marks, Tally, Watch
from sluiceway.model import CanaryLimits
from sluiceway.record import Record

__all__ = ["Tick", "tick"]

_NOTHING = Counters()


class Tick(Record):
    """What both sides did in a few seconds: windows, no running totals."""

    seconds: float
    canary: Counters
    stable: Counters | None
    """``None`` when nobody saw; then nothing is compared."""
    healthy: bool | None = True
    """Whether the canary's health endpoint answered; ``None`` when it was not asked."""
    history: Counters | None = None
    """What stable had counted before the watch. Read in the first tick with stable only."""


def tick(watch: Watch, seen: Tick, limits: CanaryLimits) -> Watch:
    """Return *watch* after *seen*, without a verdict: ask a rule about :func:`evidence`.

    The same arithmetic as :func:`~sluiceway.analysis.advance` with windows that are known already.
    """
    if watch.ended:
        return watch
    now, health, state = watch.seconds + seen.seconds, watch.health, watch.sequential
    if seen.healthy is not None:
        health = health.answered(now, bad=not seen.healthy)
    canary = _after(watch.canary, seen.canary)
    stable = watch.stable if seen.stable is None else _after(watch.stable, seen.stable)
    begin = (canary.first, stable.first if stable else None)
    errors, latency = watch.error_marks or begin, watch.latency_marks or begin
    if watch.stable is None and stable is not None:
        errors, latency = (errors[0], stable.first), (latency[0], stable.first)
        if seen.history is not None and seen.stable is not None:
            state = sequential.primed(state, seen.history, seen.stable)
    state = sequential.observe(
        state,
        seen.seconds,
        seen.canary,
        seen.stable,
        healthy=seen.healthy,
        profile=profile_of(limits),
    )
    # Where no window was left open, what is checked is this very tick.
    whole = _is_last(watch, watch.error_marks) and _is_last(watch, watch.latency_marks)
    return checked(
        replace(
            watch,
            looks=watch.looks + 1,
            seconds=now,
            canary=canary,
            stable=stable,
            error_marks=errors,
            latency_marks=latency,
            sight=watch.sight.answered(now, bad=False),
            health=health,
            sequential=state,
            series=peers.noted(watch.series, now, seen.canary, seen.stable, limits),
            stable_observed=seen.stable is not None and seen.stable.requests > 0,
        ),
        limits,
        (seen.canary, seen.stable or _NOTHING) if whole else None,
    )


def _is_last(watch: Watch, marks: Marks | None) -> bool:
    if marks is None or watch.canary is None:
        return watch.canary is None
    stable = watch.stable.last if watch.stable else None
    return marks[0] is watch.canary.last and marks[1] is stable


def _after(tally: Tally | None, window: Counters) -> Tally:
    if tally is None:
        return Tally(digest="", first=_NOTHING, last=window)
    return Tally(digest=tally.digest, first=tally.first, last=tally.last.plus(window))
