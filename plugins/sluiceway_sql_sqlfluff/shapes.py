"""Statements that differ only in names and values are read once.

Whether a statement holds, and what it does, depends on its keywords and signs, and not on which name
an ordinary name is or, in rows of data, which value a value is. So what stands in a statement is cut
into classes: a name that is no word of any grammar (:mod:`.vocabulary`) is *a name*, a plain text in rows
is *a text*, some spaces are *a space*; everything else stays as it is written. That is the statement's
shape. The first statement of a shape is read with marks in the place of its names; what was read with
the marks in it is kept, and filled with the names of each statement of that shape.

It is given up, and the statement read for itself, at anything that is not certain:

* A character that is not among the few whose meaning is the same in every dialect, or a word, number or
  text that touches another one (``1e5``, ``_utf8'x'``, ``@a``, ``#t``, ``x$1``, ``/*``).
* Two spellings of one name that differ in case; which names are the same name is part of the shape.
* A statement that could not be read, that holds others or a text to run, that changes what a variable
  holds, or that uses a word which is one.
* A shape whose marks come back in pieces, or with spaces of the statement between them.
"""

from __future__ import annotations

from typing import Any

from sluiceway.migrations.records import Dialect
from sluiceway.record import Changing, field
from sluiceway_sql_sqlfluff.columns import forget
from sluiceway_sql_sqlfluff.dynamic import Variables
from sluiceway_sql_sqlfluff.lexicon import Lexicon, Shape, lexicon, shown
from sluiceway_sql_sqlfluff.outline import Engine
from sluiceway_sql_sqlfluff.reading import Read, read
from sluiceway_sql_sqlfluff.recipes import MARK, TRACE, Recipe, Unsure, recipe

__all__ = ["Shapes"]

_LONG = 60
"""In tokens: a longer one (a table, as a rule) seldom has a second of its shape, which is waited for."""
_MOST_SHAPES = 4_096
_MOST_TOKENS = 400_000
"""Of all shapes of a generation together; there are two (:class:`_Memory`)."""


class _Memory(Changing):
    """What is known of shapes, in two generations: what was not asked for during one is forgotten."""

    young: dict[tuple[Any, ...], Recipe | None] = field(default_factory=dict)
    old: dict[tuple[Any, ...], Recipe | None] = field(default_factory=dict)
    tokens: int = 0

    def get(self, key: tuple[Any, ...], otherwise: Any) -> Any:
        found = self.young.get(key, otherwise)
        if found is not otherwise:
            return found
        found = self.old.pop(key, otherwise)
        if found is not otherwise:
            self.put(key, found)
        return found

    def put(self, key: tuple[Any, ...], recipe: Recipe | None) -> None:
        if len(self.young) >= _MOST_SHAPES or self.tokens > _MOST_TOKENS:
            self.young, self.old, self.tokens = {}, self.young, 0
        self.young[key] = recipe
        self.tokens += len(key[1])


_NEW = object()
_SEEN: Any = object()
"""In the place of a recipe: there has been one of this shape."""


class Shapes(Changing):
    """Reads as :func:`~sluiceway_sql_sqlfluff.reading.read` does, each shape once."""

    version: str = ""
    """Of sqlfluff. Where its words are not known, each statement is read for itself."""
    memory: _Memory = field(default_factory=_Memory)
    asked: int = 0
    known: int = 0
    """How many statements there were, and of how many the shape was known."""

    def forget(self) -> None:
        """Know no shape any more, as in a process that begins."""
        forget()
        self.memory, self.asked, self.known = _Memory(), 0, 0

    def read(
        self, text: str, dialect: Dialect, engine: Engine, variables: Variables, *, thorough: bool
    ) -> list[Read]:
        """Read a text that the splitter took for one statement."""
        self.asked += 1
        cut = lexicon(dialect, self.version)
        shape = None if cut is None else cut.shape(text, variables)
        if cut is not None and shape is not None:
            known = self.memory.get(shape.key, _NEW)
            if known is _NEW and len(shape.found) > _LONG:
                self.memory.put(shape.key, _SEEN)
                known = None
            elif known is _NEW or known is _SEEN:
                known = _learnt(shape, cut, engine, thorough=thorough)
                self.memory.put(shape.key, known)
            else:
                self.known += known is not None
            if known is not None:
                filled: list[Read] = known.filled(shape.names, shape.found)
                return filled
        return read(text, dialect, engine, variables, thorough=thorough)


def _learnt(shape: Shape, cut: Lexicon, engine: Engine, *, thorough: bool) -> Recipe | None:
    """Read a statement with marks for names; ``None`` where that is not all that one has to know."""
    dialect, classes, numbers = shape.key
    if TRACE.search("\0".join(classes)):
        return None
    tokens = shown(classes, [MARK.format(number) for number in numbers])
    text = "".join(tokens)
    again = cut.shape(text, {})
    if again is None or again.key != shape.key:
        return None
    variables: Variables = {}
    try:
        parts = read(text, dialect, engine, variables, thorough=thorough)
        return None if variables else recipe(parts, len(shape.names), tokens)
    except (Unsure, RecursionError):
        return None
