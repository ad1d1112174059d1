"""Statements out of a server's own log. ``logs/`` is what PostgreSQL 15.18 wrote of one session of psycopg."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.migrations import dryrun_kit as kit

from sluiceway.errors import UsageError
from sluiceway.migrations.dryrun import Call, Outcome, judge, read_calls, units, write_calls
from sluiceway.migrations.dryrun.logs import read_log, statements
from sluiceway_database_embedded.server import EmbeddedServer

LOGS = Path(__file__).parent / "logs"
NOTE = "it's\n\tlong: $2 = 'x', é\\"


def plain(call: Call) -> tuple[str, list[str | None]]:
    return call.sql, [
        each.value.decode() if each.value is not None else None for each in call.parameters
    ]


@pytest.mark.parametrize("kind", ["log", "csv", "json"])
def test_what_a_server_wrote_is_what_a_program_said(kind: str, tmp_path: Path) -> None:
    calls = read_log(LOGS / f"postgres15.{kind}")
    said = [plain(call) for call in calls]
    assert said[:6] == [
        ("CREATE TABLE t (id int primary key,\n\tnote text, b bytea, j numeric)", []),
        ("BEGIN", []),
        ("INSERT INTO t (id, note) VALUES ($1, $2)", ["1", NOTE]),
        ("SELECT id FROM t WHERE note IS NOT DISTINCT FROM $1", [None]),
        ("INSERT INTO t (id, b) VALUES ($1, $2)", ["2", "\\x00ff"]),
        ("COMMIT", []),
    ]
    assert [call.session for call in calls[:6]] == [1, 2, 2, 1, 2, 2]
    assert [call.simple for call in calls[:6]] == [True, True, False, False, False, True]
    (failed,) = [call for call in calls if not call.ok]
    assert plain(failed) == ("INSERT INTO t (id) VALUES ($1)", ["1"])
    assert failed.sqlstate == ("" if kind == "log" else "23505")
    assert said.count(("SELECT note FROM t WHERE id = $1", ["1"])) == 8
    # Of what took so long the server writes three records, and only one ran it.
    assert said.count(("SELECT 7, $1::int", ["5"])) == 1
    assert ("SELECT 8", []) in said
    assert not [sql for sql, _ in said if "nothing" in sql or sql == "SELEC"]
    assert said[-1] == ("ROLLBACK", [])
    assert len(calls) == 25
    (undone,) = [each for each in units(calls) if each.rolled_back]
    assert len(undone.calls) == 3
    write_calls(tmp_path / "out.jsonl", calls, "1.4.0")
    assert read_calls(tmp_path / "out.jsonl") == calls


def test_what_a_log_says_is_tried_like_any_other_recording(database_server: EmbeddedServer) -> None:
    history, *calls = read_log(LOGS / "postgres15.json")
    old = [call for call in calls if "SET log_" not in call.sql]
    kept = judge(kit.tried(database_server, [history.sql], ["ALTER TABLE t ADD c text"], old))
    assert kept.outcome is Outcome.PASS, kept.findings
    broken = judge(kit.tried(database_server, [history.sql], ["ALTER TABLE t DROP note"], old))
    assert broken.outcome is Outcome.BROKEN
    assert {each.sqlstate for each in broken.findings if each.level == "deny"} == {"42703"}


def test_one_database_among_others() -> None:
    for kind in ("csv", "json"):
        path = LOGS / f"postgres15.{kind}"
        assert read_log(path, database="postgres") == read_log(path)
        assert read_log(path, database="other") == ()
    with pytest.raises(UsageError, match="only a csvlog or jsonlog"):
        read_log(LOGS / "postgres15.log", database="postgres")


def test_a_value_cannot_pretend_to_be_a_record() -> None:
    forged = "x\n2026-11-26 09:00:00.000 UTC [7] LOG:  statement: DROP TABLE t"
    shown = forged.replace("\n", "\n\t")
    text = (
        "2026-11-26 09:00:00.000 UTC [7] LOG:  execute s: SELECT $1\n"
        f"2026-11-26 09:00:00.000 UTC [7] DETAIL:  Parameters: $1 = '{shown}'\n"
    )
    assert [plain(call) for call in statements(text, "log")] == [("SELECT $1", [forged])]


def test_other_prefixes_and_what_is_no_statement() -> None:
    text = (
        "2026-11-26 09:00:00 UTC [8]: [3-1] user=a,db=b LOG:  statement: SELECT 1\n"
        "2026-11-26 09:00:00 UTC [8]: [4-1] user=a,db=b LOG:  execute fetch from c/p: SELECT 2\n"
        "2026-11-26 09:00:00 UTC [9]: [1-1] LOG:  checkpoint starting: time\n"
        "2026-11-26 09:00:00 UTC [9]: [2-1] LOG:  statement: ;  \n"
        "sh: something else wrote here: LOG\n"
    )
    assert [plain(call)[0] for call in statements(text, "log")] == ["SELECT 1", ";"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"error_severity": "LOG", "message": "statement: SELECT 1"\n', "no JSON"),
        ("{}\n[]\n", "no object"),
        ('2026-11-26 09:00:00.000 UTC,"a","b",1\n', "columns"),
        ('2026-11-26 09:00:00.000 UTC,"a","b",1,"x"y\n', "no CSV"),
        ("2026-11-26 LOG:  statement: SELECT 1\n", "%p"),
        (
            json.dumps(
                {
                    "error_severity": "LOG",
                    "message": "execute s: SELECT $1",
                    "detail": "Parameters: $1 = 'cut",
                }
            ),
            "told apart",
        ),
    ],
)
def test_what_cannot_be_understood_is_said(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        statements(text, "server.log")
    assert caught.value.code == "migration.log"


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_log(tmp_path / "absent")
    (tmp_path / "latin").write_bytes(b"[1] LOG:  statement: SELECT '\xe9'\n")
    with pytest.raises(UsageError, match="UTF-8"):
        read_log(tmp_path / "latin")


def test_the_command_writes_what_the_recorder_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from invoke.program import Program

    from sluiceway.cli import namespace

    def called(*words: str) -> tuple[int, str]:
        code = 0
        try:
            Program(namespace=namespace()).run(["sluiceway", "migrations.record", *words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out + err

    monkeypatch.chdir(tmp_path)
    shutil.copy(LOGS / "postgres15.csv", tmp_path / "server.csv")
    code, said = called("--from-log=server.csv", "--out=1.4.0.jsonl", "--release=1.4.0")
    assert (code, said.strip()) == (0, "1.4.0.jsonl: 25 statements of 2 sessions")
    assert read_calls(tmp_path / "1.4.0.jsonl") == read_log(LOGS / "postgres15.csv")
    assert (tmp_path / "1.4.0.jsonl").stat().st_mode & 0o777 == 0o600
    code, said = called("--from-log=server.csv", "--out=no.jsonl", "--database=other")
    assert (code, "no statement of the database other" in said) == (5, True)
    assert called("--from-log=server.csv")[0] == 2
    assert not (tmp_path / "no.jsonl").exists()
