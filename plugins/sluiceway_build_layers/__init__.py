"""Build a reproducible image from a Dockerfile without RUN. See ``README.md``."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.errors import ConfigurationError
from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.model import BuildRequest, Built, Check, CheckStatus, Project

__all__: list[str] = []


@hookimpl
def sluiceway_build(project: Project, request: BuildRequest, settings: Settings) -> Built:
    """Put the build context's files into layers as the Dockerfile says."""
    from sluiceway_build_layers.image import build

    return build(project, request, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check]:
    """Check the settings; the builder needs no tool."""
    from sluiceway_build_layers.image import options

    name = "embedded builder"
    try:
        chosen = options(settings)
    except ConfigurationError as error:
        return (Check(name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),)
    return (Check(name=name, status=CheckStatus.OK, detail=f"builds for {chosen.platform}"),)
