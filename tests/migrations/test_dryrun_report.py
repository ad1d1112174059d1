"""From what happened to an answer; and recorded statements as a file. No server."""

from __future__ import annotations

import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.migrations.dryrun_kit import attempt, call, codes, scripts

from sluiceway.console.dry_runs import dry_run_page
from sluiceway.errors import UsageError
from sluiceway.migrations.dryrun import (
    Applied,
    Call,
    Failure,
    Lock,
    Outcome,
    Parameter,
    Step,
    TableSize,
    Trial,
    difference,
    judge,
    read_calls,
    units,
    write_calls,
)
from sluiceway.migrations.dryrun.calls import control, parse_calls, to_lines
from sluiceway.migrations.dryrun.choice import split, without
from sluiceway.migrations.dryrun.report import Rule
from sluiceway.migrations.dryrun.words import blocks, breaks, size, strongest

STEP = Step(file="2.sql", line=4, sql="ALTER TABLE people\n  ADD nick text")


def trial(**parts) -> Trial:
    made = {
        "server": "database-url", "version": "PostgreSQL 18.4", "history": 1, "new": ("2.sql",),
        "applied": (Applied(step=STEP),), "before": {}, "after": {},
    }  # fmt: skip
    return Trial(**{**made, **parts})


# --- the answer ---


@pytest.mark.parametrize(
    ("sqlstate", "outcome"),
    [
        ("", Outcome.PASS),
        ("42703", Outcome.BROKEN),
        ("23502", Outcome.BROKEN),
        ("22001", Outcome.BROKEN),
        ("55000", Outcome.BROKEN),
        ("P0001", Outcome.BROKEN),
        ("53100", Outcome.UNSURE),  # disk full
        ("57014", Outcome.UNSURE),  # took too long
        ("55P03", Outcome.UNSURE),  # somebody held a lock
        ("XX000", Outcome.UNSURE),
    ],
)
def test_a_failure_is_the_schemas_or_the_servers(sqlstate, outcome):
    report = judge(trial(old=(attempt("a"),), old_on_new=(attempt("a", sqlstate),)))
    assert report.outcome is outcome
    report = judge(trial(new_on_new=(attempt("a", sqlstate),)))
    assert report.outcome is outcome
    failure = Failure(sqlstate=sqlstate, message="no") if sqlstate else None
    report = judge(trial(applied=(Applied(step=STEP, failure=failure),)))
    assert report.outcome is outcome


def test_what_is_broken_outweighs_what_is_unsure():
    before = (attempt("a"), attempt("b"))
    after = (attempt("a", "53100"), attempt("b", "42703"))
    report = judge(trial(old=before, old_on_new=after))
    assert report.outcome is Outcome.BROKEN
    assert set(codes(report)) == {"dry-run.old-release", "dry-run.unsure"}


def test_equal_failures_are_told_once():
    before = tuple(attempt("a") for _ in range(3))
    after = tuple(attempt("a", "42703") for _ in range(3))
    (finding,) = judge(trial(old=before, old_on_new=after)).findings
    assert finding.times == 3


def test_no_recorded_statement_is_no_proof():
    report = judge(trial())
    assert report.outcome is Outcome.PASS
    assert "not tried" in report.notes[0]
    assert report.document()["old_release"] is None
    assert judge(trial(old=())).outcome is Outcome.UNSURE


def test_fewer_rows_are_told_only_when_nothing_breaks():
    before = (attempt("a"), attempt("b", rows=4))
    fewer = attempt("b", rows=0)
    found = judge(trial(old=before, old_on_new=(attempt("a"), fewer)))
    assert (codes(found), found.outcome) == (["dry-run.answer"], Outcome.PASS)
    found = judge(trial(old=before, old_on_new=(attempt("a", "23514"), fewer)))
    assert codes(found) == ["dry-run.old-release"]


