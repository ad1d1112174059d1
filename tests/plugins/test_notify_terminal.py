"""Notices as events and as a file of JSON lines."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import sluiceway_notify_terminal
from sluiceway import events
from sluiceway.model import CheckStatus, Notice, Project, to_json

NOTICE = Notice(
    kind="promoted",
    service="settlement",
    environment="dev",
    digest="sha256:" + "ab" * 32,
    previous="",
    run="r-1",
    actor="alice",
    at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
    summary="settlement is in dev\nand well",
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    environ = {"REGISTRY_PASSWORD": "s3cret-token"}
    return Project(service="s", root=tmp_path, state=tmp_path, environ=environ)


def notify(project: Project, notice: Notice = NOTICE, **settings: Any) -> list[events.Event]:
    seen: list[events.Event] = []
    with events.subscribed(seen.append):
        sluiceway_notify_terminal.sluiceway_notify(project, notice, settings)
    return seen


def test_a_notice_is_an_event(project: Project) -> None:
    (event,) = notify(project)
    assert (event.kind, event.data) == ("notice", {"notice": NOTICE})
    assert list(project.root.iterdir()) == []


def test_lines_are_appended_whole_with_secrets_out(project: Project) -> None:
    secret = replace(NOTICE, reason="the password s3cret-token", facts={"x": ["s3cret-token"]})
    notify(project, file="n.jsonl")
    notify(project, secret, file="n.jsonl")
    path = project.root / "n.jsonl"
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == to_json(NOTICE)
    assert second["reason"] == "the password ***"
    assert second["facts"] == {"x": ["***"]}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_crash_left_unfinished_spoils_no_other(project: Project) -> None:
    path = project.root / "n.jsonl"
    path.write_text('{"kind": "prom')
    notify(project, file="n.jsonl")
    broken, whole = path.read_text().splitlines()
    assert broken == '{"kind": "prom'
    assert json.loads(whole)["kind"] == "promoted"


def test_many_processes_append_without_mixing(project: Project) -> None:
    script = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from sluiceway.model import Notice
from sluiceway_notify_terminal.lines import append
for number in range(50):
    append(Path(sys.argv[1]), Notice(kind="k", service=sys.argv[2], environment="", digest="",
           previous="", run=str(number), actor="", at=datetime.now(UTC), summary="x" * 9000), {})
"""
    path = project.root / "n.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(path), name]) for name in ("a", "b")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for name in ("a", "b"):
        runs = [line["run"] for line in lines if line["service"] == name]
        assert runs == [str(number) for number in range(50)]


@pytest.mark.parametrize("settings", [{"file": "none/n.jsonl"}, {"file": "."}, {"fil": "x"}])
def test_what_cannot_be_written_is_told_and_stops_nothing(
    project: Project, settings: dict[str, Any]
) -> None:
    notice, failed = notify(project, **settings)
    assert notice.kind == "notice"
    assert failed.kind == "notify.failed"
    (line,) = sluiceway_notify_terminal.sluiceway_doctor(project, settings) or ()
    assert line.status is CheckStatus.FAIL
    assert line.remedy


def test_a_symbolic_link_is_not_followed(project: Project, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    (project.root / "n.jsonl").symlink_to(target)
    assert notify(project, file="n.jsonl")[1].kind == "notify.failed"
    assert target.read_text() == "untouched"


def test_doctor(project: Project) -> None:
    assert sluiceway_notify_terminal.sluiceway_doctor(project, {}) is None
    (line,) = sluiceway_notify_terminal.sluiceway_doctor(project, {"file": "n.jsonl"}) or ()
    assert line.status is CheckStatus.OK
    assert list(project.root.iterdir()) == []
