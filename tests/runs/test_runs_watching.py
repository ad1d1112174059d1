"""A watch from its first look to its verdict: real policies and engine, a route made of counters.

The clock is the test's: what a watch waits for has passed when it has waited.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.watching_kit import LIMITS, Killed

from sluiceway import events
from sluiceway.errors import ActionFailed
from sluiceway.model import CanaryLimits, parse_time


def test_a_good_canary_passes_on_certificates_and_each_change_of_verdict_is_written_down(world):
    seen = world.watch(LIMITS)
    assert (seen["verdict"], seen["outcome"], seen["code"]) == ("promote", "pass", "canary.passed")
    assert seen["status"] == "ok"
    assert "rule sequential, limits corroborated" in seen["reason"]
    assert world.verdicts == ["continue", "promote"]
    assert seen["decision"]["allow"] is True
    assert seen["evidence"]["seconds"] == 300
    for entry in world.ledger.entries.values():
        assert entry["input"]["gate"] == "canary"
        assert entry["signature"] == "s"
    assert world.told == [], "how it ends is told when that has taken effect"


def test_five_times_the_errors_are_worse_and_rolled_back_within_the_promise(world):
    world.route.rps = 500.0
    world.route.errors = lambda side, _look: 0.05 if side == "canary" else 0.01
    seen = world.watch(LIMITS)
    assert (seen["verdict"], seen["outcome"]) == ("rollback", "fail")
    assert seen["code"] == "canary.worse"
    assert seen["status"] == "failed"
    took = parse_time(seen["decided_at"]) - parse_time(seen["detected_at"])
    assert timedelta(0) <= took < timedelta(seconds=120)
    assert world.verdicts == ["continue", "rollback"]


def test_what_the_sites_policies_ask_for_is_kept_with_every_look(world):
    bundle = world.bench.bundle()
    keys = {**bundle.data["canary"]["keys"], "worse": 1000, "certify": 30}
    data = {**bundle.data, "canary": {**bundle.data["canary"], "keys": keys}}
    site = replace(bundle, data=data, digest="sha256:" + "9" * 64)
    world.bench.bundle = lambda: site
    seen = world.watch(LIMITS)
    assert seen["needed"] == {"worse": 1000.0, "beyond": 20.0, "safe": 30.0}
    assert world.remembered["canary.begin"]["needed"] == seen["needed"]


def test_a_streak_counts_from_its_first_bad_look(world):
    # Literal limits of the mission: four bad looks, and the first of them is a good one's successor.
    world.route.errors = lambda side, look: 0.2 if side == "canary" and look > 3 else 0.0
    seen = world.watch(CanaryLimits(traffic_percent=10.0, rule="mission"))
    assert seen["code"] == "canary.error-rate"
    took = parse_time(seen["decided_at"]) - parse_time(seen["detected_at"])
    assert took == timedelta(seconds=30)
    assert "rule mission" in seen["reason"]


def test_two_sick_sides_hold_and_tell_and_are_taken_back_when_it_lasts(world):
    world.route.errors = lambda _side, _look: 0.2
    seen = world.watch(LIMITS)
    assert (seen["verdict"], seen["outcome"], seen["code"]) == ("rollback", "fail", "canary.sick")
    assert world.verdicts == ["continue", "hold", "rollback"]
    assert "promote" not in world.verdicts
    assert world.told == ["canary.verdict"]
    (notice,) = world.plugins.told
    assert notice.facts["verdict"] == "hold"
    assert "canary.sick" in notice.facts["codes"]


def test_a_side_that_gets_well_again_ends_the_hold(world):
    world.route.errors = lambda _side, look: 0.2 if 3 < look < 9 else 0.0
    seen = world.watch(LIMITS)
    assert seen["outcome"] == "pass"
    assert world.verdicts == ["continue", "hold", "continue", "promote"]
    assert world.told == ["canary.verdict", "canary.verdict"]


def test_every_step_is_watched_and_read_back_and_told(world):
    seen = world.watch(CanaryLimits(steps=(5.0, 25.0, 50.0, 100.0)))
    assert seen["outcome"] == "pass"
    assert world.route.weights == [5.0, 25.0, 50.0, 100.0]
    assert [step["weight"] for step in seen["steps"]] == world.route.weights
    moments = [parse_time(step["at"]) for step in seen["steps"]]
    lasted = [later - sooner for sooner, later in pairwise(moments)]
    assert all(each >= timedelta(seconds=300) for each in lasted), lasted
    assert world.told == ["canary.step"] * 3
    assert seen["evidence"]["looks"] > 4 * 30, "evidence goes on over the steps"
    outcomes = [entry["decision"]["outcome"] for entry in world.ledger.entries.values()]
    assert outcomes[-1] == "pass"
    assert set(outcomes[:-1]) == {"running"}


def test_a_fault_that_comes_with_more_traffic_is_taken_back_from_that_step(world):
    world.route.errors = lambda side, _look: (
        0.1 if side == "canary" and world.route.weight >= 50 else 0.0
    )
    seen = world.watch(CanaryLimits(steps=(5.0, 25.0, 50.0, 100.0)))
    assert seen["verdict"] == "rollback"
    assert seen["step"] == {"index": 2, "count": 4, "weight": 50.0}


def test_a_router_that_does_not_raise_the_weight_ends_the_watch(world):
    world.route.obeys = False
    with pytest.raises(ActionFailed) as caught:
        world.watch(CanaryLimits(steps=(5.0, 25.0)))
    assert caught.value.code == "canary.weight"
    assert "gives the canary 5 % of its traffic after it was told to give 25 %" in caught.value.what


def test_a_first_release_has_all_the_traffic_whatever_the_steps(world):
    world.route.alone = True
    seen = world.watch(CanaryLimits(steps=(5.0, 100.0)))
    assert seen["outcome"] == "pass"
    assert seen["step"] == {"index": 0, "count": 1, "weight": 100.0}
    assert "nothing to be compared with" in seen["reason"]


def test_a_canary_that_nobody_can_see_does_not_go_on_serving(world):
    world.route.blind = lambda look: look > 4
    seen = world.watch(LIMITS)
    assert (seen["verdict"], seen["status"], seen["code"]) == (
        "rollback",
        "error",
        "canary.unseen",
    )


def test_too_little_traffic_is_watched_longer_and_then_taken_back(world):
    world.route.rps = 2.0
    seen = world.watch(LIMITS)
    assert (seen["verdict"], seen["code"]) == ("rollback", "canary.uncertified")
    assert seen["evidence"]["seconds"] == 900
    assert world.verdicts == ["continue", "extend", "rollback"]
    assert world.told == ["canary.verdict"]


def losing_its_engine(world, looks):
    """Have the engine fail at *looks* of the route."""
    genuine = world.bench.engine

    class Fails:
        name = "fails"

        def evaluate(self, *arguments: Any) -> Any:
            if world.route.looks in looks:
                raise ActionFailed("the engine has gone", code="policy.engine-failed")
            return genuine.evaluate(*arguments)

    world.bench.engine = Fails()


def test_an_engine_that_is_gone_holds_and_is_taken_back_at_the_third_look(world):
    losing_its_engine(world, range(5, 1000))
    seen = world.watch(LIMITS)
    assert (seen["verdict"], seen["outcome"], seen["code"]) == (
        "rollback",
        "error",
        "canary.unjudged",
    )
    assert seen["unjudged"] == 3
    assert "could not judge the canary at 3 looks in a row" in seen["reason"]
    assert world.route.looks == 7
    assert world.told == ["canary.verdict"]
    assert world.verdicts == ["continue", "", ""]


def test_an_engine_that_comes_back_goes_on_from_the_same_counters(world):
    losing_its_engine(world, (5, 6))
    seen = world.watch(LIMITS)
    assert seen["outcome"] == "pass"
    assert seen["evidence"]["seconds"] == 300
    assert world.told == ["canary.verdict", "canary.verdict"]


def test_a_broken_canary_without_a_judge_is_not_waited_for(world):
    losing_its_engine(world, range(3, 1000))
    genuine = world.route.observe

    def observe(**records: Any) -> Any:
        return replace(genuine(**records), canary_alive=world.route.looks < 4)

    world.route.observe = observe
    seen = world.watch(LIMITS)
    assert (seen["verdict"], seen["code"], seen["unjudged"]) == ("rollback", "canary.unjudged", 2)
    assert "the canary has crashed" in seen["reason"]


@pytest.mark.parametrize("step", ["canary.begin", "canary.tick.1", "canary.tick.12"])
def test_killed_in_any_look_the_counters_go_on_where_they_were(world, step):
    with pytest.raises(Killed):
        world.watch(LIMITS, killed_in=step)
    world.clock.seconds += 12
    world.token += 1
    seen = world.watch(LIMITS, taken_over=True)
    assert seen["outcome"] == "pass"
    assert seen["evidence"]["samples"]["canary"] >= 290 * 10
    assert seen["number"] >= 30


def test_taken_over_later_than_its_lease_it_is_taken_back_unseen(world):
    with pytest.raises(Killed):
        world.watch(LIMITS, killed_in="canary.tick.5")
    world.clock.seconds += 31
    looks = world.route.looks
    seen = world.watch(LIMITS, taken_over=True)
    assert (seen["verdict"], seen["code"]) == ("rollback", "canary.unwatched")
    # The last look that is remembered was made one interval before the one that was cut off.
    assert "nobody watched the canary for 41 s" in seen["reason"]
    assert world.route.looks == looks


@pytest.mark.parametrize("interval", [10.0, 50.0])
def test_asleep_for_longer_than_its_lease_it_is_taken_back_unseen(world, interval):
    """SIGSTOP, a closed laptop: its weight went back meanwhile, and must not come again."""

    def stopped(look):
        if look != 4:
            return 0.0
        world.route.weight = 0.0  # as the router does when nobody renews it
        return 31.0

    world.asleep = stopped
    seen = world.watch(replace(LIMITS, interval_seconds=interval))
    assert (seen["verdict"], seen["code"]) == ("rollback", "canary.unwatched")
    assert "nobody watched the canary for" in seen["reason"]
    assert world.route.looks == 4
    assert world.route.weight == 0.0


@pytest.mark.parametrize("interval", [10.0, 50.0])
def test_a_short_sleep_is_none(world, interval):
    world.asleep = lambda look: 5.0 if look == 4 else 0.0
    seen = world.watch(replace(LIMITS, interval_seconds=interval))
    assert seen["code"] != "canary.unwatched"
    assert world.route.looks > 4


def test_what_was_said_before_a_kill_does_not_judge_what_is_seen_after_it(world):
    """Killed between writing "promote" down and remembering it: the next one looks for itself."""
    with pytest.raises(Killed):
        world.watch(LIMITS, killed_in="canary.tick.30")
    assert world.verdicts[-1] == "promote"
    world.route.errors = lambda side, _look: 0.5 if side == "canary" else 0.0
    world.clock.seconds += 20
    world.token += 1
    seen = world.watch(LIMITS, taken_over=True)
    assert seen["verdict"] == "rollback"


def test_every_look_is_an_event_with_its_verdict(world):
    heard: list[events.Event] = []
    with events.subscribed(heard.append):
        world.watch(LIMITS)
    ticks = [event.data for event in heard if event.kind == "canary.tick"]
    assert len(ticks) == 31
    assert [tick["ended"] for tick in ticks] == [False] * 30 + [True]
    assert all("rule sequential" in tick["reason"] for tick in ticks)
    assert not [event for event in heard if event.kind == "gate.decided"]
