"""SQL inside of SQL: stored programs, blocks, and texts that are put together."""

from __future__ import annotations

import pytest
from tests.plugins.sql_sqlfluff_kit import flat, lines, parsed, script, told

from sluiceway.migrations.records import Action, Dialect, Kind
from sluiceway_sql_sqlfluff.parser import parser


def only(dialect: str, text: str) -> Action:
    (found,) = parsed(dialect, text)
    assert not found.problem
    (action,) = found.actions
    return action


def shape(action: Action) -> object:
    """Return the kinds, with what they hold behind them."""
    name = action.label or str(action.kind)
    return (name, [shape(inner) for inner in action.nested]) if action.nested else told(action)


PROCEDURE = """CREATE DEFINER=`root`@`localhost` PROCEDURE p(IN a INT, OUT b VARCHAR(10))
    SQL SECURITY INVOKER COMMENT 'DROP TABLE no'
top: BEGIN
  DECLARE done INT DEFAULT FALSE;
  DECLARE cur CURSOR FOR SELECT id FROM t;
  DECLARE CONTINUE HANDLER FOR NOT FOUND, SQLSTATE '42S02' BEGIN SET done = TRUE; END;
  OPEN cur;
  again: LOOP
    FETCH cur INTO a;
    IF done OR (CASE WHEN a THEN 1 ELSE 0 END) THEN LEAVE again; ELSEIF a THEN TRUNCATE s; END IF;
    CASE a WHEN 1 THEN DROP TABLE x; ELSE ALTER TABLE t DROP COLUMN c; END CASE;
  END LOOP again;
  WHILE a < 3 DO SET a = a + 1; END WHILE;
  REPEAT DROP TABLE y; UNTIL a END REPEAT;
  CLOSE cur;
END top"""


def test_a_stored_program_of_mysql():
    action = only("mysql", PROCEDURE)
    assert (action.kind, action.name) == (Kind.CREATE_FUNCTION, ("p",))
    kinds = {Kind.TRUNCATE, Kind.DROP_TABLE, Kind.DROP_COLUMN}
    held = [told(inner) for inner in flat(action.nested) if inner.kind in kinds]
    assert held == ["truncate s", "drop_table x", "drop_column t c", "drop_table y"]
    where = next(inner for inner in flat(action.nested) if inner.kind is Kind.DROP_TABLE).offset
    assert PROCEDURE[where:].startswith("DROP TABLE x")


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN IF 1 THEN DROP TABLE x; END",
        "BEGIN DROP TABLE x; END IF; END",
        "BEGIN DROP TABEL x; END",
        "BEGIN ALTER TABLE t DROP COLUMN c oops; END",
    ],
)
def test_a_body_that_makes_no_sense_is_a_problem(body):
    (found,) = parsed("mysql", f"CREATE PROCEDURE p() {body}")
    assert found.problem


def test_a_handler_and_a_branch_are_told_apart():
    action = only(
        "mysql",
        "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION DROP TABLE a;"
        " IF x THEN DROP TABLE b; ELSE DROP TABLE c; END IF; DROP TABLE d; END",
    )
    assert shape(action) == (
        "procedure",
        [
            (
                "if",
                [
                    ("handler", ["drop_table a"]),
                    ("if", ["drop_table b"]),
                    ("if", ["drop_table c"]),
                    "drop_table d",
                ],
            )
        ],
    )


def test_an_anonymous_block_of_postgresql():
    action = only(
        "postgres",
        """DO $body$
DECLARE r record; n text := 'old';
BEGIN
  IF EXISTS (SELECT 1 FROM pg_class) THEN
    ALTER TABLE t DROP COLUMN a;
  END IF;
  FOR r IN SELECT * FROM pg_tables LOOP
    EXECUTE 'DROP TABLE ' || quote_ident(r.tablename);
  END LOOP;
  EXECUTE format('TRUNCATE %I', n);
  SELECT count(*) INTO n FROM t;
  PERFORM clean(1);
EXCEPTION WHEN others THEN
  DROP TABLE b;
END $body$""",
    )
    assert action.kind is Kind.DO
    held = [told(inner) for inner in flat(action.nested) if inner.kind is not Kind.OTHER]
    assert [line for line in held if not line.startswith(("call exists", "call count"))] == [
        "drop_column t a", "execute", "drop_table", "execute", "truncate old", "call clean",
        "drop_table b",
    ]  # fmt: skip


