"""What happens to a canary's traffic: weighed, observed, settled, shed, drained. Each is read back."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from sluiceway import oci
from sluiceway.analysis import Watch
from sluiceway.errors import ActionFailed
from sluiceway.model import CanaryLimits, Environment, Fence, Observation, Traffic, to_json
from sluiceway.workbench import Workbench

__all__ = [
    "drain",
    "observe",
    "raised",
    "requests_of",
    "restore_tag",
    "serving",
    "settle",
    "shed",
    "take_back",
    "weigh",
    "weight_of",
]

_HEALTH_TIMEOUT_SECONDS = 3.0
_WEIGHT_TOLERANCE = 0.01
"""Percentage points; routers round."""


def weigh(bench: Workbench, environment: Environment, weight: float, fence: Fence) -> Traffic:
    """Give the canary *weight* percent, or renew its lease; return what is in force."""
    traffic: Traffic = bench.plugins.one(
        "sluiceway_set_weight", environment=environment, weight=weight, fence=fence
    )
    return traffic


def raised(bench: Workbench, environment: Environment, weight: float, fence: Fence) -> Traffic:
    """Give the canary *weight* percent, and believe it when it is read back.

    Raises:
        ActionFailed: ``canary.weight`` when another weight is in force.
    """
    traffic = weigh(bench, environment, weight, fence)
    in_force = weight_of(traffic)
    if not math.isclose(in_force, weight, rel_tol=0.0, abs_tol=_WEIGHT_TOLERANCE):
        raise ActionFailed(
            f"{environment.route} gives the canary {in_force:g} % of its traffic after it was told "
            f"to give {weight:g} %",
            means="The router did not do what it was told, so nobody knows what is watched.",
            remedy="Look at the router; then run `invoke canary` again.",
            code="canary.weight",
        )
    return traffic


def weight_of(traffic: Traffic) -> float:
    """Return the canary's percent of *traffic*; 0 without a canary."""
    slot = traffic.slot("canary")
    return slot.weight if slot is not None else 0.0


def observe(bench: Workbench, environment: Environment, limits: CanaryLimits) -> Observation:
    """Read both sides' counters and poll the canary's health, once."""
    observation: Observation = bench.plugins.one(
        "sluiceway_observe",
        environment=environment,
        health_path=limits.health_path,
        timeout_seconds=min(_HEALTH_TIMEOUT_SECONDS, max(limits.interval_seconds, 0.5)),
    )
    return observation


def settle(bench: Workbench, environment: Environment, fence: Fence) -> dict[str, Any]:
    """Take the traffic off a canary that passed; it stays up, warm, for the next gate to test."""
    document: dict[str, Any] = to_json(weigh(bench, environment, 0.0, fence))
    return document


def shed(bench: Workbench, environment: Environment, fence: Fence) -> dict[str, Any]:
    """Weight 0, first of all, and read back that the stable release has everything.

    Returns ``{"traffic", "seconds"}``: seconds from the call to what was read back.

    Raises:
        ActionFailed: ``canary.weight`` when the canary still has traffic.
    """
    begun = time.monotonic()
    traffic = weigh(bench, environment, 0.0, fence)
    _without_traffic(traffic, environment)
    return {"traffic": to_json(traffic), "seconds": round(time.monotonic() - begun, 3)}


def drain(bench: Workbench, environment: Environment, fence: Fence) -> dict[str, Any]:
    """Let the canary finish what it has in hand, stop it, and return the traffic read back."""
    traffic: Traffic = bench.plugins.one("sluiceway_drain", environment=environment, fence=fence)
    _without_traffic(traffic, environment)
    document: dict[str, Any] = to_json(traffic)
    return document


def take_back(bench: Workbench, environment: Environment, fence: Fence) -> dict[str, Any]:
    """Shed the traffic, then drain and stop the canary.

    Returns ``{"traffic", "seconds"}``: the seconds until its traffic was gone.
    """
    left = shed(bench, environment, fence)
    return {**left, "traffic": drain(bench, environment, fence)}


def _without_traffic(traffic: Traffic, environment: Environment) -> None:
    left = weight_of(traffic)
    if left > 0:
        raise ActionFailed(
            f"the canary still has {left:g} % of {environment.route}'s traffic",
            means="The router did not do what it was told.",
            remedy="Its lease runs out by itself; check the router.",
            code="canary.weight",
        )


def restore_tag(bench: Workbench, environment: str, digest: str) -> dict[str, Any]:
    """Let *environment*'s tag name *digest* again, or nothing when it named nothing before."""
    oci.restore_tag(bench.registry_of(environment), environment, digest or None)
    return {"digest": bench.held(environment)}


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
