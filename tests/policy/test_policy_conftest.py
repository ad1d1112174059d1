"""Policies written for conftest: the same findings, status and words as conftest itself.

What is compared is everything, but for what must differ:

* conftest's errors are its own words on stderr: only the status, and that stdout is empty;
* ``junit`` names a version of Go, ``sarif`` the tool: each names this program here;
* ``github`` and ``azuredevops`` give line breaks in a message as ``%0A`` here, where conftest
  leaves them to be read as further commands;
* ``github`` takes a message for a pattern of Go's ``Printf`` in conftest, so that a ``%`` in it
  spoils the words behind; here it stays;
* cases marked ``unordered`` are compared line by line, sorted, because conftest meets files and
  modules in random order.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.policy.conftest_cases import BAD, CASES, Case

from sluiceway import __version__
from sluiceway.errors import SluicewayError
from sluiceway.policy import Bundle, bundled_policies, load_bundle
from sluiceway.policy.foreign.run import run_check, run_verify
from sluiceway.policy.foreign.settings import conftest_settings, options
from sluiceway_policy_embedded.engine import EmbeddedEngine

ROOT = Path(__file__).parents[2]
FORMATS = ("stdout", "json", "table", "junit", "sarif", "github", "tap", "azuredevops")
SHORT = {"-n": "namespace", "-d": "data"}
FLAGS = {
    *("all_namespaces", "combine", "fail_on_warn", "github_hide_passed", "ignore_builtin_errors"),
    *("junit_hide_message", "no_fail", "quiet", "show_builtin_errors", "suppress_exceptions"),
}


def written(case: Case, folder: Path) -> list[str]:
    """Write the case below *folder* and return what to judge."""
    modules = case.policy if isinstance(case.policy, dict) else {"main.rego": case.policy}
    for name, text in {
        **{f"policy/{key}": each for key, each in modules.items()},
        **case.files,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return list(case.words or case.files)


def flags(arguments: tuple[str, ...]) -> dict[str, object]:
    """Return conftest's flags as options."""
    found: dict[str, object] = {}
    waiting = iter(arguments)
    for word in waiting:
        key = SHORT.get(word, word.lstrip("-").replace("-", "_"))
        found[key] = True if key in FLAGS else next(waiting)
    return found


def ours(engine: EmbeddedEngine, case: Case, words: list[str], form: str) -> tuple[int, str]:
    """Return the status and stdout of this program, run in the current folder."""
    given = flags((*case.arguments, *case.ours))
    given.pop("show_builtin_errors", None)  # which is how it is here
    chosen = options({}, {**given, "output": form})
    try:
        ran = run_check(engine, chosen, words, stdin=lambda: case.stdin)
    except SluicewayError:
        return 1, ""
    return ran.status, ran.text


