"""Notices by webhook: Slack, Teams or plain JSON, delivered beside the release, never before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway import events
from sluiceway.errors import SluicewayError
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, Notice, Project

__all__: list[str] = []

_NAME = "notify-webhook"


@hookimpl
def sluiceway_notify(project: Project, notice: Notice, settings: Mapping[str, Any]) -> None:
    """Hand the notice to the delivery thread and return at once. Never raises, whatever fails."""
    from sluiceway_notify_webhook.options import read_options

    try:
        options = read_options(project, settings)
    except SluicewayError as error:
        events.emit("notify.failed", plugin=_NAME, kind=notice.kind, reason=error.what)
        return
    if options.url and notice.kind in options.kinds:
        from sluiceway_notify_webhook.delivery import submit
        from sluiceway_notify_webhook.message import compose

        submit(compose(notice, options, project.environ))


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check] | None:
    """Look at the address; nothing is sent."""
    from sluiceway_notify_webhook.options import examine

    return examine(project, settings)
