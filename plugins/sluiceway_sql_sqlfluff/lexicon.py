"""A statement's shape: what of it decides whether it holds and what it does.

See :mod:`.shapes` for what it is good for. Where anything is not certain there is no shape.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from sluiceway.migrations.records import Dialect
from sluiceway.record import Record
from sluiceway_sql_sqlfluff.dynamic import PROGRAM, Variables
from sluiceway_sql_sqlfluff.tokens import MYSQL
from sluiceway_sql_sqlfluff.vocabulary import load

__all__ = ["NAMES", "Lexicon", "Shape", "lexicon", "shown"]

_LONGEST = 20_000
"""In characters: what is longer is read another way (:mod:`.reading`)."""
_MOST_NAMES = 1_000
_LONGEST_WORD = 64
_MOST_WORDS = 20_000
"""Of those whose class is remembered."""

# What a token is where it is not what it says. No SQL holds a NUL: what begins with one is a class.
_NAME, _BACKTICKS, _DOUBLE, _BRACKETS = "\0name", "\0`name`", '\0"name"', "\0[name]"
_TEXT, _DOUBLE_TEXT, _HEX = "\0text", '\0"text"', "\0hex"
_WHOLE, _FRACTION = "\0number", "\0fraction"
_SPACE, _LINE = "\0space", "\0line"
NAMES = frozenset({_NAME, _BACKTICKS, _DOUBLE, _BRACKETS})
_QUOTED = {_NAME: "{}", _BACKTICKS: "`{}`", _DOUBLE: '"{}"', _BRACKETS: "[{}]"}
_PUT = {
    _TEXT: "'Qs7yQ'",
    _DOUBLE_TEXT: '"Qs7yQ"',
    _HEX: "0x730173",
    _WHOLE: "730173",
    _FRACTION: "730173.5",
    _SPACE: " \t ",
    _LINE: "\n\t ",
}

_DOUBLED = frozenset({Dialect.SQLITE, Dialect.TSQL})
"""Where a text ends at a quote, whatever stands before that, and a doubled one is a quote of it."""
_VALUED = MYSQL | _DOUBLED | {Dialect.ORACLE, Dialect.DB2, Dialect.ANSI, Dialect.CLICKHOUSE}
"""Where no grammar of sqlfluff looks into the numbers and texts of rows of data."""
_UNSAFE = frozenset({
    "EXEC", "EXECUTE", "OPENQUERY", "OPENROWSET", "QUERY_TO_XML", "QUERY_TO_XMLSCHEMA", "DO",
    "QUERY_TO_XML_AND_XMLSCHEMA", "DBLINK", "DBLINK_EXEC", "DBLINK_OPEN", "DBLINK_SEND_QUERY",
    "CROSSTAB", "TS_STAT", "PROGRAM", "DECLARE", "PREPARE", "DELIMITER", "EXECUTE_PREPARED_STMT",
    "EXEC_DDL_STATEMENT", "PARSE", "CREATE_JOB", "CREATE_PROGRAM", "SUBMIT", "FINISH_REDEF_TABLE",
    "REDEF_TABLE",
})  # fmt: skip
"""With one of these a text may be SQL that runs."""

_FIRST = re.compile(
    r"(?:\s|--[ \t][^\n]*\n)*(?:(INSERT|REPLACE|UPDATE|DELETE|CALL)|ALTER\s+TABLE|DROP|TRUNCATE|RENAME"
    r"|SELECT|GRANT|LOCK|UNLOCK|START|USE|CREATE\s+(?:TABLE|(?:UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+)?INDEX"
    r"|TEMPORARY\s+TABLE|(?:OR\s+REPLACE\s+)?VIEW))\s",
    re.IGNORECASE,
)
"""Statements that hold no others; the word of those of which no value and no variable counts."""


class Shape(NamedTuple):
    """A statement's shape, and what is its own."""

    key: tuple[Dialect, tuple[str, ...], tuple[int, ...]]
    """The classes of its tokens, and which of its names stands at each place of one."""
    names: list[str]
    """Each once, without quotes."""
    found: list[str]
    """The tokens, spaces too: together they are the text."""


