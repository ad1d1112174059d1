"""What a release declares to use, and what of a migration breaks it."""

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.migrations.uses import Uses, breaks, broken, contracting, read_uses, uses_from

USES = uses_from(
    {
        "reads": {"payments": ["id", "amount"], "billing.invoices": "*"},
        "writes": {"payments": ["id", "amount"]},
    },
    "uses",
)


def fact(kind, table="payments", column="", **more):
    return {"kind": kind, "table": table, "column": column, "migration": "0009.sql", **more}


@pytest.mark.parametrize(
    ("what", "how"),
    [
        (fact("drop_column", column="amount"), "reads payments.amount"),
        (fact("drop_column", column="note"), ""),
        (fact("drop_column", table="public.payments", column="amount"), "reads payments.amount"),
        (fact("drop_column", table="refunds", column="amount"), ""),
        (fact("rename_column", column="amount", new_name="total"), "reads payments.amount"),
        (fact("drop_column", table="invoices", column="any"), "reads billing.invoices.any"),
        (fact("drop_column", table="", column="amount"), "reads payments"),
        (fact("drop_column", column=""), "reads payments"),
        (fact("drop_table"), "reads payments"),
        (fact("drop_table", table="other.invoices"), ""),
        (fact("rename_table", new_name="paid"), "reads payments"),
        (fact("set_schema", new_name="old"), "reads payments"),
        (fact("drop_view", table="", object="billing.invoices"), "reads billing.invoices"),
        (fact("drop_schema", table="", object="billing"), "reads payments"),
        (fact("drop_column", column="amount", new_object="yes"), ""),
        (fact("drop_column", column="amount", new_object="maybe"), "reads payments.amount"),
        (fact("drop_table", temporary=True), ""),
        (fact("set_not_null", column="note"), "writes payments without note"),
        (fact("set_not_null", column="amount"), ""),
        (fact("set_not_null", column="note", default_at_end=True), ""),
        (fact("set_not_null", table="invoices", column="note"), ""),
        (fact("add_column", column="note"), "writes payments without note"),
        (fact("add_column", column="note", nullable=True), ""),
        (fact("create_index"), ""),
        (fact("truncate"), ""),
    ],
)
def test_what_breaks(what, how):
    assert breaks(USES, what) == how


def test_a_schema_that_goes_takes_its_tables_with_it():
    narrow = uses_from({"reads": {"billing.invoices": "*", "shop.carts": "*"}}, "uses")
    gone = fact("drop_schema", table="", object="billing")
    assert breaks(narrow, gone) == "reads billing.invoices"
    assert breaks(narrow, {**gone, "object": "audit"}) == ""


def test_what_is_written_only_is_used_too():
    written = uses_from({"writes": {"log": ["line"]}}, "uses")
    assert breaks(written, fact("drop_column", table="log", column="line")) == "writes log.line"
    assert breaks(written, fact("drop_table", table="log")) == "writes log"


def test_only_what_takes_away_contracts():
    assert contracting(fact("drop_column", column="a"))
    assert not contracting(fact("add_column", column="a", nullable=True))
    assert not contracting(fact("create_table"))


DROPPED = fact("drop_column", column="amount")


@pytest.mark.parametrize(
    "again",
    [
        fact("add_column", column="amount", nullable=True),
        fact("add_column", column="amount"),
        fact("rename_column", column="total", new_name="amount"),
    ],
)
def test_a_column_that_came_back_is_there(again):
    assert [each.what for each in broken(USES, [DROPPED])] == ["payments.amount"]
    assert broken(USES, [DROPPED, again]) == ()


@pytest.mark.parametrize(
    "other",
    [
        fact("add_column", column="amount", nullable=True, conditional=True),
        fact("add_column", table="refunds", column="amount", nullable=True),
        fact("add_column", table="", column="amount", nullable=True),
        fact("add_column", column="note", nullable=True),
        fact("rename_column", column="amount", new_name="amount2"),
    ],
)
def test_anything_else_does_not_bring_it_back(other):
    assert broken(USES, [DROPPED, other]) != ()


def test_tables_and_demands_come_back_too():
    dropped = fact("drop_table")
    assert broken(USES, [dropped, fact("create_table")]) == ()
    assert broken(USES, [dropped, fact("rename_table", table="paid", new_name="payments")]) == ()
    assert broken(USES, [dropped, fact("create_table", conditional=True)]) != ()
    demanded = fact("set_not_null", column="note")
    assert [each.how for each in broken(USES, [demanded])] == ["required"]
    assert broken(USES, [demanded, fact("drop_not_null", column="note")]) == ()
    # Nobody says here whether that default is NULL.
    assert broken(USES, [demanded, fact("set_default", column="note")]) != ()


def test_the_order_counts_and_the_migration_is_named():
    added = fact("add_column", column="amount", nullable=True)
    (gone,) = broken(USES, [added, {**DROPPED, "file": "0009.sql", "line": 3}])
    assert gone.to_json() == {
        "what": "payments.amount",
        "how": "dropped",
        "uses": "reads payments.amount",
        "migration": "0009.sql",
        "file": "0009.sql",
        "line": 3,
        "new_name": "",
    }


def test_a_declaration_is_read_from_a_file(tmp_path):
    path = tmp_path / "uses.toml"
    path.write_text('[reads]\npayments = ["id"]\nbilling.invoices = "*"\n')
    uses = read_uses(path)
    assert uses.reads == {"payments": frozenset({"id"}), "billing.invoices": frozenset({"*"})}
    assert uses.writes == {}
    assert uses_from(uses.to_json(), "again") == uses
    assert Uses().to_json() == {"reads": {}, "writes": {}}


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("[read]\n", "configuration.unknown-key", "reads"),
        ("reads = 3\n", "migrations.uses", "not a table"),
        ("[reads]\npayments = []\n", "migrations.uses", "payments"),
        ('[reads]\npayments = "id"\n', "migrations.uses", "'id'"),
        ('[writes]\npayments = ["id", ""]\n', "migrations.uses", "[writes] payments"),
        ("[writes\n", "migrations.uses", "TOML"),
    ],
)
def test_a_declaration_of_another_form_is_refused(tmp_path, text, code, word):
    path = tmp_path / "uses.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_uses(path)
    assert caught.value.code == code
    assert word in caught.value.what + caught.value.remedy


def test_a_declaration_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read") as caught:
        read_uses(tmp_path / "uses.toml")
    assert caught.value.code == "migrations.uses"
