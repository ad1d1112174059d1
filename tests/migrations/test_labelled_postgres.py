"""The labelled migrations: what is found in each, and what a real server says of the labels."""

from __future__ import annotations

import pytest

from sluiceway.migrations.records import Dialect, Fact, Kind, Maybe, Script
from sluiceway.migrations.state import facts
from sluiceway_sql_libpg_query.parser import LibPgQuery

from tests.migrations.labelled_postgres import CASES, Case

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
