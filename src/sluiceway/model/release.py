"""Deployments and traffic: where a digest serves and how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluiceway.model.image import Image
from sluiceway.model.project import Environment, Strategy
from sluiceway.record import Record, field

__all__ = [
    "DeployRequest",
    "Deployment",
    "Fence",
    "GateRequest",
    "Notice",
    "Observation",
    "Side",
    "Slot",
    "Traffic",
]


class Fence(Record):
    """Proof of holding the lease: every effect carries it and a lower token is refused."""

    run: str
    token: int
    """Rises with every change of holder."""
    lease_seconds: float
    """A canary's weight returns to 0 when not renewed for this long."""


class DeployRequest(Record):
    """Desired state: *environment* runs *image*. Asking twice is the same as once."""

    environment: Environment
    image: Image
    fence: Fence
    health_path: str
    ready_seconds: float
    """How long a new instance may take to answer its health check."""
    drain_seconds: float


class Slot(Record):
    """One running instance of one digest behind a route."""

    name: str
    """``stable`` or ``canary``; ``blue`` or ``green`` where the strategy is blue/green."""
    digest: str
    weight: float
    """Percent of the route's traffic."""
    alive: bool
    healthy: bool
    """What it answered now; what it answered last where the traffic was only moved."""
    url: str
    """Its own address, past the proxy; empty when it has none."""
    since: datetime | None = None


class Traffic(Record):
    """A route as read back from whatever routes."""

    route: str
    url: str
    """Where clients send requests; empty where nothing listens for them."""
    slots: tuple[Slot, ...]

    def slot(self, name: str) -> Slot | None:
        """Return the slot called *name*, if the route has one."""
        return next((slot for slot in self.slots if slot.name == name), None)

    @property
    def live(self) -> Slot | None:
        """The slot with the most weight, whatever it is called; ``None`` when none has any."""
        weighed = [slot for slot in self.slots if slot.weight > 0]
        return max(weighed, key=lambda slot: slot.weight, default=None)

    def serving(self, strategy: Strategy) -> Slot | None:
        """Return the slot in which an environment of *strategy* serves its digest."""
        if strategy is Strategy.CANARY:
            return self.slot("canary")
        others = tuple(slot for slot in self.slots if slot.name != "canary")
        return self.slot("stable") or replace(self, slots=others).live


class Deployment(Record):
    """What a deployer did and what it reads back."""

    environment: str
    digest: str
    previous: str
    """The digest that served before, or empty."""
    changed: bool
    traffic: Traffic


class Side(Record):
    """Cumulative counters of one slot since it was started. They only grow."""

    digest: str
    requests: int
    errors: int
    """5xx answers, connection errors, resets and time-outs; not what the client broke off."""
    latency_ms: Mapping[str, int]
    """Histogram: upper bound of the bucket in milliseconds (as text) to count; sums to requests
    that were answered. Bounds are log-linear and the same on both sides: what is seen to be otherwise
    ends the watch as ``canary.contradiction``. Empty buckets may be left out, on both sides or none."""


class Observation(Record):
    """One look at both sides of a route."""

    route: str
    at: datetime
    monotonic: float
    """Seconds of the observer's monotonic clock."""
    stable: Side | None
    canary: Side | None
    canary_alive: bool
    canary_restarts: int
    health_ok: bool
    """The canary's own health endpoint answered 2xx within its time-out, past the proxy."""
    health_detail: str
    weight: float
    """The canary's weight as read back."""


class GateRequest(Record):
    """What gate-evidence plugins are asked about."""

    image: Image
    source: str
    """Environment it comes from, or ``build``."""
    target: str
    source_url: str
    """Where the source environment's instance of this very digest answers; empty when it has none."""
    slot: str = ""
    """Before a blue/green switch: the target's idle slot. ``source_url`` is then its own address."""
    live_url: str = ""
    """Then also where the slot that has the traffic answers; empty when none has."""


class Notice(Record):
    """Something people outside should hear of. Never carries a secret."""

    kind: str
    """``promoted``, ``refused``, ``canary.started``, ``canary.passed``, ``rolled-back``, ..."""
    service: str
    environment: str
    digest: str
    previous: str
    run: str
    actor: str
    at: datetime
    summary: str
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
