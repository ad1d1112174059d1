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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sluiceway.analysis import latency
from sluiceway.analysis.counters import Counters
from sluiceway.analysis.histograms import Histogram
from sluiceway.analysis.stakes import LARGEST, Stakes
from sluiceway.record import Record, field

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


class Profile(Record):
    """What is forgiven. None of it can make a canary pass that is worse beyond it."""

    error_ratio: float = 1.2
    """So many times stable's error rate is tolerated by ``beyond``."""
    latency_ratio: float = 1.05
    """So many times stable's latency is tolerated by ``beyond``."""
    warm_up_seconds: float = 30.0
    """So long a cold start up to :data:`~sluiceway.analysis.latency.COLD` times slower is forgiven; errors never are."""


DEFAULT = Profile()
NOISY = Profile(error_ratio=1.5, latency_ratio=1.10, warm_up_seconds=60.0)
"""For a service whose own healthy instances differ: where a comparison of stable with stable says
"worse" more often than once in a hundred."""

_ERROR_BETS = (1.7, 3.0, 8.0, 40.0)
_ERROR_LOGS = tuple(math.log(bet) for bet in _ERROR_BETS)
_COLD_SHARE = 0.25
_HEALTH_FAULTY, _HEALTH_BETS = 0.05, (0.2, 0.5, 0.9)
_FORGET = 0.9
"""What stable's past keeps of its weight from tick to tick."""
_HISTORY_TICKS = 6
"""A first reading that counts longer than this many ticks weighs no more than they would."""
_CERTIFY_BETS = (0.2, 0.4, 0.6, 0.8)
_CERTIFY_LOGS = tuple(math.log(bet) for bet in _CERTIFY_BETS)
_ERROR_MARGIN, _SLOW_MARGIN = 0.02, 0.05
_WEIGHTS = {"errors": 0.5, "latency": 0.4, "health": 0.1}


def _latency_stakes() -> Stakes:
    return Stakes.of(len(latency.BETS))


def _error_stakes() -> Stakes:
    return Stakes.of(len(_ERROR_BETS))


def _doubts() -> tuple[float, ...]:
    return (0.0,) * len(_CERTIFY_BETS)


class Sequential(Record):
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
    errors_safest: float = 1.0
    """The most that the certificate of errors has come to after any tick."""
    latency_safest: float = 1.0
    seconds: float = 0.0
    past: Mapping[str, float] = field(default_factory=dict)
    """Stable's histogram before this tick: bucket to forgotten count."""


class Values(Record):
    """What the evidence comes to: e-values, each 1 where nothing is known."""

    worse: Mapping[str, float]
    """``errors``, ``latency``, ``health`` and ``together``."""
    beyond: Mapping[str, float]
    """The same; health is the same number, since nothing of it is tolerated."""
    safe: Mapping[str, float]
    """``errors``: +2 points of errors excluded; ``latency``: +5 points of requests slower than
    stable's p95 excluded. Once reached it stands (Ville's bound is for the most it ever was), unless
    what came since speaks against it: below 1 it is what it is now."""


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
    parts: dict[str, Any] = {}
    if stable is not None:
        parts = {
            "errors_worse": state.errors_worse.after(_errors(canary, stable, 1.0)),
            "errors_beyond": state.errors_beyond.after(
                _errors(canary, stable, profile.error_ratio)
            ),
            "errors_safe": _certified(
                state.errors_safe,
                (canary.errors, canary.requests),
                (stable.errors, stable.requests),
                _ERROR_MARGIN,
            ),
            "past": _remembered(state.past, stable.latency_ms),
        }
        if state.past:
            parts |= _latency(state, canary, stable, profile)
    if healthy is not None:
        parts["health"] = state.health.after(_health(healthy=healthy))
    for now, most in zip(_CERTIFICATES, _SAFEST, strict=True):
        if now in parts:
            parts[most] = max(getattr(state, most), _mean_exp(parts[now]))
    return replace(state, seconds=state.seconds + seconds, **parts)


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
        safe={
            "errors": _standing(_mean_exp(state.errors_safe), state.errors_safest),
            "latency": _standing(_mean_exp(state.latency_safe), state.latency_safest),
        },
    )


