"""What every rule makes of one cell: numbers that a table is written from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sluiceway.analysis.profiles import PROFILES
from sluiceway.model import CanaryLimits
from sluiceway.record import Record
from sluiceway.simulation import limit, peers
from sluiceway.simulation.drawing import TICK_SECONDS
from sluiceway.simulation.faults import FAULTS, HEALTHY
from sluiceway.simulation.law import Floats
from sluiceway.simulation.series import Plan, Series, collect
from sluiceway.simulation.verdicts import Verdicts, verdicts
from sluiceway.simulation.weather import WEATHERS, Cell

__all__ = ["Job", "first_ticks", "measure", "spread"]

SHORT, LONG = 30, 90
"""Ticks of 5 and of 15 minutes."""
_LIMITS = CanaryLimits()


class Job(Record):
    """One cell of one weather."""

    weather: str
    cell: Cell
    healthy: int
    """Runs."""
    faulty: int
    """Runs of each fault."""
    faults: Mapping[str, int]
    """Fault to ticks."""
    profiles: tuple[str, ...] = ("default",)
    healthy_ticks: int = LONG
    seed: int = 1

    def plan(self, fault: str, number: int) -> Plan:
        """Return the plan of one fault, or of ``healthy``."""
        healthy = fault == HEALTHY.name
        return Plan(
            weather=WEATHERS[self.weather],
            cell=self.cell,
            fault=HEALTHY if healthy else FAULTS[fault],
            runs=self.healthy if healthy else self.faulty,
            ticks=self.healthy_ticks if healthy else self.faults[fault],
            seed=(self.seed, number),
        )


def measure(job: Job) -> dict[str, Any]:
    """Return what every rule makes of *job*, as plain data.

    ``healthy``: rule to share of healthy runs rolled back within 5 and 15 minutes; ``promotions``;
    ``faults``: fault to ``{limit, oracle, nominal, matched}`` within 5 minutes, and ``{nominal_long,
    matched_long, promotions}`` within 15 where so many were drawn; a rule has a :func:`spread`. Times are seconds, infinite for never.
    """
    wanted = {name: PROFILES[name] for name in job.profiles}
    healthy = collect(job.plan(HEALTHY.name, 0), wanted)
    short = _Asked(first_ticks(healthy, SHORT), job)
    long = _Asked(healthy, job) if healthy.plan.ticks > SHORT else short
    thresholds, long_thresholds = short.thresholds(), long.thresholds()
    early, late = short.nominal(), long.nominal()
    found: dict[str, Any] = {
        "weather": job.weather,
        "cell": job.cell.name,
        "rps": job.cell.rps,
        "errors": job.cell.error_percent,
        "runs": job.healthy,
        "false": {
            rule: {"5": _share(at), "15": _share(late[rule]) if rule in late else math.nan}
            for rule, at in early.items()
        },
        "matched_false": {
            rule: _share(short.times(rule, each)) for rule, each in thresholds.items()
        },
        "promotions": _promotions(healthy, job),
        "thresholds": {rule: list(each) for rule, each in thresholds.items()},
        "faults": {},
    }
    for number, fault in enumerate(job.faults, start=1):
        series = collect(job.plan(fault, number), wanted)
        asked = _Asked(first_ticks(series, SHORT), job)
        known = peers.first(np.cumsum(series.of["known"], axis=1) >= limit.NATS, series.times)
        nats = np.concatenate([[0.0], np.cumsum(series.nats)])
        ends = np.concatenate([[0.0], series.times])
        told: dict[str, Any] = {
            "limit": float(np.interp(limit.NATS, nats, ends, right=np.inf)),
            "oracle": spread(known),
            "nominal": {rule: spread(at) for rule, at in asked.nominal().items()},
            "matched": {rule: spread(asked.times(rule, at)) for rule, at in thresholds.items()},
        }
        if series.plan.ticks > SHORT:
            whole = _Asked(series, job)
            told["matched_long"] = {
                rule: spread(whole.times(rule, at))
                for rule, at in long_thresholds.items()
                if rule in whole.rules
            }
            told["nominal_long"] = {rule: spread(at) for rule, at in whole.nominal().items()}
            told["promotions"] = _promotions(series, job)
        found["faults"][fault] = told
    return found


def spread(times: Floats) -> dict[str, float]:
    """Return ``median``, ``p90``, ``missed`` (share) and ``mean`` cut at 5 minutes."""
    return {
        "median": float(np.quantile(times, 0.5, method="inverted_cdf")),
        "p90": float(np.quantile(times, 0.9, method="inverted_cdf")),
        "missed": float(np.isinf(times).mean()),
        "missed_5": float((times > _LIMITS.duration_seconds).mean()),
        "mean": float(np.minimum(times, _LIMITS.duration_seconds).mean()),
    }


def first_ticks(series: Series, ticks: int) -> Series:
    """Return *series* without what came after so many ticks."""
    return Series(
        plan=replace(series.plan, ticks=min(ticks, series.plan.ticks)),
        of={name: values[:, :ticks] for name, values in series.of.items()},
        nats=series.nats[:ticks],
    )


def _share(times: Floats) -> float:
    return float(np.isfinite(times).mean())


class _Asked:
    """Every rule's statistics of one series, counted once."""

    def __init__(self, series: Series, job: Job) -> None:
        self._series, self._profiles = series, job.profiles
        # Kayenta's judge has no baseline after 5 minutes (see the module series).
        others = [
            rule for rule in peers.RULES if "kayenta" not in rule or series.plan.ticks <= SHORT
        ]
        self._statistics = {
            **{f"ours/{name}": peers.ours(series, name) for name in job.profiles},
            **{rule: peers.statistics(rule, series) for rule in others},
        }

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule that was asked."""
        return tuple(self._statistics)

    def thresholds(self) -> dict[str, tuple[float, float]]:
        """Return, for each rule, what a healthy run in 200 gets above in its errors, and in its
        latency.
        """
        return {
            rule: (peers.matched(errors), peers.matched(latency))
            for rule, (errors, latency) in self._statistics.items()
        }

    def times(self, rule: str, thresholds: tuple[float, float]) -> Floats:
        """Return when *rule* rolls back with *thresholds*."""
        errors, latency = self._statistics[rule]
        above = (errors > thresholds[0]) | (latency > thresholds[1])
        return peers.first(above, self._series.times)

    def nominal(self) -> dict[str, Floats]:
        """Return when each rule rolls back, as shipped."""
        series = self._series
        found = {
            f"ours/{name}": verdicts(series, _asked(name)).rolled_back for name in self._profiles
        }
        for rule in self._statistics:
            if rule == "mission":
                # Its watch ends after 5 minutes; the longer one is asked what it would have done.
                whole = series.plan.ticks * TICK_SECONDS
                asked = replace(_LIMITS, rule="mission", duration_seconds=whole)
                found[rule] = verdicts(series, asked, profile=self._profiles[0]).rolled_back
            elif not rule.startswith("ours/"):
                found[rule] = self.times(rule, peers.NOMINAL[rule])
        return found


def _asked(profile: str) -> CanaryLimits:
    return replace(_LIMITS, profile=profile)


def _promotions(series: Series, job: Job) -> dict[str, dict[str, float]]:
    """Return, for each profile, which shares were promoted by 5, 6 and 15 minutes, and given up."""
    found = {}
    for name in job.profiles:
        ended: Verdicts = verdicts(series, _asked(name))
        found[name] = {
            "5": float((ended.promoted <= _LIMITS.duration_seconds).mean()),
            "6": float((ended.promoted <= _LIMITS.duration_seconds + 60.0).mean()),
            "15": float(np.isfinite(ended.promoted).mean()),
            "given_up": float(np.isfinite(ended.given_up).mean()),
            "held": float((ended.held > 0).mean()),
        }
    return found
