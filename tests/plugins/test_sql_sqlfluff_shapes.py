"""What is read of a statement of a known shape is what a parser that knows none reads of it."""

from __future__ import annotations

import random
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plugins.sql_sqlfluff_kit import script

from sluiceway.migrations import reading
from sluiceway.migrations.records import Dialect, Kind
from sluiceway_sql_sqlfluff import shapes, vocabulary
from sluiceway_sql_sqlfluff.lexicon import lexicon
from sluiceway_sql_sqlfluff.parser import Parser, parser
from sluiceway_sql_sqlfluff.shapes import Shapes

LABELLED = Path(__file__).parents[1] / "migrations" / "labelled" / "other_dialects.toml"
CASES: list[dict[str, Any]] = tomllib.loads(LABELLED.read_text(encoding="utf-8"))["case"]
VERSION = parser().shapes.version
FRESH = Parser(parser().engine, "")
"""Its shapes are of no version of sqlfluff: it reads every statement for itself."""


def remembering() -> Parser:
    return Parser(parser().engine, "", shapes=Shapes(VERSION))


def agree(parser_: Parser, text: str, dialect: Dialect) -> None:
    """Read a text twice: what was learnt of it the first time is used the second time."""
    fresh = repr(FRESH.parse(script(text), dialect))
    for _ in range(2):
        assert repr(parser_.parse(script(text), dialect)) == fresh, text


# --- other names and values -----------------------------------------------------------------------

NASTY = (
    # Names of every kind; words of one grammar, of another one, of what reads.
    "users", "orders_2", "Users", "USERS", "plan", "name", "type", "status", "date", "value", "key", "rows",
    "x", "k", "_id", "id1", "1st", "2", "2x", "a$b", "$x", "naïve", "\u017f", "\u039a", "\u212a", "sp_rename", "xp_x", "#t", "##t",
    "COLUMN", "table", "TRUNCATE", "drop", "exec", "EXECUTE", "IF", "interval", "CURRENT_TIMESTAMP", "coalesce",
    "DATE_ADD", "uuid", "rand", "GetRoot", "jsonb", "enum", "serial", "bigint", "varchar", "default", "cascade",
    "SLUICEWAY_UNKNOWN", "Qz7000x7zQ", "qz7001x7zq", "s7y", "_utf8", "_utf8mb4", "N", "binary", "dblink",
    # Quoted, and what is no text everywhere.
    "`users`", "`Users`", "`drop table`", "`a``b`", "`é`", '"users"', '"a""b"', "[users]", "[a b]", "[a]]b]",
    # Values.
    "'a'", "'DROP TABLE users'", "'it''s'", r"'it\'s'", "'a\\\\'", "'\n'", "''", "'é'", "'--'", "'/*'", "'UTF8'",
    "'https://a.blob.core.windows.net/b'", "N'a'", "n'a b'", "N'UTF8'", "N'it''s'", "_utf8'a'", "_utf8 'a'", "x'1F'", "X'1'", "b'01'", "0x1F",
    "0", "7", "255", "1.5", ".5", "5.", "1e5", "1.2.3", "-1", "730173", "NULL", "TRUE", "20123", "10 MB",
    # Variables, comments, hints.
    "@a", "@@sql_mode", "@`a`", ":a", "/* a */", "/*! a */", "/*+ a */", "-- a\n", "--a\n", "# a\n", "-- it's\n",
    "a.b", "a . b", "{a}", "$$a$$", "$1", "!", "||", "->", "->>", "::", ":=", "&&", "//", "\r", "\r\n", "\t",
)  # fmt: skip
TOKEN = re.compile(r"'[^']*'|`[^`]*`|\"[^\"]*\"|\w+|\s+|.", re.DOTALL)
MORE = (
    "INSERT INTO users (id, name) VALUES (1, 'a'), (2, 'b')", "UPDATE users SET name = 'a' WHERE id = 1",
    "DELETE FROM orders WHERE id IN (SELECT id FROM users WHERE name = 'a')", "CALL change('users', 1)",
    "CREATE TABLE made (id INT, name VARCHAR(20) NOT NULL DEFAULT 'a' COMMENT 'it is', PRIMARY KEY (id))",
    "CREATE TABLE copied AS SELECT id, name FROM users", "CREATE VIEW seen AS SELECT id FROM users",
    "ALTER TABLE users ADD COLUMN plan INT NOT NULL, DROP COLUMN name, ADD INDEX by_plan (plan)",
    "CREATE INDEX by_name ON users (name)", "DROP TABLE IF EXISTS users, orders CASCADE",
    "SELECT COUNT(*) INTO @a FROM users", "SELECT id INTO made FROM users", "RENAME TABLE users TO people",
    "INSERT INTO users SELECT query_to_xml('DROP TABLE users', true, false, '')", "LOCK TABLES users WRITE",
    "INSERT INTO users EXEC ('DROP TABLE users')", "REPLACE INTO users VALUES (0x1F, NOW(), b'1', -1.5)",
    "ALTER TABLE users ADD CONSTRAINT positive CHECK (plan IS NOT NULL AND plan > 0)",
    "ALTER TABLE users MODIFY plan DECIMAL(10,  2) NOT NULL", "DROP INDEX by_name ON users",
    'CREATE TABLE typed (id status(10, 2), name "status", PRIMARY KEY (Id))', "TRUNCATE TABLE users",
    "-- first\nDROP TABLE users", "DROP TABLE users -- last\n", "UPDATE users SET name = CONCAT(name, 'a')",
)  # fmt: skip


