"""A sample of runs judged twice: by the arrays' formulas, and by the functions a real canary uses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from sluiceway.analysis import Tick, rules
from sluiceway.analysis.profiles import PROFILES
from sluiceway.model import CanaryLimits
from sluiceway.simulation.drawing import Drawn, draw
from sluiceway.simulation.faults import HEALTHY
from sluiceway.simulation.measured import Job
from sluiceway.simulation.runs import follow, tick_of
from sluiceway.simulation.series import Plan, collect
from sluiceway.simulation.verdicts import verdicts

__all__ = ["disagreements"]


def disagreements(job: Job) -> list[str]:
    """Return, for each run of *job* that the two ways end differently, what each says."""
    wrong = []
    for number, fault in enumerate([HEALTHY.name, *job.faults]):
        plan = job.plan(fault, number)
        for profile in job.profiles:
            wrong += _compared(plan, replace(CanaryLimits(), profile=profile))
        if plan.fault is HEALTHY:
            wrong += _compared(plan, replace(CanaryLimits(), rule="mission"))
    return wrong


def _compared(plan: Plan, limits: CanaryLimits) -> list[str]:
    series = collect(plan, {limits.profile: PROFILES[limits.profile]}, peers=False)
    found = verdicts(series, limits)
    drawn = list(
        draw(
            plan.weather,
            plan.cell,
            plan.fault,
            runs=plan.runs,
            ticks=plan.ticks,
            seed=[*plan.seed, 0],
        )
    )
    wrong = []
    for run in range(plan.runs):
        ended = follow(partial(_tick, drawn, run), plan.ticks, limits, rules.decide)
        expected = next(
            (
                (name, at)
                for name, at in (
                    ("fail", found.rolled_back[run]),
                    ("pass", found.promoted[run]),
                    ("given up", found.given_up[run]),
                )
                if math.isfinite(at)
            ),
            ("running", plan.ticks * 10.0),
        )
        said = ended.outcome if ended.outcome in {"fail", "pass", "running"} else "given up"
        if (said, ended.seconds) != expected:
            wrong.append(
                f"{plan.weather.name}, {plan.cell.name}, {plan.fault.name}, {limits.rule}, "
                f"{limits.profile}, run {run}: {said} after {ended.seconds:g} s by the functions, "
                f"{expected[0]} after {expected[1]:g} s by the arrays"
            )
    return wrong


def _tick(drawn: Sequence[Drawn], run: int, weight: float, number: int) -> Tick:
    del weight  # one step only
    return tick_of(drawn[number], run)
