"""libpg_query: what it answers to hostile texts, and the actions that are made of its trees."""

from __future__ import annotations

import pytest

from sluiceway.migrations.later import LaterActions, LaterColumns
from sluiceway.migrations.records import Action, Column, Dialect, Kind, Parsed, Script
from sluiceway.migrations.state import facts
from sluiceway_sql_libpg_query import library
from sluiceway_sql_libpg_query.parser import LibPgQuery


def script(text: str, spans: tuple[tuple[int, int], ...] | None = None) -> Script:
    return Script(
        path="a.sql", name="a.sql", layout="plain", text=text, digest="sha256:0", spans=spans
    )


def parse(text: str) -> list[Parsed]:
    return LibPgQuery().parse(script(text), Dialect.POSTGRES)


def actions(text: str) -> list[Action]:
    return [action for item in parse(text) for action in item.actions]


# --- texts that would end the process -----------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "select " + "(" * 100_000 + "1" + ")" * 100_000,
        "select 1" + "+1" * 200_000,
        "select " + "case when true then " * 20_000 + "1" + " end" * 20_000,
        "select " + "not " * 50_000 + "true",
        "do $$ begin " + "begin " * 20_000 + "end;" * 20_000 + " end $$",
    ],
    ids=["brackets", "sum", "cases", "nots", "blocks"],
)
def test_nesting_costs_one_statement_and_never_the_process(text: str) -> None:
    found = parse(text + "; DROP TABLE logs")
    assert [action.kind for action in found[-1].actions] == [Kind.DROP_TABLE]
    assert len(found) == 2


def test_a_tree_too_deep_to_read_is_a_problem() -> None:
    (found,) = parse("CREATE INDEX ON logs ((id" + "+1" * 5_000 + "))")
    assert found.problem == "its tree is nested too deeply"
    assert [action.kind for action in found.actions] == [Kind.CREATE_INDEX]


def test_comments_within_comments_take_no_time_of_the_library() -> None:
    (deep,) = parse("DROP TABLE b; SELECT '" + "/*" * 501 + "';")[1:]
    assert "nested more than 500 deep" in deep.problem
    assert [each.problem for each in parse("/* a */\n" * 600 + "DROP TABLE b;")] == [""]
    closed = "/*" * 500 + "*/" * 500 + "DROP TABLE b;"
    assert [each.problem for each in parse(closed)] == [""]


def test_nothing_is_read_behind_a_nul_byte_unseen() -> None:
    first, second = parse("SELECT 1; \0 SELECT 2; DROP TABLE logs")[1:]
    assert "NUL" in first.problem
    assert [action.kind for action in second.actions] == [Kind.DROP_TABLE]


def test_a_text_that_is_too_long_is_a_problem() -> None:
    (found,) = parse("SELECT '" + "x" * library.LARGEST + "'")
    assert "longer than" in found.problem


def test_a_lone_surrogate_is_text_like_any_other() -> None:
    assert actions("DROP TABLE \ud800x")[0].kind is Kind.DROP_TABLE


# --- where statements stand -----------------------------------------------------------------------


def test_places_count_characters_and_leave_out_comments() -> None:
    text = "-- ümläut\nSELECT 'é';  /* ß */ DROP TABLE é.ü;\n"
    first, second = parse(text)
    assert text[slice(*first.span)] == "SELECT 'é'"
    assert text[slice(*second.span)] == "DROP TABLE é.ü"
    assert second.actions[0].name == ("é", "ü")


def test_one_bad_statement_costs_one_statement() -> None:
    found = parse("DROP TABLE a; DROP TABEL b; TRUNCATE c")
    assert [bool(item.problem) for item in found] == [False, True, False]


def test_a_body_says_its_lines() -> None:
    text = "\nDO $$\nBEGIN\n  DROP TABLE a;\n  EXECUTE 'TRUNCATE b';\nEND\n$$;\n"
    answer = facts([script(text)], LibPgQuery(), Dialect.POSTGRES)
    assert [(fact.table, fact.line, fact.in_do) for fact in answer.facts] == [
        ("a", 4, True),
        ("b", 5, True),
    ]


def test_pieces_that_were_cut_before_know_the_same_functions() -> None:
    define = "CREATE FUNCTION now() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE a; END'"
    call = "SELECT now()"
    text = define + "\n" + call
    spans = ((0, len(define)), (len(define) + 1, len(text)))
    answer = facts([script(text, spans)], LibPgQuery(), Dialect.POSTGRES)
    assert [(fact.kind, fact.line) for fact in answer.facts] == [(Kind.DROP_TABLE, 2)]


# --- actions ----------------------------------------------------------------------------------------


