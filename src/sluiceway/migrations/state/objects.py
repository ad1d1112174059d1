"""What each action changes in the catalogue, and the fact that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sluiceway.migrations.dialect import MYSQL
from sluiceway.migrations.later import LaterColumns
from sluiceway.migrations.records import Action, Column, Dialect, Kind, Maybe, Name
from sluiceway.migrations.state import columns
from sluiceway.migrations.state.about import (
    about,
    apart,
    described,
    domain_key,
    domain_of,
    dotted,
    if_new,
    on_table,
    refer,
)
from sluiceway.migrations.state.catalogue import ColumnState, Domain, Thing

if TYPE_CHECKING:
    from sluiceway.migrations.state.walk import Walk

__all__ = ["apply"]


def apply(walk: Walk, action: Action) -> None:
    """Take an action: change what is known, and leave its fact."""
    handler = _HANDLERS.get(action.kind)
    if handler is not None:
        handler(walk, action)


# --- tables ---------------------------------------------------------------------------------------


def _create_table(walk: Walk, action: Action) -> None:
    if not action.name:
        return
    thing = Thing(
        temporary=action.temporary,
        passing=action.temporary and action.label == "on commit drop",
        partitioned=Maybe.YES if action.partitioned else Maybe.NO,
        materialized=action.materialized,
    )
    if thing.passing and walk.alone:
        thing.ends_with = walk.where.number
    given = action.definitions
    if isinstance(given, LaterColumns) and not walk.world.domains:
        references: Sequence[Name] = given.references
        thing.made_of = partial(_columns, given)
    else:
        references = [each.references for each in given if each.references]
        thing.known = {each.name: described(walk, each) for each in given}
    for table in references:
        refer(walk, thing, action.name, table)
    if action.references:
        walk.add_part(action.name, action.references)
    walk.world.catalogue.make(action.name, thing, maybe=action.if_exists or action.or_replace)
    if action.references and thing.made is Maybe.YES:
        walk.world.catalogue.thing(action.references).parts.append(thing)
    if thing.made is not Maybe.YES:
        # The table that was there may have other columns of those names.
        thing.known, thing.made_of = {}, None


def _columns(definitions: Sequence[Column]) -> dict[str, ColumnState]:
    """Return the states of new columns, none of which has a domain as its type."""
    return {
        each.name: ColumnState(
            not_null=each.not_null, default=each.default, volatile=each.default_volatile
        )
        for each in definitions
    }


def _drop_table(walk: Walk, action: Action) -> None:
    catalogue = walk.world.catalogue
    if action.temporary:
        # The statement says so: whatever else has that name is left alone.
        known = about(walk, action, Thing(), action.name)
        walk.fact(action.kind, action, **known | {"temporary": True})
        catalogue.drop(action.name, temporary=True)
        return
    thing = catalogue.thing(action.name)
    walk.fact(action.kind, action, **about(walk, action, thing, action.name))
    if action.cascade and thing.made is not Maybe.NO:
        columns.serials_dropped(walk, action, thing.columns.values())
    catalogue.drop(action.name)


def _truncate(walk: Walk, action: Action) -> None:
    thing = walk.world.catalogue.thing(action.name)
    known = about(walk, action, thing, action.name)
    if action.cascade and thing.referenced:
        known["new_object"] = None
    walk.fact(action.kind, action, **known)
    if action.name:
        walk.fire(action, emptied=True)


def _rename_table(walk: Walk, action: Action) -> None:
    if action.label == "index":
        walk.world.catalogue.move(action.name, action.new_name)
        return
    if walk.dialect is Dialect.TSQL and walk.defines(action.name):
        walk.rename_function(action)  # sp_rename knows no difference
        return
    thing = walk.world.catalogue.thing(action.name)
    walk.fact(
        action.kind,
        action,
        **about(walk, action, thing, action.name) | {"new_name": dotted(action.new_name)},
    )
    if action.name and action.new_name:
        walk.move_triggers(action.name, action.new_name)
        walk.world.catalogue.move(action.name, action.new_name)


def _set_schema(walk: Walk, action: Action) -> None:
    thing = walk.world.catalogue.thing(action.name)
    walk.fact(
        action.kind,
        action,
        **about(walk, action, thing, action.name) | {"new_name": dotted(action.new_name)},
    )
    if action.name and action.new_name:
        walk.move_triggers(action.name, (action.new_name[-1], action.name[-1]))
        walk.world.catalogue.move(action.name, (action.new_name[-1], action.name[-1]))


def _attach(walk: Walk, action: Action) -> None:
    catalogue = walk.world.catalogue
    parent, child = catalogue.thing(action.name), catalogue.thing(action.new_name)
    if action.label == "exchange":
        # Rows that were there before may be in either from now on.
        old = [catalogue.made(each) is not Maybe.YES for each in (parent, child)]
        parent.holds_old |= old[1]
        child.holds_old |= old[0]
        return
    if action.kind is Kind.ATTACH_PARTITION:
        walk.add_part(action.new_name, action.name)
    if action.label != "inherit":
        parent.partitioned = Maybe.YES
    if action.kind is Kind.ATTACH_PARTITION:
        parent.parts.append(child)
    elif not (walk.where.conditional or action.if_exists):
        parent.parts = [part for part in parent.parts if part is not child]
    walk.fact(
        action.kind,
        action,
        **about(walk, action, parent, action.name) | {"new_name": dotted(action.new_name)},
    )


# --- indexes, views, types, schemas ---------------------------------------------------------------


def _create_index(walk: Walk, action: Action) -> None:
    catalogue = walk.world.catalogue
    thing = catalogue.thing(action.table)
    walk.fact(
        action.kind,
        action,
        **about(walk, action, thing, action.table)
        | {
            "object": dotted(action.name),
            "concurrently": action.concurrently,
            "unique": action.unique,
            "only": action.only,
        },
    )
    if action.name:
        name = action.name
        if len(name) == 1 and len(action.table) > 1:
            name = (*action.table[:-1], *name)
        catalogue.make(
            apart(action.kind, name),
            Thing(temporary=thing.temporary, keys=action.columns),
            maybe=action.if_exists,
        )


def _apart(action: Action) -> Name:
    """Return the name of an object that no other kind has: a server may be called as an extension is."""
    own = apart(action.kind, action.name)
    what = action.label.partition(" ")[2]
    return (*own[:-1], f"{own[-1]} {what}") if own and what in _OF_TABLES else own


_OF_TABLES = frozenset({"server", "foreign data wrapper"})
"""What foreign tables go with."""


def _object(walk: Walk, action: Action) -> None:
    """Something with a name of its own is dropped, renamed, refreshed, altered."""
    own = _apart(action)
    thing = walk.world.catalogue.find(own) or Thing()
    walk.fact(
        action.kind,
        action,
        **about(walk, action, thing, action.table)
        | {
            "object": dotted(action.name),
            "new_name": dotted(action.new_name),
            "concurrently": action.concurrently,
            "materialized": action.materialized or thing.materialized,
        },
    )
    if action.cascade and (
        action.kind is Kind.DROP_TYPE
        or (action.kind is Kind.EXTENSION and action.label in _TAKES_ALONG)
    ):
        # It takes along every column of that type, and every foreign table of that server.
        kind = Kind.DROP_TABLE if thing.holds_old else Kind.DROP_COLUMN
        _taken_along(walk, action, _TAKES_ALONG.get(action.label, kind), thing)
    elif action.cascade and action.kind is Kind.DROP_VIEW and thing.holds_old:
        _taken_along(walk, action, Kind.DROP_COLUMN, thing)  # an older column has its rows
    elif action.kind is Kind.EXTENSION and thing.holds_old:
        _taken_along(walk, action, Kind.DROP_TABLE, thing)
    if action.cascade and action.kind in {Kind.DROP_SEQUENCE, Kind.DROP_FUNCTION}:
        function = action.kind is Kind.DROP_FUNCTION and walk.defines(action.name)
        columns.defaults_dropped(walk, action.name, made_here=function or thing.made is Maybe.YES)
    if action.kind in _DROPS:
        walk.world.catalogue.drop(own)
    elif action.kind is Kind.RENAME_VIEW and action.name and action.new_name:
        walk.world.catalogue.move(action.name, action.new_name)


def _taken_along(walk: Walk, action: Action, kind: Kind, thing: Thing) -> None:
    """Leave the fact that something goes with *thing*: with a new one as well, if that was put into it."""
    walk.fact(
        kind,
        action,
        **about(walk, action, thing, ())
        | {"object": dotted(action.name), "column": "", "label": "by cascade"}
        | ({"new_object": None} if thing.referenced or thing.holds_old else {}),
    )


def _reindex(walk: Walk, action: Action) -> None:
    thing = walk.world.catalogue.find(action.name) or Thing()
    table = action.table or (action.name if action.label == "table" else ())
    walk.fact(
        action.kind,
        action,
        **about(walk, action, thing, table)
        | {"object": dotted(action.name), "concurrently": action.concurrently},
    )


def _create_object(walk: Walk, action: Action) -> None:
    if action.name:
        thing = Thing(
            temporary=action.temporary,
            materialized=action.materialized,
            passes_on=action.kind is Kind.CREATE_VIEW,
        )
        maybe = action.if_exists or action.or_replace
        walk.world.catalogue.make(_apart(action), thing, maybe=maybe)


def _create_domain(walk: Walk, action: Action) -> None:
    _create_object(walk, action)
    if action.definition is not None and action.name:
        schema, name = walk.world.catalogue.home(action.name)
        given = action.definition
        walk.world.domains[schema, name.lower()] = Domain(
            given.not_null, given.default, domain_of(walk, given.type)
        )


def _alter_type(walk: Walk, action: Action) -> None:
    if action.label in {"rename function", "rename procedure", "rename routine"}:
        walk.rename_function(action)
        return
    own = apart(action.kind, action.name)
    if action.label == "of":
        # A table of a type goes with it.
        made, table = walk.world.catalogue.find(own), walk.world.catalogue.thing(action.table)
        if made is not None and walk.world.catalogue.made(table) is not Maybe.YES:
            made.holds_old = True
        return
    if action.label.startswith("set schema"):
        kind = Kind.EXTENSION if action.label.endswith("extension") else action.kind
        walk.world.catalogue.move(apart(kind, action.name), apart(kind, action.new_name))
        return
    _object(walk, action)
    if action.label == "rename domain" and action.name and action.new_name:
        key = domain_key(walk, action.name)
        if key is not None:
            moved = walk.world.domains.pop(key)
            walk.world.domains[key[0], action.new_name[-1].lower()] = moved
    if action.label in {"rename domain", "rename type"} and action.name and action.new_name:
        walk.world.catalogue.move(
            apart(action.kind, action.name), apart(action.kind, action.new_name)
        )


def _alter_domain(walk: Walk, action: Action) -> None:
    key = domain_key(walk, action.name)
    domain = walk.world.domains[key] if key is not None else Domain(old=True)
    # What may not happen excuses nothing.
    if not (walk.where.conditional and action.label in {"drop not null", "set default"}):
        changes = {"set not null": True, "drop not null": False}
        domain.not_null = changes.get(action.label, domain.not_null)
        changes = {"set default": True, "drop default": False}
        domain.default = changes.get(action.label, domain.default)
    if action.label == "set not null" and domain.old:
        # Every column of it, of which nothing is known here.
        walk.fact(Kind.SET_NOT_NULL, action, object=dotted(action.name), label="domain")
    _object(walk, action)


def _create_schema(walk: Walk, action: Action) -> None:
    if action.name:
        maybe = action.if_exists or walk.where.conditional
        walk.world.schemas.setdefault(action.name[-1], Maybe.MAYBE if maybe else Maybe.YES)


def _drop_schema(walk: Walk, action: Action) -> None:
    name = action.name[-1] if action.name else ""
    catalogue = walk.world.catalogue
    made = walk.world.schemas.pop(name, Maybe.NO) if action.label != "owned" else Maybe.NO
    things = list(catalogue.of_schema(name))
    if any(catalogue.made(thing) is not Maybe.YES for thing in things):
        made = Maybe.NO
    typed = any(
        catalogue.made(each) is not Maybe.YES or each.referenced
        for each in catalogue.of_schema(name, "type", "extension")
    ) or any(each.referenced for each in catalogue.extensions())
    sure = not (walk.where.dynamic or walk.where.guessed)
    if sure and walk.dialect in _ONLY_EMPTY and not (action.cascade or action.label):
        return  # without CASCADE it fails unless nothing is in it
    walk.fact(
        action.kind,
        action,
        object=dotted(action.name),
        cascade=action.cascade,
        new_object=if_new(made),
        label=action.label,
    )
    if action.cascade and typed and made is Maybe.YES:
        # Columns of its types go with those, wherever they are.
        _taken_along(walk, action, Kind.DROP_COLUMN, Thing())
    if action.cascade and (
        walk.world.routines.of_schema(name) or any(catalogue.of_schema(name, "sequence"))
    ):
        columns.defaults_dropped(walk, (), made_here=True)
    catalogue.clear(name)


def _create_database(walk: Walk, action: Action) -> None:
    if action.name:
        maybe = action.if_exists or walk.where.conditional
        name = dotted(apart(Kind.DROP_DATABASE, action.name))
        walk.world.schemas.setdefault(name, Maybe.MAYBE if maybe else Maybe.YES)


def _drop_database(walk: Walk, action: Action) -> None:
    known, catalogue = walk.world.schemas, walk.world.catalogue
    if walk.dialect in MYSQL:  # where it is a schema, which tables can be moved to
        name = action.name[-1] if action.name else ""
        made = known.pop(name, Maybe.NO)
        if any(catalogue.made(thing) is not Maybe.YES for thing in catalogue.of_schema(name)):
            made = Maybe.NO
        if name:
            catalogue.clear(name)
    else:
        made = known.pop(dotted(apart(action.kind, action.name)), Maybe.NO)
    walk.fact(
        action.kind,
        action,
        object=dotted(action.name),
        new_object=if_new(made),
        label=action.label,
    )


_ONLY_EMPTY = frozenset({Dialect.POSTGRES, Dialect.REDSHIFT, Dialect.TSQL})
"""Where DROP SCHEMA takes no table along unless it says so."""


def _rename_schema(walk: Walk, action: Action) -> None:
    made = walk.world.schemas.get(action.name[-1] if action.name else "", Maybe.NO)
    walk.fact(
        action.kind,
        action,
        object=dotted(action.name),
        new_name=dotted(action.new_name),
        new_object=if_new(made),
    )
    if action.name and action.new_name:
        old, new = action.name[-1], action.new_name[-1]
        walk.world.catalogue.rename_schema(old, new)
        walk.world.routines.rename_schema(old, new)
        walk.world.triggers.rename_schema(old, new)
        known = walk.world.schemas.pop(action.name[-1], Maybe.NO)
        walk.world.schemas[action.new_name[-1]] = Maybe.NO if walk.where.conditional else known


def _extension(walk: Walk, action: Action) -> None:
    if action.label.startswith("drop"):
        _object(walk, action)
    elif action.label.partition(" ")[0] == "create":
        _create_object(walk, action)
    elif action.label == "add":
        # What is older belongs to it from now on.
        walk.world.catalogue.thing(apart(action.kind, action.name)).holds_old = True


_TAKES_ALONG = {
    "drop": Kind.DROP_COLUMN,
    "drop server": Kind.DROP_TABLE,
    "drop foreign data wrapper": Kind.DROP_TABLE,
    "drop access method": Kind.DROP_TABLE,
    "drop operator": Kind.DROP_COLUMN,
    "drop text search configuration": Kind.DROP_COLUMN,
    "drop text search dictionary": Kind.DROP_COLUMN,
}
_DROPS = frozenset({Kind.DROP_INDEX, Kind.DROP_VIEW, Kind.DROP_TYPE, Kind.DROP_SEQUENCE})
_HANDLERS: dict[Kind, Callable[[Walk, Action], None]] = {
    Kind.CREATE_TABLE: _create_table,
    Kind.DROP_TABLE: _drop_table,
    Kind.RENAME_TABLE: _rename_table,
    Kind.SET_SCHEMA: _set_schema,
    Kind.TRUNCATE: _truncate,
    Kind.REWRITE_TABLE: on_table,
    Kind.LOCK: on_table,
    Kind.ATTACH_PARTITION: _attach,
    Kind.DETACH_PARTITION: _attach,
    Kind.ADD_COLUMN: columns.add_column,
    Kind.DROP_COLUMN: columns.drop_column,
    Kind.RENAME_COLUMN: columns.rename_column,
    Kind.CHANGE_TYPE: columns.change_type,
    Kind.SET_NOT_NULL: columns.set_not_null,
    Kind.DROP_NOT_NULL: columns.drop_not_null,
    Kind.SET_DEFAULT: columns.set_default,
    Kind.DROP_DEFAULT: columns.drop_default,
    Kind.ADD_CONSTRAINT: columns.add_constraint,
    Kind.VALIDATE_CONSTRAINT: columns.constraint,
    Kind.DROP_CONSTRAINT: columns.constraint,
    Kind.RENAME_CONSTRAINT: columns.constraint,
    Kind.CREATE_INDEX: _create_index,
    Kind.DROP_INDEX: _object,
    Kind.REINDEX: _reindex,
    Kind.CREATE_VIEW: _create_object,
    Kind.DROP_VIEW: _object,
    Kind.RENAME_VIEW: _object,
    Kind.REFRESH_VIEW: _object,
    Kind.CREATE_TYPE: _create_object,
    Kind.ALTER_TYPE: _alter_type,
    Kind.DROP_TYPE: _object,
    Kind.CREATE_DOMAIN: _create_domain,
    Kind.ALTER_DOMAIN: _alter_domain,
    Kind.CREATE_SEQUENCE: _create_object,
    Kind.DROP_SEQUENCE: _object,
    Kind.DROP_FUNCTION: _object,
    Kind.DROP_TRIGGER: _object,
    Kind.CREATE_SCHEMA: _create_schema,
    Kind.DROP_SCHEMA: _drop_schema,
    Kind.RENAME_SCHEMA: _rename_schema,
    Kind.CREATE_DATABASE: _create_database,
    Kind.DROP_DATABASE: _drop_database,
    Kind.EXTENSION: _extension,
}