def theirs(case: Case, words: list[str], form: str, folder: Path) -> tuple[int, str]:
    """Return the status and stdout of the real conftest."""
    argv = ["conftest", "test", "--no-color", "--output", form, *case.arguments, *words]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb"}
    ended = subprocess.run(
        argv, cwd=folder, input=case.stdin, env=environ, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout


def comparable(text: str, form: str, *, unordered: bool) -> object:
    """Return *text* without what must differ."""
    if form == "junit":
        text = re.sub(
            r'<property name="(go|sluiceway)\.version" value="[^"]*">', "<property>", text
        )
    if form == "sarif" and text:
        document = json.loads(text)
        driver = document["runs"][0]["tool"]["driver"]
        for key in ("name", "version", "informationUri"):
            driver.pop(key, None)
        text = json.dumps(document)  # keeps the order of keys
        if unordered:
            found = document["runs"][0]["results"]
            text = "\n".join(json.dumps({**each, "ruleIndex": 0}) for each in found)
    if unordered:
        return sorted(line.rstrip(",") for line in text.splitlines())
    return text


@pytest.mark.real_tool("conftest")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_conftest_says_the_same(
    engine: EmbeddedEngine, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = written(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    for form in FORMATS:
        status, text = ours(engine, case, words, form)
        real_status, real_text = theirs(case, words, form, tmp_path)
        assert (status, form) == (real_status, form)
        if form in {"github", "azuredevops"}:
            real_text = real_text.replace("one\n\n  two\nthree", "one%0A%0A  two%0Athree")
            real_text = real_text.replace("a   \n  b  \n\nc ", "a   %0A  b  %0A%0Ac ")
            real_text = real_text.replace("100%!s(MISSING)ure", "100% sure")
        assert comparable(text, form, unordered=case.unordered) == comparable(
            real_text, form, unordered=case.unordered
        ), form
    assert status == case.status


@pytest.mark.real_tool("conftest")
@pytest.mark.parametrize(
    "word", ["in", "./in", "in/", "to_in", "in/to_deep", "in/to_a.json", "in/../in", "{}/in"]
)
def test_links_are_called_by_what_they_lead_to(
    engine: EmbeddedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    files = {"in/a.json": '{"bad": true}', "in/deep/b.yaml": "bad: true\n", "out/c.json": "{}"}
    case = Case(name="links", files=files, words=(word.format(tmp_path),), unordered=True)
    words = written(case, tmp_path)
    for name, target in {
        "in/to_a.json": "a.json",
        "in/to_out.json": "../out/./c.json",
        "in/to_text": "deep/b.yaml",
        "in/to_link.json": "to_out.json",
        "in/to_deep": "deep",
        "in/up": "..",
        "in/absolute": str(tmp_path / "out"),
        "to_in": "in",
    }.items():
        (tmp_path / name).symlink_to(target)
    monkeypatch.chdir(tmp_path)
    status, text = ours(engine, case, words, "json")
    assert (status, comparable(text, "json", unordered=True)) == (
        1,
        comparable(theirs(case, words, "json", tmp_path)[1], "json", unordered=True),
    )


@pytest.mark.real_tool("conftest")
@pytest.mark.parametrize("target", ["nowhere.json", "lost.json"])
def test_a_link_that_leads_nowhere_is_no_silence(
    engine: EmbeddedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    case = Case(name="links", files={"in/a.json": "{}"}, words=("in",))
    words = written(case, tmp_path)
    (tmp_path / "in" / "lost.json").symlink_to(target)
    monkeypatch.chdir(tmp_path)
    assert ours(engine, case, words, "json") == (1, "")
    assert theirs(case, words, "json", tmp_path)[0] == 1
    ignoring = replace(case, arguments=("--ignore", "lost"))
    assert ours(engine, ignoring, words, "json")[0] == 0
    assert theirs(ignoring, words, "json", tmp_path)[0] == 0


@pytest.mark.real_tool("conftest")
@pytest.mark.parametrize(
    ("files", "environ"),
    [
        ({"conftest.toml": 'namespace = "other"'}, {}),
        ({"conftest.yaml": "namespace: [other]\nfail-on-warn: true\n"}, {}),
        ({"conftest.yml": "namespace: other,main"}, {}),
        ({"conftest.json": '{"Namespace": ["other"]}'}, {}),
        ({"conftest.env": "NAMESPACE=other"}, {}),
        ({"conftest.yaml": ""}, {}),
        ({"conftest.toml": "broken", "conftest.json": "{}"}, {}),
        ({"conftest.toml": 'namespace = "other"', "conftest.yaml": "broken: ["}, {}),
        ({"conftest.json": ""}, {}),
        ({"conftest.yaml": "- a"}, {}),
        ({"conftest.ini": "namespace=other"}, {}),
        ({"mine.yml": "namespace: other"}, {"CONFTEST_CONFIG_FILE": "mine.yml"}),
        ({"conftest.toml": ""}, {"CONFTEST_CONFIG_FILE": "nowhere.yml"}),
        ({"mine": 'namespace = "other"'}, {"CONFTEST_CONFIG_FILE": "mine"}),
        ({"conftest.toml": 'namespace = "other"'}, {"CONFTEST_NAMESPACE": "main"}),
    ],
)
def test_settings_are_found_where_conftest_finds_them(
    engine: EmbeddedEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    environ: dict[str, str],
) -> None:
    policies = {"a.rego": BAD, "b.rego": BAD.replace("main", "other")}
    case = Case(name="settings", policy=policies, files={"in.json": '{"bad": true}', **files})
    written(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    argv = ["conftest", "test", "--no-color", "-o", "json", "in.json"]
    ended = subprocess.run(
        argv,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        chosen = options(conftest_settings(tmp_path, environ), {"output": "json"})
        ran = run_check(engine, chosen, ["in.json"])
        status, text = ran.status, ran.text
    except SluicewayError:
        status, text = 1, ""
    assert (status, text) == (ended.returncode, ended.stdout)


def test_there_are_sixty_cases() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert len(names) >= 60


def test_formats_name_this_program(
    engine: EmbeddedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = written(CASES[0], tmp_path)
    monkeypatch.chdir(tmp_path)
    driver = json.loads(ours(engine, CASES[0], words, "sarif")[1])["runs"][0]["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("sluiceway", __version__)
    assert "sluiceway.version" in ours(engine, CASES[0], words, "junit")[1]


@pytest.mark.real_tool("conftest")
def test_conftest_judges_by_our_policies(
    engine: EmbeddedEngine, people: dict[str, object], tmp_path: Path
) -> None:
    tests = load_bundle([bundled_policies()], tests=True)
    passing = engine.evaluate(tests, "lib_test.promotion", {})
    refused = {**passing, "evidence": {}}
    (tmp_path / "site.json").write_text(json.dumps({"promotion": {"people": people}}))
    (tmp_path / "passing.json").write_text(json.dumps(passing))
    (tmp_path / "refused.json").write_text(json.dumps(refused))
    given = ("--policy", "policies", "--data", f"policies,{tmp_path / 'site.json'}")
    for name, status in (("passing", 0), ("refused", 1)):
        argv = ["conftest", "test", *given, "--namespace", "promotion", "--output", "json"]
        ended = subprocess.run(
            [*argv, str(tmp_path / f"{name}.json")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == status, ended.stdout + ended.stderr
    said = {each["metadata"]["code"] for each in json.loads(ended.stdout)[0]["failures"]}
    bundle = replace(staffed_data(people), digest="sha256:" + "5" * 64)
    found = engine.evaluate(bundle, "promotion.deny", refused)
    assert said == {each["code"] for each in found}
    assert said


@pytest.mark.real_tool("conftest")
def test_conftest_runs_our_tests() -> None:
    ended = subprocess.run(
        ["conftest", "verify", "--policy", "policies", "--output", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(json.loads(ended.stdout)) > 50


def staffed_data(people: dict[str, object]) -> Bundle:
    """Return our policies with people who have roles."""
    policies = load_bundle([bundled_policies()])
    return replace(
        policies,
        data={**policies.data, "promotion": {**policies.data["promotion"], "people": people}},
    )


TESTED = {
    "a.rego": 'package a\n\ndeny contains "x" if { input.x }\n',
    "a_test.rego": """package a_test

import data.a

test_denies if { a.deny == {"x"} with input as {"x": true} }
test_fails if { a.deny == {"y"} with input as {"x": true} }
test_twice if { true }
test_twice if { false }
test_false := false
todo_test_later if { false }
todo_other if { false }
not_a_test if { false }
""",
    "b_test.rego": "package b.c_test\n\ntest_fine if { true }\n",
}


@pytest.mark.real_tool("conftest")
@pytest.mark.parametrize("arguments", [(), ("-n", "b.*"), ("-n", "a_test")])
def test_conftest_verify_says_the_same(
    engine: EmbeddedEngine,
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written(Case(name="tests", policy=TESTED), tmp_path)
    monkeypatch.chdir(tmp_path)
    wanted = arguments[1:]
    for form in FORMATS:
        ran = run_verify(engine, options({}, {"output": form, "namespace": wanted}))
        ended = subprocess.run(
            ["conftest", "verify", "--no-color", "--output", form, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.status, form) == (ended.returncode, form)
        assert comparable(ran.text, form, unordered=True) == comparable(
            ended.stdout, form, unordered=True
        ), form
