"""The durable part of a promotion by blue and green: what happens after the deployment, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sluiceway.errors import ExitCode, Refused, SluicewayError
from sluiceway.model import Image, parse_time
from sluiceway.runs import blue_green, canary, outcome, promote, soak
from sluiceway.runs.blue_green import Plan
from sluiceway.runs.context import RunContext

__all__ = ["AUTOMATIC_SECONDS", "preflight", "run"]

AUTOMATIC_SECONDS = 120.0
"""The mission's: what goes back by itself is back within two minutes."""

_KEPT = ("decision", "decided_at", "detected_at", "evidence", "started_at", "step")
_Document = dict[str, Any]


def preflight(context: RunContext, target: str) -> _Document:
    """See, before anything is changed, that *target* can be switched at all."""
    seen: _Document = context.step(
        "blue-green.preflight", lambda: blue_green.preflight(context.bench, target)
    )
    return seen


def run(
    context: RunContext,
    request: _Document,
    found: _Document,
    asked: _Document,
    result: _Document,
    *,
    undo: Callable[[SluicewayError], _Document],
    half_done: Callable[[SluicewayError], SluicewayError],
) -> _Document | None:
    """Test, switch, soak, settle or go back. ``None``: the digest had the traffic already.

    Args:
        context: The run.
        request: What was asked for.
        found: What the look-up returned.
        asked: Who asks, and the signed request.
        result: The outcome so far, with ``deployment``.
        undo: Ends the run where nothing but the tag was changed: puts that back.
        half_done: What to say when the way back failed.
    """
    bench, target = context.bench, request["target"]
    environment, image = bench.config.environment(target), Image(**found["image"])
    try:
        planned = blue_green.plan(
            blue_green.read_traffic(result["deployment"]["traffic"]),
            image.digest,
            changed=result["deployment"]["changed"],
        )
        if planned is None:
            result["changed"] = False
            return None
        smoke = context.step(
            "blue-green.test",
            lambda: blue_green.tested(context, request, found, asked, planned.slot),
        )
        result["slot"] = {"name": planned.slot, "before": planned.back_to, **smoke}
        back = context.step(
            "blue-green.way-back",
            lambda: blue_green.way_back(bench, request, found, asked, planned.serves),
        )
        problem = smoke["problem"] or (
            f"there would be no way back to {planned.serves[:19]}: {back['problem']}"
            if back["problem"]
            else ""
        )
        if problem:
            raise Refused(
                f"{planned.slot} of {target} gets no traffic: {problem}",
                means=f"It was tested where no client reaches it. {target} serves what it served, "
                "and its tag is put back.",
                remedy=f"See why: invoke history --run={request['run']} --json",
                code="blue-green.refused",
            )
        context.step(
            "blue-green.tell",
            lambda: promote.notify(
                bench,
                "blue-green.started",
                request,
                digest=image.digest,
                previous=planned.serves,
                summary=f"{target} switches to {planned.slot}, watched for "
                f"{request['limits']['duration_seconds']:g} s",
                actor=asked["actor"]["name"],
            ),
        )
    except SluicewayError as error:
        ended = undo(error)
        left = context.step(
            "blue-green.drain", lambda: blue_green.tidy(context, environment), shielded=True
        )
        if ended["exit_code"] == ExitCode.NEEDS_PERSON:
            return ended
        traffic = left["traffic"] or result["deployment"]["traffic"]
        return {
            **ended,
            "changed": False,
            "deployment": {**result["deployment"], "traffic": traffic},
        }
    return _soaked(context, request, found, result, planned, asked, half_done)


