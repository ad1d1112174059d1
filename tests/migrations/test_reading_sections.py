"""Forward and backward parts: goose, dbmate, sql-migrate, Liquibase, as their own readers see them."""

from __future__ import annotations

import pytest

from sluiceway.migrations.reading import from_texts
from sluiceway.migrations.records import Dialect, Maybe
from sluiceway.migrations.statements import spans

PG, MYSQL = Dialect.POSTGRES, Dialect.MYSQL


def read(text, dialect=PG, name="1_a.sql", layout="auto"):
    reading = from_texts([(name, text.encode())], dialect, layout)
    (script,) = reading.scripts
    assert len(script.text) == len(text)
    assert script.text.count("\n") == text.count("\n")
    return script, reading.skipped


def statements(script, dialect=PG):
    found = script.spans if script.spans is not None else spans(script.text, dialect)
    return [script.text[begin:end] for begin, end in found]


def problems(script):
    return [f"{problem.line}: {problem.what}" for problem in script.problems]


FORWARD = [
    ("goose", "-- +goose Up\na;\n-- +goose Down\nDROP x;\n", ["a"], Maybe.YES),
    ("goose", "-- +goose UP\na;\n--+goose down\nDROP x;\n", ["a"], Maybe.YES),
    ("goose", "-- c\n\n-- +goose NO TRANSACTION\n-- +goose Up\r\na;\r\n-- +goose Down\r\nDROP x;", ["a"], Maybe.NO),
    (
        "goose",
        "-- +goose Up\n-- +goose StatementBegin\ncreate function f() as $$\na;\nb;\n$$;\n-- +goose StatementEnd\nc;\n-- +goose Down\n-- +goose StatementBegin\nDROP x\n-- +goose StatementEnd\n",
        ["create function f() as $$\na;\nb;\n$$", "c"],
        Maybe.YES,
    ),
    ("goose", "-- +goose Up\nSELECT a; -- b\n", ["SELECT a"], Maybe.YES),
    ("dbmate", "-- migrate:up\na;\n-- migrate:down\nDROP x;\n", ["a"], Maybe.YES),
    ("dbmate", "-- migrate:up transaction:false\na\n-- migrate:down transaction:true\nDROP x;\n", ["a"], Maybe.NO),
    ("dbmate", "--migrate:up\na;\n--   migrate:down\nDROP x;\n-- migrate:up transaction:false\nb;", ["a", "b"], Maybe.MAYBE),
    ("dbmate", "-- migrate:up\na;\n -- migrate:down\nb;", ["a", "b"], Maybe.YES),
    ("sql-migrate", "-- +migrate Up\na;\n-- +migrate Down\nDROP x;\n", ["a"], Maybe.YES),
    ("sql-migrate", "-- +migrate Up notransaction\na;\n-- +migrate Down\nDROP x;\n-- +migrate Up\nb;\n", ["a", "b"], Maybe.NO),
    ("sql-migrate", "before;\n-- +migrate Up\n-- +migrate StatementBegin\na;\nb\n-- +migrate StatementEnd\n", ["before", "a", "b"], Maybe.YES),
    ("sql-migrate", "-- +migrate Up\na;\n-- +migrate down\nDROP x;\n", ["a", "DROP x"], Maybe.YES),
    ("node-pg-migrate", "-- Up Migration\na;\n-- Down Migration\nDROP x;\n", ["a"], Maybe.MAYBE),
    ("node-pg-migrate", "--- down   migration\nDROP x;\n-- UP migration of x\na;\n", ["a"], Maybe.MAYBE),
    ("node-pg-migrate", "before;\n-- Up Migration\na;\n", ["before", "a"], Maybe.MAYBE),
    ("tern", "a;\n---- create above / drop below ----\nDROP x;\n", ["a"], Maybe.YES),
    ("tern", "---- tern: disable-tx ----\na\n\n---- create above / drop below ----\n\nDROP x;\n---- create above / drop below ----\nDROP y;", ["a"], Maybe.NO),
    ("rambler", "-- rambler up\na;\n-- rambler down\nDROP x;\n-- rambler up\nb;\n", ["a", "b"], Maybe.MAYBE),
    ("rambler", "-- rambler down\nDROP x;\n-- rambler other\nb;\n", ["b"], Maybe.MAYBE),
    ("liquibase", "--liquibase formatted sql\n--changeset a:1\na;\n--rollback DROP x;\n--changeset b:2\nb;\n", ["a", "b"], Maybe.YES),
    ("liquibase", "-- liquibase formatted SQL\n-- changeset a:1 runInTransaction:false\na;\n/* liquibase rollback\nDROP x;\n*/\n", ["a"], Maybe.NO),
    ("liquibase", "--liquibase formatted sql\n--changeset a:1 dbms:mysql,h2\nDROP x;\n--changeset a:2 dbms:!mysql\na;\n--changeset a:3 dbms:newdb\nb;", ["a", "b"], Maybe.YES),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "text", "expected", "mode"), FORWARD)
