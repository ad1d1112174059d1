"""Which files are new: pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sluiceway.config.settings import nearest
from sluiceway.errors import UsageError
from sluiceway.migrations.records import Script

__all__ = ["split", "without"]


def split(
    scripts: Sequence[Script], *, since: str = "", new: str = ""
) -> tuple[tuple[Script, ...], tuple[Script, ...]]:
    """Return what is applied already and what is new.

    Args:
        scripts: All, in order.
        since: The last one that is applied, by its name or path.
        new: How many at the end are new; 1 when neither is said.

    Raises:
        UsageError: ``migration.since``, ``migration.new``.
    """
    if since and new:
        raise UsageError(
            "--since and --new say the same thing twice",
            remedy="Leave one of them out.",
            code="migration.new",
        )
    if since:
        return _after(scripts, since)
    number = int(new) if new.isascii() and new.isdigit() else 0
    if new and not 1 <= number <= len(scripts):
        raise UsageError(
            f"--new is {new!r}, and there are {len(scripts)} files",
            remedy=f"Give a number from 1 to {len(scripts)}.",
            code="migration.new",
        )
    at = len(scripts) - (number or 1)
    return tuple(scripts[:at]), tuple(scripts[at:])


def without(
    scripts: Sequence[Script], applied: Collection[str], where: str
) -> tuple[tuple[Script, ...], tuple[Script, ...]]:
    """Return those that *where* has, by their names, and those that it has not.

    Raises:
        UsageError: ``migration.applied``: it has others than these, or all of these.
    """
    strange = sorted(set(applied) - {script.name for script in scripts})
    if strange:
        raise UsageError(
            f"{where} has the migration {strange[0]!r}, which is not in this folder",
            means="What a new file would find there cannot be replayed from here.",
            remedy="Bring the folder up to date, or say what is new with --since or --new.",
            code="migration.applied",
        )
    new = tuple(script for script in scripts if script.name not in applied)
    if not new:
        raise UsageError(
            f"{where} has every migration of this folder",
            remedy="There is nothing to try.",
            code="migration.applied",
        )
    return tuple(script for script in scripts if script.name in applied), new


def _after(scripts: Sequence[Script], since: str) -> tuple[tuple[Script, ...], tuple[Script, ...]]:
    found = [
        index for index, script in enumerate(scripts) if since in {script.name, script.path}
    ] or [index for index, script in enumerate(scripts) if script.path.endswith(f"/{since}")]
    if len(found) != 1:
        guess = nearest(since, [script.name for script in scripts])
        raise UsageError(
            f"--since={since} names {'no migration' if not found else 'several migrations'}",
            remedy=f"Did you mean --since={guess}?" if guess else "Give a file's name or its path.",
            code="migration.since",
        )
    at = found[0] + 1
    if at == len(scripts):
        raise UsageError(
            f"nothing comes after {since}",
            remedy="Name the last migration that is applied already.",
            code="migration.since",
        )
    return tuple(scripts[:at]), tuple(scripts[at:])