def changed(text: str, draw: random.Random) -> str:
    """Return a statement in which some tokens are others."""
    parts = TOKEN.findall(text)
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        at = draw.randrange(len(parts))
        parts[at] = draw.choice(NASTY)
    return "".join(parts)


def statements() -> list[tuple[str, Dialect]]:
    found = []
    for case in CASES:
        dialect = Dialect(case["dialect"])
        found += [
            (each.text[start:end], dialect)
            for each in reading.from_texts([("a.sql", case["sql"].encode())], dialect).scripts
            for start, end in each.spans or [(0, len(each.text))]
        ]
    return found


def renamed(text: str, draw: random.Random) -> str:
    """Return a statement of the same shape, as far as one can tell without knowing any grammar."""
    names: dict[str, str] = {}

    def other(hit: re.Match[str]) -> str:
        return names.setdefault(hit[0], f"other_{draw.randrange(10 ** draw.randrange(1, 9))}")

    return re.sub(r"\b(?:users|orders|email|name|plan|people|scratch|labels|total)\b", other, text)


def test_every_labelled_statement_under_other_names():
    reader, draw = remembering(), random.Random(1)
    for text, dialect in statements():
        for each in (text, renamed(text, draw), renamed(text, draw)):
            agree(reader, each, dialect)
    assert reader.shapes.known > reader.shapes.asked // 3


@pytest.mark.parametrize("dialect", [each for each in Dialect if each is not Dialect.POSTGRES])
def test_every_token_that_may_be_another_one(dialect: Dialect):
    reader, draw = remembering(), random.Random(2)
    for text in [changed(draw.choice(MORE), draw) for _ in range(60)]:
        agree(reader, text, dialect)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(MORE),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(NASTY)), max_size=4),
    st.sampled_from(
        [
            Dialect.MYSQL,
            Dialect.TSQL,
            Dialect.SQLITE,
            Dialect.ORACLE,
            Dialect.DB2,
            Dialect.ANSI,
            Dialect.CLICKHOUSE,
        ]
    ),
)
def test_any_statement(text: str, changes: list[tuple[int, str]], dialect: Dialect):
    parts = TOKEN.findall(text)
    for at, token in changes:
        parts[at % len(parts)] = token
    agree(READER, "".join(parts), dialect)


READER = remembering()
"""One for all examples: they meet the shapes of each other."""


# --- what is a shape, and what is none ------------------------------------------------------------

