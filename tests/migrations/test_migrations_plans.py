"""The releases of a planned change: what each does, and how it is written down."""

import json
from datetime import UTC, datetime

import pytest

from sluiceway.errors import UsageError
from sluiceway.migrations.plans import CHANGES, Draft, Known, Step, Target, plan, quoted, target_of
from sluiceway.migrations.plans.files import files_of, markdown
from sluiceway.migrations.plans.schema import known_of
from sluiceway.migrations.records import Action, Column, Dialect, Kind, Parsed, Script

NOW = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
KNOWN = Known(type="numeric(16,4)", indexes=(("by_amount", ("shop", "amount"), False),))
WORDS = {
    "rename-column": ("payments.amount", "total"),
    "change-type": ("payments.amount", "bigint"),
    "split": ("payments.name", "first", "last"),
    "not-null": ("payments.note",),
    "drop-column": ("payments.legacy",),
    "drop-table": ("payments",),
}
ADD_CHECK = "ALTER TABLE payments ADD CONSTRAINT payments_total_not_null CHECK (total IS NOT NULL) NOT VALID;"
FILLS = {"first": "split_part(name, ' ', 1)", "last": "split_part(name, ' ', 2)"}


def made(change, known=KNOWN, **more):
    fills = FILLS if change == "split" else None
    return plan(change, WORDS[change], known, fills=fills, **more)


def sql(step):
    return [statement for draft in step.drafts for statement in draft.statements]


def test_a_rename_is_four_releases():
    steps = made("rename-column").steps
    assert [step.title.partition(":")[0] for step in steps] == [
        "Expand",
        "Migrate",
        "Let go",
        "Contract",
    ]
    assert sql(steps[0]) == [
        "ALTER TABLE payments ADD COLUMN total numeric(16,4);",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_amount_total ON payments (shop, total);",
    ]
    assert "SET total = amount\n" in steps[0].job
    assert "(total IS NULL) AND amount IS NOT NULL" in steps[0].job
    assert sql(steps[1]) == []
    assert sql(steps[2]) == ["ALTER TABLE payments ALTER COLUMN amount DROP NOT NULL;"]
    assert sql(steps[3]) == [
        ADD_CHECK,
        "ALTER TABLE payments VALIDATE CONSTRAINT payments_total_not_null;",
        "ALTER TABLE payments ALTER COLUMN total SET NOT NULL;",
        "ALTER TABLE payments DROP CONSTRAINT payments_total_not_null;",
        "ALTER TABLE payments DROP COLUMN amount;",
    ]


def test_what_takes_null_is_not_made_to_refuse_it():
    steps = made("rename-column", Known(type="text", not_null=False)).steps
    assert sql(steps[3]) == ["ALTER TABLE payments DROP COLUMN amount;"]
    assert sql(steps[2]) == []


def test_another_type_is_another_column():
    steps = made("change-type").steps
    assert sql(steps[0])[0] == "ALTER TABLE payments ADD COLUMN amount_bigint bigint;"
    assert "SET amount_bigint = amount::bigint\n" in steps[0].job
    assert "ADD COLUMN cents bigint" in sql(made("change-type", name="cents").steps[0])[0]


def test_a_split_fills_each_by_its_own_expression():
    step = made("split").steps[0]
    assert "SET first = split_part(name, ' ', 1), last = split_part(name, ' ', 2)\n" in step.job
    assert step.writes == ("name", "first", "last")
    with pytest.raises(UsageError, match="how last come"):
        plan("split", WORDS["split"], KNOWN, fills={"first": "name"})


