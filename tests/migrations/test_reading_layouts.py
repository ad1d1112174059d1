"""Folders of the tools: their order, what is left out and why, and what is judged all the same."""

from __future__ import annotations

import json

import pytest

from sluiceway.errors import UsageError
from sluiceway.migrations.layouts import LAYOUTS
from sluiceway.migrations.reading import from_texts
from sluiceway.migrations.records import Dialect, Maybe

PG = Dialect.POSTGRES


def read(names, dialect=PG, layout="auto"):
    files = names if isinstance(names, dict) else dict.fromkeys(names, "SELECT 1;")
    return from_texts([(name, text.encode()) for name, text in files.items()], dialect, layout)


def paths(reading):
    return [script.path for script in reading.scripts]


def skipped(reading):
    return {entry.path: entry.why for entry in reading.skipped}


ORDERS = [
    ("plain", ["10_a.sql", "9_b.sql", "1_c.sql"], ["1_c.sql", "9_b.sql", "10_a.sql"]),
    ("plain", ["b/1.sql", "a/2.sql", "a/10.sql"], ["a/2.sql", "a/10.sql", "b/1.sql"]),
    (
        "prisma",
        ["20240102_b/migration.sql", "20240101_a/migration.sql", "migration_lock.toml"],
        ["20240101_a/migration.sql", "20240102_b/migration.sql"],
    ),
    (
        "diesel",
        # Hyphens do not count: 2017-01-02-000000 comes after 20170101000000.
        ["2017-01-02-000000_b/up.sql", "20170101000000_a/up.sql", "20170103000000_c/up.sql"],
        ["20170101000000_a/up.sql", "2017-01-02-000000_b/up.sql", "20170103000000_c/up.sql"],
    ),
    (
        "flyway",
        ["R__b.sql", "R__a.sql", "V10__x.sql", "V1.10__x.sql", "V1_2__x.sql", "V2.0__x.sql", "beforeMigrate.sql", "afterMigrate.sql"],
        ["beforeMigrate.sql", "V1_2__x.sql", "V1.10__x.sql", "V2.0__x.sql", "V10__x.sql", "R__a.sql", "R__b.sql", "afterMigrate.sql"],
    ),
    ("flyway", ["new/V1__a.sql", "old/V2__b.sql"], ["new/V1__a.sql", "old/V2__b.sql"]),
    ("flyway", ["a/V2__a.sql", "b/V1__b.sql"], ["b/V1__b.sql", "a/V2__a.sql"]),
    ("golang-migrate", ["10_a.up.sql", "9_b.up.sql", "000001_c.up.sql"], ["000001_c.up.sql", "9_b.up.sql", "10_a.up.sql"]),
    ("atlas", ["10_a.sql", "9_b.sql", "atlas.sum"], ["10_a.sql", "9_b.sql"]),
    (
        "sqitch",
        {"sqitch.plan": "%project=x\n\nusers 2024 me <a@b> # x\norders [users] 2024\n", "deploy/orders.sql": "", "deploy/users.sql": "", "revert/users.sql": "DROP", "verify/users.sql": ""},
        ["deploy/users.sql", "deploy/orders.sql"],
    ),
    (
        "drizzle",
        {"0001_b.sql": "", "0000_a.sql": "", "meta/_journal.json": json.dumps({"entries": [{"idx": 0, "tag": "0001_b"}, {"idx": 1, "tag": "0000_a"}]}), "0002_c.sql": ""},
        ["0001_b.sql", "0000_a.sql", "0002_c.sql"],
    ),
    ("dbmate", {"10_a.sql": "-- migrate:up\n", "9_b.sql": "-- migrate:up\n"}, ["10_a.sql", "9_b.sql"]),
    ("goose", {"10_a.sql": "-- +goose Up\n", "9_b.sql": "-- +goose Up\n"}, ["9_b.sql", "10_a.sql"]),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "names", "expected"), ORDERS)
def test_order(layout, names, expected):
    reading = read(names)
    assert reading.layout == layout
    assert paths(reading) == expected


def test_names_are_the_tools_own():
    reading = read(["db/20240101_a/migration.sql", "db/20240102_b/migration.sql"])
    assert [s.name for s in reading.scripts] == [
        "20240101_a/migration.sql",
        "20240102_b/migration.sql",
    ]
    twice = read(["a/1.sql", "b/1.sql", "b/2.sql"])
    assert [script.name for script in twice.scripts] == ["a/1.sql", "b/1.sql", "2.sql"]


