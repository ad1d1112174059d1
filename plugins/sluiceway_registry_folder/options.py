"""The plugin's settings, checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.model import Project
from sluiceway.record import Record, field

__all__ = ["Options", "read"]

_ADDRESS = re.compile(r"(?P<host>[0-9.]+):(?P<port>[1-9][0-9]{0,4})")
_LAST_PORT = 65535


class Options(Record):
    """Where the registry is, and what it may use."""

    host: str
    port: int
    folder: Path
    idle_exit_seconds: float
    state: Path
    """The project's state folder: record and log of the server."""
    environ: Mapping[str, str] = field(repr=False)

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    @property
    def record(self) -> Path:
        """The file that says which process serves."""
        return self.state / "registry-folder.json"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.state / "registry-folder.log"


def read(project: Project, settings: Mapping[str, Any]) -> Options:
    """Check complete *settings*; raise :class:`ConfigurationError`."""
    match = _ADDRESS.fullmatch(settings["address"])
    if match is None or int(match["port"]) > _LAST_PORT or not _is_loopback(match["host"]):
        raise ConfigurationError(
            f"[plugins.registry-folder] address is {settings['address']!r},"
            " which is not a loopback address with a port",
            means="The embedded registry knows no log-in, so it serves this machine only.",
            remedy='Write it like address = "127.0.0.1:5555". For a registry that others can'
            " reach, name its repository in [service] and leave this plugin out.",
            code="configuration.address",
        )
    if not settings["idle_exit_seconds"] >= 1:
        raise ConfigurationError(
            "[plugins.registry-folder] idle_exit_seconds is less than 1",
            remedy="Write how many seconds without a request end the server, 1800 for example.",
            code="configuration.range",
        )
    return Options(
        host=match["host"],
        port=int(match["port"]),
        folder=project.root / settings["folder"],
        idle_exit_seconds=settings["idle_exit_seconds"],
        state=project.state,
        environ=project.environ,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False
