"""A report as GitHub workflow commands, which show up as annotations of a run. Pure.

Sources: GitHub's "Workflow commands for GitHub Actions"; how values are escaped is
``actions/toolkit``, ``packages/core/src/command.ts``.
"""

from __future__ import annotations

from collections.abc import Iterator

from sluiceway.model import Status
from sluiceway.scans.report import Match, Report
from sluiceway.scans.words import one_line
from sluiceway.words import counted

__all__ = ["limited", "workflow_command", "workflow_commands"]

_LEVELS = {
    "CRITICAL": "error",
    "HIGH": "error",
    "UNKNOWN": "warning",
    "MEDIUM": "warning",
    "LOW": "notice",
}
_MOST = 10
"""Annotations of one level that GitHub keeps of a step; what is more would be dropped unsaid."""
_LONGEST = 400


def workflow_commands(report: Report) -> tuple[str, ...]:
    """Return one command a line: the worst first, at most nine of a level and how many more.

    A scanner that did not complete is an error, packages that nobody judged are a warning.
    """
    commands: dict[str, list[str]] = {"error": [], "warning": [], "notice": []}
    for scanner in report.scanners:
        if scanner.status is not Status.OK:
            title = f"Scan by {scanner.tool}: {scanner.status.value}"
            commands["error"].append(workflow_command("error", title, scanner.summary))
    if not report.scanners:
        commands["error"].append(workflow_command("error", "Scan", "No scanner answered."))
    if report.uncovered:
        said = f"{counted(len(report.uncovered), 'package')} judged by no scanner, for example "
        commands["warning"].append(
            workflow_command("warning", "Scan coverage", said + report.uncovered[0])
        )
    for match in report.vulnerabilities:
        level = _LEVELS[match.severity]
        commands[level].append(
            workflow_command(level, f"{match.id} ({match.severity})", _said(match))
        )
    return tuple(
        line
        for level, lines in commands.items()
        for line in limited(level, lines, "Scan", "`invoke scan` lists all.")
    )


def limited(level: str, lines: list[str], title: str, all_of_them: str) -> Iterator[str]:
    """Yield at most ten of one level's commands, of which the last says how many more there are."""
    if len(lines) <= _MOST:
        yield from lines
        return
    yield from lines[: _MOST - 1]
    rest = counted(len(lines) - _MOST + 1, f"more {level}")
    yield workflow_command(level, title, f"And {rest}; {all_of_them}")


def _said(match: Match) -> str:
    fixed = ", ".join(match.fixed)
    where = f"{match.package} is affected" if match.package else "A package is affected"
    advice = f"fixed in {fixed}" if fixed else "no fixed version is known"
    return f"{where}: {match.summary or 'no summary'} ({advice})"


def workflow_command(level: str, title: str, message: str, *, file: str = "", line: int = 0) -> str:
    """Return one command; with a *file* (relative to the repository) it is shown at its *line*."""
    place = f"file={_property(file)},line={line}," if file else ""
    return f"::{level} {place}title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    line = one_line(text, _LONGEST)
    return line.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
