"""Every command line in a page is one that Invoke would accept, and every command is documented."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from invoke.parser import Parser

from sluiceway.cli import namespace
from sluiceway.errors import ExitCode

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "plugins").glob("*/README.md"),
]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(invoke [^`]+)`")
# The repository's own tasks.py adds these to the namespace.
OWN_TASKS = {"test"}


def lines() -> list[tuple[str, str]]:
    """Return (page, arguments) of every `invoke` or `tools/run` command line."""
    found = []
    for page in PAGES:
        text = page.read_text()
        candidates = [
            line.removeprefix("$ ").split(" #")[0]
            for block in BLOCK.findall(text)
            for line in block.splitlines()
            if line.startswith("$ ")
        ]
        candidates += [" ".join(line.split()) for line in INLINE.findall(text)]
        for line in candidates:
            words = re.sub(r"^(\w+=\S+ )+", "", line)
            found += [
                (page.name, words.removeprefix(program))
                for program in ("invoke ", "./tools/run ", ".venv/bin/invoke ")
                if words.startswith(program)
            ]
    return sorted(set(found))


def remedies() -> list[tuple[str, str]]:
    """Return (file, arguments) of every `invoke` line that the code gives to a person."""
    files = [
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "plugins").rglob("*.py"),
        *(ROOT / "policies").rglob("*.rego"),
    ]
    found = {
        (file.name, re.sub(r"\{[^}]*\}", "x", " ".join(line.split())).removeprefix("invoke "))
        for file in files
        for line in INLINE.findall(file.read_text())
    }
    return sorted(found)


def parser() -> Parser:
    return Parser(contexts=namespace().to_contexts())


def test_there_are_command_lines_to_check():
    assert len(lines()) > 20


@pytest.mark.parametrize(("page", "line"), lines(), ids=lambda value: value)
def test_a_command_line_is_accepted(page, line):
    words = shlex.split(line)
    if words[0] in OWN_TASKS or words[0] in ("--list", "NAME", "TASK..."):
        return
    parser().parse_argv(words)


@pytest.mark.parametrize(("file", "line"), remedies(), ids=lambda value: value)
def test_a_remedy_is_a_command_that_exists(file, line):
    if line not in ("--list", "..."):
        parser().parse_argv(shlex.split(line))


def test_the_checker_refuses_what_does_not_exist():
    for line in ("promot --to=dev", "promote --too=dev"):
        with pytest.raises(Exception, match=r"promot|too"):
            parser().parse_argv(shlex.split(line))


def test_the_contract_lists_every_command_and_no_other():
    text = (ROOT / "docs" / "contract.md").read_text()
    table = text.split("## Commands")[1].split("\n## ")[0]
    listed = {
        name
        for row in re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
        for name in re.findall(r"`([\w.-]+)`", row)
    }
    assert listed == set(namespace().task_names)


@pytest.mark.parametrize("page", ["README.md", "docs/contract.md"])
def test_exit_codes_are_listed_whole(page):
    table = re.findall(r"^\| (\d+) \| (.+) \|$", (ROOT / page).read_text(), re.MULTILINE)
    assert [int(code) for code, _ in table] == sorted(int(code) for code in ExitCode)


def test_the_readme_has_the_two_commands_and_they_can_be_run():
    text = (ROOT / "README.md").read_text()
    assert "$ ./tools/run demo\n$ ./tools/run test\n" in text
    assert "demo" in namespace().task_names
    assert "def test(" in (ROOT / "tasks.py").read_text()
    assert (ROOT / "tools" / "run").stat().st_mode & 0o111
