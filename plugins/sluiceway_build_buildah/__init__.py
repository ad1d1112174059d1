"""Build with buildah: no engine, no daemon, the same digest again. See ``README.md``."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.model import BuildRequest, Built, Check, Project

__all__: list[str] = []


@hookimpl
def sluiceway_build(project: Project, request: BuildRequest, settings: Settings) -> Built:
    """Let buildah build, and leave the image as a layout."""
    from sluiceway_build_buildah.building import build

    return build(project, request, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check]:
    """Check the settings, and that buildah is there."""
    from sluiceway_build_buildah.doctor import checks

    return checks(project, settings)
