"""A canary under watch: weight, ticks, verdict. Python looks, the verdict is pure, effects follow.

A tick renews the weight's lease, reads both sides' counters, polls the canary's health and folds
what it saw into the watch. Every tick is a remembered step, so counters survive ``kill -9``; a
watch that was broken for longer than the weight's lease ends in a rollback, because nobody looked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sluiceway import analysis, events, oci
from sluiceway.analysis import Outcome, Watch
from sluiceway.errors import ActionFailed
from sluiceway.model import (
    CanaryLimits,
    Environment,
    Fence,
    Image,
    Observation,
    Status,
    Strategy,
    Traffic,
    parse_time,
    rfc3339,
    to_json,
)
from sluiceway.runs import promote
from sluiceway.runs.context import RunContext
from sluiceway.workbench import Workbench

__all__ = [
    "begin",
    "requests_of",
    "restore_tag",
    "serving",
    "settle",
    "take_back",
    "tick",
    "watch",
]

_HEALTH_TIMEOUT_SECONDS = 3.0


def watch(context: RunContext, request: Mapping[str, Any], image: Image) -> dict[str, Any]:
    """Give the canary its weight and look until there is a verdict.

    Returns the last look: ``{"watch", "outcome", "code", "status", "reason", "started_at", "at",
    "weight", "number"}``.
    """
    environment = context.bench.config.environment(request["target"])
    limits = promote.limits_of(request)
    last = context.step("canary.begin", lambda: begin(context, environment, image, limits))
    number = 0
    while last["outcome"] == Outcome.RUNNING.value:
        number += 1

        def look(number: int = number, before: Mapping[str, Any] = last) -> dict[str, Any]:
            return tick(context, environment, limits, before, number)

        last = context.step(f"canary.tick.{number}", look)
    return dict(last)


def begin(
    context: RunContext, environment: Environment, image: Image, limits: CanaryLimits
) -> dict[str, Any]:
    """Set the weight, read it back, and take the first look."""
    traffic = _weigh(context, environment, limits)
    started = datetime.now(UTC)
    events.emit(
        "canary.started",
        environment=environment.name,
        image=str(image),
        limits=to_json(limits),
        traffic=to_json(traffic),
    )
    return _look(context, environment, limits, Watch(), started, 0)


def tick(
    context: RunContext,
    environment: Environment,
    limits: CanaryLimits,
    before: Mapping[str, Any],
    number: int,
) -> dict[str, Any]:
    """Wait for the next moment to look, and look."""
    started, seen = parse_time(before["started_at"]), parse_time(before["at"])
    unwatched = (datetime.now(UTC) - seen).total_seconds()
    due = started.timestamp() + number * limits.interval_seconds
    while (left := due - time.time()) > 0 and unwatched <= context.seconds:
        context.wait(min(left, context.seconds / 3))
        if left > context.seconds / 3:  # the weight's lease is shorter than the interval
            _weigh(context, environment, limits)
    if unwatched > context.seconds:
        return {
            **before,
            "outcome": Outcome.INCONCLUSIVE.value,
            "code": "canary.unwatched",
            "status": Status.INCONCLUSIVE.value,
            "reason": f"nobody watched the canary for {unwatched:.0f} s; its traffic went back to "
            "the stable release by itself meanwhile",
            "number": number,
        }
    state = Watch.from_json(before["watch"])
    return _look(context, environment, limits, state, started, number)


def _look(
    context: RunContext,
    environment: Environment,
    limits: CanaryLimits,
    state: Watch,
    started: datetime,
    number: int,
) -> dict[str, Any]:
    """Renew the weight, read both sides and fold what was seen into the watch."""
    weight = 0.0
    observation: Observation | None = None
    try:
        traffic = _weigh(context, environment, limits)
        weight = _canary_weight(traffic)
        if traffic.serving(Strategy.REPLACE) is None:
            # A first release: there is nothing to share the traffic with, so it has all of it.
            limits = replace(limits, traffic_percent=100.0)
        observation = _observe(context.bench, environment, limits)
        state = analysis.advance(state, observation, limits)
    except ActionFailed as error:
        if error.code == "fence.stale":
            raise
        state = analysis.miss(state, time.monotonic(), error.what, limits)
    now = datetime.now(UTC)
    elapsed = (now - started).total_seconds()
    events.emit(
        "canary.tick",
        environment=environment.name,
        watch=state.to_json(),
        limits=to_json(limits),
        observation=to_json(observation),
        elapsed=elapsed,
        remaining=max(limits.duration_seconds - elapsed, 0.0),
        weight=weight,
        number=number,
    )
    verdict = state.verdict
    return {
        "watch": state.to_json(),
        "outcome": verdict.outcome.value,
        "code": verdict.code,
        "status": verdict.status.value,
        "reason": analysis.explain(state, limits) if verdict.ended else "",
        "started_at": rfc3339(started),
        "at": rfc3339(now),
        "weight": weight,
        "number": number,
    }


def settle(bench: Workbench, environment: Environment, fence: Fence) -> dict[str, Any]:
    """Take the traffic off a canary that passed; it stays up, warm, for the next gate to test."""
    document: dict[str, Any] = to_json(_unweigh(bench, environment, fence))
    return document


def take_back(bench: Workbench, environment: Environment, fence: Fence) -> dict[str, Any]:
    """Weight 0 first, then drain and stop the canary; read back that stable has everything.

    Returns ``{"traffic", "seconds"}``: seconds from the call to what was read back.
    """
    begun = time.monotonic()
    traffic = _unweigh(bench, environment, fence)
    seconds = time.monotonic() - begun
    traffic = bench.plugins.one("sluiceway_drain", environment=environment, fence=fence)
    left = traffic.slot("canary")
    if left is not None and left.weight > 0:
        raise ActionFailed(
            f"the canary still has {left.weight:g} % of {environment.route}'s traffic",
            means="The router did not do what it was told.",
            remedy="Its lease runs out by itself; check the router.",
            code="canary.weight",
        )
    return {"traffic": to_json(traffic), "seconds": round(seconds, 3)}


def restore_tag(bench: Workbench, environment: str, digest: str) -> dict[str, Any]:
    """Let *environment*'s tag name *digest* again, or nothing when it named nothing before."""
    oci.restore_tag(bench.registry_of(environment), environment, digest or None)
    return {"digest": bench.held(environment)}