def _soaked(
    context: RunContext,
    request: _Document,
    found: _Document,
    result: _Document,
    planned: Plan,
    asked: _Document,
    half_done: Callable[[SluicewayError], SluicewayError],
) -> _Document:
    bench, target, actor = context.bench, request["target"], asked["actor"]["name"]
    environment = bench.config.environment(target)
    stopped: SluicewayError | None = None
    try:
        image = Image(**found["image"])
        seen = soak.Soak(context, request, planned, image, asked).watch()
    except SluicewayError as error:
        stopped = error
        seen = {
            "outcome": "error",
            "code": error.code,
            "codes": [error.code],
            "status": "error",
            "reason": error.what,
            "watch": {},
        }
    report = {
        "environment": f"{target}, soak of {planned.slot}",
        "slot": planned.slot,
        "before": planned.back_to,
        "verdict": seen["outcome"],
        "code": seen["code"],
        "codes": seen["codes"],
        "status": seen["status"],
        "reason": seen["reason"],
        "watch": seen["watch"],
        "requests": canary.requests_of(seen),
        "limits": request["limits"],
        "checks": seen.get("number", 0),
        "weight": seen.get("weight", 0.0),
        "rule": request["limits"]["rule"],
        **{key: seen[key] for key in _KEPT if key in seen},
    }
    result["soak"] = report
    if seen["outcome"] == "pass":
        return _passed(context, request, found, result, planned, actor, half_done)
    try:
        back = context.step(
            "blue-green.back",
            lambda: blue_green.switch_back(context, environment, planned),
            shielded=True,
        )
        context.step(
            "blue-green.restore-tag",
            lambda: canary.restore_tag(bench, target, found["goes_back_to"]),
            shielded=True,
        )
    except SluicewayError as error:
        return outcome.failed(result | {"changed": None}, half_done(error))
    report["rollback_seconds"] = back["seconds"]
    sla = _kept(seen.get("detected_at", back["served_at"]), back["served_at"])
    report["sla"] = sla
    _write(context, request, "soak", found["image"]["digest"], actor, report)
    context.step("blue-green.drain", lambda: blue_green.tidy(context, environment), shielded=True)
    body = {
        "previous": found["image"]["digest"],
        "reason": seen["reason"],
        "by": "soak",
        "sla": sla,
    }
    _write(context, request, "rolled-back", found["goes_back_to"], actor, body)
    context.step(
        "blue-green.tell-end",
        lambda: promote.notify(
            bench,
            "rolled-back",
            request,
            digest=found["goes_back_to"],
            previous=found["image"]["digest"],
            summary=f"{target} switched back to {planned.back_to or 'nobody'}: {seen['reason']}",
            actor=actor,
            reason=seen["reason"],
            facts=report,
        ),
        shielded=True,
    )
    result |= {"deployment": {**result["deployment"], "traffic": back["traffic"]}}
    if stopped is not None and stopped.exit_code is ExitCode.INTERRUPTED:
        return outcome.failed(result, stopped, changed=False)
    return {
        **result,
        "outcome": outcome.ROLLED_BACK,
        "exit_code": int(ExitCode.ROLLED_BACK),
        "changed": False,
        "serves": canary.serving(back["traffic"]),
    }


def _passed(
    context: RunContext,
    request: _Document,
    found: _Document,
    result: _Document,
    planned: Plan,
    actor: str,
    half_done: Callable[[SluicewayError], SluicewayError],
) -> _Document:
    bench, target = context.bench, request["target"]
    environment, image = bench.config.environment(target), Image(**found["image"])
    try:
        traffic = context.step(
            "blue-green.settle",
            lambda: blue_green.settle(context, environment, planned.slot),
            shielded=True,
        )
    except SluicewayError as error:
        return outcome.failed(result | {"changed": None}, half_done(error))
    _write(context, request, "soak", image.digest, actor, result["soak"])
    body = {"previous": found["target_holds"], "traffic": traffic, "slot": planned.slot}
    done = _write(context, request, "deployed", image.digest, actor, body)
    context.step(
        "blue-green.tell-end",
        lambda: promote.notify(
            bench,
            "promoted",
            request,
            digest=image.digest,
            previous=planned.serves,
            summary=f"{target} serves {image.digest[:19]} from {planned.slot}: "
            f"{result['soak']['reason']}",
            actor=actor,
            facts=result["soak"],
        ),
        shielded=True,
    )
    return {
        **result,
        "deployment": {**result["deployment"], "traffic": traffic},
        "at": done["at"],
        "outcome": outcome.DONE,
        "exit_code": int(ExitCode.DONE),
    }


def _write(
    context: RunContext, request: _Document, kind: str, digest: str, actor: str, body: _Document
) -> _Document:
    written: _Document = context.step(
        f"blue-green.write-{kind}",
        lambda: promote.write_down(
            context.bench, kind, request, digest=digest, actor=actor, body=body
        ),
        shielded=True,
    )
    return written


def _kept(since: str, served: str) -> _Document:
    """Return how the promise was kept, counted from the first look of what went wrong."""
    seconds = max((parse_time(served) - parse_time(since)).total_seconds(), 0.0)
    return {
        "kind": "automatic",
        "since": since,
        "served_at": served,
        "seconds": round(seconds, 3),
        "limit_seconds": AUTOMATIC_SECONDS,
        "kept": seconds < AUTOMATIC_SECONDS,
    }
