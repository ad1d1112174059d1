"""What state makes of actions, without a parser."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.migrations.records import Action, Column, Dialect, Fact, Kind, Maybe, Parsed, Script
from sluiceway.migrations.state import fact_json, facts


class Given:
    """A parser that answers with what it was given."""

    name = "given"
    version = "1"

    def __init__(self, *statements: Sequence[Action]) -> None:
        self._statements = statements

    def parse(self, script: Script, dialect: Dialect) -> list[Parsed]:
        assert dialect
        return [
            Parsed(span=(number, number + 1), actions=tuple(actions))
            for number, actions in enumerate(self._statements)
            if number < len(script.text)
        ]


def script(text: str = "." * 20) -> Script:
    return Script(path="a.sql", name="a.sql", layout="plain", text=text, digest="sha256:0")


def run(*actions: Action, dialect: Dialect = Dialect.POSTGRES) -> list[Fact]:
    given = Given(*([action] for action in actions))
    return list(facts([script()], given, dialect).facts)


T = ("t",)


def test_an_old_table_is_dropped() -> None:
    (fact,) = run(Action(kind=Kind.DROP_TABLE, name=T))
    assert (fact.table, fact.new_object) == ("t", Maybe.NO)


def test_a_new_table_is_dropped_and_then_there_is_none() -> None:
    create = Action(kind=Kind.CREATE_TABLE, name=T)
    drop = Action(kind=Kind.DROP_TABLE, name=("public", "t"))
    assert [fact.new_object for fact in run(create, drop, drop)] == [Maybe.YES, Maybe.NO]


def test_a_table_that_may_have_been_there_is_maybe_new() -> None:
    create = Action(kind=Kind.CREATE_TABLE, name=T, if_exists=True)
    drop = Action(kind=Kind.DROP_TABLE, name=T)
    assert [fact.new_object for fact in run(create, drop)] == [Maybe.MAYBE]


def test_a_default_dropped_later_counts_where_the_column_is_added() -> None:
    column = Column(name="c", type="int", not_null=True, default=True)
    add = Action(kind=Kind.ADD_COLUMN, name=T, column="c", definition=column)
    drop = Action(kind=Kind.DROP_DEFAULT, name=T, column="c")
    assert [fact.default_at_end for fact in run(add)] == [True]
    assert [fact.default_at_end for fact in run(add, drop)] == [False, False]


def test_rollback_takes_back_where_ddl_is_transactional() -> None:
    actions = (
        Action(kind=Kind.BEGIN),
        Action(kind=Kind.DROP_TABLE, name=T),
        Action(kind=Kind.ROLLBACK),
    )
    assert run(*actions) == []
    assert [fact.kind for fact in run(*actions, dialect=Dialect.MYSQL)] == [Kind.DROP_TABLE]


def test_the_json_leaves_out_defaults() -> None:
    (fact,) = run(Action(kind=Kind.DROP_TABLE, name=T, cascade=True))
    found = fact_json(fact)
    assert found["kind"] == "drop_table"
    assert found["cascade"] is True
    assert "new_object" not in found
