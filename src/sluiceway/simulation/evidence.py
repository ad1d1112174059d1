"""The formulas of :mod:`sluiceway.analysis.sequential` for many runs at once.

Written again over arrays because thousands of runs of ninety ticks are judged; a test holds both
equal on drawn traffic, and ``benchmarks/canary.py`` judges a sample of its runs by both.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

# The very numbers, private or not: a copy of one could come to differ.
from sluiceway.analysis.latency import _QUANTILES, _ROUNDING
from sluiceway.analysis.latency import BETS as _LATENCY_BETS
from sluiceway.analysis.latency import COLD as _COLD
from sluiceway.analysis.latency import NEAR as _NEAR
from sluiceway.analysis.latency import SLOW as _SLOW
from sluiceway.analysis.sequential import (
    _CERTIFY_BETS,
    _COLD_SHARE,
    _ERROR_BETS,
    _ERROR_MARGIN,
    _FAINT,
    _FORGET,
    _HISTORY_TICKS,
    _SLOW_MARGIN,
    _WEIGHTS,
    DEFAULT,
    Profile,
    _health,
)
from sluiceway.analysis.stakes import _CAP, _LATE, _TICKS
from sluiceway.analysis.stakes import LARGEST as _LARGEST
from sluiceway.simulation.law import BOUNDS, Floats, Ints

__all__ = ["Evidence"]

_Q: Floats = np.array(_QUANTILES)
_ERROR_ODDS: Floats = np.array(_ERROR_BETS)
_LATENCY_ODDS: Floats = np.array(_LATENCY_BETS)
_CERTIFY: Floats = np.array(_CERTIFY_BETS)
_P99 = 4
"""Index of the quantile 0.99."""


class _Stakes:
    def __init__(self, runs: int, bets: int) -> None:
        self.stakes: Floats = np.full((runs, bets), 1.0 - _LATE)
        self.ticks: Ints = np.zeros(runs, dtype=np.int64)

    def after(self, logs: Floats, rows: npt.NDArray[np.bool_] | None = None) -> None:
        late = np.where(self.ticks < _TICKS, _LATE / _TICKS, 0.0)
        won = np.minimum(
            (self.stakes + late[:, None]) * np.exp(np.minimum(logs, _CAP)),
            _LARGEST,
        )
        if rows is None:
            self.stakes = won
            self.ticks += 1
        else:
            self.stakes = np.where(rows[:, None], won, self.stakes)
            self.ticks += rows

    @property
    def value(self) -> Floats:
        left = np.maximum(0, _TICKS - self.ticks) / _TICKS
        found: Floats = self.stakes.mean(axis=1) + _LATE * left
        return found


class Evidence:
    """The evidence of many runs; :meth:`observe` takes one tick of each.

    Args:
        history: Stable's histogram before the watch, runs by buckets; as
            :func:`~sluiceway.analysis.sequential.primed` weighs it.
        first: Stable's answers in the first tick, one for each run.
        profile: What is forgiven.
    """

    def __init__(self, history: Ints, first: Ints, profile: Profile = DEFAULT) -> None:
        runs = len(history)
        self.profile = profile
        self.seconds = 0.0
        self.errors_worse, self.errors_beyond = (_Stakes(runs, 4) for _ in range(2))
        self.latency_worse, self.latency_beyond, self.cold = (_Stakes(runs, 6) for _ in range(3))
        self.health = _Stakes(runs, 3)
        self.errors_safe: Floats = np.zeros((runs, 4))
        self.latency_safe: Floats = np.zeros((runs, 4))
        self.errors_safest: Floats = np.ones(runs)
        self.latency_safest: Floats = np.ones(runs)
        total = history.sum(axis=1)
        most = _HISTORY_TICKS * first
        scale = np.minimum(1.0, most / np.maximum(total, 1))
        self.past: Floats = history * scale[:, None]
        self.slow: tuple[Floats, Floats] = (np.zeros(runs), np.zeros(runs))
        """Canary's and stable's answers of the last tick above the past's p99."""

    def observe(
        self,
        seconds: float,
        canary: tuple[Ints, Ints],
        stable: tuple[Ints, Ints],
        healthy: npt.NDArray[np.bool_],
    ) -> None:
        """Take one tick: each side is its histogram and its errors."""
        here, there = canary[0].sum(axis=1), stable[0].sum(axis=1)
        bad, stable_bad = canary[1], stable[1]
        self.health.after(_polled(healthy))
        self.errors_worse.after(_errors(bad, here, stable_bad, there, 1.0))
        self.errors_beyond.after(_errors(bad, here, stable_bad, there, self.profile.error_ratio))
        self.errors_safe += _certified(
            bad,
            here,
            stable_bad,
            there,
            _ERROR_MARGIN,
        )
        self._latency(canary[0], stable[0], here, there)
        self.errors_safest = np.maximum(self.errors_safest, _mean_exp(self.errors_safe))
        self.latency_safest = np.maximum(self.latency_safest, _mean_exp(self.latency_safe))
        self.seconds += seconds
        kept = np.where(self.past > _FAINT, self.past * _FORGET, 0.0)
        self.past = kept + stable[0]

    def _latency(self, canary: Ints, stable: Ints, here: Ints, there: Ints) -> None:
        profile = self.profile
        sums = np.cumsum(self.past, axis=1)
        known = sums[:, -1] > 0
        last = len(BOUNDS) - 1
        cuts = np.stack(
            [np.minimum((sums < q * sums[:, -1:]).sum(axis=1), last) for q in _Q], axis=1
        )
        canary_sums = np.cumsum(canary, axis=1)
        stable_sums = np.cumsum(stable, axis=1)
        mine = _slower(canary_sums, cuts)
        theirs = _slower(stable_sums, cuts)
        self.slow = (mine[:, _P99], theirs[:, _P99])
        there_by = _categories(theirs, there)
        used = (self.past > 0) | (stable > 0) | (canary > 0)
        at = np.where(used, np.arange(len(BOUNDS)), len(BOUNDS))
        following = np.minimum.accumulate(at[:, ::-1], axis=1)[:, ::-1]
        canary_logs, stable_logs = _bets(here, there)

        def logs(categories: Floats) -> Floats:
            found: Floats = np.einsum("rk,rbk->rb", categories, canary_logs) + np.einsum(
                "rk,rbk->rb", there_by, stable_logs
            )
            return found

        def tolerant(ratio: float) -> Floats:
            if ratio == 1.0:
                return _categories(mine, here)
            moved = BOUNDS * ratio * (1.0 - _ROUNDING)
            place = np.searchsorted(BOUNDS, moved, side="left")[cuts]
            begin = np.where(
                place > last,
                len(BOUNDS),
                np.take_along_axis(following, np.minimum(place, last), axis=1),
            )
            return _categories(_slower(canary_sums, begin), here)

        beyond = tolerant(profile.latency_ratio)
        moved = BOUNDS * profile.latency_ratio * (1.0 + _NEAR)
        edge = (np.searchsorted(BOUNDS, moved, side="right") - 1)[cuts[:, _SLOW : _SLOW + 1]]
        gained = _certified(
            _slower(canary_sums, edge)[:, 0],
            here,
            there_by[:, _SLOW + 1 :].sum(axis=1),
            there,
            _SLOW_MARGIN,
        )
        self.latency_safe += np.where(known[:, None], gained, 0.0)
        if profile.warm_up_seconds > 0:
            self.cold.after(logs(tolerant(_COLD)), known)
        if self.seconds >= profile.warm_up_seconds:
            self.latency_worse.after(logs(_categories(mine, here)), known)
            self.latency_beyond.after(logs(beyond), known)

    def values(self) -> dict[str, Floats]:
        """Return ``worse.errors`` ... ``safe.latency``, as
        :class:`~sluiceway.analysis.sequential.Values` names them, one number for each run.
        """
        health = self.health.value
        found = {
            "worse.errors": self.errors_worse.value,
            "worse.latency": self._warmed(self.latency_worse),
            "worse.health": health,
            "beyond.errors": self.errors_beyond.value,
            "beyond.latency": self._warmed(self.latency_beyond),
            "beyond.health": health,
        }
        for key in ("worse", "beyond"):
            found[f"{key}.together"] = sum(
                (weight * found[f"{key}.{name}"] for name, weight in _WEIGHTS.items()),
                np.zeros(len(health)),
            )
        for name, logs, most in (
            ("safe.errors", self.errors_safe, self.errors_safest),
            ("safe.latency", self.latency_safe, self.latency_safest),
        ):
            now = _mean_exp(logs)
            found[name] = np.where(now >= 1.0, most, now)
        return found

    def _warmed(self, warm: _Stakes) -> Floats:
        if self.profile.warm_up_seconds <= 0:
            return warm.value
        share = _COLD_SHARE
        return (1.0 - share) * warm.value + share * self.cold.value


