"""What every fact about a table says of it, and what a definition says of its column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.migrations.records import Action, Column, Dialect, Maybe, Name
from sluiceway.migrations.state.catalogue import ColumnState, Thing

if TYPE_CHECKING:
    from sluiceway.migrations.state.walk import Walk

__all__ = ["about", "described", "dotted", "if_new", "on_table", "refer"]


def dotted(name: Name) -> str:
    """Return a name as facts write it."""
    return ".".join(name)


def about(walk: Walk, action: Action, thing: Thing, name: Name) -> dict[str, Any]:
    """Return the fields that every fact about *thing* has, called *name* by its statement."""
    return {
        "table": dotted(name),
        "column": action.column,
        "temporary": thing.temporary
        or (walk.dialect is Dialect.TSQL and name[-1:] != () and name[-1].startswith("#")),
        "partitioned": thing.partitioned if thing.partitioned is not Maybe.NO else None,
        "materialized": thing.materialized,
        "cascade": action.cascade,
        "label": action.label,
        "new_object": if_new(walk.world.catalogue.made(thing)),
    }


def if_new(answer: Maybe) -> Maybe | None:
    """Return an answer as a field of a fact: nothing for the default."""
    return answer if answer is not Maybe.NO else None


def described(walk: Walk, definition: Column) -> ColumnState:
    """Return a new column's state, with what its domain says when a script has made that."""
    not_null, default = definition.not_null, definition.default
    if walk.world.domains and definition.type:
        words = tuple(part.strip('"') for part in definition.type.split("."))
        for key in walk.world.catalogue.keys(words):
            domain = walk.world.domains.get(key)
            if domain is not None:
                not_null, default = not_null or domain[0], default or domain[1]
                break
    return ColumnState(not_null=not_null, default=default)


def refer(walk: Walk, thing: Thing, references: Name) -> None:
    """Note that an older table points to a newer one."""
    if walk.world.catalogue.made(thing) is not Maybe.YES:
        target = walk.world.catalogue.find(references)
        if target is not None:
            target.referenced = True


def on_table(walk: Walk, action: Action) -> None:
    """An action on a table that changes nothing that we keep."""
    thing = walk.world.catalogue.thing(action.name)
    walk.fact(
        action.kind,
        action,
        **about(walk, action, thing, action.name) | {"concurrently": action.concurrently},
    )
