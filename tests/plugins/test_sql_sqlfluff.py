"""What sqlfluff's grammars make of single statements."""

from __future__ import annotations

import pytest
from tests.plugins.sql_sqlfluff_kit import lines, parsed, script, told

from sluiceway.migrations.records import Dialect
from sluiceway_sql_sqlfluff.api import ApiEngine
from sluiceway_sql_sqlfluff.outline import Outline
from sluiceway_sql_sqlfluff.parser import Parser, parser
from sluiceway_sql_sqlfluff.rust import RustEngine, load

MYSQL = [
    ("ALTER TABLE t DROP c", ["drop_column t c"]),
    ("alter table `t` drop column `c`, drop d", ["drop_column t c", "drop_column t d"]),
    ("ALTER TABLE t DROP INDEX c", ["drop_index t"]),
    ("ALTER TABLE t DROP KEY c, ALGORITHM=INPLACE", ["drop_index t concurrently"]),
    ("ALTER TABLE t DROP PRIMARY KEY", ["drop_constraint t"]),
    ("ALTER TABLE t DROP FOREIGN KEY f", ["drop_constraint t"]),
    ("ALTER TABLE t DROP CHECK f", ["drop_constraint t"]),
    ("ALTER TABLE t CHANGE a b INT", ["rename_column t a >b", "change_type t b"]),
    ("ALTER TABLE t CHANGE COLUMN a a INT NOT NULL", ["change_type t a not null"]),
    ("ALTER TABLE t CHANGE `a` `A` INT NOT NULL", ["change_type t a not null"]),
    ("ALTER TABLE t MODIFY c INT NOT NULL DEFAULT 0 AFTER b", ["change_type t c not null default"]),
    ("ALTER TABLE t ADD c INT NOT NULL", ["add_column t c not null"]),
    ("ALTER TABLE t ADD c INT NOT NULL FIRST", ["add_column t c not null"]),
    ("ALTER TABLE t ADD c INT NOT NULL DEFAULT NULL", ["add_column t c not null"]),
    ("ALTER TABLE t ADD c INT NOT NULL DEFAULT (NULL)", ["add_column t c not null"]),
    (
        "ALTER TABLE t ADD c TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
        ["add_column t c not null default"],
    ),
    ("ALTER TABLE t ADD c INT AUTO_INCREMENT PRIMARY KEY", ["add_column t c not null default"]),
    ("ALTER TABLE t ADD c INT KEY", ["add_column t c not null"]),
    ("ALTER TABLE t ADD c SERIAL", ["add_column t c not null default"]),
    (
        "ALTER TABLE t ADD c INT GENERATED ALWAYS AS (a + 1) STORED NOT NULL",
        ["add_column t c not null default"],
    ),
    (
        "ALTER TABLE t ADD (a INT, b INT NOT NULL, KEY k (a))",
        ["add_column t a", "add_column t b not null", "create_index t"],
    ),
    ("ALTER TABLE t ADD c ENUM('a','NOT NULL') COMMENT 'DROP TABLE x'", ["add_column t c"]),
    ("ALTER TABLE t RENAME COLUMN a TO b", ["rename_column t a >b"]),
    ("ALTER TABLE t RENAME INDEX a TO b", []),
    ("ALTER TABLE t RENAME TO u", ["rename_table t >u"]),
    ("ALTER TABLE t RENAME AS d.u", ["rename_table t >d.u"]),
    ("ALTER TABLE t RENAME u", ["rename_table t >u"]),
    ("RENAME TABLE a TO b, c TO d", ["rename_table a >b", "rename_table c >d"]),
    ("DROP TABLE IF EXISTS a, d.b", ["drop_table a if_exists", "drop_table d.b if_exists"]),
    ("DROP TEMPORARY TABLE a", ["drop_table a temporary"]),
    ("DROP TABLES a", ["drop_table a"]),
    ("DROP SCHEMA a", ["drop_database a"]),
    ("DROP DATABASE a", ["drop_database a"]),
    ("TRUNCATE t", ["truncate t"]),
    ("TRUNCATE TABLE d.t", ["truncate d.t"]),
    ("ALTER TABLE t DROP PARTITION p0, p1", ["truncate t", "truncate t"]),
    ("ALTER TABLE t TRUNCATE PARTITION p0", ["truncate t"]),
    ("CREATE INDEX i ON t (a(10), b DESC)", ["create_index t"]),
    ("CREATE INDEX i ON t (a) ALGORITHM=INPLACE LOCK=NONE", ["create_index t concurrently"]),
    ("CREATE INDEX i ON t (a) LOCK=SHARED", ["create_index t"]),
    ("CREATE INDEX i ON t (a) ALGORITHM COPY", ["create_index t"]),
    ("ALTER TABLE t ADD FULLTEXT INDEX i (a)", ["create_index t"]),
    ("ALTER TABLE t ADD FULLTEXT i (a), LOCK=NONE", ["create_index t"]),
    ("ALTER TABLE t ADD UNIQUE KEY u (a)", ["add_constraint t"]),
    ("ALTER TABLE t ALTER COLUMN c DROP DEFAULT", ["drop_default t c"]),
    ("ALTER TABLE t ALTER c SET DEFAULT NULL", ["set_default t c"]),
    ("ALTER TABLE t ENGINE=InnoDB", ["rewrite_table t"]),
    ("DROP INDEX i ON t", ["drop_index t"]),
    ("CALL p(1)", ["call p"]),
    ("PREPARE s FROM 'DROP TABLE x'", ["execute s", "drop_table x"]),
]  # fmt: skip
MARIADB = [
    ("ALTER TABLE t DROP COLUMN IF EXISTS c", ["drop_column t c if_exists"]),
    (
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS c INT NOT NULL",
        ["add_column t c not null if_exists"],
    ),
    ("CREATE OR REPLACE TABLE t (a INT)", ["drop_table t if_exists", "create_table t"]),
    (
        "ALTER TABLE t MODIFY COLUMN IF EXISTS c INT NOT NULL",
        ["change_type t c not null if_exists"],
    ),
]
TSQL = [
    ("ALTER TABLE t DROP COLUMN a, b", ["drop_column t a", "drop_column t b"]),
    ("ALTER TABLE t DROP CONSTRAINT x, COLUMN b", ["drop_constraint t", "drop_column t b"]),
    ("ALTER TABLE t DROP CONSTRAINT x", ["drop_constraint t"]),
    ("ALTER TABLE t DROP x", ["drop_constraint t"]),
    ("ALTER TABLE [dbo].[T] ALTER COLUMN c INT NOT NULL", ["change_type dbo.t c", "set_not_null dbo.t c"]),
    ("ALTER TABLE t ADD c INT NOT NULL", ["add_column t c not null"]),
    (
        "ALTER TABLE t ADD c INT NOT NULL CONSTRAINT x DEFAULT 0 WITH VALUES, d INT NULL",
        ["add_column t c not null default", "add_column t d"],
    ),
    ("ALTER TABLE t ADD c INT IDENTITY(1,1) NOT NULL", ["add_column t c not null default"]),
    ("EXEC sp_rename 'dbo.t.c', 'd', 'COLUMN'", ["rename_column dbo.t c >d"]),
    ("EXEC sys.sp_rename @objname = N't', @newname = N'u'", ["rename_table t >u"]),
    ("EXEC sp_rename N't.i', N'j', N'INDEX'", []),
    ("EXECUTE sp_rename N'dbo.t.c', N'd', N'COLUMN';", ["rename_column dbo.t c >d"]),
    ("EXEC sp_rename 't.c', 'd', 'COLUMN' DROP TABLE x", ["rename_column t c >d", "drop_table x"]),
    ("EXEC sp_executesql N'DROP TABLE x' TRUNCATE TABLE y", ["execute", "drop_table x", "truncate y"]),
    ("EXEC('DROP TABLE x')", ["execute", "drop_table x"]),
    ("EXEC sp_executesql N'DROP TABLE x'", ["execute", "drop_table x"]),
    ("IF OBJECT_ID('x') IS NOT NULL BEGIN DROP TABLE x; TRUNCATE TABLE y END", ["drop_table x", "truncate y"]),
    ("DROP TABLE IF EXISTS a, #b", ["drop_table a if_exists", "drop_table #b if_exists temporary"]),
    ("CREATE INDEX i ON t (a) WITH (ONLINE = ON)", ["create_index t concurrently"]),
    ("CREATE NONCLUSTERED INDEX i ON dbo.t (a) INCLUDE (b)", ["create_index dbo.t"]),
    ("SELECT * INTO n FROM t", ["create_table n"]),
    ("SELECT 1 DROP TABLE x", ["drop_table x"]),
]  # fmt: skip
SQLITE = [
    ("ALTER TABLE t ADD COLUMN c INT NOT NULL", ["add_column t c not null"]),
    ("ALTER TABLE t ADD c", ["add_column t c"]),
    ('ALTER TABLE "T" RENAME COLUMN a TO b', ["rename_column t a >b"]),
    ("ALTER TABLE t RENAME a TO b", ["rename_column t a >b"]),
    ("ALTER TABLE t RENAME TO u", ["rename_table t >u"]),
    ("ALTER TABLE t DROP COLUMN c", ["drop_column t c"]),
    ("DROP TABLE IF EXISTS 't'", ["drop_table t if_exists"]),
    ("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a)", ["create_table t"]),
    ("CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a)", ["create_index t if_exists"]),
    ("PRAGMA foreign_keys = OFF", []),
]
POSTGRES = [
    ("ALTER TABLE t ADD CONSTRAINT x NOT NULL c", ["set_not_null t c"]),
    ("ALTER TABLE ONLY t ADD NOT NULL c NOT VALID", ["set_not_null t c"]),
    ("ALTER TABLE t ADD key text NOT NULL", ["add_column t key not null"]),
    (
        "ALTER TABLE T ADD COLUMN a int, DROP b CASCADE, ALTER c TYPE bigint USING c::bigint",
        ["add_column t a", "drop_column t b cascade", "change_type t c"],
    ),
    ('CREATE INDEX CONCURRENTLY i ON "T" (a)', ["create_index T concurrently"]),
    ("TRUNCATE a, public.b CASCADE", ["truncate a cascade", "truncate public.b cascade"]),
    ("SELECT s.f(1)", ["call s.f"]),
    ("RESET search_path", ["set search_path"]),
    ("RESET ALL", ["set"]),
    ("DISCARD TEMP", ["set discard"]),
    ("DISCARD PLANS", []),
    ("ALTER TABLE t ADD c int NOT NULL GENERATED ALWAYS AS IDENTITY", ["add_column t c not null default"]),
    ("ALTER TABLE t ADD c timestamp with time zone DEFAULT now() NOT NULL", ["add_column t c not null default"]),
    ("ALTER TABLE t ADD c text DEFAULT NULL::text NOT NULL", ["add_column t c not null"]),
]  # fmt: skip
OTHERS = [
    ("oracle", "ALTER TABLE t DROP (a, b)", ["drop_column T A", "drop_column T B"]),
    ("oracle", "ALTER TABLE t ADD (c NUMBER(10) DEFAULT 0 NOT NULL)", ["add_column T C not null default"]),
    ("oracle", "ALTER TABLE t MODIFY (c NOT NULL)", ["set_not_null T C"]),
    ("oracle", "TRUNCATE TABLE t", ["truncate T"]),
    ("oracle", "DROP TABLE t CASCADE CONSTRAINTS PURGE", ["drop_table T cascade"]),
    ("snowflake", "CREATE OR REPLACE TABLE t (a INT)", ["drop_table T if_exists", "create_table T"]),
    ("snowflake", "ALTER TABLE t DROP COLUMN a, b", ["drop_column T A", "drop_column T B"]),
    ("bigquery", "ALTER TABLE `p.d.t` DROP COLUMN c", ["drop_column p.d.t c"]),
    ("bigquery", "DROP TABLE IF EXISTS d.t", ["drop_table d.t if_exists"]),
    ("redshift", "ALTER TABLE t DROP COLUMN c CASCADE", ["drop_column t c cascade"]),
    ("duckdb", "ALTER TABLE t RENAME a TO b", ["rename_column t a >b"]),
    ("clickhouse", "ALTER TABLE t DROP COLUMN c", ["drop_column t c"]),
    ("clickhouse", "TRUNCATE TABLE t", ["truncate t"]),
    ("db2", "DROP TABLE t", ["drop_table T"]),
    ("ansi", "ALTER TABLE t ADD COLUMN c INT NOT NULL", ["add_column T C not null"]),
]  # fmt: skip
CASES = [
    *(("mysql", *case) for case in MYSQL),
    *(("mariadb", *case) for case in MARIADB),
    *(("tsql", *case) for case in TSQL),
    *(("sqlite", *case) for case in SQLITE),
    *(("postgres", *case) for case in POSTGRES),
    *OTHERS,
]


