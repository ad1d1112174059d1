"""Rewriting Rego v0 as v1, piece by piece: everything else stays as it was written.

What changes: heads of sets get ``contains``, bodies get ``if``, ``=`` in a head becomes ``:=``,
chained bodies become rules of their own, imports that v1 does not need go, built-ins that v1 has no
more are replaced, and names that v1 takes for something else get a ``_``. Whether the result *is* v1
is for OPA's parser to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sluiceway.policy.renaming import renamed
from sluiceway.policy.tokens import Token, tokens
from sluiceway.record import Record

__all__ = ["upgraded"]

_OPEN = {"{": "}", "[": "]", "(": ")"}
_RENAMED = {"re_match": "regex.match"}
_ASSIGN = frozenset({"=", ":="})
_EXTENDS = frozenset({"=", ":=", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "&"})
"""Marks behind which an expression goes on."""
_BEFORE_TERM = _EXTENDS | {"|", ",", "(", "[", "{", ":", ";"}


class _Edit(Record, kw_only=False):
    start: int
    end: int
    text: str


def upgraded(source: str) -> str:
    """Return *source* as Rego v1; what is v1 already stays as it is."""
    source = renamed(source)
    edits = sorted(
        [*_Module(source).edits(), *_builtin_edits(source)], key=lambda edit: (edit.start, edit.end)
    )
    made: list[str] = []
    position = 0
    for edit in edits:
        made += [source[position : edit.start], edit.text]
        position = max(position, edit.end)
    return "".join([*made, source[position:]])


class _Module:
    """The pieces of a module that mean something, and where one is in them."""

    def __init__(self, source: str) -> None:
        self._source = source
        every = list(tokens(source))
        self._pieces = [each for each in every if not each.blank]
        self._first_in_line = _first_in_line(every)
        self._close = _closings(self._pieces)

    def edits(self) -> Iterator[_Edit]:
        """Yield what to change, rule by rule."""
        index = 0
        imports: set[str] = set()
        while index < len(self._pieces):
            word = self._pieces[index].text
            if word == "import":
                end = self._line_end(index)
                path = "".join(each.text for each in self._pieces[index + 1 : end])
                if path.startswith("future.keywords") or path in imports:
                    yield self._without_line(index, end)
                imports.add(path)
                index = end
            elif word == "package":
                index = self._line_end(index)
            elif word == "default":
                end = self._line_end(index)
                assign = self._assignment(index + 1, end)
                if assign is not None:
                    yield self._replaced(assign, ":=")
                index = end
            else:
                found, index = self._rule(index)
                yield from found

    def _rule(self, start: int) -> tuple[list[_Edit], int]:
        """Return the changes of one rule, and the index behind it."""
        index, bracket, plain = self._head(start)
        edits: list[_Edit] = []
        if self._is(index, "contains"):
            plain = False
            index = self._value_end(index + 1)
        if self._in(index, _ASSIGN):
            plain = False
            edits.append(self._replaced(index, ":="))
            index = self._value_end(index + 1)
        if self._is(index, "if"):
            return edits, self._else(edits, self._condition_end(index + 1))
        if bracket is not None and plain:
            edits += self._as_contains(bracket)
        if not self._is(index, "{"):
            return edits, max(index, start + 1)
        head = _applied(self._source, self._pieces[start].start, self._pieces[index - 1].end, edits)
        edits.append(self._inserted(index, "if "))
        index = self._close[index] + 1
        index = self._else(edits, index)
        while self._is(index, "{"):
            # A second body is a second rule of the same head.
            edits.append(self._inserted(index, f"\n\n{head} if ", glue=True))
            index = self._else(edits, self._close[index] + 1)
        return edits, index

    def _head(self, start: int) -> tuple[int, int | None, bool]:
        """Return the index behind the rule's name, its only bracket, and whether it is alone."""
        index = start + 1
        brackets: list[int] = []
        plain = True
        while index < len(self._pieces):
            piece = self._pieces[index]
            if piece.text == "." or (piece.kind == "word" and self._pieces[index - 1].text == "."):
                plain = False
                index += 1
            elif piece.text in {"[", "("}:
                plain = plain and piece.text == "["
                if piece.text == "[":
                    brackets.append(index)
                index = self._close[index] + 1
            else:
                break
        return index, brackets[0] if len(brackets) == 1 else None, plain

    def _as_contains(self, bracket: int) -> list[_Edit]:
        opened, closed = self._pieces[bracket], self._pieces[self._close[bracket]]
        before = self._source[opened.end :]
        space = "" if before[:1].isspace() else " "
        return [
            _Edit(opened.start, opened.end, f" contains{space}"),
            _Edit(closed.start, closed.end, ""),
        ]

    def _else(self, edits: list[_Edit], index: int) -> int:
        while self._is(index, "else"):
            index += 1
            if self._in(index, _ASSIGN):
                edits.append(self._replaced(index, ":="))
                index = self._value_end(index + 1)
            if self._is(index, "if"):
                index = self._condition_end(index + 1)
            elif self._is(index, "{"):
                edits.append(self._inserted(index, "if "))
                index = self._close[index] + 1
        return index

    def _value_end(self, index: int) -> int:
        """Return the index behind the expression at *index*."""
        start = index
        while index < len(self._pieces):
            text = self._pieces[index].text
            ended = index > start and self._pieces[index - 1].text not in _BEFORE_TERM
            if ended and (text in {"if", "else", "{"} or self._begins_line(index)):
                break
            index = self._close[index] + 1 if text in _OPEN else index + 1
        return index

    def _condition_end(self, index: int) -> int:
        """Return the index behind what stands behind ``if``: a body, or one expression."""
        if self._is(index, "{"):
            return self._close[index] + 1
        return self._value_end(index)

    def _begins_line(self, index: int) -> bool:
        return self._pieces[index].start in self._first_in_line and self._pieces[
            index
        ].text not in _EXTENDS | {"|", "."}

    def _line_end(self, index: int) -> int:
        """Return the index of the first piece of a later line, outside of brackets."""
        index += 1
        while index < len(self._pieces) and self._pieces[index].start not in self._first_in_line:
            text = self._pieces[index].text
            index = self._close[index] + 1 if text in _OPEN else index + 1
        return index

    def _assignment(self, index: int, end: int) -> int | None:
        while index < end:
            if self._in(index, _ASSIGN):
                return index
            text = self._pieces[index].text
            index = self._close[index] + 1 if text in _OPEN else index + 1
        return None

    def _without_line(self, index: int, end: int) -> _Edit:
        start = self._source.rfind("\n", 0, self._pieces[index].start) + 1
        stop = self._source.find("\n", self._pieces[end - 1].end)
        rest = self._source[self._pieces[end - 1].end : stop if stop >= 0 else None]
        if rest.strip():  # a comment stays
            return _Edit(self._pieces[index].start, self._pieces[end - 1].end, "")
        return _Edit(start, len(self._source) if stop < 0 else stop + 1, "")

    def _replaced(self, index: int, text: str) -> _Edit:
        return _Edit(self._pieces[index].start, self._pieces[index].end, text)

    def _inserted(self, index: int, text: str, *, glue: bool = False) -> _Edit:
        start = self._pieces[index].start
        before = self._source[start - 1 : start]
        if glue:
            return _Edit(self._pieces[index - 1].end, start, text)
        return _Edit(start, start, text if before.isspace() else f" {text}")

    def _is(self, index: int, text: str) -> bool:
        return index < len(self._pieces) and self._pieces[index].text == text

    def _in(self, index: int, texts: frozenset[str]) -> bool:
        return index < len(self._pieces) and self._pieces[index].text in texts


