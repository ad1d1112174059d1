"""A PostgreSQL server of a test's own, from the programs on PATH, and what a migration does to it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

__all__ = ["codes_of", "server"]


def _somebody() -> dict[str, Any]:
    """Return whom to start the server as: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start a server that only its socket in *folder* reaches; yield how to connect to it."""
    account = _somebody()
    folder.mkdir(mode=0o755)
    if account:
        os.chown(folder, account["user"], account["group"])
    data = folder / "data"
    programs = Path(os.path.realpath(shutil.which("postgres") or "postgres")).parent
    quiet: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, **account}
    setup = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-A",
        "trust",
        "-U",
        "test",
        "--no-sync",
        "-E",
    ]
    subprocess.run([*setup, "UTF8", "--locale", "C"], check=True, **quiet)
    options = (
        f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c autovacuum=off"
    )
    control = [str(programs / "pg_ctl"), "-D", str(data), "-s", "-w"]
    try:
        subprocess.run(
            [*control, "-o", options, "-l", str(folder / "log"), "start"], check=True, **quiet
        )
        yield f"host={folder} user=test"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, **quiet)


_RELATIONS = "SELECT oid FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'f')"
_COLUMNS = (
    "SELECT attrelid, attnum, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
    "WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'f', 'c')"
)
_BUILT = (
    "SELECT relation FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'ShareLock' "
    "AND relation >= 16384"
)
_INDEXED = (
    "SELECT indrelid, count(*) FROM pg_index WHERE indrelid >= 16384 "
    "AND indexrelid NOT IN (SELECT conindid FROM pg_constraint) GROUP BY 1"
)
_WITH_INDEXES = "SELECT oid FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'm')"
_LEAVES = "SELECT oid FROM pg_class WHERE oid >= 16384 AND relkind = 'r'"
"""Without partitioned tables: a partition that leaves one takes its rows along."""


class _Before:
    """The catalogue and the rows before a migration."""

    def __init__(self, at: psycopg.Connection[Any]) -> None:
        self.tables = {row[0] for row in at.execute(_RELATIONS)}
        self.columns = {(row[0], row[1]): row[2] for row in at.execute(_COLUMNS)}
        self.indexed = {row[0] for row in at.execute(_WITH_INDEXES)}
        self.indexes = dict(at.execute(_INDEXED).fetchall())
        self.rows = {row[0] for row in at.execute(_LEAVES).fetchall() if _has_rows(at, row[0])}


def _has_rows(at: psycopg.Connection[Any], oid: int) -> bool:
    row = at.execute("SELECT %s::oid::regclass::text", (oid,)).fetchone()
    assert row is not None
    answer = at.execute(f"SELECT EXISTS (SELECT 1 FROM {row[0]})").fetchone()
    assert answer is not None
    return bool(answer[0])


def codes_of(at: psycopg.Connection[Any], sql: str, inserts: Sequence[str]) -> set[str]:
    """Run a migration in the open transaction of *at* and return the codes of what it did.

    NOT NULL is when the migration itself or an old INSERT fails for a NULL (SQLSTATE 23502), or the
    INSERT for a check (23514).
    """
    before = _Before(at)
    codes: set[str] = set()
    try:
        with at.transaction():
            at.execute(sql)
    except psycopg.errors.NotNullViolation:
        return {"not-null-without-default"}
    except psycopg.Error as error:
        return {f"failed: {error}"}
    at.execute("RESET search_path")
    tables = {row[0] for row in at.execute(_RELATIONS)}
    columns = {(row[0], row[1]): row[2] for row in at.execute(_COLUMNS)}
    if before.tables - tables:
        codes.add("drop-table")
    for key, name in before.columns.items():
        gone = key[0] in before.tables and key[0] not in tables
        if not gone and key not in columns:
            codes.add("drop-column")
        elif not gone and columns[key] != name:
            codes.add("rename-column")
    if any(not _has_rows(at, oid) for oid in before.rows & tables):
        codes.add("truncate")
    indexes = dict(at.execute(_INDEXED).fetchall())
    locked = {row[0] for row in at.execute(_BUILT)}
    if any(
        oid in before.indexed and indexes.get(oid, 0) > before.indexes.get(oid, 0) for oid in locked
    ):
        codes.add("index-not-concurrent")
    for insert in inserts:
        try:
            with at.transaction():
                at.execute(insert)
        except psycopg.Error as error:
            # Else its table or column is gone, which other codes say.
            codes |= {"not-null-without-default"} if _for_a_null(error) else set()
    return codes


def _for_a_null(error: psycopg.Error) -> bool:
    """Whether a row is refused because of a NULL, or by a check and not by the bound of a partition."""
    if isinstance(error, psycopg.errors.CheckViolation):
        return bool(error.diag.constraint_name)
    return isinstance(error, psycopg.errors.NotNullViolation)