def test_a_body_in_a_language_that_is_not_read_is_left_to_state():
    action = only("postgres", "DO LANGUAGE plpython3u $$ plpy.execute('DROP TABLE x') $$")
    assert (action.language, action.nested) == ("plpython3u", ())


def test_a_procedure_of_tsql_is_the_rest_of_its_batch_and_is_parsed_when_it_runs():
    text = "CREATE OR ALTER PROC dbo.p @a AS INT, @b INT = 1 WITH EXECUTE AS OWNER AS DROP TABLE x"
    action = only("tsql", text)
    assert (action.kind, action.name, action.nested) == (Kind.CREATE_FUNCTION, ("dbo", "p"), ())
    assert action.body == "DROP TABLE x"
    assert text[action.body_offset :] == action.body


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        ("mysql", "SET @s = CONCAT('DROP TABLE ', @t); PREPARE q FROM @s; EXECUTE q", ["drop_table"]),
        ("mysql", "SET @t = 'old', @s = CONCAT('DROP TABLE ', @t); PREPARE q FROM @s", ["drop_table old"]),
        (
            "mysql",
            ("SET @s = (SELECT IF(COUNT(*) > 0, 'SELECT 1', 'ALTER TABLE t DROP c') FROM x);"
            "PREPARE q FROM @s"),
            ["drop_column t c"],
        ),
        ("mysql", "SELECT CONCAT('TRUNCATE ', 't') INTO @s; PREPARE q FROM @s", ["truncate t"]),
        ("mariadb", "EXECUTE IMMEDIATE 'DROP TABLE x'", ["drop_table x"]),
        ("tsql", "DECLARE @s nvarchar(max) = N'DROP TABLE ' + QUOTENAME('x'); EXEC(@s)", ["drop_table x"]),
        ("tsql", "DECLARE @s nvarchar(99); SET @s = 'DROP'; SET @s += ' TABLE x'; EXEC(@s)", ["drop_table x"]),
        (
            "tsql",
            ("DECLARE @c sysname; SELECT @c = name FROM sys.default_constraints;"
            "EXEC('ALTER TABLE t DROP CONSTRAINT [' + @c + ']; ALTER TABLE t DROP COLUMN c')"),
            ["drop_constraint t", "drop_column t c"],
        ),
        ("tsql", "EXEC sp_MSforeachtable 'TRUNCATE TABLE ?'", ["truncate"]),
        ("oracle", "BEGIN EXECUTE IMMEDIATE 'DROP TABLE x'; END;", ["drop_table X"]),
    ],
)  # fmt: skip
def test_sql_that_is_put_together(dialect, text, expected):
    found = [line for line in lines(dialect, text) if line.split()[0] not in {"execute", "set"}]
    assert found == expected


def test_tsql_runs_a_procedure_without_exec():
    assert lines("tsql", "dbo.clean 1, 2") == ["call dbo.clean"]
    assert lines("tsql", "sys.sp_rename 't.a', 'b', 'COLUMN'") == ["rename_column t a >b"]


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("mysql", "PREPARE q FROM @s"),
        ("mysql", "EXECUTE q"),
        ("mysql", "SET @s = CONCAT('SELECT ', @x); PREPARE q FROM @s"),
        ("tsql", "EXEC(@s)"),
        ("tsql", "EXEC @procedure"),
        ("tsql", "EXEC sp_executesql @s"),
        ("tsql", "EXEC sp_rename @a, @b"),
        ("postgres", "DO $$ BEGIN EXECUTE x; END $$"),
    ],
)
def test_what_nobody_can_know_has_no_body(dialect, text):
    every = [action for item in parsed(dialect, text) for action in flat(item.actions)]
    unknown = [action for action in every if action.kind is Kind.EXECUTE]
    assert unknown
    assert all(not action.body and not action.nested for action in unknown)


def test_a_text_that_does_not_parse_says_so_and_what_it_can():
    every = flat(only("tsql", "EXEC('SELECT FROM WHERE; DROP TABLE x')").nested)
    assert "drop_table x" in [told(action) for action in every]
    assert only("tsql", "EXEC('SELECT FROM WHERE; DROP TABLE x')").label == "unparsable"


def test_texts_that_run_texts_end_somewhere():
    text = "DROP TABLE x"
    for _ in range(12):
        text = "EXEC('" + text.replace("'", "''") + "')"
    if len(text) < 100_000:
        every = flat(parser().parse(script(text), Dialect.TSQL)[0].actions)
        assert any(action.label == "unknown" for action in every)
