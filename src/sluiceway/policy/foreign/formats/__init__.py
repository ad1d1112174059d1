"""conftest's formats, each a function of results that returns the whole text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sluiceway.policy.foreign.formats import (
    azuredevops,
    github,
    json_text,
    junit,
    sarif,
    stdout,
    table,
    tap,
)
from sluiceway.policy.foreign.results import Checked
from sluiceway.record import Record

__all__ = ["FORMATS", "Style", "written"]


class Style(Record):
    """What some of the formats may be told."""

    suppress_exceptions: bool = False
    """``stdout`` leaves exceptions out; they are counted all the same."""
    show_skipped: bool = False
    """``stdout`` counts skipped tests in its last line."""
    junit_hide_message: bool = False
    """``junit`` names a test by its file alone."""
    github_hide_passed: bool = False
    """``github`` leaves out what passed as a whole; it is counted all the same."""


FORMATS: Mapping[str, Callable[[Sequence[Checked]], str]] = {
    "azuredevops": azuredevops.written,
    "github": github.written,
    "json": json_text.written,
    "junit": junit.written,
    "sarif": sarif.written,
    "stdout": stdout.written,
    "table": table.written,
    "tap": tap.written,
}
"""Name to function."""


def written(name: str, results: Sequence[Checked], style: Style) -> str:
    """Return *results* in the format *name*, one of :data:`FORMATS`."""
    if name == "stdout":
        return stdout.written(
            results,
            suppress_exceptions=style.suppress_exceptions,
            show_skipped=style.show_skipped,
        )
    if name == "github":
        return github.written(results, hide_passed=style.github_hide_passed)
    if name == "junit":
        return junit.written(results, hide_message=style.junit_hide_message)
    return FORMATS[name](results)
