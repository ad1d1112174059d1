"""The formulas written over arrays give what :mod:`sluiceway.analysis.sequential` gives."""

from __future__ import annotations

import pytest

from sluiceway.analysis import Counters, sequential
from sluiceway.analysis.sequential import DEFAULT, NOISY, Sequential
from sluiceway.simulation.drawing import TICK_SECONDS, draw
from sluiceway.simulation.evidence import Evidence
from sluiceway.simulation.faults import FAULTS, HEALTHY
from sluiceway.simulation.law import TEXTS
from sluiceway.simulation.weather import WEATHERS, Cell


def counters(arm, run):
    histogram = {
        text: int(count) for text, count in zip(TEXTS, arm.histogram[run], strict=True) if count
    }
    return Counters(
        requests=int(arm.requests[run]), errors=int(arm.errors[run]), latency_ms=histogram
    )


def history(drawn, run):
    row = drawn.history[run]
    return Counters(
        latency_ms={text: int(count) for text, count in zip(TEXTS, row, strict=True) if count}
    )


@pytest.mark.parametrize(
    ("weather", "fault", "rps", "profile"),
    [
        ("base", HEALTHY, 5.0, DEFAULT),
        ("rough", HEALTHY, 50.0, NOISY),
        ("clean", FAULTS["p99-x2"], 50.0, DEFAULT),
        ("retries", FAULTS["leak"], 0.3, DEFAULT),
        ("caches", FAULTS["flapping"], 500.0, DEFAULT),
        ("base", FAULTS["total"], 50.0, DEFAULT),
    ],
)
def test_both_ways_of_counting_agree_after_every_tick(weather, fault, rps, profile):
    runs = 5
    many = None
    each = [Sequential()] * runs
    for drawn in draw(WEATHERS[weather], Cell(rps=rps), fault, runs=runs, ticks=40, seed=7):
        canary, stable = drawn.canary, drawn.stable
        if many is None:
            assert drawn.history is not None
            many = Evidence(drawn.history, stable.requests, profile)
            each = [
                sequential.primed(state, history(drawn, run), counters(stable, run))
                for run, state in enumerate(each)
            ]
        many.observe(
            TICK_SECONDS,
            (canary.histogram, canary.errors),
            (stable.histogram, stable.errors),
            drawn.healthy,
        )
        found = many.values()
        for run in range(runs):
            each[run] = sequential.observe(
                each[run],
                TICK_SECONDS,
                counters(canary, run),
                counters(stable, run),
                healthy=bool(drawn.healthy[run]),
                profile=profile,
            )
            values = sequential.values(each[run], profile)
            for key in ("worse", "beyond", "safe"):
                for name, value in getattr(values, key).items():
                    assert found[f"{key}.{name}"][run] == pytest.approx(value, rel=1e-9), name
