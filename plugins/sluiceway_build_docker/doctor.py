"""What the builder needs: right settings, an engine that answers, buildx when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.model import Check, CheckStatus, Project
from sluiceway_build_docker.options import options

__all__ = ["checks"]

_SECONDS = 2.0
_TOOL_SECONDS = 10.0
"""For a command line tool, which a busy machine may be long in starting: slow is not broken."""


def checks(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Look, quickly; change nothing."""
    name = "docker builder"
    try:
        chosen = options(settings, project.environ)
        from sluiceway_build_docker import buildx
        from sluiceway_build_docker.engine import host_of, opened

        tool = buildx.found(chosen, project, _TOOL_SECONDS)
        if tool is not None and tool.exports:
            detail = f"buildx with its own BuildKit ({tool.driver})"
        else:
            with opened(chosen, project, timeout=_SECONDS) as client:
                version = client.version().get("Version", "")
            way = "its own builder" if tool is None else "buildx"
            detail = f"engine {version} at {host_of(chosen, project)}, by {way}"
    except SluicewayError as error:
        return (Check(name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),)
    return (Check(name=name, status=CheckStatus.OK, detail=detail),)