def _mean_exp(logs: Floats) -> Floats:
    found: Floats = np.exp(np.minimum(logs, math.log(_LARGEST))).mean(axis=1)
    return found


def _slower(sums: Ints, cuts: Ints) -> Floats:
    """Return how many are slower than each cut: in buckets after it; a cut past the last has none."""
    last = sums.shape[1] - 1
    upto = np.take_along_axis(sums, np.minimum(cuts, last), axis=1)
    found: Floats = np.where(cuts > last, 0, sums[:, -1:] - upto).astype(float)
    return found


def _categories(slower: Floats, total: Ints) -> Floats:
    edges = np.concatenate(
        [total[:, None].astype(float), slower, np.zeros((len(total), 1))], axis=1
    )
    found: Floats = edges[:, :-1] - edges[:, 1:]
    return found


def _bets(here: Ints, there: Ints) -> tuple[Floats, Floats]:
    total = (here + there).astype(float)[:, None, None]
    weighed = _LATENCY_ODDS[None] * here[:, None, None] + there[:, None, None]
    stable = np.log(np.where(total > 0, total, 1.0) / np.where(total > 0, weighed, 1.0))
    return np.log(_LATENCY_ODDS)[None] + stable, stable


def _errors(bad: Ints, here: Ints, stable_bad: Ints, there: Ints, ratio: float) -> Floats:
    weighed = (ratio * here)[:, None]
    base = there[:, None].astype(float)
    some = weighed + base > 0
    y = np.log(
        np.where(some, weighed + base, 1.0) / np.where(some, _ERROR_ODDS * weighed + base, 1.0)
    )
    found: Floats = bad[:, None] * (np.log(_ERROR_ODDS) + y) + stable_bad[:, None] * y
    return np.where(some, found, 0.0)


def _certified(
    bad: Ints | Floats, here: Ints, stable_bad: Ints | Floats, there: Ints, margin: float
) -> Floats:
    some = ((here > 0) & (there > 0))[:, None]
    share = (here / np.maximum(there, 1))[:, None]
    found: Floats = (
        bad[:, None] * np.log(_CERTIFY)
        + stable_bad[:, None] * np.log1p((1.0 - _CERTIFY) * share)
        + margin * here[:, None] * (1.0 - _CERTIFY)
    )
    return np.where(some, found, 0.0)


def _polled(healthy: npt.NDArray[np.bool_]) -> Floats:
    good, bad = (np.array(_health(healthy=each)) for each in (True, False))
    return np.where(healthy[:, None], good, bad)
