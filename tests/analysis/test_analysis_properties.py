"""What holds for every trace: storing, repeating, and never passing without evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.analysis import Watch, advance, evidence, miss, rules
from sluiceway.analysis.rules import Call
from sluiceway.errors import ActionFailed
from sluiceway.model import CanaryLimits, Observation, Side, to_json


def _without(key: str) -> dict[str, Any]:
    document = Watch().to_json()
    del document[key]
    return document


@pytest.mark.parametrize(
    "document",
    [
        {},
        {**Watch().to_json(), "version": 1},
        {**Watch().to_json(), "looks": -1},
        {**Watch().to_json(), "looks": True},
        {**Watch().to_json(), "seconds": "10"},
        {**Watch().to_json(), "seconds": float("nan")},
        {**Watch().to_json(), "canary": []},
        {**Watch().to_json(), "canary": "all is well"},
        {**Watch().to_json(), "at_once": {"code": "canary.crashed"}},
        {**Watch().to_json(), "health": None},
        {**Watch().to_json(), "error_marks": [None]},
        *[_without(key) for key in Watch().to_json()],
    ],
)
def test_a_state_that_cannot_be_read_is_never_guessed(document):
    with pytest.raises(ActionFailed) as caught:
        Watch.from_json(document)
    assert caught.value.code == "canary.state"
    assert caught.value.remedy


_TICKS = st.lists(
    st.tuples(
        st.integers(0, 40),  # requests
        st.integers(0, 100),  # percent of them in error
        st.integers(0, 3),  # slow ones
        st.sampled_from(["look"] * 12 + ["sick", "miss", "unseen", "early", "gap", "restarted"]),
    ),
    max_size=60,
)
_LIMITS = st.builds(
    CanaryLimits,
    rule=st.just("mission"),
    duration_seconds=st.sampled_from([5.0, 30.0, 100.0, 300.0]),
    consecutive=st.integers(1, 4),
    minimum_check_requests=st.integers(0, 20),
    minimum_requests=st.integers(0, 200),
    error_rate_threshold=st.sampled_from([0.0, 5.0, 50.0, 100.0]),
)


def trace(
    ticks: Sequence[tuple[int, int, int, str]], limits: CanaryLimits
) -> Iterator[Observation | float]:
    """Yield what an observer would say at each tick: an observation, or a failure and its time."""
    at, total, failed, fast, late = 1000.0, 0, 0, 0, 0
    for requests, percent, slow, kind in [(0, 0, 0, "look"), *ticks]:
        if kind == "restarted":
            total = failed = fast = late = 0
        slow = min(slow, requests)  # noqa: PLW2901 - no more can be slow than there are
        total, failed = total + requests, failed + requests * percent // 100
        fast, late = fast + requests - slow, late + slow
        at += {"early": 1.0, "gap": 200.0}.get(kind, limits.interval_seconds)
        side = Side(
            digest="sha256:b",
            requests=total,
            errors=failed,
            latency_ms={"100": fast, "5000": late},
        )
        yield (
            at
            if kind == "miss"
            else Observation(
                route="production",
                at=datetime(2026, 1, 1, tzinfo=UTC),
                monotonic=at,
                stable=side,
                canary=None if kind == "unseen" else side,
                canary_alive=True,
                canary_restarts=0,
                health_ok=kind != "sick",
                health_detail="",
                weight=limits.traffic_percent,
            )
        )


def asked(watch: Watch, limits: CanaryLimits) -> Call:
    return rules.decide(
        {
            "parameters": to_json(limits),
            "step": {"index": 0, "count": 1, "weight": limits.traffic_percent},
            "watch": evidence(watch, limits),
        }
    )


def fold(watch: Watch, seen: Observation | float, limits: CanaryLimits) -> Watch:
    if isinstance(seen, Observation):
        return advance(watch, seen, limits)
    return miss(watch, seen, "time-out", limits)


@settings(max_examples=300)
@given(_TICKS, _LIMITS)
def test_nothing_passes_without_enough_good_requests_and_a_quiet_end(ticks, limits):
    watch, first, last = Watch(), None, None
    for seen in trace(ticks, limits):
        if isinstance(seen, Observation) and seen.canary is not None:
            first = first or seen.canary
            last = seen.canary
        watch = fold(watch, seen, limits)
        call = asked(watch, limits)
        if call.outcome != "running":
            break
    if call.outcome == "pass":
        assert first is not None
        assert last is not None
        good = (last.requests - last.errors) - (first.requests - first.errors)
        assert good >= limits.minimum_requests
        assert watch.seconds >= limits.duration_seconds
        assert watch.errors.measured >= 1
        assert watch.latency.measured >= 1
        assert (watch.health.streak, watch.errors.streak, watch.latency.streak) == (0, 0, 0)
        assert watch.looks >= limits.duration_seconds / (3 * 4 * limits.interval_seconds)


@settings(max_examples=150)
@given(_TICKS, _LIMITS, st.sets(st.integers(0, 60)))
def test_a_kill_after_any_look_changes_nothing(ticks, limits, kills):
    steady = resumed = Watch()
    for number, seen in enumerate(trace(ticks, limits)):
        steady = fold(steady, seen, limits)
        resumed = fold(resumed, seen, limits)
        if number in kills:
            resumed = Watch.from_json(json.loads(json.dumps(resumed.to_json(), allow_nan=False)))
            resumed = fold(resumed, seen, limits)  # the step that was cut off is repeated
        assert resumed == steady


@settings(max_examples=150)
@given(_TICKS, _LIMITS)
def test_three_bad_polls_in_a_row_always_fail(ticks, limits):
    watch, streak = Watch(), 0
    for seen in trace(ticks, limits):
        before, watch = watch, fold(watch, seen, limits)
        if isinstance(seen, Observation) and watch.looks > before.looks:
            streak = 0 if seen.health_ok else streak + 1
        if streak >= limits.consecutive:
            assert asked(watch, limits).verdict == "rollback"
            break
