"""Everything that a grammar says of a statement is held by a labelled migration: what is lost is noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import pytest

from sluiceway.migrations.records import Action, Column, Kind
from sluiceway.migrations.state.walk import Walk
from sluiceway.record import replace

from .labelled_postgres import CASES
from .test_labelled_postgres import found

ADVICE = "rules that only advise ask for it"
OBJECT = "no rule that decides asks what becomes of such an object"
KINDS = {
    Kind.DROP_INDEX: OBJECT,
    Kind.DROP_TRIGGER: OBJECT,
    Kind.LOCK: ADVICE,
    Kind.REFRESH_VIEW: ADVICE,
    Kind.REINDEX: ADVICE,
    Kind.RENAME_VIEW: OBJECT,
    Kind.REWRITE_TABLE: ADVICE,
    Kind.UNPARSABLE: "said of a statement, which then does nothing that is known",
}
"""Kinds that no labelled migration needs, each with the reason."""
PLACE = "it says where something stands, and not what is done"
FIELDS = {
    "body_offset": PLACE,
    "materialized": ADVICE,
    "offset": PLACE,
    "partitioned": ADVICE,
    "unique": ADVICE,
}
COLUMN_FIELDS = {
    "check": ADVICE,
    "default_name": "no default of PostgreSQL has a name",
    "generated": "that it has a default says as much",
    "primary_key": "that it takes no NULL says as much",
    "unique": ADVICE,
}
"""Of the fields of an action and of a column, too."""
DEFAULTS: dict[str, Any] = {each.name: each.default for each in fields(Action)}
COLUMN_DEFAULTS: dict[str, Any] = {each.name: each.default for each in fields(Column)}


def noticed(monkeypatch: pytest.MonkeyPatch, lose: Callable[[Action], Action | None]) -> bool:
    """Say whether any label does not fit any more once *lose* has been at every action."""
    whole = Walk.actions

    def less(walk: Walk, actions: Sequence[Action]) -> None:
        whole(walk, [left for each in actions if (left := lose(each)) is not None])

    monkeypatch.setattr(Walk, "actions", less)
    return any(found(case.sql) != case.codes for case in CASES)


def test_nothing_is_noticed_where_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not noticed(monkeypatch, lambda action: action)


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_that_is_lost(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = noticed(monkeypatch, lambda action: None if action.kind is kind else action)
    assert lost == (kind not in KINDS)


@pytest.mark.parametrize("name", [each.name for each in fields(Action) if each.name != "kind"])
def test_a_field_that_is_lost(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = noticed(monkeypatch, lambda action: replace(action, **{name: DEFAULTS[name]}))
    assert lost == (name not in FIELDS)


@pytest.mark.parametrize("name", [each.name for each in fields(Column) if each.name != "name"])
def test_a_field_of_a_column_that_is_lost(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {name: COLUMN_DEFAULTS[name]}

    def lose(action: Action) -> Action:
        one = action.definition
        return replace(
            action,
            definition=replace(one, **plain) if one is not None else None,
            definitions=tuple(replace(each, **plain) for each in action.definitions),
        )

    assert noticed(monkeypatch, lose) == (name not in COLUMN_FIELDS)
