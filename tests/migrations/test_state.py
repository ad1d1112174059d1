"""What state makes of actions, without a parser."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.migrations.records import (
    Action,
    Column,
    Dialect,
    Fact,
    Kind,
    Maybe,
    Parsed,
    Problem,
    Script,
)
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


# --- several scripts ------------------------------------------------------------------------------


def scripts(*actions: Action, together: bool) -> list[Fact]:
    """Run each action as a script of its own."""
    texts = [script("." * number) for number in range(1, len(actions) + 1)]

    class Each(Given):
        def parse(self, script: Script, dialect: Dialect) -> list[Parsed]:
            assert dialect
            return [Parsed(span=(0, 1), actions=(actions[len(script.text) - 1],))]

    return list(facts(texts, Each(), Dialect.POSTGRES, together=together).facts)


def test_each_script_stands_alone_unless_they_are_one_release() -> None:
    create = Action(kind=Kind.CREATE_TABLE, name=T)
    drop = Action(kind=Kind.DROP_TABLE, name=T)
    assert [fact.new_object for fact in scripts(create, drop, together=False)] == [Maybe.NO]
    assert [fact.new_object for fact in scripts(create, drop, together=True)] == [Maybe.YES]


def test_a_default_that_the_next_script_takes_away_is_none() -> None:
    column = Column(name="c", type="int", not_null=True, default=True)
    add = Action(kind=Kind.ADD_COLUMN, name=T, column="c", definition=column)
    drop = Action(kind=Kind.DROP_DEFAULT, name=T, column="c")
    assert [fact.default_at_end for fact in scripts(add, drop, together=False)] == [True, False]
    assert [fact.default_at_end for fact in scripts(add, drop, together=True)] == [False, False]


def test_a_default_of_the_next_script_comes_too_late() -> None:
    require = Action(kind=Kind.SET_NOT_NULL, name=T, column="c")
    default = Action(kind=Kind.SET_DEFAULT, name=T, column="c", value=True)
    assert [fact.default_at_end for fact in scripts(require, default, together=True)] == [
        False,
        False,
    ]
    assert [fact.default_at_end for fact in run(require, default)] == [True, False]


# --- hashes and places ------------------------------------------------------------------------------


def hashed(*statements: str, name: str = "a.sql", kind: Kind = Kind.DROP_TABLE) -> list[str]:
    text = ";".join(statements)
    spans = []
    at = 0
    for statement in statements:
        spans.append((at, at + len(statement)))
        at += len(statement) + 1

    class Cut(Given):
        def parse(self, script: Script, dialect: Dialect) -> list[Parsed]:
            assert script
            assert dialect
            return [Parsed(span=span, actions=(Action(kind=kind, name=T),)) for span in spans]

    given = Script(path=name, name=name, layout="plain", text=text, digest="sha256:0")
    return [fact.statement_hash for fact in facts([given], Cut(), Dialect.POSTGRES).facts]


def test_the_hash_is_of_what_is_run() -> None:
    (plain,) = hashed("DROP TABLE t")
    assert hashed("DROP  /* why */ TABLE\n t -- x") == [plain]
    assert hashed("DROP TABLE u") != [plain]
    assert hashed("DROP TABLE t", name="b.sql") != [plain]
    assert hashed("DROP TABLE 'a  b'") != hashed("DROP TABLE 'a b'")
    assert hashed("DROP TABLE '--a'") != hashed("DROP TABLE '--b'")
    assert hashed("DROP TABLE \u00a0t") != [plain]


def test_equal_statements_have_hashes_of_their_own() -> None:
    first, second = hashed("DROP TABLE t", "DROP  TABLE t")
    assert first != second
    assert hashed("DROP TABLE t")[0] == first


def test_what_cannot_be_read_of_a_file_is_a_fact() -> None:
    given = Script(
        path="a.sql",
        name="a.sql",
        layout="plain",
        text="",
        digest="sha256:0",
        problems=(Problem(line=3, what="a template"),),
    )
    (fact,) = facts([given], Given(), Dialect.POSTGRES).facts
    assert (fact.kind, fact.line, fact.label) == (Kind.UNPARSABLE, 3, "a template")


def test_a_body_that_nobody_has_read_cannot_be_judged() -> None:
    for language in ("plpython3u", "plpgsql"):
        (fact,) = run(Action(kind=Kind.DO, body="...", language=language))
        assert (fact.kind, fact.in_do) == (Kind.UNPARSABLE, True)
