"""What a person sees. The only room that imports rich, and only when it paints.

:class:`Console` is what commands use; :func:`summary_markdown` is for the page of a CI job. What
is shown (:mod:`~sluiceway.console.tables`, :mod:`~sluiceway.console.outcomes`,
:mod:`~sluiceway.console.canary`) is apart from how (:mod:`~sluiceway.console.plain`,
:mod:`~sluiceway.console.painted`): pages are data, and both ways lay them out alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.console.facade import Console
from sluiceway.lazy import later

if TYPE_CHECKING:
    from sluiceway.console.markdown import scan_markdown, summary_markdown
    from sluiceway.console.rows import (
        CheckRow,
        EnvironmentRow,
        FindingRow,
        HistoryRow,
        PluginRow,
        StageRow,
    )

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

__getattr__ = later(
    __name__,
    {
        "CheckRow": "rows",
        "EnvironmentRow": "rows",
        "FindingRow": "rows",
        "HistoryRow": "rows",
        "PluginRow": "rows",
        "StageRow": "rows",
        "scan_markdown": "markdown",
        "summary_markdown": "markdown",
    },
)
