"""Traffic of many runs at once: Poisson counts in latency buckets for each arm and tick.

One :class:`Drawn` is one tick of every run. Buckets are independent Poisson counts, so that a
tick's requests are one too; errors are a share of the requests. Everything comes from one
:class:`numpy.random.Generator`: the same seed gives the same traffic, whatever judges it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sluiceway.simulation.faults import HEALTHY, Fault
from sluiceway.simulation.law import Floats, Ints, law_of
from sluiceway.simulation.weather import Cell, Weather

__all__ = ["HISTORY_TICKS", "TICK_SECONDS", "Arm", "Drawn", "draw"]

TICK_SECONDS = 10.0
HISTORY_TICKS = 6
_DAY = 90
"""Ticks in which drifts, ramps and leaks are complete: 15 minutes."""
_LEAST = 1e-12
_FEW = 12.0
"""Requests in a tick below which each is thrown by itself."""


class Arm(NamedTuple):
    """What one side answered in a tick, and the law it did so by; one row a run."""

    histogram: Ints
    """Runs by buckets."""
    errors: Ints
    shares: Floats
    """Each bucket's true share of the requests."""
    error_share: Floats
    expected: Floats
    """Requests, by the law."""

    @property
    def requests(self) -> Ints:
        """Requests of each run."""
        found: Ints = self.histogram.sum(axis=1)
        return found


@dataclass(frozen=True)
class Drawn:
    """One tick of every run."""

    canary: Arm
    stable: Arm
    """All of stable, the slice included."""
    slice: Arm | None
    """As much of stable as the canary has: Kayenta's baseline."""
    healthy: npt.NDArray[np.bool_]
    """Whether the canary's health poll was answered."""
    history: Ints | None
    """Stable's histogram of the minute before the first tick; only there."""


def draw(
    weather: Weather,
    cell: Cell,
    fault: Fault = HEALTHY,
    *,
    runs: int,
    ticks: int,
    seed: int | list[int],
    sliced: int = 0,
) -> Iterator[Drawn]:
    """Yield *ticks* ticks of *runs* runs.

    Args:
        weather: What the day does.
        cell: How much traffic there is.
        fault: What is wrong with the canary.
        runs: How many at once.
        ticks: How many, of 10 seconds.
        seed: Of the randomness; a list is one seed.
        sliced: For so many ticks a slice of stable as large as the canary is drawn by itself.
    """
    # What moves is drawn apart: the same day for every weight, and for every fault.
    above, rng = np.random.default_rng(seed).spawn(2)
    sky = _Sky(weather, runs, above)
    down = _down(fault, runs, ticks, rng)
    law = _Law(weather, fault)
    per_tick = cell.rps * TICK_SECONDS
    share = cell.weight / 100.0
    cut = min(share, 1.0 - share)
    for tick in range(ticks):
        now = sky.after(tick)
        shares = law.stable(now)
        rate = np.minimum(cell.error_percent / 100.0 * np.exp(now.errors), 0.9)
        volume = per_tick * np.exp(now.traffic)
        history = None
        if tick == 0:
            history = rng.poisson(shares * (volume * (1.0 - share) * HISTORY_TICKS)[:, None])
        part = _arm(rng, weather, shares, rate, volume * cut) if tick < sliced else None
        left = 1.0 - share - (0.0 if part is None else cut)
        rest = _arm(rng, weather, shares, rate, volume * left)
        leak = (tick + 1) / _DAY if fault.leak else 1.0
        bad = np.minimum(rate * np.exp(now.own_errors) * fault.error_ratio, 0.9)
        bad = np.minimum(bad + fault.error_points / 100.0 * leak**2, 0.98)
        fraction, up_at_poll = down[:, tick, 0], down[:, tick, 1] < 1.0
        weight = volume * share
        if fault.crash_loop:
            bad = fraction + (1.0 - fraction) * bad
        if fault.flapping:
            weight = weight * (1.0 - fraction)
        yield Drawn(
            canary=_arm(rng, weather, law.canary(now, tick, leak), bad, weight),
            stable=rest if part is None else _joined(part, rest),
            slice=part,
            healthy=up_at_poll & (rng.random(runs) >= weather.false_polls),
            history=history,
        )


