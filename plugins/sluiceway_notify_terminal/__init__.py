"""Notices for whoever sits at the terminal, and one JSON line each in a file if you like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway import events
from sluiceway.errors import SluicewayError
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, Notice, Project

__all__: list[str] = []

_NAME = "notify-terminal"


@hookimpl
def sluiceway_notify(project: Project, notice: Notice, settings: Mapping[str, Any]) -> None:
    """Emit the event ``notice`` and append to the file. Never raises, whatever fails."""
    from sluiceway_notify_terminal.lines import append, file_of

    events.emit("notice", notice=notice)
    try:
        path = file_of(project, settings)
        if path is not None:
            append(path, notice, project.environ)
    except SluicewayError as error:
        events.emit("notify.failed", plugin=_NAME, kind=notice.kind, reason=error.what)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check] | None:
    """Say whether the file, if there is to be one, can be written."""
    from sluiceway_notify_terminal.lines import examine

    return examine(project, settings)
