"""Reading tokens one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.migrations.records import Dialect, Name
from sluiceway_sql_sqlfluff.tokens import MYSQL, Token, TokenKind
from sluiceway_sql_sqlfluff.words import words

__all__ = ["RESERVED", "Cursor", "Strange"]

_LOWER = frozenset({Dialect.POSTGRES, Dialect.REDSHIFT, Dialect.DUCKDB})
_UPPER = frozenset({Dialect.ORACLE, Dialect.SNOWFLAKE, Dialect.DB2, Dialect.ANSI})
_BLIND = frozenset({Dialect.SQLITE, Dialect.TSQL})
"""Where names differ by more than case or not at all, quoted or not."""
_NAMES = frozenset({TokenKind.WORD, TokenKind.QUOTED})


RESERVED = words(
    "ADD ALL ALTER AND AS ASC BEGIN BETWEEN BY CASE CHECK COLUMN CONSTRAINT CREATE DEFAULT DELETE DESC"
    " DISTINCT DROP ELSE EXISTS FOREIGN FROM GRANT GROUP HAVING IF IN INDEX INSERT INTO IS JOIN KEY"
    " KEYS LIKE LIMIT MODIFY NOT NULL ON OR ORDER PRIMARY REFERENCES RENAME SELECT SET TABLE THEN TO"
    " TRUNCATE UNION UNIQUE UPDATE USING VALUES VIEW WHEN WHERE WITH"
)
"""No names without quotes, in one dialect or another."""


class Strange(Exception):  # noqa: N818 - a turn of the reader, never leaves this plugin
    """The words do not make what the reader knows."""


class Cursor:
    """Tokens and a place among them. Brackets are passed over as one."""

    __slots__ = ("dialect", "index", "loose", "procedural", "stop", "text", "tokens", "unknown")

    def __init__(self, tokens: Sequence[Token], dialect: Dialect, text: str) -> None:
        """Begin at the first of *tokens*, which are of *text*."""
        self.tokens = tokens
        self.dialect = dialect
        self.text = text
        self.index = 0
        self.stop = len(tokens)
        self.procedural = False
        """Inside a body, where INTO names a variable."""
        self.unknown: list[Token] = []
        """What was passed over without being understood."""
        self.loose: list[Token] = []
        """What was passed over because whatever it may say is not asked about.

        When this and :attr:`unknown` are empty, every word of the statement was understood."""

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.index >= self.stop

    @property
    def offset(self) -> int:
        """Where the next token begins in the text."""
        if self.index < len(self.tokens):
            return self.tokens[self.index].start
        return self.tokens[-1].end if self.tokens else 0

    def word(self, ahead: int = 0) -> str:
        """Return the next word in capitals (or sign), empty for anything else and at the end."""
        place = self.index + ahead
        return self.tokens[place].word if place < self.stop else ""

    def peek(self, ahead: int = 0) -> Token | None:
        """Return the next token."""
        place = self.index + ahead
        return self.tokens[place] if place < self.stop else None

    def next(self) -> Token:
        """Return the next token and go on. Raises :class:`Strange` at the end."""
        if self.index >= self.stop:
            raise Strange
        self.index += 1
        return self.tokens[self.index - 1]

    def at(self, *words: str) -> bool:
        """Whether the next words are these."""
        index, found = self.index, self.tokens
        if index >= self.stop or found[index].word != words[0]:
            return False
        if len(words) == 1:
            return True
        if index + len(words) > self.stop:
            return False
        return all(found[index + step].word == word for step, word in enumerate(words))

    def take(self, *words: str) -> bool:
        """Go past these words if they are next."""
        # Most of the reader's time is spent here, and the first word decides nearly always.
        index = self.index
        if index >= self.stop or self.tokens[index].word != words[0]:
            return False
        if len(words) > 1 and not self.at(*words):
            return False
        self.index = index + len(words)
        return True

    def one_of(self, *words: str) -> str:
        """Go past the next word if it is one of these, and return it; else empty."""
        word = self.word()
        if word and word in words:
            self.index += 1
            return word
        return ""

    def need(self, *words: str) -> None:
        """Go past these words. Raises :class:`Strange` when others are next."""
        if not self.take(*words):
            raise Strange

    def at_name(self, ahead: int = 0) -> bool:
        """Whether a name is next."""
        token = self.peek(ahead)
        return token is not None and self._nameable(token)

    def _nameable(self, token: Token) -> bool:
        if token.kind in _NAMES:
            return True
        return token.kind is TokenKind.STRING and self.dialect is Dialect.SQLITE

    def part(self, *, column: bool = False) -> str:
        """Read one name. Raises :class:`Strange` when there is none."""
        token = self.next()
        if not self._nameable(token):
            if token.kind is TokenKind.VARIABLE and token.text.startswith("@"):
                return token.text
            raise Strange
        if token.word in RESERVED:
            self.loose.append(token)
        return self.fold(token, column=column)

    def fold(self, token: Token, *, column: bool = False) -> str:
        """Return a name as the server keeps it."""
        if self.dialect in _BLIND or (column and self.dialect in MYSQL):
            return token.text.lower()
        if token.kind is TokenKind.WORD:
            if self.dialect in _LOWER:
                return token.text.lower()
            if self.dialect in _UPPER:
                return token.text.upper()
        return token.text

    def column(self) -> str:
        """Read a column's name, of which only the last part counts."""
        name = self.part(column=True)
        while self.word() == "." and self.at_name(1):
            self.index += 1
            name = self.part(column=True)
        return name

    def name(self) -> Name:
        """Read a name with its schema and database. Raises :class:`Strange`."""
        parts = [self.part()]
        while self.word() == ".":
            self.index += 1
            if self.word() == ".":
                continue
            parts.append(self.part())
        if self.dialect is Dialect.BIGQUERY and len(parts) == 1:
            return tuple(parts[0].split("."))
        return tuple(parts)

    def within(self, begin: int, stop: int) -> Cursor:
        """Return another cursor over the tokens from *begin* to *stop*; what it passes over is its own."""
        inner = Cursor(self.tokens, self.dialect, self.text)
        inner.index, inner.stop = begin, stop
        return inner

    def group(self) -> Cursor:
        """Go past a pair of brackets and return what is inside."""
        self.need("(")
        begin = self.index
        end = self._close(begin)
        inner = self.within(begin, end)
        inner.unknown, inner.loose = self.unknown, self.loose
        self.index = end + 1
        return inner

    def _close(self, begin: int) -> int:
        depth = 1
        for index in range(begin, self.stop):
            word = self.tokens[index].word
            if word == "(":
                depth += 1
            elif word == ")":
                depth -= 1
                if depth == 0:
                    return index
        raise Strange

    def skip_group(self) -> bool:
        """Go past a pair of brackets if one is next."""
        if self.word() != "(":
            return False
        self.index = self._close(self.index + 1) + 1
        return True

    def clause(self) -> Cursor:
        """Go to the next comma outside of brackets, and return what is before it."""
        begin, found = self.index, self.tokens
        depth = 0
        for index in range(begin, self.stop):
            word = found[index].word
            if word == "(":
                if not depth:
                    self.index = index  # where a bracket begins that nothing closes
                depth += 1
            elif word == ")":
                if not depth:
                    self.index = index
                    raise Strange
                depth -= 1
            elif word == "," and not depth:
                self.index = index
                break
        else:
            if depth:
                raise Strange
            self.index = max(begin, self.stop)
        inner = self.within(begin, self.index)
        inner.unknown, inner.loose = self.unknown, self.loose
        return inner

    def clauses(self) -> list[Cursor]:
        """Return what is between the commas, to the end. Raises :class:`Strange` for nothing."""
        found: list[Cursor] = []
        while not self.done:
            found.append(self.clause())
            if not self.take(","):
                return found
        if found and self.dialect is Dialect.TSQL:
            self.loose.append(self.tokens[self.index - 1])
            return found  # it takes a comma behind the last column
        raise Strange

    def rest(self) -> list[Token]:
        """Return the tokens that are left, and go to the end."""
        left = list(self.tokens[self.index : self.stop])
        self.finish()
        self.loose.extend(left)
        return left

    def finish(self) -> None:
        """Go to the end: what is left says nothing that is asked about."""
        self.index = self.stop

    def give_up(self) -> None:
        """Go to the end; what is left was not understood."""
        self.unknown.extend(self.tokens[self.index : self.stop])
        self.finish()