def test_a_column_is_read_whole() -> None:
    (action,) = actions(
        "ALTER TABLE a.t ADD IF NOT EXISTS x Numeric( 3 , 2 ) DEFAULT random() NOT NULL UNIQUE"
        " REFERENCES o (id) CHECK (x > 0)"
    )
    assert (action.kind, action.name, action.if_exists) == (Kind.ADD_COLUMN, ("a", "t"), True)
    assert action.definition == Column(
        name="x",
        type="numeric( 3 , 2 )",
        not_null=True,
        default=True,
        default_volatile=True,
        unique=True,
        references=("o",),
        check=True,
    )


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("ALTER FOREIGN TABLE f DROP COLUMN a", Kind.DROP_COLUMN),
        ("DROP FOREIGN TABLE f", Kind.DROP_TABLE),
        ("ALTER TABLE t ALTER a ADD GENERATED ALWAYS AS IDENTITY", Kind.SET_DEFAULT),
        ("ALTER TABLE t ALTER a DROP IDENTITY", Kind.DROP_DEFAULT),
        ("ALTER TABLE t SET UNLOGGED", Kind.REWRITE_TABLE),
        ("VACUUM (FULL, ANALYZE) t", Kind.REWRITE_TABLE),
        ("CLUSTER t USING i", Kind.REWRITE_TABLE),
        ("REINDEX (CONCURRENTLY) TABLE t", Kind.REINDEX),
        ("ALTER MATERIALIZED VIEW v RENAME COLUMN a TO b", Kind.RENAME_COLUMN),
        ("ALTER TYPE c RENAME ATTRIBUTE a TO b", Kind.RENAME_COLUMN),
        ("ALTER TYPE e ADD VALUE 'x'", Kind.ALTER_TYPE),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", Kind.REFRESH_VIEW),
        ("EXPLAIN (ANALYZE) CREATE TABLE t AS SELECT 1", Kind.CREATE_TABLE),
        ("EXPLAIN CREATE TABLE t AS SELECT 1", Kind.OTHER),
        ("SELECT 1 INTO TEMP t UNION SELECT 2", Kind.CREATE_TABLE),
        ("START TRANSACTION", Kind.BEGIN),
        ("ABORT", Kind.ROLLBACK),
        ("LOCK t", Kind.LOCK),
        ("VACUUM t", Kind.OTHER),
    ],
)
def test_what_a_statement_is(written: str, kind: Kind) -> None:
    assert actions(written)[0].kind is kind


def test_a_list_is_one_action_a_table() -> None:
    assert [action.name for action in actions("DROP TABLE a, b.c; TRUNCATE d, e")] == [
        ("a",),
        ("b", "c"),
        ("d",),
        ("e",),
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('"Role"', '"Role"'),
        ('"Users"."Role"[]', '"Users"."Role"[]'),
        ("VARCHAR( 10 )", "varchar( 10 )"),
        ('APP . "Mood"', 'app . "Mood"'),
    ],
)
def test_a_type_that_is_quoted_keeps_its_letters(written: str, expected: str) -> None:
    (found,) = actions(f"ALTER TABLE users ADD c {written} NOT NULL")
    assert found.definition is not None
    assert found.definition.type == expected


def test_a_domain_that_takes_no_null_is_no_type_to_begin_with() -> None:
    text = "CREATE DOMAIN a AS text NOT NULL; ALTER TABLE users ADD b a, ADD c text NOT NULL;"
    found = facts([script(text)], LibPgQuery(), Dialect.POSTGRES).facts
    assert [each.type for each in found if each.kind is Kind.ADD_COLUMN] == ["", "text"]


def test_what_is_unknown_in_dynamic_sql_has_no_name() -> None:
    (block,) = actions(
        "DO $$ BEGIN EXECUTE format('ALTER TABLE %I DROP COLUMN %I', t, 'c'); END $$"
    )
    (execute,) = block.nested
    (drop,) = execute.nested
    assert (execute.body, drop.kind, drop.name, drop.column) == ("", Kind.DROP_COLUMN, (), "c")


def test_a_raw_definition_could_say_not_null() -> None:
    (block,) = actions("DO $$ BEGIN EXECUTE 'ALTER TABLE t ADD c ' || definition; END $$")
    assert block.nested[0].label == "unknown"


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("DROP TABLE a, b CASCADEE x", [Kind.DROP_TABLE, Kind.DROP_TABLE]),
        ("TRUNCATE TABLE a WHERE", [Kind.TRUNCATE]),
        ("ALTER TABLE a DROP b, RENAME c TO d !", [Kind.DROP_COLUMN, Kind.RENAME_COLUMN]),
        ("ALTER TABLE a ADD b int NOT NULL !", [Kind.ADD_COLUMN]),
        ("ALTER TABLE a DROP CONSTRAINT b !", []),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON a (b) !", [Kind.CREATE_INDEX]),
        ("SELEC -- DROP TABLE a", []),
    ],
)
def test_what_does_not_parse_is_guessed_from_its_words(words: str, kinds: list[Kind]) -> None:
    (found,) = parse(words)
    assert found.problem
    assert [action.kind for action in found.actions] == kinds