def _weigh(context: RunContext, environment: Environment, limits: CanaryLimits) -> Traffic:
    traffic: Traffic = context.bench.plugins.one(
        "sluiceway_set_weight",
        environment=environment,
        weight=limits.traffic_percent,
        fence=context.fence,
    )
    return traffic


def _unweigh(bench: Workbench, environment: Environment, fence: Fence) -> Traffic:
    traffic: Traffic = bench.plugins.one(
        "sluiceway_set_weight", environment=environment, weight=0.0, fence=fence
    )
    return traffic


def _observe(bench: Workbench, environment: Environment, limits: CanaryLimits) -> Observation:
    observation: Observation = bench.plugins.one(
        "sluiceway_observe",
        environment=environment,
        health_path=limits.health_path,
        timeout_seconds=min(_HEALTH_TIMEOUT_SECONDS, max(limits.interval_seconds, 0.5)),
    )
    return observation


def _canary_weight(traffic: Traffic) -> float:
    slot = traffic.slot("canary")
    return slot.weight if slot is not None else 0.0


def requests_of(seen: Mapping[str, Any]) -> int:
    """Return how many requests the canary answered during the watch."""
    if not seen.get("watch"):
        return 0
    return Watch.from_json(seen["watch"]).requests


def serving(traffic: Mapping[str, Any]) -> str:
    """Return the digest that has the route's traffic, from a JSON :class:`Traffic`; or ``""``."""
    others = [slot for slot in traffic.get("slots", ()) if slot["name"] != "canary"]
    alive = [slot for slot in others if slot["alive"] and slot["weight"] > 0]
    return str(max(alive, key=lambda slot: slot["weight"])["digest"]) if alive else ""
