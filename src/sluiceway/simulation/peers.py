"""The mission's rule and those of other tools, over :class:`~sluiceway.simulation.series.Series`.

Each rule is two *statistics*, of errors and of latency: it rolls back in the first tick in which
one is above its threshold. So the same rule can be asked with the thresholds it ships
(:data:`NOMINAL`) and with those that make it roll back as many healthy canaries as any other does
(:func:`matched`). The rules are written again from the tools' own code; they are not the tools.

* Flagger: the count of failed checks is never reset by a good one (``scheduler.go``), the built-in
  checks look at the canary alone, over a minute.
* Argo Rollouts: fails when ``failed > failureLimit`` (``analysis.go``), so that ``failureLimit: 3``
  is the fourth failure.
* Kayenta: ``NetflixACAJudge``, Mann-Whitney at confidence 0.98 with tolerance 0.25, one point a
  tick for each of two metrics of equal weight, against a slice of stable as large as the canary.
* ratio: what people write by hand in PromQL, ``canary > 1.2 x stable`` with a floor, three in a
  row.
* z test: the textbook comparison of two counts, stratified by tick, looked at after every tick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from sluiceway.simulation.law import Floats
from sluiceway.simulation.series import Bools, Series

__all__ = ["NOMINAL", "RULES", "first", "matched", "ours", "statistics"]

RULES = {
    "mission": "limits, three in a row",
    "flagger": "Flagger: 3 failed checks in all, 10 s",
    "argo-60": "Argo: failureLimit 0, 60 s",
    "argo-10": "Argo: failureLimit 3, 10 s",
    "ratio": "ratio 1.2 to stable, three in a row",
    "kayenta-once": "Kayenta's judge, once",
    "kayenta": "Kayenta's judge, every tick",
    "z-test": "z test, every tick",
}
_LIMITS = (0.05, 2000.0)
NOMINAL = {
    "mission": _LIMITS,
    "flagger": _LIMITS,
    "argo-60": _LIMITS,
    "argo-10": _LIMITS,
    "ratio": (1.2, 1.2),
    "kayenta-once": (2.326, 2.326),
    "kayenta": (2.326, 2.326),
    "z-test": (2.326, 2.326),
}
"""Thresholds as shipped; Flagger and Argo are given the mission's limits."""
_NEVER = -math.inf
_TOLERANCE = 0.25
_FEWEST_POINTS = 3
_FLOOR = 1e-4


def statistics(rule: str, series: Series) -> tuple[Floats, Floats]:
    """Return the statistics of errors and of latency, runs by ticks."""
    of = series.of
    if rule == "z-test":
        sizes = of["requests"], of["stable.requests"]
        return (
            _z(of["errors"], of["stable.errors"], *sizes),
            _z(of["over"], of["over.stable"], *sizes),
        )
    ask, values = _ASKED[rule]
    errors, latency = values(of)
    return ask(errors), ask(latency)


def ours(
    series: Series, profile: str, keys: tuple[float, float] = (100.0, 20.0)
) -> tuple[Floats, Floats]:
    """Return both keys' statistics of errors and of latency, 1 where both are just turned."""

    def both(stream: str) -> Floats:
        worse, beyond = (
            np.log(series.of[f"{profile}/{key}.{stream}"]) / math.log(needed)
            for key, needed in zip(("worse", "beyond"), keys, strict=True)
        )
        return np.minimum(worse, beyond)

    return both("errors"), both("latency")


def first(above: Bools, times: Floats) -> Floats:
    """Return when each run is first so, in seconds; infinite for never."""
    ever = above.any(axis=1)
    return np.where(ever, times[np.argmax(above, axis=1)], np.inf)


def matched(statistic: Floats, share: float = 0.005) -> float:
    """Return the threshold that no more than *share* of the (healthy) runs ever get above."""
    highest = np.sort(statistic.max(axis=1))[::-1]
    return float(highest[min(int(share * len(highest)), len(highest) - 1)])


def _in_a_row(values: Floats, count: int) -> Floats:
    """Return the smallest of the last *count*; a tick without a value is no check and no break."""
    found = np.full(values.shape, _NEVER)
    last = np.full((len(values), count), _NEVER)
    for tick in range(values.shape[1]):
        now = values[:, tick]
        some = ~np.isnan(now)
        last = np.where(some[:, None], np.column_stack([last[:, 1:], now]), last)
        found[:, tick] = last.min(axis=1)
    return found


def _nth(values: Floats, count: int) -> Floats:
    """Return the *count*-th largest so far."""
    found = np.full(values.shape, _NEVER)
    largest = np.full((len(values), count), _NEVER)
    for tick in range(values.shape[1]):
        now = np.nan_to_num(values[:, tick : tick + 1], nan=_NEVER)
        largest = np.sort(np.concatenate([largest, now], axis=1), axis=1)[:, 1:]
        found[:, tick] = largest[:, 0]
    return found


