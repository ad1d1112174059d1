"""Commands whose stdout or stderr is closed, full, or read by somebody who has gone."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sluiceway.cli.command import Shell
from sluiceway.console import Console
from sluiceway.errors import ExitCode, SluicewayError

_COMMAND = f"{sys.executable} -m sluiceway.cli.program"
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="/dev/full is Linux's")


def ended(tmp_path, line, *, config=True, **more):
    if config:
        (tmp_path / "sluiceway.toml").write_text('[service]\nname = "pay"\n')
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {_COMMAND} {line}"],
        cwd=tmp_path,
        env=environ | more,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize(
    ("command", "code"),
    [("flags.list --json", 0), ("flags.eval nope --json", 2), ("promot --json", 2)],
)
def test_a_closed_stream_changes_nothing(tmp_path, closed, command, code):
    done = ended(tmp_path, f"{command} {closed}")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if "--json" in command and ">&-" not in closed.replace("2>&-", ""):
        assert json.loads(done.stdout)


@needs_full
def test_a_full_stderr_changes_nothing(tmp_path):
    done = ended(tmp_path, "flags.eval nope --json 2>/dev/full")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "flag.unset"


@needs_full
@pytest.mark.parametrize("command", ["flags.list", "flags.list --json"])
def test_a_result_that_could_not_be_written_is_not_done(tmp_path, command):
    done = ended(tmp_path, f"{command} >/dev/full")
    assert done.returncode == ExitCode.UNABLE
    assert "output.unwritable" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@needs_full
def test_another_outcome_than_done_keeps_its_code(tmp_path):
    assert ended(tmp_path, "flags.eval nope --json >/dev/full").returncode == ExitCode.USAGE


@pytest.mark.parametrize("command", ["--help", "--list", "approve --help", "flags.list"])
def test_who_stops_reading_what_is_written_at_once_sees_no_trace(tmp_path, command):
    done = ended(tmp_path, f"{command} | true", PYTHONUNBUFFERED="1")
    assert (done.returncode, done.stderr) == (0, "")


@needs_full
def test_a_listing_that_could_not_be_written_is_not_done(tmp_path):
    done = ended(tmp_path, "--list >/dev/full", PYTHONUNBUFFERED="1")
    assert done.returncode == ExitCode.UNABLE
    assert "output.unwritable" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["--help", "approve --help", "flags.list --json"])
def test_who_stops_reading_changes_no_exit_code(tmp_path, command):
    done = ended(tmp_path, f"{command} | true")
    assert (done.returncode, done.stderr) == (0, "")


LOUD = """
import os
from sluiceway.hookspecs import hookimpl

print("at import")

@hookimpl
def sluiceway_flags():
    print("in a hook")
    os.write(1, b"past Python\\n")
    os.system("echo from a child")
    return {"SEEN": True}
"""


@pytest.fixture
def loud(tmp_path, monkeypatch):
    """A plugin that writes to stdout in every way there is, chosen for the stage ``flags``."""
    info = tmp_path / "site" / "acme_loud-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-loud\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sluiceway]\nflags-loud = acme_loud\n")
    (tmp_path / "site" / "acme_loud.py").write_text(LOUD)
    (tmp_path / "sluiceway.toml").write_text('[service]\nname = "pay"\n[stages]\nflags = "loud"\n')
    return {"PYTHONPATH": str(tmp_path / "site")}


SAID = ["at import", "in a hook", "past Python", "from a child"]


@pytest.mark.parametrize(
    ("command", "code"), [("flags.list --json", 0), ("flags.eval nope --json", 2)]
)
def test_what_a_plugin_prints_is_no_part_of_the_document(tmp_path, loud, command, code):
    done = ended(tmp_path, command, config=False, **loud)
    assert done.returncode == code
    document = json.loads(done.stdout)
    assert document.get("error", {}).get("code", "") == ("" if code == 0 else "flag.unset")
    assert [line for line in SAID if line in done.stderr] == SAID


@needs_full
def test_a_document_that_could_not_be_written_is_not_done_whatever_a_plugin_prints(tmp_path, loud):
    done = ended(tmp_path, "flags.list --json >/dev/full", config=False, **loud)
    assert done.returncode == ExitCode.UNABLE
    assert "output.unwritable" in done.stderr
    assert "Traceback" not in done.stderr


class Broken(io.StringIO):
    """A stream that takes nothing."""

    def __init__(self, number):
        super().__init__()
        self._number = number

    def write(self, _text):
        raise OSError(self._number, os.strerror(self._number))


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"changed": True}, ExitCode.NEEDS_PERSON),
        ({"changed": False}, ExitCode.UNABLE),
        ({}, ExitCode.UNABLE),
    ],
)
def test_what_was_changed_and_could_not_be_said_needs_a_person(monkeypatch, document, code):
    monkeypatch.setattr(sys, "stdout", Broken(errno.ENOSPC))
    shell = Shell(as_json=True, debug=False)
    shell.result(document)
    sys.stdout.close()
    with pytest.raises(SluicewayError, match="No space left on device") as caught:
        shell.heard()
    assert caught.value.exit_code == code


def test_progress_that_nobody_can_read_ends_no_run():
    out = io.StringIO()
    console = Console(stdout=out, stderr=Broken(errno.EPIPE), environ={})
    console.error({"code": "a.b", "what": "x", "means": "", "remedy": ""})
    console.note("y")
    console.result({"a": 1})
    assert json.loads(out.getvalue()) == {"a": 1}
