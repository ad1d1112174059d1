"""What was read of a shape, with places for the names of whichever statement has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from enum import Enum
from itertools import accumulate
from operator import itemgetter
from typing import Any

from sluiceway.migrations.records import Action, Column
from sluiceway.record import Changing
from sluiceway_sql_sqlfluff.reading import Read

__all__ = ["MARK", "TRACE", "Recipe", "Unsure", "recipe"]

MARK = "Qz7{:03}x7zQ"
"""Stands for a name, by its number. In capitals and in small letters it is another one."""
_MARKED = re.compile(r"(Qz7\d{3}x7zQ|qz7\d{3}x7zq|QZ7\d{3}X7ZQ)")
TRACE = re.compile(r"z7|7z|s7y|730173|\t", re.IGNORECASE)
"""What is left of a mark in pieces, of a value, or of a space of the statement that has come along."""

_Fill = Callable[[Sequence[Any]], Any]


class Unsure(Exception):  # noqa: N818 - a turn of the reader, never leaves this plugin
    """What was read is not a matter of the shape alone."""


class Recipe(Changing):
    """What was read of a shape, and where the names of a statement go in it."""

    parts: list[tuple[int, int, _Fill]]
    """Of each statement: where its start and its end are found, and what fills its actions."""
    constants: tuple[Any, ...]
    folded: bool
    """Whether it asks for names in small letters or in capitals."""
    placed: bool
    """Whether it asks where a token begins that is not the first."""

    def filled(self, names: list[str], found: list[str]) -> list[Read]:
        """Return what the statement of these *names* says, of which these are the tokens."""
        values: list[Any] = names.copy()
        if self.folded:
            values += map(str.lower, names)
            values += map(str.upper, names)
        else:
            values += names
            values += names
        values += self.constants
        if self.placed:
            values.append(0)
            values += accumulate(map(len, found))
        else:
            values.append(sum(map(len, found)))
        return [
            Read(values[start], values[end], actions(values)) for start, end, actions in self.parts
        ]


def recipe(parts: Sequence[Read], names: int, tokens: Sequence[str]) -> Recipe:
    """Make one of what was read of *tokens*, in which marks stand for so many names.

    Raises:
        Unsure: what was read has to be read anew for each statement.
    """
    made = _Making(names, [0, *accumulate(map(len, tokens))])
    fills = [made.part(part) for part in parts]
    if not fills:
        raise Unsure
    return Recipe(fills, tuple(made.constants), made.folded, made.placed)


_ACTION, _COLUMN = (
    tuple((each.name, each.default) for each in fields(record)) for record in (Action, Column)
)


class _Making:
    """Turns what was read with marks in it into what fills them.

    What fills takes one list: names as written, in small letters, in capitals, then what is the same in
    each statement, then where each token begins and the last one ends (or only where that is).
    """

    def __init__(self, names: int, begins: list[int]) -> None:
        self.names = names
        # From the end: how many there will be before them is known at last.
        self.places = {at: place - len(begins) for place, at in enumerate(begins)}
        self.last = begins[-1]
        self.constants: list[Any] = []
        self.folded = False
        self.placed = False

    def part(self, part: Read) -> tuple[int, int, _Fill]:
        if part.problem:
            raise Unsure
        start = self.place(part.start) if part.start else self.constant(0)
        return start, self.place(part.end), self.several(part.actions)

    def place(self, at: int) -> int:
        if at == self.last:
            return -1
        if at not in self.places:
            raise Unsure
        self.placed = True
        return self.places[at]

    def constant(self, value: Any) -> int:
        self.constants.append(value)
        return 3 * self.names + len(self.constants) - 1

    def several(self, values: Sequence[Any]) -> _Fill:
        """Return what fills a tuple."""
        return self.together([self.any(value) for value in values], values)

    def together(self, fills: Sequence[int | _Fill | None], values: Sequence[Any]) -> _Fill:
        given = [
            self.constant(value) if fill is None else fill
            for fill, value in zip(fills, values, strict=True)
        ]
        places = [each for each in given if isinstance(each, int)]
        if len(places) < len(given):
            made = [itemgetter(each) if isinstance(each, int) else each for each in given]
            return lambda list_: tuple([fill(list_) for fill in made])
        if len(places) == 1:
            only = places[0]
            return lambda list_: (list_[only],)
        return itemgetter(*places) if places else lambda _: ()

    def any(self, value: Any) -> int | _Fill | None:
        """Return what fills a value, or the place of what does; ``None`` where nothing has to."""
        if isinstance(value, str):
            return None if isinstance(value, Enum) else self.text(value)
        if value is None or isinstance(value, int):
            return None
        if isinstance(value, (Action, Column)):
            return self.record(value)
        if isinstance(value, tuple):
            fills = [self.any(each) for each in value]
            return None if fills.count(None) == len(fills) else self.together(fills, value)
        raise Unsure

    def text(self, value: str) -> int | _Fill | None:
        if not TRACE.search(value):
            return None
        pieces = _MARKED.split(value)
        if any(TRACE.search(piece) for piece in pieces[::2]):
            raise Unsure
        places = [
            self.marked(piece) if index % 2 else self.constant(piece)
            for index, piece in enumerate(pieces)
            if piece
        ]
        if len(places) == 1:
            return places[0]
        several = itemgetter(*places)
        return lambda list_: "".join(several(list_))

    def marked(self, mark: str) -> int:
        written = 0 if mark[:2] == "Qz" else 1 if mark[:1] == "q" else 2
        self.folded = self.folded or written > 0
        return int(mark[3:6]) + self.names * written

    def record(self, value: Action | Column) -> _Fill | None:
        """Return what fills a record. Raises :class:`Unsure` for one that runs or holds others."""
        if isinstance(value, Action) and (value.nested or value.body or value.body_offset):
            raise Unsure
        same: dict[str, Any] = {}
        placed: list[tuple[str, int]] = []
        filled: list[tuple[str, _Fill]] = []
        for name, default in _ACTION if isinstance(value, Action) else _COLUMN:
            content = getattr(value, name)
            if content == default:
                continue
            fill = self.place(content) if name == "offset" else self.any(content)
            if isinstance(fill, int):
                placed.append((name, fill))
            elif fill is not None:
                filled.append((name, fill))
            else:
                same[name] = content
        if not filled and not placed:
            return None
        kind: type[Any] = type(value)

        def fill_record(list_: Sequence[Any]) -> Any:
            given = same.copy()
            for name, place in placed:
                given[name] = list_[place]
            for name, fill in filled:
                given[name] = fill(list_)
            return kind(**given)

        return fill_record
