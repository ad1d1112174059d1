"""What every fact about a table says of it, and what a definition says of its column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.migrations.records import Action, Column, Dialect, Kind, Maybe, Name
from sluiceway.migrations.state.catalogue import APART, ColumnState, Domain, Thing

if TYPE_CHECKING:
    from sluiceway.migrations.state.walk import Walk

__all__ = [
    "about",
    "apart",
    "described",
    "domain_key",
    "domain_of",
    "dotted",
    "if_new",
    "newness",
    "on_table",
    "owner",
    "refer",
    "rows_of",
    "type_of",
]


_SPACES = {
    Kind.CREATE_INDEX: "index",
    Kind.DROP_INDEX: "index",
    Kind.CREATE_TYPE: "type",
    Kind.CREATE_DOMAIN: "type",
    Kind.DROP_TYPE: "type",
    Kind.ALTER_TYPE: "type",
    Kind.ALTER_DOMAIN: "type",
    Kind.CREATE_SEQUENCE: "sequence",
    Kind.DROP_SEQUENCE: "sequence",
    Kind.DROP_FUNCTION: "function",
    Kind.DROP_TRIGGER: "trigger",
    Kind.EXTENSION: "extension",
    Kind.DROP_DATABASE: "database",
}


def dotted(name: Name) -> str:
    """Return a name as facts write it."""
    return ".".join(name)


def about(walk: Walk, action: Action, thing: Thing, name: Name) -> dict[str, Any]:
    """Return the fields that every fact about *thing* has, called *name* by its statement."""
    return {
        "table": dotted(name),
        "column": action.column,
        "temporary": (thing.temporary and not _another(walk, thing, name))
        or (walk.dialect is Dialect.TSQL and name[-1:] != () and name[-1].startswith("#")),
        "partitioned": thing.partitioned if thing.partitioned is not Maybe.NO else None,
        "materialized": thing.materialized,
        "cascade": action.cascade,
        "label": action.label,
        "new_object": newness(walk, thing, name),
    }


def newness(
    walk: Walk, thing: Thing, name: Name, column: ColumnState | None = None
) -> Maybe | None:
    """Return how sure it is that *thing*, called *name*, or a column of it is new; as a field of a fact."""
    made = walk.world.catalogue.made(thing, column)
    if made is Maybe.YES and _another(walk, thing, name):
        made = Maybe.MAYBE
    return if_new(made)


def _another(walk: Walk, thing: Thing, name: Name) -> bool:
    """Say whether *name* may be that of another thing, which is older."""
    gone = thing.ends_with and thing.ends_with != walk.where.number
    return bool(gone) or walk.world.catalogue.unsure(name)


def if_new(answer: Maybe) -> Maybe | None:
    """Return an answer as a field of a fact: nothing for the default."""
    return answer if answer is not Maybe.NO else None


def described(walk: Walk, definition: Column) -> ColumnState:
    """Return a new column's state, with what its domain says when a script has made that."""
    return ColumnState(
        not_null=definition.not_null,
        default=definition.default,
        volatile=definition.default_volatile,
        domain=domain_of(walk, definition.type),
    )


def domain_of(walk: Walk, type_: str) -> Domain | None:
    """Return the domain of that name that a script has made."""
    if not walk.world.domains or not type_:
        return None
    key = domain_key(walk, tuple(part.strip('"') for part in type_.split(".")))
    return None if key is None else walk.world.domains[key]


def domain_key(walk: Walk, name: Name) -> tuple[str, str] | None:
    """Return which of the domains that a script has made has that name.

    Where a type is written, it is in lower case.
    """
    lower = (*name[:-1], name[-1].lower()) if name else name
    return next(
        (key for key in walk.world.catalogue.keys(lower) if key in walk.world.domains), None
    )


def owner(walk: Walk, action: Action) -> Thing:
    """Return the table of a column, or the composite type of an attribute."""
    name = action.name
    if action.label == "type" and name:
        name = apart(Kind.CREATE_TYPE, name)
    return walk.world.catalogue.thing(name)


def refer(walk: Walk, thing: Thing, name: Name, references: Name) -> None:
    """Note that *thing*, of that name, points to another table: an older one perhaps to a newer."""
    keys = walk.world.catalogue.keys
    walk.world.triggers.add_reference(keys(name), keys(references))
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


def apart(kind: Kind, name: Name) -> Name:
    """Return the name of something that a table of the same name would not be mixed up with."""
    space = _SPACES.get(kind)
    return (*name[:-1], f"{space}{APART}{name[-1]}") if space and name else name


def type_of(walk: Walk, type_: str) -> Thing | None:
    """Return the type of that name, or of such an array, when the script has made it."""
    name = _bare(type_)
    return walk.world.catalogue.find(apart(Kind.CREATE_TYPE, name)) if name else None


def rows_of(walk: Walk, type_: str) -> Thing | None:
    """Return the table whose rows are of that type, or are in such an array, when the script has made it."""
    name = _bare(type_)
    return walk.world.catalogue.find(name) if name else None


def _bare(type_: str) -> Name:
    bare = type_.partition("[")[0].partition("(")[0].strip()
    return tuple(part.strip('"') for part in bare.split(".")) if bare else ()
