"""Actions of an inner text as those of the outer one: where they stand, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sluiceway.migrations.records import Action, Kind, Name
from sluiceway_sql_sqlfluff.dynamic import UNKNOWN

__all__ = ["by_itself", "doubtful", "flat", "known", "shifted", "stored"]


_NO_TABLE = frozenset({("database",), ("all",), ("schema",), ("DATABASE",), ("SCHEMA",)})
"""What a trigger of T-SQL or Oracle is on where it is on no table."""


def shifted(action: Action, by: int) -> Action:
    """Return an action of an inner statement with its place in the outer one."""
    nested = tuple(shifted(inner, by) for inner in action.nested)
    return replace(action, offset=action.offset + by, nested=nested)


def by_itself(made: Action) -> Action:
    """Take an event for what it does: nobody calls it, the server runs it by itself."""
    return replace(made, kind=Kind.OTHER, body="") if made.label == "event" else made


def stored(made: Action) -> Iterator[Action]:
    """Yield a stored program; a trigger as a function of its name, and what runs it."""
    if made.kind is not Kind.CREATE_TRIGGER:
        yield made
        return
    yield replace(made, kind=Kind.CREATE_FUNCTION)
    yield replace(made, body="", references=made.name)
    if made.table in _NO_TABLE:
        # Any change of the schema fires it, the next one perhaps.
        yield Action(kind=Kind.CALL, name=made.name, offset=made.offset)


def flat(action: Action) -> Action:
    """Return an action whose nested ones stand where it stands."""
    return replace(action, nested=tuple(replace(flat(inner), offset=0) for inner in action.nested))


def known(action: Action) -> Action:
    """Return an action without the names that stand for what is not known."""

    def name(parts: Name) -> Name:
        return () if any(UNKNOWN in part.lower() for part in parts) else parts

    return replace(
        action,
        name=name(action.name),
        table=name(action.table),
        new_name=name(action.new_name),
        column="" if UNKNOWN in action.column.lower() else action.column,
        constraint_name="" if UNKNOWN in action.constraint_name.lower() else action.constraint_name,
        nested=tuple(known(inner) for inner in action.nested),
    )


def doubtful(action: Action) -> bool:
    """Whether an action hangs on a part that is not known and that may be more than a name.

    ``ADD c <unknown>`` may say NOT NULL, and ``ADD <unknown>`` anything at all.
    """
    column = action.definition
    if column is not None and (
        UNKNOWN in column.type.lower() or (not column.type and UNKNOWN in column.name.lower())
    ):
        return True
    return any(doubtful(inner) for inner in action.nested)
