"""Where the clauses of ALTER TABLE begin and end."""

from __future__ import annotations

from collections.abc import Iterator

from sluiceway.migrations.records import Dialect
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.tokens import TokenKind

__all__ = ["clauses_of"]


def clauses_of(cursor: Cursor) -> Iterator[Cursor]:
    """Yield the clauses: Oracle's may stand beside each other without a comma."""
    while not cursor.done:
        clause = cursor.clause()
        if cursor.dialect is Dialect.ORACLE:
            yield from _side_by_side(clause)
        else:
            yield clause
        if not cursor.take(","):
            return
        if cursor.dialect is Dialect.SQLITE:
            raise Strange
    raise Strange


def _side_by_side(clause: Cursor) -> Iterator[Cursor]:
    """Yield the clauses of ``ADD a NUMBER MODIFY b NOT NULL``."""
    stop, depth = clause.stop, 0
    clause.stop = clause.index
    for index in range(clause.index, stop):
        token = clause.tokens[index]
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        begins = token.word in {"ADD", "MODIFY", "DROP"} and token.kind is TokenKind.WORD
        following_word = clause.tokens[index + 1].word if index + 1 < stop else ""
        if token.word == "DROP" and following_word in {"STORAGE", "ALL", "INDEX"}:
            begins = False  # of TRUNCATE PARTITION, of DROP CONSTRAINT
        if begins and not depth and index > clause.index:
            yield clause
            following = Cursor(clause.tokens, clause.dialect, clause.text)
            following.index, following.unknown, following.loose = (
                index,
                clause.unknown,
                clause.loose,
            )
            clause = following
        clause.stop = index + 1
    yield clause
