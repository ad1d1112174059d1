"""PostgreSQL's own grammar, as a library."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.config.settings import take
from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.migrations.records import Dialect, SqlParser
from sluiceway.model import Check, CheckStatus, Project

__all__ = ["sluiceway_doctor", "sluiceway_sql_parser"]

_NAME = "sql-libpg-query"


@hookimpl
def sluiceway_sql_parser(
    project: Project, dialect: Dialect, settings: Settings
) -> SqlParser | None:
    """Return the grammar for PostgreSQL, or ``None`` for another dialect or without the library."""
    from sluiceway_sql_libpg_query import library
    from sluiceway_sql_libpg_query.parser import LibPgQuery

    take(settings, _NAME, {})
    if dialect is not Dialect.POSTGRES or not library.installed():
        return None
    return LibPgQuery()


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check] | None:
    """Load the library and let it parse one statement."""
    from sluiceway_sql_libpg_query import library

    take(settings, _NAME, {})
    if not library.installed():
        detail = "libpg_query is not installed; another grammar reads PostgreSQL, less exactly"
        remedy = "pip install postgast"
        return [Check(name=_NAME, status=CheckStatus.WARN, detail=detail, remedy=remedy)]
    answer = library.parse(b"SELECT 1")
    if isinstance(answer, library.Failure):
        detail = f"libpg_query does not parse SELECT 1: {answer.message}"
        remedy = "pip install --force-reinstall postgast"
        return [Check(name=_NAME, status=CheckStatus.FAIL, detail=detail, remedy=remedy)]
    detail = f"libpg_query of postgast {library.release()} parses"
    return [Check(name=_NAME, status=CheckStatus.OK, detail=detail)]
