"""Is the canary worse? Evidence that may be looked at after every tick, however often.

Each number here is an *e-value*: under its hypothesis its mean is at most 1 whatever the traffic,
the drift or the bursts, so that it ever reaches ``1 / a`` has probability at most ``a`` (Ville).
A product over ticks, a mean of several, a cap on each tick and a late start keep that, so looking
again costs nothing. ``1 / E`` reads as a p-value.

* **worse**: "the canary is no worse than stable"; **beyond**: "... by no more than is tolerated"
  (:class:`Profile`). Three streams each: errors, latency, health, and their mean.
* **safe**: "the canary is worse by more than we let pass"; large when that is excluded.

Errors are two Poisson counts, compared by bets on their ratio (after Lindon and Malek, *Anytime-
Valid Inference for Multinomial Count Data*, NeurIPS 2022, and Turner, Ly and Grünwald, *Generic
E-variables*, JSPI 2024). Latency is seven categories cut at quantiles of stable's *past*: a bet
that rises with slowness is fair against every canary that is stochastically no slower. Health is a
coin that may fall wrong in one poll of twenty.

Pure: counts in, numbers out; the state is plain data and everything is recomputable from counts.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any

from sluiceway.analysis.counters import Counters

__all__ = [
    "DEFAULT",
    "NOISY",
    "Profile",
    "Sequential",
    "Values",
    "leading",
    "observe",
    "primed",
    "values",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is forgiven. None of it can make a canary pass that is worse beyond it."""

    error_ratio: float = 1.2
    """So many times stable's error rate is tolerated by ``beyond``."""
    latency_ratio: float = 1.05
    """So many times stable's latency is tolerated by ``beyond``."""
    warm_up_seconds: float = 30.0
    """So long a cold start up to :data:`_COLD` times slower is forgiven; errors never are."""


DEFAULT = Profile()
NOISY = Profile(error_ratio=1.5, latency_ratio=1.10, warm_up_seconds=60.0)
"""For a service whose own healthy instances differ: where a comparison of stable with stable says
"worse" more often than once in a hundred."""

_CAP = math.log(20.0)
"""No single tick says more than this: one blip is not a verdict."""
_LATE, _TICKS = 0.2, 90
"""This share of each stake is held back and put in over so many ticks, for faults that come late."""
_ERROR_BETS = (1.7, 3.0, 8.0, 40.0)
_QUANTILES = (0.50, 0.75, 0.90, 0.95, 0.99, 0.999)
_SLOW = 3
"""Index of the quantile whose excess the certificate of latency counts: p95."""
_LATENCY_BETS = (
    (0.803, 1.052, 1.230, 1.392, 1.565, 1.853, 2.254),
    (0.549, 1.022, 1.484, 1.994, 2.648, 3.973, 6.383),
    (0.134, 0.551, 1.393, 2.881, 5.953, 16.49, 55.89),
    (0.959, 0.959, 0.959, 1.104, 1.414, 2.266, 4.804),
    (0.912, 0.912, 0.912, 1.095, 1.732, 4.132, 17.96),
    (0.896, 0.896, 0.896, 0.896, 2.240, 5.376, 10.75),
)
"""Odds by category, fastest to slowest: three shifts of everything, two stretched tails, one tail."""
_COLD = 2.08
_COLD_SHARE = 0.25
_HEALTH_FAULTY, _HEALTH_BETS = 0.05, (0.2, 0.5, 0.9)
_FORGET = 0.9
"""What stable's past keeps of its weight from tick to tick."""
_HISTORY_TICKS = 6
"""A first reading that counts longer than this many ticks weighs no more than they would."""
_CERTIFY_BETS = (0.2, 0.4, 0.6, 0.8)
_ERROR_MARGIN, _SLOW_MARGIN = 0.02, 0.05
_WEIGHTS = {"errors": 0.5, "latency": 0.4, "health": 0.1}
_LARGEST = 1e300
"""Where a stake stops growing: beyond it a float would be infinite, and smaller is still fair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """A mean over several bets, each a product over ticks that is partly started late."""

    ticks: int = 0
    stakes: tuple[float, ...]

    @classmethod
    def of(cls, bets: int) -> Stakes:
        """Return *bets* stakes of which nothing has been won or lost."""
        return cls(stakes=(1.0 - _LATE,) * bets)

    def after(self, logs: Sequence[float]) -> Stakes:
        """Return them after one tick in which bet *i* multiplied its stake by ``exp(logs[i])``."""
        late = _LATE / _TICKS if self.ticks < _TICKS else 0.0
        won = tuple(
            min((stake + late) * math.exp(min(log, _CAP)), _LARGEST)
            for stake, log in zip(self.stakes, logs, strict=True)
        )
        return Stakes(ticks=self.ticks + 1, stakes=won)

    @property
    def value(self) -> float:
        """The evidence: the mean of the stakes, with what is not yet in play."""
        unstarted = _LATE * max(0, _TICKS - self.ticks) / _TICKS
        return sum(self.stakes) / len(self.stakes) + unstarted


def _latency_stakes() -> Stakes:
    return Stakes.of(len(_LATENCY_BETS))


def _error_stakes() -> Stakes:
    return Stakes.of(len(_ERROR_BETS))


def _doubts() -> tuple[float, ...]:
    return (0.0,) * len(_CERTIFY_BETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequential:
    """The evidence so far: a few dozen numbers."""

    errors_worse: Stakes = field(default_factory=_error_stakes)
    errors_beyond: Stakes = field(default_factory=_error_stakes)
    latency_worse: Stakes = field(default_factory=_latency_stakes)
    latency_beyond: Stakes = field(default_factory=_latency_stakes)
    cold: Stakes = field(default_factory=_latency_stakes)
    """Latency from the first tick on, against a cold start's tolerance."""
    health: Stakes = field(default_factory=lambda: Stakes.of(len(_HEALTH_BETS)))
    errors_safe: tuple[float, ...] = field(default_factory=_doubts)
    """Logarithms, one for each bet; neither capped nor started late."""
    latency_safe: tuple[float, ...] = field(default_factory=_doubts)
    seconds: float = 0.0
    past: Mapping[str, float] = field(default_factory=dict)
    """Stable's histogram before this tick: bucket to forgotten count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What the evidence comes to: e-values, each 1 where nothing is known."""

    worse: Mapping[str, float]
    """``errors``, ``latency``, ``health`` and ``together``."""
    beyond: Mapping[str, float]
    """The same; health is the same number, since nothing of it is tolerated."""
    safe: Mapping[str, float]
    """``errors``: +2 points of errors excluded; ``latency``: +5 points of requests slower than
    stable's p95 excluded."""


