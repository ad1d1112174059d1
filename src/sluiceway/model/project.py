"""A service and its environments: what every command is about."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from sluiceway.record import Record, field, settle

__all__ = ["CanaryLimits", "Environment", "Project", "Strategy"]


class Project(Record):
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


class Environment(Record):
    """A named place on the path; in the registry a tag on the digest."""

    name: str
    strategy: Strategy
    route: str
    """Whose traffic it serves: its own name, or for a canary the environment that it shares."""
    repository: str = ""
    """Where its tag and its images are: ``host[:port]/path``; empty for the service's own."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the deployer needs (``port``, ``env``, ...)."""


class CanaryLimits(Record):
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
        settle(self, "steps", tuple(self.steps))  # its JSON has a list

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of every step, in percent; at least one."""
        return self.steps or (self.traffic_percent,)
