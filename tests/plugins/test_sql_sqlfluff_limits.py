"""Texts that are too deep, too long, or in no alphabet that a tool's author thought of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from tests.plugins.sql_sqlfluff_kit import lines, parsed, script

from sluiceway.migrations.records import Dialect, Kind
from sluiceway_sql_sqlfluff import rust
from sluiceway_sql_sqlfluff.outline import Outline
from sluiceway_sql_sqlfluff.parser import Parser, parser


def test_the_core_gives_up_on_a_statement_and_goes_on_with_the_next():
    long = "SELECT " + "+".join(["1"] * 20_000)
    found = parser().parse(script(f"{long}; DROP TABLE x"), Dialect.MYSQL)
    assert "iteration limit" in found[0].problem
    assert [action.kind for action in found[1].actions] == [Kind.DROP_TABLE]


def test_rows_of_data_may_be_long():
    rows = ", ".join(["(1, 'a;b''c')"] * 3_000)
    (found,) = parsed("mysql", f"INSERT INTO t VALUES {rows}")
    assert not found.problem
    assert [action.name for action in found.actions] == [("t",)]
    (found,) = parsed("mysql", f"INSERT INTO t VALUES {rows}, (1")
    assert "brackets" in found.problem


def test_but_not_when_they_may_hide_something():
    rows = ", ".join(["(1, 'abc')"] * 30_000)
    (found,) = parsed("tsql", f"INSERT INTO t VALUES {rows} DROP TABLE x")
    assert "too long" in found.problem
    assert [action.name for action in found.actions] == [("x",)]


def test_places_are_counted_in_characters():
    text = "PRINT N'é漢字😀' DROP TABLE [täble] TRUNCATE TABLE [漢字]"
    found = parsed("tsql", text)
    assert [text[start:end] for start, end in (item.span for item in found)][1:] == [
        "DROP TABLE [täble]",
        "TRUNCATE TABLE [漢字]",
    ]
    assert lines("mysql", "ALTER TABLE `漢字` DROP `é`") == ["drop_column 漢字 é"]


@pytest.mark.parametrize(
    "text", ["a .", "SELECT '\ud800'", "SELECT \x00", "\x00", "'", "/*", "((((", "$$"]
)
def test_no_text_raises(text):
    for dialect in Dialect:
        for item in parser().parse(script(text), dialect):
            assert 0 <= item.span[0] <= item.span[1] <= len(text)


class Broken:
    """An engine with a bug."""

    name = "broken"

    def outline(self, text: str, dialect: Dialect) -> Outline:
        msg = f"{len(text)} is too many"
        raise IndexError(msg)


def test_a_bug_costs_the_statement_that_has_it():
    found = Parser(Broken(), "1").parse(script("FROBNICATE x; DROP TABLE y"), Dialect.MYSQL)
    assert "bug in Sluiceway" in found[0].problem
    assert "IndexError" in found[0].problem
    assert [action.name for action in found[1].actions] == [("y",)]


@pytest.mark.parametrize(
    "core",
    [
        SimpleNamespace(),
        SimpleNamespace(RsLexer=object, RsParser=object),
        SimpleNamespace(
            RsLexer=lambda **_: SimpleNamespace(_lex=lambda _: ([], [])),
            RsParser=lambda *_, **__: None,
        ),
    ],
)
def test_a_core_that_has_changed_is_not_used(core, monkeypatch):
    module = ModuleType("sqlfluffrs")
    vars(module).update(vars(core))
    monkeypatch.setitem(sys.modules, "sqlfluffrs", module)
    assert rust.load.__wrapped__() is None


WITHOUT = """
import sys

sys.modules["sqlfluffrs"] = None
from tests.plugins.sql_sqlfluff_kit import script
from sluiceway.migrations.records import Dialect
from sluiceway_sql_sqlfluff import rust
from sluiceway_sql_sqlfluff.outline import Outline
from sluiceway_sql_sqlfluff.parser import Parser, parser

assert rust.load() is None
portable = parser()
assert "Python" in portable.version, portable.version
(found,) = portable.parse(script("SELECT a FROM b WHERE c"), Dialect.SQLITE)
assert not found.problem, found.problem
"""


def test_nor_one_that_is_not_there():
    """In a process of its own: sqlfluff looks for its core once, and this one has to keep it."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
