"""Command lines: a flag is never taken for an argument that is still lacking."""

from __future__ import annotations

import json

import pytest
from invoke.program import Program

from sluiceway.cli import namespace, parsing

WITH_ARGUMENTS = (
    "approve",
    "waive",
    "flags.eval",
    "policy.eval",
    "policy.explain",
    "policy.new",
    "policy.upgrade",
)


def run(capsys, *words):
    code: object = 0
    try:
        Program(namespace=namespace(), binary="sluiceway").run(["sluiceway", *words])
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("command", WITH_ARGUMENTS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_shown_where_an_argument_is_lacking(capsys, command, flag):
    code, out, err = run(capsys, command, flag)
    assert code == 0
    assert out.startswith(f"Usage: sluiceway [--core-opts] {command}")
    assert "--json" in out
    assert not err


def test_help_is_shown_behind_other_flags_as_well(capsys):
    code, out, _ = run(capsys, "approve", "--to=production", "--help")
    assert (code, out.startswith("Usage")) == (0, True)


def test_a_misspelt_flag_is_named_and_no_argument(capsys):
    code, _, err = run(capsys, "waive", "--reson=x", "image.sbom")
    assert code == 2
    assert "'--reson'" in err
    assert "Did you mean --reason?" in err


def test_an_argument_that_is_not_there_is_named_with_where_to_look(capsys):
    code, _, err = run(capsys, "approve", "--to=production")
    assert code == 2
    assert "'digest'" in err
    assert "approve --help" in err


@pytest.mark.parametrize(
    ("words", "what", "remedy"),
    [
        (("promot", "--json"), "No idea what 'promot' is!", "Did you mean promote?"),
        (("promote", "--too=dev", "--json"), "No idea what '--too' is!", "Did you mean --to?"),
        (
            ("status", "--env=prod", "--json"),  # not --json, whose dashes alone are like it
            "No idea what '--env' is!",
            "`invoke status --help` has its flags.",
        ),
        (("--json", "status"), "No idea what '--json' is!", None),
        (
            ("promote", "staging", "--json"),
            "promote takes no 'staging' by itself.",
            "`invoke promote --help` has its flags.",
        ),
        (
            ("status", "promte", "--json"),
            "No idea what 'promte' is!",
            "Did you mean promote?",
        ),
        (("promote", "--to", "--json"), "--to needs a value and was given none.", ""),
        (
            ("flags.eval", "--json"),
            "'flags.eval' did not receive required positional arguments: 'name'.",
            "`invoke flags.eval --help` has the rest.",
        ),
    ],
)
def test_with_json_a_line_that_cannot_be_parsed_has_its_document(capsys, words, what, remedy):
    code, out, err = run(capsys, *words)
    document = json.loads(out)
    assert code == 2
    assert document["changed"] is False
    assert document["error"]["code"] == "usage"
    assert document["error"]["what"] == what
    assert remedy is None or document["error"]["remedy"] == remedy
    assert err.startswith(what)


def test_without_json_a_line_that_cannot_be_parsed_has_none(capsys):
    code, out, err = run(capsys, "promot", "--", "--json")
    assert (code, out) == (2, "")
    assert "Did you mean promote?" in err


@pytest.mark.parametrize("busy", ["open_closed", "usage_errors_exit_with_two"])
def test_whoever_interrupts_before_anything_began_ends_it_as_ever(capsys, monkeypatch, busy):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    where = "sluiceway.cli" if busy == "open_closed" else "sluiceway.cli.parsing"
    monkeypatch.setattr(f"{where}.{busy}", interrupted)
    assert run(capsys, "flags.list") == (130, "", "")


def test_whoever_interrupts_while_a_line_is_parsed_ends_it_as_ever(capsys, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(parsing, "_parse_argv", interrupted)
    assert run(capsys, "flags.list") == (130, "", "")


def every_command():
    root = namespace()
    return sorted(set(root.task_names) - {"migrations.record"})


@pytest.mark.parametrize("name", every_command())
def test_what_nobody_reads_is_refused_before_anything_is_done(tmp_path, capsys, monkeypatch, name):
    """`promote --to=staging -- --digest=...` promoted what `dev` holds, as if no digest had been said."""
    monkeypatch.chdir(tmp_path)
    words = ["x"] if name in WITH_ARGUMENTS else []
    code, out, _ = run(capsys, name, *words, "--json", "--", "--digest=sha256:a", "x y")
    assert code == 2
    document = json.loads(out)
    assert document["error"]["what"] == (
        "nothing is read behind --, and there is --digest=sha256:a x y"
    )
    assert document["changed"] is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "variable"),
    [
        *[
            (["--dry", name, *(["x"] if name in WITH_ARGUMENTS else [])], "")
            for name in every_command()
        ],
        (["promote", "--to=production", "-R"], ""),
        (["promote", "--to=production"], "1"),
    ],
    ids=" ".join,
)
def test_nothing_is_done_for_whoever_asks_invoke_to_do_nothing(
    tmp_path, capsys, monkeypatch, words, variable
):
    """`invoke --dry promote --to=production` promoted: Invoke's help says that it only echoes."""
    monkeypatch.chdir(tmp_path)
    if variable:
        monkeypatch.setenv("INVOKE_RUN_DRY", variable)
    code, out, _ = run(capsys, *words, "--json")
    assert code == 2
    document = json.loads(out)
    assert document["error"]["what"].startswith("--dry is Invoke's")
    assert document["changed"] is False
    assert list(tmp_path.iterdir()) == []
