"""Environments, deployments and traffic: where a digest serves and how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sluiceway.model.image import Image

__all__ = [
    "CanaryLimits",
    "Check",
    "CheckStatus",
    "DeployRequest",
    "Deployment",
    "Environment",
    "Fence",
    "GateRequest",
    "Notice",
    "Observation",
    "Project",
    "Side",
    "Slot",
    "Strategy",
    "Traffic",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One service and where its files are. Handed to every hook."""

    service: str
    root: Path
    """The folder that holds ``sluiceway.toml``."""
    state: Path
    """Where plugins may keep state of this machine (``.sluiceway``); created, mode 0700."""
    environ: Mapping[str, str] = field(repr=False)
    """The process environment; secrets are read from here and never stored."""


class Strategy(StrEnum):
    """How an environment takes a new digest."""

    REPLACE = "replace"
    """Start the new one, wait for health, switch, drain the old one."""
    CANARY = "canary"
    """Take a share of another environment's traffic, watched; full or none at the end."""
    BLUE_GREEN = "blue-green"
    """Start in the idle slot, test it there, switch all traffic at once; the old slot stays warm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A named place on the path; in the registry a tag on the digest."""

    name: str
    strategy: Strategy
    route: str
    """Whose traffic it serves: its own name, or for a canary the environment that it shares."""
    repository: str = ""
    """Where its tag and its images are: ``host[:port]/path``; empty for the service's own."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the deployer needs (``port``, ``env``, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryLimits:
    """The numbers of a watch. Defaults are the mission's."""

    traffic_percent: float = 5.0
    error_rate_threshold: float = 5.0
    """Percent of requests."""
    latency_p99_threshold_ms: float = 2000.0
    duration_seconds: float = 300.0
    interval_seconds: float = 10.0
    consecutive: int = 3
    """How many checks in a row must be bad before rolling back."""
    minimum_check_requests: int = 1
    """Fewer canary requests than this since the last measured check is no measurement."""
    minimum_requests: int = 50
    """Fewer canary requests than this in the whole watch never passes."""
    health_path: str = "/api/health"
    rule: str = "sequential"
    """What decides: the name of a rule of the gate ``canary``: ``sequential``, ``mission``,
    ``flagger``, ``argo`` or ``kayenta``."""
    limits: str = "corroborated"
    """Whether a limit that is broken needs the comparison with stable to agree (``corroborated``)
    or counts by itself (``literal``)."""
    profile: str = "default"
    """What the comparison forgives: ``default``, or ``noisy`` for a service whose own healthy
    instances differ."""
    warm_up_seconds: float | None = None
    """How long a cold start is forgiven; ``None`` as the profile says."""
    deadline_seconds: float = 900.0
    """A watch that has not enough evidence by then is over. Counted for each step."""
    steps: tuple[float, ...] = ()
    """Percent of the traffic, step by step, each watched for ``duration_seconds``. None: the one
    ``traffic_percent``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))  # its JSON has a list

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of every step, in percent; at least one."""
        return self.steps or (self.traffic_percent,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Proof of holding the lease: every effect carries it and a lower token is refused."""

    run: str
    token: int
    """Rises with every change of holder."""
    lease_seconds: float
    """A canary's weight returns to 0 when not renewed for this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRequest:
    """Desired state: *environment* runs *image*. Asking twice is the same as once."""

    environment: Environment
    image: Image
    fence: Fence
    health_path: str
    ready_seconds: float
    """How long a new instance may take to answer its health check."""
    drain_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A route as read back from whatever routes."""

    route: str
    url: str
    """Where clients send requests."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What a deployer did and what it reads back."""

    environment: str
    digest: str
    previous: str
    """The digest that served before, or empty."""
    changed: bool
    traffic: Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Cumulative counters of one slot since it was started. They only grow."""

    digest: str
    requests: int
    errors: int
    """5xx answers, connection errors, resets and time-outs; not what the client broke off."""
    latency_ms: Mapping[str, int]
    """Histogram: upper bound of the bucket in milliseconds (as text) to count; sums to requests
    that were answered. Bounds are log-linear and the same on both sides: what is seen to be otherwise
    ends the watch as ``canary.contradiction``. Empty buckets may be left out, on both sides or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRequest:
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


class CheckStatus(StrEnum):
    """One line of ``invoke doctor``."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at, with its remedy when it is not right."""

    name: str
    status: CheckStatus
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
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
