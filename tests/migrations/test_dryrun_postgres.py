"""What a dry run sees on a real server."""

from __future__ import annotations

import pytest
from tests.migrations.dryrun_kit import call, codes, reported, tried

from sluiceway.errors import ActionFailed
from sluiceway.migrations.dryrun import Outcome, TableSize, judge
from sluiceway.migrations.dryrun.report import Rule

HISTORY = (
    """CREATE TABLE people (
        id serial PRIMARY KEY, name varchar(40) NOT NULL, plan text DEFAULT 'free', age int);
    CREATE TABLE temp_import (line text);""",
    "CREATE VIEW adults AS SELECT id, name FROM people WHERE age >= 18;",
)
OLD = (
    call("BEGIN"),
    call("INSERT INTO people (name, plan) VALUES ($1, $2)", "a name of twenty chars", "trial"),
    call("INSERT INTO people (name, plan) VALUES ($1, $2)", "a name of twenty chars", "trial"),
    call("COMMIT"),
    call("SELECT id, name FROM adults"),
    call("UPDATE people SET age = $1 WHERE plan = $2", "30", "trial"),
)

# None of these is a matter of the static rules: no table or column goes, nothing is renamed.
BREAKING = {
    "narrower type": ("ALTER TABLE people ALTER plan TYPE varchar(4)", "22001"),
    "check": ("ALTER TABLE people ADD CHECK (plan IN ('free', 'paid')) NOT VALID", "23514"),
    "unique": ("CREATE UNIQUE INDEX CONCURRENTLY one_name ON people (name)", "23505"),
    "trigger": (
        """CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'read only'; END $$;
        CREATE TRIGGER no BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION no()""",
        "P0001",
    ),
    "view": (
        "DROP VIEW adults; CREATE VIEW adults AS SELECT id AS person FROM people",
        "42703",
    ),
    "default that fails": (
        "ALTER TABLE people ADD tier text DEFAULT 'none' CHECK (tier <> 'none')",
        "23514",
    ),
    "foreign key": (
        """CREATE TABLE plans (name text PRIMARY KEY);
        ALTER TABLE people ADD FOREIGN KEY (plan) REFERENCES plans NOT VALID""",
        "23503",
    ),
}


@pytest.mark.parametrize("case", BREAKING)
def test_what_static_rules_pass_and_breaks_the_old_release_is_caught(case, database_server):
    sql, sqlstate = BREAKING[case]
    report = reported(database_server, HISTORY, [sql], OLD)
    assert report.outcome is Outcome.BROKEN
    broken = [each for each in report.findings if each.code == "dry-run.old-release"]
    assert broken[0].sqlstate == sqlstate
    assert "people" in broken[0].statement or "adults" in broken[0].statement
    assert "static rules let this pass" in report.notes[-1]


def test_what_the_old_release_can_live_with_passes(database_server):
    report = reported(
        database_server, HISTORY, ["ALTER TABLE people ADD nick text, ADD rank int DEFAULT 1"], OLD
    )
    assert report.outcome is Outcome.PASS
    assert report.document()["old_release"] == {"recorded": 4, "counted": 4, "broken": 0}


def test_a_rename_behind_a_view_proves_the_expand_step(database_server):
    new = """ALTER TABLE people RENAME TO persons;
        CREATE VIEW people AS SELECT * FROM persons;"""
    assert reported(database_server, HISTORY, [new], OLD).outcome is Outcome.PASS


def test_what_a_static_rule_refuses_and_harms_nobody_is_explained(database_server):
    trial = tried(database_server, HISTORY, ["DROP TABLE temp_import"], OLD)
    rule = Rule(
        code="migration.drop-table", level="deny", file="0003.sql", line=1, table="temp_import"
    )
    report = judge(trial, rules=[rule], sizes={"temp_import": TableSize(rows=0, bytes=8192)})
    assert report.outcome is Outcome.PASS
    (note,) = report.notes
    assert "0003.sql:1: migration.drop-table on temp_import" in note
    assert "all 4 recorded statements" in note
    assert "It is empty." in note
    assert "approved" in note


