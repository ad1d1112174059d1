"""``policy.check FILE...``, ``policy.test --policy`` and ``policy.upgrade``, as they are typed."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
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
        "lenient.toml": "no-fail = true\n",
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
        (("-p", "policy", "-n", "main", "-o", "tap", "bad.json"), 3),
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
        (("bad.json", "--no-color", "--show-builtin-errors", "--rego-version=v1"), 3),
        (("bad.json", "--rego-version", "v0"), 2),
        (("bad.json", "--ignore-builtin-errors", "--show-builtin-errors"), 2),
        (("bad.json", "--config-file", "nowhere.toml"), 2),
        (("bad.json", "-c", "lenient.toml"), 0),
        (("bad.json", "--strict"), 2),
        (("bad.json", "--allow-builtins", "http.send"), 2),
    ],
)
def test_files_are_judged(folder: Path, words: tuple[str, ...], code: int) -> None:
    assert folder.is_dir()
    assert typed("policy.check", *words) == code


@pytest.mark.parametrize("word", ["--strict", "--trace", "--update=x", "--proto-file-dirs"])
def test_a_flag_of_conftest_that_is_not_here_says_what_is(
    folder: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert folder.is_dir()
    assert typed("policy.check", "bad.json", word) == 2
    said = capsys.readouterr().err
    assert f"{word.partition('=')[0]} is not here. " in said
    assert "Did you mean" not in said


@pytest.mark.parametrize(
    "words",
    [
        ("policy.check", "good.yaml", "--", "bad.json"),
        ("policy.check", "--", "bad.json"),
        ("policy.check", "--policies=policy", "--", "bad.json"),
        ("policy.test", "--policy=policy", "--", "x"),
    ],
)
def test_nothing_behind_two_dashes_is_passed_over(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert typed(*words) == 2
    assert "nothing is read behind --" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["--quiet=false", "--all-namespaces=true"])
def test_a_flag_that_is_on_or_off_takes_no_value(
    folder: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert typed("policy.check", word, "good.yaml") == 2
    assert "takes no value" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "code"), [((), 3), (("-n", "a"), 0), (("-n", "a,b"), 3), (("-n", "[b]"), 3)]
)
def test_foreign_tests_are_chosen_by_their_packages(
    folder: Path, words: tuple[str, ...], code: int
) -> None:
    (folder / "policy" / "b_test.rego").write_text("package b\n\ntest_b := false\n")
    (folder / "policy" / "a_test.rego").write_text("package a\n\ntest_a := true\n")
    assert typed("policy.test", "--policy=policy", *words) == code
    (folder / "conftest.toml").write_text('namespace = "a"\n')
    assert typed("policy.test", "--policy=policy", *words) == (code if words else 0)


def test_data_that_is_a_policy_already_is_no_matter_for_a_note(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "other.rego").write_text("package other\n")
    assert typed("policy.check", "good.yaml", "-d", "policy/a.rego") == 0
    assert capsys.readouterr().err == ""
    assert typed("policy.check", "good.yaml", "-d", "other.rego") == 0
    assert "other.rego is neither JSON nor YAML" in capsys.readouterr().err


def test_foreign_tests_take_errors_of_built_ins_for_undefined_when_told_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "policy" / "a_test.rego").write_text(
        "package main_test\n\ntest_a if { not p }\n\ntest_b if { p }\n\ntest_c if { true }\n\n"
        "p if { startswith(1, input.x) with input.x as 1 }\n".replace(
            "startswith(1, input.x)", "startswith(input.x, `a`)"
        )
    )
    assert typed("policy.test", "-p", "policy", "-o", "json") == 3
    strict = json.loads(capsys.readouterr().out)
    assert [len(each.get("failures", [])) for each in strict] == [1, 1, 0]
    assert typed("policy.test", "-p", "policy", "-o", "json", "--ignore-builtin-errors") == 3
    told = capsys.readouterr()
    assert [len(each.get("failures", [])) for each in json.loads(told.out)] == [0, 1, 0]
    assert "taken for undefined, as conftest does" in " ".join(told.err.split())


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
    (folder / "policy" / "b.rego").write_text("package main\n\ndeny[msg] {\n")
    assert typed("policy.upgrade", "policy", "--write") == 5
    assert capsys.readouterr().out == "0 files written, 1 v1 already, 1 left as before\n"


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_upgrade_of_nothing_speaks_of_its_own_folder(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (folder / "empty").mkdir()
    assert typed("policy.upgrade", name) == 2
    said = capsys.readouterr().err
    assert name in said
    assert "--policy" not in said


def test_a_file_does_not_steer_the_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = folder / "policy" / "a.rego"
    policy.write_text("package main\n\ndeny contains input.bad\n")
    (folder / "bad.json").write_text(r'{"bad": "a\u001b[2Jb\u009b2Jc\rd"}')
    assert typed("policy.check", "bad.json") == 3
    assert "a\x1b[2Jb\x9b2Jc\rd\n" in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert typed("policy.check", "bad.json") == 3
    assert "a\ufffd[2Jb\ufffd2Jc\ufffdd\n" in capsys.readouterr().out


def test_upgrade_writes_all_or_nothing_and_keeps_links_and_line_ends(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = OLD.replace("\n", "\r\n").encode()
    (folder / "shared").mkdir()
    real, link = folder / "shared" / "a.rego", folder / "policy" / "a.rego"
    link.unlink()
    link.symlink_to("../shared/a.rego")
    real.write_bytes(old)
    (folder / "policy" / "z").mkdir()
    last = folder / "policy" / "z" / "z.rego"
    last.write_bytes(old)
    last.parent.chmod(0o500)
    if os.geteuid():
        assert typed("policy.upgrade", "policy", "--write") == 5
        assert "0 of 2 files are written" in capsys.readouterr().err
        assert (real.read_bytes(), last.read_bytes()) == (old, old)
    last.parent.chmod(0o700)
    assert typed("policy.upgrade", "policy", "--write") == 0
    new = old.replace(b"deny[msg] {", b"deny contains msg if {")
    assert (real.read_bytes(), last.read_bytes()) == (new, new)
    assert link.is_symlink()
    assert [each.name for each in real.parent.iterdir()] == ["a.rego"]


def test_upgrade_leaves_nothing_behind_when_the_disk_is_full(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "policy" / "a.rego").write_text(OLD)
    (folder / "policy" / "b.rego").write_text(OLD.replace("main", "b") + "# x\n" * 50_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        assert typed("policy.upgrade", "policy", "--write", "--json") == 5
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (folder / "policy" / "a.rego").read_text() == OLD
    assert sorted(each.name for each in (folder / "policy").iterdir()) == ["a.rego", "b.rego"]
    assert "0 of 2 files are written" in capsys.readouterr().out


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
