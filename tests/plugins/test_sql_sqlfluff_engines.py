"""Three ways to the same actions: the Rust core, the Python API, and the tokens alone."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import Any

from tests.plugins.sql_sqlfluff_kit import script

from sluiceway.migrations import reading
from sluiceway.migrations.records import Dialect, Script
from sluiceway_sql_sqlfluff.api import ApiEngine
from sluiceway_sql_sqlfluff.parser import Parser, parser

LABELLED = Path(__file__).parents[1] / "migrations" / "labelled" / "other_dialects.toml"
NAMES = ("users", "`order items`", "shop.users", "Users")
COLUMNS = ("name", "`key`", "created_at")
TYPES = ("INT", "VARCHAR(20)", "DECIMAL(10, 2) UNSIGNED", "ENUM('a', 'b')", "TIMESTAMP(6)", "JSON")
RESTS = (
    "", "NOT NULL", "NULL DEFAULT NULL", "NOT NULL DEFAULT 0", "NOT NULL DEFAULT 'x' COMMENT 'DROP c'",
    "NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP", "UNIQUE", "NOT NULL AFTER name",
    "DEFAULT (UUID())", "AUTO_INCREMENT PRIMARY KEY", "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
)  # fmt: skip
CLAUSES = (
    "ADD {c} {t} {r}", "ADD COLUMN {c} {t} {r}", "MODIFY {c} {t} {r}", "CHANGE {c} new_name {t} {r}",
    "DROP {c}", "DROP COLUMN {c}", "DROP INDEX i", "DROP FOREIGN KEY f", "RENAME COLUMN {c} TO d",
    "ADD INDEX i ({c})", "ADD UNIQUE KEY u ({c}, id)", "ALTER COLUMN {c} SET DEFAULT 3",
    "ADD CONSTRAINT f FOREIGN KEY ({c}) REFERENCES other (id) ON DELETE CASCADE", "ENGINE=InnoDB",
    "ALTER {c} DROP DEFAULT", "RENAME TO people", "ADD FULLTEXT INDEX w ({c})",
)  # fmt: skip
WHOLE = (
    "DROP TABLE IF EXISTS {n}", "TRUNCATE {n}", "RENAME TABLE {n} TO elsewhere", "CREATE INDEX i ON {n} ({c})",
    "CREATE TABLE {n} ({c} {t} {r}, PRIMARY KEY (id))", "UPDATE {n} SET {c} = 1 WHERE id IN (1, 2)",
    "INSERT INTO {n} ({c}) SELECT 'DROP TABLE x' FROM other", "DROP INDEX i ON {n}",
)  # fmt: skip


def generated(count: int) -> list[str]:
    draw = random.Random(4)
    found = []
    for _ in range(count):
        words = {"n": draw.choice(NAMES), "c": draw.choice(COLUMNS), "t": draw.choice(TYPES)}
        words["r"] = draw.choice(RESTS)
        if draw.random() < 0.3:
            found.append(draw.choice(WHOLE).format(**words))
            continue
        clauses = [draw.choice(CLAUSES).format(**words) for _ in range(draw.randint(1, 3))]
        found.append(f"ALTER TABLE {words['n']} {', '.join(clauses)}")
    return found


RUST = Parser(parser().engine, "", thorough=True)
PYTHON = Parser(ApiEngine(pure=True), "", thorough=True)


def read(way: Parser, text: Script, dialect: Dialect) -> list[tuple[Any, ...]]:
    return [(item.span, item.actions, bool(item.problem)) for item in way.parse(text, dialect)]


def test_over_every_labelled_migration():
    cases: list[dict[str, Any]] = tomllib.loads(LABELLED.read_text(encoding="utf-8"))["case"]
    for case in cases:
        dialect = Dialect(case["dialect"])
        for text in reading.from_texts([("a.sql", case["sql"].encode())], dialect).scripts:
            rust = read(RUST, text, dialect)
            assert rust == read(PYTHON, text, dialect), case["name"]
            assert rust == read(parser(), text, dialect), case["name"]


def test_over_generated_statements():
    for number, text in enumerate(generated(400)):
        rust = read(RUST, script(text), Dialect.MYSQL)
        assert [problem for *_, problem in rust] == [False], text
        assert rust == read(parser(), script(text), Dialect.MYSQL), text
        if number % 4 == 0:
            assert rust == read(PYTHON, script(text), Dialect.MYSQL), text
