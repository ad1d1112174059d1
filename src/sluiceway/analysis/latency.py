"""Latency in seven categories, cut at quantiles of stable's past, and the bets on them.

Quick, because it runs once a tick for each canary: histograms are summed once, and every count is a
difference of two sums.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import add, mul

from sluiceway.analysis.histograms import Histogram

__all__ = [
    "BETS",
    "COLD",
    "NEAR",
    "SLOW",
    "bounds_of",
    "moved",
    "quantiles",
    "tightened",
    "wagered",
    "worths",
]

_QUANTILES = (0.50, 0.75, 0.90, 0.95, 0.99, 0.999)
SLOW = 3
"""Index of the quantile whose excess the certificate of latency counts: p95."""
BETS = (
    (0.803, 1.052, 1.230, 1.392, 1.565, 1.853, 2.254),
    (0.549, 1.022, 1.484, 1.994, 2.648, 3.973, 6.383),
    (0.134, 0.551, 1.393, 2.881, 5.953, 16.49, 55.89),
    (0.959, 0.959, 0.959, 1.104, 1.414, 2.266, 4.804),
    (0.912, 0.912, 0.912, 1.095, 1.732, 4.132, 17.96),
    (0.896, 0.896, 0.896, 0.896, 2.240, 5.376, 10.75),
)
"""Odds by category, fastest to slowest: three shifts of everything, two stretched tails, one tail."""
_LOGS = tuple(tuple(math.log(bet) for bet in odds) for odds in BETS)
COLD = 2.08
"""How many times slower a cold start may be."""
NEAR = 0.01
"""Buckets 5 % wide add up to 10.25 %: a bound that misses what is tolerated by this is at it."""
_ROUNDING = 1e-4
"""Bounds are written with a few digits: a bucket that begins this close to a cut begins at it."""


def quantiles(past: Histogram) -> list[float]:
    """Return the cuts: for each quantile the bucket in which stable's *past* has it."""
    return [past.quantile(share) for share in _QUANTILES]


def bounds_of(past: Histogram, *windows: Histogram) -> list[float]:
    """Return every bound that was ever used, in order: a bucket begins where one below it ends.

    Buckets without a count may be left out of a histogram, so that one may seem to begin lower than
    it does. The canary then seems faster, never slower.
    """
    more = set(past.bounds).union(*(window.bounds for window in windows))
    return past.bounds if len(more) == len(past.bounds) else sorted(more)


def moved(cuts: Sequence[float], known: Sequence[float], tolerated: float) -> list[float]:
    """Return the *cuts* for a canary that may be *tolerated* times slower.

    A bucket that begins below a moved cut does not count as slower than it. A bucket begins where
    the one below ends, so that it is the bound at which a moved cut falls, or the next, that cuts.
    """
    if tolerated == 1.0:
        return list(cuts)
    last = len(known) - 1
    places = (bisect_left(known, cut * tolerated * (1.0 - _ROUNDING)) for cut in cuts)
    return [known[at] if at <= last else math.inf for at in places]


def tightened(cut: float, known: Sequence[float], tolerated: float) -> float:
    """Return *cut* moved up by what is *tolerated*, but not beyond it: where to certify from.

    Where buckets are wider than the tolerance, :func:`moved` excuses a whole bucket: fair to a canary
    that is to be shown to be worse. To be shown to be safe it has to answer for that bucket.
    """
    place = bisect_right(known, cut * tolerated * (1.0 + NEAR)) - 1
    return max(cut, known[place]) if place >= 0 else cut


def worths(here: float, stable: Sequence[float]) -> list[tuple[float, list[float]]]:
    """Return, for each bet, what *stable*'s answers come to, and what one of the canary's is worth
    in each category: ``sum of s log y`` and ``log x``, with ``x = psi y``.

    The same for every monitor, so once a tick. *here* are the canary's answers in all, *stable*
    counts by category; where both have none nothing is worth anything.
    """
    there = sum(stable)
    total, log = here + there, math.log
    if not total:
        return [(0.0, [0.0] * len(stable))] * len(BETS)
    found = []
    for odds, own in zip(BETS, _LOGS, strict=True):
        shared = [log(total / (bet * here + there)) for bet in odds]
        found.append((sum(map(mul, stable, shared)), list(map(add, own, shared))))
    return found


def wagered(worth: Sequence[tuple[float, list[float]]], canary: Sequence[float]) -> list[float]:
    """Return the logarithm of each bet: ``sum of c log x + s log y``."""
    return [theirs + sum(map(mul, canary, ours)) for theirs, ours in worth]