@pytest.mark.parametrize("text", ["TEMP TABLE t (a int) ON COMMIT DROP", "TEMPORARY TABLE t ON COMMIT DROP AS SELECT 1"])  # fmt: skip
def test_a_table_that_ends_with_its_transaction(text):
    (made,) = parsed("postgres", f"CREATE {text}")[0].actions
    assert (made.temporary, made.label) == (True, "on commit drop")


@pytest.mark.parametrize(("dialect", "text", "expected"), CASES)
def test_what_a_statement_does(dialect, text, expected):
    assert lines(dialect, text) == expected


@pytest.mark.parametrize(
    ("dialect", "text", "near"),
    [
        ("mysql", "SELEC 1", "SELEC"),
        ("mysql", "ALTER TABLE t ADD COLUMN c INT NOT NUL", "cannot parse"),
        ("mysql", "ALTER TABLE t DROP COLUMN", "cannot parse"),
        ("mysql", "INSERT INTO t VALUES (1", "bracket"),
        ("mysql", "CREATE TABLE t (a INT,)", "cannot parse"),
        ("mysql", "DROP TABLE t 'x", "does not end"),
        ("tsql", "ALTER TABLE t ADD", "cannot parse"),
        ("sqlite", "DROP TABEL t", "cannot parse"),
        ("mysql", "SELECT " + "(" * 1000 + "1" + ")" * 1000, "depth"),
        ("mysql", "ALTER TABLE t ADD c INT DEFAULT " + "(" * 5000 + "1" + ")" * 5000, "depth"),
    ],
)
def test_what_cannot_be_read_is_a_problem(dialect, text, near):
    (found,) = parsed(dialect, text)
    assert near in found.problem