ALIKE = (
    ("mysql", "INSERT INTO a_table (x1) VALUES (1, 'a')", "INSERT INTO b_table (y1) VALUES (22, 'it''s')"),
    ("mysql", "ALTER TABLE `t1` ADD c1 INT COMMENT 'a'", "ALTER TABLE  `t2`\tADD c2 INT COMMENT 'b c'"),
    ("mysql", "UPDATE t1 SET c1 = @a", "UPDATE u1 SET c2 = @a"),
    ("tsql", "DROP TABLE [dbo].[t1]", "DROP TABLE [dbo].[t2]"),
    ("tsql", "INSERT INTO t1 VALUES (N'anna')", "INSERT INTO t2 VALUES (N'dave''s')"),
    ("oracle", "DROP TABLE t1", "DROP TABLE t22"),
    ("oracle", "UPDATE t1 SET c1 = 1 WHERE c2 = 'anna'", "UPDATE t3 SET c1 = 22 WHERE c2 = 'dave'"),
    ("db2", "INSERT INTO t1 VALUES (1, 'anna')", "INSERT INTO t2 VALUES (22, 'dave')"),
)  # fmt: skip
DIFFERENT = (
    ("mysql", "ALTER TABLE t1 ADD c1 INT", "ALTER TABLE t1 ADD c1  INT\n"),
    ("mysql", "ALTER TABLE t1 ADD c1 INT", "ALTER TABLE t1 ADD c1\nINT"),
    ("mysql", "ALTER TABLE t1 ADD c1 INT(1)", "ALTER TABLE t1 ADD c1 INT(2)"),
    ("mysql", "ALTER TABLE t1 ADD c1 INT", "ALTER TABLE t1 ADD `c1` INT"),
    ("mysql", "DROP TABLE t1, t2", "DROP TABLE t1, t1"),
    ("mysql", "DROP TABLE t1", "DROP TABLE status"),
    ("mysql", "INSERT INTO t1 VALUES (1)", "INSERT INTO t1 VALUES (1.5)"),
    ("tsql", "INSERT INTO t1 VALUES ('anna')", "INSERT INTO t1 VALUES ('UTF8')"),
    ("tsql", "INSERT INTO t1 VALUES (N'anna')", "INSERT INTO t1 VALUES (N'UTF8')"),
    ("tsql", "INSERT INTO t1 VALUES (N'anna')", "INSERT INTO t1 VALUES ('anna')"),
    ("tsql", "SELECT c1 FROM t1 WHERE c2 = N'aa'", "SELECT c1 FROM t1 WHERE c2 = N'bb'"),
    ("oracle", "CALL sys.dbms_utility.other('aa')", "CALL sys.dbms_utility.exec_ddl_statement('aa')"),
    ("postgres", "INSERT INTO t1 VALUES ('aa')", "INSERT INTO t1 VALUES ('bb')"),
)  # fmt: skip
NONE = (
    ("mysql", "DROP TABLE t1, T1"), ("mysql", "DROP TABLE naïve"), ("mysql", "DROP TABLE t1 /* a */"),
    ("mysql", "DROP TABLE /*! t1 */"), ("mysql", "INSERT INTO t1 VALUES (N'a')"), ("mysql", "DROP TABLE 1a"),
    ("mysql", "INSERT INTO t1 VALUES (_utf8'a')"), ("mysql", "INSERT INTO t1 VALUES (1e5)"),
    ("mysql", "INSERT INTO t1 VALUES (.5)"), ("mysql", "DROP TABLE a$b"), ("mysql", "SELECT 'a"),
    ("mysql", "SET @a = 1"), ("mysql", "PREPARE s FROM 'DROP TABLE t1'"), ("mysql", "DROP TABLE t1 # a"),
    ("mysql", "SELECT 1--1"), ("tsql", "INSERT INTO t1 EXEC ('DROP TABLE t2')"), ("tsql", "DROP TABLE #t1"),
    ("mysql", "CREATE PROCEDURE p() DROP TABLE t1"), ("bigquery", "DROP TABLE t1"),
    ("mysql", "CALL sys.execute_prepared_stmt('DROP TABLE t1')"), ("mysql", "DROP TABLE t1\r"),
    ("oracle", "CALL sys.dbms_utility.exec_ddl_statement('DROP TABLE t1')"),
    ("oracle", "INSERT INTO t1 VALUES (q'[a]')"), ("oracle", "INSERT INTO t1 VALUES ('it''s')"),
    ("clickhouse", r"INSERT INTO t1 VALUES ('a\'b')"),
)  # fmt: skip


def shape(dialect: str, text: str) -> Any:
    cut = lexicon(Dialect(dialect), VERSION)
    found = None if cut is None else cut.shape(text, {})
    return None if found is None else found.key


@pytest.mark.parametrize(("dialect", "one", "other"), ALIKE)
def test_statements_of_one_shape(dialect, one, other):
    assert shape(dialect, one) == shape(dialect, other) is not None


@pytest.mark.parametrize(("dialect", "one", "other"), DIFFERENT)
def test_statements_of_two_shapes(dialect, one, other):
    assert None is not shape(dialect, one) != shape(dialect, other)


@pytest.mark.parametrize(("dialect", "text"), NONE)
def test_statements_of_which_the_shape_is_not_certain(dialect, text):
    assert shape(dialect, text) is None


