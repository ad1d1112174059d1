"""Latency in seven categories, cut at quantiles of stable's past, and the bets on them.

Quick, because it runs once a tick for each canary: histograms are summed once, and every count is a
difference of two sums.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from operator import mul

from sluiceway.analysis.histograms import Histogram

__all__ = [
    "BETS",
    "COLD",
    "SLOW",
    "bounds_of",
    "moved",
    "quantiles",
    "shared_logs",
    "wagered",
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


def shared_logs(here: float, there: float) -> list[list[float]]:
    """Return, for each bet and category, the logarithm that an answer of either side is worth.

    An answer of the canary is worth the logarithm of the odds besides. *here* and *there* are the
    answers of both sides in all; without any there is no bet.
    """
    total = here + there
    if not total:
        return []
    log = math.log
    return [[log(total / (bet * here + there)) for bet in odds] for odds in BETS]


def wagered(
    shared: Sequence[Sequence[float]], canary: Sequence[float], stable: Sequence[float]
) -> list[float]:
    """Return the logarithm of each bet: ``sum of c log x + s log y``, with ``x = psi y``."""
    if not shared:
        return [0.0] * len(BETS)
    both = [c + s for c, s in zip(canary, stable, strict=True)]
    return [
        sum(map(mul, canary, own)) + sum(map(mul, both, y))
        for own, y in zip(_LOGS, shared, strict=True)
    ]