def observe(
    state: Sequential,
    seconds: float,
    canary: Counters,
    stable: Counters | None,
    *,
    healthy: bool | None,
    profile: Profile = DEFAULT,
) -> Sequential:
    """Return *state* after one tick.

    Args:
        state: The evidence before it.
        seconds: How long the tick was.
        canary: What the canary answered in it (a window, not a running total).
        stable: What stable answered in it; ``None`` when nobody saw. Then nothing is compared.
        healthy: Whether the canary's own health endpoint answered; ``None`` when it was not asked.
        profile: What is forgiven; the same in every tick of one watch.
    """
    after = replace(
        state,
        seconds=state.seconds + seconds,
        health=state.health if healthy is None else state.health.after(_health(healthy=healthy)),
    )
    if stable is None:
        return after
    after = replace(
        after,
        errors_worse=state.errors_worse.after(_errors(canary, stable, 1.0)),
        errors_beyond=state.errors_beyond.after(_errors(canary, stable, profile.error_ratio)),
        errors_safe=_certified(
            state.errors_safe,
            (canary.errors, canary.requests),
            (stable.errors, stable.requests),
            _ERROR_MARGIN,
        ),
        past=_remembered(state.past, stable.latency_ms),
    )
    return _latency(state, after, canary, stable, profile) if state.past else after


def primed(state: Sequential, history: Counters, first: Counters) -> Sequential:
    """Return *state* knowing stable's *history* before the watch, weighed by its *first* tick."""
    total, most = history.answered, _HISTORY_TICKS * first.answered
    if not total or not most:
        return state
    scale = min(1.0, most / total)
    return replace(
        state, past={bound: count * scale for bound, count in history.latency_ms.items()}
    )


def values(state: Sequential, profile: Profile = DEFAULT) -> Values:
    """Return what *state* comes to."""
    health = state.health.value
    return Values(
        worse=_together(
            state.errors_worse.value, _warmed(state, state.latency_worse, profile), health
        ),
        beyond=_together(
            state.errors_beyond.value, _warmed(state, state.latency_beyond, profile), health
        ),
        safe={"errors": _mean_exp(state.errors_safe), "latency": _mean_exp(state.latency_safe)},
    )


def leading(found: Mapping[str, float]) -> str:
    """Return which stream says most in :attr:`Values.worse` or ``beyond``, by its share of it."""
    return max(_WEIGHTS, key=lambda name: _WEIGHTS[name] * found[name])


