"""Throw-away databases on any PostgreSQL server, by its URL; and a recorder for its clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.config.settings import take
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, CheckStatus, Project

if TYPE_CHECKING:
    from sluiceway.migrations.dryrun.records import ScratchServer, StatementRecorder

__all__ = ["sluiceway_doctor", "sluiceway_scratch_database", "sluiceway_statement_recorder"]

_NAME = "database-url"
_DEFAULTS: Mapping[str, Any] = {"variable": "STAGING_DATABASE_URL"}


@hookimpl
def sluiceway_scratch_database(
    project: Project, settings: Mapping[str, Any]
) -> ScratchServer | None:
    """Return the server of the URL in the environment, or ``None`` when there is no URL."""
    from sluiceway_database_url.server import Server
    from sluiceway_database_url.wire import Target

    variable = take(settings, _NAME, _DEFAULTS)["variable"]
    url = project.environ.get(variable, "")
    if not url:
        return None
    return Server(_NAME, Target.of(url, variable), own=False, measured=True)


@hookimpl
def sluiceway_statement_recorder(
    project: Project, url: str, settings: Mapping[str, Any]
) -> StatementRecorder | None:
    """Stand before the PostgreSQL server at *url*; ``None`` for any other database."""
    if not url.startswith(("postgres://", "postgresql://")):
        return None
    from sluiceway_database_url.proxy import Proxy
    from sluiceway_database_url.wire import Target

    return Proxy(Target.of(url, "the database's address"))


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Say whether there is a URL, and whether psycopg is here. Connects to nothing."""
    from sluiceway.errors import SluicewayError
    from sluiceway_database_url.wire import Target, library

    variable = take(settings, _NAME, _DEFAULTS)["variable"]
    url = project.environ.get(variable, "")
    if not url:
        return [Check(name=_NAME, status=CheckStatus.OK, detail=f"{variable} is not set: not used")]
    try:
        library()
        target = Target.of(url, variable)
    except SluicewayError as error:
        return [Check(name=_NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)]
    return [Check(name=_NAME, status=CheckStatus.OK, detail=f"{variable} is {target!r}")]