def test_a_known_shape_is_filled_with_the_names_of_each_statement():
    reader = remembering()
    for name in ("users", "orders", "labels"):
        (found,) = reader.parse(script(f"ALTER TABLE {name} DROP COLUMN Old_{name}"), Dialect.MYSQL)
        (action,) = found.actions
        assert (action.kind, action.name) == (Kind.DROP_COLUMN, (name,))
        assert (action.column, action.offset) == (f"old_{name}", 18 + len(name))
    assert reader.shapes.known >= 1


def test_a_statement_that_cannot_be_read_is_read_anew_and_says_what_is_wrong():
    reader = remembering()
    for name in ("users", "orders"):
        (found,) = reader.parse(script(f"ALTER TABLE {name} nonsense HERE"), Dialect.MYSQL)
        assert found.problem
        assert found == FRESH.parse(script(f"ALTER TABLE {name} nonsense HERE"), Dialect.MYSQL)[0]
    assert reader.shapes.known == 0


def test_what_a_variable_holds_is_no_matter_of_the_shape():
    text = (
        "SET @s = 'DROP TABLE {0}'; PREPARE {1} FROM @s; EXECUTE {1}; SELECT id INTO @s FROM {0};"
    )
    reader = remembering()
    for names in (("users", "one"), ("orders", "two"), ("labels", "one")):
        agree(reader, text.format(*names) * 2, Dialect.MYSQL)


def test_values_that_would_run_are_read():
    reader = remembering()
    for what in ("SELECT 1", "DROP TABLE users", "a", "DROP TABLE orders"):
        for text in (
            f"INSERT INTO t1 EXEC ('{what}')",
            f"INSERT INTO t1 SELECT 1 FROM OPENQUERY (s1, '{what}')",
        ):
            agree(reader, text, Dialect.TSQL)
        agree(reader, f"CALL sys.execute_prepared_stmt('{what}')", Dialect.MYSQL)
        agree(reader, f"SELECT query_to_xml('{what}', true, false, '')", Dialect.ANSI)
        for text in (
            f"CALL sys.dbms_utility.exec_ddl_statement('{what}')",
            f"CALL dbms_sql.parse(1, '{what}', 1)",
            f"CALL dbms_scheduler.create_job('a', 'PLSQL_BLOCK', '{what}')",
            f"UPDATE t1 SET c1 = dblink('{what}')",
        ):
            agree(reader, text, Dialect.ORACLE)


def test_old_shapes_are_forgotten(monkeypatch):
    monkeypatch.setattr(shapes, "_MOST_SHAPES", 4)
    reader = remembering()
    for number in range(18):
        agree(
            reader,
            f"DROP TABLE {', '.join(f't{each}' for each in range(number + 1))}",
            Dialect.MYSQL,
        )
    assert len(reader.shapes.memory.young) + len(reader.shapes.memory.old) <= 8
    assert reader.shapes.known >= 18


def test_a_long_statement_is_learnt_when_there_is_a_second_one_of_its_shape():
    reader = remembering()
    for number in range(4):
        columns = ", ".join(f"column_{number}{each} INT NOT NULL DEFAULT 0" for each in range(9))
        agree(reader, f"CREATE TABLE made_{number} ({columns})", Dialect.MYSQL)
    assert (reader.shapes.asked, reader.shapes.known) == (8, 6)


def test_long_shapes_are_forgotten_sooner(monkeypatch):
    monkeypatch.setattr(shapes, "_MOST_TOKENS", 100)
    reader = remembering()
    for number in range(30):
        agree(
            reader,
            f"DROP TABLE {', '.join(f't{each}' for each in range(number + 30))}",
            Dialect.MYSQL,
        )
    assert len(reader.shapes.memory.young) + len(reader.shapes.memory.old) <= 4


# --- the words ------------------------------------------------------------------------------------


def test_the_vocabulary_is_that_of_the_installed_sqlfluff_and_of_the_reader():
    missing = vocabulary.collected() - vocabulary.load(VERSION)
    assert not missing, "run: python -m sluiceway_sql_sqlfluff.vocabulary"


def test_the_vocabulary_has_the_words_that_read_differently():
    assert vocabulary.load(VERSION) >= {
        "STATUS", "COALESCE", "CURRENT_TIMESTAMP", "INTERVAL", "GETROOT", "PLPGSQL", "UUID",
        "SP_RENAME", "EXECUTE_PREPARED_STMT", "SERIAL", "DELIMITER", "SOURCE",
    }  # fmt: skip


def test_of_another_version_no_word_is_known():
    assert vocabulary.load("4.4.9") == frozenset()
    assert lexicon(Dialect.MYSQL, "4.4.9") is None
