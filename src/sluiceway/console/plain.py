"""A page as plain text: for pipes, logs and terminals that want no colour. Needs nothing."""

from __future__ import annotations

from collections.abc import Iterator

from sluiceway.console.page import Grid, Line, Page, Pairs, fit
from sluiceway.console.text import width_of, wrap

__all__ = ["GAP", "render"]

GAP = 2
_INDENT = 2
_DEEPEST = 4
"""Cells before what stands under its row, at the least: it must not look like a row of its own."""


def render(page: Page, width: int) -> str:
    """Return *page* as text of lines of at most *width* cells, each ended by a newline.

    No word is ever broken: a digest, path or address in a log can be copied.
    """
    lines: list[str] = []
    for block in page:
        match block:
            case Line():
                lines += _line(block, width)
            case Pairs():
                lines += _pairs(block)
            case Grid():
                lines += _grid(block, width)
    return "".join(line.rstrip() + "\n" for line in lines)


def _line(block: Line, width: int) -> Iterator[str]:
    indent = " " * block.indent
    text = block.cell.text
    if " " not in text:  # one long word: a digest, a path
        yield indent + text
        return
    for line in wrap(text, max(width - block.indent, 20), whole=True):
        yield indent + line


def _pairs(block: Pairs) -> Iterator[str]:
    label_width = max((width_of(label) for label, _ in block.items), default=0)
    for label, value in block.items:
        first, *others = value.text.split("\n")
        pad = " " * (label_width - width_of(label))
        yield f"{' ' * _INDENT}{label}{pad}  {first}" if label_width else f"{' ' * _INDENT}{first}"
        for other in others:
            yield " " * (_INDENT + label_width + 2) + other


def _grid(grid: Grid, width: int) -> Iterator[str]:
    if not grid.rows:
        return
    widths = fit(grid, width, GAP)
    if widths is None or _runs_over(grid, widths, width):
        yield from _stacked(grid, width)
        return
    gap = " " * GAP
    if grid.titled:
        yield gap.join(
            _padded(column.title, size, right=column.right)
            for column, size in zip(grid.columns, widths, strict=True)
        )
        yield gap.join("-" * size for size in widths)
    for number, row in enumerate(grid.rows):
        if grid.spaced and number:
            yield ""
        columns = [
            wrap(item.text, size, whole=True) for item, size in zip(row, widths, strict=True)
        ]
        below = _below(row[-1].text, columns[-1], width - widths[-1], width)
        if below:
            columns[-1] = []
        for index in range(max(len(lines) for lines in columns)):
            yield gap.join(
                _padded(lines[index] if index < len(lines) else "", size, right=column.right)
                for lines, size, column in zip(columns, widths, grid.columns, strict=True)
            )
        yield from below


def _below(text: str, lines: list[str], start: int, width: int) -> list[str]:
    """Return what the last column says as lines under its row, further left, where it is too long.

    Nothing where it fits beside the others: *lines*, from the cell *start* on. A path or a fingerprint
    in one row is no reason to take a table of fifty apart.
    """
    longest = max(map(width_of, lines), default=0)
    if start + longest <= width:
        return []
    return [" " * (width - longest) + line for line in wrap(text, longest, whole=True)]


def _runs_over(grid: Grid, widths: tuple[int, ...], width: int) -> bool:
    """Whether some word would run into the next column, or out of a line of its own."""
    most = (*widths[:-1], max(width - _DEEPEST, widths[-1]))
    return any(
        width_of(line) > limit
        for row in grid.rows
        for item, size, limit in zip(row, widths, most, strict=True)
        for line in wrap(item.text, size, whole=True)
    )


def _stacked(grid: Grid, width: int) -> Iterator[str]:
    """One value a line behind its column's title; what has no title stands before all of them."""
    label_width = max(width_of(column.title) for column in grid.columns)
    marks = [
        " ".join(
            item.text
            for column, item in zip(grid.columns, row, strict=True)
            if item.text and grid.titled and not column.title
        )
        for row in grid.rows
    ]
    mark_width = max(width_of(mark) for mark in marks)
    margin = " " * (mark_width + GAP) if mark_width else ""
    room = max(width - len(margin) - label_width - GAP, 20)
    for number, (mark, row) in enumerate(zip(marks, grid.rows, strict=True)):
        if number:
            yield ""
        lead = _padded(mark, len(margin), right=False)
        for column, item in zip(grid.columns, row, strict=True):
            if not item.text or (grid.titled and not column.title):
                continue
            first, *others = wrap(item.text, room, whole=True)
            yield f"{lead}{_padded(column.title, label_width, right=False)}{' ' * GAP}{first}"
            lead = margin
            for other in others:
                yield margin + " " * (label_width + GAP) + other


def _padded(text: str, width: int, *, right: bool) -> str:
    pad = " " * (width - width_of(text))
    return pad + text if right else text + pad
