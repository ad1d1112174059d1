"""How ``invoke scan`` says what it found: a table, or a document for another program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.command import Shell
from sluiceway.cli.github import write_scan_summary
from sluiceway.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sluiceway.scans import Report

__all__ = ["FORMATS", "FORMAT_HELP", "chosen_format", "lock_files", "relative", "show_scan"]

_LOCK_FILES = {
    "npm": ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml"),
    "pypi": ("uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml", "requirements.txt"),
    "golang": ("go.mod",),
    "cargo": ("Cargo.lock",),
    "gem": ("Gemfile.lock",),
    "composer": ("composer.lock",),
    "maven": ("pom.xml",),
}

FORMATS = ("table", "json", "sarif", "github")
FORMAT_HELP = "table (the default), json, sarif (2.1.0) or github (annotations of a workflow run)."


def chosen_format(shell: Shell, word: str, code: str = "scan.format") -> str:
    """Return the format that *word* and ``--json`` ask for, before anything is done.

    Raises:
        UsageError: With *code*, for an unknown one (naming the nearest), or for two at once.
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
            code=code,
        )
    if shell.as_json and chosen != "json":
        raise UsageError(
            f"--json and --format={chosen} ask for two documents",
            remedy="Leave one of them out.",
            code=code,
        )
    if chosen == "json":
        shell.speak_json()
    return chosen


def show_scan(
    shell: Shell,
    chosen: str,
    report: Report,
    *,
    subject: str,
    artifact: str,
    more: dict[str, Any],
    by_ecosystem: Mapping[str, str] | None = None,
) -> ExitCode:
    """Print *report* in the *chosen* format and return the exit code that it deserves.

    Args:
        shell: The command's.
        chosen: Of :func:`chosen_format`.
        report: What all scanners said.
        subject: What a person calls the image or tree.
        artifact: The file of the repository that SARIF shows results at.
        by_ecosystem: Ecosystem to the file for its packages, where that is another one.
        more: What the JSON document has beside ``clean`` and ``report``.
    """
    from sluiceway import scans

    if chosen == "sarif":
        shell.console.result(scans.sarif_log(report, artifact, by_ecosystem))
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


def lock_files(folder: Path, root: Path) -> dict[str, str]:
    """Return ecosystem to the lock file of the tree at *folder* that its packages are shown at."""
    found = {
        ecosystem: next((folder / name for name in names if (folder / name).is_file()), None)
        for ecosystem, names in _LOCK_FILES.items()
    }
    return {name: relative(path, root) for name, path in found.items() if path is not None}


def relative(path: Path, root: Path) -> str:
    """Return *path* as it is named from the repository's root; its mere name from elsewhere."""
    if path.resolve().is_relative_to(root.resolve()):
        return path.resolve().relative_to(root.resolve()).as_posix()
    return path.name
