"""What actions on columns and constraints change, and the facts that they leave."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sluiceway.migrations.dialect import MYSQL
from sluiceway.migrations.records import Action, Column, Dialect, Kind, Maybe, Name
from sluiceway.migrations.state.about import (
    about,
    apart,
    described,
    dotted,
    newness,
    on_table,
    owner,
    refer,
    rows_of,
    type_of,
)
from sluiceway.migrations.state.catalogue import Check, ColumnState, Thing

if TYPE_CHECKING:
    from sluiceway.migrations.state.walk import Walk

__all__ = [
    "add_column",
    "add_constraint",
    "change_type",
    "constraint",
    "defaults_dropped",
    "drop_column",
    "drop_default",
    "drop_not_null",
    "rename_column",
    "serials_dropped",
    "set_default",
    "set_not_null",
]

_WHOLE = MYSQL
"""Where a change of type says everything of the column anew, NOT NULL and the default too."""
_OWN_SEQUENCES = frozenset({Dialect.POSTGRES, Dialect.REDSHIFT})
"""Where a ``serial`` makes a sequence that goes with its column, and with it every default by it."""


# --- columns --------------------------------------------------------------------------------------


def add_column(walk: Walk, action: Action) -> None:
    """Take ADD COLUMN."""
    definition = action.definition or Column(name=action.column)
    thing = walk.world.catalogue.thing(action.name)
    known = about(walk, action, thing, action.name)
    column = described(walk, definition)
    before = thing.columns.get(action.column)
    if before is not None and not before.gone and action.if_exists:
        column = before
    else:
        column.default_branch = walk.world.catalogue.branch
        column.made = Maybe.MAYBE if action.if_exists or walk.where.conditional else Maybe.YES
        thing.columns[action.column] = column
    if definition.references:
        refer(walk, thing, action.name, definition.references)
    if definition.default_name:
        thing.defaults[definition.default_name] = action.column
    walk.fact(
        action.kind,
        action,
        settles=column if definition.not_null or column.not_null or column.domain else None,
        at_once=column.demands,
        **known
        | {
            "nullable": not column.demands,
            "default_at_end": column.gives,
            "generated": definition.generated,
            "primary_key": definition.primary_key,
            "unique": definition.unique,
            "references": dotted(definition.references),
            # Another than a domain that takes no NULL itself.
            "type": "" if column.domain and column.domain.demands else definition.type,
            "volatile": definition.default_volatile,
        },
    )


def drop_column(walk: Walk, action: Action) -> None:
    """Take DROP COLUMN, or DROP ATTRIBUTE."""
    catalogue = walk.world.catalogue
    thing = owner(walk, action)
    column = thing.column(action.column)
    known = about(walk, action, thing, action.name)
    walk.fact(
        action.kind, action, **known | {"new_object": newness(walk, thing, action.name, column)}
    )
    if column.made is not Maybe.NO or thing.made is not Maybe.NO:
        serials_dropped(walk, action, [column])
    column.gone, column.null_branch = True, catalogue.branch
    thing.columns[action.column] = ColumnState(gone=True)


def rename_column(walk: Walk, action: Action) -> None:
    """Take RENAME COLUMN, or RENAME ATTRIBUTE: it stays as old as it is."""
    thing = owner(walk, action)
    column = thing.column(action.column)
    known = about(walk, action, thing, action.name)
    walk.fact(
        action.kind,
        action,
        **known
        | {
            "new_name": dotted(action.new_name),
            "new_object": newness(walk, thing, action.name, column),
        },
    )
    if action.new_name:
        thing.columns.pop(action.column, None)
        thing.columns[action.new_name[-1]] = column
        if walk.where.conditional and column.made is Maybe.YES:
            # It may still be another that has this name.
            column.made = Maybe.MAYBE
        for check in thing.checks.values():
            if check.column == action.column:
                check.column = action.new_name[-1]


def change_type(walk: Walk, action: Action) -> None:
    """Take a change of type, which in some dialects says everything of the column anew."""
    definition = action.definition or Column(name=action.column)
    thing = walk.world.catalogue.thing(action.name)
    column = thing.column(action.column)
    seen = described(walk, definition)
    if walk.dialect in _WHOLE:
        column.not_null, column.default = seen.not_null, seen.default
        column.volatile = seen.volatile
    elif seen.not_null:
        column.not_null = True
        column.default = column.default or seen.default
    column.domain = seen.domain
    if walk.world.catalogue.made(thing, column) is not Maybe.YES:
        made = type_of(walk, definition.type)
        if made is not None:
            made.referenced = True
        elif (rows := rows_of(walk, definition.type)) is not None:
            rows.holds_old = True  # the column goes with the table whose rows it holds
        else:
            for extension in walk.world.catalogue.extensions():
                extension.referenced = True  # it may be one of its types
    walk.fact(
        action.kind,
        action,
        settles=column if seen.not_null or seen.domain else None,
        **about(walk, action, thing, action.name)
        | {
            "nullable": not seen.demands,
            "default_at_end": column.gives,
            "type": definition.type,
            "generated": definition.generated,
        },
    )


def set_not_null(walk: Walk, action: Action) -> None:
    """Take SET NOT NULL."""
    thing = walk.world.catalogue.thing(action.name)
    column = thing.column(action.column)
    column.not_null, column.null_branch = True, ()
    for check in thing.checks.values():
        check.alone = check.alone and check.column != action.column
    if action.constraint_name:
        thing.checks[action.constraint_name] = Check(action.column, not_null=True)
    walk.fact(
        action.kind,
        action,
        settles=column,
        **about(walk, action, thing, action.name)
        | {
            "covered": not action.constraint
            # The old code cannot give a value to a column that it does not know.
            and column.made is Maybe.NO
            and any(
                check.validated and check.column == action.column for check in thing.checks.values()
            ),
            "not_valid": action.not_valid,
            "constraint": action.constraint,
            "object": action.constraint_name,
        },
    )


def drop_not_null(walk: Walk, action: Action) -> None:
    """Take DROP NOT NULL."""
    column = walk.world.catalogue.thing(action.name).column(action.column)
    column.not_null, column.null_branch = False, walk.world.catalogue.branch
    on_table(walk, action)


def set_default(walk: Walk, action: Action) -> None:
    """Take SET DEFAULT."""
    thing = walk.world.catalogue.thing(action.name)
    column = thing.column(action.column)
    if action.constraint_name:
        thing.defaults[action.constraint_name] = action.column
    column.default, column.default_branch = action.value, walk.world.catalogue.branch
    column.volatile = action.volatile
    on_table(walk, action)


def drop_default(walk: Walk, action: Action) -> None:
    """Take DROP DEFAULT."""
    column = walk.world.catalogue.thing(action.name).column(action.column)
    column.default = False
    for draft in walk.world.drafts:
        if draft.column is column:
            draft.values.pop("generated", None)  # DROP EXPRESSION: it is none any more
    on_table(walk, action)


# --- constraints ----------------------------------------------------------------------------------


def add_constraint(walk: Walk, action: Action) -> None:
    """Take ADD CONSTRAINT; a primary key makes its columns NOT NULL, and a check may do the same."""
    catalogue = walk.world.catalogue
    thing = catalogue.thing(action.name)
    closed = _closed_by_check(thing, action)
    if action.check_not_null and (action.not_valid or closed is not None):
        table = action.name[-1] if action.name else ""
        name = action.constraint_name or f"{table}_{action.check_not_null}_check"
        thing.checks[name] = Check(action.check_not_null, alone=closed is not None)
    if action.references:
        refer(walk, thing, action.name, action.references)
    walk.fact(
        action.kind,
        action,
        **about(walk, action, thing, action.name)
        | {
            "object": action.constraint_name,
            "constraint": action.constraint,
            "references": dotted(action.references),
            "not_valid": action.not_valid,
            "using_index": action.using_index,
            "unique": action.unique,
            # Whether a key's older columns took NULL before is not known, and nearly none did; of
            # one that is known to, there is a fact of its own.
            "nullable": action.constraint == "primary key",
        },
    )
    if closed is not None:
        closed.not_null, closed.null_branch = True, ()
        walk.fact(
            Kind.SET_NOT_NULL,
            action,
            settles=closed,
            **about(walk, action, thing, action.name)
            | {"column": action.check_not_null, "constraint": action.constraint},
        )
    # Of columns that nobody has asked for, none was added to the table.
    if action.constraint == "primary key" and thing.made_of is None:
        index = catalogue.find(apart(Kind.CREATE_INDEX, action.new_name))
        for name in index.keys if index is not None and action.using_index else action.columns:
            column = thing.columns.get(name)
            if column is not None and column.made is Maybe.YES and not column.not_null:
                column.not_null = True
                walk.fact(
                    Kind.SET_NOT_NULL,
                    action,
                    settles=column,
                    **about(walk, action, thing, action.name)
                    | {"column": name, "constraint": action.constraint},
                )


def _closed_by_check(thing: Thing, action: Action) -> ColumnState | None:
    """Return the column that a check keeps NULL out of though the old code cannot know it.

    Of an older one that is the safe way: code that gives it a value is asked for first.
    """
    if not action.check_not_null or thing.made_of is not None:
        return None
    column = thing.columns.get(action.check_not_null)
    known = column is None or column.made is Maybe.NO or column.gone
    return None if known or column is None or column.not_null else column


def defaults_dropped(walk: Walk, sequence: Name, *, made_here: bool) -> None:
    """Take away the defaults that a sequence or a function takes along: a serial's own, or of one
    made here any that may be its value.
    """
    for draft in walk.world.drafts:
        if draft.column is None or not draft.column.volatile:
            continue
        table = draft.values.get("table", "").rpartition(".")[2]
        if made_here or sequence[-1:] == (f"{table}_{draft.values.get('column')}_seq",):
            draft.column.default = False


def serials_dropped(walk: Walk, action: Action, dropped: Iterable[ColumnState]) -> None:
    """Take away the defaults that go by CASCADE with the sequences of columns made here."""
    if action.cascade and walk.dialect in _OWN_SEQUENCES and any(each.default for each in dropped):
        defaults_dropped(walk, (), made_here=True)


def _default_dropped(walk: Walk, thing: Thing, name: str) -> None:
    """Take the default away that is a constraint of that name; of T-SQL it is often found out by a query."""
    if name in thing.defaults:
        thing.column(thing.defaults.pop(name)).default = False
    elif not name and walk.dialect is Dialect.TSQL:
        for column in thing.columns.values():
            column.default = column.default and column.made is Maybe.NO


def constraint(walk: Walk, action: Action) -> None:
    """Take VALIDATE, DROP and RENAME CONSTRAINT."""
    thing = walk.world.catalogue.thing(action.name)
    check = thing.checks.get(action.constraint_name)
    if action.kind is Kind.VALIDATE_CONSTRAINT and check is not None:
        check.validated = not walk.where.conditional
    elif action.kind is Kind.DROP_CONSTRAINT:
        thing.checks.pop(action.constraint_name, None)
        if check is not None and (check.not_null or check.alone):
            thing.column(check.column).not_null = False
        _default_dropped(walk, thing, action.constraint_name)
    elif action.kind is Kind.RENAME_CONSTRAINT and check is not None and action.new_name:
        thing.checks[action.new_name[-1]] = thing.checks.pop(action.constraint_name)
    walk.fact(
        action.kind,
        action,
        **about(walk, action, thing, action.name)
        | {"object": action.constraint_name, "new_name": dotted(action.new_name)},
    )