def test_a_bad_statement_costs_one_statement_and_still_says_what_it_can():
    found = parsed(
        "mysql", "nonsense here DROP TABLE a; TRUNCATE b; ALTER TABLE c DROP COLUMN d oops"
    )
    assert [bool(item.problem) for item in found] == [True, False, True]
    kinds = [[told(action) for action in item.actions] for item in found]
    assert kinds == [["drop_table a"], ["truncate b"], ["drop_column c d"]]
    assert [item.span for item in found] == [(0, 26), (28, 38), (40, 72)]


def test_engines_are_what_they_say():
    assert isinstance(load(), RustEngine)
    assert load() is load()
    assert "Rust" in parser().version


def test_a_broken_core_is_no_pass():
    class Broken:
        name = "broken"

        def outline(self, text: str, dialect: Dialect) -> Outline:
            return Outline([], "it fell over")

    found = Parser(Broken(), "1").parse(script("SELECT 1"), Dialect.MYSQL)
    assert [item.problem for item in found] == ["it fell over"]


def test_both_engines_and_the_short_way_say_the_same():
    short, thorough = parser(), Parser(parser().engine, "", thorough=True)
    python = Parser(ApiEngine(pure=True), "", thorough=True)
    for dialect, text, _ in CASES:
        one, two, three = (
            [
                (item.actions, bool(item.problem))
                for item in way.parse(script(text), Dialect(dialect))
            ]
            for way in (short, thorough, python)
        )
        assert one == two == three, text