def test_a_statement_that_failed_before_does_not_count_against_the_migration(database_server):
    old = [*OLD, call("SELECT nothing FROM people"), call("SELECT 1/0", ok=False)]
    report = reported(database_server, HISTORY, ["ALTER TABLE people ADD nick text"], old)
    assert report.outcome is Outcome.PASS
    assert "2 of 6 recorded statements fail on the old schema" in report.notes[0]
    assert "42703" in report.notes[0]


def test_statements_of_which_none_works_on_the_old_schema_judge_nothing(database_server):
    old = [call("SELECT nothing FROM people")]
    report = reported(database_server, HISTORY, ["SELECT 1"], old)
    assert report.outcome is Outcome.UNSURE
    assert codes(report) == ["dry-run.unsure"]


def test_numbers_from_sequences_are_the_same_on_both_schemas(database_server):
    old = [
        call("INSERT INTO people (name) VALUES ($1) RETURNING id", "anna"),
        call("CREATE TEMP TABLE seen AS SELECT 1 / (2 - id) FROM people WHERE id = $1", "1"),
    ]
    report = reported(database_server, HISTORY, ["ALTER TABLE people ADD nick text"], old)
    assert report.outcome is Outcome.PASS
    assert report.findings == ()


def test_rows_that_a_new_trigger_swallows_are_told(database_server):
    new = """CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER skip BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION skip()"""
    report = reported(database_server, HISTORY, [new], OLD)
    assert report.outcome is Outcome.PASS
    assert codes(report)[0] == "dry-run.answer"
    assert "0 rows" in report.findings[0].message


def test_a_constraint_that_speaks_at_commit_is_heard(database_server):
    new = """CREATE TABLE plans (name text PRIMARY KEY);
        ALTER TABLE people ADD FOREIGN KEY (plan) REFERENCES plans
        DEFERRABLE INITIALLY DEFERRED NOT VALID"""
    report = reported(database_server, HISTORY, [new], OLD)
    assert codes(report)[0] == "dry-run.old-release"
    assert report.findings[0].sqlstate == "23503"


def test_the_new_release_is_held_to_its_own_statements(database_server):
    fresh = [
        call("INSERT INTO people (name, nick) VALUES ('b', 'bee')"),
        call("SELECT x", ok=False),
    ]
    trial = tried(database_server, HISTORY, ["ALTER TABLE people ADD nick text"], fresh=fresh)
    assert judge(trial).outcome is Outcome.PASS
    trial = tried(database_server, HISTORY, ["ALTER TABLE people ADD other text"], fresh=fresh)
    assert codes(judge(trial)) == ["dry-run.new-release"]


# --- what statements do ---

TRACED = {
    "ALTER TABLE people ADD nick text": ("people", "AccessExclusiveLock", (), ()),
    "ALTER TABLE people ADD r float DEFAULT random()": (
        "people", "AccessExclusiveLock", ("people",), ()
    ),
    "ALTER TABLE people ALTER plan SET NOT NULL": (
        "people", "AccessExclusiveLock", (), ("people",)
    ),
    "CREATE INDEX by_name ON people (name)": ("people", "ShareLock", (), ("people",)),
    "DROP TABLE temp_import": ("temp_import", "AccessExclusiveLock", (), ()),
    "ALTER TABLE temp_import RENAME TO old_import": (
        "temp_import", "AccessExclusiveLock", (), ()
    ),
}  # fmt: skip


@pytest.mark.parametrize("sql", TRACED)
def test_locks_rewrites_and_whole_reads_are_seen(sql, database_server):
    trial = tried(database_server, HISTORY, [sql])
    (applied,) = trial.applied
    locks = {lock.table: lock.mode for lock in applied.locks}
    expected = TRACED[sql]
    assert (locks[expected[0]], applied.rewrites, applied.scans) == expected[1:]