class _Law:
    """Both arms' laws of latency, looked up where all runs share one but for its shift."""

    def __init__(self, weather: Weather, fault: Fault) -> None:
        self._law, self._weather, self._fault = law_of(weather), weather, fault
        self._stable = None if weather.miss_share else self._law.table()
        moving = weather.miss_share or fault.leak
        self._canary = None if moving else self._law.table(fault.stretch)

    def stable(self, now: _Now) -> Floats:
        if self._stable is not None:
            return self._stable.at(now.latency)
        return np.maximum(self._law.shares(now.latency, misses=self._misses(now)), 0.0)

    def canary(self, now: _Now, tick: int, leak: float) -> Floats:
        weather, fault = self._weather, self._fault
        shift = now.latency + now.own_latency + np.log(fault.slower)
        if self._canary is not None:
            return self._canary.at(shift)
        cold = max(0.0, 1.0 - tick * TICK_SECONDS / 120.0)
        misses = self._misses(now) * (1.0 + (weather.cold_cache - 1.0) * cold)
        shares = self._law.shares(
            shift, stretch=fault.stretch**leak, misses=np.clip(misses, 0.0, 0.9)
        )
        return np.maximum(shares, 0.0)

    def _misses(self, now: _Now) -> Floats:
        return np.clip(self._weather.miss_share * np.exp(now.misses), 0.0, 0.9)


def _arm(
    rng: np.random.Generator, weather: Weather, shares: Floats, rate: Floats, volume: Floats
) -> Arm:
    late = rate * weather.timeouts
    if weather.timeouts:
        shares = shares * (1.0 - late)[:, None]
        shares[:, -1] += late
    histogram = _counts(rng, shares, volume)
    timeouts = rng.binomial(histogram[:, -1], _part(late, shares[:, -1])) if weather.timeouts else 0
    rest = histogram.sum(axis=1) - timeouts
    # A chain of retries is as long as a geometric variable: the mean stays what the rate says.
    errors = rng.binomial(rest, _part(rate - late, 1.0 - late) * (1.0 - weather.retry))
    if weather.retry:
        again = rng.negative_binomial(np.maximum(errors, 1), 1.0 - weather.retry)
        again = np.where(errors > 0, again, 0)
        histogram += rng.multinomial(again, shares / shares.sum(axis=1, keepdims=True))
        errors = errors + again
    return Arm(histogram, errors + timeouts, shares, rate, volume)


def _counts(rng: np.random.Generator, shares: Floats, volume: Floats) -> Ints:
    """Return a Poisson count for each bucket; few requests are thrown one by one: it is quicker."""
    if not len(volume) or volume.max() > _FEW:
        return rng.poisson(shares * volume[:, None])
    runs, buckets = shares.shape
    row = np.repeat(np.arange(runs), rng.poisson(volume))
    edges = np.cumsum(shares, axis=1)
    edges = edges / edges[:, -1:] + np.arange(runs)[:, None]
    found = np.searchsorted(edges.ravel(), row + rng.random(len(row)), side="right")
    found = np.minimum(found, row * buckets + buckets - 1)
    return np.bincount(found, minlength=runs * buckets).reshape(runs, buckets)


def _part(some: Floats, whole: Floats) -> Floats:
    return np.clip(some / np.maximum(whole, _LEAST), 0.0, 1.0)


def _joined(one: Arm, other: Arm) -> Arm:
    return Arm(
        one.histogram + other.histogram,
        one.errors + other.errors,
        one.shares,
        one.error_share,
        one.expected + other.expected,
    )


@dataclass(frozen=True)
class _Now:
    """Logarithms, one for each run."""

    traffic: Floats
    errors: Floats
    latency: Floats
    misses: Floats
    own_errors: Floats
    own_latency: Floats


