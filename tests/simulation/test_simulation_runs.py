"""Simulated canaries go through the functions that judge real ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sluiceway.analysis import Counters, Tick, Watch, rules, tick
from sluiceway.errors import UsageError
from sluiceway.model import CanaryLimits
from sluiceway.simulation.checked import disagreements
from sluiceway.simulation.drawing import draw
from sluiceway.simulation.faults import FAULTS, HEALTHY
from sluiceway.simulation.measured import Job, measure
from sluiceway.simulation.replay import recorded_ticks, replayed
from sluiceway.simulation.runs import follow, tick_of
from sluiceway.simulation.study import Study, advice, interval, simulated
from sluiceway.simulation.weather import WEATHERS, Cell

LIMITS = CanaryLimits()


def ticks(fault=HEALTHY, *, rps=50.0, count=90, seed=1, run=0):
    drawn = draw(WEATHERS["base"], Cell(rps=rps), fault, runs=run + 1, ticks=count, seed=seed)
    return [tick_of(each, run) for each in drawn]


def follows(found, limits=LIMITS):
    return follow(lambda _, number: found[number], len(found), limits, rules.decide)


@pytest.mark.parametrize(("weather", "rps"), [("rough", 5.0), ("caches", 50.0)])
def test_both_ways_of_judging_end_every_run_alike(weather, rps):
    faults = {"leak": 40, "total": 20, "flapping": 20, "errors+10": 20}
    job = Job(
        weather=weather,
        cell=Cell(rps=rps),
        healthy=2,
        faulty=1,
        faults=faults,
        healthy_ticks=45,
        profiles=("noisy",),
        seed=5,
    )
    assert disagreements(job) == []


def test_a_broken_canary_is_rolled_back_and_a_healthy_one_promoted():
    bad, good = follows(ticks(FAULTS["total"])), follows(ticks(rps=500.0))
    assert (bad.outcome, bad.seconds) == ("fail", 20.0)
    assert "canary.worse" in bad.last.codes
    assert (good.outcome, good.seconds) == ("pass", 300.0)


def test_a_canary_of_several_steps_gets_each_weight_in_turn():
    limits = replace(LIMITS, steps=(5.0, 25.0))
    found = ticks(rps=500.0)
    asked = []

    def traffic(weight, number):
        asked.append(weight)
        return found[number]

    run = follow(traffic, len(found), limits, rules.decide)
    assert asked == [5.0] * 30 + [25.0] * 30
    assert (run.outcome, run.seconds) == ("pass", 600.0)


def test_recorded_looks_become_the_ticks_they_were():
    real, watch, looks = ticks(FAULTS["flapping"], count=12), Watch(), []
    looks.append({"watch": watch.to_json(), "outcome": "running"})
    for each in real:
        watch = tick(watch, each, LIMITS)
        looks.append({"watch": watch.to_json(), "outcome": "running"})
    found = recorded_ticks("r1", looks)
    assert [each.canary for each in found] == [each.canary for each in real]
    assert [each.stable for each in found] == [each.stable for each in real]
    assert [each.healthy for each in found] == [each.healthy for each in real]
    document = replayed("r1", looks, replace(LIMITS, consecutive=1), rules.decide)
    assert document["decided"]["outcome"] == "fail"
    assert document["looks"][-1]["codes"] == ["canary.health"]


def test_a_run_without_looks_is_refused_in_words():
    with pytest.raises(UsageError, match="no recorded looks") as caught:
        recorded_ticks("r1", [])
    assert caught.value.code == "simulate.no-looks"


def test_a_side_that_was_started_anew_is_not_compared():
    before = tick(Watch(), ticks(count=1)[0], LIMITS)
    assert before.stable is not None
    fewer = replace(before.stable, last=Counters(requests=1))
    after = replace(before, looks=2, seconds=20.0, stable=fewer)
    looks = [{"watch": each.to_json()} for each in (before, after)]
    (found,) = recorded_ticks("r1", looks)
    assert found.stable is None


def test_a_study_counts_every_run_once():
    study = Study(limits=LIMITS, faults=("total",), runs=6, rps=20.0)
    healthy, total = simulated(study)
    assert (healthy["name"], healthy["runs"], total["runs"]) == ("healthy", 6, 3)
    for each in (healthy, total):
        ended = sum(each[kind]["count"] for kind in ("rolled_back", "given_up", "promoted"))
        assert ended == each["runs"]
        assert len(each["curve"]["worse"]) == len(each["curve"]["seconds"]) == 90
    assert total["rolled_back"]["share"] == total["curve"]["rolled_back"][-1] == 1.0
    assert total["median"] <= 30


def test_too_little_traffic_is_answered_with_the_weight_to_give():
    study = Study(limits=LIMITS, rps=20.0)
    healthy = {"rolled_back": {"low": 0.0}, "promoted_at_once": 0.3}
    (said,) = advice(study, healthy)
    assert "Information grows with canary requests: raise traffic_percent to 13." in said
    (said,) = advice(replace(study, rps=1.0), healthy)
    assert "with traffic_percent = 50 it takes" in said
    assert advice(study, {"rolled_back": {"low": 0.0}, "promoted_at_once": 0.95}) == []


def test_too_many_false_rollbacks_are_answered_too():
    healthy = {"rolled_back": {"low": 0.05, "share": 0.1}, "promoted_at_once": 0.9}
    (said,) = advice(Study(limits=LIMITS), healthy)
    assert 'profile = "noisy"' in said
    (said,) = advice(Study(limits=replace(LIMITS, rule="mission")), healthy)
    assert 'rule = "sequential"' in said


@pytest.mark.parametrize(("count", "runs"), [(0, 300), (3, 300), (300, 300)])
def test_an_interval_holds_its_share(count, runs):
    low, high = interval(count, runs)
    assert 0.0 <= low <= count / runs <= high <= 1.0
    assert high - low < 0.03


def test_a_cell_is_measured_by_every_rule():
    job = Job(
        weather="base",
        cell=Cell(rps=50.0),
        healthy=20,
        faulty=6,
        faults={"total": 30},
        healthy_ticks=30,
    )
    found = measure(job)
    told = found["faults"]["total"]
    assert told["limit"] < 1.0
    assert told["oracle"]["median"] == 10.0
    assert told["nominal"]["ours/default"]["p90"] <= 30.0
    assert {"mission", "flagger", "argo-60", "kayenta", "z-test"} <= set(told["matched"])
    assert found["matched_false"]["ours/default"] == 0.0


def test_the_history_before_the_watch_is_in_the_first_tick_only():
    found: list[Tick] = ticks(count=3)
    assert [each.history is not None for each in found] == [True, False, False]
