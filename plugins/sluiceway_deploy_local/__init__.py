"""Deploys to this machine: processes of the image's entrypoint behind a weighted proxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ActionFailed, SluicewayError, UsageError
from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.model import (
    Check,
    CheckStatus,
    Deployment,
    DeployRequest,
    Environment,
    Fence,
    Observation,
    Project,
    Registry,
    Side,
    Slot,
    Strategy,
    Traffic,
    parse_time,
)

if TYPE_CHECKING:
    from sluiceway_deploy_local.client import Client
    from sluiceway_deploy_local.program import Program

__all__ = ["deploy", "inspect", "roll_back"]

_ANSWER_SECONDS = 15.0
"""For what the supervisor has in its head; what takes long has its own time added."""
_PORT_ATTEMPTS = 3
_SLOTS = {Strategy.REPLACE: "stable", Strategy.CANARY: "canary", Strategy.BLUE_GREEN: "idle"}
"""Where the supervisor puts what is deployed by each strategy."""


@hookimpl
def sluiceway_preflight(project: Project, environment: Environment, settings: Settings) -> Traffic:
    """Read the route back; its port must be its own already, or free."""
    from sluiceway_deploy_local.ports import free
    from sluiceway_deploy_local.settings import place

    port = place(environment).port
    client = _client(project, settings)
    answer = client.ask("read", seconds=_ANSWER_SECONDS, route=environment.route)
    traffic = _traffic(environment.route, answer)
    # A canary joins a route that is open, wherever that is.
    joins = environment.strategy is Strategy.CANARY and bool(traffic.url)
    if port and not joins and not traffic.url.endswith(f":{port}"):
        free(environment.route, port, client.settings.limits)
    return traffic


@hookimpl
def sluiceway_deploy(
    project: Project, request: DeployRequest, registry: Registry, settings: Settings
) -> Deployment:
    """Start the digest; give it everything (replace) or nothing yet (canary, blue-green)."""
    client = _client(project, settings)
    return deploy(client, request, lambda: _program(client, request, registry))


def deploy(client: Client, request: DeployRequest, made: Callable[[], Program]) -> Deployment:
    """Let the supervisor serve what *made* returns; a deployer of containers does so as well."""
    from sluiceway_deploy_local.settings import place

    where = place(request.environment)
    program = made()
    answer = client.ask(
        "deploy",
        start=True,
        seconds=_deadline(request, client),
        slot=_SLOTS[request.environment.strategy],
        port=where.port,
        sticky=where.sticky,
        program=program.to_json(),
        **_about(client, request),
    )
    return _deployment(request, answer)


@hookimpl
def sluiceway_set_weight(
    project: Project, environment: Environment, weight: float, fence: Fence, settings: Settings
) -> Traffic:
    """Lease the weight to the canary; the supervisor takes it back when it is not renewed."""
    from sluiceway_deploy_local.client import fence as fenced

    if not 0 <= weight <= 100:  # noqa: PLR2004 - percent; false for NaN as well
        raise UsageError(
            f"a weight of {weight:g} is not from 0 to 100 percent", code="weight.range"
        )
    _leased(fence)
    client = _client(project, settings)
    answer = client.ask(
        "weigh",
        start=client.left_behind(environment.route),
        seconds=_ANSWER_SECONDS,
        route=environment.route,
        weight=weight,
        lease_seconds=fence.lease_seconds,
        fence=fenced(fence),
    )
    if answer is None and weight > 0:
        raise ActionFailed(
            f"{environment.route} has no canary to give {weight:g} % of its traffic",
            remedy="Deploy one first: `invoke canary`.",
            code="deploy.no-canary",
        )
    return _traffic(environment.route, answer)


@hookimpl
def sluiceway_switch(
    project: Project,
    environment: Environment,
    slot: str,
    settled: bool,  # noqa: FBT001 - hooks are called by name
    fence: Fence,
    settings: Settings,
) -> Traffic:
    """Let the slots change places; the supervisor takes it back when it is not renewed."""
    from sluiceway_deploy_local.client import fence as fenced
    from sluiceway_deploy_local.slots import COLOURS

    if slot not in COLOURS:
        raise UsageError(
            f"{slot!r} is no slot: they are {' and '.join(COLOURS)}", code="deploy.slot"
        )
    _leased(fence)
    client = _client(project, settings)
    answer = client.ask(
        "switch",
        start=client.left_behind(environment.route),
        seconds=_ANSWER_SECONDS,
        route=environment.route,
        slot=slot,
        settled=settled,
        lease_seconds=fence.lease_seconds,
        fence=fenced(fence),
    )
    if answer is None:
        raise ActionFailed(
            f"nothing runs in {environment.route}, so nothing can be switched",
            remedy=f"Deploy there first: `invoke promote --to={environment.name}`.",
            code="deploy.no-slot",
        )
    return _traffic(environment.route, answer)


@hookimpl
def sluiceway_traffic(project: Project, environment: Environment, settings: Settings) -> Traffic:
    """Read the route back; without a supervisor nothing is routed, and none is started."""
    client = _client(project, settings)
    answer = client.ask("read", seconds=_ANSWER_SECONDS, route=environment.route)
    return _traffic(environment.route, answer)


@hookimpl
def sluiceway_observe(
    project: Project,
    environment: Environment,
    health_path: str,
    timeout_seconds: float,
    settings: Settings,
) -> Observation:
    """Read both sides' counters and poll the canary on its own port."""
    import time
    from datetime import UTC, datetime

    client = _client(project, settings)
    answer = client.ask(
        "observe",
        start=client.left_behind(environment.route),
        seconds=_ANSWER_SECONDS + timeout_seconds,
        route=environment.route,
        blue_green=environment.strategy is Strategy.BLUE_GREEN,
        health_path=health_path,
        timeout_seconds=timeout_seconds,
    )
    if answer is None:
        return Observation(
            route=environment.route,
            at=datetime.now(UTC),
            monotonic=time.monotonic(),
            stable=None,
            canary=None,
            canary_alive=False,
            canary_restarts=0,
            health_ok=False,
            health_detail="nothing is deployed",
            weight=0.0,
        )
    shed = answer["shed"]
    detail = answer["detail"]
    if shed:
        detail += f"; its weight returned to 0 at {shed['at']}: {shed['reason']}"
    return Observation(
        route=environment.route,
        at=parse_time(answer["at"]),
        monotonic=answer["monotonic"],
        stable=_side(answer["stable"]),
        canary=_side(answer["canary"]),
        canary_alive=answer["alive"],
        canary_restarts=0,  # a canary that ends is not started again: that is its verdict
        health_ok=answer["healthy"],
        health_detail=detail,
        weight=answer["weight"],
    )


