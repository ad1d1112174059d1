"""The ``opa`` program as an engine, and everything that it may be instead."""

from __future__ import annotations

import stat
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import sluiceway_policy_cli
from sluiceway.errors import ConfigurationError
from sluiceway.model import CheckStatus
from sluiceway.policy import Bundle, EngineError

from .policy_engines_kit import INPUT, bundle, code_of, make_cli, project

GOOD = bundle("x := input.a + 1")
ENDLESS = """x := count([q |
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	q := a * b
	q < 0
])"""


def program(folder: Path, body: str) -> str:
    """Write a program that stands where OPA should; ``version`` is answered as OPA does."""
    file = folder / "not-opa"
    file.write_text(
        f"#!{sys.executable}\nimport os, sys, time, signal\n"
        "if sys.argv[1] == 'version':\n    print('Version: 1.20.9'); sys.exit()\n"
        f"{body}\n"
    )
    file.chmod(0o755)
    return str(file)


@pytest.mark.real_tool("opa")
def test_it_evaluates_and_knows_its_name(tmp_path: Path) -> None:
    engine = make_cli(tmp_path)
    assert engine.evaluate(GOOD, "g.x", {"a": 1}) == 2
    assert engine.name == "cli"
    assert engine.version.startswith("OPA 1.")
    engine.close()
    assert engine.evaluate(GOOD, "g.x", {"a": 2}) == 3  # a closed one begins again
    engine.close()
    engine.close()


@pytest.mark.real_tool("opa")
def test_what_it_writes_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    engine: Any = make_cli(tmp_path)
    engine.evaluate(GOOD, "g.x", INPUT)
    folder: Path = engine._folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(list(folder.iterdir())) == 2  # the bundle and the capabilities
    engine.evaluate(bundle("x := input.a + 1"), "g.x", INPUT)  # the same content again
    assert len(list(folder.iterdir())) == 2
    engine.close()
    assert not folder.exists()


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize("what", ["bundle", "capabilities", "gone", "mode"])
def test_whoever_changes_what_was_written_is_noticed(tmp_path: Path, what: str) -> None:
    engine: Any = make_cli(tmp_path)
    engine.evaluate(GOOD, "g.x", INPUT)
    (archive,) = engine._folder.glob("*.tar.gz")
    if what == "bundle":
        other = make_cli(tmp_path)
        other.evaluate(bundle("x := 99"), "g.x", INPUT)
        (foreign,) = other._folder.glob("*.tar.gz")  # type: ignore[attr-defined]
        archive.write_bytes(foreign.read_bytes())
        other.close()
    elif what == "capabilities":
        (engine._folder / "capabilities.json").write_text("{}")
    elif what == "gone":
        archive.unlink()
    else:
        engine._folder.chmod(0o777)
    assert code_of(engine, GOOD) == "policy.engine-untrusted"
    engine.close()


@pytest.mark.real_tool("opa")
def test_options_of_opa_in_the_environment_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPA_EVAL_FORMAT", "pretty")
    monkeypatch.setenv("OPA_EVAL_FAIL_DEFINED", "true")  # would end every decision with 1
    monkeypatch.setenv("OPA_EVAL_V0_COMPATIBLE", "true")
    engine = make_cli(tmp_path)
    assert engine.evaluate(GOOD, "g.x", {"a": 1}) == 2
    engine.close()


