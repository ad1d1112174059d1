"""Gate evidence ``schema``: does the release that serves live with the database that this one makes?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.config.settings import take, typed
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, CheckStatus, Evidence, GateRequest, Project

__all__ = ["NAME", "plan_of", "sluiceway_doctor", "sluiceway_evidence"]

NAME = "gate-schema"
_DEFAULTS: Mapping[str, Any] = {"statements": "statements", "seed": [], "targets": []}


@hookimpl
def sluiceway_evidence(
    project: Project, request: GateRequest, settings: Mapping[str, Any]
) -> Sequence[Evidence] | None:
    """Try the new migrations; nothing to say of a service without a database."""
    plan = plan_of(settings)
    if plan["targets"] and request.target not in plan["targets"]:
        return None
    from sluiceway_gate_schema.trying import evidence

    found = evidence(project, request, plan)
    return None if found is None else (found,)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Say of which releases the statements are here."""
    from sluiceway.errors import ConfigurationError

    try:
        plan = plan_of(settings)
    except ConfigurationError as error:
        return [Check(name=NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)]
    folder = project.root / plan["statements"]
    found = sorted(each.stem for each in folder.glob("*.jsonl"))
    if not found:
        return [
            Check(
                name=NAME,
                status=CheckStatus.WARN,
                detail=f"{folder} holds the statements of no release, so promotions will be refused",
                remedy="Record them with each release: invoke migrations.record "
                f"--out={plan['statements']}/VERSION.jsonl -- COMMAND",
            )
        ]
    detail = f"statements of {len(found)} releases, {found[-1]} the last by name"
    return [Check(name=NAME, status=CheckStatus.OK, detail=detail)]


def plan_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, complete.

    Raises:
        ConfigurationError: They are no settings of this plugin.
    """
    plan = take(settings, NAME, _DEFAULTS)
    for name in ("seed", "targets"):
        for each in plan[name]:
            typed(each, "", f"[plugins.{NAME}] {name}")
    return plan
