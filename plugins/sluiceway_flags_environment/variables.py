"""``FF_<NAME>`` variables to flags. Pure, but for reading the project's environment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError
from sluiceway.model import Check, CheckStatus, Project

__all__ = ["examine", "read_flags"]

_PLUGIN = "flags-environment"
_PREFIX = "FF_"
_NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_ON = frozenset({"true", "1", "on", "yes"})
_OFF = frozenset({"false", "0", "off", "no"})


def read_flags(project: Project, settings: Mapping[str, Any]) -> dict[str, bool | str]:
    """Return ``{"new-fee-schedule": True, ...}``, sorted by name.

    The name is the variable's without ``FF_``, in lower case, with ``-`` for ``_``. Values ``true
    1 on yes`` and ``false 0 off no`` (any case) are booleans; an empty value is no setting at all;
    any other text is the flag's variant, as it stands.

    Raises:
        ConfigurationError: For a variable whose name cannot be a flag's, such as ``FF_new``.
    """
    take(settings, _PLUGIN, {})
    flags: dict[str, bool | str] = {}
    for variable in sorted(project.environ):
        text = project.environ[variable].strip()
        if not variable.startswith(_PREFIX) or not text:
            continue
        name = variable.removeprefix(_PREFIX)
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"the variable {variable!r} is not the name of a flag",
                means="It would be ignored silently, and the flag would not be what you meant.",
                remedy="Write FF_ and capital letters, digits and single '_', or unset it.",
                code="flags.name",
            )
        word = text.casefold()
        value: bool | str = text
        if word in _ON or word in _OFF:
            value = word in _ON
        flags[name.lower().replace("_", "-")] = value
    return flags


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return ``invoke doctor``'s line."""
    try:
        flags = read_flags(project, settings)
    except ConfigurationError as error:
        return (
            Check(name=_PLUGIN, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),
        )
    detail = f"{len(flags)} flags set: {', '.join(flags)}" if flags else "no flag is set"
    return (Check(name=_PLUGIN, status=CheckStatus.OK, detail=detail),)
