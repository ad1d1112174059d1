"""Statements that sqlfluff cannot parse, and that do no harm whatever stands behind their first words."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.migrations.records import Action, Dialect, Kind
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import Variables
from sluiceway_sql_sqlfluff.guesses import dangers
from sluiceway_sql_sqlfluff.simple import VERBS, statement
from sluiceway_sql_sqlfluff.tokens import MYSQL, Token, Unreadable

__all__ = ["harmless"]

_SAFE_LEADS: dict[tuple[str, ...], Kind] = {
    ("LOCK", "TABLE"): Kind.LOCK,
    ("LOCK", "TABLES"): Kind.LOCK,
    ("UNLOCK", "TABLE"): Kind.OTHER,
    ("UNLOCK", "TABLES"): Kind.OTHER,
    ("GRANT",): Kind.OTHER,
    ("REVOKE",): Kind.OTHER,
    ("TABLE",): Kind.OTHER,
    ("EXPLAIN",): Kind.OTHER,
    ("BEGIN", "IMMEDIATE"): Kind.BEGIN,
    ("BEGIN", "EXCLUSIVE"): Kind.BEGIN,
    ("BEGIN", "DEFERRED"): Kind.BEGIN,
}
_SAFE_IN_MYSQL = frozenset(
    {
        ("ALTER", "USER"), ("CHECK", "TABLE"), ("CHECKSUM", "TABLE"), ("DROP", "SERVER"),
        ("DROP", "RESOURCE"), ("IMPORT", "TABLE"), ("RENAME", "USER"),
    }
)  # fmt: skip
_PARTS = frozenset({"PARTITION", "PARTITIONING", "ORDER"})
_SAFE = frozenset({Kind.OTHER, Kind.REWRITE_TABLE, Kind.CREATE_INDEX})


def harmless(  # noqa: PLR0911 - one a reason to go on
    text: str, dialect: Dialect, found: Sequence[Token], variables: Variables
) -> tuple[Action, ...] | None:
    """Return what such a statement does; ``None`` for any other, and where brackets do not match.

    Only where a semicolon ends every statement: T-SQL may hide another one behind the first. There
    what stands in an ALTER TABLE counts when nothing but expressions in it is passed over.
    """
    if dialect in _ALTERED and [token.word for token in found[:2]] == ["ALTER", "TABLE"]:
        return _altered(text, dialect, found, variables)
    if dialect not in MYSQL and dialect is not Dialect.SQLITE:
        return None
    words = [token.word for token in found]
    if words.count("(") != words.count(")"):
        return None
    if dialect in MYSQL and tuple(words[:2]) in _SAFE_IN_MYSQL:
        return (Action(kind=Kind.OTHER),)
    for lead, kind in _SAFE_LEADS.items():
        if tuple(words[: len(lead)]) == lead and len(words) > len(lead) - (len(lead) > 1):
            return (Action(kind=kind),)
    if words[0] not in {"ALTER", "CREATE"}:
        return None
    cursor = Cursor(found, dialect, text)
    try:
        actions = tuple(statement(cursor, dict(variables)))
    except (Strange, Unreadable):
        return None
    if cursor.unknown or dangers(cursor.loose) or not {a.kind for a in actions} <= _SAFE:
        return None
    indexes = any(action.kind is Kind.CREATE_INDEX for action in actions)
    return actions if actions and (indexes or not _PARTS.isdisjoint(words)) else None


_ALTERED = frozenset({Dialect.TSQL, Dialect.ORACLE})


def _altered(
    text: str, dialect: Dialect, found: Sequence[Token], variables: Variables
) -> tuple[Action, ...] | None:
    cursor = Cursor(found, dialect, text)
    try:
        actions = tuple(statement(cursor, dict(variables)))
    except (Strange, Unreadable):
        return None
    begins = any(token.word in _BEGINS for token in cursor.loose)
    return None if cursor.unknown or begins or dangers(cursor.loose) else actions or None


_BEGINS = (frozenset(VERBS) | {"EXEC", "EXECUTE", "DECLARE", "BEGIN", "IF", "WHILE", "SET"}) - {"("}
