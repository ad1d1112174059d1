"""What is shown, apart from how: a page is lines, pairs and grids of cleaned text with a tone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from sluiceway.console.text import clean, width_of
from sluiceway.record import Record

__all__ = ["Block", "Cell", "Column", "Grid", "Line", "Pairs", "Page", "Tone", "cell", "fit"]


class Tone(StrEnum):
    """What a text is, from which its colour follows. Plain output has the words alone."""

    PLAIN = ""
    STRONG = "strong"
    DIM = "dim"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


class Cell(Record):
    """One text, already cleaned; made by :func:`cell`."""

    text: str
    tone: Tone = Tone.PLAIN


def cell(value: Any, tone: Tone = Tone.PLAIN) -> Cell:
    """Return *value* as a cell: ``None`` is empty, everything else is cleaned text."""
    return Cell(text="" if value is None else clean(value), tone=tone)


class Line(Record):
    """One paragraph, indented by *indent* cells."""

    cell: Cell
    indent: int = 0

    @classmethod
    def of(cls, value: Any, tone: Tone = Tone.PLAIN, indent: int = 0) -> Line:
        """Make a line of anything that has a text."""
        return cls(cell=cell(value, tone), indent=indent)


class Pairs(Record):
    """Labels and their values."""

    items: tuple[tuple[str, Cell], ...]

    @classmethod
    def of(cls, items: Iterable[tuple[str, Any]]) -> Pairs:
        """Make pairs of labels and values; a value may be a :class:`Cell` already."""
        return cls(
            items=tuple(
                (clean(label), value if isinstance(value, Cell) else cell(value))
                for label, value in items
            )
        )


class Column(Record):
    """One column of a grid."""

    title: str
    minimum: int = 4
    """Cells below which the column becomes unreadable; the grid is then stacked instead."""
    right: bool = False


class Grid(Record):
    """Rows under columns; stacked, one value a line, where the columns do not fit."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    spaced: bool = False
    """An empty line between rows: for rows of several lines."""

    @property
    def titled(self) -> bool:
        """Some column has a title to show."""
        return any(column.title for column in self.columns)


Block = Line | Pairs | Grid
Page = Sequence[Block]


def fit(grid: Grid, width: int, gap: int) -> tuple[int, ...] | None:
    """Return the width of each column so that a row takes at most *width* cells.

    Args:
        grid: What to lay out.
        width: Cells of a whole row.
        gap: Cells between two columns.

    Returns:
        The widths, or ``None`` when the columns cannot be as wide as they have to be.
    """
    natural = [
        max(
            [width_of(column.title)]
            + [width_of(line) for row in grid.rows for line in row[index].text.split("\n")]
        )
        for index, column in enumerate(grid.columns)
    ]
    widths = [
        max(min(wanted, column.minimum), width_of(column.title))
        for wanted, column in zip(natural, grid.columns, strict=True)
    ]
    room = width - gap * (len(widths) - 1)
    if sum(widths) > room:
        return None
    # A word is never broken, so columns are first made as wide as their longest one: where that
    # is too much, all but the last, whose words disturb no other column.
    words = [
        max([given] + [width_of(word) for row in grid.rows for word in row[index].text.split()])
        for index, given in enumerate(widths)
    ]
    for wanted in (words, [*words[:-1], widths[-1]]):
        if sum(wanted) <= room:
            widths = wanted
            break
    left = room - sum(widths)
    while left > 0:
        needs = [wanted - given for wanted, given in zip(natural, widths, strict=True)]
        open_ones = [index for index, need in enumerate(needs) if need > 0]
        if not open_ones:
            break
        share = max(1, left // len(open_ones))
        for index in open_ones:
            given = min(share, needs[index], left)
            widths[index] += given
            left -= given
    return tuple(widths)
