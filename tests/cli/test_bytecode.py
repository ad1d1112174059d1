"""What was compiled once is kept, though Invoke would have none of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SWITCH = "PYTHONDONTWRITEBYTECODE"

# A program of its own: Invoke reads its flags when the commands are there already.
PROGRAM = """
import sys
from invoke.collection import Collection
from invoke.program import Program
from sluiceway.cli.command import command

@command
def probe(shell):
    print(sys.dont_write_bytecode)

Program(namespace=Collection(probe), binary="probe").run(["probe", "probe"])
"""


def started(folder, *arguments: str, **environ: str) -> str:
    base = {name: value for name, value in os.environ.items() if name != SWITCH}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**base, **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_commands_of_a_file_of_tasks_are_kept_compiled(tmp_path):
    (tmp_path / "tasks.py").write_text("from sluiceway.cli import namespace\n\nns = namespace()\n")
    started(tmp_path, "-m", "invoke", "--list", PYTHONPYCACHEPREFIX=str(tmp_path / "kept"))
    kept = {path.name.partition(".")[0] for path in (tmp_path / "kept").rglob("*.pyc")}
    assert {"command", "policies", "promoting"} <= kept


@pytest.mark.parametrize(
    ("options", "environ", "forbidden"),
    [((), {}, "False"), (("-B",), {}, "True"), ((), {SWITCH: "1"}, "True")],
)
def test_a_command_keeps_what_it_imports_unless_python_was_told_not_to(
    tmp_path, options, environ, forbidden
):
    assert started(tmp_path, *options, "-c", PROGRAM, **environ).strip() == forbidden
