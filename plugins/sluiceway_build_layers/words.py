"""Words of an instruction: quotes, escapes and variables.

Source: Docker's "Dockerfile reference", "Environment replacement", and BuildKit's
``frontend/dockerfile/shell/lex.go``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sluiceway_build_layers.faults import wrong

__all__ = ["expand", "pairs", "split"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PAIR = re.compile(r"[^\s=]+=")


def expand(text: str, variables: Mapping[str, str], where: str) -> str:
    """Return *text* as one word: variables replaced, quotes and escapes taken away."""
    words = _Reader(text, variables, where).words(split=False)
    return words[0] if words else ""


def split(text: str, variables: Mapping[str, str], where: str) -> tuple[str, ...]:
    """Return the words of *text*. A variable with spaces in its value stays one word."""
    return tuple(_Reader(text, variables, where).words(split=True))


def pairs(text: str, variables: Mapping[str, str], where: str) -> tuple[tuple[str, str], ...]:
    """Return ``key=value ...`` (or the old form ``key value``) as pairs."""
    if not _PAIR.match(text):
        key, _, value = text.partition(" ")
        if not value.strip():
            raise wrong(where, f"{key!r} has no value", f"Write {key}=value.")
        return ((expand(key, variables, where), expand(value.strip(), variables, where)),)
    found = []
    for word in split(text, variables, where):
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise wrong(
                where, f"{word!r} is not of the form key=value", "Quote values with spaces."
            )
        found.append((key, value))
    return tuple(found)


class _Reader:
    """One pass over one text, in the manner of a POSIX shell without its pattern operators."""

    def __init__(self, text: str, variables: Mapping[str, str], where: str) -> None:
        self._text = text
        self._variables = variables
        self._where = where
        self._at = 0

    def words(self, *, split: bool) -> list[str]:
        found: list[str] = []
        current: list[str] = []
        begun = False
        while self._at < len(self._text):
            character = self._text[self._at]
            if split and character.isspace():
                self._at += 1
                if begun:
                    found.append("".join(current))
                    current, begun = [], False
                continue
            begun = True
            current.append(self._piece())
        if begun:
            found.append("".join(current))
        return found

    def _piece(self) -> str:
        character = self._text[self._at]
        self._at += 1
        if character == "'":
            return self._until("'")
        if character == '"':
            return self._quoted()
        if character == "\\":
            if self._at >= len(self._text):
                return "\\"
            self._at += 1
            return self._text[self._at - 1]
        if character == "$":
            return self._variable()
        return character

    def _quoted(self) -> str:
        pieces: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(pieces)
            if character == "$":
                pieces.append(self._variable())
            elif character == "\\" and self._text[self._at : self._at + 1] in {'"', "\\", "$"}:
                pieces.append(self._text[self._at])
                self._at += 1
            else:
                pieces.append(character)
        raise wrong(self._where, 'a double quote (") is not closed')

    def _until(self, end: str) -> str:
        start = self._at
        self._at = self._text.find(end, start) + 1
        if not self._at:
            raise wrong(self._where, f"a quote ({end}) is not closed")
        return self._text[start : self._at - 1]

    def _variable(self) -> str:
        if self._text[self._at : self._at + 1] == "{":
            return self._braced()
        match = _NAME.match(self._text, self._at)
        if match is None:
            return "$"
        self._at = match.end()
        return self._variables.get(match[0], "")

    def _braced(self) -> str:
        match = _NAME.match(self._text, self._at + 1)
        if match is None:
            raise wrong(self._where, "'${' is not followed by the name of a variable")
        name, self._at = match[0], match.end()
        value = self._variables.get(name)
        operator = re.compile(r":?[-+?]|\}").match(self._text, self._at)
        if operator is None:
            raise wrong(
                self._where,
                f"'${{{name}' is followed by an operator that is not supported",
                "Supported are ${a}, ${a:-b}, ${a-b}, ${a:+b}, ${a+b}, ${a:?b} and ${a?b}.",
            )
        self._at = operator.end()
        if operator[0] == "}":
            return value or ""
        other = self._alternative(name)
        there = bool(value) if operator[0].startswith(":") else value is not None
        if operator[0].endswith("+"):
            return other if there else ""
        if operator[0].endswith("-"):
            return (value or "") if there else other
        if not there:
            raise wrong(self._where, f"{name} is not set: {other or 'it is required'}")
        return value or ""

    def _alternative(self, name: str) -> str:
        pieces: list[str] = []
        while self._at < len(self._text):
            if self._text[self._at] == "}":
                self._at += 1
                return "".join(pieces)
            pieces.append(self._piece())
        raise wrong(self._where, f"'${{{name}' is not closed")