# --- tables whose columns are read later ----------------------------------------------------------

TABLES = """
CREATE TABLE IF NOT EXISTS a.b (
    id bigserial PRIMARY KEY, x int NOT NULL REFERENCES c.d (id) ON DELETE CASCADE,
    e text DEFAULT 'o', f int CONSTRAINT q REFERENCES "z""{}" , CHECK (x IS NOT NULL),
    FOREIGN KEY (x) REFERENCES k (id), FOREIGN KEY (f) REFERENCES l
) WITH (fillfactor = 70);
CREATE TEMP TABLE b (LIKE c INCLUDING ALL) ON COMMIT DROP;
CREATE UNLOGGED TABLE "Q\\" ();
CREATE TABLE p PARTITION OF z FOR VALUES IN (1);
CREATE TABLE p (x int REFERENCES y) PARTITION BY range (x);
CREATE TABLE h (x int DEFAULT ',"if_not_exists":true', ü text DEFAULT 'ü') INHERITS (z);
CREATE TABLE o OF typ;
CREATE TABLE n (at timestamptz DEFAULT now(), v uuid DEFAULT f(), w serial, PRIMARY KEY (v, w));
CREATE TABLE s (t text DEFAULT set_config('search_path', 'x', false));
"""


@pytest.mark.parametrize(
    "before", ["", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';"]
)
def test_columns_that_are_read_later_are_those_that_would_be_read_at_once(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = parse(before + TABLES)
    lazily = [a for item in later for a in item.actions if isinstance(a.definitions, LaterColumns)]
    assert [action.name[-1] for action in lazily] == ["b", "b", "Q\\", "o", "n", "s"]
    assert lazily[0].if_exists
    referenced = [
        tuple(c.references for c in a.definitions if c.references) == a.definitions.references
        for a in lazily
        if isinstance(a.definitions, LaterColumns)
    ]
    assert all(referenced)
    monkeypatch.setattr("sluiceway_sql_libpg_query.parser.FLAT", 0)
    at_once = parse(before + TABLES)
    assert not any(
        isinstance(a.definitions, LaterColumns) for item in at_once for a in item.actions
    )
    assert at_once == later


def test_a_table_with_a_tree_too_deep_to_read_is_a_problem_at_once() -> None:
    (found,) = parse("CREATE TABLE a (b int DEFAULT 1" + "+1" * 5_000 + ")")
    assert found.problem == "its tree is nested too deeply"


RUNNER = "CREATE FUNCTION run(q text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE q; END';"
CALLER = (
    "CREATE FUNCTION go() RETURNS void LANGUAGE plpgsql AS "
    "$$BEGIN PERFORM run('DROP TABLE users'); END$$;"
)
HARMLESS_RUNNER = (
    "CREATE OR REPLACE FUNCTION run(q text) RETURNS void LANGUAGE plpgsql AS "
    "'BEGIN PERFORM now(); END';"
)


def test_bodies_are_read_when_somebody_calls_them(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    real = library.parse_plpgsql

    def noted(text: bytes) -> bytes | library.Failure:
        read.append(text)
        return real(text)

    monkeypatch.setattr(library, "parse_plpgsql", noted)
    found = parse(RUNNER + CALLER + "ALTER TABLE t ADD a int;")
    bodies = [item.actions[0].nested for item in found[:2]]
    assert [isinstance(each, LaterActions) for each in bodies] == [True, True]
    assert read == []
    assert [action.kind for action in bodies[0]] == [Kind.EXECUTE]
    assert len(read) == 1


def test_what_is_defined_behind_a_function_is_nothing_to_it() -> None:
    text = RUNNER + CALLER + HARMLESS_RUNNER + "SELECT go();"
    found = facts([script(text)], LibPgQuery(), Dialect.POSTGRES).facts
    assert [(each.kind, each.table) for each in found] == [(Kind.DROP_TABLE, "users")]


def test_a_body_that_is_read_later_has_the_same_places() -> None:
    text = "\n\n" + CALLER.replace("BEGIN", "BEGIN\n") + RUNNER + "\nSELECT 1;\nSELECT go();"
    (definition, *_) = parse(text)
    call, *_ = definition.actions[0].nested
    assert text[2:][call.offset :].lstrip().startswith("PERFORM run")
