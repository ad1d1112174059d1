"""Which files of SQL differ from what they were at a commit of git."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sluiceway import process
from sluiceway.errors import UsageError

__all__ = ["changed"]

_SECONDS = 60.0
_USUAL = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


def changed(paths: Sequence[Path], base: str = "") -> tuple[Path, ...]:
    """Return the ``.sql`` files at or below *paths* that were changed or added since *base*.

    Counted from where the branch left *base*; what is not committed yet counts too. Without *base*
    the usual main branch is taken, and without one only what is not committed.

    Raises:
        UsageError: ``migrations.base``: git does not know *base*, or this is no work tree.
    """
    found: dict[Path, None] = {}
    for path in paths:
        folder = path if path.is_dir() else path.parent
        since = _since(folder, base)
        name = "." if path.is_dir() else path.name
        listed = _git(
            folder, "diff", "--name-only", "-z", "--relative", "--diff-filter=d", since, "--", name
        )
        new = _git(folder, "ls-files", "-z", "--others", "--exclude-standard", "--", name)
        for line in f"{listed or ''}{new or ''}".split("\0"):
            if line.lower().endswith(".sql"):
                found[folder / line] = None
    return tuple(sorted(found))


def _since(folder: Path, base: str) -> str:
    for name in (base,) if base else _USUAL:
        commit = _git(folder, "merge-base", "HEAD", name)
        if commit:
            return commit.strip()
    if base or not _git(folder, "rev-parse", "--verify", "HEAD"):
        raise UsageError(
            f"git finds nothing to compare {folder} with" + (f": {base!r}" if base else ""),
            means="So it cannot be said which files were changed.",
            remedy="Name a branch or commit that this work tree has: --base=origin/main.",
            code="migrations.base",
        )
    return "HEAD"


def _git(folder: Path, *arguments: str) -> str | None:
    if process.which("git") is None:
        return None
    completed = process.run(
        ["git", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false", *arguments],
        timeout=_SECONDS,
        cwd=folder,
        env=process.without_secrets(os.environ) | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        check=False,
    )
    return completed.stdout if completed.code == 0 else None
