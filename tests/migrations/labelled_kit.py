"""What a labelled migration is."""

from __future__ import annotations

from dataclasses import dataclass

TABLE, COLUMN, NOT_NULL = "drop-table", "drop-column", "not-null-without-default"
RENAME, INDEX, TRUNCATE = "rename-column", "index-not-concurrent", "truncate"
UNPARSABLE = "unparsable"

ALONE = "alone"
"""It has transactions of its own, or cannot be in one: on a database of its own."""


@dataclass(frozen=True, slots=True)
class Case:
    """A migration and its codes."""

    name: str
    sql: str
    codes: frozenset[str]
    runs: str = ""


def case(name: str, sql: str, *codes: str, runs: str = "") -> Case:
    return Case(name, sql, frozenset(codes), runs)