_third: Callable[[Floats], Floats] = partial(_nth, count=3)
_fourth: Callable[[Floats], Floats] = partial(_nth, count=4)
_largest: Callable[[Floats], Floats] = partial(_nth, count=1)
_three_in_a_row: Callable[[Floats], Floats] = partial(_in_a_row, count=3)


def _pair(of: Mapping[str, Floats], name: str) -> Floats:
    """Return the canary's values and its slice's, stacked."""
    found: Floats = np.stack([of[name], of[f"slice.{name}"]])
    return found


def _at_every_tick(pair: Floats) -> Floats:
    return _judged(pair, range(_FEWEST_POINTS - 1, pair.shape[2]))


def _at_the_end(pair: Floats) -> Floats:
    return _judged(pair, range(pair.shape[2] - 1, pair.shape[2]))


def _each_minute(values: Floats) -> Floats:
    found = np.full(values.shape, np.nan)
    found[:, 5::6] = values[:, 5::6]
    return found


def _z(bad: Floats, stable_bad: Floats, requests: Floats, stable: Floats) -> Floats:
    share = requests / np.maximum(requests + stable, 1.0)
    both = bad + stable_bad
    excess = np.cumsum(bad - both * share, axis=1)
    spread = np.cumsum(both * share * (1.0 - share), axis=1)
    return np.where(spread > 0, excess / np.sqrt(np.maximum(spread, 1e-12)), _NEVER)


def _ticks(of: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    return of["rate"], of["p99"]


def _minutes(of: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    return of["minute.rate"], of["minute.p99"]


def _whole_minutes(of: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    return _each_minute(of["minute.rate"]), _each_minute(of["minute.p99"])


def _to_stable(of: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    return (
        of["minute.rate"] / np.maximum(of["stable.minute.rate"], _FLOOR),
        of["minute.p99"] / of["stable.minute.p99"],
    )


def _beside_slice(of: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    return _pair(of, "rate"), _pair(of, "p99")


_ASKED = {
    "mission": (_three_in_a_row, _ticks),
    "flagger": (_third, _minutes),
    "argo-60": (_largest, _whole_minutes),
    "argo-10": (_fourth, _minutes),
    "ratio": (_three_in_a_row, _to_stable),
    "kayenta": (_at_every_tick, _beside_slice),
    "kayenta-once": (_at_the_end, _beside_slice),
}


def _judged(pair: Floats, asked: range) -> Floats:
    """Return, for each tick that is *asked* about, how sure the judge is that the canary is higher.

    The lower end of the shift's confidence interval is above the tolerance exactly when the
    canary, taken down by the tolerance, still has a z score above the confidence's.
    """
    found = np.full(pair.shape[1:], _NEVER)
    canary, baseline = np.nan_to_num(pair)  # Kayenta's default: no errors seen are 0 errors
    for tick in asked:
        found[:, tick] = _mann_whitney(canary[:, : tick + 1], baseline[:, : tick + 1])
    return found


_CHUNK = 400


def _mann_whitney(ours: Floats, theirs: Floats) -> Floats:
    found = np.empty(len(ours))
    points = ours.shape[1]
    for start in range(0, len(ours), _CHUNK):
        x, y = ours[start : start + _CHUNK], theirs[start : start + _CHUNK]
        pairs = x[:, :, None] - y[:, None, :]
        shift = np.median(pairs.reshape(len(x), -1), axis=1)
        needed = (_TOLERANCE * np.abs(shift))[:, None, None]
        wins = (pairs > needed).sum(axis=(1, 2)) + 0.5 * (pairs == needed).sum(axis=(1, 2))
        both = np.sort(np.concatenate([x - needed[:, :, 0], y], axis=1), axis=1)
        ties = _ties(both)
        size = 2.0 * points
        variance = points * points / 12.0 * (size + 1.0 - ties / (size * (size - 1.0)))
        z = (wins - points * points / 2.0 - 0.5) / np.sqrt(np.maximum(variance, 1e-12))
        higher = (x.mean(axis=1) >= y.mean(axis=1)) & (variance > 0)
        found[start : start + _CHUNK] = np.where(higher, z, _NEVER)
    return found


def _ties(ordered: Floats) -> Floats:
    """Return the sum of ``t^3 - t`` over groups of equal values."""
    same = np.concatenate(
        [np.zeros((len(ordered), 1), dtype=bool), ordered[:, 1:] == ordered[:, :-1]], axis=1
    )
    length = np.zeros(len(ordered))
    total = np.zeros(len(ordered))
    for place in range(ordered.shape[1]):
        length = np.where(same[:, place], length + 1.0, 1.0)
        # t^3 - t grows by 3 t (t - 1) when a group of t - 1 becomes one of t.
        total += 3.0 * length * (length - 1.0)
    return total
