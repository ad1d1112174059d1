"""Build a gate's input, have it judged, and keep both together."""

from __future__ import annotations

from collections.abc import Mapping
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
from sluiceway.record import Record
from sluiceway.workbench import Workbench

__all__ = ["Judged", "Promotion", "judge", "migration", "promotion", "promotion_input", "rollback"]


class Judged(Record):
    """A decision with the input it was made from, so that it can be replayed."""

    decision: Decision
    document: Mapping[str, Any]
    bundle: str = ""
    """The artifact that the policies were pulled as, ``host/path@sha256:<hex>``; perhaps none."""


class Promotion(Record):
    """What is asked of the gate ``promotion``."""

    image: Image
    source: str
    target: str
    source_holds: str
    """The digest that the source holds now; ``""`` for none."""
    source_since: datetime | None
    """Since when it holds it without interruption; ``None`` when that is not known."""
    target_holds: str
    actor: Actor
    evidence: Mapping[str, Evidence]
    run: str
    now: datetime


def promotion(bench: Workbench, asked: Promotion) -> Judged:
    """Ask the gate ``promotion`` whether the image may go from its source to its target."""
    bundle = bench.bundle()
    document = promotion_input(bench, bundle, asked)
    return judge(bench, bundle, "promotion", document, asked.now)


def promotion_input(
    bench: Workbench, bundle: policy.Bundle | SluicewayError, asked: Promotion
) -> dict[str, Any]:
    """Return the input of the gate ``promotion``, as ``schemas/promotion/input.json`` has it."""
    digest = asked.image.digest
    request = ApprovalRequest(
        image=asked.image,
        source=asked.source,
        target=asked.target,
        revisions=change.revisions(bench, digest),
        at=asked.now,
    )
    return {
        "gate": "promotion",
        "now": rfc3339(asked.now),
        "service": bench.config.service,
        "run": asked.run,
        "image": to_json(asked.image),
        "source": asked.source,
        "target": asked.target,
        "environments": [environment.name for environment in bench.config.environments],
        "source_holds": asked.source_holds or None,
        "source_since": rfc3339(asked.source_since) if asked.source_since is not None else None,
        "target_holds": asked.target_holds or None,
        "actor": to_json(asked.actor),
        "rehearsal": bench.config.rehearsal,
        "policy_digest": "" if isinstance(bundle, SluicewayError) else bundle.digest,
        "approvals": consent.gathered(bench, request),
        "builder": _builder(bench, digest),
        "change": change.change(bench, digest, asked.target_holds),
        "waivers": waivers.applicable(
            bench, environment=asked.target, digest=digest, now=asked.now
        ),
        "evidence": to_json(asked.evidence),
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
    migrations: Mapping[str, Any] | None = None,
) -> Judged:
    """Ask the gate ``rollback``, which needs far less: the way back must stay open.

    *migrations* says what the image uses and the database no longer has; ``None`` where the service
    has no database.
    """
    document: dict[str, Any] = {
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
    if migrations is not None:
        document["migrations"] = dict(migrations)
    return judge(bench, bench.bundle(), "rollback", document, now)


def migration(bench: Workbench, document: Mapping[str, Any], now: datetime) -> Judged:
    """Ask the gate ``migration`` about *document* (:func:`~sluiceway.gates.migration.migration_input`)."""
    return judge(bench, bench.bundle(), "migration", document, now)


def judge(
    bench: Workbench,
    bundle: policy.Bundle | SluicewayError,
    gate: str,
    document: Mapping[str, Any],
    now: datetime,
) -> Judged:
    """Have *document* judged by *gate*, and tell of it."""
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
