"""What earlier files have made that a later one runs: functions with harm in them, and domains."""

from __future__ import annotations

import pytest

from sluiceway.migrations.asked import asked_by
from sluiceway.migrations.earlier import linked
from sluiceway.migrations.reading import from_texts
from sluiceway.migrations.records import Dialect, Fact, Maybe
from sluiceway.migrations.state import facts, facts_asked
from sluiceway.policy import bundled_policies, load_bundle
from sluiceway_sql_libpg_query.parser import LibPgQuery
from sluiceway_sql_sqlfluff.parser import parser

from .test_labelled_postgres import code

DROPS = (
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE logs; RETURN 1; END';"
)
FIRED = DROPS.replace("int", "trigger").replace("RETURN 1", "RETURN NEW")
HUNG = "CREATE TRIGGER a BEFORE INSERT OR UPDATE OF b ON s.t FOR EACH ROW WHEN (new.b > 1) EXECUTE FUNCTION f('c;');"
HARMLESS = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
DOMAIN = "CREATE DOMAIN d AS text NOT NULL;"


def found(*texts: str, dialect: Dialect = Dialect.POSTGRES) -> list[tuple[str, int, str]]:
    files = [(f"{number}.sql", text.encode()) for number, text in enumerate(texts, start=1)]
    scripts = from_texts(files, dialect).scripts
    grammar = LibPgQuery() if dialect is Dialect.POSTGRES else parser()
    every = facts(scripts, grammar, dialect).facts
    told = [(fact.file, fact.line, code(fact)) for fact in every if code(fact)]
    # Read each by itself, and no more of it than is asked for, as a check does.
    asked = asked_by(load_bundle([bundled_policies()]), advice=False)
    one_by_one = [
        fact for script in scripts for fact in facts_asked((script,), grammar, dialect, asked)[0]
    ]
    again = [(each["file"], each["line"], code(Fact(**each))) for each in one_by_one]
    assert [each for each in again if each[2]] == told
    return told


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((DROPS, "SELECT 1;\nSELECT f();"), ["2.sql:2 drop-table"]),
        ((DROPS, "SELECT f (1);"), ["2.sql:1 drop-table"]),
        (
            (DROPS.replace(" f()", "/* it */ f -- g\n ()"), "SELECT f/**/--\n();"),
            ["2.sql:1 drop-table"],
        ),
        (
            (DROPS.replace(" f()", ' "s" /**/ . "F" ()'), 'SELECT "s"."F"();'),
            ["2.sql:1 drop-table"],
        ),
        (("/* " + "a header; " * 90 + "*/\n" + DROPS, "SELECT f();"), ["2.sql:1 drop-table"]),
        (("-- create trigger function f\n" + DROPS, "SELECT f();"), ["2.sql:1 drop-table"]),
        (
            (
                f"-- create function that's{' ' * 100}\n{DROPS.replace('BEGIN', 'BEGIN PERFORM 1;')}",
                "SELECT f();",
            ),
            ["2.sql:1 drop-table"],
        ),
        ((DROPS.replace(" FUNCTION", "/* ; */FUNCTION"), "SELECT f();"), ["2.sql:1 drop-table"]),
        ((DROPS.replace(" FUNCTION", " -- ;\n FUNCTION"), "SELECT f();"), ["2.sql:1 drop-table"]),
        ((DROPS, HARMLESS, "SELECT f();"), []),
        ((DROPS, "DROP FUNCTION f();", "SELECT f();"), []),
        ((DROPS, "ALTER FUNCTION f() RENAME TO g;", "SELECT g();"), ["3.sql:1 drop-table"]),
        (
            (DROPS, "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT f()';", "SELECT g();"),
            ["3.sql:1 drop-table"],
        ),
        ((DROPS, "DO $$ BEGIN PERFORM f(); END $$;"), ["2.sql:1 drop-table"]),
        ((DROPS, "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT f()';"), []),
        ((DROPS + "CREATE TABLE logs (a int);", "SELECT f();"), ["2.sql:1 drop-table"]),
        ((DROPS, "COMMENT ON FUNCTION f() IS 'f()';"), []),
        (
            (
                "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$SELECT dropgeometrytable('logs')$$;",
                "SELECT f();",
            ),
            ["2.sql:1 drop-table"],
        ),
        (("SELECT f();", DROPS), []),
        ((FIRED + HUNG, "INSERT INTO s.t VALUES (1);"), ["2.sql:1 drop-table"]),
        ((FIRED, HUNG, "SELECT 1;\nUPDATE s.t SET b = 2;"), ["3.sql:2 drop-table"]),
        ((FIRED, HUNG, "COPY s.t FROM '/a';"), ["3.sql:1 drop-table"]),
        ((FIRED, HUNG, "DO $$ BEGIN DELETE FROM ONLY s.t; END $$;"), ["3.sql:1 drop-table"]),
        (
            (
                FIRED,
                HUNG,
                "WITH a AS (INSERT /* a */ INTO s.t VALUES (1) RETURNING b) SELECT b FROM a;",
            ),
            ["3.sql:1 drop-table"],
        ),
        (
            (
                FIRED,
                HUNG.replace(
                    "CREATE TRIGGER a BEFORE", "CREATE /* it */\nCONSTRAINT TRIGGER a AFTER"
                ),
                "UPDATE s.t SET b = 2;",
            ),
            ["3.sql:1 drop-table"],
        ),
        ((FIRED, HUNG, "INSERT INTO s.u SELECT b FROM s.t;"), []),
        ((FIRED, HUNG, "ALTER TABLE s.t ADD COLUMN c int;"), []),
        ((FIRED, HUNG, "DROP FUNCTION f() CASCADE;", "UPDATE s.t SET b = 2;"), []),
        (
            (FIRED, HUNG, HARMLESS.replace("int", "trigger"), "UPDATE s.t SET b = 2;"),
            [],
        ),
        ((DOMAIN, "ALTER TABLE t ADD COLUMN a d;"), ["2.sql:1 not-null-without-default"]),
        (
            (DOMAIN, "ALTER TABLE t -- ; ,\nADD COLUMN a /* ,; */ d;"),
            ["2.sql:1 not-null-without-default"],
        ),
        (
            ("-- create it\nCREATE /* a */ DOMAIN d AS text NOT NULL;", "ALTER TABLE t ADD a d;"),
            ["2.sql:1 not-null-without-default"],
        ),
        ((DOMAIN, "ALTER TABLE t ADD COLUMN a d DEFAULT 'x';"), []),
        ((DOMAIN, "ALTER TABLE t ALTER COLUMN a TYPE d;"), ["2.sql:1 not-null-without-default"]),
        ((DOMAIN, "ALTER DOMAIN d DROP NOT NULL;", "ALTER TABLE t ADD COLUMN a d;"), []),
        (
            ("CREATE DOMAIN d AS text;", "ALTER DOMAIN d SET NOT NULL;", "ALTER TABLE t ADD a d;"),
            ["2.sql:1 not-null-without-default", "3.sql:1 not-null-without-default"],
        ),
        ((DOMAIN, "DROP DOMAIN d CASCADE;"), ["2.sql:1 drop-column"]),
        ((DOMAIN, "CREATE TABLE t (a d);"), []),
        (
            (DOMAIN, "CREATE DOMAIN e AS d;\nALTER TABLE t ADD COLUMN a e;"),
            ["2.sql:2 not-null-without-default"],
        ),
        (
            (
                DOMAIN + "CREATE DOMAIN e AS d; CREATE DOMAIN f AS e; CREATE DOMAIN g AS f;",
                "ALTER TABLE t ADD COLUMN a g;",
            ),
            ["2.sql:1 not-null-without-default"],
        ),
        (
            (DOMAIN + "CREATE DOMAIN e AS d;", "ALTER TABLE t ADD COLUMN a e;"),
            ["2.sql:1 not-null-without-default"],
        ),
        (
            (
                "CREATE DOMAIN d AS text;",
                "CREATE DOMAIN e AS d;",
                "ALTER DOMAIN d SET NOT NULL;",
                "ALTER TABLE t ADD COLUMN a e;",
            ),
            ["3.sql:1 not-null-without-default", "4.sql:1 not-null-without-default"],
        ),
        (
            ("CREATE DOMAIN d AS int DEFAULT 1;", "ALTER TABLE t ALTER COLUMN a SET NOT NULL;"),
            ["2.sql:1 not-null-without-default"],
        ),
    ],
)
def test_postgresql(texts, expected):
    assert [f"{file}:{line} {what}" for file, line, what in found(*texts)] == expected


