"""A histogram in order, summed once, so that every count in it is a difference of two sums."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from operator import gt

__all__ = ["Histogram"]

_MOST_BOUNDS = 8192


class _Bounds(dict[str, float]):
    """Bound as text to its number, worked out once."""

    def __missing__(self, text: str) -> float:
        if len(self) >= _MOST_BOUNDS:
            self.clear()
        bound = self[text] = float(text)
        return bound


_bound = _Bounds().__getitem__


class Histogram:
    """Buckets in order, with the sums up to each."""

    __slots__ = ("_sums", "bounds", "total")

    def __init__(self, latency_ms: Mapping[str, float]) -> None:
        bounds = list(map(_bound, latency_ms))
        counts: Iterable[float] = latency_ms.values()
        if any(map(gt, bounds, bounds[1:])):
            pairs = sorted(zip(bounds, counts, strict=True))
            bounds, counts = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        self.bounds = bounds
        """Upper bounds in milliseconds, rising."""
        self._sums = [0.0, *accumulate(counts)]
        self.total: float = self._sums[-1]
        """Answers in all."""

    def up_to(self, bound: float) -> float:
        """Return how many answers are in buckets that end at *bound* or below."""
        return self._sums[bisect_right(self.bounds, bound)]

    def at(self, rank: float) -> float:
        """Return the upper bound of the bucket that holds the answer of *rank*, from 1."""
        return self.bounds[min(bisect_left(self._sums, rank, 1) - 1, len(self.bounds) - 1)]

    def quantile(self, share: float) -> float:
        """Return the upper bound of the bucket that holds *share* of all answers."""
        return self.at(share * self.total)

    def categories(self, cuts: Sequence[float]) -> list[float]:
        """Return how many are in each category: category *k* is slower than *k* of the *cuts*."""
        sums = [self.up_to(cut) for cut in cuts]
        return [
            after - before for before, after in zip([0.0, *sums], [*sums, self.total], strict=True)
        ]
