"""A promotion, part by part. The order is the guarantee: evidence, decision, tag, deployment.

Every function here is one step of the workflow: small, repeatable, read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sluiceway import events, gates, oci
from sluiceway.config import BUILD, Summary
from sluiceway.errors import ActionFailed, Refused, SluicewayError, UsageError
from sluiceway.gates import decide, statements
from sluiceway.model import (
    Actor,
    CanaryLimits,
    Deployment,
    DeployRequest,
    Fence,
    Image,
    Notice,
    Status,
    Strategy,
    Traffic,
    check_digest,
    rfc3339,
    to_json,
)
from sluiceway.runs import building, history, migrating, release, telling
from sluiceway.runs.context import RunContext
from sluiceway.runs.deciding import holds, keep_decision, verified_again
from sluiceway.workbench import Workbench

__all__ = [
    "ask",
    "at_target",
    "carry",
    "codes",
    "deploy",
    "desired",
    "judge",
    "limits_of",
    "look_up",
    "notify",
    "preflight",
    "previous",
    "retag",
    "signed_request",
    "summarise",
    "write_down",
]


def look_up(bench: Workbench, source: str, target: str, digest: str) -> dict[str, Any]:
    """Look the source's tag up, once; from here on only the digest counts.

    Returns ``{"image", "source_tag", "source_holds", "target_holds", "goes_back_to", "migrations",
    "preflight"}``.
    *goes_back_to* is what the target should hold when this digest is taken back, also when it is
    there already; *migrations* says whether the service has a database, *preflight* whether the
    deployer can look ahead (looked up here, so that a run which is taken over goes the way that it
    began). When the source holds
    nothing, or another digest than asked for, the image is still named, so that the gate can
    refuse with every reason there is.
    """
    registry = bench.registry_of(source)
    tag = source
    if digest and source == BUILD:
        tag = building.own_tag(check_digest(digest))
    found = registry.resolve(tag)
    holds = found.digest if found is not None else ""
    manifest = found
    if digest and holds != check_digest(digest):
        manifest = registry.manifest(digest)
    elif manifest is None:
        registry = bench.registry
        manifest = registry.resolve(BUILD)
    if manifest is None:
        raise UsageError(
            f"{registry.repository} holds no {digest}"
            if digest
            else f"{source} holds nothing yet, and nothing was ever released",
            means="Only an image that was built and pushed can be promoted.",
            remedy="Run `invoke release` first." if not digest else "Copy it from `invoke status`.",
            code="image.unknown",
        )
    held = bench.held(target)
    return {
        "image": to_json(
            Image(
                repository=registry.repository,
                digest=manifest.digest,
                media_type=manifest.media_type,
            )
        ),
        "source_tag": tag,
        "source_holds": holds,
        "target_holds": held,
        "goes_back_to": held
        if held != manifest.digest
        else history.previous(bench.ledger, bench.config.service, target),
        "migrations": bench.config.migrations is not None,
        "preflight": bool(bench.plugins.serving("sluiceway_preflight")),
    }


def ask(bench: Workbench, request: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Have the acting person sign the request for this very digest."""
    way = {"source": request["source"], "target": request["target"]}
    return signed_request(bench, request, found["image"]["digest"], way)


def signed_request(
    bench: Workbench, request: Mapping[str, Any], digest: str, way: Mapping[str, str]
) -> dict[str, Any]:
    """Return ``{"actor", "request", "signature"}``: who asks for *way*, signed and verified."""
    document = statements.statement(
        statements.REQUEST,
        service=bench.config.service,
        digest=digest,
        predicate={**way, "run": request["run"], "at": rfc3339(datetime.now(UTC))},
    )
    actor, signature = statements.signed(bench, document)
    return {"actor": to_json(actor), "request": document, "signature": signature}


def judge(
    bench: Workbench,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    asked: Mapping[str, Any],
    *,
    attempt: int = 0,
) -> dict[str, Any]:
    """Gather the evidence and have the gate decide; the input is kept with the decision."""
    image = Image(**found["image"])
    evidence = gates.collect(bench, image, request["source"], request["target"])
    wanted = decide.Promotion(
        image=image,
        source=request["source"],
        target=request["target"],
        source_holds=found["source_holds"],
        source_since=history.held_since(
            bench.ledger, bench.config.service, request["source"], image.digest
        ),
        target_holds=found["target_holds"],
        actor=Actor(**asked["actor"]),
        evidence=evidence,
        run=request["run"],
        now=datetime.now(UTC),
    )
    judged = decide.promotion(bench, wanted)
    return keep_decision(bench, request, image.digest, asked, judged, attempt=attempt)


