"""A rollback by hand: the previous digest serves first, then the tag follows, then the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluiceway import gates
from sluiceway.errors import UsageError
from sluiceway.gates import decide
from sluiceway.model import (
    Actor,
    Image,
    Strategy,
    check_digest,
    parse_time,
    to_json,
)
from sluiceway.runs import blue_green, canary, history, migrating, promised, promote
from sluiceway.runs.context import RunContext
from sluiceway.runs.deciding import keep_decision
from sluiceway.workbench import Workbench

__all__ = ["ask", "judge", "look_up", "serve"]


def look_up(bench: Workbench, environment: str, digest: str) -> dict[str, Any]:
    """Return ``{"image", "current", "deployed_before"}``: where to go back to."""
    service = bench.config.service
    bench.config.environment(environment)
    now = history.current(bench.ledger, service, environment)
    wanted = (
        check_digest(digest) if digest else history.previous(bench.ledger, service, environment)
    )
    if not wanted:
        raise UsageError(
            f"{environment} has no previous digest to go back to",
            means="The ledger knows of no release that served there before this one.",
            remedy="Name one with --to-digest; `invoke history` lists them.",
            code="rollback.no-previous",
        )
    image = bench.image(wanted, environment)
    if image is None:
        raise UsageError(
            f"{bench.config.repository_of(environment)} no longer holds {wanted}",
            means="A digest that is gone cannot serve.",
            remedy="Push it again, or name another one with --to-digest.",
            code="image.unknown",
        )
    before = bench.ledger.entries(
        kinds=("deployed",), service=service, environment=environment, digest=wanted, limit=1
    )
    return {
        "image": to_json(image),
        "current": now.digest if now is not None else bench.held(environment),
        "deployed_before": bool(before),
    }


def ask(bench: Workbench, request: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Have the acting person sign the request for this very digest."""
    return promote.signed_request(
        bench, request, found["image"]["digest"], {"rollback": request["target"]}
    )


def judge(
    bench: Workbench,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    """Only what must hold for a rollback is asked: the signature, that it served before, and that
    the database still has what it uses.
    """
    image = Image(**found["image"])
    judged = decide.rollback(
        bench,
        image=image,
        environment=request["target"],
        current=found["current"],
        actor=Actor(**asked["actor"]),
        evidence={"signature": gates.signature_evidence(bench, image)},
        deployed_before=found["deployed_before"],
        migrations=migrating.since(bench, image, request["target"], found["current"]),
        run=request["run"],
        now=datetime.now(UTC),
    )
    return keep_decision(bench, request, image.digest, asked, judged)


def serve(
    context: RunContext, request: Mapping[str, Any], found: Mapping[str, Any]
) -> dict[str, Any]:
    """Let the digest serve again. For a canary that means: no canary.

    Returns ``{"deployment", "sla"}``: what was read back, and how long it took since it was asked
    for.
    """
    bench = context.bench
    environment = bench.config.environment(request["target"])
    if environment.strategy is Strategy.CANARY:
        served = canary.take_back(bench, environment, context.fence)
    elif environment.strategy is Strategy.BLUE_GREEN:
        served = blue_green.serve(context, environment, Image(**found["image"]))
    else:
        served = promote.desired(
            bench, "sluiceway_rollback", Image(**found["image"]), environment.name, context.fence
        )
    now = datetime.now(UTC)
    asked = parse_time(request["asked_at"]) if "asked_at" in request else now
    return {"deployment": served, "sla": promised.kept(promised.BY_HAND, asked, now)}
