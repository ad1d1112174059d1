"""The bundled rules: the same in Rego and in Python, and what other tools get wrong."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.analysis import Counters, Tick, Watch, advance, evidence, miss, rules, stepped, tick
from sluiceway.gates.canary import Step, canary_input
from sluiceway.model import Actor, CanaryLimits, Image
from sluiceway.policy import bundled_policies, decide, load_bundle
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here

from .test_analysis_watch import OK_TICK, SICK, Route, asked, decided, same
from .test_analysis_watch import Tick as Served

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMITS = CanaryLimits()
RULES = ("sequential", "mission", "flagger", "argo", "kayenta")
ERRORS: Served = ({"requests": 25, "errors": 5}, {})
BURST: Served = ({"requests": 25, "errors": 2}, {})


def document(watch: Watch, limits: CanaryLimits, step: Step | None = None) -> dict[str, Any]:
    return dict(
        canary_input(
            service="settlement",
            rehearsal=False,
            watch=watch,
            limits=limits,
            step=step or Step(weight=5.0),
            image=Image(
                repository="registry.example/settlement",
                digest="sha256:" + "a" * 64,
                media_type="m",
            ),
            environment="canary",
            actor=Actor(name="tom", method="ssh", proven=True),
            run="r1",
            now=NOW,
        )
    )


# --- one rule, two languages ----------------------------------------------------------------------


def generated(count: int) -> Iterator[dict[str, Any]]:
    """Yield inputs that lie around every number of the rules, from whole watches changed a little."""
    chance = random.Random(7)
    limits = [replace(LIMITS, rule=rule) for rule in RULES]
    whole = [
        document(watch, limit)
        for limit in limits
        for watch in (_watched(limit, 31), _sick(limit, 4), Watch())
    ]
    for _ in range(count):
        found = copy.deepcopy(chance.choice(whole))
        watch, parameters = found["watch"], found["parameters"]
        parameters["limits"] = chance.choice(["corroborated", "corroborated", "literal"])
        parameters["minimum_requests"] = chance.choice([0, 30, 50])
        changes: list[tuple[dict[str, Any], str, Sequence[Any]]] = [
            (watch, "step_seconds", [0, 299.9, 300, 899.9, 900]),
            (watch, "stable_observed", [True, False]),
            (watch["totals"], "stable", [None, watch["totals"]["stable"]]),
            (watch["totals"], "canary", [None, watch["totals"]["canary"]]),
            (watch["samples"], "good", [0, 29, 30, 49, 50, 700]),
            (watch["sequential"]["worse"], "together", [1, 99.9, 100, 1e12]),
            (watch["sequential"]["beyond"], "together", [1, 19.9, 20]),
            (watch["sequential"]["beyond"], "errors", [1, 9.9, 10]),
            (watch["sequential"]["beyond"], "latency", [1, 9.9, 10]),
            (watch["sequential"]["safe"], "errors", [1, 19.9, 20]),
            (watch["sequential"]["safe"], "latency", [1, 19.9, 20]),
            (watch["unfinished"]["errors"], "errors", [0, 2, 3]),
            (watch["unfinished"]["errors"], "requests", [0, 9, 59, 60]),
            (watch["unfinished"]["latency"], "slow", [0, 2, 3]),
            (found["step"], "weight", [5, 100]),
            (found["step"], "count", [1, 2]),
        ]
        for name, stream in watch["streams"].items():
            changes += [
                (stream, "streak", [0, 0, 1, 2, 3]),
                (stream, "streak_seconds", [0, 29.9, 30, 119.9, 120]),
                (stream, "over", [0, 2, 3, 12]),
                (stream, "measured", [0, 30, 31]),
            ]
            if name in {"error_rate", "latency_p99"}:
                changes += [
                    (stream, "canary", [None, 4, "inf"]),
                    (stream, "stable", [None, 4]),
                ]
        for part in watch["peers"].values():
            changes += [(part, name, [0, 2, 3, 4, 5, 95]) for name in part]
        for place, name, values in chance.sample(changes, chance.choice([0, 1, 1, 2, 2, 3, 5])):
            place[name] = chance.choice(values)
        if chance.random() < 0.2:
            watch["sequential"]["worse"]["together"] = chance.choice([99.9, 100])
            watch["sequential"]["beyond"]["together"] = chance.choice([19.9, 20])
        if chance.random() < 0.2:
            parameters["consecutive"] = chance.choice([3, 3, 5])
            watch["sequential"]["beyond"][chance.choice(["errors", "latency"])] = 10
            seldom = watch["streams"][chance.choice(["error_rate", "latency_p99"])]
            seldom["streak"] = chance.choice([1, 2, 3])
            seldom["streak_seconds"] = chance.choice([29.9, 30, 50])
        if chance.random() < 0.05:
            watch["at_once"] = {"code": "canary.crashed", "reason": "the canary has crashed"}
        if chance.random() < 0.03:
            parameters["rule"] = "hope"
        yield found


def _watched(limits: CanaryLimits, ticks: int) -> Watch:
    watch = Watch()
    for number in range(ticks):
        here = Counters(requests=25, errors=number % 4 == 0, latency_ms={"100": 24, "200": 1})
        there = Counters(requests=475, errors=4, latency_ms={"100": 465, "200": 10})
        watch = tick(watch, Tick(seconds=10, canary=here, stable=there), limits)
    return watch


def _sick(limits: CanaryLimits, ticks: int) -> Watch:
    watch = Watch()
    for _ in range(ticks):
        here = Counters(requests=25, errors=3, latency_ms={"100": 25})
        there = Counters(requests=475, errors=57, latency_ms={"100": 475})
        watch = tick(watch, Tick(seconds=10, canary=here, stable=there), limits)
    return watch


def test_the_policies_and_the_python_rules_say_the_same():
    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    bundle = load_bundle([bundled_policies()])
    assert {**bundle.data["canary"]} == rules.SETTINGS
    engine = EmbeddedEngine(default_library(), pin.library, deadline_seconds=60)
    try:
        seen: set[tuple[str, str, str]] = set()
        codes: set[str] = set()
        for found in generated(500):
            by_policy = decide(engine, bundle, "canary", found, now=NOW)
            call = rules.decide(found)
            said = {each.code for each in by_policy.findings}
            answers = (by_policy.verdict, by_policy.outcome, said)
            assert answers == (call.verdict, call.outcome, set(call.codes)), json.dumps(found)
            assert by_policy.allow == (call.verdict == "promote")
            seen.add((found["parameters"]["rule"], call.verdict, call.outcome))
            codes |= call.codes
    finally:
        engine.close()
    assert {rule for rule, verdict, _ in seen if verdict == "promote"} == set(RULES)
    assert {verdict for rule, verdict, _ in seen if rule == "sequential"} == {
        "continue",
        "extend",
        "hold",
        "promote",
        "rollback",
    }
    assert {outcome for _, _, outcome in seen} >= {"fail", "error", "no-data", "inconclusive"}
    assert codes >= {f"canary.{rule}" for rule in ("flagger", "argo", "kayenta", "rule", "worse")}


# --- wrong verdicts of other tools ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticks", "verdict", "outcome", "codes"),
    [
        pytest.param(same(30), "promote", "pass", set(), id="healthy to the end"),
        pytest.param(
            ([SICK] + [OK_TICK] * 9) * 3 + [OK_TICK],
            "promote",
            "pass",
            set(),
            id="blip, blip, blip",
        ),
        pytest.param(
            same(30, {"requests": 25, "errors": 25, "answered": 0}),
            "rollback",
            "fail",
            {"canary.worse"},
            id="errors only, nothing ever answered",
        ),
        pytest.param(
            [OK_TICK] * 3 + same(87, {}),
            "rollback",
            "inconclusive",
            {"canary.uncertified"},
            id="a few good ticks, then nothing is measured to the end",
        ),
        pytest.param(
            same(90, {}),
            "rollback",
            "no-data",
            {"canary.no-data", "canary.uncertified"},
            id="no traffic",
        ),
        pytest.param(
            same(90, {"requests": 25}, seen=False),
            "rollback",
            "no-data",
            {"canary.no-data", "canary.uncertified"},
            id="counters never read: an empty series",
        ),
        pytest.param(
            same(90, {"requests": 25, "answered": 0}),
            "rollback",
            "no-data",
            {"canary.no-data", "canary.uncertified"},
            id="never a latency",
        ),
        pytest.param(
            [OK_TICK] * 15 + [({"requests": 25}, {"restarts": 1})],
            "rollback",
            "fail",
            {"canary.restarted"},
            id="restart in the middle",
        ),
        pytest.param(
            [OK_TICK, ({}, {"weight": float("nan")})],
            "rollback",
            "fail",
            {"canary.shed"},
            id="a weight that is no number",
        ),
        pytest.param(
            [OK_TICK] * 5 + [SICK] * 3, "rollback", "fail", {"canary.health"}, id="unhealthy"
        ),
        pytest.param(
            [BURST] * 3 + [OK_TICK] * 10,
            "rollback",
            "fail",
            {"canary.error-rate", "canary.worse"},
            id="the limit, and worse",
        ),
        pytest.param(
            [ERRORS] * 3, "rollback", "fail", {"canary.worse"}, id="both keys on two ticks"
        ),
    ],
)
def test_what_others_get_wrong(ticks, verdict, outcome, codes):
    watch, call = decided(ticks, LIMITS)
    assert (call.verdict, call.outcome, set(call.codes)) == (verdict, outcome, codes)
    assert Watch.from_json(json.loads(json.dumps(watch.to_json(), allow_nan=False))) == watch


def test_no_traffic_on_stable_is_no_comparison():
    limits, watch = LIMITS, Watch()
    nothing = Counters()
    good = Counters(requests=25, latency_ms={"100": 25})
    for _ in range(90):
        watch = tick(watch, Tick(seconds=10, canary=good, stable=nothing), limits)
    assert asked(watch, limits).codes == {"canary.uncertified"}
    # And a limit counts by itself there.
    bad = Counters(requests=25, errors=5, latency_ms={"100": 25})
    watch = Watch()
    for _ in range(3):
        watch = tick(watch, Tick(seconds=10, canary=bad, stable=nothing), limits)
    assert asked(watch, limits).codes == {"canary.error-rate"}


def test_a_duration_shorter_than_the_interval_needs_data_too():
    limits = replace(LIMITS, duration_seconds=4.0, deadline_seconds=4.0)
    watch, call = decided([({}, {})], limits)
    assert (watch.looks, call.outcome) == (2, "no-data")


def test_a_clock_that_jumps_is_no_watched_time():
    route = Route()
    watch = advance(Watch(), route.look(0), LIMITS)
    watch = advance(watch, route.serve(requests=5000).look(86_400), LIMITS)
    assert asked(watch, LIMITS).codes == {"canary.watching"}
    watch = advance(watch, route.serve(requests=5000).look(-86_400), LIMITS)
    assert (watch.seconds, asked(watch, LIMITS).verdict) == (30.0, "continue")


def test_both_sides_sick_are_held_and_taken_back_when_it_lasts():
    calls = [asked(_sick(LIMITS, ticks), LIMITS) for ticks in range(1, 16)]
    assert [call.verdict for call in calls] == ["continue"] * 2 + ["hold"] * 12 + ["rollback"]
    assert calls[-1].codes == {"canary.sick"}
    literal = replace(LIMITS, limits="literal")
    assert asked(_sick(literal, 3), literal).codes == {"canary.error-rate"}


def test_the_evidence_goes_on_over_steps():
    limits = replace(LIMITS, steps=(5.0, 25.0))
    watch = _watched(limits, 30)
    after = stepped(watch)
    assert asked(watch, limits).verdict == "promote"
    assert asked(after, limits).codes == {"canary.watching"}
    assert evidence(after, limits)["sequential"] == evidence(watch, limits)["sequential"]
    assert evidence(after, limits)["step_seconds"] == 0


def test_nothing_is_compared_while_stable_is_unseen_and_everything_after():
    route = Route()
    watch = advance(Watch(), route.look(0), LIMITS)
    blind = replace(route.serve(requests=25, errors=9).look(10), stable=None)
    watch = advance(watch, blind, LIMITS)
    assert evidence(watch, LIMITS)["sequential"]["worse"]["errors"] == 1.0
    assert not watch.stable_observed
    watch = advance(watch, route.look(20), LIMITS)
    assert evidence(watch, LIMITS)["sequential"]["worse"]["errors"] > 10
    assert watch.stable_observed


# --- every trace ----------------------------------------------------------------------------------

_TRACE = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.integers(0, 60),
        st.integers(0, 3),
        st.sampled_from(["look"] * 12 + ["sick", "miss", "unseen", "unwatched stable", "gap"]),
    ),
    max_size=95,
)


@settings(max_examples=60, deadline=None)
@given(_TRACE, st.sampled_from(RULES), st.sampled_from([30.0, 100.0, 300.0]))
def test_no_trace_passes_without_enough_good_requests(ticks, rule, duration):
    limits = replace(LIMITS, rule=rule, duration_seconds=duration)
    route, at = Route(), 0.0
    watch = advance(Watch(), route.look(0), limits)
    for requests, errors, slow, kind in ticks:
        at += 500.0 if kind == "gap" else 10.0
        errors, slow = min(errors, requests), min(slow, requests)  # noqa: PLW2901
        look = route.serve(requests=requests, errors=errors, slow=slow).look(
            at, health=kind != "sick", seen=kind != "unseen"
        )
        if kind == "miss":
            watch = miss(watch, 1000.0 + at, "time-out", limits)
        else:
            look = replace(look, stable=None) if kind == "unwatched stable" else look
            watch = advance(watch, look, limits)
        stored = Watch.from_json(json.loads(json.dumps(watch.to_json(), allow_nan=False)))
        assert stored == watch
        call = asked(watch, limits)
        if call.verdict == "promote":
            assert watch.good_requests >= 50
            assert watch.seconds >= duration
            assert watch.health.measured > 0
            assert watch.sight.streak == 0
            if rule == "sequential":
                assert min(evidence(watch, limits)["sequential"]["safe"].values()) >= 20
                assert (watch.health.streak, watch.errors.streak, watch.latency.streak) == (0, 0, 0)
        if call.verdict in {"promote", "rollback"}:
            break
