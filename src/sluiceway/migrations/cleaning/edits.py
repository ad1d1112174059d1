"""Taking things out of a text, or putting others in, without moving a character or a line."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sluiceway.migrations.records import Maybe, Problem, Span
from sluiceway.record import Changing, field

__all__ = ["Draft", "blanked", "edited", "line_of"]

_VISIBLE = re.compile(r"[^\n\r]")

Edit = tuple[int, int, str]
"""Begin, end (excluded), and the text of the same length that stands there afterwards."""


def blanked(text: str) -> str:
    """Return *text* with a space for every character that does not end a line."""
    return _VISIBLE.sub(" ", text)


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return *text* after *edits*, which are in order and do not overlap."""
    parts: list[str] = []
    position = 0
    for begin, end, new in edits:
        parts += text[position:begin], new
        position = end
    return "".join((*parts, text[position:]))


def line_of(text: str, offset: int) -> int:
    """Return the line, from 1, of the character at *offset*."""
    return text.count("\n", 0, offset) + 1


class Draft(Changing):
    """One file's text on its way to being a script's; the steps of cleaning change it in turn."""

    text: str
    spans: list[Span] | None = None
    in_transaction: Maybe = Maybe.MAYBE
    problems: list[Problem] = field(default_factory=list)
    conditional: list[Span] = field(default_factory=list)
    """Parts that the tool or the server may leave out."""
    left_out: list[str] = field(default_factory=list)
    """What was blanked although it is SQL, and why: one sentence a part."""

    def edit(self, edits: Iterable[Edit]) -> None:
        """Change the text by *edits*."""
        self.text = edited(self.text, edits)

    def blank(self, spans: Iterable[Span]) -> None:
        """Put spaces over *spans*, which are in order and do not overlap."""
        self.edit((begin, end, blanked(self.text[begin:end])) for begin, end in spans)

    def problem(self, offset: int, what: str) -> None:
        """Add a problem of the line on which *offset* is."""
        self.problems.append(Problem(line=line_of(self.text, offset), what=what))

    def leave_out(self, begin: int, end: int, why: str) -> None:
        """Say that the lines between two offsets are not judged."""
        first, last = line_of(self.text, begin), line_of(self.text, max(begin, end - 1))
        lines = f"line {first}" if first == last else f"lines {first} to {last}"
        self.left_out.append(f"{lines}: {why}")