def _applied(source: str, start: int, end: int, edits: Sequence[_Edit]) -> str:
    """Return a part of *source* as it is after *edits*, all of which are in it."""
    made = ""
    position = start
    for edit in sorted(edits, key=lambda each: each.start):
        made += source[position : edit.start] + edit.text
        position = edit.end
    return made + source[position:end]


def _first_in_line(every: Sequence[Token]) -> frozenset[int]:
    """Return where pieces begin that no other piece precedes in their line."""
    found: set[int] = set()
    fresh = True
    for each in every:
        if each.kind == "newline":
            fresh = True
        elif not each.blank:
            if fresh:
                found.add(each.start)
            fresh = False
    return frozenset(found)


def _closings(pieces: Sequence[Token]) -> dict[int, int]:
    """Return the index of every opening bracket with that of its closing one."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for index, piece in enumerate(pieces):
        if piece.text in _OPEN:
            opened.append(index)
        elif opened and piece.text == _OPEN[pieces[opened[-1]].text]:
            found[opened.pop()] = index
    # What is never closed ends with the module; the parser says where.
    return found | dict.fromkeys(opened, max(len(pieces) - 1, 0))


def _builtin_edits(source: str) -> Iterator[_Edit]:
    """Yield replacements of built-ins that v1 has no more."""
    pieces = [each for each in tokens(source) if not each.blank]
    closings = _closings(pieces)
    for index, piece in enumerate(pieces[:-1]):
        called = pieces[index + 1].text == "(" and pieces[index + 1].start == piece.end
        inner = index > 0 and pieces[index - 1].text == "."
        if piece.kind != "word" or not called or inner:
            continue
        close = pieces[closings[index + 1]]
        if piece.text in _RENAMED:
            yield _Edit(piece.start, piece.end, _RENAMED[piece.text])
        elif piece.text == "any" and not _defines(pieces, index):
            yield _Edit(piece.start, pieces[index + 1].end, "(true in ")
        elif piece.text == "all" and not _defines(pieces, index):
            yield _Edit(piece.start, pieces[index + 1].end, "(count([1 | some x__ in ")
            yield _Edit(close.start, close.end, "; x__ != true]) == 0)")


def _defines(pieces: Sequence[Token], index: int) -> bool:
    """Whether the module has a function of this name, which is then no built-in."""
    name = pieces[index].text
    depth = 0
    for at, piece in enumerate(pieces):
        depth += (piece.text in _OPEN) - (piece.text in _OPEN.values())
        if depth == 0 and piece.text == name and pieces[min(at + 1, len(pieces) - 1)].text == "(":
            return True
    return False
