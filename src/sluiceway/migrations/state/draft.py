"""A fact that waits for the end of its script: what a column is like then is part of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sluiceway.migrations.records import Fact
from sluiceway.migrations.state.catalogue import Branch, ColumnState

__all__ = ["Draft"]


@dataclass(slots=True)
class Draft:
    """What is known of a fact where its statement stands."""

    values: dict[str, Any]
    column: ColumnState | None = None
    """Whose state at the end of the script decides ``nullable`` and ``default_at_end``."""
    at_once: bool = False
    """The statement itself needs a default: it fails on a table with rows otherwise, whatever
    follows (``ADD COLUMN ... NOT NULL``)."""
    branch: Branch = ()
    """Where its statement stands."""
    default: bool = False
    """There is a default when the statement ends."""
    settled: list[tuple[bool, bool]] = field(default_factory=list)
    """``nullable`` and ``default_at_end`` as each end has seen them."""

    def settle(self) -> None:
        """Look at the column now, at the end of a script."""
        column = self.column
        if column is None:
            return
        nullable = (column.gone or not column.not_null) and self.runs_with(column.null_branch)
        default = column.default and self.runs_with(column.default_branch)
        if self.at_once and not self.default:
            self.settled.append((False, False))
        else:
            self.settled.append((nullable, default))

    def runs_with(self, branch: Branch) -> bool:
        """Say whether what stands in *branch* has run for sure when this statement has."""
        return self.branch[: len(branch)] == branch

    def fact(self) -> Fact:
        """Return the fact. Of several ends the worst counts."""
        if self.settled:
            # One end that is neither nullable nor has a default is enough to refuse.
            worst = min(self.settled, key=lambda end: end[0] or end[1])
            self.values["nullable"], self.values["default_at_end"] = worst
        return Fact(**self.values)
