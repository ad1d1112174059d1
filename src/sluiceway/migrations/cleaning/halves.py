"""Files whose forward half ends at a mark: node-pg-migrate, tern, rambler.

As in :mod:`.sections`, each is read as its tool reads it. What stands before the first mark runs by
none of them but tern, and is judged by all. Sources: node-pg-migrate ``sqlMigration.ts``, tern
``migrate/migrate.go``, rambler ``migration.go``.
"""

from __future__ import annotations

import re

from sluiceway.migrations.cleaning.edits import Draft
from sluiceway.migrations.records import Dialect, Maybe, Span
from sluiceway.migrations.statements import tokens

__all__ = ["MARKERS", "WORDS", "node_pg_migrate", "rambler", "tern"]

MARKERS: dict[str, re.Pattern[str]] = {
    "node-pg-migrate": re.compile(r"(?im)^\s*--[\s-]*up\s+migration"),
    "tern": re.compile(r"---- create above / drop below ----"),
    "rambler": re.compile(r"(?m)^-- rambler[ \t]*(?:up|down)[ \t\r]*$"),
}
"""What tells that a file is of a tool."""
WORDS = {"node-pg-migrate": "migration", "tern": "create above", "rambler": "rambler"}
"""A word of each mark, in small letters."""
_DOWN = re.compile(r"(?im)^\s*--[\s-]*down\s+migration")


def node_pg_migrate(draft: Draft, dialect: Dialect) -> None:
    """Leave out what node-pg-migrate takes for the way back, of which only the first mark counts."""
    up, down = MARKERS["node-pg-migrate"].search(draft.text), _DOWN.search(draft.text)
    if up is None or down is None:
        return
    end = up.start() if down.start() < up.start() else len(draft.text)
    _leave_out(draft, dialect, [(down.start(), end)], "node-pg-migrate (-- Down Migration)")


def tern(draft: Draft, dialect: Dialect) -> None:
    """Leave out what stands below tern's mark, wherever on a line that is."""
    mark = MARKERS["tern"].search(draft.text)
    if mark is None:
        return
    above = draft.text[: mark.start()].splitlines()
    if not any(line.strip() and not line.strip().startswith("--") for line in above):
        draft.problem(mark.start(), "tern refuses this file: it has no SQL above the mark")
        return
    alone = "---- tern: disable-tx ----" in draft.text
    draft.in_transaction = Maybe.NO if alone else Maybe.YES
    _leave_out(draft, dialect, [(mark.start(), len(draft.text))], "tern (drop below)")


def rambler(draft: Draft, dialect: Dialect) -> None:
    """Leave out what stands behind ``-- rambler down``, up to the next of its marks."""
    marks = list(re.finditer(r"(?m)^-- rambler(.*)$", draft.text))
    ends = [*(mark.start() for mark in marks[1:]), len(draft.text)]
    backward = [
        (mark.start(), end)
        for mark, end in zip(marks, ends, strict=True)
        if mark[1].strip() == "down"
    ]
    _leave_out(draft, dialect, backward, "rambler (-- rambler down)")


def _leave_out(draft: Draft, dialect: Dialect, backward: list[Span], where: str) -> None:
    """Blank the way back, unless the tool cuts it off inside of a quote or a comment."""
    edges = [edge for span in backward for edge in span]
    for kind, begin, end in tokens(draft.text, dialect):
        cut = next((edge for edge in edges if begin < edge < end), None)
        if kind in {"quoted", "comment"} and cut is not None:
            draft.problem(cut, f"{where} cuts the file inside of a quote or a comment")
            return
    for begin, end in backward:
        draft.leave_out(begin, end, f"the backward part of {where}")
    draft.blank(backward)
