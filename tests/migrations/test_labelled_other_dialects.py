"""Every labelled migration of the other dialects: through reading, parser, state and policies.

The labels are ours. Where a server of the dialect is at hand they are checked on it: each migration
is run on a populated database, and what became of that is compared with what the label says.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.policy.conftest import make_engine

from sluiceway import policy
from sluiceway.migrations import reading, state
from sluiceway.migrations.places import by_kind
from sluiceway.migrations.records import Dialect, Kind, Script
from sluiceway.model import Actor, to_json
from sluiceway.policy import bundled_policies, load_bundle
from sluiceway_sql_sqlfluff.parser import Parser, parser

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "labelled" / "other_dialects.toml").read_text(encoding="utf-8")
)["case"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def scripts(case: dict[str, Any]) -> tuple[Script, ...]:
    files = [("change.sql", case["sql"].encode())]
    return reading.from_texts(files, Dialect(case["dialect"])).scripts


def codes_of(case: dict[str, Any], reader: Parser, bundle: policy.Bundle, engine: Any) -> set[str]:
    found = state.facts(scripts(case), reader, Dialect(case["dialect"]))
    facts = [state.fact_json(fact) for fact in found.facts if fact.kind not in HARMLESS]
    document = {
        "gate": "migration",
        "now": "2026-01-01T00:00:00Z",
        "service": "shop",
        "dialect": case["dialect"],
        "files": 1,
        "statements": found.statements,
        "kinds": by_kind(facts),
        "facts": facts,
        "advice": False,
        "waivers": [],
        "actor": to_json(Actor(name="nobody", method="none", proven=False)),
        "rehearsal": False,
    }
    decision = policy.decide(engine, bundle, "migration", document, now=NOW)
    return {finding.code for finding in decision.findings}


HARMLESS = {
    Kind.CREATE_TABLE, Kind.CREATE_VIEW, Kind.CREATE_FUNCTION, Kind.CREATE_TRIGGER, Kind.CALL,
    Kind.CHANGE_DATA, Kind.SET, Kind.SET_DEFAULT, Kind.OTHER, Kind.DROP_NOT_NULL,
}  # fmt: skip


def test_the_labels_hold():
    bundle, engine = load_bundle([bundled_policies()]), make_engine()
    try:
        wrong = {}
        for case in CASES:
            found = codes_of(case, parser(), bundle, engine)
            if found != {f"migration.{code}" for code in case["codes"]}:
                wrong[f"{case['dialect']} {case['name']}"] = (sorted(found), case["codes"])
    finally:
        engine.close()
    assert wrong == {}


def test_the_set_is_worth_its_name():
    count = Counter(case["dialect"] for case in CASES)
    assert count["mysql"] >= 50
    assert count["tsql"] >= 20
    assert count["sqlite"] >= 10
    assert len({(case["dialect"], case["name"]) for case in CASES}) == len(CASES)


# --- what a server says ---------------------------------------------------------------------------

_TABLES = {
    "users": "(id {key}, email VARCHAR(100) NOT NULL, name VARCHAR(100), plan INT NOT NULL DEFAULT 0)",
    "orders": "(id {key}, user_id INT, total DECIMAL(10,2) NOT NULL)",
    "labels": "(label VARCHAR(100) NOT NULL PRIMARY KEY)",
    "plain": "(a INT)",
    "events": "(at INT){partitions}",
}
_ROWS = (
    "INSERT INTO users (email) VALUES ('a'), ('b')",
    "INSERT INTO users (email, name) VALUES ('c', NULL)",
    "INSERT INTO orders (user_id, total) VALUES (1, 2.5)",
    "INSERT INTO labels VALUES ('old')",
    "INSERT INTO plain VALUES (1)",
    "INSERT INTO events VALUES (1), (11)",
)
_OLD_CODE = (
    "INSERT INTO users (email) VALUES ('d')",
    "INSERT INTO users (email, name) VALUES ('e', NULL)",
    "INSERT INTO orders (user_id, total) VALUES (1, 3)",
)
_MARIADB_ONLY = (
    "ALTER TABLE users ADD INDEX by_email (email)",
    "ALTER TABLE orders ADD CONSTRAINT orders_users FOREIGN KEY (user_id) REFERENCES users (id)",
)
_PARTITIONS = """ PARTITION BY RANGE (at) (PARTITION p0 VALUES LESS THAN (10),
    PARTITION p1 VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN (30))"""
_COLUMNS = {
    "users": {"id", "email", "name", "plan"},
    "orders": {"id", "user_id", "total"},
    "events": {"at"},
}

Run = Callable[[list[str]], list[tuple[bool, str]]]
"""Runs statements, each in its turn, and says of each whether it went well and what it answered."""


def schema(key: str, partitions: str = "") -> list[str]:
    made = (what.format(key=key, partitions=partitions) for what in _TABLES.values())
    return [*map("CREATE TABLE {} {}".format, _TABLES, made), *_ROWS]


def harm(case: dict[str, Any], run: Run, before: list[str], columns: str) -> set[str]:
    """Run a migration, and return what it did to the tables and to the code that was there before.

    *before* makes the database; *columns* asks for a table's columns.
    """
    change = [
        script.text[start:end]
        for script in scripts(case)
        for start, end in script.spans or splits(script, case["dialect"])
    ]
    looks = [
        question
        for table in _COLUMNS
        for question in (columns.format(table=table), f"SELECT COUNT(*) FROM {table}")
    ]
    answers = iter(run([*before, *change, *looks, *_OLD_CODE]))
    assert all(good for good, _ in [next(answers) for _ in before])
    found: set[str] = set()
    for said in [said for good, said in [next(answers) for _ in change] if not good]:
        if "syntax" in said:
            found.add("unparsable")
        else:
            found.add("not-null-without-default" if "null" in said.lower() else said)
    for old in _COLUMNS.values():
        _, present = next(answers)
        good, rows = next(answers)
        if not good:
            found.add("drop-table")
        elif old - set(present.split()):
            found.add("drop-column")
        elif rows == "0":
            found.add("truncate")
    if not found & {"drop-table", "drop-column"}:
        failed = [said for good, said in answers if not good]
        assert all("default value" in said or "null" in said.lower() for said in failed), failed
        found |= {"not-null-without-default"} if failed else set()
    return found


def splits(script: Script, dialect: str) -> list[tuple[int, int]]:
    from sluiceway.migrations.statements import spans

    return spans(script.text, Dialect(dialect))


def expected(case: dict[str, Any]) -> set[str]:
    """Return what a label says that one can see on the database."""
    seen = set(case["codes"]) - {"index-not-concurrent"}
    if "rename-column" in seen:
        # The old name is gone; whether the rest fails as well is not looked at any more.
        return {"drop-column"}
    return seen


def of(*dialects: str) -> list[dict[str, Any]]:
    return [case for case in CASES if case["dialect"] in dialects and case.get("runs", True)]


def test_sqlite_agrees_with_the_labels():
    differences = {}
    for case in of("sqlite"):
        connection = sqlite3.connect(":memory:", isolation_level=None)

        def run(
            statements: list[str], to: sqlite3.Connection = connection
        ) -> list[tuple[bool, str]]:
            answers = []
            for statement in statements:
                try:
                    rows = to.execute(statement).fetchall()
                    answers.append((True, " ".join(str(row[0]) for row in rows)))
                except sqlite3.Error as error:
                    answers.append((False, str(error)))
            return answers

        before = schema("INTEGER PRIMARY KEY AUTOINCREMENT")
        found = harm(case, run, before, "SELECT name FROM pragma_table_info('{table}')")
        if found != expected(case):
            differences[case["name"]] = (found, case["codes"])
        connection.close()
    assert differences == {}


@pytest.fixture
def mariadb(tmp_path: Path) -> Iterator[Run]:
    """A MariaDB of its own on a socket, and a way to run statements in its database ``shop``."""
    data, socket = tmp_path / "data", tmp_path / "s"
    plain = ["--no-defaults", f"--datadir={data}"]
    subprocess.run(
        ["mariadb-install-db", *plain, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    server = subprocess.Popen(
        ["mariadbd", *plain, *as_root, f"--socket={socket}", "--skip-networking",
         f"--pid-file={tmp_path / 'pid'}", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin",
         "--innodb-buffer-pool-size=16M", "--sql-mode=STRICT_ALL_TABLES"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    client = [
        "mariadb",
        "--no-defaults",
        f"--socket={socket}",
        "-uroot",
        "-N",
        "-B",
        "--force",
        "-n",
    ]

    def run(statements: list[str]) -> list[tuple[bool, str]]:
        # One session: what one statement sets, the next one reads.
        marked = "".join(f"{statement}\n~~~~\nSELECT '~mark~' ~~~~\n" for statement in statements)
        done = subprocess.run(
            [*client, "shop"], input="DELIMITER ~~~~\n" + marked, check=False, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        answers = done.stdout.split("~mark~\n")[: len(statements)]
        return [("ERROR" not in answer, answer.strip()) for answer in answers]

    try:
        for _ in range(200):
            asked = subprocess.run([*client, "-e", "CREATE DATABASE IF NOT EXISTS shop"],
                                   capture_output=True, check=False, timeout=60)  # fmt: skip
            if asked.returncode == 0:
                break
            assert server.poll() is None, "mariadbd ended"
            time.sleep(0.1)
        yield run
    finally:
        server.terminate()
        server.wait(timeout=60)


@pytest.mark.real_tool("mariadbd", "mariadb-install-db", "mariadb")
def test_mariadb_agrees_with_the_labels(mariadb):
    differences = {}
    columns = (
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'shop' AND table_name = '{table}'"
    )
    before = [
        *("DROP DATABASE shop", "CREATE DATABASE shop", "USE shop"),
        *schema("INT AUTO_INCREMENT PRIMARY KEY", _PARTITIONS),
        *_MARIADB_ONLY,
    ]
    for case in of("mysql", "mariadb"):
        found = harm(case, mariadb, before, columns)
        if found != expected(case):
            differences[case["name"]] = (found, case["codes"])
    assert differences == {}
