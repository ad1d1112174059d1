"""Gate evidence ``smoke``: does the instance that runs this digest answer as it should?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, Evidence, GateRequest, Project

__all__: list[str] = []

_NAME = "gate-smoke"
_KIND = "smoke"


@hookimpl
def sluiceway_evidence(
    project: Project, request: GateRequest, settings: Mapping[str, Any]
) -> Sequence[Evidence] | None:
    """Run the configured checks; with none configured the evidence is NO_DATA, never a pass."""
    from sluiceway_gate_smoke.checks import gather, nothing_configured
    from sluiceway_gate_smoke.plan import read_plan

    plan = read_plan(settings, _NAME)
    if not request.slot and request.source not in plan.requires:
        return None
    if plan.empty:
        return (nothing_configured(request, plugin=_NAME, kind=_KIND),)
    return (gather(project, request, plan, plugin=_NAME, kind=_KIND),)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check] | None:
    """Say whether there is anything to run and whether its program is here."""
    from sluiceway_gate_smoke.checks import examine

    return examine(project, settings, plugin=_NAME, optional=False)