class _Wander:
    """A stationary AR(1) of standard deviation *wobble*."""

    def __init__(self, rng: np.random.Generator, runs: int, wobble: float, phi: float) -> None:
        self._rng, self._wobble, self._phi = rng, wobble, phi
        self._at: Floats = rng.normal(0.0, wobble, runs) if wobble else np.zeros(runs)

    def after(self) -> Floats:
        found = self._at
        if self._wobble:
            step = self._wobble * np.sqrt(1.0 - self._phi**2)
            self._at = self._phi * found + self._rng.normal(0.0, step, len(found))
        return found


class _Sky:
    """What moves, tick by tick."""

    def __init__(self, weather: Weather, runs: int, rng: np.random.Generator) -> None:
        self._weather, self._runs, self._rng = weather, runs, rng
        self._traffic = _Wander(rng, runs, weather.traffic_wobble, 0.9)
        self._errors = _Wander(rng, runs, weather.error_wobble, 0.9)
        self._latency = _Wander(rng, runs, weather.latency_wobble, 0.9)
        self._misses = _Wander(rng, runs, weather.miss_wobble, 0.9)
        self._own_errors = _Wander(rng, runs, weather.own_errors, 0.7)
        self._own_latency = _Wander(rng, runs, weather.own_latency, 0.7)
        self._drift = rng.uniform(-weather.drift, weather.drift, (3, runs))
        self._left = np.zeros(runs, dtype=np.int64)
        """Ticks for which a burst goes on."""
        self._burst: Floats = np.zeros((3, runs))

    def after(self, tick: int) -> _Now:
        weather, day = self._weather, (tick + 1) / _DAY
        drift = np.log1p(self._drift * day)
        burst = self._bursts()
        cold = max(0.0, 1.0 - tick * TICK_SECONDS / 60.0)
        start = np.log1p((weather.cold - 1.0) * cold)
        hiccup = self._starts(weather.hiccup_every)
        return _Now(
            traffic=self._traffic.after() + drift[0] + burst[0] + np.log1p(weather.ramp * day),
            errors=self._errors.after() + drift[1] + burst[1],
            latency=self._latency.after() + drift[2] + burst[2],
            misses=self._misses.after(),
            own_errors=self._own_errors.after() + start + np.where(hiccup, np.log(4.0), 0.0),
            own_latency=self._own_latency.after() + start + np.where(hiccup, np.log(1.5), 0.0),
        )

    def _starts(self, every: float) -> npt.NDArray[np.bool_]:
        if not every:
            return np.zeros(self._runs, dtype=bool)
        return self._rng.random(self._runs) < TICK_SECONDS / every

    def _bursts(self) -> Floats:
        if self._weather.burst_every:
            begins = self._starts(self._weather.burst_every) & (self._left == 0)
            self._left = np.where(begins, self._rng.integers(2, 5, self._runs), self._left)
            sizes = [self._rng.uniform(low, high, self._runs) for low, high in _BURST]
            self._burst = np.where(begins, np.log(sizes), self._burst)
        going = self._left > 0
        self._left = np.maximum(self._left - 1, 0)
        return np.where(going, self._burst, 0.0)


_BURST = ((1.5, 3.0), (2.0, 5.0), (1.1, 1.6))


def _down(fault: Fault, runs: int, ticks: int, rng: np.random.Generator) -> Floats:
    """Return, for each run and tick, which share of it the canary was down, and 1 where it was
    down at the tick's end, when its health is asked.
    """
    found = np.zeros((runs, ticks, 2))
    if not fault.crash_loop and not fault.flapping:
        return found
    whole = ticks * TICK_SECONDS
    starts = np.arange(ticks) * TICK_SECONDS
    for run in range(runs):
        at, pause = 0.0, 10.0
        while at < whole:
            at += rng.uniform(10.0, 25.0)
            length = rng.uniform(8.0, 15.0) if fault.flapping else pause
            pause = min(2.0 * pause, 300.0)
            end = at + length
            within = np.clip(end - starts, 0.0, TICK_SECONDS) - np.clip(
                at - starts, 0.0, TICK_SECONDS
            )
            found[run, :, 0] += within / TICK_SECONDS
            polls = starts + TICK_SECONDS
            found[run, :, 1] = np.where((polls >= at) & (polls < end), 1.0, found[run, :, 1])
            at = end
    return np.minimum(found, 1.0)
