"""An SQLite that is older than DBOS thinks."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy.exc import OperationalError

from sluiceway.runs import sqlite
from sluiceway.runs.durable import database_words


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        sqlite.teach(opened)
        yield opened


def test_milliseconds_are_taught(connection):
    connection.execute(
        "CREATE TABLE a (b INTEGER, at INTEGER NOT NULL DEFAULT (unixepoch('subsec') * 1000))"
    )
    before = time.time()
    connection.execute("INSERT INTO a (b) VALUES (1)")
    ((at,),) = connection.execute("SELECT at FROM a")
    assert before * 1000 - 1 <= at <= time.time() * 1000 + 1


def test_what_was_not_taught_is_an_error_and_no_wrong_moment(connection):
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("SELECT unixepoch('now', '-1 day')")


@pytest.mark.parametrize(
    ("python", "version", "taught"),
    [((3, 11), (3, 40, 1), "0"), ((3, 13), (3, 40, 1), "1"), ((3, 13), (3, 42, 0), "0")],
)
def test_only_a_new_python_with_an_old_sqlite_is_taught(python, version, taught):
    script = (
        "import sqlite3, sys\n"
        "from sqlalchemy import create_engine, event\n"
        "from sqlalchemy.engine import Engine\n"
        "from sluiceway.runs import sqlite\n"
        f"sys.version_info, sqlite3.sqlite_version_info = {python!r}, {version!r}\n"
        "sqlite.teach_where_needed(); sqlite.teach_where_needed()\n"
        "print(int(event.contains(Engine, 'connect', sqlite._connected)))\n"
        "create_engine('sqlite://').connect().close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == taught


def test_people_are_told_the_databases_words_without_its_statement():
    with closing(sqlite3.connect(":memory:")) as full:
        full.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as said:
            full.execute("CREATE TABLE workflow_status (status TEXT)")
    wrapped = OperationalError("UPDATE workflow_status SET status = ?", ("ERROR",), said.value)
    assert "UPDATE" in str(wrapped)
    assert database_words(wrapped) == "database or disk is full"
    assert database_words(RuntimeError("gone")) == "gone"
