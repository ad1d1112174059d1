"""Counters that only grow, the windows between two of them, and percentiles of histograms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

from sluiceway.analysis.histograms import Histogram
from sluiceway.model import Side

__all__ = ["Counters", "difference", "percentile", "rate"]


_P99 = 99.0


def difference(later: Mapping[str, int], earlier: Mapping[str, int]) -> dict[str, int]:
    """Return what was counted between two readings of one histogram.

    Args:
        later: Bucket (upper bound in milliseconds, as text) to count since the slot was started.
        earlier: The same histogram read before.

    Returns:
        Bucket to count; buckets in which nothing happened are left out.

    Raises:
        ValueError: When a bucket shrank or vanished: these are not readings of one histogram.
    """
    window: dict[str, int] = {}
    for bound in {**earlier, **later}:
        count = later.get(bound, 0) - earlier.get(bound, 0)
        if count < 0:
            msg = f"the latency bucket {bound} ms shrank by {-count}"
            raise ValueError(msg)
        if count:
            window[bound] = count
    return window


def percentile(latency_ms: Mapping[str, int], percent: float = 99.0) -> float | None:
    """Return the nearest-rank percentile of a histogram in milliseconds.

    It is the upper bound of the bucket that holds the request of rank ``ceil(percent % of n)``:
    at most one bucket's width above the true value, never below it. ``None`` for an empty
    histogram; infinite when that request is in a bucket without an upper bound.
    """
    return _percentile(Histogram(latency_ms), percent)


def _percentile(histogram: Histogram, percent: float) -> float | None:
    total = int(histogram.total)
    if not total:
        return None
    # Exact: in floating point 7 % of 100 is more than 7, and the rank would be one too high.
    if percent == _P99:
        rank = max(1, -(-99 * total // 100))
    else:
        rank = max(1, math.ceil(Fraction(str(percent)) * total / 100))
    return histogram.at(rank)


def rate(errors: int, requests: int) -> float | None:
    """Return *errors* as percent of *requests*; ``None`` without requests.

    An error may be counted one window after its request, so that a window can hold more errors
    than requests: that is 100 %.
    """
    return 100.0 * min(errors, requests) / requests if requests > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """One reading of one side, or a window: the difference of two readings."""

    requests: int = 0
    errors: int = 0
    latency_ms: Mapping[str, int] = field(default_factory=dict)
    """As :attr:`sluiceway.model.Side.latency_ms`, without empty buckets; never changed in place."""
    _histogram: Histogram | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, side: Side) -> Counters:
        """Read *side*. Raises ``ValueError`` for counts that cannot be counts."""
        for name, count in (("requests", side.requests), ("errors", side.errors)):
            if count < 0:
                msg = f"{count} {name} were counted"
                raise ValueError(msg)
        if side.errors > side.requests:
            msg = f"{side.errors} errors were counted in {side.requests} requests"
            raise ValueError(msg)
        for bound, count in side.latency_ms.items():
            if count < 0 or not _is_bound(bound):
                msg = f"the latency bucket {bound!r} holds {count}"
                raise ValueError(msg)
        buckets = {bound: count for bound, count in side.latency_ms.items() if count}
        return cls(requests=side.requests, errors=side.errors, latency_ms=buckets)

    def since(self, earlier: Counters) -> Counters:
        """Return the window from *earlier* to this reading.

        Raises:
            ValueError: When a counter shrank: the slot was restarted, or another one answered.
        """
        if earlier is self:
            return _NOTHING
        if not earlier.requests and not earlier.errors and not earlier.latency_ms:
            return self
        for name, now, before in (
            ("requests", self.requests, earlier.requests),
            ("errors", self.errors, earlier.errors),
        ):
            if now < before:
                msg = f"the count of {name} went from {before} back to {now}"
                raise ValueError(msg)
        return Counters(
            requests=self.requests - earlier.requests,
            errors=self.errors - earlier.errors,
            latency_ms=difference(self.latency_ms, earlier.latency_ms),
        )

    def plus(self, window: Counters) -> Counters:
        """Return the reading after this one, between which *window* was counted."""
        return Counters(
            requests=self.requests + window.requests,
            errors=self.errors + window.errors,
            latency_ms=_summed(self.latency_ms, window.latency_ms),
        )

    @property
    def histogram(self) -> Histogram:
        """The latencies in order, worked out once."""
        if self._histogram is None:
            object.__setattr__(self, "_histogram", Histogram(self.latency_ms))
        return cast("Histogram", self._histogram)

    @property
    def answered(self) -> int:
        """Requests whose latency is known."""
        return int(self.histogram.total)

    @property
    def error_rate(self) -> float | None:
        """Percent of the requests; ``None`` without requests."""
        return rate(self.errors, self.requests)

    @property
    def p99(self) -> float | None:
        """Milliseconds; ``None`` when nothing was answered."""
        return _percentile(self.histogram, _P99)

    def slower_than(self, limit_ms: float) -> int:
        """Return how many answers are in buckets that end above *limit_ms*."""
        return int(self.histogram.total - self.histogram.up_to(limit_ms))


_NOTHING = Counters()


def _summed(earlier: Mapping[str, int], window: Mapping[str, int]) -> dict[str, int]:
    before = earlier.get
    return {**earlier, **{bound: before(bound, 0) + count for bound, count in window.items()}}


def _is_bound(text: str) -> bool:
    try:
        bound = float(text)
    except ValueError:
        return False
    return bound >= 0  # not true of NaN either
