"""Any OCI distribution registry, by address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, Project, Registry

__all__ = ["sluiceway_doctor", "sluiceway_registry"]

NAME = "registry-oci"
DEFAULTS: Mapping[str, Any] = {"insecure": False, "timeout_seconds": 30.0, "ca_file": ""}


@hookimpl(trylast=True)
def sluiceway_registry(
    project: Project, repository: str, settings: Mapping[str, Any]
) -> Registry | None:
    """Open any ``host[:port]/path`` that no other plugin owns."""
    options = _options(project, settings)
    from sluiceway.oci import open_registry

    return open_registry(
        repository,
        insecure=options["insecure"],
        timeout_seconds=options["timeout_seconds"],
        ca_file=options["ca_file"],
        environ=project.environ,
    )


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Look at the settings, the credentials, and the registry of ``REGISTRY_URL`` if it is set."""
    options = _options(project, settings)
    from sluiceway_registry_oci.checks import inspect

    return inspect(project, options)


def _options(project: Project, settings: Mapping[str, Any]) -> dict[str, Any]:
    options = take(settings, NAME, DEFAULTS)
    if not options["timeout_seconds"] > 0:
        raise ConfigurationError(
            f"[plugins.{NAME}] timeout_seconds is not more than 0", code="configuration.range"
        )
    options["ca_file"] = _ca_file(project, options["ca_file"])
    return options


def _ca_file(project: Project, name: str) -> Path | None:
    if not name:
        return None
    path = project.root / name
    if not path.is_file():
        raise ConfigurationError(
            f"[plugins.{NAME}] ca_file names {path}, which is not a file",
            remedy="Name a PEM file with the registry's certificate authority.",
            code="registry.ca-file",
        )
    return path
