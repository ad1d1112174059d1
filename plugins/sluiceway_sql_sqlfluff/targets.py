"""The table whose rows a statement changes: its triggers run."""

from __future__ import annotations

from sluiceway.migrations.records import Dialect, Name
from sluiceway_sql_sqlfluff.cursor import Cursor

__all__ = ["changed"]


def changed(cursor: Cursor) -> Name:
    """Return the table whose rows a statement changes; nothing where there are several."""
    inner = cursor.within(cursor.index, cursor.stop)
    while not inner.done and not inner.one_of(
        "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "REPLACE"
    ):
        inner.next()
    inner.one_of("IGNORE", "OVERWRITE")
    if inner.one_of("ALL", "FIRST"):
        return ()  # Snowflake: into several tables
    tsql = cursor.dialect is Dialect.TSQL
    if tsql and inner.take("TOP"):
        inner.skip_group()
        inner.take("PERCENT")
    inner.one_of("INTO", "FROM")
    inner.take("ONLY")
    name = inner.name() if inner.at_name() else ()
    if tsql and len(name) == 1:
        return _behind(inner, name) or name
    return name


def _behind(inner: Cursor, alias: Name) -> Name:
    """Return the table of ``UPDATE t SET ... FROM long_name AS t``, or nothing."""
    while not inner.done:
        if not (inner.one_of("FROM", "JOIN") or inner.take(",")):
            inner.next()
        elif inner.at_name():
            table = inner.name()
            inner.take("AS")
            token = inner.peek()
            if token is not None and inner.at_name() and (inner.fold(token),) == alias:
                return table
    return ()
