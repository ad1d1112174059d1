"""Build a gate's input, have it judged, and keep both together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluiceway import events, policy
from sluiceway.errors import SluicewayError
from sluiceway.gates import change, consent, waivers
from sluiceway.model import (
    Actor,
    ApprovalRequest,
    Decision,
    Evidence,
    Image,
    rfc3339,
    to_json,
)
from sluiceway.workbench import Workbench

__all__ = ["Judged", "promotion", "promotion_input", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A decision with the input it was made from, so that it can be replayed."""

    decision: Decision
    document: Mapping[str, Any]
    bundle: str = ""
    """The artifact that the policies were pulled as, ``host/path@sha256:<hex>``; perhaps none."""


def promotion(
    bench: Workbench,
    *,
    image: Image,
    source: str,
    target: str,
    source_holds: str,
    source_since: datetime | None,
    target_holds: str,
    actor: Actor,
    evidence: Mapping[str, Evidence],
    run: str,
    now: datetime,
) -> Judged:
    """Ask the gate ``promotion`` whether *image* may go from *source* to *target*."""
    bundle = bench.bundle()
    document = promotion_input(
        bench,
        bundle,
        image=image,
        source=source,
        target=target,
        source_holds=source_holds,
        source_since=source_since,
        target_holds=target_holds,
        actor=actor,
        evidence=evidence,
        run=run,
        now=now,
    )
    return _judge(bench, bundle, "promotion", document, now)


def promotion_input(
    bench: Workbench,
    bundle: policy.Bundle | SluicewayError,
    *,
    image: Image,
    source: str,
    target: str,
    source_holds: str,
    source_since: datetime | None,
    target_holds: str,
    actor: Actor,
    evidence: Mapping[str, Evidence],
    run: str,
    now: datetime,
) -> dict[str, Any]:
    """Return the input of the gate ``promotion``, as ``schemas/promotion/input.json`` has it."""
    request = ApprovalRequest(
        image=image,
        source=source,
        target=target,
        revisions=change.revisions(bench, image.digest),
        at=now,
    )
    return {
        "gate": "promotion",
        "now": rfc3339(now),
        "service": bench.config.service,
        "run": run,
        "image": to_json(image),
        "source": source,
        "target": target,
        "environments": [environment.name for environment in bench.config.environments],
        "source_holds": source_holds or None,
        "source_since": rfc3339(source_since) if source_since is not None else None,
        "target_holds": target_holds or None,
        "actor": to_json(actor),
        "rehearsal": bench.config.rehearsal,
        "policy_digest": "" if isinstance(bundle, SluicewayError) else bundle.digest,
        "approvals": consent.gathered(bench, request),
        "builder": _builder(bench, image.digest),
        "change": change.change(bench, image.digest, target_holds),
        "waivers": waivers.applicable(bench, environment=target, digest=image.digest, now=now),
        "evidence": to_json(evidence),
    }


def rollback(
    bench: Workbench,
    *,
    image: Image,
    environment: str,
    current: str,
    actor: Actor,
    evidence: Mapping[str, Evidence],
    deployed_before: bool,
    run: str,
    now: datetime,
) -> Judged:
    """Ask the gate ``rollback``, which needs far less: the way back must stay open."""
    document = {
        "gate": "rollback",
        "now": rfc3339(now),
        "service": bench.config.service,
        "run": run,
        "image": to_json(image),
        "environment": environment,
        "current": current or None,
        "actor": to_json(actor),
        "rehearsal": bench.config.rehearsal,
        "evidence": to_json(evidence),
        "deployed_before": deployed_before,
        "waivers": waivers.applicable(bench, environment=environment, digest=image.digest, now=now),
    }
    return _judge(bench, bench.bundle(), "rollback", document, now)


def _judge(
    bench: Workbench,
    bundle: policy.Bundle | SluicewayError,
    gate: str,
    document: Mapping[str, Any],
    now: datetime,
) -> Judged:
    decision = policy.decide(bench.engine, bundle, gate, document, now=now)
    events.emit("gate.decided", decision=decision)
    artifact = bundle.artifact if isinstance(bundle, policy.Bundle) else ""
    return Judged(decision=decision, document=document, bundle=artifact)


def _builder(bench: Workbench, digest: str) -> str:
    """Return who released *digest* first; ``""`` when nobody did, or that is only a claim."""
    entries = bench.ledger.entries(
        kinds=("release",), digest=digest, service=bench.config.service, limit=1
    )
    if not entries:
        return ""
    # Whoever may say any name when they build could else approve by their own.
    actor = entries[0].body.get("actor")
    proven = isinstance(actor, Mapping) and actor.get("proven") is True
    return entries[0].actor if proven or bench.config.rehearsal else ""
