"""The policy engine that needs no server: real Open Policy Agent as a library, by hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, CheckStatus, Project
from sluiceway.policy.engine import PolicyEngine

if TYPE_CHECKING:
    from sluiceway_policy_embedded.engine import EmbeddedEngine

__all__ = ["sluiceway_doctor", "sluiceway_policy_engine"]

_NAME = "policy-embedded"
_DEFAULTS: Mapping[str, Any] = {
    "deadline_seconds": 5.0,
    "memory_megabytes": 2048,
    "library": "",
}
_INSTALL = "invoke policy.engine --install"


@hookimpl
def sluiceway_policy_engine(project: Project, settings: Mapping[str, Any]) -> PolicyEngine | None:
    """Return the engine, or ``None`` when its library is not installed. Starts nothing yet."""
    return _engine(project, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Check the library's hash and let it evaluate one rule."""
    from sluiceway.policy.engine import Bundle, EngineError

    engine = _engine(project, settings)
    if engine is None:
        # Whether another engine decides instead is for `policy engine` to say, the line of them all.
        status = CheckStatus.FAIL if settings.get("library") else CheckStatus.WARN
        detail = "the pinned OPA library is not installed"
        return [Check(name=_NAME, status=status, detail=detail, remedy=_INSTALL)]
    source = "package doctor\n\nanswer := input.question + 1\n"
    probe = Bundle(modules={"doctor.rego": source}, data={}, digest="", origin="doctor")
    try:
        answer = engine.evaluate(probe, "doctor.answer", {"question": 41})
    except EngineError as error:
        return [Check(name=_NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)]
    finally:
        engine.close()
    if answer != 42:  # noqa: PLR2004 - one more than the question
        detail = f"the engine answered {answer!r} where 42 is right"
        return [Check(name=_NAME, status=CheckStatus.FAIL, detail=detail, remedy=_INSTALL)]
    detail = f"{engine.version} evaluates, in a process of its own"
    return [Check(name=_NAME, status=CheckStatus.OK, detail=detail)]


def _engine(project: Project, settings: Mapping[str, Any]) -> EmbeddedEngine | None:
    from sluiceway_policy_embedded.engine import EmbeddedEngine
    from sluiceway_policy_embedded.pins import default_library, pin_here
    from sluiceway_policy_embedded.remembered import Remembered, default_folder

    chosen = take(settings, _NAME, _DEFAULTS)
    _check_range("deadline_seconds", chosen["deadline_seconds"], 0.1, 600)
    _check_range("memory_megabytes", chosen["memory_megabytes"], 128, 65536)
    library = project.root / chosen["library"] if chosen["library"] else default_library()
    pin = pin_here()
    if pin is None or not Path(library).is_file():
        return None
    folder = default_folder(project.environ)
    remembered = Remembered(folder) if folder is not None else None
    return EmbeddedEngine(
        library,
        pin.library,
        deadline_seconds=chosen["deadline_seconds"],
        memory_megabytes=chosen["memory_megabytes"],
        remembered=remembered,
        # Who can write the one that lies beside this program can write this program too.
        known=remembered if library == default_library() else None,
    )


def _check_range(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigurationError(
            f"[plugins.{_NAME}] {key} is {value:g}, which is not from {low:g} to {high:g}",
            remedy=f"Leave it out for the default of {_DEFAULTS[key]:g}.",
            code="configuration.range",
        )