def test_not_null_by_way_of_a_check():
    without, filled = made("not-null").steps, made("not-null", default="''").steps
    assert (without[0].job, sql(without[0])) == ("", [])
    assert "SET note = ''" in filled[0].job
    assert sql(filled[0]) == ["ALTER TABLE payments ALTER COLUMN note SET DEFAULT '';"]
    (check,), (*rest,) = (draft.statements for draft in filled[1].drafts)
    assert check.endswith("CHECK (note IS NOT NULL) NOT VALID;")
    assert [each.split()[3] for each in rest] == ["VALIDATE", "ALTER", "DROP"]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change(change):
    whole = made(change)
    first, last = whole.steps[0], whole.steps[-1]
    assert "DROP COLUMN" not in " ".join(sql(first))
    assert "DROP TABLE" not in " ".join(sql(first))
    assert last.title.startswith("Contract")
    for step in whole.steps:
        assert step.code
        for draft in step.drafts:
            assert draft.text.startswith("SET lock_timeout = '2s';\n")
            assert draft.in_transaction or len(draft.statements) == 1
    # What one release writes, the one after it and the one before it can read: the way back.
    for before, after in zip(whole.steps, whole.steps[1:], strict=False):
        assert set(before.reads) <= set(after.writes) | set(after.reads) or not after.drafts
    document = json.loads(json.dumps(whole.to_json()))
    assert len(document["steps"]) == len(whole.steps)
    text = markdown(whole)
    for number, step in enumerate(whole.steps, 1):
        assert f"## {number}. {step.title}" in text
        assert all(statement in text for statement in sql(step))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("rename-colum", "a.b", "c"), "rename-column"),
        (("zzz",), "Name one"),
        (("rename-column", "a.b"), "NEW_NAME"),
        (("rename-column", "a.b", "c", "d"), "NEW_NAME"),
        (("rename-column", "amount", "c"), "TABLE.COLUMN"),
        (("rename-column", "a.b.c.d", "c"), "TABLE.COLUMN"),
        (("rename-column", "a..b", "c"), "TABLE.COLUMN"),
        (("drop-table", "a.b.c"), "TABLE"),
        (("rename-column", "a.b", "b"), "called b already"),
    ],
)
def test_a_slip_is_named(words, what):
    with pytest.raises(UsageError) as caught:
        plan(words[0], words[1:], KNOWN)
    assert what in f"{caught.value.what} {caught.value.remedy}"


def test_a_type_that_nobody_says_is_asked_for():
    with pytest.raises(UsageError, match=r"type of payments\.amount") as caught:
        made("rename-column", Known())
    assert "--type=" in caught.value.remedy


def test_names_are_quoted_where_they_must_be():
    assert quoted(("billing", "order items")) == 'billing."order items"'
    assert quoted(('a"b',)) == '"a""b"'
    assert target_of("Billing.Users.Name", "drop-column").table == ("Billing", "Users")
    (dropped,) = sql(plan("drop-column", ("Users.Name",), KNOWN).steps[-1])
    assert dropped == 'ALTER TABLE "Users" DROP COLUMN "Name";'


STEP = Step(
    title="Expand",
    code=("x",),
    drafts=(
        Draft(slug="add_a", statements=("SELECT 1;",)),
        Draft(slug="index_a", statements=("SELECT 2;",), in_transaction=False),
    ),
)


