"""An older copy of the ledger is put in the place of the newest: before a run, and in the middle of one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from sluiceway.errors import ExitCode

pytestmark = pytest.mark.slow


def ledger_of(shop):
    return shop.bench().project.state / "ledger.db"


def test_a_withdrawn_waiver_does_not_come_back_with_an_older_copy(shop):
    settings = shop.root / "sluiceway.toml"
    settings.write_text(
        settings.read_text().replace('database = "advisories"', 'database = "nothing"')
    )
    digest = shop.release()
    waive = ("waive", "image.scan-unscanned", "--reason=the feed is down", "--environment=dev")
    code, document, _ = shop.run("lena", *waive)
    assert code == 0, document
    name = document["waiver"]["id"]
    path = ledger_of(shop)
    older = path.read_bytes()
    code, document, _ = shop.run("dana", "waivers", f"--withdraw={name}", "--reason=it is back")
    assert code == 0, document
    newest, before = path.read_bytes(), shop.state()

    path.write_bytes(older)
    for person, *arguments in (
        ("ci", "promote", "--to=dev"),
        ("ci", "release"),
        ("dana", "rollback", "--env=staging"),
        ("ravi", "approve", digest, "--to=production"),
        ("lena", *waive),
        ("dana", "waivers", f"--withdraw={name}", "--reason=again"),
        ("ci", "waivers"),
        ("ci", "status"),
        ("ci", "approvals"),
    ):
        code, document, err = shop.run(person, *arguments)
        error = document.get("error") or {}
        assert (code, error.get("code")) == (ExitCode.UNABLE, "ledger.behind"), (document, err)
        assert document["changed"] is False
    assert path.read_bytes() == older
    assert shop.state() == before

    path.write_bytes(newest)
    assert shop.run("ci", "promote", "--to=dev")[0] == ExitCode.REFUSED
    assert shop.run("ci", "audit.verify")[0] == 0

    # Whoever accepts the loss is told the truth about it: the waiver counts again.
    path.write_bytes(older)
    path.with_name("ledger.head").rename(shop.root / "lost.head")
    code, document, _ = shop.run("ci", "waivers")
    assert (code, [each["state"] for each in document["waivers"]]) == (0, ["in-force"])
    code, document, err = shop.run("dana", "waivers", f"--withdraw={name}", "--reason=again")
    assert code == 0, (document, err)
    assert shop.run("ci", "promote", "--to=dev")[0] == ExitCode.REFUSED


def test_a_run_under_which_it_was_put_back_says_what_it_could_not_write_down(shop, tmp_path):
    digest = shop.ship("dev")
    path = ledger_of(shop)
    older = tmp_path / "older.db"
    shutil.copy(path, older)
    assert shop.run("ci", "promote", "--to=dev")[0] == 0
    size = len(shop.bench().ledger.entries())
    program = tmp_path / "replaced.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import shutil
            from sluiceway.runs import promote
            deploy = promote.deploy
            def replaced(*arguments):
                done = deploy(*arguments)
                shutil.copy({str(path)!r}, {str(tmp_path / "newest.db")!r})
                shutil.copy({str(older)!r}, {str(path)!r})
                return done
            promote.deploy = replaced
            from sluiceway.cli.program import main
            main()
            """
        )
    )
    run = subprocess.run(
        [sys.executable, str(program), "promote", "--to=staging", "--json"],
        cwd=shop.root,
        env={**os.environ, **shop.environ("dana")},
        capture_output=True,
        check=False,
        timeout=120,
    )
    document = json.loads(run.stdout)
    assert run.returncode == ExitCode.NEEDS_PERSON, document
    assert document["error"]["code"] == "run.unfinished-end"
    assert "ends with entry" in document["error"]["what"]
    assert "Put the newest ledger.db back" in document["error"]["remedy"]
    assert document["unrecorded"]["code"] == "ledger.behind"
    shutil.copy(tmp_path / "newest.db", path)
    assert shop.state()["tags"]["staging"] == digest
    ledger = shop.bench().ledger
    assert ledger.verify()[1] == ()
    assert len(ledger.entries()) == size + 1, (
        "the decision; nothing was written into the older copy"
    )
    assert shop.run("dana", "promote", "--to=staging")[0] == 0
    newest = shop.bench().ledger.entries(kinds=("deployed",), environment="staging")
    assert [entry.digest for entry in newest] == [digest]