def test_a_validated_check_spares_the_read_of_not_null(database_server):
    new = """ALTER TABLE people ADD CONSTRAINT p CHECK (plan IS NOT NULL) NOT VALID;
        ALTER TABLE people VALIDATE CONSTRAINT p;
        ALTER TABLE people ALTER plan SET NOT NULL;"""
    first, second, third = tried(database_server, HISTORY, [new]).applied
    assert (first.scans, second.scans, third.scans) == ((), ("people",), ())
    assert [lock.mode for lock in second.locks] == ["ShareUpdateExclusiveLock"]


def test_in_one_transaction_locks_are_held_to_the_end(database_server):
    new = "BEGIN; ALTER TABLE people ADD a int; UPDATE temp_import SET line = ''; COMMIT;"
    applied = tried(database_server, HISTORY, [new]).applied
    assert {lock.table: lock.mode for lock in applied[2].locks}["people"] == "AccessExclusiveLock"
    assert applied[2].rows == 0


def test_nobody_waits_for_a_table_that_the_release_itself_makes(database_server):
    new = ["CREATE TABLE made (id int); ALTER TABLE people RENAME TO persons;"]
    new += ["CREATE INDEX ON made (id); ALTER TABLE persons ADD x int;"]
    locks = [each.locks for each in tried(database_server, HISTORY, new).applied]
    assert [[lock.table for lock in held] for held in locks] == [[], ["people"], [], ["persons"]]


def test_truncate_is_no_rewrite(database_server):
    (applied,) = tried(database_server, HISTORY, ["TRUNCATE temp_import"]).applied
    assert (applied.emptied, applied.rewrites) == (("temp_import",), ())


def test_concurrently_runs_outside_a_transaction_and_says_that_it_is_not_traced(database_server):
    new = "CREATE INDEX CONCURRENTLY by_name ON people (name); VACUUM people;"
    trial = tried(database_server, HISTORY, [new])
    assert [each.traced for each in trial.applied] == [False, False]
    assert trial.whole
    assert ("index", "public.people.by_name") in trial.after


def test_a_large_table_read_under_a_lock_is_a_warning(database_server):
    trial = tried(database_server, HISTORY, ["ALTER TABLE people ALTER plan SET NOT NULL"])
    size = TableSize(rows=40_000_000, bytes=12_000_000_000)
    report = judge(trial, sizes={"people": size})
    assert codes(report) == ["dry-run.lock"]
    assert "40 M rows, 12 GB" in report.findings[0].message
    assert report.outcome is Outcome.PASS
    assert codes(judge(trial, sizes={"people": TableSize(rows=40, bytes=8192)})) == []


def test_the_catalogue_is_compared(database_server):
    new = """CREATE TYPE mood AS ENUM ('good', 'bad');
        ALTER TABLE people ALTER plan DROP DEFAULT, ALTER age SET NOT NULL, ADD mood mood;
        CREATE TABLE made (id int PRIMARY KEY);
        CREATE INDEX old ON people (age);
        DROP TABLE temp_import;"""
    report = reported(database_server, HISTORY, [new])
    lines = [line for change in report.document()["changes"] for line in change["lines"]]
    assert lines == [
        "- column public.people.age: integer",
        "+ column public.people.age: integer not null",
        "+ column public.people.mood: mood",
        "- column public.people.plan: text default 'free'::text",
        "+ column public.people.plan: text",
        "+ enum public.mood: 'good', 'bad'",
        "+ index public.people.old: CREATE INDEX old ON public.people USING btree (age)",
        "+ table public.made",
        "- table public.temp_import",
    ]


# --- what fails ---


def test_a_new_file_that_fails_is_an_answer_with_its_line(database_server):
    report = reported(
        database_server, HISTORY, ["SELECT 1;\n\nALTER TABLE people\n  DROP nothing;", "SELECT 2"]
    )
    assert report.outcome is Outcome.BROKEN
    (finding,) = report.findings
    assert (finding.code, finding.file, finding.line) == ("dry-run.apply", "0003.sql", 3)
    assert len(report.document()["statements"]) == 2


