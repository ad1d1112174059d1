"""Build by a Docker engine: its own builder through the SDK, or buildx. See ``README.md``."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.model import BuildRequest, Built, Check, Project, Pushed, Registry

__all__: list[str] = []


@hookimpl
def sluiceway_build(
    project: Project, request: BuildRequest, registry: Registry, settings: Settings
) -> Built | Pushed:
    """Let the engine build, and push what it built; or take a layout from buildx."""
    from sluiceway_build_docker.building import build

    return build(project, request, registry, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check]:
    """Check the settings, the engine and buildx."""
    from sluiceway_build_docker.doctor import checks

    return checks(project, settings)
