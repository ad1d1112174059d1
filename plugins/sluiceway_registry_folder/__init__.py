"""The embedded registry: an OCI distribution registry over a folder, on loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.config.settings import take
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, Project, Registry

if TYPE_CHECKING:
    from sluiceway_registry_folder.options import Options

__all__ = ["sluiceway_doctor", "sluiceway_registry", "sluiceway_shutdown"]

NAME = "registry-folder"
DEFAULTS: Mapping[str, Any] = {
    "address": "127.0.0.1:5555",
    "folder": ".sluiceway/registry",
    "idle_exit_seconds": 1800.0,
}


@hookimpl
def sluiceway_registry(
    project: Project, repository: str, settings: Mapping[str, Any]
) -> Registry | None:
    """Open a repository at this registry's address, starting its server when it does not run."""
    options = _options(project, settings)
    if repository.partition("/")[0] != options.address:
        return None
    from sluiceway.oci import open_registry
    from sluiceway_registry_folder.service import ensure_running

    ensure_running(options)
    return open_registry(
        repository,
        environ=project.environ,
        # It goes home when idle: a run that waited for a person finds it again.
        on_unreachable=lambda: ensure_running(options),
    )


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Look at the address and the folder. Starts nothing."""
    options = _options(project, settings)
    from sluiceway_registry_folder.service import inspect

    return inspect(options)


@hookimpl
def sluiceway_shutdown(project: Project, settings: Mapping[str, Any]) -> Sequence[str]:
    """Stop the server that this project started."""
    options = _options(project, settings)
    from sluiceway_registry_folder.service import stop

    return stop(options)


def _options(project: Project, settings: Mapping[str, Any]) -> Options:
    from sluiceway_registry_folder.options import read

    return read(project, take(settings, NAME, DEFAULTS))
