"""The law of a request's latency, in buckets 5 % wide: what is drawn from, and what is measured.

A law is a table of the distribution function over the logarithm of milliseconds. Slower requests
are the same table read further left, a stretched tail the same table read more slowly above the
median: what is fast stays as fast as it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sluiceway.simulation.weather import Weather

__all__ = ["BOUNDS", "TEXTS", "Floats", "Ints", "Law", "Table", "law_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_WIDTH = 1.05
_FIRST_MS, _BUCKETS = 5.0, 150
TEXTS = tuple(f"{_FIRST_MS * _WIDTH**index:.6g}" for index in range(_BUCKETS))
"""Upper bounds of the buckets in milliseconds, as a histogram names them; the last takes all."""
BOUNDS: Floats = np.array([float(text) for text in TEXTS])
_LOG_BOUNDS: Floats = np.log(BOUNDS)
_STEP = 0.005
_GRID: Floats = np.arange(math.log(0.05), math.log(2e6), _STEP)
_Z99 = 2.3263478740408408


@dataclass(frozen=True, eq=False)
class Law:
    """Distribution functions of a hit and of a miss over :data:`_GRID`."""

    hit: Floats
    miss: Floats | None
    median: float
    """Logarithm of the milliseconds."""
    spread: float
    """p99 over median, as a logarithm."""

    def table(self, stretch: float = 1.0, misses: float = 0.0) -> Table:
        """Return :meth:`shares` for every shift, to be looked up: it is asked millions of times."""
        return Table(self.shares(_SHIFTS, stretch=stretch, misses=misses))

    def shares(
        self,
        shift: Floats,
        *,
        stretch: Floats | float = 1.0,
        misses: Floats | float = 0.0,
    ) -> Floats:
        """Return each bucket's share of the requests, one row for each of *shift*.

        Args:
            shift: Logarithm of how many times slower than the law, one for each run.
            stretch: p99 over the law's p99; up to the median nothing changes.
            misses: Share of misses.
        """
        power = 1.0 + np.log(np.asarray(stretch, dtype=float)) / self.spread
        asked = _LOG_BOUNDS[None, :] - np.reshape(shift, (-1, 1))
        above = np.maximum(asked - self.median, 0.0)
        asked = asked - above + above / np.reshape(power, (-1, 1))
        below = _read(self.hit, asked)
        if self.miss is not None:
            share = np.reshape(np.asarray(misses, dtype=float), (-1, 1))
            below = (1.0 - share) * below + share * _read(self.miss, asked)
        below[:, -1] = 1.0
        found: Floats = np.diff(below, axis=1, prepend=0.0)
        return found


class Table:
    """Each bucket's share by shift, in steps of a quarter of a percent."""

    def __init__(self, rows: Floats) -> None:
        self._rows = np.maximum(rows, 0.0)

    def at(self, shift: Floats) -> Floats:
        """Return one row for each of *shift*."""
        place = np.rint((shift - _SHIFTS[0]) / _SHIFT_STEP).astype(np.int64)
        found: Floats = self._rows[np.clip(place, 0, len(_SHIFTS) - 1)]
        return found


_SHIFT_STEP = 0.0025
_SHIFTS: Floats = np.arange(-1.5, 2.5, _SHIFT_STEP)


def _read(table: Floats, asked: Floats) -> Floats:
    place = np.clip((asked - _GRID[0]) / _STEP, 0.0, len(_GRID) - 2.0)
    at = place.astype(np.int64)
    low = table[at]
    found: Floats = low + (table[at + 1] - low) * (place - at)
    return found


@lru_cache(maxsize=16)
def law_of(weather: Weather) -> Law:
    """Return the law of *weather*'s latency when nothing moves."""
    median = math.log(weather.median_ms)
    hit = _lognormal(median, weather.sigma)
    if weather.pareto:
        start = int(np.searchsorted(hit, 0.90))
        fall = np.exp(-weather.pareto * (_GRID[start:] - _GRID[start]))
        hit[start:] = 1.0 - (1.0 - hit[start]) * fall
    miss = None
    whole = hit
    if weather.miss_share:
        miss = _lognormal(median + math.log(weather.miss_ratio), weather.sigma)
        whole = (1.0 - weather.miss_share) * hit + weather.miss_share * miss
    middle, last = (_GRID[int(np.searchsorted(whole, share))] for share in (0.5, 0.99))
    spread = _Z99 * weather.sigma if whole is hit and not weather.pareto else last - middle
    return Law(hit=hit, miss=miss, median=median if whole is hit else middle, spread=float(spread))


def _lognormal(median: float, sigma: float) -> Floats:
    erf: Any = np.vectorize(math.erf, otypes=[float])
    found: Floats = 0.5 * (1.0 + erf((_GRID - median) / (sigma * math.sqrt(2.0))))
    return found
