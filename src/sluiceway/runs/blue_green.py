"""Blue and green: test the idle slot, switch everything at once, watch, settle or switch back.

The image was judged, tagged and deployed like any other. What follows is here, in order: the slot
is tested where no client reaches it and the gate decides once more with what came of it; the way
back is asked for; the switch, leased; the soak. A bad soak switches back before anything else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluiceway import events, gates
from sluiceway.errors import ActionFailed, PluginError
from sluiceway.gates import decide
from sluiceway.model import (
    Actor,
    Deployment,
    Environment,
    Image,
    Slot,
    Status,
    Traffic,
    parse_time,
    rfc3339,
    to_json,
)
from sluiceway.record import Record
from sluiceway.runs import history, migrating, promote
from sluiceway.runs.context import RunContext
from sluiceway.runs.deciding import keep_decision, verified_again
from sluiceway.workbench import Workbench

__all__ = [
    "Plan",
    "plan",
    "preflight",
    "read_traffic",
    "serve",
    "settle",
    "switch",
    "switch_back",
    "tested",
    "tidy",
    "way_back",
]

_CANARY = "canary"
_SMOKE = ("smoke", "contract")
_NO_WAY_BACK = "rollback.contract"
_ALL = 100.0


class Plan(Record):
    """Which slot gets the traffic, and which one had it."""

    slot: str
    back_to: str
    """The slot to switch back to; empty when nobody served before."""
    serves: str
    """The digest in it."""


# --- before anything is changed -------------------------------------------------------------------


def preflight(bench: Workbench, target: str) -> dict[str, Any]:
    """See that the deployer can switch and could deploy, and who serves now. Changes nothing.

    Returns ``{"live", "serves"}``: the slot that has the traffic and its digest, or empty.

    Raises:
        PluginError: ``blue-green.no-switch``.
        ActionFailed: The deployer cannot be asked, or could not deploy: a port is taken.
    """
    environment = bench.config.environment(target)
    if not bench.plugins.serving("sluiceway_switch"):
        chosen = ", ".join(bench.config.stages["deploy"]) or "no plugin"
        raise PluginError(
            f"{target} is deployed by {chosen}, which cannot switch between two slots",
            means="It does not implement the hook sluiceway_switch. Nothing was changed.",
            remedy=f'Choose another deployer under [stages], or strategy = "replace" in '
            f"[environments.{target}].",
            code="blue-green.no-switch",
        )
    looks = bench.plugins.serving("sluiceway_preflight")
    hook = "sluiceway_preflight" if looks else "sluiceway_traffic"
    traffic: Traffic = bench.plugins.one(hook, environment=environment)
    live = traffic.serving(environment.strategy)
    return {"live": live.name if live else "", "serves": live.digest if live else ""}


# --- after the deployment, before the switch ------------------------------------------------------


def plan(traffic: Traffic, digest: str, *, changed: bool) -> Plan | None:
    """Return what to switch, from what was read back after *digest* was deployed; pure.

    ``None``: it has the traffic already, so there is nothing to switch.

    Args:
        traffic: The route, with its slots.
        digest: What shall serve.
        changed: Something was deployed, so it is not the one that serves already.

    Raises:
        ActionFailed: ``blue-green.not-deployed``: it is in no slot that could be switched to.
    """
    slots = [slot for slot in traffic.slots if slot.name != _CANARY]
    live = next((slot for slot in slots if slot.weight > 0), None)
    idle = next(
        (slot for slot in slots if slot is not live and slot.digest == digest and slot.alive), None
    )
    if live is not None and live.digest == digest and not (changed and idle is not None):
        return None
    if idle is None:
        raise ActionFailed(
            f"{digest[:19]} is in no slot of {traffic.route} after it was deployed there",
            means="What the deployer did and what it reads back differ. The traffic was not touched.",
            remedy="See `invoke status`, and the deployer's own log.",
            code="blue-green.not-deployed",
        )
    return Plan(
        slot=idle.name,
        back_to=live.name if live is not None else "",
        serves=live.digest if live is not None else "",
    )


def tested(
    context: RunContext,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    asked: Mapping[str, Any],
    slot: str,
) -> dict[str, Any]:
    """Gather the evidence anew, tests made in *slot* itself, and have the gate decide by it.

    Returns ``{"decision", "evidence": {kind: {"status", "summary"}}, "problem"}``; *problem* is empty
    when the slot may get the traffic.
    """
    bench, target = context.bench, str(request["target"])
    image, environment = Image(**found["image"]), bench.config.environment(target)
    again = verified_again(bench, request, found, asked) if context.taken_over else dict(asked)
    now = promote.renewed(bench, request, found)
    traffic: Traffic = bench.plugins.one("sluiceway_traffic", environment=environment)
    idle, live = traffic.slot(slot), traffic.live
    evidence = gates.collect(
        bench,
        image,
        str(request["source"]),
        target,
        slot=idle or _nowhere(slot, image.digest),
        live_url=live.url if live is not None else "",
    )
    judged = decide.promotion(
        bench,
        decide.Promotion(
            image=image,
            source=str(request["source"]),
            target=target,
            source_holds=now["source_holds"],
            source_since=history.held_since(
                bench.ledger, bench.config.service, str(request["source"]), image.digest
            ),
            target_holds=found["target_holds"],
            actor=Actor(**again["actor"]),
            evidence=evidence,
            run=str(request["run"]),
            now=datetime.now(UTC),
        ),
    )
    decision = keep_decision(
        bench,
        request,
        image.digest,
        again,
        judged,
        attempt=context.lease.token,
        of="slot-decision",
    )
    problems = [] if decision["allow"] else [f"the gate refuses: {promote.codes(decision)}"]
    made = [each for kind, each in evidence.items() if kind in _SMOKE]
    problems += [each.summary for each in made if each.status is not Status.OK]
    if not any(each.kind == "smoke" for each in made):
        problems.append("no smoke test was made: nothing is configured in [plugins.gate-smoke]")
    return {
        "decision": decision,
        "evidence": {
            each.kind: {"status": each.status.value, "summary": each.summary} for each in made
        },
        "problem": "; ".join(problems),
    }


def way_back(
    bench: Workbench,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    asked: Mapping[str, Any],
    serves: str,
) -> dict[str, Any]:
    """Ask the gate ``rollback`` whether what serves now could serve again after the migrations.

    Returns ``{"decision", "problem"}``; no decision where there is no database, or nobody serves.
    """
    target = str(request["target"])
    if bench.config.migrations is None or not serves:
        return {"decision": None, "problem": ""}
    image = bench.image(serves, target)
    if image is None:
        return {"decision": None, "problem": f"the registry no longer holds {serves[:19]}"}
    digest = str(found["image"]["digest"])
    judged = decide.rollback(
        bench,
        image=image,
        environment=target,
        current=digest,
        actor=Actor(**asked["actor"]),
        evidence={"signature": gates.signature_evidence(bench, image)},
        deployed_before=True,
        migrations=migrating.since(bench, image, target, digest),
        run=str(request["run"]),
        now=datetime.now(UTC),
    )
    decision = keep_decision(bench, request, serves, asked, judged, of="way-back-decision")
    closed = [
        item["message"]
        for item in decision["findings"]
        if item["code"] == _NO_WAY_BACK and item["level"] == "deny" and not item["waived"]
    ]
    return {"decision": decision, "problem": "; ".join(closed)}


def _nowhere(slot: str, digest: str) -> Slot:
    """Return a slot that cannot be asked anything: every test of it is an error."""
    return Slot(name=slot, digest=digest, weight=0.0, alive=False, healthy=False, url="")


# --- the switch ------------------------------------------------------------------------------------


def switch(context: RunContext, environment: Environment, slot: str, *, settled: bool) -> Traffic:
    """Switch to *slot*, and believe only what is read back."""
    traffic: Traffic = context.bench.plugins.one(
        "sluiceway_switch", environment=environment, slot=slot, settled=settled, fence=context.fence
    )
    live = traffic.live
    if live is None or live.name != slot or live.weight < _ALL:
        has = f"{live.name} has {live.weight:g} %" if live is not None else "nobody has any"
        raise ActionFailed(
            f"{environment.route} was switched to {slot}, and {has} of its traffic",
            means="The router did not do what it was told.",
            remedy="Look at `invoke status` and at the router.",
            code="blue-green.not-switched",
        )
    return traffic


# --- how it ends ----------------------------------------------------------------------------------


def settle(context: RunContext, environment: Environment, slot: str) -> dict[str, Any]:
    """Keep the traffic where it is, without a lease; the other slot stays warm."""
    document: dict[str, Any] = to_json(switch(context, environment, slot, settled=True))
    return document


def switch_back(context: RunContext, environment: Environment, planned: Plan) -> dict[str, Any]:
    """Give the traffic back to who had it, first of all; read it back.

    Returns ``{"traffic", "seconds", "served_at"}``: from the call to what was read back, and when
    that was.
    """
    begun = time.monotonic()
    if planned.back_to:
        try:
            traffic = switch(context, environment, planned.back_to, settled=True)
        except ActionFailed as error:
            if error.code == "fence.stale":
                raise
            # It may have ended while it was idle: the deployer takes back what was not settled.
            traffic = _drained(context, environment)
    else:
        traffic = _drained(context, environment)
    seconds = time.monotonic() - begun
    live = traffic.live
    if live is not None and live.name == planned.slot:
        raise ActionFailed(
            f"{planned.slot} still has {live.weight:g} % of {environment.route}'s traffic",
            means="The router did not do what it was told.",
            remedy="Its lease runs out by itself; check the router.",
            code="blue-green.not-switched",
        )
    return {
        "traffic": to_json(traffic),
        "seconds": round(seconds, 3),
        "served_at": rfc3339(datetime.now(UTC)),
    }


def tidy(context: RunContext, environment: Environment) -> dict[str, Any]:
    """Stop what was tried and is not wanted; that it cannot be stopped is said and no more."""
    try:
        return {"traffic": to_json(_drained(context, environment))}
    except ActionFailed as error:
        events.emit("deploy.untidy", environment=environment.name, reason=error.what)
        return {"traffic": None}


def _drained(context: RunContext, environment: Environment) -> Traffic:
    traffic: Traffic = context.bench.plugins.one(
        "sluiceway_drain", environment=environment, fence=context.fence
    )
    return traffic


# --- a rollback by hand ---------------------------------------------------------------------------


def serve(context: RunContext, environment: Environment, image: Image) -> dict[str, Any]:
    """Let *image* serve again: at once when the other slot still runs it, else deployed there first.

    Returns a :class:`~sluiceway.model.Deployment` as JSON, with ``seconds``.
    """
    begun = time.monotonic()
    traffic: Traffic = context.bench.plugins.one("sluiceway_traffic", environment=environment)
    live = traffic.serving(environment.strategy)
    warm = next(
        (
            slot
            for slot in traffic.slots
            if slot.name != _CANARY
            and slot.digest == image.digest
            and slot.alive
            and slot.healthy
            and slot is not live
        ),
        None,
    )
    fits = live is not None and live.digest == image.digest and live.alive and live.healthy
    if not fits:
        if warm is not None:
            slot = warm.name
        else:
            deployed = promote.desired(
                context.bench, "sluiceway_deploy", image, environment.name, context.fence
            )
            planned = plan(
                read_traffic(deployed["traffic"]), image.digest, changed=deployed["changed"]
            )
            slot = planned.slot if planned is not None else ""
        if slot:
            traffic = switch(context, environment, slot, settled=True)
    document: dict[str, Any] = to_json(
        Deployment(
            environment=environment.name,
            digest=image.digest,
            previous=live.digest if live is not None else "",
            changed=not fits,
            traffic=traffic,
        )
    )
    return document | {"seconds": round(time.monotonic() - begun, 3)}


def read_traffic(document: Mapping[str, Any]) -> Traffic:
    """Return the :class:`Traffic` that *document* is the JSON of."""
    slots = tuple(
        Slot(**{**slot, "since": parse_time(slot["since"]) if slot.get("since") else None})
        for slot in document["slots"]
    )
    return Traffic(route=document["route"], url=document["url"], slots=slots)