def _standing(now: float, most: float) -> float:
    return most if now >= 1.0 else now


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
    return sum([math.exp(min(log, _LOG_LARGEST)) for log in logs]) / len(logs)


_LOG_LARGEST = math.log(LARGEST)


# --- one tick -------------------------------------------------------------------------------------


def _errors(canary: Counters, stable: Counters, ratio: float) -> list[float]:
    """Return the bets' logarithms on "the error rate is at most *ratio* times stable's"."""
    here, there = ratio * canary.requests, stable.requests
    if here + there <= 0:
        return [0.0] * len(_ERROR_BETS)
    logs, bad, stable_bad = [], canary.errors, stable.errors
    for bet, log in zip(_ERROR_BETS, _ERROR_LOGS, strict=True):
        y = math.log((here + there) / (bet * here + there))
        logs.append(bad * (log + y) + stable_bad * y)
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
    share, allowed, log1p = requests / stable_requests, margin * requests, math.log1p
    return tuple(
        [
            so_far + bad * log + stable_bad * log1p((1.0 - bet) * share) + allowed * (1.0 - bet)
            for so_far, bet, log in zip(logs, _CERTIFY_BETS, _CERTIFY_LOGS, strict=True)
        ]
    )


def _latency(
    before: Sequential, canary: Counters, stable: Counters, profile: Profile
) -> dict[str, Any]:
    """Return the parts of the state that the latencies of one tick change."""
    past = Histogram(before.past)
    here, there = canary.histogram, stable.histogram
    cuts = latency.quantiles(past)
    known = latency.bounds_of(past, here, there)
    counts = there.categories(cuts)
    worth = latency.worths(here.total, counts)
    beyond = here.categories(latency.moved(cuts, known, profile.latency_ratio))
    edge = latency.tightened(cuts[latency.SLOW], known, profile.latency_ratio)
    parts: dict[str, Any] = {
        "latency_safe": _certified(
            before.latency_safe,
            (here.total - here.up_to(edge), here.total),
            (sum(counts[latency.SLOW + 1 :]), there.total),
            _SLOW_MARGIN,
        )
    }
    if profile.warm_up_seconds > 0:
        cold = here.categories(latency.moved(cuts, known, latency.COLD))
        parts["cold"] = before.cold.after(latency.wagered(worth, cold))
    if before.seconds >= profile.warm_up_seconds:
        worse = here.categories(cuts)
        parts["latency_worse"] = before.latency_worse.after(latency.wagered(worth, worse))
        parts["latency_beyond"] = before.latency_beyond.after(latency.wagered(worth, beyond))
    return parts


def _remembered(past: Mapping[str, float], window: Mapping[str, int]) -> dict[str, float]:
    kept = {bound: count * _FORGET for bound, count in past.items() if count > _FAINT}
    before = kept.get
    more = kept | {bound: before(bound, 0.0) + count for bound, count in window.items()}
    if len(more) == len(kept):
        return more
    return dict(sorted(more.items(), key=lambda bucket: float(bucket[0])))  # quicker to sum


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
        "errors_safest": state.errors_safest,
        "latency_safest": state.latency_safest,
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
    for name in _SAFEST:
        parts[name] = _numbers([document[name]])[0]
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
_SAFEST = ("errors_safest", "latency_safest")


def _numbers(found: Sequence[Any], low: float = 0.0, high: float = LARGEST) -> tuple[float, ...]:
    for each in found:
        if isinstance(each, bool) or not isinstance(each, int | float) or not low <= each <= high:
            msg = f"{each!r} is not a number from {low:g} to {high:g}"
            raise ValueError(msg)
    return tuple(float(each) for each in found)
