"""``policy.check FILE...``, ``policy.test --policy`` and ``policy.upgrade``, as they are typed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from invoke.program import Program

from sluiceway.cli import namespace
from sluiceway_policy_embedded.pins import pin_here

BAD = 'package main\n\ndeny contains "bad" if { input.bad }\n\nwarn contains "hm" if { input.hm }\n'
OLD = 'package main\n\ndeny[msg] {\n\tinput.bad\n\tmsg = "bad"\n}\n'

pytestmark = pytest.mark.skipif(pin_here() is None, reason="no OPA library for this machine")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "policy/a.rego": BAD,
        "bad.json": '{"bad": true}',
        "good.yaml": "bad: false\n",
        "hm.json": '{"hm": true}',
        "test.json": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words: str) -> int:
    """Return the exit code of a command line."""
    program = Program(namespace=namespace(), version="0")
    try:
        program.run(["invoke", *words])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--policy", "policy", "bad.json"), 3),
        (("--policy=policy", "good.yaml", "test.json"), 0),
        (("good.yaml", "bad.json", "--policy", "policy"), 3),
        (("good.yaml", "--quiet", "bad.json", "--exit-code=conftest"), 1),
        (("*.yaml",), 0),
        (("hm.json", "--fail-on-warn"), 3),
        (("hm.json", "bad.json", "--fail-on-warn", "--exit-code", "conftest"), 2),
        (("bad.json", "--no-fail"), 0),
        (("good.yaml", "--namespace", "other"), 2),
        (("good.yaml", "--namespace", "other", "--exit-code=conftest"), 0),
        (("nowhere.json",), 2),
        (("nowhere.json", "--exit-code=conftest"), 1),
        (("bad.json", "--output=tabel"), 2),
        (("bad.json", "--exit-code=theirs"), 2),
        (("bad.json", "--policies", "policy"), 2),
        (("--combine",), 2),
        (("bad.json", "--allow-builtins", "http.send"), 2),
    ],
)
def test_files_are_judged(folder: Path, words: tuple[str, ...], code: int) -> None:
    assert folder.is_dir()
    assert typed("policy.check", *words) == code


def test_stdin_and_json(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.is_dir()
    monkeypatch.setattr("sys.stdin", io.StringIO("bad: true\n"))
    assert typed("policy.check", "-", "--json") == 3
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == 1
    assert document["results"][0]["failures"] == [
        {"msg": "bad", "metadata": {"query": "data.main.deny"}}
    ]


def test_a_word_that_is_a_command_begins_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.is_dir()
    assert typed("policy.check", "good.yaml", "policy.check", "bad.json", "--output=json") == 3
    assert '"filename": "bad.json"' in capsys.readouterr().out


def test_foreign_tests_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests = "package main_test\n\nimport data.main\n\ntest_a if { count(main.deny) == %d with input as {} }\n"
    (folder / "policy" / "a_test.rego").write_text(tests % 0)
    assert typed("policy.test", "--policy", "policy") == 0
    assert "1 test, 1 passed" in capsys.readouterr().out
    (folder / "policy" / "a_test.rego").write_text(tests % 1)
    assert typed("policy.test", "--policy", "policy") == 3
    assert typed("policy.test", "--policy", "policy", "--exit-code=conftest") == 1
    assert typed("policy.test", "--policy", "policy", "--only", "nothing") == 2
    assert typed("policy.test", "--output", "json") == 2


def test_upgrade_shows_and_writes_only_when_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "policy" / "a.rego"
    path.write_text(OLD)
    path.chmod(0o640)
    assert typed("policy.check", "bad.json") == 2
    assert "invoke policy.upgrade policy" in capsys.readouterr().err
    assert typed("policy.upgrade", "policy") == 0
    said = capsys.readouterr().out
    assert "-deny[msg] {\n+deny contains msg if {\n" in said
    assert "nothing was written" in said
    assert path.read_text() == OLD
    assert typed("policy.upgrade", "policy", "--write") == 0
    assert path.read_text() == OLD.replace("deny[msg] {", "deny contains msg if {")
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["a.rego"]
    assert typed("policy.check", "bad.json") == 3
    capsys.readouterr()
    assert typed("policy.upgrade", "policy") == 0
    assert capsys.readouterr().out == "0 files would change; nothing was written, 1 v1 already\n"


def test_upgrade_leaves_what_it_cannot_make_v1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "policy" / "b.rego").write_text("package b\n\nevery[x] { x = 1 }\n")
    (folder / "policy" / "a.rego").write_text(OLD)
    assert typed("policy.upgrade", "policy", "--write", "--json") == 5
    document = json.loads(capsys.readouterr().out)
    assert document["upgraded"] == ["policy/a.rego"]
    assert list(document["left"]) == ["policy/b.rego"]
    assert (folder / "policy" / "b.rego").read_text() == "package b\n\nevery[x] { x = 1 }\n"
