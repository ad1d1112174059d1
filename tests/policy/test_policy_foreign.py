"""Foreign policies where conftest is silent, or allows what is not allowed here."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import ConfigurationError, SluicewayError, UsageError
from sluiceway.policy import EngineError
from sluiceway.policy.foreign.formats import FORMATS, Style, written
from sluiceway.policy.foreign.functions import allowed_builtins
from sluiceway.policy.foreign.judge import Judged
from sluiceway.policy.foreign.parsers import UNREAD, parse_text, parser_of
from sluiceway.policy.foreign.results import Checked, Finding
from sluiceway.policy.foreign.run import run_check, run_verify
from sluiceway.policy.foreign.settings import Options, conftest_settings, options
from sluiceway_policy_embedded.engine import EmbeddedEngine

V1 = "package main\n\ndeny contains msg if { %s }\n"


def check(
    engine: EmbeddedEngine, folder: Path, policy: str, document: Any = None, **more: Any
) -> Judged:
    (folder / "policy").mkdir()
    (folder / "policy" / "a.rego").write_text(policy)
    (folder / "in.json").write_text(json.dumps({} if document is None else document))
    chosen = Options(policy=(str(folder / "policy"),))
    return run_check(engine, chosen, [str(folder / "in.json")], **more).judged


@pytest.mark.parametrize(
    ("policy", "note"),
    [
        ("deny if { true }", "data.main.deny is a boolean, not a set"),
        ('deny := {"a": 1}', "data.main.deny is an object, not a set"),
        ("deny contains 1", "data.main.deny has a number where a message is due"),
        ("denies contains 1", "no rule judges in the namespace main"),
    ],
)
def test_what_conftest_passes_over_is_said(
    engine: EmbeddedEngine, tmp_path: Path, policy: str, note: str
) -> None:
    judged = check(engine, tmp_path, f"package main\n\n{policy}\n")
    assert [each for each in judged.notes if each.startswith(note)] == judged.notes
    assert judged.notes
    assert not any(each.failures for each in judged.results)


def test_v0_names_the_command(engine: EmbeddedEngine, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        check(engine, tmp_path, 'package main\n\ndeny[msg] { msg := "x" }\n')
    assert caught.value.code == "policy.v0"
    assert f"invoke policy.upgrade {tmp_path / 'policy'}" in caught.value.remedy


@pytest.mark.parametrize("name", ["time.now_ns()", "rand.intn(`a`, 3)", "opa.runtime()"])
def test_clock_and_chance_are_refused_until_allowed(
    engine: EmbeddedEngine, tmp_path: Path, name: str
) -> None:
    policy = V1 % f"_ := {name}; msg := `m`"
    with pytest.raises(EngineError) as caught:
        check(engine, tmp_path, policy)
    assert caught.value.code == "policy.forbidden"
    allowed = allowed_builtins([name.partition("(")[0]])
    (tmp_path / "second").mkdir()
    judged = check(engine, tmp_path / "second", policy, also=allowed)
    assert [each.message for each in judged.results[0].failures] == ["m"]


@pytest.mark.parametrize("name", ["http.send", "net.lookup_ip_addr", "count", "trace"])
def test_what_cannot_or_need_not_be_allowed(name: str) -> None:
    if name == "trace":
        assert "trace" in allowed_builtins([name])
        return
    with pytest.raises(UsageError) as caught:
        allowed_builtins([name])
    assert caught.value.code == "policy.forbidden"


def test_a_gate_never_gets_what_a_foreign_policy_may_use(engine: EmbeddedEngine) -> None:
    from sluiceway.policy import Bundle

    source = "package main\n\nnow := time.now_ns()\n"
    bundle = Bundle(modules={"a.rego": source}, data={}, digest="", origin="test")
    asked = engine.ask(bundle, "v := data.main.now", "", also=allowed_builtins(["time.now_ns"]))
    assert asked.found[0]["v"] > 0
    with pytest.raises(EngineError) as caught:
        engine.evaluate(bundle, "main.now", {})
    assert caught.value.code == "policy.forbidden"


def test_an_error_of_a_built_in_is_an_error(engine: EmbeddedEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        check(engine, tmp_path, V1 % "startswith(input.x, `a`); msg := `m`", {"x": 1})
    assert caught.value.code == "policy.builtin"


def lenient(engine: EmbeddedEngine, folder: Path, policy: str, document: Any) -> Judged:
    (folder / "a.rego").write_text(policy)
    (folder / "in.json").write_text(json.dumps(document))
    chosen = Options(policy=(str(folder),), ignore_builtin_errors=True)
    return run_check(engine, chosen, [str(folder / "in.json")]).judged


def test_an_error_of_a_built_in_is_undefined_when_told_so_and_is_said(
    engine: EmbeddedEngine, tmp_path: Path
) -> None:
    policy = V1 % "startswith(input.x, `a`); msg := `m`" + "\nwarn contains `w`\n"
    judged = lenient(engine, tmp_path, policy, {"x": 1})
    (result,) = judged.results
    assert not result.failures
    assert [each.message for each in result.warnings] == ["w"]
    (note,) = judged.notes
    assert note.startswith(f"{tmp_path / 'in.json'}: taken for undefined, as conftest does: ")
    assert "a.rego:3: eval_type_error: startswith" in note
    judged = lenient(engine, tmp_path, policy, {"x": "ab"})
    assert [each.message for each in judged.results[0].failures] == ["m"]
    assert not judged.notes


def test_other_errors_are_errors_all_the_same(engine: EmbeddedEngine, tmp_path: Path) -> None:
    conflict = V1 % "startswith(input.x, `a`); msg := f(1)" + "f(_) := 1\nf(_) := 2\n"
    with pytest.raises(EngineError, match="the evaluation failed") as caught:
        lenient(engine, tmp_path, conflict + "\nwarn contains f(2)\n", {"x": 1})
    assert caught.value.code == "policy.evaluation"
    assert caught.value.means == "Nothing was judged."


def test_an_error_names_the_flag_and_the_function_as_it_was_called(
    engine: EmbeddedEngine, tmp_path: Path
) -> None:
    with pytest.raises(EngineError) as caught:
        check(engine, tmp_path, V1 % "x := parse_config_file(`a.json`); msg := `m`")
    assert "eval_builtin_error: parse_config_file: " in caught.value.what
    assert "--ignore-builtin-errors" in caught.value.remedy


def test_a_lent_function_reports_its_errors(engine: EmbeddedEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read as json"):
        check(engine, tmp_path, V1 % "x := parse_config(`json`, `{`); msg := `m`")
    (tmp_path / "second").mkdir()
    with pytest.raises(EngineError, match="No such file"):
        check(engine, tmp_path / "second", V1 % "x := parse_config_file(`a.json`); msg := `m`")


def test_parsers_that_are_not_here_are_named() -> None:
    for name, parser in (("main.tf", "hcl2"), ("nginx.conf", "nginx"), ("Jenkinsfile", "groovy")):
        assert parser_of(name) == parser
        with pytest.raises(UsageError, match=parser) as caught:
            parse_text(parser, "", name)
        assert caught.value.code == "policy.parser"
    assert len(UNREAD) == 13


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        ("yaml", "a: [1\n"),
        ("yaml", "a: &x [*x]\n"),
        ("yaml", "a: .inf\n"),
        ("yaml", "? [a]\n: b\n"),
        (
            "yaml",
            "".join(
                f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 1}]\n" for n in range(9)
            ),
        ),
        ("json", "[NaN]"),
        ("json", "[" * 100_000),
        ("toml", "a = "),
        ("ini", "no delimiter\n"),
        ("ini", "[open\n"),
        ("properties", "a=${a}\n"),
        ("properties", "a=\\u12\n"),
        ("dotenv", "A='b\n"),
        ("dotenv", "no line\n"),
        ("xml", "<a>"),
        ("xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        ("yaml", "a: 1e999\n"),
        (
            "yaml",
            "a0: &a0 {}\n"
            + "".join(f"a{n}: &a{n} {{<<: [{f'*a{n - 1}, ' * 9}]}}\n" for n in range(1, 9)),
        ),
        ("toml", "a = inf"),
        ("toml", "a = nan"),
        ("dotenv", "A0=xxxx\n" + "".join(f"A{n}=$A{n - 1}$A{n - 1}\n" for n in range(1, 60))),
        ("dockerfile", ""),
        ("dockerfile", "FETCH x\n"),
        ("dockerfile", "RUN <<EOF\nx\n"),
    ],
)
def test_bad_input_has_a_message(parser: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_text(parser, text, "the file")
    assert caught.value.code == "policy.input"
    assert caught.value.what.startswith("the file cannot be read as")


def test_what_could_double_with_every_line_is_looked_at_once() -> None:
    text = "".join(f"a{n}=${{a{n + 1}}}${{a{n + 1}}}\n" for n in range(60))
    assert parse_text("properties", text, "f")["a0"] == "${a1}${a1}"


def test_a_document_type_brings_no_attributes() -> None:
    text = '<!DOCTYPE r [<!ATTLIST a b CDATA "x">]><r><a/><a b="y"/></r>'
    assert parse_text("xml", text, "f") == {"r": {"a": ["", {"-b": "y"}]}}


def test_what_is_nested_too_deep_has_a_message(engine: EmbeddedEngine, tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(600):
        deep = [deep]
    with pytest.raises(UsageError, match="nested too deep"):
        check(engine, tmp_path, V1 % "msg := `m`", [deep])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("parse_config(`json`, 5)", "AttributeError"),
        ("parse_config({}, `x`)", "TypeError"),
        ("parse_config_file(`pipe.json`)", "is no regular file"),
    ],
)
def test_a_lent_function_given_something_else_is_an_error(
    engine: EmbeddedEngine, tmp_path: Path, call: str, said: str
) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    policy = V1 % f"x := {call.replace('pipe', '../pipe')}; msg := `m`"
    with pytest.raises(EngineError, match=said):
        check(engine, tmp_path, policy)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("parse_config(`hcl2`, `a = 1`)", "needs conftest's parser hcl2, which is not here"),
        ("parse_config_file(`../main.tf`)", "needs conftest's parser hcl2, which is not here"),
        ("parse_combined_config_files([`../main.tf`])", "needs conftest's parser hcl2"),
        ("parse_config_file(`../bytes.yaml`)", "is not UTF-8"),
        ("parse_config_file(`../folder.yaml`)", "is no regular file"),
    ],
)
def test_what_conftest_could_read_is_never_taken_for_undefined(
    engine: EmbeddedEngine, tmp_path: Path, call: str, said: str
) -> None:
    (tmp_path / "main.tf").write_text("a = 1\n")
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\n")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "policy").mkdir()
    with pytest.raises(EngineError, match=said) as caught:
        lenient(engine, tmp_path / "policy", V1 % f"{call}.a == 1; msg := `m`", {})
    assert caught.value.code in {"policy.parser", "policy.input"}


def test_null_from_a_function_that_has_been_replaced_is_no_silence(
    engine: EmbeddedEngine, tmp_path: Path
) -> None:
    policy = V1 % "is_null(parse_config(`yaml`, ``)); msg := `m`"
    policy += "\nx if parse_config(`yaml`, ``) with parse_config as 1\n"
    with pytest.raises(EngineError, match="yields null"):
        lenient(engine, tmp_path, policy, {})


def test_a_test_that_needs_another_parser_fails(engine: EmbeddedEngine, tmp_path: Path) -> None:
    policy = "package main\n\ntest_a if parse_config(`hcl2`, `a = 1`).a == 1\n\ntest_b := true\n"
    (tmp_path / "a_test.rego").write_text(policy)
    chosen = Options(policy=(str(tmp_path),), ignore_builtin_errors=True)
    ran = run_verify(engine, chosen)
    assert [len(each.failures) for each in ran.judged.results] == [1, 0]
    assert ran.judged.notes == [
        "data.main.test_a: the text needs conftest's parser hcl2, which is not here"
    ]


def test_an_environment_file_does_not_see_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_WORD", "hush")
    assert parse_text("dotenv", "A=$SECRET_WORD\n", ".env") == {"A": ""}


@pytest.mark.parametrize(
    ("file", "environ", "flags", "expected"),
    [
        ("", {}, {}, {}),
        ('policy = "p"\nfail-on-warn = true', {}, {}, {"policy": ("p",), "fail_on_warn": True}),
        ('output = "tap"', {"CONFTEST_OUTPUT": "json"}, {}, {"output": "json"}),
        ('output = "tap"', {"CONFTEST_OUTPUT": "json"}, {"output": "table"}, {"output": "table"}),
        (
            "",
            {"CONFTEST_NAMESPACE": "a,b", "CONFTEST_QUIET": "true"},
            {},
            {"namespace": ("a", "b"), "quiet": True},
        ),
        ("trace = false", {"CONFTEST_REGO_VERSION": "v1"}, {}, {}),
    ],
)
def test_settings_come_from_flags_then_environment_then_file(
    tmp_path: Path,
    file: str,
    environ: Mapping[str, str],
    flags: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    (tmp_path / "conftest.toml").write_text(file)
    assert options(conftest_settings(tmp_path, environ), flags) == Options(**expected)


@pytest.mark.parametrize(
    "file",
    [
        "policy = 1",
        "quiet = 3",
        "a = ",
        "no_fail = true",
        'rego-version = "v0"',
        "strict = true",
        "a=" + "[" * 9999,
    ],
)
def test_settings_that_are_wrong_or_have_no_counterpart(tmp_path: Path, file: str) -> None:
    (tmp_path / "conftest.toml").write_text(file)
    with pytest.raises(ConfigurationError) as caught:
        conftest_settings(tmp_path, {})
    assert caught.value.code == "configuration.conftest"


def test_a_message_cannot_command_a_workflow() -> None:
    finding = Finding(message="a\n::add-mask::x\r##vso[task.complete]")
    results = [Checked(file="f", namespace="main", failures=(finding,))]
    for name in ("github", "azuredevops"):
        lines = written(name, results, Style()).splitlines()
        assert not [
            line for line in lines if line.startswith(("::add-mask", "##vso[task.complete"))
        ]


def test_a_name_cannot_command_a_pipeline() -> None:
    said = Finding(message="##vso[task.setvariable variable=a]b")
    result = Checked(
        file="f\n##vso[task.complete].json", namespace="main", skipped=(said,), successes=1
    )
    assert "##vso[" not in written("azuredevops", [result], Style())
    result = Checked(file="f\r\n::error::x.json", namespace="main", failures=(said,), successes=1)
    for name in FORMATS:
        lines = written(name, [result], Style()).splitlines()
        assert not [line for line in lines if line.startswith("::error::")]


def test_every_format_can_say_nothing() -> None:
    for name in FORMATS:
        assert isinstance(written(name, [], Style()), str)


def test_a_folder_that_is_not_there(engine: EmbeddedEngine, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("{}")
    with pytest.raises(SluicewayError) as caught:
        run_check(engine, Options(policy=(str(tmp_path / "none"),)), [str(tmp_path / "in.json")])
    assert caught.value.code == "policy.missing"
