"""Every number that a rule may look at, for each run and tick: traffic drawn once, judged by all."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sluiceway.analysis.sequential import Profile
from sluiceway.record import Record
from sluiceway.simulation import limit
from sluiceway.simulation.drawing import TICK_SECONDS, Arm, Drawn, draw
from sluiceway.simulation.evidence import Evidence
from sluiceway.simulation.faults import HEALTHY, Fault
from sluiceway.simulation.law import BOUNDS, Floats, Ints, law_of
from sluiceway.simulation.weather import Cell, Weather

__all__ = ["Plan", "Series", "collect"]

_WINDOW = 6
"""Ticks of the minute over which others measure."""
_SLICED = 30
"""Ticks for which a baseline of the canary's size is drawn: Kayenta's, which is asked for 5 minutes."""
_AT_ONCE = 500
"""Runs drawn together: their arrays stay in the processor's cache."""

Bools = npt.NDArray[np.bool_]


class Plan(Record):
    """One cell of one weather with one fault."""

    weather: Weather
    cell: Cell
    fault: Fault
    runs: int
    ticks: int
    seed: tuple[int, ...] = (1,)
    latency_limit_ms: float = 2000.0


class Series(Record, kw_only=False):
    """Arrays of runs by ticks, by name.

    ``requests errors p99 slow`` of the canary's tick (``slow``: answers beyond the limit) and
    ``stable.requests stable.errors stable.slow``; ``minute.rate minute.p99 stable.minute.rate
    stable.minute.p99`` over the last minute, rates as shares; ``slice.rate slice.p99`` of a slice
    of stable as large as the canary; ``over over.stable``: answers above the p99 of stable's past;
    ``healthy``; ``known``: what a test adds that is told both laws; ``<profile>/worse.errors`` and
    the like, as :meth:`Evidence.values` names them. NaN where there was nothing to measure.
    """

    plan: Plan
    of: Mapping[str, Floats]
    nats: Floats
    """Mean evidence of one tick that the best valid test could have, for each tick."""

    @property
    def times(self) -> Floats:
        """Seconds at the end of each tick."""
        found: Floats = (np.arange(self.plan.ticks, dtype=float) + 1.0) * TICK_SECONDS
        return found


def collect(plan: Plan, profiles: Mapping[str, Profile], *, peers: bool = True) -> Series:
    """Draw the traffic of *plan* and return what rules look at.

    Args:
        plan: What is drawn.
        profiles: Name to what is forgiven: evidence is counted for each.
        peers: Also what only other tools' rules look at, which takes twice as long.
    """
    parts = [
        _part(plan, min(_AT_ONCE, plan.runs - start), number, profiles, peers=peers)
        for number, start in enumerate(range(0, plan.runs, _AT_ONCE))
    ]
    columns = {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]}
    weights = [len(part[0]["requests"]) / plan.runs for part in parts]
    nats: Floats = np.zeros(plan.ticks)
    for weight, part in zip(weights, parts, strict=True):
        nats = nats + weight * part[1]
    return Series(plan=plan, of=columns, nats=nats)


def _part(
    plan: Plan, runs: int, part: int, profiles: Mapping[str, Profile], *, peers: bool
) -> tuple[dict[str, Floats], Floats]:
    rows: dict[str, list[Floats]] = {}
    evidence: dict[str, Evidence] = {}
    nats = np.zeros(plan.ticks)
    minutes = {name: _Minute() for name in ("", "stable.")}
    for tick, drawn in enumerate(
        draw(
            plan.weather,
            plan.cell,
            plan.fault,
            runs=runs,
            ticks=plan.ticks,
            seed=[*plan.seed, part],
            sliced=_SLICED if peers else 0,
        )
    ):
        canary, stable = drawn.canary, drawn.stable
        if drawn.history is not None:
            evidence = {
                name: Evidence(drawn.history, stable.requests, profile)
                for name, profile in profiles.items()
            }
        found = _counted(drawn, plan.latency_limit_ms)
        for name, judge in evidence.items():
            judge.observe(
                TICK_SECONDS,
                (canary.histogram, canary.errors),
                (stable.histogram, stable.errors),
                drawn.healthy,
            )
            found |= {f"{name}/{key}": value for key, value in judge.values().items()}
            found |= {"over": judge.slow[0], "over.stable": judge.slow[1]}
        if peers:
            for name, arm in (("", canary), ("stable.", stable)):
                found |= minutes[name].after(name, arm)
            found |= _compared(canary, drawn.slice)
            if plan.fault is not HEALTHY:
                found["known"] = _known(canary, stable)
                nats[tick] = _nats(plan, tick, canary, stable)
        for name, value in found.items():
            rows.setdefault(name, []).append(value)
    return {name: np.stack(values, axis=1) for name, values in rows.items()}, nats