@hookimpl
def sluiceway_drain(
    project: Project, environment: Environment, fence: Fence, settings: Settings
) -> Traffic:
    """Take the canary (or the idle slot) out: its requests answered, its process ended."""
    from sluiceway_deploy_local.client import fence as fenced

    client = _client(project, settings)
    before = client.ask("read", seconds=_ANSWER_SECONDS, route=environment.route)
    seconds = max((slot["drain_seconds"] for slot in (before or {}).get("slots", [])), default=0.0)
    answer = client.ask(
        "drain",
        start=client.left_behind(environment.route),
        seconds=_ANSWER_SECONDS + seconds + 2 * client.settings.stop_seconds,
        route=environment.route,
        blue_green=environment.strategy is Strategy.BLUE_GREEN,
        fence=fenced(fence),
    )
    return _traffic(environment.route, answer)


@hookimpl
def sluiceway_rollback(
    project: Project, request: DeployRequest, registry: Registry, settings: Settings
) -> Deployment:
    """Give the digest everything: at once when it runs, else as soon as it is ready."""
    client = _client(project, settings)
    return roll_back(client, request, lambda: _program(client, request, registry))


def roll_back(client: Client, request: DeployRequest, made: Callable[[], Program]) -> Deployment:
    """Do what :func:`sluiceway_rollback` does; *made* is called only when nothing that runs will do."""
    from sluiceway_deploy_local.settings import place

    where = place(request.environment)
    seconds = _deadline(request, client)
    wanted: dict[str, Any] = {
        "start": True,
        "seconds": seconds,
        "digest": request.image.digest,
        "port": where.port,
        **_about(client, request),
    }
    answer = client.ask("rollback", program=None, **wanted)
    if answer is not None and answer.get("needs_program"):
        # The canary has no weight any more; only now is there time to fetch an image.
        program = made()
        answer = client.ask("rollback", program=program.to_json(), **wanted)
    return _deployment(request, answer)


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check]:
    """Look at the settings, the state folder and the supervisor."""
    name = "deploy-local"
    try:
        client = _client(project, settings)
        answer = client.ask("hello", seconds=1.0)
        left = answer is None and client.left_behind()
    except SluicewayError as error:
        return [Check(name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)]
    if answer is not None:
        routes = ", ".join(answer["routes"]) or "nothing"
        detail = f"the supervisor (process {answer['pid']}) serves {routes}"
    elif left:
        return [
            Check(
                name=name,
                status=CheckStatus.WARN,
                detail="the supervisor was killed; what it ran is not routed until another starts",
                remedy="Its guard starts one. Where that was killed too, deploy, roll back or resume.",
            )
        ]
    else:
        detail = "no supervisor runs; the first deployment starts one"
    return [Check(name=name, status=CheckStatus.OK, detail=detail)]


