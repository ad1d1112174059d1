"""A plan holds what it promises: its SQL passes the gate, and every release works beside the next."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.migrations.postgres_kit import server

from sluiceway import policy
from sluiceway.migrations import reading, state
from sluiceway.migrations.places import by_kind
from sluiceway.migrations.plans import Known, plan
from sluiceway.migrations.plans.files import files_of
from sluiceway.migrations.readers import Reader, with_readers
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.uses import contracting, uses_from
from sluiceway.workbench import Workbench

NOW = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
FIRST = """\
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, age int NOT NULL, note text);
CREATE INDEX people_by_name ON people (name);
"""
KNOWN = {
    "name": Known(type="text", indexes=(("people_by_name", ("name",), False),)),
    "age": Known(type="int"),
    "note": Known(type="text", not_null=False),
}
FILLS = {"first": "split_part(name, ' ', 1)", "last": "split_part(name, ' ', 2)"}
PLANS = [
    plan("rename-column", ("people.name", "title"), KNOWN["name"]),
    plan("change-type", ("people.age", "bigint"), KNOWN["age"]),
    plan("split", ("people.name", "first", "last"), KNOWN["name"], fills=FILLS),
    plan("not-null", ("people.note",), KNOWN["note"], default="''"),
    plan("drop-column", ("people.note",), KNOWN["note"]),
    plan("drop-table", ("people",), Known()),
]
EACH = pytest.mark.parametrize("made", PLANS, ids=lambda made: made.change)
# What every release uses beside the columns that its plan is about.
BASE = {"name": "'Ada Byron'", "age": "36"}


def used(made: Any, number: int) -> tuple[list[str], list[str]]:
    """Return what release *number* of a plan reads and writes; 0 is the one before the plan."""
    others = [each for each in ("id", *BASE) if each not in made.columns]
    if made.change == "drop-table" and number:
        return [], []
    if not number:
        old = [each for each in made.columns[:1] if each]
        written = old if made.change != "not-null" else []
        return [*others, *old], [*others, *written]
    step = made.steps[number - 1]
    return [*others, *step.reads], [*others, *step.writes]


def declared(made: Any, number: int) -> Any:
    reads, writes = used(made, number)
    tables = {"reads": {"people": reads} if reads else {}, "writes": {"people": writes}}
    return uses_from(tables if reads else {}, "uses")


# --- the gate -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    root = tmp_path_factory.mktemp("site")
    (root / "sluiceway.toml").write_text('[service]\nname = "shop"\n')
    opened = Workbench.open(root, {})
    yield opened
    opened.close()


@EACH
def test_its_sql_passes_the_gate_at_every_step(bench: Workbench, made: Any) -> None:
    parser = bench.plugins.one("sluiceway_sql_parser", dialect=Dialect.POSTGRES)
    names = ["0001_people.sql"]
    for number, step in enumerate(made.steps, 1):
        files = files_of(step, "plain", names, NOW)
        names += [path for path, _ in files]
        if not files:
            continue
        found = reading.from_texts(
            [(path, text.encode()) for path, text in files], Dialect.POSTGRES
        )
        facts = state.facts(found.scripts, parser, Dialect.POSTGRES, together=True)
        serving = [
            Reader(environment="production", digest=f"sha256:{each}", release=str(each), uses=uses)
            for each in (number - 1, number)
            if (uses := declared(made, each)) is not None
        ]
        shown = with_readers([state.fact_json(fact) for fact in facts.facts], serving, [])
        assert number == len(made.steps) or not any(contracting(fact) for fact in shown)
        codes = judged(bench, shown, facts.statements)
        assert codes <= {"migration.contracted"}, step.title


def judged(bench: Workbench, facts: list[dict[str, Any]], statements: int) -> set[str]:
    document = {
        "gate": "migration",
        "now": "2026-11-26T05:30:00Z",
        "service": "shop",
        "dialect": "postgres",
        "files": 1,
        "statements": statements,
        "kinds": by_kind(facts),
        "facts": facts,
        "advice": False,
        "waivers": [],
        "actor": {"name": "nobody", "method": "none", "proven": False, "key": ""},
        "rehearsal": False,
    }
    decision = policy.decide(bench.engine, bench.bundle(), "migration", document, now=NOW)
    return {finding.code for finding in decision.findings}


# --- the server -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    # The path of a socket may not be longer than 107 bytes: tmp_path is often too deep.
    with tempfile.TemporaryDirectory(prefix="plans-") as folder:
        Path(folder).chmod(0o755)
        with server(Path(folder) / "pg") as address:
            yield address


def run_release(at: psycopg.Connection[Any], made: Any, number: int, key: int) -> None:
    """Do what the code of release *number* does: insert a row, read it, change it."""
    reads, writes = used(made, number)
    if not reads:
        return
    values = {"id": str(key), **BASE, "note": "'x'"}
    for column in writes:
        if column not in values:
            fill = {"title": "'Ada'", "first": "'Ada'", "last": "'Byron'", "age_bigint": "36"}
            values[column] = fill[column]
    listed = [each for each in writes if each in values]
    at.execute(
        f"INSERT INTO people ({', '.join(listed)}) "
        f"VALUES ({', '.join(values[each] for each in listed)})"
    )
    at.execute(f"SELECT {', '.join(reads)} FROM people")
    at.execute(f"UPDATE people SET {listed[-1]} = {values[listed[-1]]} WHERE id = {key}")


@pytest.mark.real_tool("postgres")
@EACH
def test_the_code_before_and_after_works_at_every_step(database: str, made: Any) -> None:
    with psycopg.connect(f"{database} dbname=postgres", autocommit=True) as at:
        at.execute("DROP TABLE IF EXISTS people")
        at.execute(FIRST)
        at.execute("INSERT INTO people SELECT n, 'Ada Byron', 36 FROM generate_series(1, 2500) n")
        key = 10_000
        for number, step in enumerate(made.steps, 1):
            for draft in step.drafts:
                if draft.in_transaction:
                    at.execute(f"BEGIN; {draft.text} COMMIT;")
                else:
                    for statement in ("SET lock_timeout = '2s'", *draft.statements):
                        at.execute(statement)
            # While it is rolled out, and after it was rolled back, both serve.
            for serving in (number - 1, number, number - 1, number):
                key += 1
                run_release(at, made, serving, key)
            if step.job:
                assert repeated(at, step.job) == 3
            for check in step.checks:
                if check.answer == "0":
                    row = at.execute(check.sql).fetchone()
                    assert row == (0,), check.what


def repeated(at: psycopg.Connection[Any], job: str) -> int:
    """Run the job until it changes nothing; return how often it changed something."""
    times = 0
    while at.execute(job).rowcount:
        times += 1
        assert times < 10
    return times
