"""The labelled migrations: what is found in each, and what a real server says of the labels."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sluiceway.migrations.records import Dialect, Fact, Kind, Maybe, Script
from sluiceway.migrations.state import facts
from sluiceway_sql_libpg_query.parser import LibPgQuery

from .labelled_postgres import ALONE, CASES, INSERTS, SCHEMA, Case
from .postgres_kit import codes_of, server

_DEMANDS = frozenset({Kind.ADD_COLUMN, Kind.CHANGE_TYPE, Kind.SET_NOT_NULL})
_CODES = {
    Kind.DROP_TABLE: "drop-table",
    Kind.DROP_SCHEMA: "drop-table",
    Kind.DROP_DATABASE: "drop-table",
    Kind.DROP_COLUMN: "drop-column",
    Kind.RENAME_COLUMN: "rename-column",
    Kind.CREATE_INDEX: "index-not-concurrent",
    Kind.TRUNCATE: "truncate",
    Kind.UNPARSABLE: "unparsable",
}


def code(fact: Fact) -> str:
    """Return the code that a fact deserves, or nothing. The policies say the same in Rego."""
    if fact.new_object is Maybe.YES or fact.temporary or fact.guessed:
        return ""
    if fact.kind in _DEMANDS:
        excused = fact.nullable or fact.default_at_end or fact.covered or fact.generated
        return "" if excused else "not-null-without-default"
    if fact.kind is Kind.CREATE_INDEX and (
        fact.concurrently or fact.new_object is Maybe.MAYBE or fact.only
    ):
        return ""
    return _CODES.get(fact.kind, "")


def found(sql: str) -> set[str]:
    script = Script(path="m.sql", name="m.sql", layout="plain", text=sql, digest="sha256:0")
    answer = facts([script], LibPgQuery(), Dialect.POSTGRES)
    return {code(fact) for fact in answer.facts} - {""}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_codes_are_exactly_those_of_the_label(case: Case) -> None:
    assert found(case.sql) == case.codes


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    # The path of a socket may not be longer than 107 bytes: tmp_path is often too deep.
    with tempfile.TemporaryDirectory(prefix="labels-") as folder:
        Path(folder).chmod(0o755)
        with server(Path(folder) / "pg") as address:
            with psycopg.connect(address, dbname="postgres", autocommit=True) as at:
                at.execute("CREATE DATABASE labels")
            with psycopg.connect(address, dbname="labels", autocommit=True) as at:
                at.execute(SCHEMA)
            yield address


@pytest.mark.real_tool("pg_ctl")
def test_a_real_server_agrees_with_the_labels(database: str) -> None:
    differences = {}
    with psycopg.connect(database, dbname="labels") as at:
        for case in CASES:
            if not case.runs and case.sql.strip():
                done = codes_of(at, case.sql, INSERTS)
                at.rollback()
                if done != case.codes:
                    differences[case.name] = (done, set(case.codes))
    assert not differences, differences


@pytest.mark.real_tool("pg_ctl")
def test_a_real_server_agrees_with_the_labels_of_whole_transactions(database: str) -> None:
    alone = [case for case in CASES if case.runs == ALONE]
    differences = {}
    with psycopg.connect(database, dbname="postgres", autocommit=True) as control:
        for case in alone:
            control.execute("CREATE DATABASE one TEMPLATE labels")
            try:
                with psycopg.connect(database, dbname="one", autocommit=True) as at:
                    done = statement_by_statement(at, case.sql)
            finally:
                control.execute("DROP DATABASE one WITH (FORCE)")
            if done != case.codes:
                differences[case.name] = (done, set(case.codes))
    assert not differences, differences


def statement_by_statement(at: psycopg.Connection[Any], sql: str) -> set[str]:
    before = tables_of(at)
    for piece in sql.split(";"):
        if piece.strip():
            at.execute(piece)
    after = tables_of(at)
    return {"drop-table"} if before - after else set()


def tables_of(at: psycopg.Connection[Any]) -> set[int]:
    return {
        row[0]
        for row in at.execute("SELECT oid FROM pg_class WHERE oid >= 16384 AND relkind = 'r'")
    }
