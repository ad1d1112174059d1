"""Starting somebody else's scanner: present, bounded in time, and deaf to what lies around.

Scanners read settings from the environment and from files beside what they scan, among them lists
of findings to leave out. Leaving out is for policies and waivers, which are seen; so a scanner is
started in an empty folder, without the variables that it would obey.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sluiceway import process
from sluiceway.errors import ActionFailed, PluginError
from sluiceway.scanning.report import ReportError

__all__ = ["environment", "needed", "run_scanner", "version_in"]

_SHOWN = 300  # characters of what a scanner complained
_PAINT = re.compile(r"\x1b\[[0-9;]*m")
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?[0-9A-Za-z.+-]*")


def needed(program: str, plugin: str, remedy: str) -> None:
    """Raise :class:`PluginError` with *remedy* when *program* is not on PATH (or no file)."""
    if process.which(program) is None:
        raise PluginError(
            f"{plugin} needs {program!r}, which is not on PATH",
            means="Nothing was scanned, which is not the same as nothing found.",
            remedy=remedy,
            code="plugin.tool",
        )


def environment(environ: Mapping[str, str], *prefixes: str, **values: str) -> dict[str, str]:
    """Return *environ* without the names that begin with one of *prefixes*, and with *values*.

    Nor are our secrets in it: settings in the tree, such as an ``.npmrc``, could have them sent.
    Prefixes are compared without regard to case, as npm reads its variables.
    """
    begins = tuple(prefix.casefold() for prefix in prefixes)
    given = process.without_secrets(environ)
    kept = {name: text for name, text in given.items() if not name.casefold().startswith(begins)}
    return {**kept, **values}


def run_scanner(
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: Path,
    env: Mapping[str, str],
    codes: frozenset[int] = frozenset({0}),
    hidden: Mapping[str, str] | None = None,
) -> process.Completed:
    """Run *argv* and return what it printed.

    Args:
        argv: The program and its arguments; never a secret.
        timeout: Seconds.
        cwd: A temporary folder.
        env: The whole environment.
        codes: The exit codes after which there is something to read.
        hidden: What must not be in a message, which may be attested, to what stands for it: places
            on this machine, secrets.

    Raises:
        ReportError: It did not end in time, or ended with a code other than *codes*. The message
            is a clause about the scanner: ``it ...``.
    """
    try:
        ended = process.run(argv, timeout=timeout, cwd=cwd, env=env, check=False)
    except ActionFailed as error:
        if error.code != "process.timeout":
            raise
        msg = f"it did not end within {timeout:g} s and was killed"
        raise ReportError(msg) from error
    if ended.code not in codes:
        said = process.redact(_PAINT.sub("", ended.stderr.strip() or ended.stdout.strip()))
        for place, name in {**(hidden or {}), str(cwd): "."}.items():
            said = said.replace(place, name)
        lines = [line for line in said.splitlines() if line.strip()]
        last = " ".join(lines[-1].split())[-_SHOWN:] if lines else "it printed nothing"
        msg = f"it ended with code {ended.code}: {last}"
        raise ReportError(msg)
    return ended


def version_in(printed: str) -> str:
    """Return the first version in *printed*.

    Raises:
        ReportError: There is none, so this is not the program that it should be.
    """
    found = _VERSION.search(printed)
    if found is None:
        msg = f"it does not say its version: {' '.join(printed.split())[:_SHOWN]!r}"
        raise ReportError(msg)
    return found[0]