class Lexicon(Record, kw_only=False):
    """How the statements of a dialect are cut into tokens, and these into classes."""

    dialect: Dialect
    pattern: re.Pattern[str]
    rows: _Classes
    others: _Classes

    def shape(self, text: str, variables: Variables) -> Shape | None:
        """Return a statement's shape; ``None`` where it is not certain."""
        first = _FIRST.match(text) if len(text) <= _LONGEST else None
        if first is None or (variables and _runs(first[1], variables)):
            return None
        found = self.pattern.findall(text + "\n")
        if not found[-1].isspace():
            return None
        found[-1] = found[-1][:-1]
        tokens = tuple(map((self.rows if first[1] else self.others).__getitem__, found))
        if "" in tokens:
            return None
        named = _named(found, tokens)
        if named is None:
            return None
        names, numbers = named
        if variables and not first[1]:
            said = {*map(str.lower, found), *map(str.lower, names)}
            if not variables.keys().isdisjoint(said):
                return None
        return Shape((self.dialect, tokens, numbers), names, found)


def _runs(word: str | None, variables: Variables) -> bool:
    """Whether a statement may run a program that was read, and what that is given or fills counts."""
    return (word or "").upper() == "CALL" or PROGRAM + "@" in variables


def _named(found: list[str], tokens: tuple[str, ...]) -> tuple[list[str], tuple[int, ...]] | None:
    """Return the names, and the number of the one at each place; ``None`` for two ways to write one."""
    seen: dict[str, int] = {}
    names: list[str] = []
    numbers: list[int] = []
    for token, what in [pair for pair in zip(found, tokens, strict=True) if pair[1] in NAMES]:
        name = token if what is _NAME else token[1:-1]
        number = seen.setdefault(name.lower(), len(names))
        if number == len(names):
            names.append(name)
        elif names[number] != name:
            return None
        numbers.append(number)
    return None if len(names) > _MOST_NAMES else (names, tuple(numbers))


class _Classes(dict[str, str]):
    """The class of each token that was met; empty where it is not certain."""

    def __init__(self, vocabulary: frozenset[str], dialect: Dialect, *, rows: bool) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.rows = rows and dialect in _VALUED
        self.double_is_text = dialect in MYSQL
        self.checked = dialect not in MYSQL | {Dialect.SQLITE}
        """Whether some texts are words of its grammar: ``'UTF8'``."""

    def __missing__(self, token: str) -> str:
        found = self._class(token)
        if len(token) <= _LONGEST_WORD:
            if len(self) > _MOST_WORDS:
                self.clear()
            self[token] = found
        return found

    def _class(self, token: str) -> str:  # noqa: PLR0911 - one a class
        first = token[:1]
        if not token.strip():
            return _space(token)
        if first == "'" or (first == '"' and self.double_is_text):
            return self._text(token)
        if first in _QUOTES:
            return self._quoted(token, _QUOTES[first])
        if token[-1] == "'":  # COMMENT 'x', x'1F', b'1', N'x'
            return self._marked(token)
        if first.isdigit():
            return self._number(token)
        if first.isalpha() or first == "_":
            return self._word(token)
        return "" if token in _COMMENTS else token

    def _word(self, token: str) -> str:
        if token.upper() in _UNSAFE:
            return ""
        return _NAME if self._plain(token) else token

    def _quoted(self, token: str, what: str) -> str:
        if not token.isascii():
            return ""
        return what if self._plain(token[1:-1]) else token

    def _plain(self, name: str) -> bool:
        """Whether a name is a word of nobody."""
        upper = name.upper()
        return (
            _PLAIN.fullmatch(name) is not None
            and upper not in self.vocabulary
            and not upper.startswith(_BEGINS)
        )

    def _number(self, token: str) -> str:
        if not self.rows:
            return token
        if token[1:2] == "x":
            return _HEX
        return _FRACTION if "." in token else _WHOLE

    def _marked(self, token: str) -> str:
        mark = token[: token.index("'")]
        if mark in {"N", "n"}:
            return token if self._text(token[1:]) == token[1:] else "\0" + mark
        return "\0" + mark if token[1].isalpha() else token

    def _text(self, token: str) -> str:
        if not self.rows:
            return token
        if self.checked and self.vocabulary.issuperset(_WORDS.findall(token.upper())):
            return token
        return _TEXT if token[0] == "'" else _DOUBLE_TEXT