def test_the_forward_part_is_what_is_judged(tool, text, expected, mode):
    script, skipped = read(text)
    assert script.layout == tool
    assert statements(script) == expected
    assert script.in_transaction is mode
    assert not script.problems
    assert ("DROP" in text and "DROP" not in script.text) == bool(skipped) or tool == "liquibase"


def test_what_is_left_out_is_listed_with_its_lines():
    _, skipped = read("-- +goose Up\na;\n-- +goose Down\nDROP x;\n\n")
    assert [(entry.path, entry.why) for entry in skipped] == [
        ("1_a.sql", "lines 4 to 5: the backward part of goose (-- +goose Down)")
    ]


REFUSED = [
    ("-- Up Migration\nSELECT '\n-- Down Migration\nDROP x;';\n", "3: node-pg-migrate (-- Down Migration) cuts the file inside of a quote"),
    ("-- c\n---- create above / drop below ----\nDROP x;\n", "2: tern refuses this file: it has no SQL above"),
    ("SELECT '\n---- create above / drop below ----\nDROP x;';\n", "2: tern (drop below) cuts the file inside of a quote"),
    ("-- rambler up\n/*\n-- rambler down\n*/ DROP x;\n", "3: rambler (-- rambler down) cuts the file inside of a quote"),
    # What goose itself refuses runs nowhere by goose: another tool may run all of it.
    ("-- +goose Down\nDROP x;\n-- +goose Up\na;\n", "1: goose refuses this file: -- +goose Down does not belong"),
    ("-- +goose Up\na;\n-- +goose Down\nb;\n-- +goose Down\nDROP x;\n", "5: goose refuses this file"),
    ("-- +goose Up\na;\n-- +goose Down\nb;\n-- +goose Up\nDROP x;\n", "5: goose refuses this file"),
    ("-- +goose Up\nSELECT '\n-- +goose Down\nDROP x;';\n", "3: goose refuses this file: the statement before"),
    ("-- +goose Up\n-- +goose StatementBegin\na;\n-- +goose Down\nDROP x;\n", "4: goose refuses this file"),
    ("-- +goose Up\na;\n -- +goose Down\nDROP x;\n", "3: goose refuses this file: an annotation with a space"),
    ("-- +goose Up\na;\n-- +goose Downward\nDROP x;\n", "3: goose refuses this file: an annotation that it does not know"),
    ("DROP x;\n-- +goose Up\na;\n", "1: goose refuses this file: it holds a statement before"),
    ("-- +goose Up\na", "2: goose refuses this file: its last statement"),
    ("-- migrate:down\nDROP x;\n", "1: dbmate refuses this file: it has no -- migrate:up"),
    ("DROP x;\n-- migrate:up\na;\n", "1: dbmate refuses this file: a statement before"),
    ("-- migrate:up\na;\n-- migrate:down\nb;\n-- migrate:down\nDROP x;\n", "5: dbmate refuses this file: two"),
    ("-- +migrate Up\na\n-- +migrate Down\nDROP x;\n", "3: sql-migrate refuses this file"),
    ("-- +migrate Up\n-- +migrate StatementBegin\nDROP x;\n", "4: sql-migrate refuses this file"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_a_file_that_its_tool_refuses_is_a_problem_and_judged_whole(text, expected):
    script, skipped = read(text)
    assert problems(script)[0].startswith(expected)
    assert ("DROP" in script.text) == ("DROP" in text)
    assert not skipped


CUTS = [
    # The tool's own idea of a statement's end differs from SQL's: what it sends is not what we see.
    "-- +goose Up\n/* ;\n-- +goose Down\nDROP x;\n*/\n",
    "-- +goose Up\nSELECT 'a;\nDROP x;\n';\n",
    "-- +goose Up\ncreate function f() as $$\nDROP x;\n$$;\n",
    "-- +goose Up\ncreate function f() begin atomic\nDROP x;\nend;\n",
    "-- +migrate Up\n/* ;\nDROP x;\n*/;\n",
]


@pytest.mark.parametrize("text", CUTS)
def test_a_cut_inside_a_statement_or_a_comment_is_a_problem(text):
    script, _ = read(text)
    assert any("takes the statement to end with this line" in what for what in problems(script))


def test_sql_migrate_drops_comment_lines_inside_strings_too():
    # As SQL this is one SELECT; without its comment line it is SELECT '' and a DROP.
    script, _ = read("-- +migrate Up\nSELECT '\n-- '\n'; DROP TABLE x; --';\n")
    assert "DROP TABLE x" in statements(script)


def test_liquibase_ends_a_rollback_at_the_first_line_that_ends_a_comment():
    # PostgreSQL nests comments and would see one comment here: Liquibase runs the DROP.
    text = "--liquibase formatted sql\n--changeset a:1\n/* liquibase rollback\n/*\n*/\nDROP TABLE x;\n*/\n"
    script, _ = read(text)
    assert "DROP TABLE x" in statements(script)


def test_liquibase_directives_inside_a_quote_are_a_problem():
    text = "--liquibase formatted sql\n--changeset a:1\nSELECT '\n--comment '\n'; DROP x; --';\n"
    assert any("for its own" in what for what in problems(read(text)[0]))


def test_liquibase_delimiters():
    text = (
        "--liquibase formatted sql\n--changeset a:1 endDelimiter://\n"
        "create procedure p() begin a; end //\nDROP TABLE x //\n"
    )
    script, _ = read(text, MYSQL)
    assert statements(script) == ["create procedure p() begin a; end", "DROP TABLE x"]


@pytest.mark.parametrize(
    "name",
    ["V1__a.sql", "1_a.up.sql", "2024_a/migration.sql", "2024_a/up.sql", "R__a.sql"],
)
def test_marks_of_another_tool_leave_nothing_out(name):
    # Flyway, golang-migrate, Prisma and Diesel run the whole file: to them the mark is a comment.
    script, skipped = read("-- +goose Up\na;\n-- +goose Down\nDROP x;\n", name=name)
    assert "DROP x" in statements(script)
    assert not skipped


def test_a_layout_that_is_asked_for_decides():
    text = "-- +goose Up\na;\n-- +goose Down\nDROP x;\n"
    assert "DROP x" in statements(read(text, layout="plain")[0])
    assert "DROP x" in statements(read(text, layout="dbmate")[0])
    assert "DROP x" not in statements(read(text, layout="goose")[0])


def test_environment_variables_of_goose():
    script, _ = read(
        "-- +goose Up\n-- +goose ENVSUB ON\nDROP TABLE $SCHEMA.x;\n-- +goose ENVSUB OFF\n"
    )
    assert statements(script) == ["DROP TABLE _SCHEMA.x"]
