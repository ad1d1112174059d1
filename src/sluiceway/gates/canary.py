"""The gate ``canary``: what becomes of a canary after each look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sluiceway.analysis import Watch, evidence
from sluiceway.errors import SluicewayError
from sluiceway.gates.decide import Judged, judge
from sluiceway.model import Actor, CanaryLimits, Image, rfc3339, to_json
from sluiceway.policy.engine import Bundle
from sluiceway.record import Record
from sluiceway.workbench import Workbench

__all__ = ["Step", "canary", "canary_input", "needed", "sentence"]


class Step(Record):
    """Which share of the traffic the canary has now."""

    index: int = 0
    """From 0."""
    count: int = 1
    weight: float
    """Percent; 100 where a first release has nothing to share the traffic with."""


def canary(
    bench: Workbench,
    *,
    watch: Watch,
    limits: CanaryLimits,
    step: Step,
    image: Image,
    environment: str,
    actor: Actor,
    run: str,
    now: datetime,
) -> Judged:
    """Ask the gate ``canary`` what becomes of the canary.

    Returns:
        The decision with its ``verdict`` and ``outcome``. Both are empty when nobody could say: the
        engine is missing or failed, the policies cannot be read. Then it denies, and its findings
        say why.
    """
    document = canary_input(
        service=bench.config.service,
        rehearsal=bench.config.rehearsal,
        watch=watch,
        limits=limits,
        step=step,
        image=image,
        environment=environment,
        actor=actor,
        run=run,
        now=now,
    )
    return judge(bench, bench.bundle(), "canary", document, now)


def canary_input(
    *,
    service: str,
    rehearsal: bool,
    watch: Watch,
    limits: CanaryLimits,
    step: Step,
    image: Image,
    environment: str,
    actor: Actor,
    run: str,
    now: datetime,
) -> Mapping[str, Any]:
    """Return the input of the gate ``canary``, as ``schemas/canary/input.json`` has it."""
    return {
        "gate": "canary",
        "now": rfc3339(now),
        "service": service,
        "run": run,
        "environment": environment,
        "image": to_json(image),
        "parameters": to_json(limits),
        "step": to_json(step),
        "watch": evidence(watch, limits),
        "actor": to_json(actor),
        "rehearsal": rehearsal,
        "waivers": [],  # none of its findings may be waived
    }


def needed(bundle: Bundle | SluicewayError, limits: CanaryLimits) -> dict[str, float] | None:
    """Return how much evidence decides under these policies, to be kept beside what was found.

    Returns:
        ``{"worse", "beyond", "safe"}``, the e-values of ``data.canary.keys`` under the names that the
        evidence has; ``{}`` for a rule that compares nothing; ``None`` when nobody knows.
    """
    if limits.rule != "sequential":
        return {}
    if isinstance(bundle, SluicewayError):
        return None
    canary = bundle.data.get("canary")
    keys = canary.get("keys") if isinstance(canary, Mapping) else None
    if not isinstance(keys, Mapping):
        return None
    found = {name: keys.get(key) for name, key in _NEEDED.items()}
    numbers = {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    }
    return numbers if numbers.keys() == _NEEDED.keys() else None


_NEEDED = {"worse": "worse", "beyond": "beyond", "safe": "certify"}


def sentence(messages: Sequence[str]) -> str:
    """Return the gate's messages about one look as one sentence.

    They end alike (``...; 30 s after its start (rule sequential).``), and that is said once, at the
    end.
    """
    parts = [message.split("; ") for message in messages]
    ending: list[str] = []
    while len({part[-1] for part in parts}) == 1 and all(len(part) > 1 for part in parts):
        ending.insert(0, {part.pop() for part in parts}.pop())
    if len(messages) == 1 or not ending:
        return " ".join(messages)
    return "; ".join(["; ".join(part) for part in parts] + ending)