_COMMENTS = frozenset({"--", "/*", "*/", "//"})
_QUOTES = {"`": _BACKTICKS, '"': _DOUBLE, "[": _BRACKETS}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
"""No single letter: Oracle has sizes of one."""
_WORDS = re.compile(r"\w+")
_BEGINS = ("SP_", "XP_", "SLUICEWAY_")
"""T-SQL's procedures of the system, and what stands for a part that is not known."""


def _space(token: str) -> str:
    if "\r" in token and "\r" in token.replace("\r\n", ""):
        return ""
    # Nothing at all is what is behind the last token.
    return _LINE if "\n" in token else _SPACE if token else "\0end"


@lru_cache(maxsize=32)
def lexicon(dialect: Dialect, version: str) -> Lexicon | None:
    """Return how a dialect's statements are cut; ``None`` where sqlfluff's words are not known."""
    vocabulary = load(version)
    if not vocabulary or dialect is Dialect.BIGQUERY:  # its names in quotes are whole paths
        return None
    rows, others = (_Classes(vocabulary, dialect, rows=which) for which in (True, False))
    return Lexicon(dialect, _pattern(dialect), rows, others)


def _pattern(dialect: Dialect) -> re.Pattern[str]:
    # What touches one of these is something else: no word, number or text may.
    alone = r"""(?![\w'"`$@\#:\\\[\]{}])"""
    text, double = r"'[^'\\\n]*+'", r'"[^"\\\n]*+"'
    if dialect in MYSQL:
        text, double = r"'(?:[^'\\]++|\\.|'')*+'", r'"(?:[^"\\]++|\\.|"")*+"'
    elif dialect in _DOUBLED:
        text = r"'(?:[^']++|'')*+'"
    parts = [r"[A-Za-z_][A-Za-z0-9_]*", text, double, r"(?<!\.)[0-9]+(?:\.[0-9]+)?(?!\.)"]
    if dialect in MYSQL:
        # What a COMMENT says counts for nobody.
        parts.insert(0, rf"(?:COMMENT|comment)(?:[ \t]*=[ \t]*|[ \t]+){text}")
        parts += [r"0x[0-9A-Fa-f]+", r"[xX]'(?:[0-9A-Fa-f]{2})+'", r"[bB]'[01]+'"]
    if dialect in MYSQL | {Dialect.TSQL}:
        parts.append(r"@[A-Za-z_][A-Za-z0-9_]*")
    if dialect is Dialect.TSQL:
        parts.insert(0, rf"[nN]{text}")
    if dialect in MYSQL | {Dialect.SQLITE, Dialect.CLICKHOUSE}:
        parts.append(r"`[A-Za-z0-9_ ]+`")
    if dialect in {Dialect.TSQL, Dialect.SQLITE}:
        parts.append(r"\[[A-Za-z0-9_ ]+\]")
    return re.compile(
        rf"(?:{'|'.join(parts)}){alone}"
        r"|[ \t\r\n]+"
        # A comment of which no dialect could take a part for anything else.
        r"|--[ \t][A-Za-z0-9_ \t,.;()=]*(?=\r?\n)"
        r"|--|/\*|\*/|//"
        r"|!=|[(),.;=<>+\-*/%]"
        # The meaning of anything else depends. It is the last one, and so it is seen.
        r"|.+",
        re.DOTALL,
    )


def shown(tokens: tuple[str, ...], names: list[str]) -> list[str]:
    """Return the tokens of a statement of these classes, with *names* in their places."""
    given = iter(names)
    return [_QUOTED[what].format(next(given)) if what in NAMES else _put(what) for what in tokens]


def _put(what: str) -> str:
    if what in _PUT:
        return _PUT[what]
    if what == "\0end":
        return ""
    return what[1:] + "'Qs7yQ'" if what[:1] == "\0" else what