@pytest.mark.parametrize(
    ("layout", "names", "paths"),
    [
        ("plain", [], ["0001_add_a.sql", "0002_index_a.sql"]),
        ("plain", ["0009_x.sql"], ["0010_add_a.sql", "0011_index_a.sql"]),
        ("plain", ["1_x.sql", "7_y.sql"], ["8_add_a.sql", "9_index_a.sql"]),
        ("plain", ["20240102_x.sql"], ["20261126_add_a.sql", "20261127_index_a.sql"]),
        (
            "plain",
            ["20240102030405_x.sql"],
            ["20261126053000_add_a.sql", "20261126053001_index_a.sql"],
        ),
        ("plain", ["20991231_x.sql"], ["20991232_add_a.sql", "20991233_index_a.sql"]),
        ("golang-migrate", ["000004_x.up.sql"], ["000005_add_a.up.sql", "000006_index_a.up.sql"]),
        ("goose", ["00003_x.sql"], ["00004_add_a.sql", "00005_index_a.sql"]),
        ("flyway", ["V1__x.sql"], ["V2__add_a.sql", "V3__index_a.sql", "V3__index_a.sql.conf"]),
        (
            "flyway",
            ["V1.9__x.sql"],
            ["V1.10__add_a.sql", "V1.11__index_a.sql", "V1.11__index_a.sql.conf"],
        ),
        ("flyway", [], ["V1__add_a.sql", "V2__index_a.sql", "V2__index_a.sql.conf"]),
        (
            "prisma",
            ["20240102030405_x/migration.sql"],
            ["20261126053000_add_a/migration.sql", "20261126053001_index_a/migration.sql"],
        ),
        (
            "diesel",
            ["2024-01-02-030405_x/up.sql"],
            [
                "2026-11-26-053000_add_a/up.sql",
                "2026-11-26-053001_index_a/up.sql",
                "2026-11-26-053001_index_a/metadata.toml",
            ],
        ),
    ],
)
def test_files_are_named_as_the_folder_names_its_own(layout, names, paths):
    assert [path for path, _ in files_of(STEP, layout, names, NOW)] == paths


@pytest.mark.parametrize(
    ("layout", "inside", "outside"),
    [
        ("goose", "-- +goose Up\n", "-- +goose NO TRANSACTION\n-- +goose Up\n"),
        ("dbmate", "-- migrate:up\n", "-- migrate:up transaction:false\n"),
        ("plain", "SET ", "SET "),
    ],
)
def test_a_tool_is_told_what_runs_outside_of_a_transaction(layout, inside, outside):
    (_, first), (_, second) = files_of(STEP, layout, ["0001_x.sql"], NOW)
    assert first.startswith(inside)
    assert second.startswith(outside)


class Parser:
    """A grammar that answers what it was given."""

    name, version = "given", "1"

    def __init__(self, *actions):
        self.actions = actions

    def parse(self, script, dialect):
        return [Parsed(span=(0, 0), actions=(each,)) for each in self.actions]


def known(*actions):
    script = Script(path="1", name="1", layout="plain", text="", digest="")
    target = Target(table=("payments",), column="amount")
    return known_of([script], Parser(*actions), Dialect.POSTGRES, target)


def test_the_folder_says_the_type_and_the_indexes():
    created = Action(
        kind=Kind.CREATE_TABLE,
        name=("public", "payments"),
        definitions=(
            Column(name="id", type="int"),
            Column(name="amount", type="numeric", not_null=True),
        ),
    )
    index = Action(
        kind=Kind.CREATE_INDEX, name=("by_amount",), table=("payments",), columns=("amount",)
    )
    elsewhere = Action(kind=Kind.CREATE_INDEX, name=("other",), table=("refunds",), columns=("a",))
    found = known(created, index, elsewhere)
    assert found == Known(
        type="numeric", not_null=True, indexes=(("by_amount", ("amount",), False),)
    )
    assert known(index, Action(kind=Kind.DROP_INDEX, name=("by_amount",))).indexes == ()


def test_later_statements_change_what_is_known():
    added = Action(
        kind=Kind.ADD_COLUMN,
        name=("payments",),
        column="amount",
        definition=Column(name="amount", type="int"),
    )
    typed = Action(
        kind=Kind.CHANGE_TYPE,
        name=("payments",),
        column="amount",
        definition=Column(name="amount", type="bigint"),
    )
    demanded = Action(kind=Kind.SET_NOT_NULL, name=("payments",), column="amount")
    other = Action(kind=Kind.SET_NOT_NULL, name=("payments",), column="note")
    assert known(added, other) == Known(type="int", not_null=False)
    assert known(added, demanded, typed) == Known(type="bigint", not_null=True)
    assert (
        known(Action(kind=Kind.DROP_NOT_NULL, name=("payments",), column="amount")).not_null
        is False
    )
    assert known() == Known()
