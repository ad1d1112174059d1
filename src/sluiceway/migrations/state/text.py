"""A statement as a person reads it and as an approval names it."""

from __future__ import annotations

import hashlib
import re

from sluiceway.migrations.records import Dialect, Script
from sluiceway.migrations.statements import tokens

__all__ = ["Statements", "normal", "shown"]

_LONGEST = 200
_MARKS = re.compile(r"[^ -~\t\n\r\f\v]|--|/\*|['\"`\[#$]|//|\\")
"""What may be a quote or a comment in some dialect, or a space that is none to a server."""
_UNEVEN = re.compile(r"--|/\*|//|#|[\t\n\r\f\v]|  ")
"""What a statement without comments and with single spaces does not hold."""
_SPACE = re.compile(r"[ \t\n\r\f\v]+")


def normal(text: str, dialect: Dialect) -> str:
    """Return a statement without comments and with single spaces; quotes stay as they are."""
    if not _UNEVEN.search(text):
        return text.strip(" ;")
    if not _MARKS.search(text):
        return " ".join(text.split()).strip(" ;")
    pieces: list[str] = []
    last = 0
    for kind, begin, end in tokens(text, dialect):
        if kind == "comment":
            pieces.append(_SPACE.sub(" ", text[last:begin]) + " ")
        elif kind == "quoted":
            pieces.append(_SPACE.sub(" ", text[last:begin]) + text[begin:end])
        else:
            continue
        last = end
    pieces.append(_SPACE.sub(" ", text[last:]))
    whole = "".join(pieces)
    if len(pieces) > 1:
        whole = _joined(whole, dialect)
    return whole.strip(" ;")


def _joined(text: str, dialect: Dialect) -> str:
    """Return the text with one space where a comment stood between two."""
    pieces: list[str] = []
    last = 0
    for kind, begin, end in tokens(text, dialect):
        if kind == "quoted":
            pieces.append(_SPACE.sub(" ", text[last:begin]) + text[begin:end])
            last = end
    pieces.append(_SPACE.sub(" ", text[last:]))
    return "".join(pieces)


def shown(text: str) -> str:
    """Return a statement in one line that is short enough to read."""
    line = " ".join(text[: _LONGEST * 4].split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


class Statements:
    """The statements of one script: their hashes, and the lines on which they stand.

    Told when somebody asks: of most statements nobody does. What is asked first changes no hash.
    """

    __slots__ = ("_at", "_dialect", "_known", "_line", "_noted", "_parts", "_script", "_seen")

    def __init__(self, script: Script, dialect: Dialect) -> None:
        self._script = script
        self._dialect = dialect
        self._at, self._line = 0, 1
        self._noted: dict[int, str] = {}
        self._parts: dict[int, tuple[str, str]] = {}
        self._seen: dict[str, int] = {}
        self._known: dict[tuple[int, tuple[str, ...]], str] = {}

    def __deepcopy__(self, memo: object) -> Statements:
        """Return itself: what ROLLBACK takes back has been written all the same."""
        return self

    def note(self, number: int, text: str) -> None:
        """Remember the text of statement *number*. Equal ones are counted in the order of notes."""
        self._noted.setdefault(number, text)

    def hash(self, number: int, through: tuple[str, ...] = ()) -> str:
        """Return the hash of statement *number*, which was noted.

        *through* are the definitions of the functions that it runs, for what happens in them: an
        approval of a call must not outlive a change of what is called.
        """
        known = self._known.get((number, through))
        if known is not None:
            return known
        if number not in self._parts:
            self._count()
        inner = [normal(item, self._dialect) for item in through]
        pieces = [self._script.name, *self._parts[number], *inner]
        whole = "\n".join(pieces).encode("utf-8", "surrogatepass")
        answer = "sha256:" + hashlib.sha256(whole).hexdigest()
        self._known[(number, through)] = answer
        return answer

    def shown(self, number: int) -> str:
        """Return statement *number* for a person to read."""
        return shown(self._noted[number])

    def line(self, offset: int) -> int:
        """Return the line of a character of the script."""
        # Most are asked for in their order: what was counted once is not counted again.
        if offset < self._at:
            self._at, self._line = 0, 1
        self._line += self._script.text.count("\n", self._at, offset)
        self._at = offset
        return self._line

    def _count(self) -> None:
        """Tell each noted statement from the ones before it that are equal."""
        for number, text in self._noted.items():
            if number not in self._parts:
                statement = normal(text, self._dialect)
                which = self._seen[statement] = self._seen.get(statement, 0) + 1
                self._parts[number] = (statement, str(which))
