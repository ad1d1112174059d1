"""One simulated canary after another, through the real pure functions.

Counts in, evidence after every tick, a decision, no input or output: what a real canary's workflow
does with :func:`sluiceway.analysis.evidence`, without the world around it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Protocol

from sluiceway.analysis import Counters, Tick, Watch, evidence, stepped, tick
from sluiceway.model import Actor, CanaryLimits, to_json
from sluiceway.record import Record
from sluiceway.simulation.drawing import TICK_SECONDS, Arm, Drawn
from sluiceway.simulation.law import TEXTS

__all__ = ["Called", "Decide", "Look", "Run", "follow", "tick_of"]


class Called(Protocol):
    """What a gate's input comes to."""

    @property
    def verdict(self) -> str:
        """``continue``, ``extend``, ``promote``, ``rollback`` or ``hold``."""

    @property
    def outcome(self) -> str:
        """``running``, ``pass``, ``fail``, ``no-data``, ``error`` or ``inconclusive``."""

    @property
    def codes(self) -> Collection[str]:
        """Why."""


Decide = Callable[[Mapping[str, Any]], Called]
"""From a gate's input: the rules' twin, or the gate."""


class Look(Record):
    """What was known and decided after one tick."""

    seconds: float
    weight: float
    verdict: str
    outcome: str
    codes: tuple[str, ...]
    worse: float
    beyond: float
    safe: float


class Run(Record):
    """One canary from its first tick until it ended, or the traffic did."""

    looks: tuple[Look, ...]

    @property
    def last(self) -> Look:
        """The look that ended it."""
        return self.looks[-1]

    @property
    def outcome(self) -> str:
        """``pass``, ``fail``, ``no-data``, ``error``, ``inconclusive``; ``running`` for neither."""
        return self.last.outcome

    @property
    def seconds(self) -> float:
        """When it ended."""
        return self.last.seconds


def follow(
    traffic: Callable[[float, int], Tick], ticks: int, limits: CanaryLimits, decide: Decide
) -> Run:
    """Fold tick after tick until *decide* ends the canary.

    Args:
        traffic: What both sides did, by the canary's weight in percent and the tick's number.
        ticks: How many there are.
        limits: The numbers of the watch.
        decide: The rules, or the gate.
    """
    steps = limits.weights
    index, watch, looks = 0, Watch(), []
    for number in range(ticks):
        weight = steps[index]
        watch = tick(watch, traffic(weight, number), replace(limits, traffic_percent=weight))
        document = _input(watch, limits, index, weight)
        called = decide(document)
        sequential = document["watch"]["sequential"]
        looks.append(
            Look(
                seconds=watch.seconds,
                weight=weight,
                verdict=called.verdict,
                outcome=called.outcome,
                codes=tuple(sorted(called.codes)),
                worse=sequential["worse"]["together"],
                beyond=sequential["beyond"]["together"],
                safe=sequential["safe"]["together"],
            )
        )
        if called.outcome != "running":
            break
        if called.verdict == "promote":
            index, watch = index + 1, stepped(watch)
    return Run(looks=tuple(looks))


def _input(watch: Watch, limits: CanaryLimits, index: int, weight: float) -> dict[str, Any]:
    """Return what the gate ``canary`` is asked, for a canary that never was."""
    return {
        "gate": "canary",
        "now": _NOW,
        "service": "simulated",
        "run": "simulated",
        "environment": "canary",
        "image": _IMAGE,
        "parameters": to_json(limits),
        "step": {"index": index, "count": len(limits.weights), "weight": weight},
        "watch": evidence(watch, limits),
        "actor": _ACTOR,
        "rehearsal": True,
        "waivers": [],
    }


_NOW = "2026-01-01T00:00:00Z"
_IMAGE = {
    "repository": "simulated",
    "digest": f"sha256:{'0' * 64}",
    "media_type": "application/vnd.oci.image.manifest.v1+json",
}
_ACTOR = to_json(Actor(name="simulation", method="simulation", proven=False))


def tick_of(drawn: Drawn, run: int) -> Tick:
    """Return one run's part of a tick."""
    history = None if drawn.history is None else _histogram(drawn.history[run])
    return Tick(
        seconds=TICK_SECONDS,
        canary=_counters(drawn.canary, run),
        stable=_counters(drawn.stable, run),
        healthy=bool(drawn.healthy[run]),
        history=None if history is None else Counters(latency_ms=history),
    )


def _counters(arm: Arm, run: int) -> Counters:
    row = arm.histogram[run]
    return Counters(
        requests=int(row.sum()), errors=int(arm.errors[run]), latency_ms=_histogram(row)
    )


def _histogram(row: Any) -> dict[str, int]:
    return {TEXTS[place]: int(row[place]) for place in row.nonzero()[0]}
