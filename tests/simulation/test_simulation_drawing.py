"""The traffic is what the weathers and faults say, and the limit is what was worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sluiceway.simulation.drawing import draw
from sluiceway.simulation.faults import FAULTS, HEALTHY
from sluiceway.simulation.law import BOUNDS, law_of
from sluiceway.simulation.limit import NATS, bernoulli, one_sided
from sluiceway.simulation.weather import WEATHERS, Cell

STILL = np.zeros(1)


def drawn(weather, fault=HEALTHY, *, rps=50.0, runs=200, ticks=3, seed=1, **cell):
    return list(
        draw(WEATHERS[weather], Cell(rps=rps, **cell), fault, runs=runs, ticks=ticks, seed=seed)
    )


def test_the_same_seed_draws_the_same_and_another_does_not():
    one, same, other = (drawn("rough", seed=seed)[2].canary.histogram for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("rps", [5.0, 500.0])
def test_requests_and_errors_are_as_many_as_was_asked_for(weather, rps):
    ticks = drawn(weather, rps=rps, runs=1500, error_percent=3.0, weight=10.0)
    for name, share in (("canary", 0.1), ("stable", 0.9)):
        arms = [getattr(tick, name) for tick in ticks]
        requests = sum(arm.requests.sum() for arm in arms)
        errors = sum(arm.errors.sum() for arm in arms)
        assert all((arm.errors <= arm.requests).all() for arm in arms)
        expected = rps * 10.0 * share * 1500 * 3
        assert requests == pytest.approx(expected, rel=0.15)  # bursts and ramps only add
        # Bursts (x2-5), cold starts (x1.5) and hiccups (x4) add errors, never half as many again.
        assert 0.9 < errors / requests / 0.03 < 2.5


def test_few_requests_follow_the_same_law_as_many():
    few, many = drawn("clean", rps=5.0, runs=6000)[0], drawn("clean", rps=500.0, runs=60)[0]
    for arm in (few.canary, many.stable):
        shares = arm.histogram.sum(axis=0) / arm.histogram.sum()
        assert shares == pytest.approx(law_of(WEATHERS["clean"]).shares(STILL)[0], abs=0.006)


def test_a_stretched_tail_keeps_its_median_and_moves_its_p99():
    for name in ("clean", "retries", "caches"):
        weather = WEATHERS[name]
        law = law_of(weather)
        at = {
            stretch: [
                BOUNDS[int(np.searchsorted(np.cumsum(row), share))]
                for share in (0.5, 0.99)
                for row in [law.shares(STILL, stretch=stretch, misses=weather.miss_share)[0]]
            ]
            for stretch in (1.0, 2.0)
        }
        assert at[2.0][0] == at[1.0][0]
        assert at[2.0][1] / at[1.0][1] == pytest.approx(2.0, rel=0.06)


@pytest.mark.parametrize(
    ("fault", "requests"), [("p99-x1.3", 420), ("p99-x2", 63), ("slower-x1.3", 66)]
)
def test_the_limit_of_latency_is_what_was_measured_elsewhere(fault, requests):
    law, what = law_of(WEATHERS["clean"]), FAULTS[fault]
    faulty = law.shares(STILL + math.log(what.slower), stretch=what.stretch)[0]
    assert NATS / one_sided(faulty, law.shares(STILL)[0]) == pytest.approx(requests, abs=0.5)


def test_the_limit_of_errors_is_bernoullis():
    rates = np.array([0.02, 0.05, 0.03, 0.11, 0.001])
    needed = NATS / np.maximum(bernoulli(rates, np.full(5, 0.01)), 1e-9)
    assert needed[:4] == pytest.approx([1177, 112, 350, 27], abs=0.6)
    assert needed[4] > 1e9, "fewer errors are no evidence of more"


def test_a_faster_canary_is_no_evidence_of_a_slower_one():
    law = law_of(WEATHERS["clean"])
    faster, healthy = law.shares(STILL - 0.3)[0], law.shares(STILL)[0]
    assert one_sided(faster, healthy) == pytest.approx(0.0, abs=1e-9)


def test_a_flapping_canary_fails_polls_and_no_requests():
    ticks = drawn("clean", FAULTS["flapping"], ticks=30)
    failed = np.mean([~tick.healthy for tick in ticks])
    assert 0.2 < failed < 0.6
    errors = sum(tick.canary.errors.sum() for tick in ticks)
    assert errors / sum(tick.canary.requests.sum() for tick in ticks) == pytest.approx(
        0.01, rel=0.2
    )


def test_a_crash_loop_fails_all_requests_while_it_is_down():
    ticks = drawn("clean", FAULTS["crash-loop"], ticks=30)
    share = [tick.canary.errors.sum() / tick.canary.requests.sum() for tick in ticks]
    assert share[0] == pytest.approx(0.01, abs=0.01), "it is up for 10 s at the least"
    assert max(share) > 0.5
