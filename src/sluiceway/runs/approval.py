"""A person's consent to one digest going one way, signed and written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sluiceway.errors import UsageError
from sluiceway.gates import statements
from sluiceway.model import check_digest, rfc3339, to_json
from sluiceway.runs.ids import new_run_id
from sluiceway.workbench import Workbench

__all__ = ["approve"]


def approve(
    bench: Workbench, digest: str, target: str, *, reason: str, hours: float
) -> dict[str, Any]:
    """Sign and record that *digest* may go into *target* within the next *hours*.

    Whether the approval counts is for the gate to say, when the promotion is asked for.
    """
    if bench.image(check_digest(digest)) is None:
        raise UsageError(
            f"{bench.registry.repository} holds no {digest}",
            means="Only an image that is there can be approved.",
            remedy="Copy the digest whole from `invoke status`.",
            code="image.unknown",
        )
    environment = bench.config.environment(target).name
    now = datetime.now(UTC)
    predicate = {
        "source": bench.config.predecessor(environment),
        "target": environment,
        "reason": reason,
        "made_at": rfc3339(now),
        "expires": rfc3339(now + timedelta(hours=hours)),
    }
    document = statements.statement(
        statements.APPROVAL, service=bench.config.service, digest=digest, predicate=predicate
    )
    actor, signature = statements.signed(bench, document)
    run = new_run_id("approve")
    bench.ledger.append(
        "approval",
        key=f"{run}:approval",
        run=run,
        service=bench.config.service,
        environment=environment,
        digest=digest,
        actor=actor.name,
        body={"statement": document, "signature": signature},
    )
    return {"approver": to_json(actor), "digest": digest, "run": run, **predicate}
