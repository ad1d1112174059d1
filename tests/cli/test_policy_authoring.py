"""What an author of policies sees: tests, checks, pages, a new rule."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sluiceway.policy import bundled_policies

POLICY = """package g

codes contains "one" if input.a

spare := 1
"""
TESTS = """package g_test

import data.g

asked(d) := found if found := g.codes with input as d

test_good if asked({"a": 1}) == {"one"}
"""
BAD = """
test_bad if {
	print("seen", 3)
	asked({"a": 1}) == {"one", "two"}
}

test_error if 1 / 0 == 1

todo_later if false
"""


@pytest.fixture
def folder(site):
    made = site.root / "mine"
    (made / "g").mkdir(parents=True)
    (made / "g" / "g.rego").write_text(POLICY)
    (made / "g" / "g_test.rego").write_text(TESTS)
    return made


def test_failures_show_both_sides(site, folder):
    path = folder / "g" / "g_test.rego"
    path.write_text(TESTS + BAD)
    code, told = site.run("policy.test", f"--policies={folder}")
    assert code == 3
    (failed,) = told["failed"]
    assert failed["compared"] == {
        "left": 'asked({"a": 1})',
        "operator": "==",
        "right": '{"one", "two"}',
        "actual": ["one"],
        "expected": ["one", "two"],
    }
    (error,) = told["errors"]
    assert error["compared"] is None
    _, out, _ = site.shown("policy.test", f"--policies={folder}")
    for text in (
        "FAIL  g_test.test_bad",
        'g/g_test.rego:11: asked({"a": 1}) == {"one", "two"}',
        "actual  expected",
        '"one"   "one"',
        "printed g/g_test.rego:10: seen 3",
        "ERROR  g_test.test_error",
        "g/g.rego: no test reaches line 5",
        "1 passed, 2 failed, 1 skipped",
    ):
        assert text in out
    _, out, _ = site.shown("policy.test", f"--policies={folder}", "--only=test_bad")
    assert "FAIL  g_test.test_bad" in out
    assert "no test reaches" not in out  # of a part of the tests


def test_the_bundled_policies_pass_with_every_line_covered(site):
    code, told = site.run("policy.test", "--coverage-floor=100")
    assert (code, told["failed"], told["coverage"]) == (0, [], 100.0)


def test_the_sites_settings_fail_no_test(site):
    more = {"promotion": {"canary_limits": {"minutes": 10}, "paths": {}}}
    (site.root / "data.json").write_text(json.dumps(more))
    code, told = site.run("policy.test", "--only=test_source_moved")
    assert (code, told["passed"], told["failed"]) == (0, 1, [])


def test_a_misspelt_key_of_the_sites_data_is_found(site):
    (site.root / "data.json").write_text('{"image": {"scan_max_age_hour": 4}}')
    code, told = site.run("policy.check")
    assert code == 3
    (problem,) = told["problems"]
    assert problem["code"] == "policy.unused-data"
    assert "did you mean scan_max_age_hours?" in problem["message"]


def test_pages_are_written_and_checked(site):
    code, told = site.run("policy.docs", "--check")
    assert code == 3
    assert {each["kind"] for each in told["different"]} == {"missing"}
    code, out, _ = site.shown("policy.docs")
    assert code == 0
    assert "docs/findings/index.md: written\n" in out
    assert (site.root / "docs" / "findings" / "index.md").is_file()
    assert site.run("policy.docs", "--check") == (0, {**told, "different": []})


def test_a_rule_is_begun_in_a_folder_of_ones_own_only(site):
    status, told = site.run("policy.new", "promotion.holiday")
    assert (status, told["error"]["code"]) == (2, "policy.bundled")
    assert f"cp -r {bundled_policies()} policies" in told["error"]["remedy"]
    assert not (bundled_policies() / "promotion" / "holiday").exists()
    mine = site.root / "mine"
    (mine / "g").mkdir(parents=True)
    (mine / "g" / "decision.rego").write_text(
        'package g\n\ndecision := {"deny": deny, "warn": set()}\n'
    )
    (mine / "g" / "deny.rego").write_text("package g\n\ndeny contains 1 if input.x\n")
    status, told = site.run("policy.new", "g.freeze", f"--policies={mine}")
    assert status == 0
    assert told["failing"] == []
    assert told["tested"] == ["g_test.test_freeze_holds_is_not_written_yet"]
    assert [Path(each).name for each in told["written"]] == ["freeze.rego", "freeze_test.rego"]
    status, told = site.run("policy.new", "g.freeze", f"--policies={mine}")
    assert (status, told["error"]["code"]) == (2, "policy.exists")
    _, out, _ = site.shown("policy.new", "g.holiday", f"--policies={mine}")
    assert f"`invoke policy.test --policies={mine}`" in " ".join(out.split()), (
        "not of the bundled ones"
    )


def test_a_rule_is_tested_by_itself_and_says_how_to_run_all(site):
    import shutil

    mine = site.root / "mine"
    shutil.copytree(bundled_policies(), mine)
    code, out, _ = site.shown("policy.new", "promotion.holiday", f"--policies={mine}")
    assert code == 0
    assert "promotion.holiday refuses everything until its condition is written." in out
    assert "promotion_test.test_" in out
    said = " ".join(out.split())
    assert "promotion_test.test_holiday_holds_is_not_written_yet passes" in said
    assert out.count("promotion_test.") == 1, "the others are not run"
    assert f"run all tests: `invoke policy.test --policies={mine}`" in said
    assert site.run("policy.check", f"--policies={mine}")[0] == 0
    code, told = site.run("policy.new", "promotion.easter", f"--policies={mine / 'promotion'}")
    assert (code, told["error"]["code"]) == (2, "policy.package")
    assert f"--policies={mine}" in told["error"]["remedy"]
    assert not list(mine.rglob("easter*"))


def test_watching_and_json_do_not_go_together(site, folder):
    status, told = site.run("policy.test", "--watch", f"--policies={folder}")
    assert status == 2
    assert "--watch" in told["error"]["what"]


def test_what_is_not_there_is_not_watched(site):
    code, _, err = site.shown("policy.test", "--watch", f"--policies={site.root / 'nowhere'}")
    assert code == 2
    assert "nowhere is not a folder of policies" in " ".join(err.split())


@pytest.mark.slow
def test_watching_runs_again_on_save_and_ends_with_130(folder, tmp_path):
    log = tmp_path / "log"
    script = "from sluiceway.cli.program import main; main()"
    with log.open("w") as out:
        watching = subprocess.Popen(
            [sys.executable, "-c", script, "policy.test", "--watch", f"--policies={folder}"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            shown(log, "1 passed, 0 failed", 1)
            (folder / "g" / "g_test.rego").write_text(TESTS + "\ntest_more := true\n")
            shown(log, "2 passed, 0 failed", 1)
            (folder / "g" / "g_test.rego").write_text(TESTS + "\ntest_half if {\n")
            shown(log, "policy.syntax", 1)
            (folder / "g" / "g_test.rego").write_text(TESTS)
            shown(log, "1 passed, 0 failed", 2)
            watching.send_signal(signal.SIGINT)
            assert watching.wait(30) == 130
        finally:
            if watching.poll() is None:
                watching.kill()
                watching.wait(30)
    assert "Traceback" not in log.read_text()


def shown(log, text, times):
    """Wait until *text* stands in the log so often."""
    for _ in range(600):
        if log.read_text().count(text) >= times:
            return
        time.sleep(0.1)
    pytest.fail(f"{text!r} is not shown {times} times:\n{log.read_text()}")
