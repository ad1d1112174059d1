"""Feature flags from the environment: ``FF_NEW_FEE_SCHEDULE=on`` is ``new-fee-schedule``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, Project

__all__: list[str] = []


@hookimpl
def sluiceway_flags(project: Project, settings: Mapping[str, Any]) -> Mapping[str, bool | str]:
    """Return every ``FF_<NAME>`` of the environment by the flag's name."""
    from sluiceway_flags_environment.variables import read_flags

    return read_flags(project, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check] | None:
    """Say which flags are set and which variables look like flags and are none."""
    from sluiceway_flags_environment.variables import examine

    return examine(project, settings)