def test_a_new_file_meets_the_rows_that_are_there(database_server):
    seed = ["INSERT INTO people (name) VALUES ('a'), ('a')"]
    new = ["CREATE UNIQUE INDEX one ON people (name)"]
    report = judge(tried(database_server, HISTORY, new, seed=seed))
    assert [each.sqlstate for each in report.findings] == ["23505"]


def test_a_history_that_fails_judges_nothing(database_server):
    with pytest.raises(ActionFailed) as caught:
        tried(database_server, ["SELECT 1;\nCREATE TABLE a (b nothing);"], ["SELECT 1"])
    assert caught.value.code == "dry-run.history"
    assert caught.value.what.startswith("0001.sql:2: 42704")


@pytest.mark.parametrize("history", [["CREATE EXTENSION none_such"], []])
def test_a_missing_extension_is_no_verdict_and_is_named(history, database_server):
    if history:
        with pytest.raises(ActionFailed) as caught:
            tried(database_server, history, ["SELECT 1"])
        assert "none_such" in caught.value.remedy
        assert caught.value.code == "dry-run.missing"
    else:
        report = reported(database_server, history, ["CREATE EXTENSION none_such"])
        assert report.outcome is Outcome.UNSURE
        assert "none_such" in report.findings[0].solution


def test_migrations_are_no_superuser_and_are_told_how_to_be(database_server):
    report = reported(database_server, [], ["COPY (SELECT 1) TO PROGRAM 'cat'"])
    assert report.outcome is Outcome.UNSURE
    assert "superuser = true" in report.findings[0].solution


# --- the server ---


def test_a_history_is_kept_and_its_roles_with_it(database_server):
    history = ["CREATE ROLE reader; CREATE TABLE a (b int); GRANT SELECT ON a TO reader;"]
    first = reported(database_server, history, ["CREATE ROLE writer"])
    again = reported(database_server, history, ["CREATE ROLE writer"])
    assert (first.outcome, again.outcome) == (Outcome.PASS, Outcome.PASS)
    # Another history that makes the same role finds a server without it.
    other = reported(database_server, [*history, "SELECT 2"], ["SELECT 1"])
    assert other.outcome is Outcome.PASS


def test_roles_of_one_history_are_in_nobody_elses_way(database_server):
    plain = ["CREATE TABLE a (b int)"]
    with_role = ["CREATE ROLE reads_b; CREATE TABLE b (c int); GRANT SELECT ON b TO reads_b"]
    for history in (plain, with_role, plain, with_role):
        outcome = reported(database_server, history, ["CREATE ROLE fresh"]).outcome
        assert outcome is Outcome.PASS
    # Kept before the other's role was there, and now beside it.
    assert reported(database_server, plain, ["CREATE ROLE reads_b"]).outcome is Outcome.PASS


def test_settings_of_a_file_end_with_it(database_server):
    new = ["SET search_path = nowhere;", "SELECT count(*) FROM people;"]
    assert reported(database_server, HISTORY, new).outcome is Outcome.PASS


@pytest.mark.parametrize("options", ["", " (FORMAT binary)", " (FORMAT csv)"])
def test_copy_is_run_without_its_rows(options, database_server):
    old = [call(f"COPY people (name) FROM STDIN{options}"), call(f"COPY people TO STDOUT{options}")]
    report = reported(database_server, HISTORY, ["ALTER TABLE people ADD x int"], old)
    assert report.document()["old_release"] == {"recorded": 2, "counted": 2, "broken": 0}
    report = reported(
        database_server, HISTORY, ["ALTER TABLE people RENAME name TO full_name"], old
    )
    assert report.findings[0].sqlstate == "42703"


def test_a_recorded_text_that_commits_among_other_statements_is_not_run(database_server):
    old = [
        call("INSERT INTO people (name) VALUES ('a'); COMMIT; SELECT 1"),
        call("BEGIN; INSERT INTO people (name) VALUES ('a'); COMMIT;"),
        *OLD,
    ]
    report = reported(database_server, HISTORY, ["SELECT 1"], old)
    assert report.outcome is Outcome.PASS
    assert report.document()["old_release"] == {"recorded": 6, "counted": 4, "broken": 0}