def _counted(drawn: Drawn, limit_ms: float) -> dict[str, Floats]:
    canary, stable = drawn.canary, drawn.stable
    return {
        "requests": canary.requests.astype(float),
        "errors": canary.errors.astype(float),
        "p99": _p99(canary.histogram),
        "slow": canary.histogram[:, limit_ms < BOUNDS].sum(axis=1).astype(float),
        "stable.slow": stable.histogram[:, limit_ms < BOUNDS].sum(axis=1).astype(float),
        "stable.requests": stable.requests.astype(float),
        "stable.errors": stable.errors.astype(float),
        "healthy": drawn.healthy.astype(float),
    }


class _Minute:
    """The sum of the last minute's ticks."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[Ints, Ints]] = deque()
        self._sum: tuple[Ints, Ints] | None = None

    def after(self, name: str, arm: Arm) -> dict[str, Floats]:
        histogram, errors = arm.histogram, arm.errors
        self._ticks.append((histogram, errors))
        if self._sum is not None:
            histogram, errors = self._sum[0] + histogram, self._sum[1] + errors
        if len(self._ticks) > _WINDOW:
            gone = self._ticks.popleft()
            histogram, errors = histogram - gone[0], errors - gone[1]
        self._sum = histogram, errors
        return {
            f"{name}minute.rate": _rate(errors, histogram),
            f"{name}minute.p99": _p99(histogram),
        }


def _known(canary: Arm, stable: Arm) -> Floats:
    return limit.per_tick(
        (canary.histogram, canary.errors),
        (canary.shares, stable.shares),
        (canary.error_share, stable.error_share),
    )


def _compared(canary: Arm, part: Arm | None) -> dict[str, Floats]:
    nothing = np.full(len(canary.errors), np.nan)
    return {
        "rate": _rate(canary.errors, canary.histogram),
        "slice.rate": nothing if part is None else _rate(part.errors, part.histogram),
        "slice.p99": nothing if part is None else _p99(part.histogram),
    }


def _rate(errors: Ints, histogram: Ints) -> Floats:
    requests = histogram.sum(axis=1)
    return np.where(requests > 0, errors / np.maximum(requests, 1), np.nan)


def _p99(histogram: Ints) -> Floats:
    """Return the nearest-rank p99, as :func:`sluiceway.analysis.percentile` does."""
    sums = np.cumsum(histogram, axis=1)
    total = sums[:, -1]
    rank = (99 * total + 99) // 100
    place = np.minimum((sums < rank[:, None]).sum(axis=1), len(BOUNDS) - 1)
    return np.where(total > 0, BOUNDS[place], np.nan)


def _nats(plan: Plan, tick: int, canary: Arm, stable: Arm) -> float:
    """Return the evidence that one tick can have on average: of errors by the rates that were, of
    latency by the law that the weather wanders about.
    """
    errors = limit.bernoulli(canary.error_share, stable.error_share)
    leak = (tick + 1) / 90 if plan.fault.leak else 1.0
    law, middle = law_of(plan.weather), np.zeros(1)
    healthy = law.shares(middle, misses=plan.weather.miss_share)[0]
    faulty = law.shares(
        middle + math.log(plan.fault.slower),
        stretch=plan.fault.stretch**leak,
        misses=plan.weather.miss_share,
    )[0]
    latency = limit.one_sided(faulty, healthy)
    return float((canary.expected * (errors + latency)).mean())
