"""What a folder of migrations says about one table, as far as a plan needs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sluiceway.migrations.plans.records import Known, Target
from sluiceway.migrations.records import Action, Column, Dialect, Kind, Name, Script, SqlParser

__all__ = ["known_of"]


def known_of(
    scripts: Iterable[Script], parser: SqlParser, dialect: Dialect, target: Target
) -> Known:
    """Read the type of the target's column, whether it takes NULL, and the table's indexes.

    Statements that are built while they run, and what stands in functions, are not seen: then less
    is known, and whoever asks is asked.
    """
    known = Known()
    for script in scripts:
        for parsed in parser.parse(script, dialect):
            for action in parsed.actions:
                known = _after(known, action, target)
    return known


def _after(known: Known, action: Action, target: Target) -> Known:
    if action.kind in {Kind.CREATE_INDEX, Kind.DROP_INDEX}:
        return replace(known, indexes=_indexes(known, action, target))
    if not _same(action.name, target.table):
        return known
    defined = next((each for each in _defined_by(action) if each.name == target.column), None)
    if defined is not None:
        # A change of type leaves alone whether NULL is taken.
        keeps = action.kind is Kind.CHANGE_TYPE
        not_null = known.not_null if keeps else defined.not_null
        return replace(known, type=defined.type or known.type, not_null=not_null)
    if action.column == target.column and action.kind in {Kind.SET_NOT_NULL, Kind.DROP_NOT_NULL}:
        return replace(known, not_null=action.kind is Kind.SET_NOT_NULL)
    return known


def _defined_by(action: Action) -> Sequence[Column]:
    if action.kind is Kind.CREATE_TABLE:
        return action.definitions
    alters = action.kind in {Kind.ADD_COLUMN, Kind.CHANGE_TYPE}
    return (action.definition,) if alters and action.definition is not None else ()


def _indexes(
    known: Known, action: Action, target: Target
) -> tuple[tuple[str, tuple[str, ...], bool], ...]:
    name = action.name[-1] if action.name else ""
    others = tuple(each for each in known.indexes if each[0] != name)
    if action.kind is Kind.CREATE_INDEX and name and _same(action.table, target.table):
        return (*others, (name, action.columns, action.unique))
    return others if action.kind is Kind.DROP_INDEX else tuple(known.indexes)


def _same(one: Name, other: Name) -> bool:
    pairs = list(zip(reversed(one), reversed(other), strict=False))
    return bool(pairs) and all(mine == yours for mine, yours in pairs)