def _together(errors: float, latency: float, health: float) -> dict[str, float]:
    found = {"errors": errors, "latency": latency, "health": health}
    return {**found, "together": sum(_WEIGHTS[name] * value for name, value in found.items())}


def _warmed(state: Sequential, warm: Stakes, profile: Profile) -> float:
    if profile.warm_up_seconds <= 0:
        return warm.value
    return (1.0 - _COLD_SHARE) * warm.value + _COLD_SHARE * state.cold.value


def _mean_exp(logs: Sequence[float]) -> float:
    return sum(math.exp(min(log, math.log(_LARGEST))) for log in logs) / len(logs)


# --- one tick -------------------------------------------------------------------------------------


def _errors(canary: Counters, stable: Counters, ratio: float) -> list[float]:
    """Return the bets' logarithms on "the error rate is at most *ratio* times stable's"."""
    here, there = ratio * canary.requests, stable.requests
    if here + there <= 0:
        return [0.0] * len(_ERROR_BETS)
    logs = []
    for bet in _ERROR_BETS:
        y = math.log((here + there) / (bet * here + there))
        logs.append(canary.errors * (math.log(bet) + y) + stable.errors * y)
    return logs


@lru_cache(maxsize=2)
def _health(*, healthy: bool) -> tuple[float, ...]:
    odds = (
        (1.0 - bet) / (1.0 - _HEALTH_FAULTY) if healthy else bet / _HEALTH_FAULTY
        for bet in _HEALTH_BETS
    )
    return tuple(math.log(each) for each in odds)


def _certified(
    logs: tuple[float, ...],
    canary: tuple[float, float],
    stable: tuple[float, float],
    margin: float,
) -> tuple[float, ...]:
    """Return the bets on "the canary's rate is at least stable's and *margin*" after one tick."""
    (bad, requests), (stable_bad, stable_requests) = canary, stable
    if not requests or not stable_requests:
        return logs
    share = requests / stable_requests
    return tuple(
        log
        + bad * math.log(bet)
        + stable_bad * math.log1p((1.0 - bet) * share)
        + margin * requests * (1.0 - bet)
        for log, bet in zip(logs, _CERTIFY_BETS, strict=True)
    )


def _latency(
    before: Sequential, after: Sequential, canary: Counters, stable: Counters, profile: Profile
) -> Sequential:
    cuts = _cuts(before.past)
    here = _ordered(canary.latency_ms)
    there = _categories(_ordered(stable.latency_ms), cuts)
    known = _lower_bounds(before.past, stable.latency_ms, canary.latency_ms)
    fair = _bets(sum(count for _, count in here), sum(there))

    def logs(tolerated: float) -> list[float]:
        return _wagered(fair, _tolerant(here, known, cuts, tolerated), there)

    beyond = _tolerant(here, known, cuts, profile.latency_ratio)
    after = replace(
        after,
        latency_safe=_certified(
            before.latency_safe,
            (sum(beyond[_SLOW + 1 :]), sum(beyond)),
            (sum(there[_SLOW + 1 :]), sum(there)),
            _SLOW_MARGIN,
        ),
    )
    if profile.warm_up_seconds > 0:
        after = replace(after, cold=before.cold.after(logs(_COLD)))
    if before.seconds < profile.warm_up_seconds:
        return after
    return replace(
        after,
        latency_worse=before.latency_worse.after(logs(1.0)),
        latency_beyond=before.latency_beyond.after(_wagered(fair, beyond, there)),
    )


@lru_cache(maxsize=8192)
def _bound(text: str) -> float:
    return float(text)


def _ordered(histogram: Mapping[str, float]) -> list[tuple[float, float]]:
    return sorted((_bound(bound), count) for bound, count in histogram.items())


def _cuts(past: Mapping[str, float]) -> list[float]:
    """Return, for each quantile, the upper bound of the bucket in which stable's past has it."""
    buckets = _ordered(past)
    sums = list(accumulate(count for _, count in buckets))
    last = len(buckets) - 1
    return [
        buckets[min(bisect_left(sums, quantile * sums[-1]), last)][0] for quantile in _QUANTILES
    ]


def _categories(buckets: Sequence[tuple[float, float]], cuts: Sequence[float]) -> list[float]:
    """Return how many are in each category: category *k* is slower than *k* of the *cuts*."""
    found = [0.0] * (len(cuts) + 1)
    for bound, count in buckets:
        found[bisect_left(cuts, bound)] += count
    return found


def _lower_bounds(*histograms: Mapping[str, float]) -> list[float]:
    """Return every bound that was ever used, in order: a bucket begins where one below it ends.

    Buckets without a count may be left out of a histogram, so that one may seem to begin lower than
    it does. The canary then seems faster, never slower.
    """
    return sorted({_bound(bound) for histogram in histograms for bound in histogram})


