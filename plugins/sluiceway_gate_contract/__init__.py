"""Gate evidence ``contract``: are the promises to the service's callers kept? Optional.

Built on ``gate-smoke``'s public functions; both come in one distribution. In a repository of its
own it would name that distribution as its dependency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, Evidence, GateRequest, Project

__all__: list[str] = []

_NAME = "gate-contract"
_KIND = "contract"


@hookimpl
def sluiceway_evidence(
    project: Project, request: GateRequest, settings: Mapping[str, Any]
) -> Sequence[Evidence] | None:
    """Run the configured checks; with none configured there is no evidence of this kind."""
    from sluiceway_gate_smoke.checks import gather
    from sluiceway_gate_smoke.plan import read_plan

    plan = read_plan(settings, _NAME)
    if plan.empty or not (request.slot or request.source in plan.requires):
        return None
    return (gather(project, request, plan, plugin=_NAME, kind=_KIND),)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check] | None:
    """Say what there is to run and whether its program is here."""
    from sluiceway_gate_smoke.checks import examine

    return examine(project, settings, plugin=_NAME, optional=True)
