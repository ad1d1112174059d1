"""A fact that waits for the end of its script: what a column is like then is part of it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sluiceway.migrations.records import Fact
from sluiceway.migrations.state.catalogue import Branch, ColumnState
from sluiceway.migrations.state.text import Statements
from sluiceway.record import Changing, Record

__all__ = ["At", "Draft", "as_json"]


class At(Record, kw_only=False):
    """The statement that a fact is about, to be read when somebody asks for the fact."""

    of: Statements
    number: int
    offset: int
    """Of the character on whose line it stands, in the script."""
    through: tuple[str, ...]


class Draft(Changing):
    """What is known of a fact where its statement stands."""

    values: dict[str, Any]
    column: ColumnState | None = None
    """Whose state at the end of the script decides ``nullable`` and ``default_at_end``."""
    at_once: bool = False
    """The statement itself needs a default: it fails on a table with rows otherwise, whatever
    follows (``ADD COLUMN ... NOT NULL``)."""
    branch: Branch = ()
    """Where its statement stands."""
    stays: bool = False
    """No ROLLBACK takes back what it is about."""
    at: At | None = None
    """What *values* do not hold yet: ``line``, ``statement`` and ``statement_hash``."""
    default: bool = False
    """There is a default when the statement ends."""
    settled: tuple[tuple[bool, bool], ...] = ()
    """``nullable`` and ``default_at_end`` as each end has seen them."""

    def settle(self) -> None:
        """Look at the column now, at the end of a script. Of several ends the worst counts."""
        column = self.column
        if column is None:
            return
        nullable = (column.gone or not column.demands) and self.runs_with(column.null_branch)
        default = column.gives and self.runs_with(column.default_branch)
        end = (False, False) if self.at_once and not self.default else (nullable, default)
        self.settled += (end,)
        # One end that is neither nullable nor has a default is enough to refuse.
        worst = min(self.settled, key=lambda end: end[0] or end[1])
        self.values["nullable"], self.values["default_at_end"] = worst

    def runs_with(self, branch: Branch) -> bool:
        """Say whether what stands in *branch* has run for sure when this statement has."""
        return self.branch[: len(branch)] == branch

    def whole(self) -> dict[str, Any]:
        """Return the fields of the fact."""
        if self.at is not None:
            at, self.at = self.at, None
            self.values.update(
                line=at.of.line(at.offset),
                statement=at.of.shown(at.number),
                statement_hash=at.of.hash(at.number, at.through),
            )
        return self.values


_DEFAULTS = {item.name: item.default for item in fields(Fact)}
_PLAIN = frozenset({str, bool, int})


def as_json(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a fact as policies read them: without what has its default value."""
    return {
        name: value if type(value) in _PLAIN else str(value)
        for name, value in values.items()
        if value != _DEFAULTS[name]
    }
