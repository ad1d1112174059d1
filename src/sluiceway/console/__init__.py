"""What a person sees. The only room that imports rich, and only when it paints.

:class:`Console` is what commands use; :func:`summary_markdown` is for the page of a CI job. What
is shown (:mod:`~sluiceway.console.tables`, :mod:`~sluiceway.console.outcomes`,
:mod:`~sluiceway.console.canary`) is apart from how (:mod:`~sluiceway.console.plain`,
:mod:`~sluiceway.console.painted`): pages are data, and both ways lay them out alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.console.facade import Console
from sluiceway.console.rows import (
    CheckRow,
    EnvironmentRow,
    FindingRow,
    HistoryRow,
    PluginRow,
    StageRow,
)

if TYPE_CHECKING:
    from sluiceway.console.markdown import scan_markdown, summary_markdown

__all__ = [
    "CheckRow",
    "Console",
    "EnvironmentRow",
    "FindingRow",
    "HistoryRow",
    "PluginRow",
    "StageRow",
    "scan_markdown",
    "summary_markdown",
]


def __getattr__(name: str) -> Any:
    """Import what only the page of a CI job takes when it is asked for (PEP 562)."""
    if name not in {"scan_markdown", "summary_markdown"}:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from sluiceway.console import markdown

    return getattr(markdown, name)
