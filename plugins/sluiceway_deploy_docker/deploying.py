"""From a request to the program that the local deployer's supervisor watches: a container's keeper."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.model import Check, CheckStatus, DeployRequest, Project, Registry, Strategy
from sluiceway_deploy_docker import images
from sluiceway_deploy_docker.container import Spec, owner, port_of, user_of
from sluiceway_deploy_docker.engine import opened, tls
from sluiceway_deploy_docker.keeper import MARKS, SPEC
from sluiceway_deploy_docker.leftovers import clear, sweep
from sluiceway_deploy_docker.settings import NAME, Options, host_of, inside, read
from sluiceway_deploy_local.client import Client
from sluiceway_deploy_local.program import Program
from sluiceway_deploy_local.settings import place

__all__ = ["Deployer", "failed"]

_LOOK_SECONDS = 1.0
_SLOTS = {Strategy.REPLACE: "stable", Strategy.CANARY: "canary", Strategy.BLUE_GREEN: "idle"}


class Deployer:
    """What the hooks share: settings, checked, and the way to the supervisor.

    Args:
        project: Which.
        settings: The plugin's table.
    """

    def __init__(self, project: Project, settings: Mapping[str, Any]) -> None:
        self.options: Options = read(settings)
        self.host = host_of(self.options, project.environ)
        self.project = project
        self.owner = owner(project.state)
        self.client = Client(inside(project), self.options.local)

    def program(self, request: DeployRequest, registry: Registry) -> Program:
        """Bring the image into the engine and return the program that keeps its container."""
        self.client.folder.make()
        with opened(self.host, self.project.environ) as engine:
            sweep(engine, self.owner)
            asked = images.wanted(request.image, registry, str(engine.version()["Arch"]))
            user, port = user_of(asked.config, self.options), port_of(asked.config, self.options)
            held = images.held(
                engine,
                asked,
                registry,
                self.project,
                self.options,
                self._own_images(),
                self.client.folder.images,
            )
        return self._keeper(request, held.id, user, port)

    def check(self) -> Check:
        """Look whether the engine answers."""
        with opened(self.host, self.project.environ, _LOOK_SECONDS) as engine:
            version = engine.version().get("Version", "")
        return Check(
            name=NAME, status=CheckStatus.OK, detail=f"engine {version} answers at {self.host}"
        )

    def clear(self) -> list[str]:
        """Remove what the keepers left in the engine, the networks, and images that were loaded."""
        with opened(self.host, self.project.environ) as engine:
            removed = clear(engine, self.owner)
            images.forget(engine, self._own_images(), 0)
        return removed

    def _own_images(self) -> str:
        return f"sluiceway-{self.owner}"

    def _keeper(self, request: DeployRequest, image: str, user: str, port: int) -> Program:
        options, environment = self.options, request.environment
        spec = Spec(
            host=self.host,
            image=image,
            digest=request.image.digest,
            service=self.project.service,
            environment=environment.name,
            route=environment.route,
            owner=self.owner,
            port=port,
            user=user,
            env=place(environment).env,
            passed=options.local.pass_environment,
            memory_bytes=options.memory_bytes,
            cpus=options.cpus,
            pids=options.pids,
            tmpfs_bytes=options.tmpfs_bytes,
            log_bytes=options.local.log_bytes,
            stop_seconds=options.stop_seconds,
        )
        marks = {
            "slot": _SLOTS[environment.strategy],
            "run": request.fence.run,
            "fence": str(request.fence.token),
        }
        ours = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        return Program(
            digest=request.image.digest,
            argv=(sys.executable, "-P", "-m", "sluiceway_deploy_docker"),
            cwd=str(self.client.folder.root),
            env={**ours, **tls(self.project.environ), SPEC: spec.to_text()},
            path="",
            health_path=request.health_path,
            ready_seconds=request.ready_seconds,
            drain_seconds=request.drain_seconds,
            keeps=True,
            marks={MARKS: json.dumps(marks)},
        )


def failed(error: SluicewayError) -> Check:
    """Return the check for what stands in the way."""
    return Check(name=NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)
