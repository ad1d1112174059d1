"""A decision of a run in the ledger: written once, and how long it holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluiceway.gates.decide import Judged
from sluiceway.gates.statements import verified
from sluiceway.model import parse_time, to_json
from sluiceway.runs.context import RunContext
from sluiceway.workbench import Workbench

__all__ = ["holds", "keep_decision", "verified_again"]


def keep_decision(
    bench: Workbench,
    request: Mapping[str, Any],
    digest: str,
    asked: Mapping[str, Any],
    judged: Judged,
    *,
    attempt: int = 0,
    of: str = "decision",
) -> dict[str, Any]:
    """Write the decision down with its input and the signed request; return its JSON.

    *attempt* tells the decisions of one run apart: 0 is the first, others are fence tokens. *of*
    tells the gates of one run apart.
    """
    entry = bench.ledger.append(
        "decision",
        key=f"{request['run']}:{of}:{attempt}",
        run=request["run"],
        service=bench.config.service,
        environment=request["target"],
        digest=digest,
        actor=asked["actor"]["name"],
        body={
            "decision": to_json(judged.decision),
            "input": dict(judged.document),
            **({"bundle": judged.bundle} if judged.bundle else {}),
            **asked,
        },
    )
    # What was written first counts: a step repeated after a crash must not decide otherwise.
    stored, fields = entry.body["decision"], to_json(judged.decision)
    return {field: stored[field] for field in fields if field in stored}


def holds(context: RunContext, decision: Mapping[str, Any]) -> bool:
    """Say whether *decision* counts without asking again: it is this run's own, and not old."""
    age = (datetime.now(UTC) - parse_time(decision["at"])).total_seconds()
    return not context.taken_over and age <= context.seconds


def verified_again(
    bench: Workbench,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    """Return *asked* with the actor whom the request's signature proves now."""
    way = {key: request[key] for key in ("source", "target", "run")}
    actor = verified(bench, asked, found["image"]["digest"], way)
    return {**asked, "actor": to_json(actor)}
