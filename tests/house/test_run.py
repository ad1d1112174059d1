"""tools/run, as it is, on a project small enough to be set up in seconds and without a network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "small"
version = "1"
"""

# A PEP 660 backend of the standard library: an editable wheel with a console script `invoke`.
BACKEND = """
import pathlib, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "small-1-py3-none-any.whl"
    info = "small-1.dist-info/"
    here = str(pathlib.Path(__file__).parent)
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        wheel.writestr("small.pth", here + "/src\\n" + here + "/plugins\\n")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\ninvoke = small:main\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""

INVOKE = """
import os, sys

def main():
    print("ran", *sys.argv[1:], "in", os.getcwd(), "with", sys.prefix)
    sys.exit(int(os.environ.get("SMALL_EXIT", "0")))
"""

# Stands where the policy engine's installer stands: leaves a trace of each call, and can be told
# to fail or to wait.
INSTALL = """
import os, pathlib, sys, time

trace = pathlib.Path(__file__).parents[2] / "trace"
with trace.open("a") as sink:
    sink.write("installed\\n")
time.sleep(float(os.environ.get("SMALL_WAIT", "0")))
if os.environ.get("SMALL_FAIL"):
    sys.exit("the library could not be had")
"""


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "a checkout"
    (root / "tools").mkdir(parents=True)
    for name in ("run", "set_up.py"):
        shutil.copy(ROOT / "tools" / name, root / "tools" / name)
    for name, text in {
        "pyproject.toml": PYPROJECT,
        "backend.py": BACKEND,
        "requirements.lock": "# nothing\n",
        "src/small.py": INVOKE,
        "plugins/sluiceway_policy_embedded/__init__.py": "",
        "plugins/sluiceway_policy_embedded/install.py": INSTALL,
        "plugins/sluiceway_policy_embedded/pins.py": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


# The machine's own interpreter: Debian's makes environments that cannot make further ones.
MACHINE_PYTHON = str(Path(sys.base_prefix) / "bin" / Path(sys.executable).resolve().name)


def start(project: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    base = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return subprocess.Popen(
        [project / "tools" / "run", *arguments],
        cwd="/",
        env={**base, "SLUICEWAY_PYTHON": MACHINE_PYTHON, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(project: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    process = start(project, *arguments, **environ)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def installs(project: Path) -> int:
    trace = project / "trace"
    return len(trace.read_text().splitlines()) if trace.exists() else 0


def test_first_run_sets_up_second_is_quiet_and_a_change_sets_up_again(project):
    first = run(project, "hello", "--json")
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"ran hello --json in {project} with {project / '.venv'}\n"
    assert "making .venv" in first.stderr

    second = run(project, "hello")
    assert (second.stderr, installs(project)) == ("", 1)

    with (project / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    third = run(project, "hello")
    assert "up to date" in third.stderr
    assert installs(project) == 2
    assert run(project, "hello").stderr == ""


def test_the_exit_code_is_the_tasks_own(project):
    assert run(project, "refuse", SMALL_EXIT="3").returncode == 3


def test_a_checkout_that_moved_is_set_up_again(project, tmp_path):
    run(project, "hello")
    moved = project.rename(tmp_path / "elsewhere")
    done = run(moved, "hello")
    assert done.returncode == 0, done.stderr
    assert f"with {moved / '.venv'}" in done.stdout


def test_a_failed_step_shows_its_reason_and_is_made_again(project):
    failed = run(project, "hello", SMALL_FAIL="1")
    assert failed.returncode == 5
    assert failed.stdout == ""
    assert "the library could not be had" in failed.stderr
    assert run(project, "hello").returncode == 0


def test_an_interrupted_set_up_is_made_again(project):
    process = start(project, "hello", SMALL_WAIT="60")
    deadline = time.monotonic() + 60
    while not installs(project) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode in (-signal.SIGINT, 130), err  # a shell shows both as 130
    assert "interrupted" in err
    done = run(project, "hello")
    assert done.returncode == 0, done.stderr
    assert "making .venv" in done.stderr


def test_two_terminals_at_once_set_up_once(project):
    first = start(project, "one", SMALL_WAIT="2")
    second = start(project, "two", SMALL_WAIT="2")
    answers = [process.communicate(timeout=120) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), answers
    assert installs(project) == 1
    assert "ran one" in answers[0][0]
    assert "ran two" in answers[1][0]
    assert sum("waiting" in err for _, err in answers) == 1, answers


def test_an_old_python_is_told_what_is_needed(project, tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 3.9\n")
    old.chmod(0o755)
    done = run(project, "hello", SLUICEWAY_PYTHON=str(old))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "3.9" in done.stderr
    assert "3.11 or newer is needed" in done.stderr
    assert not (project / ".venv").exists()


def test_a_machine_that_cannot_make_environments_is_told_the_remedy(project, tmp_path):
    # Debian's python3 without python3-venv: venv is there, ensurepip and pip are not.
    crippled = tmp_path / "python3"
    hide = (
        "import importlib.util as u, runpy, sys; find = u.find_spec; "
        "u.find_spec = lambda n, *a: None if n in ('ensurepip', 'pip') else find(n, *a); "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    crippled.write_text(
        f'#!/bin/sh\n[ "$1" = -I ] || exec {sys.executable} "$@"\n'
        f'shift\nexec {sys.executable} -I -c "{hide}" "$@"\n'
    )
    crippled.chmod(0o755)
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("sh", "cat", "cmp", "dirname", "readlink"):
        (bare / name).symlink_to(str(shutil.which(name)))
    done = run(project, "hello", SLUICEWAY_PYTHON=str(crippled), PATH=str(bare))
    assert done.returncode == 2, done.stderr
    assert "Remedy: sudo apt-get install python3-venv" in done.stderr