@pytest.mark.parametrize(
    ("parts", "asked"),
    [
        ({}, False),
        ({"after": {("column", "public.a.b"): "integer"}}, False),
        ({"after": {("column", "public.a.b"): "integer not null"}}, True),
        ({"before": {("table", "public.a"): ""}}, True),
        ({"applied": (Applied(step=STEP, emptied=("a",)),)}, True),
        ({"old": (attempt("a"),), "old_on_new": (attempt("a", "23514"),)}, True),
    ],
)
def test_static_rules_are_worth_asking_where_they_may_say_something_else(parts, asked):
    assert judge(trial(**parts)).debatable is asked


def test_a_failed_new_file_says_on_which_line():
    failure = Failure(sqlstate="42601", message="syntax error", position=25)
    (finding,) = judge(trial(applied=(Applied(step=STEP, failure=failure),), old=())).findings
    assert (finding.file, finding.line, finding.code) == ("2.sql", 5, "dry-run.apply")


RULE = Rule(code="migration.drop-table", level="deny", file="2.sql", line=4, table="people",
            approval="migration.drop-table/sha256:0f")  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({}, "not known here"),
        ({"people": TableSize(rows=0, bytes=8192)}, "It is empty."),
        ({"people": TableSize(rows=5, bytes=8192)}, "It holds 5 rows, 8.19 kB, which nothing"),
    ],
)
def test_a_refusal_that_harms_nobody_is_explained_with_what_would_be_lost(sizes, words):
    report = judge(
        trial(old=(attempt("a"),), old_on_new=(attempt("a"),)), sizes=sizes, rules=[RULE]
    )
    assert words in report.notes[0]
    assert "`invoke waive migration.drop-table/sha256:0f --reason" in report.notes[0]


def test_rules_that_were_not_asked_let_nothing_pass():
    broken = trial(old=(attempt("a"),), old_on_new=(attempt("a", "42P01"),))
    assert judge(broken).notes == ()
    assert "let this pass" in judge(broken, rules=()).notes[0]


def test_a_refusal_is_excused_by_nothing_when_nothing_was_recorded():
    notes = judge(trial(), rules=[RULE]).notes
    assert "cannot excuse it" in notes[1]


def test_a_refusal_is_not_excused_when_something_breaks():
    broken = trial(old=(attempt("a"),), old_on_new=(attempt("a", "42P01"),))
    assert judge(broken, rules=[RULE]).notes == ()


@pytest.mark.parametrize(
    ("mode", "known", "warned"),
    [
        ("AccessExclusiveLock", TableSize(rows=100_000, bytes=1), True),
        ("ShareLock", TableSize(rows=1, bytes=1_000_000_000), True),
        ("ShareUpdateExclusiveLock", TableSize(rows=10**9, bytes=10**12), False),
        ("AccessExclusiveLock", TableSize(rows=99_999, bytes=999_999_999), False),
    ],
)
def test_only_long_work_under_a_lock_that_others_wait_for_is_a_warning(mode, known, warned):
    applied = Applied(step=STEP, locks=(Lock(table="people", mode=mode),), scans=("people",))
    report = judge(trial(applied=(applied,)), sizes={"people": known})
    assert (codes(report) == ["dry-run.lock"]) is warned
    assert report.outcome is Outcome.PASS


def test_the_page_says_what_the_document_says():
    applied = Applied(
        step=STEP,
        milliseconds=3.2,
        locks=(Lock(table="people", mode="AccessExclusiveLock"),),
        rewrites=("people",),
    )
    report = judge(
        trial(
            applied=(applied,),
            old=(attempt("SELECT born"),),
            old_on_new=(attempt("SELECT born", "42703"),),
            after={("column", "public.people.nick"): "text"},
        ),
        sizes={"people": TableSize(rows=40_000_000, bytes=12_000_000_000)},
    )
    page = str(dry_run_page(json.loads(json.dumps(report.document()))))
    for words in (
        "Dry run of 1 new file: breaks",
        "old release: 0 of 1 work",
        "42703",
        "SELECT born",
        "AccessExclusive on people (40 M rows, 12 GB): reads and writes wait",
        "writes anew people (40 M rows, 12 GB)",
        "+ column public.people.nick: text",
    ):
        assert words in page


