"""A watch from its first look to its verdict: real policies and engine, a route made of counters.

The clock is the test's: what a watch waits for has passed when it has waited.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from sluiceway import events, policy
from sluiceway.errors import ActionFailed
from sluiceway.model import (
    CanaryLimits,
    Environment,
    Fence,
    Image,
    Observation,
    Side,
    Slot,
    Strategy,
    Traffic,
    parse_time,
    to_json,
)
from sluiceway.runs import telling, watching
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here

NEW, OLD = "sha256:" + "b" * 64, "sha256:" + "a" * 64
IMAGE = Image(
    repository="registry.test/shop",
    digest=NEW,
    media_type="application/vnd.oci.image.manifest.v1+json",
)
ACTOR = {"name": "lena", "method": "ssh", "proven": True, "key": "SHA256:k"}


@pytest.fixture(scope="module")
def engine() -> Iterator[EmbeddedEngine]:
    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    engine = EmbeddedEngine(default_library(), pin.library, deadline_seconds=60)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def bundle() -> policy.Bundle:
    return policy.load_bundle([policy.bundled_policies()], [])


class Killed(BaseException):
    """The process is gone; nothing is tidied up."""


class Clock:
    """Time that passes only where something waits."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def time(self) -> float:
        return self.seconds

    monotonic = time


class Route:
    """Both sides' counters: each look adds what the traffic since the last one would have."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seen = clock.seconds
        self.weight = 0.0
        self.weights: list[float] = []
        self.rps = 100.0
        self.alone = False
        self.obeys = True
        self.blind: Callable[[int], bool] = lambda _look: False
        self.errors: Callable[[str, int], float] = lambda _side, _look: 0.0
        self.looks = 0
        self.counted = {"stable": [0, 0], "canary": [0, 0]}

    def traffic(self) -> Traffic:
        in_force = 100.0 if self.alone else self.weight
        slots = [("canary", NEW, in_force)]
        if not self.alone:
            slots.append(("stable", OLD, 100.0 - in_force))
        return Traffic(
            route="production",
            url="http://route.test",
            slots=tuple(
                Slot(name=name, digest=digest, weight=weight, alive=True, healthy=True, url="")
                for name, digest, weight in slots
            ),
        )

    def set_weight(self, *, weight: float, **_: Any) -> Traffic:
        if weight != self.weight:
            self.weights.append(weight)
        if self.obeys or not self.weight:
            self.weight = weight
        return self.traffic()

    def observe(self, **_: Any) -> Observation:
        self.looks += 1
        if self.blind(self.looks):
            raise ActionFailed("the router does not answer")
        passed, self.seen = self.clock.seconds - self.seen, self.clock.seconds
        share = 1.0 if self.alone else self.weight / 100
        for side, part in (("canary", share), ("stable", 1.0 - share)):
            requests = round(self.rps * passed * part)
            self.counted[side][0] += requests
            self.counted[side][1] += round(requests * self.errors(side, self.looks))
        return Observation(
            route="production",
            at=datetime.fromtimestamp(self.clock.seconds, UTC),
            monotonic=self.clock.seconds,
            stable=None if self.alone else self._side("stable", OLD),
            canary=self._side("canary", NEW),
            canary_alive=True,
            canary_restarts=0,
            health_ok=True,
            health_detail="200",
            weight=self.traffic().slots[0].weight,
        )

    def _side(self, name: str, digest: str) -> Side:
        requests, errors = self.counted[name]
        histogram = {"10": requests * 9 // 10, "20": requests - requests * 9 // 10}
        return Side(
            digest=digest,
            requests=requests,
            errors=errors,
            latency_ms={bound: count for bound, count in histogram.items() if count},
        )


class Plugins:
    def __init__(self, route: Route) -> None:
        self.route = route
        self.told: list[Any] = []

    def one(self, hook: str, **records: Any) -> Any:
        asked: dict[str, Callable[..., Any]] = {
            "sluiceway_set_weight": self.route.set_weight,
            "sluiceway_observe": self.route.observe,
        }
        return asked[hook](**records)

    def serving(self, hook: str) -> tuple[str, ...]:
        return ("notify-test",)

    def ask(self, name: str, hook: str, *, notice: Any) -> None:
        self.told.append(notice)


class Ledger:
    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}

    def append(self, kind: str, *, key: str, body: Any, **_: Any) -> Any:
        stored = self.entries.setdefault(key, json.loads(json.dumps({"kind": kind, **body})))
        return SimpleNamespace(body=stored)


class World:
    """One run's bench and context, and what of it survives its process."""

    def __init__(self, engine: Any, bundle: Any, clock: Clock) -> None:
        self.clock, self.route = clock, Route(clock)
        self.plugins, self.ledger = Plugins(self.route), Ledger()
        self.bench: Any = SimpleNamespace(
            config=SimpleNamespace(
                service="shop", rehearsal=False, environment=lambda _name: ENVIRONMENT
            ),
            plugins=self.plugins,
            ledger=self.ledger,
            engine=engine,
            bundle=lambda: bundle,
        )
        self.remembered: dict[str, Any] = {}
        self.token = 1

    def watch(
        self, limits: CanaryLimits, *, taken_over: bool = False, killed_in: str = ""
    ) -> dict[str, Any]:
        world = self

        class Context:
            bench, seconds, run = world.bench, 30.0, "promote-1"
            fence = Fence(run="promote-1", token=world.token, lease_seconds=30.0)
            lease = SimpleNamespace(token=world.token)

            def wait(self, seconds: float) -> None:
                world.clock.seconds += max(seconds, 0.001)

            def step(self, name: str, function: Callable[[], Any], **_: Any) -> Any:
                if name not in world.remembered:
                    value = function()
                    if name == killed_in:
                        raise Killed
                    world.remembered[name] = json.loads(json.dumps(value, allow_nan=False))
                return world.remembered[name]

        context: Any = Context()
        context.taken_over = taken_over
        request = {"run": "promote-1", "target": "canary", "limits": to_json(limits)}
        asked = {"actor": ACTOR, "request": {}, "signature": "s"}
        return watching.watch(context, request, IMAGE, asked)

    @property
    def verdicts(self) -> list[str]:
        """What was written down, in order."""
        return [entry["decision"].get("verdict", "") for entry in self.ledger.entries.values()]

    @property
    def told(self) -> list[str]:
        return [notice.kind for notice in self.plugins.told]


ENVIRONMENT = Environment(name="canary", strategy=Strategy.CANARY, route="production")
# As many requests as make every check of these tests a measured one.
LIMITS = CanaryLimits(traffic_percent=10.0)


@pytest.fixture
def world(engine: EmbeddedEngine, bundle: policy.Bundle, monkeypatch: pytest.MonkeyPatch) -> World:
    clock = Clock()

    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Now:
            return cls.fromtimestamp(clock.seconds, tz)

    monkeypatch.setattr(watching, "time", clock)
    monkeypatch.setattr(watching, "datetime", Now)
    monkeypatch.setattr(telling, "_messengers", {})
    return World(engine, bundle, clock)


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
        from dataclasses import replace

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
