"""A page as rich renderables: the same layout as plain text, with calm colours and fine lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.console.page import Block, Cell, Grid, Line, Page, Pairs, Tone, fit

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.text import Text

__all__ = ["paint"]

_STYLES = {
    Tone.PLAIN: "",
    Tone.STRONG: "bold",
    Tone.DIM: "dim",
    Tone.GOOD: "green",
    Tone.WARN: "yellow",
    Tone.BAD: "red",
}
_GAP = 3


def paint(page: Page, width: int) -> Group:
    """Return *page* for a terminal of *width* cells. No text is read as markup."""
    from rich.console import Group

    return Group(*(_block(block, width) for block in page))


def _text(cell: Cell) -> Text:
    from rich.text import Text

    return Text(cell.text, style=_STYLES[cell.tone], overflow="fold")


def _block(block: Block, width: int) -> RenderableType:
    match block:
        case Line():
            if not block.indent:
                return _text(block.cell)
            from rich.padding import Padding

            return Padding(_text(block.cell), (0, 0, 0, block.indent), expand=False)
        case Pairs():
            return _pairs(block.items, indent=2)
        case Grid():
            return _grid(block, width)


def _pairs(items: tuple[tuple[str, Cell], ...], indent: int) -> RenderableType:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, overflow="fold")
    table.add_column(overflow="fold")
    for label, value in items:
        table.add_row(Text(label, style="dim"), _text(value))
    return Padding(table, (0, 0, 0, indent), expand=False)


def _grid(grid: Grid, width: int) -> RenderableType:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    widths = fit(grid, width, _GAP)
    if widths is None:
        stacked: list[RenderableType] = []
        for row in grid.rows:
            pairs = tuple(
                (column.title, item)
                for column, item in zip(grid.columns, row, strict=True)
                if item.text
            )
            stacked += [Text(""), _pairs(pairs, indent=0)]
        return Group(*stacked[1:])
    table = Table(
        box=box.SIMPLE_HEAD,
        show_header=grid.titled,
        show_edge=False,
        pad_edge=False,
        header_style="dim",
        border_style="dim",
        leading=1 if grid.spaced else 0,
    )
    for column, size in zip(grid.columns, widths, strict=True):
        table.add_column(
            Text(column.title),
            width=size,
            justify="right" if column.right else "left",
            overflow="fold",
        )
    for row in grid.rows:
        table.add_row(*(_text(item) for item in row))
    return table
