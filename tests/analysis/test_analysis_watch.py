"""The watch, replayed, and what the rule ``mission`` says of it: limits, streaks, restarts, clocks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sluiceway.analysis import Watch, advance, evidence, miss, rules
from sluiceway.analysis.rules import Call
from sluiceway.model import CanaryLimits, Observation, Side, to_json

LIMITS = CanaryLimits(minimum_check_requests=10)
MISSION = replace(LIMITS, rule="mission")
GOOD, BAD = "sha256:" + "a" * 64, "sha256:" + "b" * 64


Tick = tuple[dict[str, Any], dict[str, Any]]


@dataclass
class _Counts:
    requests: int = 0
    errors: int = 0
    buckets: dict[str, int] = field(default_factory=dict)


class Route:
    """A route with two sides whose counters only grow, as an observer reads them."""

    def __init__(self) -> None:
        self.canary = _Counts()
        self.stable = _Counts()

    def serve(
        self, requests: int = 0, errors: int = 0, slow: int = 0, answered: int | None = None
    ) -> Route:
        """The canary serves *requests*; stable serves nineteen times as many, all good."""
        self._count(self.canary, requests, errors, slow, answered)
        self._count(self.stable, requests * 19, 0, 0, None)
        return self

    def _count(
        self, side: _Counts, requests: int, errors: int, slow: int, answered: int | None
    ) -> None:
        side.requests += requests
        side.errors += errors
        answered = requests if answered is None else answered
        for bound, count in (("100", answered - slow), ("5000", slow)):
            if count:
                side.buckets[bound] = side.buckets.get(bound, 0) + count

    def restart(self) -> None:
        self.canary = _Counts()

    def look(
        self,
        at: float,
        *,
        health: bool = True,
        weight: float = 5.0,
        alive: bool = True,
        restarts: int = 0,
        seen: bool = True,
    ) -> Observation:
        def side(digest: str, counts: _Counts) -> Side:
            return Side(
                digest=digest,
                requests=counts.requests,
                errors=counts.errors,
                latency_ms=dict(counts.buckets),
            )

        return Observation(
            route="production",
            at=datetime(2026, 1, 1, tzinfo=UTC),
            monotonic=1000.0 + at,
            stable=side(GOOD, self.stable),
            canary=side(BAD, self.canary) if seen else None,
            canary_alive=alive,
            canary_restarts=restarts,
            health_ok=health,
            health_detail="200" if health else "503 Service Unavailable",
            weight=weight,
        )


def begun(limits: CanaryLimits = MISSION) -> tuple[Route, Watch]:
    route = Route()
    return route, advance(Watch(), route.look(0), limits)


def decided(
    ticks: Sequence[Tick], limits: CanaryLimits = MISSION, *, store: bool = False
) -> tuple[Watch, Call]:
    """Fold *ticks*, one an interval: ``(served, looked)`` as keyword arguments; ask the rule after
    each, and stop where it ends the watch.
    """
    route, watch = begun(limits)
    call = asked(watch, limits)
    for number, (served, looked) in enumerate(ticks, 1):
        look = route.serve(**served).look(number * limits.interval_seconds, **looked)
        watch = advance(watch, look, limits)
        if store:
            watch = Watch.from_json(json.loads(json.dumps(watch.to_json(), allow_nan=False)))
        call = asked(watch, limits)
        if call.outcome != "running":
            break
    return watch, call


def asked(watch: Watch, limits: CanaryLimits = MISSION, weight: float = 5.0) -> Call:
    return rules.decide(
        {
            "parameters": to_json(limits),
            "step": {"index": 0, "count": 1, "weight": weight},
            "watch": evidence(watch, limits),
        }
    )


def same(count: int, served: dict[str, Any] | None = None, **looked: Any) -> list[Tick]:
    return [(served if served is not None else {"requests": 25}, looked)] * count


OK_TICK: Tick = ({"requests": 25}, {})
ERRORS: Tick = ({"requests": 25, "errors": 2}, {})  # 8 %
SLOW: Tick = ({"requests": 25, "slow": 1}, {})  # p99 of 25 is the slowest
SICK: Tick = ({"requests": 25}, {"health": False})


@pytest.mark.parametrize(
    ("ticks", "outcome", "code", "looks"),
    [
        pytest.param(same(30), "pass", "canary.passed", 31, id="healthy to the end"),
        pytest.param(
            [OK_TICK] * 5 + [SICK] * 3, "fail", "canary.health", 9, id="health 3 in a row"
        ),
        pytest.param([ERRORS] * 3, "fail", "canary.error-rate", 4, id="errors 3 in a row"),
        pytest.param([SLOW] * 3, "fail", "canary.latency", 4, id="p99 3 in a row"),
        pytest.param(
            ([SICK] + [OK_TICK] * 9) * 3, "pass", "canary.passed", 31, id="health blip, blip, blip"
        ),
        pytest.param(
            ([ERRORS] * 2 + [OK_TICK] * 8) * 3,
            "pass",
            "canary.passed",
            31,
            id="six bad checks in all, never three in a row",
        ),
        pytest.param(
            [ERRORS, SLOW, SICK] * 3 + [OK_TICK] * 21,
            "pass",
            "canary.passed",
            31,
            id="each streak is its own",
        ),
        pytest.param(
            [ERRORS, OK_TICK] * 15, "inconclusive", "canary.unsettled", 31, id="every second is bad"
        ),
        pytest.param(
            [SICK, OK_TICK] * 15, "inconclusive", "canary.unsettled", 31, id="health flaps"
        ),
        pytest.param(
            [OK_TICK] * 28 + [ERRORS] * 2, "inconclusive", "canary.unsettled", 31, id="ends bad"
        ),
        pytest.param(
            [OK_TICK] * 29 + [SICK], "inconclusive", "canary.unsettled", 31, id="ends unhealthy"
        ),
        pytest.param(same(30, {}), "no-data", "canary.no-data", 31, id="no traffic is not a pass"),
        pytest.param(
            [OK_TICK, *same(29, {})], "no-data", "canary.no-data", 31, id="too few requests"
        ),
        pytest.param(
            same(30, {"requests": 25}, seen=False),
            "no-data",
            "canary.no-data",
            31,
            id="counters never read",
        ),
        pytest.param(
            same(30, {"requests": 25, "answered": 0}),
            "no-data",
            "canary.no-data",
            31,
            id="never a latency",
        ),
        pytest.param(
            [OK_TICK, ({}, {"alive": False})], "fail", "canary.crashed", 3, id="crash at once"
        ),
        pytest.param(
            [OK_TICK, ({}, {"restarts": 1})], "fail", "canary.restarted", 3, id="restart at once"
        ),
        pytest.param([OK_TICK, ({}, {"weight": 0.0})], "fail", "canary.shed", 3, id="weight shed"),
        pytest.param(
            [OK_TICK, ({}, {"weight": float("nan")})], "fail", "canary.shed", 3, id="weight unknown"
        ),
        pytest.param(
            [OK_TICK] * 29 + [({"requests": 9, "errors": 3}, {})],
            "inconclusive",
            "canary.unsettled",
            31,
            id="errors in the window that the end cut off",
        ),
        pytest.param(
            [OK_TICK] * 29 + [({"requests": 9, "slow": 3}, {})],
            "inconclusive",
            "canary.unsettled",
            31,
            id="slow answers in the window that the end cut off",
        ),
        pytest.param(
            [OK_TICK] * 29 + [({"requests": 9, "errors": 1}, {})],
            "pass",
            "canary.passed",
            31,
            id="one error in that window is no measurement",
        ),
    ],
)
def test_the_verdict(ticks, outcome, code, looks):
    watch, call = decided(ticks)
    assert (call.outcome, watch.looks) == (outcome, looks)
    assert code in (call.codes or {"canary.passed"})
    assert (call.verdict == "promote") == (outcome == "pass") == (not call.codes)
    assert decided(ticks, store=True) == (watch, call)


def test_too_few_requests_neither_lengthen_nor_break_a_streak():
    watch, call = decided([ERRORS, ERRORS, ({"requests": 4}, {}), ({"requests": 4}, {})])
    assert (watch.errors.streak, watch.errors.measured) == (2, 2)
    assert call.outcome == "running"
    # The window stayed open: with six more requests it holds ten, and one of ten is too many.
    watch, call = decided(
        [ERRORS, ERRORS, ({"requests": 4}, {}), ({"requests": 6, "errors": 1}, {})]
    )
    assert call.codes == {"canary.error-rate"}
    assert watch.errors.last is not None
    assert (watch.errors.last.canary, watch.errors.last.canary_requests) == (10.0, 10)


def test_each_kind_of_check_has_its_own_window():
    # Requests that were never answered count as errors at once, but have no latency.
    watch, _ = decided([({"requests": 10, "answered": 5}, {})] * 3)
    assert (watch.errors.measured, watch.latency.measured) == (3, 1)


def test_exactly_the_limit_is_within_it():
    watch, call = decided([({"requests": 20, "errors": 1}, {})] * 30)  # 5 %
    assert watch.errors.over == 0
    assert call.outcome == "pass"


def test_good_requests_are_what_is_needed():
    limits = replace(MISSION, duration_seconds=20.0)
    ticks: list[Tick] = [({"requests": 25}, {}), ({"requests": 25, "errors": 1}, {})]
    assert decided(ticks, limits)[1].outcome == "no-data"
    ticks = [({"requests": 25}, {}), ({"requests": 26, "errors": 1}, {})]
    assert decided(ticks, limits)[1].outcome == "pass"


def test_requests_before_the_watch_do_not_count():
    route = Route().serve(requests=1000, errors=1000)
    watch = advance(Watch(), route.look(0), MISSION)
    for number in range(1, 31):
        watch = advance(watch, route.serve(requests=25).look(number * 10), MISSION)
    assert watch.requests == 750
    assert asked(watch).outcome == "pass"


def test_a_watch_shorter_than_its_interval_needs_data_too():
    limits = replace(MISSION, duration_seconds=4.0)
    route, watch = begun(limits)
    assert asked(advance(watch, route.look(4), limits), limits).outcome == "no-data"
    watch = advance(watch, route.serve(requests=50).look(4), limits)
    assert asked(watch, limits).outcome == "pass"


@pytest.mark.parametrize("minimum", [0, 1])
def test_limits_of_zero_still_need_a_measurement(minimum):
    limits = replace(MISSION, minimum_check_requests=minimum, minimum_requests=0)
    assert decided(same(30, {}), limits)[1].outcome == "no-data"
    assert decided(same(30, {"requests": 1}), limits)[1].outcome == "pass"


def test_looks_that_fail_in_a_row_end_the_watch_in_an_error():
    _, watch = begun()
    for number in (1, 2, 3):
        assert asked(watch).outcome == "running"
        watch = miss(watch, 1000.0 + number * 10, "connection refused", MISSION)
    assert asked(watch) == Call(
        verdict="rollback", outcome="error", codes=frozenset({"canary.unseen"})
    )
    assert watch.sight.detail == "connection refused"


def test_every_look_failing_never_passes_with_any_limits():
    limits = replace(MISSION, consecutive=100)
    watch = Watch()
    for number in range(31):
        watch = miss(watch, number * 10.0, "time-out", limits)
    assert asked(watch, limits).outcome == "error"
    assert decided([], limits)[1].outcome == "running"


def test_a_missed_look_leaves_the_other_streaks():
    route, watch = begun()
    watch = advance(watch, route.serve(requests=25).look(10, health=False), MISSION)
    watch = advance(watch, route.serve(requests=25).look(20, health=False), MISSION)
    watch = miss(watch, 1030.0, "time-out", MISSION)
    assert (watch.health.streak, watch.sight.streak) == (2, 1)
    watch = advance(watch, route.serve(requests=25).look(40, health=False), MISSION)
    assert asked(watch).codes == {"canary.health"}
    assert watch.health.detail == "503 Service Unavailable"


def test_a_watch_that_ends_unseeing_does_not_pass():
    route, watch = begun()
    for number in range(1, 30):
        watch = advance(watch, route.serve(requests=25).look(number * 10), MISSION)
    assert asked(miss(watch, 1300.0, "time-out", MISSION)).outcome == "error"
    assert asked(advance(watch, route.look(300), MISSION)).outcome == "pass"


# --- restarts, repeated steps, clocks -------------------------------------------------------------


def test_a_counter_that_shrinks_contradicts_itself():
    route, watch = begun()
    watch = advance(watch, route.serve(requests=25).look(10), MISSION)
    route.restart()
    watch = advance(watch, route.serve(requests=24).look(20), MISSION)
    assert asked(watch).outcome == "fail"
    assert asked(watch).codes == {"canary.contradiction"}
    assert watch.at_once is not None
    assert "from 25 back to 24" in watch.at_once.reason


def test_another_digest_in_the_slot_contradicts_what_was_watched():
    route, watch = begun()
    look = route.look(10)
    assert look.canary is not None
    other = replace(look, canary=replace(look.canary, digest="sha256:" + "c" * 64))
    assert asked(advance(watch, other, MISSION)).codes == {"canary.contradiction"}


def test_a_clock_without_a_number_contradicts_itself():
    route, watch = begun()
    watch = advance(watch, replace(route.look(10), monotonic=float("nan")), MISSION)
    assert asked(watch).codes == {"canary.contradiction"}
    assert Watch.from_json(watch.to_json()) == watch


def test_a_restarted_stable_side_is_not_the_canarys_fault():
    route, watch = begun()
    watch = advance(watch, route.serve(requests=25).look(10), MISSION)
    route.stable = _Counts()
    watch = advance(watch, route.serve(requests=25).look(20), MISSION)
    assert asked(watch).outcome == "running"
    assert watch.errors.last is not None
    assert watch.errors.last.stable is None  # nothing comparable in this window
    watch = advance(watch, route.serve(requests=25).look(30), MISSION)
    assert watch.errors.last is not None
    assert (watch.errors.last.stable, watch.errors.last.stable_requests) == (0.0, 475)


def test_a_stable_side_restarted_to_nothing_is_begun_anew():
    route, watch = begun()
    watch = advance(watch, route.serve(requests=25).look(10), MISSION)
    route.stable = _Counts()
    watch = advance(watch, route.look(20), MISSION)
    watch = advance(watch, route.serve(requests=25).look(30), MISSION)
    assert watch.errors.last is not None
    assert watch.errors.last.stable_requests == 475


def test_the_same_look_twice_is_once():
    route, watch = begun()
    look = route.serve(requests=25, errors=25).look(10, health=False)
    once = advance(watch, look, MISSION)
    assert advance(once, look, MISSION) == once


def test_a_look_that_comes_early_is_no_further_poll():
    route, watch = begun()
    watch = advance(watch, route.look(10, health=False), MISSION)
    watch = advance(watch, route.look(20, health=False), MISSION)
    early = advance(watch, route.look(21, health=False), MISSION)  # a resumed runner looks at once
    assert early == watch
    assert miss(watch, 1021.0, "time-out", MISSION) == watch
    crashed = advance(watch, route.look(21, alive=False), MISSION)
    shed = advance(watch, route.look(21, weight=0), MISSION)
    assert asked(crashed).codes == {"canary.crashed"}
    assert asked(shed).codes == {"canary.shed"}


def test_time_in_which_nobody_looked_is_not_watched():
    route, watch = begun()
    watch = advance(watch, route.serve(requests=1000).look(100_000), MISSION)
    assert watch.seconds == 30.0
    assert asked(watch).outcome == "running"


def test_another_machines_clock_adds_no_time():
    route, watch = begun()
    watch = advance(watch, route.serve(requests=25).look(10), MISSION)
    watch = advance(watch, route.serve(requests=25).look(-900, health=False), MISSION)
    assert (watch.seconds, watch.health.streak, watch.looks) == (10.0, 1, 3)
    watch = advance(watch, route.serve(requests=25).look(-890), MISSION)
    assert watch.seconds == 20.0


def test_what_has_ended_stays_ended():
    watch, _ = decided([OK_TICK, ({}, {"alive": False})])
    route = Route().serve(requests=10_000)
    assert watch.ended
    assert advance(watch, route.look(900, weight=0), MISSION) == watch
    assert miss(watch, 9000.0, "gone", MISSION) == watch


# --- the evidence document ------------------------------------------------------------------------


def test_the_evidence_has_the_numbers_of_both_sides():
    found = evidence(decided([OK_TICK, ERRORS, ERRORS, ERRORS])[0], MISSION)
    assert (found["looks"], found["seconds"]) == (5, 40.0)
    rate, p99 = found["streams"]["error_rate"], found["streams"]["latency_p99"]
    assert (rate["streak"], rate["canary"], rate["stable"]) == (3, 8.0, 0.0)
    assert (p99["streak"], p99["canary"], p99["stable"]) == (0, 100.0, 100.0)
    assert [
        (side["errors"], side["requests"])
        for side in (found["totals"]["canary"], found["totals"]["stable"])
    ] == [(6, 100), (0, 1900)]


def test_a_watch_that_has_seen_nothing_says_so():
    found = evidence(Watch(), MISSION)
    assert (found["seconds"], found["totals"]["canary"]) == (0.0, None)


def test_the_evidence_is_json_and_says_both_sides():
    document = evidence(decided([SLOW] * 3)[0], MISSION)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["totals"]["canary"]["requests"] == 75
    assert document["totals"]["stable"]["p99_ms"] == 100.0
    assert document["streams"]["latency_p99"] == {
        "measured": 3,
        "over": 3,
        "streak": 3,
        "streak_seconds": 30.0,
        "canary": 5000.0,
        "stable": 100.0,
        "detail": "",
    }


def test_a_p99_beyond_every_bucket_is_over_any_limit_and_survives_storing():
    route, watch = begun()
    for number in (1, 2, 3):
        route.serve(requests=20)
        look = route.look(number * 10)
        assert look.canary is not None
        look = replace(look, canary=replace(look.canary, latency_ms={"inf": number * 20}))
        watch = advance(watch, look, MISSION)
        stored = json.dumps(watch.to_json(), allow_nan=False)
        assert Watch.from_json(json.loads(stored)) == watch
    assert asked(watch).codes == {"canary.latency"}
    assert evidence(watch, MISSION)["streams"]["latency_p99"]["canary"] == "inf"
