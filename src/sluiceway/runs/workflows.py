"""The durable workflows: promote and rollback. What happens, in order; each line is one step.

A workflow's code must take the same path for the same recorded steps: no clock, no randomness and
no reading of the world outside a step.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sluiceway.errors import ExitCode, Refused, SluicewayError
from sluiceway.model import Image, Strategy, to_json
from sluiceway.runs import (
    building,
    canary,
    migrating,
    outcome,
    promote,
    release,
    rollback,
    switching,
    verdict,
)
from sluiceway.runs.context import RunContext
from sluiceway.runs.ending import durable

__all__ = ["WORKFLOWS"]


def run_release(context: RunContext, request: dict[str, Any]) -> dict[str, Any]:
    """Build once, sign, say where it is from, inventory, scan; then let ``build`` name it."""
    bench = context.bench
    result: dict[str, Any] = {
        "run": request["run"],
        "service": request["service"],
        "changed": False,
    }
    try:
        # Whoever cannot be identified finds out before the work, not after it.
        context.step("identify", lambda: release.identified_json(bench))
        force = bool(request.get("force"))
        built = context.step(
            "build",
            lambda: (
                building.built_once_json(bench, force=force)
                | {"migrations": bench.config.migrations is not None}
            ),
        )
        result |= {key: built[key] for key in ("image", "reproducible", "reused")}
        result["revision"] = built["parameters"]["revision"]
        image = Image(**built["image"])
        # Read by digest: the same bytes whenever it is read, so it need not be a step.
        _, manifest = release.open_image(bench, image.digest)
        context.step("sign", lambda: release.signed_json(bench, image, manifest))
        reused = bool(built["reused"])
        if not reused or built.get("restated"):
            context.step(
                "provenance",
                lambda: building.provenance_json(bench, image, manifest, built, request["run"]),
            )
        if built.get("migrations"):
            result["migrations"] = context.step(
                "migrations", lambda: migrating.attest(bench, image, manifest, built)
            )
        sbom = context.step(
            "sbom", lambda: release.inventory_json(bench, image, manifest, reused=reused)
        )
        scans = context.step("scan", lambda: release.scans_json(bench, image, manifest))
        context.step(
            "complete", lambda: release.complete(bench, image, manifest, built, request["run"])
        )
    except SluicewayError as error:
        return outcome.failed(result, error)
    return {
        **result,
        "outcome": outcome.DONE,
        "exit_code": int(ExitCode.DONE),
        "changed": True,
        "image_digest": image.digest,
        "image_tag": building.own_tag(image.digest),
        "sbom_path": str(release.sbom_path(bench, image.digest)),
        "packages": sbom["packages"],
        "scans": scans,
    }


def run_promote(context: RunContext, request: dict[str, Any]) -> dict[str, Any]:
    """Verify → evidence → decide → re-tag → read back → deploy → watch → ledger."""
    bench = context.bench
    target = request["target"]
    result: dict[str, Any] = {
        "run": request["run"],
        "service": request["service"],
        "source": request["source"],
        "target": target,
        "image": None,
        "decision": None,
        "changed": False,
    }
    try:
        found = context.step(
            "look-up",
            lambda: promote.look_up(bench, request["source"], target, request["digest"]),
        )
        result["image"] = found["image"]
        asked = context.step("ask", lambda: promote.ask(bench, request, found))
        decision = context.step("judge", lambda: promote.judge(bench, request, found, asked))
        # Whether there is a database was looked up with the rest, so that a run which is taken over
        # goes the way that it began.
        migrations = (
            context.step("judge-migrations", lambda: migrating.judge(bench, request, found, asked))
            if found.get("migrations")
            else None
        )
    except SluicewayError as error:
        return outcome.failed(result, error)
    image, actor = Image(**found["image"]), asked["actor"]["name"]
    result |= {"decision": decision, "actor": asked["actor"], "previous": found["target_holds"]}
    if migrations is not None:
        result["migrations"] = migrations
    if not (decision["allow"] and migrating.allowed(migrations)):
        summary = f"{request['source']} → {target} refused: {_denied(decision, migrations)}"
        context.step(
            "tell",
            lambda: promote.notify(
                bench, "refused", request, digest=image.digest, summary=summary, actor=actor
            ),
            shielded=True,
        )
        return outcome.failed(result, Refused(summary, means="Nothing was changed."))
    strategy = bench.config.environment(target).strategy
    try:
        if strategy is Strategy.BLUE_GREEN:
            switching.preflight(context, target)
        elif found.get("preflight"):
            context.step("preflight", lambda: promote.preflight(bench, target))
        context.step("carry", lambda: promote.carry(bench, request, found))
        moved = context.step(
            "re-tag", lambda: promote.retag(context, request, found, asked, decision, migrations)
        )
        result |= moved
        judged = moved.get("migrations")
        if not (moved["decision"]["allow"] and migrating.allowed(judged)):
            raise Refused(
                f"{request['source']} → {target} is refused now: "
                f"{_denied(moved['decision'], judged)}",
                means="It was allowed when the run began. Nothing was changed.",
            )
        if judged is not None:
            context.step(
                "note-migrations", lambda: migrating.note(bench, request, image, actor, judged)
            )
        deployment = context.step(
            "deploy",
            lambda: promote.deploy(context, request, found, asked, moved["decision"], judged),
        )
    except SluicewayError as error:
        return _undo_tag(context, request, found, result, error)
    result |= {
        "image": to_json(promote.at_target(bench, request, found)),
        "deployment": deployment,
        "changed": True,
    }
    if strategy is Strategy.CANARY:
        return verdict.run_canary(context, request, found, asked, result)
    if strategy is Strategy.BLUE_GREEN:
        ended = switching.run(
            context,
            request,
            found,
            asked,
            result,
            undo=partial(_undo_tag, context, request, found, result),
            half_done=partial(outcome.half_done, target, found["goes_back_to"]),
        )
        if ended is not None:
            return ended
    done = context.step(
        "write-down",
        lambda: promote.write_down(
            bench,
            "deployed",
            request,
            digest=image.digest,
            actor=actor,
            body={"previous": found["target_holds"], "deployment": deployment},
        ),
        shielded=True,
    )
    context.step(
        "tell",
        lambda: promote.notify(
            bench,
            "promoted",
            request,
            digest=image.digest,
            previous=promote.previous(found, image),
            summary=f"{target} serves {image.digest[:19]}",
            actor=actor,
        ),
        shielded=True,
    )
    return {**result, "at": done["at"], "outcome": outcome.DONE, "exit_code": int(ExitCode.DONE)}


def run_rollback(context: RunContext, request: dict[str, Any]) -> dict[str, Any]:
    """Signature → decide → traffic first → tag → ledger."""
    bench = context.bench
    target = request["target"]
    result: dict[str, Any] = {
        "run": request["run"],
        "service": request["service"],
        "environment": target,
        "image": None,
        "decision": None,
        "changed": False,
    }
    try:
        found = context.step("look-up", lambda: rollback.look_up(bench, target, request["digest"]))
        result |= {"image": found["image"], "previous": found["current"]}
        asked = context.step("ask", lambda: rollback.ask(bench, request, found))
        decision = context.step("judge", lambda: rollback.judge(bench, request, found, asked))
        result |= {"decision": decision, "actor": asked["actor"]}
        if not decision["allow"]:
            raise Refused(
                f"the rollback of {target} is refused: {promote.codes(decision)}",
                means="Nothing changed.",
            )
        served = context.step("serve", lambda: rollback.serve(context, request, found))
    except SluicewayError as error:
        return outcome.failed(result, error)
    image, actor = Image(**found["image"]), asked["actor"]["name"]
    result |= {"deployment": served["deployment"], "sla": served["sla"], "changed": True}
    try:
        context.step(
            "restore-tag",
            lambda: canary.restore_tag(bench, target, image.digest),
            shielded=True,
        )
    except SluicewayError as error:
        return outcome.failed(
            result | {"changed": None}, outcome.half_done(target, image.digest, error)
        )
    done = context.step(
        "write-down",
        lambda: promote.write_down(
            bench,
            "rolled-back",
            request,
            digest=image.digest,
            actor=actor,
            body={
                "previous": found["current"],
                "reason": request["reason"],
                "by": "hand",
                "sla": served["sla"],
            },
        ),
        shielded=True,
    )
    context.step(
        "tell",
        lambda: promote.notify(
            bench,
            "rolled-back",
            request,
            digest=image.digest,
            previous=found["current"],
            summary=f"{target} serves {image.digest[:19]} again",
            actor=actor,
            reason=request["reason"],
            facts={"sla": served["sla"]},
        ),
        shielded=True,
    )
    return {**result, "at": done["at"], "outcome": outcome.DONE, "exit_code": int(ExitCode.DONE)}


def _undo_tag(
    context: RunContext,
    request: dict[str, Any],
    found: dict[str, Any],
    result: dict[str, Any],
    error: SluicewayError,
) -> dict[str, Any]:
    """Put the tag back where it was: the deployment did not happen."""
    bench, target = context.bench, request["target"]
    try:
        context.step("undo-tag", lambda: _tag_undone(context, request, found), shielded=True)
    except SluicewayError as second:
        return outcome.failed(
            result | {"changed": None}, outcome.half_done(target, found["target_holds"], second)
        )
    context.step(
        "tell",
        lambda: promote.notify(
            bench,
            "failed",
            request,
            digest=found["image"]["digest"],
            summary=f"{target} was not changed: {error.what}",
            reason=error.what,
        ),
        shielded=True,
    )
    return outcome.failed(result, error)


def _tag_undone(
    context: RunContext, request: dict[str, Any], found: dict[str, Any]
) -> dict[str, Any]:
    """Restore the tag when it moved; a registry that cannot delete tags need not be asked to."""
    bench, target = context.bench, request["target"]
    if bench.held(target) == found["target_holds"]:
        return {"digest": found["target_holds"]}
    return canary.restore_tag(bench, target, found["target_holds"])


def _denied(decision: dict[str, Any], migrations: dict[str, Any] | None) -> str:
    """Return the codes that deny, of the promotion and of its migrations."""
    both = [
        promote.codes(decision),
        promote.codes(migrations["decision"]) if migrations is not None else "",
    ]
    return ", ".join(each for each in both if each)


WORKFLOWS = {
    name: durable(name, body)
    for name, body in (
        ("release", run_release),
        ("promote", run_promote),
        ("rollback", run_rollback),
    )
}
