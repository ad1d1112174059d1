"""The other tools' rules do what their code does, where their code surprises."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sluiceway.simulation import peers
from sluiceway.simulation.faults import HEALTHY
from sluiceway.simulation.series import Plan, Series, collect
from sluiceway.simulation.weather import WEATHERS, Cell

NEVER = -math.inf


def series(ticks, **of):
    plan = Plan(weather=WEATHERS["clean"], cell=Cell(), fault=HEALTHY, runs=1, ticks=ticks)
    arrays = {
        name.replace("__", "."): np.array([values], dtype=float) for name, values in of.items()
    }
    return Series(plan=plan, of=arrays, nats=np.zeros(ticks))


def alarm(rule, found, thresholds):
    errors, latency = peers.statistics(rule, found)
    above = (errors > thresholds[0]) | (latency > thresholds[1])
    return float(peers.first(above, found.times)[0])


def minutes(rates):
    fine = [1.0] * len(rates)
    return series(len(rates), minute__rate=rates, minute__p99=fine)


def test_flagger_never_forgets_a_failed_check():
    assert alarm("flagger", minutes([0.9, 0, 0, 0.9, 0, 0, 0, 0.9]), (0.05, 2000)) == 80
    assert alarm("flagger", minutes([0.9, 0, 0, 0.9, 0, 0, 0, 0]), (0.05, 2000)) == math.inf


def test_argos_limit_of_three_is_reached_by_the_fourth_failure():
    assert alarm("argo-10", minutes([0.9, 0.9, 0.9, 0, 0.9]), (0.05, 2000)) == 50


def test_argo_by_the_minute_looks_at_the_end_of_minutes_only():
    assert alarm("argo-60", minutes([0.9] * 5 + [0] + [0.9] * 6), (0.05, 2000)) == 120


def test_three_in_a_row_is_not_broken_by_a_tick_without_requests():
    found = series(5, rate=[0.9, 0.9, math.nan, 0.9, 0], p99=[1.0] * 5)
    assert alarm("mission", found, (0.05, 2000)) == 40
    found = series(5, rate=[0.9, 0.9, 0, 0.9, 0.9], p99=[1.0] * 5)
    assert alarm("mission", found, (0.05, 2000)) == math.inf


@pytest.mark.parametrize(("higher", "fails"), [(7, False), (8, True)])
def test_kayenta_lets_seven_of_ten_points_a_hundred_times_higher_pass(higher, fails):
    # https://github.com/spinnaker/spinnaker/issues/6278
    baseline = [1.0] * 10
    canary = [100.0] * higher + [1.0] * (10 - higher)
    found = series(10, rate=canary, slice__rate=baseline, p99=[1.0] * 10, slice__p99=[1.0] * 10)
    assert (alarm("kayenta-once", found, peers.NOMINAL["kayenta-once"]) < math.inf) is fails


def test_ties_are_counted_as_the_textbook_does():
    ordered = np.array([[1, 1, 1, 2, 3, 3, 5.0], [1, 2, 3, 4, 5, 6, 7.0]])
    assert peers._ties(ordered).tolist() == [3**3 - 3 + 2**3 - 2, 0]


def test_a_matched_threshold_is_passed_by_no_more_than_its_share():
    rng = np.random.default_rng(1)
    for values in (rng.normal(size=(1000, 5)), rng.integers(0, 3, (1000, 5)).astype(float)):
        threshold = peers.matched(values, 0.005)
        assert (values > threshold).any(axis=1).mean() <= 0.005


def test_the_z_test_looked_at_after_every_tick_is_wrong_far_more_often_than_once():
    plan = Plan(weather=WEATHERS["clean"], cell=Cell(), fault=HEALTHY, runs=600, ticks=30)
    found = collect(plan, {}, peers=False)
    of = found.of
    z = peers._z(of["errors"], of["stable.errors"], of["requests"], of["stable.requests"])
    once, often = (z[:, -1] > 2.326).mean(), (z > 2.326).any(axis=1).mean()
    assert once < 0.03
    assert often > 5 * once
