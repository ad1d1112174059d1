"""How ``invoke scan`` says what it found: a table, or a document for another program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.cli.command import Shell
from sluiceway.cli.github import write_scan_summary
from sluiceway.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sluiceway.scans import Report

__all__ = ["FORMATS", "FORMAT_HELP", "chosen_format", "show_scan"]

FORMATS = ("table", "json", "sarif", "github")
FORMAT_HELP = "table (the default), json, sarif (2.1.0) or github (annotations of a workflow run)."


def chosen_format(shell: Shell, word: str) -> str:
    """Return the format that *word* and ``--json`` ask for, before anything is done.

    Raises:
        UsageError: ``scan.format`` for an unknown one (naming the nearest), or for two at once.
    """
    chosen = word or ("json" if shell.as_json else "table")
    if chosen not in FORMATS:
        from sluiceway.config.settings import nearest

        guess = nearest(chosen, FORMATS)
        raise UsageError(
            f"there is no format {word!r}",
            remedy=f"Did you mean --format={guess}?"
            if guess
            else f"Use one of {', '.join(FORMATS)}.",
            code="scan.format",
        )
    if shell.as_json and chosen != "json":
        raise UsageError(
            f"--json and --format={chosen} ask for two documents",
            remedy="Leave one of them out.",
            code="scan.format",
        )
    if chosen == "json":
        shell.speak_json()
    return chosen


def show_scan(
    shell: Shell, chosen: str, report: Report, *, subject: str, artifact: str, more: dict[str, Any]
) -> ExitCode:
    """Print *report* in the *chosen* format and return the exit code that it deserves.

    Args:
        shell: The command's.
        chosen: Of :func:`chosen_format`.
        report: What all scanners said.
        subject: What a person calls the image or tree.
        artifact: The file of the repository that SARIF shows results at.
        more: What the JSON document has beside ``clean`` and ``report``.
    """
    from sluiceway import scans

    if chosen == "sarif":
        shell.console.result(scans.sarif_log(report, artifact))
    elif chosen == "github":
        commands = scans.workflow_commands(report)
        shell.console.verbatim("".join(f"{line}\n" for line in commands))
    else:
        shell.result(
            {**more, "clean": report.clean, "report": report},
            lambda console: console.scans(subject, report),
        )
    write_scan_summary(subject, report)
    return ExitCode.DONE if report.clean else ExitCode.REFUSED
