"""Reviews of a GitHub environment, heard as approvals and rejections of a promotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.hookspecs import hookimpl
from sluiceway.model import Approval, ApprovalRequest, Check, Project

__all__: list[str] = []


@hookimpl
def sluiceway_approvals(
    project: Project, request: ApprovalRequest, settings: Mapping[str, Any]
) -> Sequence[Approval] | None:
    """Ask GitHub who reviewed this workflow run for the target environment, and what they said."""
    from sluiceway_approval_github.asking import ask

    return ask(project, request, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check] | None:
    """Look at the settings and the token, and whether the repository can be seen with it."""
    from sluiceway_approval_github.asking import examine

    return examine(project, settings)