@pytest.mark.parametrize(
    ("dialect", "make", "call"),
    [
        (
            Dialect.MYSQL,
            "DELIMITER //\nCREATE PROCEDURE p() BEGIN DROP TABLE t; END//",
            "CALL p();",
        ),
        (Dialect.TSQL, "CREATE PROCEDURE dbo.p AS DROP TABLE t\nGO\n", "EXEC dbo.p"),
        (
            Dialect.TSQL,
            "SELECT 1\nGO\nCREATE PROC [dbo].[p] AS DROP TABLE t\nGO\n",
            "EXEC [dbo].[p]",
        ),
        (
            Dialect.TSQL,
            "CREATE TRIGGER dbo.tr ON dbo.t AFTER INSERT AS BEGIN DROP TABLE logs END\nGO\n",
            "INSERT dbo.t VALUES (1)",
        ),
        (
            Dialect.TSQL,
            "CREATE PROC dbo.p AS DROP TABLE t\nGO\nCREATE OR ALTER TRIGGER [tr] ON [t] FOR DELETE AS EXEC dbo.p\nGO\n",
            "DELETE FROM t WHERE a = 1",
        ),
        (
            Dialect.TSQL,
            "CREATE TRIGGER dbo.tr ON dbo.users AFTER UPDATE AS BEGIN DROP TABLE logs END\nGO\n",
            "UPDATE TOP (10) u SET u.a = o.b FROM dbo.orders o JOIN dbo.users AS u ON u.id = o.id",
        ),
        (
            Dialect.ORACLE,
            (
                "CREATE OR REPLACE EDITIONABLE TRIGGER s.tr AFTER INSERT OR UPDATE OF a ON s.t FOR EACH ROW"
                " BEGIN EXECUTE IMMEDIATE 'DROP TABLE logs'; END;\n/\n"
            ),
            "UPDATE s.t SET a = 1;",
        ),
    ],
)
def test_other_dialects(dialect, make, call):
    assert found(make, call, dialect=dialect) == [("2.sql", 1, "drop-table")]


