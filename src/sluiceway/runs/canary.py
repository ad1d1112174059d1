"""A canary under watch: weight, ticks, verdict. Python looks, the verdict is pure, effects follow.

A tick renews the weight's lease, reads both sides' counters, polls the canary's health and folds
what it saw into the watch. Every tick is a remembered step, so counters survive ``kill -9``; a
watch that was broken for longer than the weight's lease ends in a rollback, because nobody looked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluiceway import analysis, events, oci
from sluiceway.errors import ActionFailed
from sluiceway.model import (
    CanaryLimits,
    Environment,
    Fence,
    Image,
    Observation,
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

_WEIGHT_TOLERANCE = 0.01
_HEALTH_TIMEOUT_SECONDS = 3.0


def watch(context: RunContext, request: Mapping[str, Any], image: Image) -> dict[str, Any]:
    """Give the canary its weight and look until there is a verdict.

    Returns the last tick: ``{"watch": ..., "verdict": ..., "status": ..., "reason": ...}``.
    """
    bench = context.bench
    environment = bench.config.environment(request["target"])
    limits = promote.limits_of(request)
    last = context.step(
        "canary.begin", lambda: begin(bench, environment, image, limits, context.fence)
    )
    number = 0
    while last["verdict"] == analysis.RUNNING:
        number += 1
        before = last

        def look(number: int = number, before: Mapping[str, Any] = before) -> dict[str, Any]:
            return tick(context, environment, limits, before, number)

        last = context.step(f"canary.tick.{number}", look)
    return dict(last)


def begin(
    bench: Workbench, environment: Environment, image: Image, limits: CanaryLimits, fence: Fence
) -> dict[str, Any]:
    """Take the first look, then set the weight and read it back."""
    observation = _observe(bench, environment, limits)
    state = analysis.Watch.begin(observation)
    traffic = _weigh(bench, environment, limits, fence)
    started = datetime.now(UTC)
    events.emit(
        "canary.started",
        environment=environment.name,
        image=str(image),
        limits=to_json(limits),
        traffic=traffic,
    )
    return {
        "watch": state.to_json(),
        "verdict": analysis.RUNNING,
        "status": "",
        "reason": "",
        "started_at": rfc3339(started),
        "at": rfc3339(started),
        "weight": _canary_weight(traffic),
        "number": 0,
    }


def tick(
    context: RunContext,
    environment: Environment,
    limits: CanaryLimits,
    before: Mapping[str, Any],
    number: int,
) -> dict[str, Any]:
    """Wait for the next moment to look, look, and say how it stands."""
    bench = context.bench
    started = parse_time(before["started_at"])
    due = started.timestamp() + number * limits.interval_seconds
    context.wait(due - time.time())
    now = datetime.now(UTC)
    unwatched = (now - parse_time(before["at"])).total_seconds()
    state = analysis.Watch.from_json(before["watch"])
    if unwatched > max(context.seconds, 3 * limits.interval_seconds):
        return {
            **before,
            "verdict": analysis.FAIL,
            "status": "inconclusive",
            "reason": f"nobody watched the canary for {unwatched:.0f} s, so its traffic was taken "
            "away and nothing is known of it",
            "at": rfc3339(now),
            "number": number,
        }
    traffic = _weigh(bench, environment, limits, context.fence)
    observation = _observe(bench, environment, limits)
    state = analysis.advance(state, observation, limits)
    events.emit(
        "canary.tick",
        environment=environment.name,
        watch=state.to_json(),
        limits=to_json(limits),
        observation=to_json(observation),
        elapsed=(now - started).total_seconds(),
        remaining=max(limits.duration_seconds - (now - started).total_seconds(), 0.0),
        weight=_canary_weight(traffic),
        number=number,
    )
    verdict = analysis.verdict(state, limits)
    return {
        "watch": state.to_json(),
        "verdict": verdict.outcome,
        "status": verdict.status.value,
        "reason": verdict.reason,
        "started_at": before["started_at"],
        "at": rfc3339(now),
        "weight": _canary_weight(traffic),
        "number": number,
    }


def settle(bench: Workbench, environment: Environment, fence: Fence) -> dict[str, Any]:
    """Take the traffic off a canary that passed; it stays up, warm, for the next gate to test."""
    traffic: Traffic = bench.plugins.one(
        "sluiceway_set_weight", environment=environment, weight=0.0, fence=fence
    )
    document: dict[str, Any] = to_json(traffic)
    return document


def take_back(bench: Workbench, environment: Environment, fence: Fence) -> dict[str, Any]:
    """Weight 0 first, then drain and stop the canary; read back that stable has everything.

    Returns ``{"traffic", "seconds"}``: seconds from the call to what was read back.
    """
    begun = time.monotonic()
    traffic: Traffic = bench.plugins.one("sluiceway_set_weight", environment=environment, weight=0.0, fence=fence)
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


def restore_tag(bench: Workbench, tag: str, digest: str) -> dict[str, Any]:
    """Let *tag* name *digest* again, or nothing when it named nothing before."""
    oci.restore_tag(bench.registry, tag, digest or None)
    return {"digest": bench.held(tag)}


def _weigh(
    bench: Workbench, environment: Environment, limits: CanaryLimits, fence: Fence
) -> Traffic:
    traffic: Traffic = bench.plugins.one(
        "sluiceway_set_weight",
        environment=environment,
        weight=limits.traffic_percent,
        fence=fence,
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
    return analysis.Watch.from_json(seen["watch"]).requests


def serving(traffic: Mapping[str, Any]) -> str:
    """Return the digest that has the route's traffic, from a JSON :class:`Traffic`; or ``""``."""
    for slot in traffic.get("slots", ()):
        if slot["name"] == "stable" and slot["alive"]:
            return str(slot["digest"])
    return ""
