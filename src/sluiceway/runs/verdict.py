"""A canary's part of a promotion: told, watched, and its verdict taken to effect.

On a rollback the traffic comes first: before the verdict is written down, before the canary is
drained, before the tag, and before anybody is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluiceway import events
from sluiceway.errors import ExitCode, SluicewayError
from sluiceway.model import Image, parse_time, rfc3339
from sluiceway.runs import canary, outcome, promised, promote, watching
from sluiceway.runs.context import RunContext
from sluiceway.runs.telling import UNDER_WAY

__all__ = ["run_canary"]


def run_canary(
    context: RunContext,
    request: dict[str, Any],
    found: dict[str, Any],
    asked: dict[str, Any],
    result: dict[str, Any],
) -> dict[str, Any]:
    """Watch what was deployed as a canary, and end the promotion as the verdict says."""
    image = Image(**found["image"])
    stopped: SluicewayError | None = None
    try:
        context.step("canary.tell", lambda: _tell_start(context, request, image, asked))
        seen = watching.watch(context, request, image, asked)
    except SluicewayError as error:
        stopped = error
        seen = {
            "verdict": "rollback",
            "outcome": "error",
            "code": error.code,
            "codes": [error.code],
            "status": "error",
            "reason": error.what,
            "watch": {},
        }
    report = _report(request, seen)
    result["canary"] = report
    if seen["outcome"] == watching.PASSED:
        return _passed(context, request, found, asked, result)
    return _taken_back(context, request, found, asked, result, stopped)


def _tell_start(
    context: RunContext, request: Mapping[str, Any], image: Image, asked: Mapping[str, Any]
) -> dict[str, Any]:
    environment = context.bench.config.environment(request["target"])
    limits = promote.limits_of(request)
    weights = " → ".join(f"{weight:g}" for weight in limits.weights)
    each = " each" if limits.steps else ""
    return promote.notify(
        context.bench,
        "canary.started",
        request,
        digest=image.digest,
        summary=f"{weights} % of {environment.route} for {limits.duration_seconds:g} s{each}, "
        f"judged by the rule {limits.rule}",
        actor=asked["actor"]["name"],
        facts={"limits": request["limits"]},
        patience=UNDER_WAY,
    )


def _report(request: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a watch, in the ledger and in the outcome.

    ``verdict`` is what the watch came to (``pass``, ``fail``, ...), ``decision`` the last one of the
    gate.
    """
    more = (
        "decision",
        "decided_at",
        "detected_at",
        "evidence",
        "started_at",
        "step",
        "steps",
    )
    return {
        "verdict": seen["outcome"],
        "code": seen["code"],
        "codes": seen["codes"],
        "status": seen["status"],
        "reason": seen["reason"],
        "rule": promote.limits_of(request).rule,
        "watch": seen["watch"],
        "requests": canary.requests_of(seen),
        "limits": request["limits"],
        "checks": seen.get("number", 0),
        "weight": seen.get("weight", 0.0),
        **{key: seen[key] for key in more if key in seen},
    }


def _passed(
    context: RunContext,
    request: dict[str, Any],
    found: dict[str, Any],
    asked: dict[str, Any],
    result: dict[str, Any],
) -> dict[str, Any]:
    bench, target = context.bench, request["target"]
    environment, image = bench.config.environment(target), Image(**found["image"])
    report, actor = result["canary"], asked["actor"]["name"]
    try:
        context.step(
            "canary.verdict",
            lambda: promote.write_down(
                bench, "canary", request, digest=image.digest, actor=actor, body=report
            ),
            shielded=True,
        )
        traffic = context.step(
            "canary.settle",
            lambda: canary.settle(bench, environment, context.fence),
            shielded=True,
        )
    except SluicewayError as error:
        return outcome.failed(
            result | {"changed": None}, outcome.half_done(target, found["goes_back_to"], error)
        )
    done = context.step(
        "canary.write-down",
        lambda: promote.write_down(
            bench,
            "deployed",
            request,
            digest=image.digest,
            actor=actor,
            body={"previous": found["target_holds"], "traffic": traffic},
        ),
        shielded=True,
    )
    context.step(
        "canary.tell-end",
        lambda: promote.notify(
            bench,
            "canary.passed",
            request,
            digest=image.digest,
            previous=found["target_holds"],
            summary=f"{target} passed",
            reason=report["reason"],
            actor=actor,
            facts=report,
        ),
        shielded=True,
    )
    return {
        **result,
        "at": done["at"],
        "outcome": outcome.DONE,
        "exit_code": int(ExitCode.DONE),
    }