# --- words ---


def test_locks_are_told_by_the_strongest():
    held = [("b", "AccessShareLock"), ("a", "ShareLock"), ("a", "AccessExclusiveLock")]
    assert strongest(held) == (
        Lock(table="a", mode="AccessExclusiveLock"),
        Lock(table="b", mode="AccessShareLock"),
    )
    modes = ("RowExclusiveLock", "ShareLock", "AccessExclusiveLock", "ALockOfTheFuture")
    assert [blocks(mode) for mode in modes] == [
        "",
        "writes",
        "reads and writes",
        "reads and writes",
    ]


def test_sizes_are_for_people():
    assert size(TableSize(rows=812, bytes=0)) == "812 rows, 0 B"
    assert size(TableSize(rows=1_234_567, bytes=5 * 10**12)) == "1.23 M rows, 5 TB"


def test_a_connection_that_ended_is_no_verdict():
    assert not breaks(Failure(sqlstate="08006", message=""))


def test_what_goes_with_its_table_is_not_told_beside_it():
    before = {
        ("table", "public.a"): "",
        ("column", "public.a.b"): "int",
        ("enum", "public.e"): "'x'",
    }
    after = {("enum", "public.e"): "'x', 'y'"}
    assert [(change.kind, change.name) for change in difference(before, after)] == [
        ("enum", "public.e"),
        ("table", "public.a"),
    ]
    assert difference(before, before) == ()


# --- recorded statements ---


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("BEGIN", "begin"),
        ("begin isolation level serializable", "begin"),
        ("START  TRANSACTION", "begin"),
        ("-- psycopg\n/* x */ COMMIT", "commit"),
        ("END", "commit"),
        ("ROLLBACK", "rollback"),
        ("ABORT", "rollback"),
        ("ROLLBACK TO SAVEPOINT a", "savepoint"),
        ("ROLLBACK WORK TO a", "savepoint"),
        ("RELEASE a", "savepoint"),
        ("SAVEPOINT a", "savepoint"),
        ("COMMIT;", "commit"),
        ("BEGIN; INSERT INTO a VALUES (1); COMMIT", ""),
        ("COMMIT PREPARED 'x'", ""),
        ("SELECT 'BEGIN'", ""),
        ("BEGINNING", ""),
        ("ENDPOINT", ""),
        ("", ""),
    ],
)
def test_commands_of_transactions_are_known(sql, word):
    assert control(sql) == word


def test_transactions_stand_in_the_order_in_which_they_ended():
    calls = [
        call("BEGIN", session=1),
        call("a", session=1),
        call("b", session=2),
        call("BEGIN", session=2),
        call("c", session=2),
        call("COMMIT", session=2),
        call("d", session=1),
        call("ROLLBACK", session=1),
        call("BEGIN", session=3),
        call("e", session=3),
    ]
    found = [(tuple(each.sql for each in unit.calls), unit.rolled_back) for unit in units(calls)]
    assert found == [(("b",), False), (("c",), False), (("a", "d"), True), (("e",), True)]


def test_a_transaction_that_failed_was_not_committed_unless_a_savepoint_saved_it():
    failed = [call("BEGIN"), call("a"), call("b", ok=False), call("COMMIT")]
    assert units(failed)[0].rolled_back
    saved = [
        call("BEGIN"), call("SAVEPOINT s"), call("b", ok=False), call("ROLLBACK TO s"),
        call("COMMIT"),
    ]  # fmt: skip
    assert not units(saved)[0].rolled_back