BACKWARD = [
    (["1_a.up.sql", "1_a.down.sql"], {"1_a.down.sql"}),
    (["1_a.up.sql", "2_b.down.sql"], {"2_b.down.sql"}),
    (["a.up.sql", "a.down.sql"], {"a.down.sql"}),
    (["1_a.sql", "1_a.down.sql"], {"1_a.down.sql"}),
    (["1_a_up.sql", "1_a_down.sql"], {"1_a_down.sql"}),
    (["2017_a/up.sql", "2017_a/down.sql"], {"2017_a/down.sql"}),
    (["2024_a/migration.sql", "2024_a/down.sql"], {"2024_a/down.sql"}),
    (["up/1.sql", "down/1.sql"], {"down/1.sql"}),
    (["V1__a.sql", "U1__a.sql"], {"U1__a.sql"}),
    (["V1.0__a.sql", "U1__a.sql"], {"U1__a.sql"}),
    # Not one of these is a backward half for sure: judged.
    (["V7__drop_down_payments.sql", "V8__x.down.sql"], set()),
    (["2024_countdown.sql", "2024_down.sql", "down.sql"], set()),
    (["1_a.sql", "1_a_down.sql"], set()),
    (["1_scale.sql", "1_scale_down.sql"], set()),
    (["1_a.down.sql"], set()),
    (["V1__a.sql", "U2__b.sql"], set()),
    (["R__a.sql", "R__a.down.sql"], set()),
    (["down/1.sql"], set()),
    (["up/1.sql", "down/2.sql"], set()),
]


@pytest.mark.parametrize(("names", "expected"), BACKWARD)
def test_a_backward_half_is_left_out_beside_its_forward_half(names, expected):
    reading = read(names)
    assert set(skipped(reading)) == expected
    assert set(paths(reading)) == set(names) - expected


def test_a_layout_that_is_plain_leaves_nothing_out():
    assert not read(["1_a.up.sql", "1_a.down.sql"], layout="plain").skipped


def test_a_file_with_marks_of_its_own_is_not_left_out_by_its_name():
    # dbmate runs both: their names end in .sql and begin with digits.
    reading = read({"1_a.sql": "-- migrate:up\na;", "1_a.down.sql": "-- migrate:up\nDROP x;"})
    assert len(reading.scripts) == 2


def test_other_databases_variants_are_left_out_where_our_own_is():
    names = ["postgres/1.sql", "mysql/1.sql", "common/1.sql"]
    assert skipped(read(names)) == {"mysql/1.sql": "the variant for mysql"}
    assert skipped(read(names, Dialect.MYSQL)) == {"postgres/1.sql": "the variant for postgres"}
    assert not read(["mysql/1.sql", "common/1.sql"]).skipped
    pop = ["1_a.mysql.up.sql", "1_a.postgres.up.sql", "1_b.up.sql"]
    assert set(skipped(read(pop))) == {"1_a.mysql.up.sql"}
    assert not read(["1_a.mysql.up.sql", "1_b.up.sql"]).skipped


CODE = {
    "app/migrations/0001_x.py": ("from django.db import migrations", "sqlmigrate"),
    "versions/1a2b_x.py": (
        "from alembic import op\nrevision = '1a'\ndef upgrade():\n",
        "alembic upgrade",
    ),
    "20240101_x.js": ("exports.up = (knex) => knex.schema.dropTable('x')", "knex"),
    "src/CreateUsers.ts": ("export class A implements MigrationInterface {}", "write it as SQL"),
    "db/migrate/20240101_x.rb": ("class X < ActiveRecord::Migration[7.1]", "schema_format"),
    "db/schema.rb": ("ActiveRecord::Schema", "schema_format"),
    "00002_x.go": ("package migrations", "write it as SQL"),
    "V2__x.java": ("", "write it as SQL"),
    "2024_01_01_000000_x.php": ("", "--pretend"),
    "priv/repo/migrations/2024_x.exs": ("", "mix ecto.migrate"),
    "db/changelog.xml": ("<databaseChangeLog>", "liquibase update-sql"),
    "db/changelog.yaml": ("databaseChangeLog:\n", "liquibase update-sql"),
    "1_a.sql.gz": ("", "unpack"),
    "1_a.up.json": ("[]", "not SQL"),
    "1_a.fizz": ("drop_table('x')", "soda"),
}