@hookimpl
def sluiceway_shutdown(project: Project, settings: Settings) -> Sequence[str]:
    """Stop every service of the project on this machine, and the supervisor."""
    client = _client(project, settings)
    return tuple(client.shut_down(_ANSWER_SECONDS + 4 * client.settings.stop_seconds))


def inspect(project: Project, route: str, settings: Settings) -> Mapping[str, Any] | None:
    """Return everything the supervisor knows about *route* as JSON data, or ``None``.

    More than ``Traffic`` holds: logs, restarts, failures by reason, requests that clients broke
    off, and ``shed`` (``{"at", "reason"}``) when a canary's weight returned to 0 by itself.
    """
    answer: Mapping[str, Any] | None = _client(project, settings).ask(
        "read", seconds=_ANSWER_SECONDS, route=route
    )
    return answer


def _leased(fence: Fence) -> None:
    if not 0 < fence.lease_seconds < float("inf"):
        raise UsageError(
            f"a lease of {fence.lease_seconds:g} s is none",
            means="A weight or a switch that is not leased would outlive whoever set it.",
            code="weight.lease",
        )


def _client(project: Project, settings: Settings) -> Client:
    from sluiceway_deploy_local.client import Client
    from sluiceway_deploy_local.settings import read

    return Client(project, read(settings))


def _program(client: Client, request: DeployRequest, registry: Registry) -> Program:
    from sluiceway_deploy_local.images import prepare
    from sluiceway_deploy_local.program import program
    from sluiceway_deploy_local.settings import place

    client.folder.make()
    unpacked = prepare(
        request.image, registry, client.folder.images, limit=client.settings.image_bytes
    )
    return program(
        unpacked,
        place(request.environment).env,
        health_path=request.health_path,
        ready_seconds=request.ready_seconds,
        drain_seconds=request.drain_seconds,
    )


def _about(client: Client, request: DeployRequest) -> dict[str, Any]:
    from sluiceway_deploy_local.client import fence

    return {
        "route": request.environment.route,
        "fence": fence(request.fence),
        "settings": client.settings.to_json(),
        "inherited": client.inherited(),
    }


def _deadline(request: DeployRequest, client: Client) -> float:
    # Whoever holds the route may first have to be ready, drained and stopped; then it is our turn.
    once = request.ready_seconds * _PORT_ATTEMPTS + request.drain_seconds
    return _ANSWER_SECONDS + 2 * (once + 2 * client.settings.stop_seconds)


def _deployment(request: DeployRequest, answer: Any) -> Deployment:
    return Deployment(
        environment=request.environment.name,
        digest=request.image.digest,
        previous=answer["previous"],
        changed=answer["changed"],
        traffic=_traffic(request.environment.route, answer["route"]),
    )


def _traffic(route: str, answer: Any) -> Traffic:
    if answer is None:
        return Traffic(route=route, url="", slots=())
    return Traffic(
        route=route,
        url=answer["url"],
        slots=tuple(
            Slot(
                name=slot["name"],
                digest=slot["digest"],
                weight=slot["weight"],
                alive=slot["alive"],
                healthy=slot["healthy"],
                url=slot["url"],
                since=parse_time(slot["since"]),
            )
            for slot in answer["slots"]
        ),
    )


def _side(side: Any) -> Side | None:
    if side is None:
        return None
    return Side(
        digest=side["digest"],
        requests=side["requests"],
        errors=side["errors"],
        latency_ms=side["latency_ms"],
    )
