"""What changed between two catalogues: pure."""

from __future__ import annotations

from collections.abc import Iterable

from sluiceway.migrations.dryrun.records import Catalogue, Change

__all__ = ["described", "difference"]

_INSIDE = frozenset({"column", "constraint", "index", "policy", "trigger"})
"""Kinds that are part of a table: the last part of their name is their own."""


def difference(before: Catalogue, after: Catalogue) -> tuple[Change, ...]:
    """Return what was made, removed or altered, in order of kind and name.

    What came or went with its table is not named beside it.
    """
    changes = [
        Change(kind=kind, name=name, before=before.get((kind, name)), after=after.get((kind, name)))
        for kind, name in sorted({*before, *after})
        if before.get((kind, name)) != after.get((kind, name))
    ]
    made = _tables(change for change in changes if change.before is None)
    gone = _tables(change for change in changes if change.after is None)
    return tuple(change for change in changes if not _with_table(change, made, gone))


def _tables(changes: Iterable[Change]) -> set[str]:
    return {change.name for change in changes if change.kind in {"table", "view"}}


def _with_table(change: Change, made: set[str], gone: set[str]) -> bool:
    if change.kind not in _INSIDE:
        return False
    table = change.name.rsplit(".", 1)[0]
    return (change.before is None and table in made) or (change.after is None and table in gone)


def described(change: Change) -> list[str]:
    """Return a change as the lines of a diff: ``+``, ``-``, or both."""
    what = f"{change.kind} {change.name}"
    return [
        f"{sign} {what}{': ' if text else ''}{text}"
        for sign, text in (("-", change.before), ("+", change.after))
        if text is not None
    ]