def preflight(bench: Workbench, target: str) -> dict[str, Any]:
    """See that the deployer could deploy to *target*, before a tag says that it did.

    Returns ``{"serves"}``: the digest that has the traffic now, or ``""``.

    Raises:
        ActionFailed: It could not: its port is another program's, its engine does not answer.
    """
    environment = bench.config.environment(target)
    traffic: Traffic = bench.plugins.one("sluiceway_preflight", environment=environment)
    live = traffic.serving(environment.strategy)
    return {"serves": live.digest if live is not None else ""}


def carry(bench: Workbench, request: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the image to the target's repository, with all that was said about it; tag nothing new.

    Returns ``{"carried"}``: False when source and target share a repository. Else the signature is
    verified once more, there: what production pulls must be verifiable where it pulls it.

    Raises:
        ActionFailed: ``promotion.not-carried``, or the registries' own.
    """
    image = Image(**found["image"])
    target = bench.registry_of(request["target"])
    if target.repository == image.repository:
        return {"carried": False}
    carried = oci.carry_image(bench.registry_at(image.repository), target, image.digest)
    # A tag of its own keeps it from being swept up when the environment moves on.
    target.put_manifest(building.own_tag(image.digest), carried.manifest)
    evidence = gates.signature_evidence(bench, at_target(bench, request, found))
    if evidence.status is not Status.OK:
        raise ActionFailed(
            f"{image.digest} does not verify in {target.repository}: {evidence.summary}",
            means=f"It verified in {image.repository}. The image was brought over, and "
            f"{request['target']} was not changed.",
            remedy="; ".join(carried.left)
            or f"Compare the signatures in both with the sign plugin's own tool, then run "
            f"`invoke promote --to={request['target']}` again.",
            code="promotion.not-carried",
        )
    return {
        "carried": True,
        "mounted": carried.mounted,
        "copied": carried.copied,
        "bytes": carried.size,
        "left": list(carried.left),
    }


def at_target(bench: Workbench, request: Mapping[str, Any], found: Mapping[str, Any]) -> Image:
    """Return the image as the target's environment knows it: in its own repository."""
    image = Image(**found["image"])
    return replace(image, repository=bench.registry_of(request["target"]).repository)


def previous(found: Mapping[str, Any], image: Image) -> str:
    """Return what the target held before, when that was something else."""
    holds = str(found["target_holds"])
    return "" if holds == image.digest else holds


def retag(
    context: RunContext,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    asked: Mapping[str, Any],
    decision: Mapping[str, Any],
    migrations: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Move the target's tag to the digest, unless the source moved meanwhile.

    A decision holds for as long as the lease does. After that, or when somebody else began the
    run, the request's signature is verified and the gate is asked again: approvals, scans, roles
    and policies may have changed while nobody carried the run.

    Returns ``{"decision", "verification_summary"}`` as they hold now, and ``"migrations"`` where they
    were judged; nothing was moved when one of the decisions does not allow.
    """
    bench = context.bench
    decision = still(context, request, found, asked, decision)
    judged = migrating.still(context, request, found, asked, migrations)
    more = {} if judged is None else {"migrations": judged}
    if not (decision["allow"] and migrating.allowed(judged)):
        return {"decision": decision, "verification_summary": None, **more}
    summary = summarise(bench, request, found, decision)
    context.confirm()
    oci.promote_tag(
        bench.registry_of(request["source"]),
        found["source_tag"],
        found["image"]["digest"],
        request["target"],
        target=bench.registry_of(request["target"]),
        previous=found["target_holds"],
    )
    return {"decision": dict(decision), "verification_summary": summary, **more}


def summarise(
    bench: Workbench,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    decision: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Attest why the gate allowed this digest, before it goes anywhere; once for one decision.

    Returns ``{"digest", "problem"}`` of the attestation, or ``None`` where none is wanted.

    Raises:
        SluicewayError: It could not be signed or stored, and the project requires it.
    """
    mode = bench.config.summary
    if mode is Summary.OFF:
        return None
    entry = next(
        each
        for each in bench.ledger.entries(kinds=("decision",), run=request["run"], newest_first=True)
        if each.body["decision"]["gate"] == "promotion"
    )
    # Beside the image where it is going to stand: whoever pulls it from there finds it there.
    image, manifest = release.open_image(
        bench,
        found["image"]["digest"],
        repository=bench.config.repository_of(request["target"]),
    )
    predicate = gates.verification_summary(entry.body["input"], decision, image.repository)
    try:
        attestation = release.attest(bench, image, manifest, gates.VERIFICATION_SUMMARY, predicate)
    except SluicewayError as error:
        if mode is Summary.REQUIRED:
            raise
        events.emit("summary.missing", target=request["target"], reason=error.what)
        return {"digest": "", "problem": error.what}
    return {"digest": attestation.digest, "problem": ""}


def still(
    context: RunContext,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    asked: Mapping[str, Any],
    decision: Mapping[str, Any],
) -> dict[str, Any]:
    """Return *decision*, or what the gate says now when it is old or somebody else's."""
    bench = context.bench
    if holds(context, decision):
        return dict(decision)
    again = verified_again(bench, request, found, asked)
    now = renewed(bench, request, found)
    return judge(bench, request, now, again, attempt=context.lease.token)


def renewed(
    bench: Workbench, request: Mapping[str, Any], found: Mapping[str, Any]
) -> dict[str, Any]:
    """Return *found* with what the source holds now."""
    holds = bench.registry_of(request["source"]).resolve(found["source_tag"])
    return {**found, "source_holds": holds.digest if holds is not None else ""}


def deploy(
    context: RunContext,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    asked: Mapping[str, Any],
    decision: Mapping[str, Any],
    migrations: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Deploy with the environment's strategy and read back what serves.

    Whoever took the run over after its tag moved has the gate asked again as well.
    """
    now, judged = decision, migrations
    if context.taken_over:
        now = still(context, request, found, asked, decision)
        judged = migrating.still(context, request, found, asked, migrations)
    if not (now["allow"] and migrating.allowed(judged)):
        raise Refused(
            f"{request['source']} → {request['target']} is refused now",
            means="It was allowed when the run began; its tag is put back.",
            remedy=f"See why: invoke history --run={request['run']} --json",
        )
    image = at_target(context.bench, request, found)
    return desired(context.bench, "sluiceway_deploy", image, request["target"], context.fence)


def desired(bench: Workbench, hook: str, image: Image, target: str, fence: Fence) -> dict[str, Any]:
    """Have the deployer bring *image* to *target* by *hook*, and believe what is read back.

    A deployer that fails after it has switched (tidying up, writing its state) has still brought
    the digest there: what serves decides, not the error.
    """
    environment = bench.config.environment(target)
    times = bench.config.times[target]
    request = DeployRequest(
        environment=environment,
        image=image,
        fence=fence,
        health_path=bench.config.canary.health_path,
        ready_seconds=times.ready_seconds,
        drain_seconds=times.drain_seconds,
    )
    try:
        deployment: Deployment = bench.plugins.one(
            hook, request=request, registry=bench.registry_of(target)
        )
    except ActionFailed as error:
        traffic: Traffic = bench.plugins.one("sluiceway_traffic", environment=environment)
        slots = [traffic.serving(environment.strategy)]
        if environment.strategy is Strategy.BLUE_GREEN:
            slots = list(traffic.slots)
        if not any(
            slot.digest == image.digest and slot.alive and slot.healthy
            for slot in slots
            if slot is not None
        ):
            raise
        events.emit("deploy.untidy", environment=target, reason=error.what)
        deployment = Deployment(
            environment=target, digest=image.digest, previous="", changed=True, traffic=traffic
        )
    document: dict[str, Any] = to_json(deployment)
    return document


def write_down(
    bench: Workbench,
    kind: str,
    request: Mapping[str, Any],
    *,
    digest: str,
    actor: str,
    body: Mapping[str, Any],
) -> dict[str, Any]:
    """Append *kind* for this run's target, once."""
    entry = bench.ledger.append(
        kind,
        key=f"{request['run']}:{kind}",
        run=request["run"],
        service=bench.config.service,
        environment=request["target"],
        digest=digest,
        actor=actor,
        body=body,
    )
    return {"seq": entry.seq, "at": rfc3339(entry.at)}


def notify(
    bench: Workbench,
    kind: str,
    request: Mapping[str, Any],
    *,
    digest: str,
    summary: str,
    previous: str = "",
    actor: str = "",
    reason: str = "",
    facts: Mapping[str, Any] | None = None,
    patience: float = telling.AT_THE_END,
) -> dict[str, Any]:
    """Tell people; whoever cannot be told in *patience* seconds is reported and stops nothing."""
    notice = Notice(
        kind=kind,
        service=bench.config.service,
        environment=request["target"],
        digest=digest,
        previous=previous,
        run=request["run"],
        actor=actor,
        at=datetime.now(UTC),
        summary=summary,
        reason=reason,
        facts=facts or {},
    )
    return {"failed": telling.tell(bench, notice, patience)}


def codes(decision: Mapping[str, Any]) -> str:
    """Return the codes that deny, each once."""
    denied = [
        item["code"]
        for item in decision["findings"]
        if item["level"] == "deny" and not item["waived"]
    ]
    return ", ".join(dict.fromkeys(denied))


def limits_of(request: Mapping[str, Any]) -> CanaryLimits:
    """Return the watch's numbers as they were when the run began."""
    return CanaryLimits(**request["limits"])
