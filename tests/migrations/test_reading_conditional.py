"""What a part makes that may be left out excuses nothing behind it: from the file to the fact."""

from __future__ import annotations

import pytest

from sluiceway.migrations.reading import from_texts
from sluiceway.migrations.records import Dialect, Kind, Maybe
from sluiceway.migrations.state import facts
from sluiceway_sql_libpg_query.parser import LibPgQuery

CREATE, DROP = "CREATE TABLE x (a int);\n", "DROP TABLE x;\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CREATE + DROP, Maybe.YES),
        ("{{ if .X }}\n" + CREATE + "{{ end }}\n" + DROP, Maybe.MAYBE),
        ("{{ if .X }}\n" + CREATE + "{{ else }}\n" + DROP + "{{ end }}\n", Maybe.MAYBE),
        ("{{ if .X }}\n" + CREATE + DROP + "{{ end }}\n", Maybe.YES),
        ("{% if x %}" + CREATE + "{% endif %}" + DROP, Maybe.MAYBE),
        ("\\if :x\n" + CREATE + "\\endif\n" + DROP, Maybe.MAYBE),
        ("\\if :x\n" + CREATE + "\\else\n" + DROP + "\\endif\n", Maybe.MAYBE),
        ("\\if :x\n" + CREATE + DROP + "\\endif\n", Maybe.YES),
    ],
)
def test_a_table_that_one_branch_makes_may_be_old_elsewhere(text, expected):
    scripts = from_texts([("a.sql", text.encode())], Dialect.POSTGRES).scripts
    found = facts(scripts, LibPgQuery(), Dialect.POSTGRES).facts
    assert [fact.new_object for fact in found if fact.kind is Kind.DROP_TABLE] == [expected]
    assert not any(fact.kind is Kind.UNPARSABLE for fact in found)


@pytest.mark.parametrize(
    "end",
    [
        "\\if :dry\nROLLBACK;\n\\else\nCOMMIT;\n\\endif\n",
        "{{ if .Dry }}\nROLLBACK;\n{{ else }}\nCOMMIT;\n{{ end }}\n",
        "\\if :dry\nROLLBACK;\n\\endif\nROLLBACK;\n",
    ],
)
def test_what_may_not_be_rolled_back_counts(end):
    scripts = from_texts([("a.sql", ("BEGIN;\n" + DROP + end).encode())], Dialect.POSTGRES).scripts
    found = facts(scripts, LibPgQuery(), Dialect.POSTGRES).facts
    assert [fact.kind for fact in found if fact.table == "x"] == [Kind.DROP_TABLE]


def test_a_transaction_that_may_not_be_begun_takes_nothing_back():
    text = "\\if :x\nBEGIN;\n\\endif\n" + DROP + "ROLLBACK;\n"
    scripts = from_texts([("a.sql", text.encode())], Dialect.POSTGRES).scripts
    found = facts(scripts, LibPgQuery(), Dialect.POSTGRES).facts
    assert [fact.kind for fact in found if fact.table == "x"] == [Kind.DROP_TABLE]