def _taken_back(
    context: RunContext,
    request: dict[str, Any],
    found: dict[str, Any],
    asked: dict[str, Any],
    result: dict[str, Any],
    stopped: SluicewayError | None,
) -> dict[str, Any]:
    bench, target = context.bench, request["target"]
    environment, image = bench.config.environment(target), Image(**found["image"])
    report, actor = result["canary"], asked["actor"]["name"]
    try:
        try:
            report |= context.step(
                "canary.shed", lambda: _shed(context, request, report), shielded=True
            )
        finally:
            # Whatever fails from here on, or failed just now, no older verdict counts any more.
            context.step(
                "canary.verdict",
                lambda: promote.write_down(
                    bench, "canary", request, digest=image.digest, actor=actor, body=report
                ),
                shielded=True,
            )
        traffic = context.step(
            "canary.take-back",
            lambda: canary.drain(bench, environment, context.fence),
            shielded=True,
        )
        context.step(
            "canary.restore-tag",
            lambda: canary.restore_tag(bench, target, found["goes_back_to"]),
            shielded=True,
        )
    except SluicewayError as error:
        return outcome.failed(
            result | {"changed": None}, outcome.half_done(target, found["goes_back_to"], error)
        )
    context.step(
        "canary.write-down",
        lambda: promote.write_down(
            bench,
            "rolled-back",
            request,
            digest=found["goes_back_to"],
            actor=actor,
            body={
                "previous": image.digest,
                "reason": report["reason"],
                "by": "canary",
                "rollback_seconds": report["rollback_seconds"],
                "sla": report["sla"],
            },
        ),
        shielded=True,
    )
    context.step(
        "canary.tell-end",
        lambda: promote.notify(
            bench,
            "rolled-back",
            request,
            digest=found["goes_back_to"],
            previous=image.digest,
            summary=f"{target} rolled back in {report['rollback_seconds']:g} s",
            actor=actor,
            reason=report["reason"],
            facts=report,
        ),
        shielded=True,
    )
    result |= {"deployment": {**result["deployment"], "traffic": traffic}}
    if stopped is not None and stopped.exit_code is ExitCode.INTERRUPTED:
        return outcome.failed(result, stopped, changed=False)
    return {
        **result,
        "outcome": outcome.ROLLED_BACK,
        "exit_code": int(ExitCode.ROLLED_BACK),
        "changed": False,
        "serves": canary.serving(traffic),
    }


def _shed(
    context: RunContext, request: Mapping[str, Any], report: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the stable release everything, and measure how long that took since it was decided."""
    bench = context.bench
    begun = datetime.now(UTC)
    canary.shed(bench, bench.config.environment(request["target"]), context.fence)
    served = datetime.now(UTC)
    # Where the watch was cut short (Ctrl-C), that was the decision.
    decided = parse_time(report["decided_at"]) if "decided_at" in report else begun
    detected = parse_time(report["detected_at"]) if "detected_at" in report else begun
    sla = promised.kept(promised.AUTOMATIC, detected, served)
    seconds = round(max((served - decided).total_seconds(), 0.0), 3)
    events.emit("canary.shed", environment=request["target"], rollback_seconds=seconds, sla=sla)
    return {"rollback_seconds": seconds, "served_at": rfc3339(served), "sla": sla}