PARAMETERS = st.builds(
    Parameter,
    value=st.none() | st.binary(),
    binary=st.booleans(),
    type=st.integers(min_value=0, max_value=2**32 - 1),
).filter(lambda each: each.binary or each.value is None or 0 not in each.value)
CALLS = st.builds(
    Call,
    sql=st.text(min_size=1).filter(lambda text: bool(text.strip()) and "\0" not in text
    and not any("\ud800" <= each <= "\udfff" for each in text)),
    session=st.integers(min_value=0, max_value=99),
    parameters=st.lists(PARAMETERS, max_size=3).map(tuple),
    simple=st.booleans(),
)  # fmt: skip


@given(st.lists(CALLS, max_size=4))
def test_what_is_written_is_read(calls):
    assert list(parse_calls(to_lines(calls, "1.2"), "x")) == calls


def test_a_file_is_its_owners_alone_and_replaced_whole(tmp_path):
    path = tmp_path / "old.jsonl"
    path.write_text("before")
    path.chmod(0o644)
    write_calls(path, [call("SELECT 1")], "1.0")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_calls(path)[0].sql == "SELECT 1"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_can_be_written_by_hand():
    text = '{"sql": "SELECT $1, $2", "parameters": ["a", null]}\n\n{"sql": "SELECT 1"}\n'
    first, second = parse_calls(text, "x")
    assert [each.value for each in first.parameters] == [b"a", None]
    assert second == Call(sql="SELECT 1")


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        "{}",
        '{"sql": ""}',
        '{"sql": 1}',
        '{"sql": "a", "more": 1}',
        '{"sql": "a\\u0000"}',
        '{"sql": "a", "session": "1"}',
        '{"sql": "a", "ok": 1}',
        '{"sql": "a", "parameters": [1]}',
        '{"sql": "a", "parameters": [{"value": 1}]}',
        '{"sql": "a", "parameters": [{"base64": "?"}]}',
        '{"sql": "a", "parameters": ["a\\u0000"]}',
        '{"sql": "a", "parameters": 7}',
        '{"format": "sluiceway-statements/2"}',
    ],
)
def test_what_is_no_recorded_statement_is_refused_with_its_line(line):
    with pytest.raises(UsageError) as caught:
        parse_calls(f'{{"sql": "SELECT 1"}}\n{line}\n', "old.jsonl")
    assert caught.value.what.startswith("old.jsonl:2 ")
    assert "migrations.record" in caught.value.remedy


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_calls(tmp_path / "none.jsonl")
    assert "none.jsonl" in caught.value.what


# --- which files are new ---


@pytest.mark.parametrize(
    ("options", "old"),
    [({}, 2), ({"new": "2"}, 1), ({"new": "3"}, 0), ({"since": "0001.sql"}, 1)],
)
def test_what_is_new_is_at_the_end(options, old):
    all_ = scripts("a", "b", "c")
    assert split(all_, **options) == (all_[:old], all_[old:])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"new": "0"}, "from 1 to 3"),
        ({"new": "4"}, "from 1 to 3"),
        ({"new": "x"}, "from 1 to 3"),
        ({"since": "0003.sql"}, "applied already"),
        ({"since": "002.sql"}, "0002.sql"),
        ({"since": "0001.sql", "new": "1"}, "one of them"),
    ],
)
def test_a_choice_that_cannot_be_right_is_refused(options, words):
    with pytest.raises(UsageError) as caught:
        split(scripts("a", "b", "c"), **options)
    assert words in caught.value.remedy


def test_what_an_environment_does_not_have_is_new_wherever_it_stands():
    first, late, last = scripts("a", "b", "c")
    assert without((first, late, last), {"0001.sql", "0003.sql"}, "dev") == (
        (first, last),
        (late,),
    )
    assert without((first,), frozenset(), "dev") == ((), (first,))


@pytest.mark.parametrize(
    ("applied", "words"),
    [({"0001.sql", "0002.sql"}, "every migration"), ({"0001.sql", "0009.sql"}, "'0009.sql'")],
)
def test_an_environment_that_has_all_or_others_is_told(applied, words):
    with pytest.raises(UsageError) as caught:
        without(scripts("a", "b"), applied, "dev")
    assert words in caught.value.what