@pytest.mark.real_tool("opa")
def test_a_policy_without_end_is_killed(tmp_path: Path) -> None:
    engine = make_cli(tmp_path)
    engine.evaluate(bundle(ENDLESS), "g.y", {})  # written and vetted; y is undefined
    engine._deadline_seconds = 1.0  # type: ignore[attr-defined]
    started = time.monotonic()
    assert code_of(engine, bundle(ENDLESS)) == "policy.timeout"
    assert time.monotonic() - started < 30
    assert not [each for each in psutil.Process().children() if each.name() == "opa"]
    engine.close()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("print('<html>')", "policy.crashed"),
        ("print('[]')", "policy.crashed"),
        ("sys.exit(0)", "policy.crashed"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "policy.crashed"),
        ("print('{}'); sys.exit(2)", "policy.evaluation"),
        ('print(\'{"errors": [{"message": "no"}]}\')', "policy.evaluation"),
        ('print(\'{"errors": ["no"]}\'); sys.exit(2)', "policy.evaluation"),
        ("print('[' * 100000)", "policy.crashed"),
        ("print('{\"result\": []}')", "policy.crashed"),
        ('print(\'{"result": [{"expressions": []}]}\')', "policy.crashed"),
        ("print('{\"result\": true}')", "policy.crashed"),
    ],
)
def test_a_program_that_is_not_opa_refuses(tmp_path: Path, body: str, code: str) -> None:
    """Whichever question gets the strange answer: capabilities, trees or the evaluation."""
    engine = make_cli(tmp_path, program=program(tmp_path, body))
    assert code_of(engine, GOOD) == code
    engine.close()
    trees = '{"result": [{"bindings": {"trees": {"g/rule.rego": {"package": {"path": []}}}}}]}'
    asked = (
        "if sys.argv[1] == 'capabilities':\n    print('{\"builtins\": []}'); sys.exit()\n"
        f"if '--bundle' not in sys.argv:\n    print({trees!r}); sys.exit()\n"
    )
    engine = make_cli(tmp_path, program=program(tmp_path, asked + body))
    assert code_of(engine, GOOD) == code
    engine.close()


def test_a_program_that_hangs_is_killed(tmp_path: Path) -> None:
    engine = make_cli(tmp_path, program=program(tmp_path, "time.sleep(3600)"), deadline_seconds=1.0)
    assert code_of(engine, GOOD) == "policy.timeout"
    engine.close()


@pytest.mark.parametrize("said", ["Version: 1.19.4", "Version: 0.70.0", "hello", "Version: 1.2"])
def test_another_release_is_refused(tmp_path: Path, said: str) -> None:
    file = tmp_path / "opa"
    file.write_text(f"#!/bin/sh\necho '{said}'\n")
    file.chmod(0o755)
    engine = make_cli(tmp_path, program="./opa")
    assert code_of(engine, GOOD) == "policy.engine-version"
    with pytest.raises(EngineError):
        _ = engine.version


def test_one_that_is_gone_in_between_refuses(tmp_path: Path) -> None:
    path = Path(program(tmp_path, "print('{}')"))
    engine = make_cli(tmp_path, program=str(path))
    path.unlink()
    assert code_of(engine, GOOD) == "policy.engine-missing"


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize("name", ["../up.rego", "/etc/x.rego", "a/../../b.rego", "data.json"])
def test_a_module_is_written_nowhere_else(tmp_path: Path, name: str) -> None:
    engine = make_cli(tmp_path)
    odd = Bundle(modules={name: "package g\n\nx := 1\n"}, data={}, digest="", origin="test")
    assert code_of(engine, odd) == "policy.layout"
    engine.close()


def test_without_the_program_there_is_no_engine(tmp_path: Path) -> None:
    here = project(tmp_path)
    for settings in ({"program": "no-such-opa"}, {"program": "./no-such-opa"}):
        hook = sluiceway_policy_cli.sluiceway_policy_engine
        assert hook(project=here, settings=settings) is None
        (check,) = sluiceway_policy_cli.sluiceway_doctor(project=here, settings=settings)
        assert check.status is CheckStatus.FAIL
        assert "openpolicyagent.org" in check.remedy


def test_one_that_nobody_asked_for_and_is_not_there_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (check,) = sluiceway_policy_cli.sluiceway_doctor(project=project(tmp_path), settings={})
    assert check.status is CheckStatus.OK
    assert "not installed" in check.detail


@pytest.mark.real_tool("opa")
def test_the_doctor_lets_it_evaluate(tmp_path: Path) -> None:
    (check,) = sluiceway_policy_cli.sluiceway_doctor(project=project(tmp_path), settings={})
    assert check.status is CheckStatus.OK, check.detail
    (tmp_path / "opa").write_text("#!/bin/sh\necho 'Version: 1.20.0'\n")
    (tmp_path / "opa").chmod(0o755)
    (check,) = sluiceway_policy_cli.sluiceway_doctor(
        project=project(tmp_path), settings={"program": "./opa"}
    )
    assert check.status is CheckStatus.FAIL


@pytest.mark.parametrize(
    "settings", [{"deadline_seconds": 0.0}, {"deadline_seconds": 601.0}, {"programme": "opa"}]
)
def test_wrong_settings_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        sluiceway_policy_cli.sluiceway_policy_engine(project=project(tmp_path), settings=settings)
