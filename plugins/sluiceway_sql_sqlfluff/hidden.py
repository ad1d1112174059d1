"""Functions of PostgreSQL that run without their name: behind a view, a cast, or under a new name."""

from __future__ import annotations

from collections.abc import Iterator

from sluiceway.migrations.records import Action, Dialect, Kind, Name
from sluiceway_sql_sqlfluff.cursor import Cursor
from sluiceway_sql_sqlfluff.running import called_in

__all__ = ["FUNCTIONS_MATTER", "altered", "behind_view", "cast"]

FUNCTIONS_MATTER = frozenset(
    {Dialect.POSTGRES, Dialect.REDSHIFT, Dialect.DB2, Dialect.ANSI, Dialect.ORACLE}
)
"""Where a function that a SELECT calls may change the schema."""


def behind_view(cursor: Cursor, begin: int) -> Iterator[Action]:
    """Take what a view calls for called where it is made: who looks at it is not followed.

    Args:
        cursor: Behind the view.
        begin: Where the view begins.
    """
    if cursor.dialect in FUNCTIONS_MATTER:
        view = cursor.within(begin, cursor.stop)
        yield from called_in(view)


def cast(cursor: Cursor) -> Iterator[Action]:
    """Take the function of a cast for called; many casts have none."""
    while not cursor.done and not cursor.take("FUNCTION"):
        cursor.next()
    called = cursor.name() if cursor.at_name() else ()
    cursor.rest()
    yield Action(kind=Kind.CALL if called else Kind.OTHER, name=called)


def altered(cursor: Cursor) -> Action:
    """Read ALTER FUNCTION, which leaves its body as it is: calls find it by its new name."""
    name = cursor.name()
    cursor.skip_group()
    new: Name = ()
    if cursor.take("RENAME", "TO"):
        new = (cursor.part(),)
    elif cursor.take("SET", "SCHEMA"):
        new = (cursor.part(), name[-1])
    if not new:
        cursor.rest()
        return Action(kind=Kind.OTHER)
    return Action(kind=Kind.ALTER_TYPE, name=name, new_name=new, label="rename function")
