"""Deploys to a Docker engine: hardened containers behind the local deployer's weighted proxy.

Weights, leases, counters, switches, the state file: all of that is the local deployer's own
supervisor, which is here given programs that keep containers. See ``README.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sluiceway_deploy_local as local
from sluiceway.errors import SluicewayError
from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.model import (
    Check,
    Deployment,
    DeployRequest,
    Environment,
    Fence,
    Observation,
    Project,
    Registry,
    Traffic,
)

if TYPE_CHECKING:
    from sluiceway_deploy_docker.deploying import Deployer

__all__ = ["inspect"]


@hookimpl
def sluiceway_preflight(project: Project, environment: Environment, settings: Settings) -> Traffic:
    """See that the engine answers and that the route's port is its own already, or free."""
    _deployer(project, settings).check()
    return local.sluiceway_preflight(_inside(project), environment, _supervised(settings))


@hookimpl
def sluiceway_deploy(
    project: Project, request: DeployRequest, registry: Registry, settings: Settings
) -> Deployment:
    """Start a container of the digest; give it everything (replace) or nothing yet."""
    deployer = _deployer(project, settings)
    return local.deploy(deployer.client, request, lambda: deployer.program(request, registry))


@hookimpl
def sluiceway_set_weight(
    project: Project, environment: Environment, weight: float, fence: Fence, settings: Settings
) -> Traffic:
    """Lease the weight to the canary; the supervisor takes it back when it is not renewed."""
    return local.sluiceway_set_weight(
        _inside(project), environment, weight, fence, _supervised(settings)
    )


@hookimpl
def sluiceway_switch(
    project: Project,
    environment: Environment,
    slot: str,
    settled: bool,  # noqa: FBT001 - hooks are called by name
    fence: Fence,
    settings: Settings,
) -> Traffic:
    """Let blue and green change places; the supervisor takes it back when it is not renewed."""
    return local.sluiceway_switch(
        _inside(project), environment, slot, settled, fence, _supervised(settings)
    )


@hookimpl
def sluiceway_traffic(project: Project, environment: Environment, settings: Settings) -> Traffic:
    """Read the route back; changes and starts nothing."""
    return local.sluiceway_traffic(_inside(project), environment, _supervised(settings))


@hookimpl
def sluiceway_observe(
    project: Project,
    environment: Environment,
    health_path: str,
    timeout_seconds: float,
    settings: Settings,
) -> Observation:
    """Read both sides' counters and poll the canary's container at its own port."""
    return local.sluiceway_observe(
        _inside(project), environment, health_path, timeout_seconds, _supervised(settings)
    )


@hookimpl
def sluiceway_drain(
    project: Project, environment: Environment, fence: Fence, settings: Settings
) -> Traffic:
    """Take the canary (or the idle slot) out: its requests answered, its container removed."""
    return local.sluiceway_drain(_inside(project), environment, fence, _supervised(settings))


@hookimpl
def sluiceway_rollback(
    project: Project, request: DeployRequest, registry: Registry, settings: Settings
) -> Deployment:
    """Give the digest everything: at once when it runs, else as soon as it is ready."""
    deployer = _deployer(project, settings)
    return local.roll_back(deployer.client, request, lambda: deployer.program(request, registry))


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check]:
    """Look at the settings, the engine and the supervisor."""
    from sluiceway_deploy_docker.deploying import failed
    from sluiceway_deploy_docker.settings import NAME

    try:
        engine = _deployer(project, settings).check()
    except SluicewayError as error:
        return [failed(error)]
    (supervisor,) = local.sluiceway_doctor(_inside(project), _supervised(settings))
    return [
        engine,
        Check(
            name=NAME,
            status=supervisor.status,
            detail=supervisor.detail,
            remedy=supervisor.remedy,
        ),
    ]


@hookimpl
def sluiceway_shutdown(project: Project, settings: Settings) -> Sequence[str]:
    """Stop every container of the project and the supervisor; remove what was left, and networks."""
    inside = _inside(project)
    if not inside.state.exists():
        return ()  # it has never deployed here: the engine is none of its business
    stopped = tuple(local.sluiceway_shutdown(inside, _supervised(settings)))
    return (*stopped, *_deployer(project, settings).clear())


def inspect(project: Project, route: str, settings: Settings) -> Mapping[str, Any] | None:
    """Return everything the supervisor knows about *route*; see the local deployer's ``inspect``."""
    return local.inspect(_inside(project), route, _supervised(settings))


def _deployer(project: Project, settings: Settings) -> Deployer:
    from sluiceway_deploy_docker.deploying import Deployer

    return Deployer(project, settings)


def _inside(project: Project) -> Project:
    from sluiceway_deploy_docker.settings import inside

    return inside(project)


def _supervised(settings: Settings) -> Mapping[str, Any]:
    from sluiceway_deploy_docker.settings import read

    return read(settings).supervised
