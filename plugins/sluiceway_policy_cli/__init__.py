"""The policy engine that is the ``opa`` program: one process for each decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway import process
from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, CheckStatus, Project
from sluiceway.policy.builtins import OPA_LINE
from sluiceway.policy.engine import PolicyEngine

if TYPE_CHECKING:
    from sluiceway_policy_cli.engine import CommandEngine

__all__ = ["sluiceway_doctor", "sluiceway_policy_engine"]

_NAME = "policy-cli"
_DEFAULTS: Mapping[str, Any] = {
    "program": "opa",
    "deadline_seconds": 5.0,
    "opa_version": OPA_LINE,
}
_SHORTEST, _LONGEST = 0.1, 600.0


@hookimpl
def sluiceway_policy_engine(project: Project, settings: Mapping[str, Any]) -> PolicyEngine | None:
    """Return the engine, or ``None`` when the program is not installed. Starts nothing yet."""
    return _engine(project, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Ask the program for its version and let it evaluate one rule."""
    from sluiceway.policy.engine import Bundle, EngineError

    engine = _engine(project, settings)
    if engine is None:
        program = take(settings, _NAME, _DEFAULTS)["program"]
        return [
            Check(
                name=_NAME,
                status=CheckStatus.FAIL if settings.get("program") else CheckStatus.OK,
                detail=f"not installed: no {program} on PATH"
                if "/" not in program
                else f"not installed: no program {program}",
                remedy="Put OPA on PATH (openpolicyagent.org), or name it as program in "
                f"[plugins.{_NAME}]."
                if settings.get("program")
                else "",
            )
        ]
    source = "package doctor\n\nanswer := input.question + 1\n"
    probe = Bundle(modules={"doctor.rego": source}, data={}, digest="", origin="doctor")
    try:
        answer = engine.evaluate(probe, "doctor.answer", {"question": 41})
        version = engine.version
    except EngineError as error:
        return [Check(name=_NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)]
    finally:
        engine.close()
    if answer != 42:  # noqa: PLR2004 - one more than the question
        detail = f"{engine.program} answered {answer!r} where 42 is right"
        remedy = "Install OPA from openpolicyagent.org."
        return [Check(name=_NAME, status=CheckStatus.FAIL, detail=detail, remedy=remedy)]
    detail = f"{version} evaluates, as {engine.program}"
    return [Check(name=_NAME, status=CheckStatus.OK, detail=detail)]


def _engine(project: Project, settings: Mapping[str, Any]) -> CommandEngine | None:
    from sluiceway_policy_cli.engine import CommandEngine

    chosen = take(settings, _NAME, _DEFAULTS)
    seconds = chosen["deadline_seconds"]
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ConfigurationError(
            f"[plugins.{_NAME}] deadline_seconds is {seconds:g}, which is not from {_SHORTEST:g} "
            f"to {_LONGEST:g}",
            remedy=f"Leave it out for the default of {_DEFAULTS['deadline_seconds']:g}.",
            code="configuration.range",
        )
    program = chosen["program"]
    found = process.which(str(project.root / program) if "/" in program else program)
    if found is None:
        return None
    return CommandEngine(found, deadline_seconds=seconds, opa_version=chosen["opa_version"])
