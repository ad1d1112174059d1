"""Rego's text in pieces, for what the syntax tree does not tell: where things stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sluiceway.record import Record

__all__ = ["Token", "tokens"]

_PIECES = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)
  | (?P<newline>\r?\n)
  | (?P<space>[^\S\n]+)
  | (?P<mark>:=|==|!=|<=|>=|.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(Record, kw_only=False):
    """One piece of a module."""

    kind: str
    """``comment``, ``string``, ``word``, ``number``, ``newline``, ``space`` or ``mark``."""
    text: str
    start: int
    """Index of its first character."""

    @property
    def end(self) -> int:
        """Index behind its last character."""
        return self.start + len(self.text)

    @property
    def blank(self) -> bool:
        """Whether it parts other pieces and means nothing itself."""
        return self.kind in {"comment", "newline", "space"}


def tokens(source: str) -> Iterator[Token]:
    """Yield every piece of *source*; put together again they are *source*."""
    for match in _PIECES.finditer(source):
        yield Token(match.lastgroup or "mark", match[0], match.start())
