"""ALTER TYPE and ALTER DOMAIN: what they say goes for columns."""

from __future__ import annotations

from collections.abc import Iterator

from sluiceway.migrations.records import Action, Kind
from sluiceway_sql_sqlfluff.cursor import Cursor

__all__ = ["altered_domain", "altered_type"]


def altered_type(cursor: Cursor) -> Iterator[Action]:
    """Read what follows ALTER TYPE: attributes of a composite type are columns wherever it is used."""
    name = cursor.name()
    if cursor.take("RENAME", "ATTRIBUTE"):
        column = cursor.column()
        cursor.need("TO")
        yield Action(
            kind=Kind.RENAME_COLUMN,
            name=name,
            column=column,
            new_name=(cursor.column(),),
            label="type",
        )
        return
    if cursor.take("RENAME", "TO"):
        yield Action(kind=Kind.ALTER_TYPE, name=name, new_name=cursor.name(), label="rename type")
        return
    for clause in cursor.clauses():
        if clause.take("DROP", "ATTRIBUTE"):
            if_exists = clause.take("IF", "EXISTS")
            yield Action(
                kind=Kind.DROP_COLUMN,
                name=name,
                column=clause.column(),
                if_exists=if_exists,
                label="type",
            )
        else:
            yield Action(kind=Kind.ALTER_TYPE, name=name)
        clause.rest()


def altered_domain(cursor: Cursor) -> Action:
    """Read what follows ALTER DOMAIN."""
    name = cursor.name()
    if cursor.take("RENAME", "TO"):
        return Action(
            kind=Kind.ALTER_TYPE, name=name, new_name=cursor.name(), label="rename domain"
        )
    label = ""
    if cursor.take("SET", "NOT", "NULL"):
        label = "set not null"
    elif cursor.take("DROP", "NOT", "NULL"):
        label = "drop not null"
    elif cursor.take("DROP", "DEFAULT") or cursor.take("SET", "DEFAULT", "NULL"):
        label = "drop default"
    elif cursor.take("SET", "DEFAULT"):
        label = "set default"
    return Action(kind=Kind.ALTER_DOMAIN, name=name, label=label)
