"""What may be said in ``[plugins.deploy-docker]``, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sluiceway_deploy_local.settings as local
from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError
from sluiceway.model import Project
from sluiceway.record import Record

__all__ = ["NAME", "STOP_MARGIN_SECONDS", "Options", "host_of", "inside", "read"]

NAME = "deploy-docker"
STOP_MARGIN_SECONDS = 15.0
"""What a keeper has for the engine's own work, beside the time that the container has to end."""

_SHARED = {name: value for name, value in local.DEFAULTS.items() if name != "image_bytes"}
"""The supervisor's and the proxy's; nothing is unpacked here."""
_DEFAULTS: Mapping[str, Any] = {
    "host": "",
    "pull": "auto",
    "pull_seconds": 300.0,
    "container_port": 0,
    "user": "",
    "root": False,
    "memory_bytes": 512 * 1024 * 1024,
    "cpus": 1.0,
    "pids": 256,
    "tmpfs_bytes": 64 * 1024 * 1024,
    **_SHARED,
    "stop_seconds": 10.0,
}
_PULLS = ("auto", "engine", "load")
_USER = re.compile(r"[0-9]{1,10}(:[0-9]{1,10})?")
_HERE = re.compile(
    r"unix://.+|tcp://(127\.[0-9.]+|localhost|\[::1\]):[0-9]+/?|npipe://.+", re.IGNORECASE
)
_LEAST_MEMORY = 6 * 1024 * 1024
_LARGEST_PORT = 65535
_DEFAULT_HOST = "unix:///var/run/docker.sock"


class Options(Record):
    """The plugin's own settings, complete."""

    host: str
    """The engine's address; empty: ``DOCKER_HOST``, or the usual socket."""
    pull: str
    """``engine``: it pulls; ``load``: it is given the image; ``auto``: the second where it cannot."""
    pull_seconds: float
    container_port: int
    """Where the service listens inside; 0: the one port that the image exposes."""
    user: str
    """``uid`` or ``uid:gid`` to run as; empty: the image's own, if that is a number."""
    root: bool
    """Uid 0 is allowed."""
    memory_bytes: int
    cpus: float
    pids: int
    tmpfs_bytes: int
    stop_seconds: float
    """From SIGTERM to SIGKILL, inside the engine."""
    local: local.Settings
    """The supervisor's and the proxy's."""

    supervised: Mapping[str, Any]
    """The same as a table, for the local deployer's hooks."""


def read(settings: Mapping[str, Any]) -> Options:
    """Return the checked ``[plugins.deploy-docker]`` or raise :class:`ConfigurationError`."""
    values = take(settings, NAME, _DEFAULTS)
    own = {key: values[key] for key in _DEFAULTS if key not in _SHARED}
    if values["pull"] not in _PULLS:
        raise _wrong(f"pull is {values['pull']!r}", f"Write one of {', '.join(_PULLS)}.")
    if values["user"] and not _USER.fullmatch(values["user"]):
        raise _wrong(
            f"user is {values['user']!r}, which is no uid or uid:gid in numbers",
            'Write numbers: user = "10001:10001"',
        )
    if not 0 <= values["container_port"] <= _LARGEST_PORT:
        raise _wrong(f"container_port is {values['container_port']}", "Write 1 to 65535.")
    for key, least in (
        ("memory_bytes", _LEAST_MEMORY),
        ("cpus", 0.01),
        ("pids", 1),
        ("tmpfs_bytes", 4096),
        ("pull_seconds", 1),
        ("stop_seconds", 1),
    ):
        if not values[key] >= least:
            raise _wrong(f"{key} is {values[key]:g}", f"Write {least:g} or more.")
    supervised = _supervised(values)
    return Options(
        **own,
        stop_seconds=values["stop_seconds"],
        local=local.read(supervised, NAME),
        supervised=supervised,
    )


def host_of(options: Options, environ: Mapping[str, str]) -> str:
    """Return the engine's address.

    Raises:
        ConfigurationError: ``deploy.engine-elsewhere``: its loopback is not this machine's.
    """
    host = options.host or environ.get("DOCKER_HOST", "") or _DEFAULT_HOST
    if not _HERE.fullmatch(host):
        raise ConfigurationError(
            f"the engine at {host} is not on this machine",
            means="Containers are published on the loopback address of the engine's machine, and "
            "the proxy in front of them listens on this one's.",
            remedy=f"Run Sluiceway beside that engine, or name one here: [plugins.{NAME}] host = "
            f'"{_DEFAULT_HOST}"',
            code="deploy.engine-elsewhere",
        )
    return host


def inside(project: Project) -> Project:
    """Return the project as the local deployer is to see it: with a supervisor apart from its own."""
    return replace(project, state=project.state / "docker")


def _supervised(values: Mapping[str, Any]) -> dict[str, Any]:
    table = {key: values[key] for key in _SHARED}
    # A keeper is given the time that its container has, and some more for the engine.
    return {**table, "stop_seconds": float(values["stop_seconds"]) + STOP_MARGIN_SECONDS}


def _wrong(what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"[plugins.{NAME}] {what}", remedy=remedy, code="configuration.range")
