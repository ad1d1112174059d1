"""PostgreSQL's own grammar, as a library."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.config.settings import take
from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.model import Check, Project


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check] | None:
    """Refuse settings that do not exist."""
    take(settings, "sql-libpg-query", {})
    return None
