"""What a container is made of. Pure: a specification in, what the engine is told out.

Sources: Docker Engine API (``ContainerCreate``); Kubernetes' Pod Security Standards, *restricted*,
for what a hardened container is; CIS Docker Benchmark 1.6, section 5.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.record import Record
from sluiceway_deploy_docker.settings import NAME, Options

__all__ = ["Spec", "label", "network_labels", "network_name", "owner", "port_of", "user_of"]

_PREFIX = "sluiceway."
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_NANO = 1_000_000_000
_ROOT = re.compile(r"(0+|root)(:.*)?")
_NUMBER = re.compile(r"[0-9]+(:[0-9]+)?")
_EXPOSED = re.compile(r"([0-9]+)(/tcp)?")


class Spec(Record):
    """A container of one digest: everything but who asked for it and what is passed on by name."""

    host: str
    image: str
    """The engine's id of the image, which is made of its content."""
    digest: str
    service: str
    environment: str
    route: str
    owner: str
    port: int
    user: str
    env: Mapping[str, str]
    passed: tuple[str, ...]
    """Names of variables that are passed on; flags (``FF_*``) always are."""
    memory_bytes: int
    cpus: float
    pids: int
    tmpfs_bytes: int
    log_bytes: int
    stop_seconds: float

    def to_text(self) -> str:
        """Return it as JSON that :meth:`from_text` understands; equal ones are equal texts."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Spec:
        """Return the specification that *text* is."""
        data = json.loads(text)
        return cls(**{**data, "passed": tuple(data["passed"])})

    def name(self, instance: str) -> str:
        """Return the container's name."""
        return _UNFIT.sub("-", f"sluiceway-{self.service}-{self.route}-{instance}")

    def configuration(
        self, environ: Mapping[str, str], labels: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return the container's own half of what the engine is told.

        Args:
            environ: Of which what is named, and flags, are passed on.
            labels: Who asked and who keeps it: ``slot``, ``run``, ``fence``, ``instance``, ...
        """
        passed = {
            name: value
            for name, value in environ.items()
            if name in self.passed or name.startswith("FF_")
        }
        about = {
            "digest": self.digest,
            "service": self.service,
            "environment": self.environment,
            "route": self.route,
            "owner": self.owner,
        }
        return {
            "image": self.image,
            "user": self.user,
            "environment": {**passed, **self.env, "PORT": str(self.port)},
            "ports": [(self.port, "tcp")],
            "labels": {label(name): value for name, value in {**about, **labels}.items()},
            "healthcheck": {"test": ["NONE"]},  # asked from outside, where its clients are
            "stop_signal": "SIGTERM",
        }

    def host_config(self, network: str) -> dict[str, Any]:
        """Return the engine's half: what the container may not do, and how much of the rest."""
        return {
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "privileged": False,
            # No mode: /tmp is 1777 and noexec, nosuid, nodev are the engine's own.
            "tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={self.tmpfs_bytes}"},  # noqa: S108 - the container's
            "mem_limit": self.memory_bytes,
            "memswap_limit": self.memory_bytes,  # no swap beside it
            "nano_cpus": round(self.cpus * _NANO),
            "pids_limit": self.pids,
            "network_mode": network,
            "port_bindings": {f"{self.port}/tcp": ("127.0.0.1", None)},
            "restart_policy": {"Name": "no"},  # the supervisor starts it again, and counts
            "init": True,  # reaps, and passes signals on to what handles none as the first process
            "log_config": {
                "Type": "json-file",
                "Config": {"max-size": str(self.log_bytes), "max-file": "2"},
            },
        }


def label(name: str) -> str:
    """Return a label's whole name."""
    return _PREFIX + name


def owner(state: Path) -> str:
    """Return what tells this project's containers from any other's: its state folder, here."""
    text = f"{platform.node()}\0{state.resolve()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def network_name(service: str, whose: str) -> str:
    """Return the name of a service's own bridge."""
    return _UNFIT.sub("-", f"sluiceway-{service}-{whose}")


def network_labels(service: str, whose: str) -> dict[str, str]:
    """Return the labels of a service's own bridge."""
    return {label("service"): service, label("owner"): whose}


def user_of(config: Mapping[str, Any], options: Options) -> str:
    """Return ``uid`` or ``uid:gid`` to run as.

    Args:
        config: The image's configuration (``User``).
        options: The plugin's.

    Raises:
        ActionFailed: ``deploy.root`` for uid 0 that is not allowed, ``deploy.user`` for a name:
            which uid it is, only files inside of the image say. So does Kubernetes (runAsNonRoot).
    """
    said = str(config.get("User") or "").strip()
    user = options.user or said
    if not user or _ROOT.fullmatch(user):
        if options.root:
            return user or "0"
        raise ActionFailed(
            "the image would run as root" + ("" if said else ": it names no USER"),
            means="Nothing was started; what served before still serves.",
            remedy=f"Write `USER 10001` in the Dockerfile, or user in [plugins.{NAME}]; "
            "root = true there allows it.",
            code="deploy.root",
        )
    if not _NUMBER.fullmatch(user) and not options.root:
        raise ActionFailed(
            f"the image runs as {user!r}, and whether that is root cannot be known",
            means="Nothing was started; what served before still serves.",
            remedy=f"Write the number in USER, or in [plugins.{NAME}] user.",
            code="deploy.user",
        )
    return user


def port_of(config: Mapping[str, Any], options: Options) -> int:
    """Return where the service listens inside, or raise ``deploy.container-port``."""
    if options.container_port:
        return options.container_port
    exposed = [
        int(match[1])
        for name in config.get("ExposedPorts") or {}
        if (match := _EXPOSED.fullmatch(str(name)))
    ]
    if len(exposed) != 1:
        listed = ", ".join(map(str, sorted(exposed))) or "none"
        raise ActionFailed(
            f"the image does not say at which port it listens: it exposes {listed}",
            means="Nothing was started; what served before still serves.",
            remedy=f"Write one `EXPOSE 8080` in the Dockerfile, or container_port in "
            f"[plugins.{NAME}].",
            code="deploy.container-port",
        )
    return exposed[0]