@pytest.mark.parametrize("name", CODE)
def test_migrations_in_code_are_problems_that_say_what_to_do(name):
    text, remedy = CODE[name]
    reading = read({"1_a.sql": "a;", name: text})
    assert [script.path for script in reading.scripts] == ["1_a.sql", name]
    (problem,) = reading.scripts[1].problems
    assert remedy in problem.what
    assert reading.scripts[1].text == ""


def test_code_does_not_change_whose_folder_it_is():
    assert read({"V1__a.sql": "", "V2__b.java": ""}).layout == "flyway"
    only = read({"V2__b.java": ""})
    assert only.layout == "code"
    assert read({"V2__b.java": ""}, layout="code").scripts == only.scripts


def test_other_files_are_listed_and_not_judged():
    names = ["1_a.sql", "README.md", "embed.go", "env.py", "__init__.py", "a.yaml", "x_test.go"]
    reading = read(names)
    assert paths(reading) == ["1_a.sql"]
    assert set(skipped(reading)) == set(names) - {"1_a.sql"}


TRANSACTIONS = [
    ("a.sql", {}, Maybe.MAYBE),
    ("1_a.up.sql", {}, Maybe.NO),
    ("1_a.up.sql", {"1_a.up.sql": "a; b;"}, Maybe.MAYBE),
    ("2024_a/migration.sql", {}, Maybe.NO),
    ("2024_a/up.sql", {}, Maybe.YES),
    ("2024_a/up.sql", {"2024_a/metadata.toml": "run_in_transaction = false\n"}, Maybe.NO),
    ("V1__a.sql", {}, Maybe.YES),
    ("V1__a.sql", {"V1__a.sql.conf": "executeInTransaction=false"}, Maybe.NO),
    ("0000_a.sql", {"meta/_journal.json": "{}"}, Maybe.YES),
    ("1_a.sql", {"atlas.sum": ""}, Maybe.YES),
    ("1_a.sql", {"atlas.sum": "", "1_a.sql": "-- atlas:txmode none\n"}, Maybe.NO),
]


@pytest.mark.parametrize(("name", "others", "expected"), TRANSACTIONS)
def test_whether_the_tool_runs_the_file_in_one_transaction(name, others, expected):
    reading = read({name: "SELECT 1;", **others})
    assert reading.scripts[0].in_transaction is expected


def test_settings_of_diesel_may_stand_where_its_folders_do():
    for path, settings in (("up.sql", "metadata.toml"), ("/a/up.sql", "/a/metadata.toml")):
        files = {path: "SELECT 1;", settings: "run_in_transaction = false\n"}
        assert read(files, layout="diesel").scripts[0].in_transaction is Maybe.NO


def test_a_broken_journal_orders_by_names():
    reading = read({"1_b.sql": "", "0_a.sql": "", "meta/_journal.json": "{"})
    assert paths(reading) == ["0_a.sql", "1_b.sql"]


def test_several_tools_in_one_folder():
    reading = read({"a/V1__x.sql": "", "b/2024_x/migration.sql": "", "c/1.sql": "-- +goose Up\n"})
    assert reading.layout == "mixed"
    assert {script.layout for script in reading.scripts} == {"flyway", "prisma", "goose"}


def test_templates_of_sql_are_sql():
    assert paths(read(["1_a.sql.tmpl", "2_b.SQL", "3_c.sql.j2", "4_d.ddl"])) == ["1_a.sql.tmpl", "2_b.SQL", "3_c.sql.j2", "4_d.ddl"]  # fmt: skip


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "auto"])
def test_a_layout_that_is_asked_for_loses_no_file(layout):
    names = [
        "a/up.sql",
        "b/migration.sql",
        "V1__x.sql",
        "c/1_x.up.sql",
        "deploy/x.sql",
        "x",
        "0.sql",
    ]
    reading = read([*names, "/abs/2024_a/up.sql"], layout=layout)
    assert set(paths(reading)) | set(skipped(reading)) == {*names, "/abs/2024_a/up.sql"}
    assert set(skipped(reading)) == {"x"}


def test_an_unknown_layout_and_nothing_at_all():
    with pytest.raises(UsageError, match="no layout of migrations is called 'fly'"):
        read(["1.sql"], layout="fly")
    with pytest.raises(UsageError, match="no migration in"):
        read(["README.md"])
    with pytest.raises(UsageError, match="no migration in"):
        read([])