def test_what_an_earlier_one_has_made_excuses_nothing():
    texts = [("1.sql", DROPS.encode()), ("2.sql", b"SELECT f();")]
    scripts = from_texts(texts, Dialect.POSTGRES).scripts
    (fact,) = facts(scripts, LibPgQuery(), Dialect.POSTGRES).facts
    assert (fact.new_object, fact.statement, fact.table) == (Maybe.NO, "SELECT f()", "logs")
    assert (fact.in_do, fact.within, fact.made_in) == (True, "f", "1.sql")


@pytest.mark.parametrize(
    ("texts", "new", "expected"),
    [
        ((DROPS, "SELECT f();"), 1, ["2.sql:1 drop-table"]),
        ((DROPS, "SELECT f();"), 0, ["2.sql:1 drop-table"]),
        ((DROPS, HARMLESS, "SELECT f();"), 2, []),
        ((DROPS, HARMLESS, "SELECT f();"), 1, []),
        ((HARMLESS, DROPS, "SELECT 1;", "SELECT f();"), 2, ["4.sql:1 drop-table"]),
        ((DROPS, "SELECT 1;", "DROP FUNCTION f(); SELECT f();"), 1, []),
        ((DROPS, "SELECT f();", DROPS), 1, ["2.sql:1 drop-table"]),
        ((DROPS, "SELECT 1;", DROPS, "SELECT f();"), 1, ["4.sql:1 drop-table"]),
        ((FIRED, HUNG, "SELECT 1;", "UPDATE s.t SET b = 2;"), 2, ["4.sql:1 drop-table"]),
        ((FIRED, HUNG, "SELECT 1;", "UPDATE s.t SET b = 2;"), 1, ["4.sql:1 drop-table"]),
        ((DOMAIN, "SELECT 1;", "ALTER TABLE t ADD a d;"), 1, ["3.sql:1 not-null-without-default"]),
        ((DOMAIN, "ALTER DOMAIN d DROP NOT NULL;", "ALTER TABLE t ADD a d;"), 1, []),
    ],
)
def test_a_release_that_brings_the_later_files_alone(texts, new, expected):
    files = [(f"{number}.sql", text.encode()) for number, text in enumerate(texts, start=1)]
    scripts = from_texts(files, Dialect.POSTGRES).scripts[new:]
    every = facts(scripts, LibPgQuery(), Dialect.POSTGRES, together=True).facts
    assert [f"{each.file}:{each.line} {code(each)}" for each in every if code(each)] == expected


def test_only_who_needs_it_is_given_what_was_made():
    texts = [DROPS, "SELECT 1;", "SELECT f();", "ALTER TABLE f ADD COLUMN a int;"]
    files = [(f"{number}.sql", text.encode()) for number, text in enumerate(texts)]
    scripts = from_texts(files, Dialect.POSTGRES).scripts
    assert [len(script.before) for script in scripts] == [0, 0, 1, 0]
    assert linked(scripts, Dialect.POSTGRES) == scripts


def test_a_trigger_makes_no_function():
    texts = [
        DROPS.replace("int", "trigger"),
        "CREATE TRIGGER a BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();",
        "CREATE TRIGGER b BEFORE UPDATE ON u FOR EACH ROW EXECUTE FUNCTION f();",
    ]
    files = [(f"{number}.sql", text.encode()) for number, text in enumerate(texts)]
    scripts = from_texts(files, Dialect.POSTGRES).scripts
    assert [len(script.before) for script in scripts] == [0, 1, 1]


def test_a_domain_is_given_where_a_column_may_be_one_and_it_may_take_no_null():
    texts = [
        "CREATE DOMAIN d AS text NOT NULL; CREATE DOMAIN e AS d; CREATE DOMAIN n AS int DEFAULT 1;",
        "CREATE TABLE u (domain text NOT NULL);",
        "CREATE TABLE t (type text, a d, b n);",
        "ALTER TABLE t ADD COLUMN c text, ADD COLUMN f e;",
        "ALTER TABLE t ADD COLUMN g n;",
    ]
    files = [(f"{number}.sql", text.encode()) for number, text in enumerate(texts)]
    scripts = from_texts(files, Dialect.POSTGRES).scripts
    made = ("CREATE DOMAIN d AS text NOT NULL", "CREATE DOMAIN e AS d")
    assert [tuple(each.text for each in script.before) for script in scripts] == [
        (),
        (),
        (),
        made,
        (),
    ]
