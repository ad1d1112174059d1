"""What the builder needs: right settings and buildah."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway import process
from sluiceway.errors import SluicewayError
from sluiceway.model import Check, CheckStatus, Project
from sluiceway_build_buildah.building import called
from sluiceway_build_buildah.options import options

__all__ = ["checks"]

_SECONDS = 10.0  # a busy machine may be long in starting a tool: slow is not broken


def checks(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Look, quickly; change nothing."""
    name = "buildah builder"
    try:
        words, isolation = called(options(settings, project.environ), project)
        version = process.run(
            [words[0], "--version"],
            timeout=_SECONDS,
            env=process.without_secrets(project.environ),
        ).stdout.strip()
    except SluicewayError as error:
        return (Check(name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),)
    how = f"isolation {isolation or 'its own choice'}"
    return (Check(name=name, status=CheckStatus.OK, detail=f"{version}; {how}"),)