def _tolerant(
    buckets: Sequence[tuple[float, float]],
    known: Sequence[float],
    cuts: Sequence[float],
    tolerated: float,
) -> list[float]:
    """Return the canary's categories when it may be *tolerated* times slower than the cuts.

    A bucket that begins below a moved cut does not count as slower than it.
    """
    if tolerated == 1.0:
        return _categories(buckets, cuts)
    moved = [cut * tolerated * (1.0 - _ROUNDING) for cut in cuts]
    found = [0.0] * (len(cuts) + 1)
    for bound, count in buckets:
        at = bisect_left(known, bound)
        begins = known[at - 1] if at else 0.0
        slower = 0
        while slower < len(moved) and begins >= moved[slower]:
            slower += 1
        found[slower] += count
    return found


def _bets(here: float, there: float) -> list[tuple[list[float], list[float]]]:
    """Return the logarithms that one canary and one stable answer of each category are worth."""
    total = here + there
    if not total:
        return []
    fair = []
    for odds in _LATENCY_BETS:
        stable = [math.log(total / (bet * here + there)) for bet in odds]
        fair.append(([math.log(bet) + y for bet, y in zip(odds, stable, strict=True)], stable))
    return fair


def _wagered(
    fair: Sequence[tuple[Sequence[float], Sequence[float]]],
    canary: Sequence[float],
    stable: Sequence[float],
) -> list[float]:
    if not fair:
        return [0.0] * len(_LATENCY_BETS)
    return [
        sum(count * log for count, log in zip(canary, here, strict=True))
        + sum(count * log for count, log in zip(stable, there, strict=True))
        for here, there in fair
    ]


def _remembered(past: Mapping[str, float], window: Mapping[str, int]) -> dict[str, float]:
    kept = {bound: count * _FORGET for bound, count in past.items() if count > _FAINT}
    for bound, count in window.items():
        kept[bound] = kept.get(bound, 0.0) + count
    return kept


_ROUNDING = 1e-4
"""Bounds are written with a few digits: a bucket that begins this close to a cut begins at it."""
_FAINT = 1e-6
"""A bucket that holds less than this of one answer is forgotten."""


# --- stored ---------------------------------------------------------------------------------------


def to_json(state: Sequential) -> dict[str, Any]:
    """Return plain JSON data from which :func:`from_json` makes an equal state."""
    stakes = {
        name: {"ticks": each.ticks, "stakes": list(each.stakes)}
        for name in _STAKES
        for each in [getattr(state, name)]
    }
    return {
        **stakes,
        "errors_safe": list(state.errors_safe),
        "latency_safe": list(state.latency_safe),
        "seconds": state.seconds,
        "past": dict(state.past),
    }


def from_json(document: Mapping[str, Any]) -> Sequential:
    """Read what :func:`to_json` gave.

    Raises:
        KeyError, TypeError, ValueError: When it is not that.
    """
    fresh = Sequential()
    parts: dict[str, Any] = {}
    for name in _STAKES:
        found = Stakes(
            ticks=int(document[name]["ticks"]), stakes=_numbers(document[name]["stakes"])
        )
        if found.ticks < 0 or len(found.stakes) != len(getattr(fresh, name).stakes):
            msg = f"{name} holds {len(found.stakes)} stakes after {found.ticks} ticks"
            raise ValueError(msg)
        parts[name] = found
    for name in _CERTIFICATES:
        parts[name] = _numbers(document[name], low=-math.inf)
        if len(parts[name]) != len(_CERTIFY_BETS):
            msg = f"{name} holds {len(parts[name])} bets"
            raise ValueError(msg)
    bounds = {str(bound): count for bound, count in document["past"].items()}
    _numbers([float(bound) for bound in bounds], high=math.inf)
    return replace(
        fresh,
        **parts,
        seconds=_numbers([document["seconds"]])[0],
        past=dict(zip(bounds, _numbers(list(bounds.values())), strict=True)),
    )


_STAKES = (
    "errors_worse",
    "errors_beyond",
    "latency_worse",
    "latency_beyond",
    "cold",
    "health",
)
_CERTIFICATES = ("errors_safe", "latency_safe")


def _numbers(found: Sequence[Any], low: float = 0.0, high: float = _LARGEST) -> tuple[float, ...]:
    for each in found:
        if isinstance(each, bool) or not isinstance(each, int | float) or not low <= each <= high:
            msg = f"{each!r} is not a number from {low:g} to {high:g}"
            raise ValueError(msg)
    return tuple(float(each) for each in found)
