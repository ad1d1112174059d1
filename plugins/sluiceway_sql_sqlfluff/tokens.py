"""A statement as a list of tokens: the same ones whichever of sqlfluff's engines read it.

sqlfluff says where statements begin and end and whether their grammar holds. What a statement does is
read from these tokens, so that both engines, and the forms that sqlfluff does not know, come to the
same answer.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from typing import NamedTuple

from sluiceway.migrations.dialect import MYSQL
from sluiceway.migrations.records import Dialect

__all__ = ["BACKSLASHES", "MYSQL", "TokenKind", "Token", "Unreadable", "tokens"]

BACKSLASHES = MYSQL | {Dialect.BIGQUERY, Dialect.SNOWFLAKE, Dialect.CLICKHOUSE}
"""Where a backslash in a string takes the next character along."""
_DOUBLE_IS_STRING = MYSQL | {Dialect.BIGQUERY}
_BACKTICKS = MYSQL | {Dialect.SQLITE, Dialect.BIGQUERY, Dialect.CLICKHOUSE}
_BRACKETS = frozenset({Dialect.TSQL, Dialect.SQLITE})
_DOLLARS = frozenset({Dialect.POSTGRES, Dialect.REDSHIFT, Dialect.DUCKDB, Dialect.SNOWFLAKE})
_HASH_COMMENTS = MYSQL | {Dialect.BIGQUERY, Dialect.CLICKHOUSE}
_NESTING_COMMENTS = frozenset({Dialect.POSTGRES, Dialect.REDSHIFT, Dialect.DUCKDB, Dialect.TSQL})


class TokenKind(Enum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted"
    STRING = "string"
    NUMBER = "number"
    VARIABLE = "variable"
    SIGN = "sign"


class Token(NamedTuple):
    """One token; spaces and comments are none."""

    kind: TokenKind
    text: str
    """As written; of a quoted name and of a string what stands between the quotes, unescaped."""
    word: str
    """In capitals for a word, the character of a sign, else empty: what keywords are looked up by."""
    start: int
    end: int


class Unreadable(Exception):  # noqa: N818 - it says what the text is; never leaves this plugin
    """The text has no tokens: a quote or a comment that does not end."""


def tokens(text: str, dialect: Dialect, start: int = 0, end: int | None = None) -> list[Token]:
    """Return the tokens of *text* between *start* and *end*. Raises :class:`Unreadable`."""
    stop = len(text) if end is None else end
    pattern = _pattern(dialect)
    found: list[Token] = []
    position: int | None = start
    while position is not None:
        position = _up_to_comment(pattern, text, position, stop, dialect, found)
    return found


def _up_to_comment(
    pattern: re.Pattern[str], text: str, start: int, stop: int, dialect: Dialect, found: list[Token]
) -> int | None:
    """Add the tokens up to a comment, and return where that ends; ``None`` when there is none."""
    word, sign, add = TokenKind.WORD, TokenKind.SIGN, found.append
    for hit in pattern.finditer(text, start, stop):  # spaces before it are passed with each
        kind = hit.lastgroup
        if kind == "word":
            written = hit["word"]
            add(_token(Token, (word, written, written.upper(), *hit.span("word"))))
        elif kind == "sign":
            written = hit["sign"]
            if written in _OPENERS:
                raise Unreadable(_what(text, hit.start("sign")))
            add(_token(Token, (sign, written, written, *hit.span("sign"))))
        elif kind == "comment":
            nesting = dialect in _NESTING_COMMENTS
            return _comment_end(text, hit.start("comment"), stop, nesting=nesting, dialect=dialect)
        elif kind is not None and kind != "line":
            add(_valued(kind, hit[kind], *hit.span(kind), dialect))
    return None


_token = tuple.__new__
"""Makes a token in half the time that its own name takes: there are many."""
_OPENERS = frozenset({"'"})
_KINDS = {
    "quoted": TokenKind.QUOTED,
    "bracketed": TokenKind.QUOTED,
    "double": TokenKind.QUOTED,
    "string": TokenKind.STRING,
    "dollar": TokenKind.STRING,
    "variable": TokenKind.VARIABLE,
    "number": TokenKind.NUMBER,
}


def _valued(kind: str, written: str, begin: int, end: int, dialect: Dialect) -> Token:
    if kind in {"number", "variable"}:
        return Token(_KINDS[kind], written, "", begin, end)
    if kind == "dollar":
        tag = written[: written.index("$", 1) + 1]
        return Token(TokenKind.STRING, written[len(tag) : -len(tag)], "", begin, end)
    if kind == "bracketed":
        return Token(TokenKind.QUOTED, written[1:-1].replace("]]", "]"), "", begin, end)
    inner = written[1:-1]
    if written[0] == written[-1] and written[0] not in inner and "\\" not in inner:
        return _token(Token, (_KINDS[kind], inner, "", begin, end))
    opening = next(index for index, character in enumerate(written) if character in "'\"`")
    quote = written[opening]
    inner = written[opening + 1 : -1]
    escaped = dialect in BACKSLASHES or (quote == "'" and written[:1] in "eE")
    if quote == "'" and written[opening - 1 : opening] in {"q", "Q"}:  # Oracle: q'[...]'
        return Token(_KINDS[kind], inner[1:-1], "", begin, end)
    inner = inner.replace(quote * 2, quote)
    if escaped and "\\" in inner and quote != "`":
        inner = _ESCAPE.sub(lambda hit: _ESCAPES.get(hit[1], hit[1]), inner)
    return Token(_KINDS[kind], inner, "", begin, end)


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "b": "\b", "Z": "\x1a"}
_MARK = re.compile(r"/\*|\*/")


def _comment_end(text: str, begin: int, stop: int, *, nesting: bool, dialect: Dialect) -> int:
    if dialect in MYSQL and text.startswith(("/*!", "/*M!"), begin):
        msg = "a comment that the server runs (/*! ... */) was left in the statement"
        raise Unreadable(msg)
    if not nesting:
        end = text.find("*/", begin + 2, stop)
        if end < 0:
            raise Unreadable(_what(text, begin))
        return end + 2
    depth, position = 0, begin
    while True:
        hit = _MARK.search(text, position, stop)
        if hit is None:
            raise Unreadable(_what(text, begin))
        depth += 1 if hit[0] == "/*" else -1
        position = hit.end()
        if depth == 0:
            return position


def _what(text: str, position: int) -> str:
    return f"a quote or a comment does not end: {text[position : position + 20]!r} ..."


@cache
def _pattern(dialect: Dialect) -> re.Pattern[str]:
    mysql = dialect in MYSQL
    line_comment = r"--(?=[\x00-\x20\x7f]|\Z)[^\n]*|\#[^\n]*" if mysql else r"--[^\n]*"
    if dialect is Dialect.BIGQUERY:
        line_comment = r"(?:--|\#)[^\n]*"
    elif dialect is Dialect.CLICKHOUSE:
        line_comment = r"(?:--|\#[ !])[^\n]*"
    elif dialect is Dialect.SNOWFLAKE:
        line_comment = r"(?:--|//)[^\n]*"
    plain = r"'(?:[^']|'')*'"
    slashed = r"'(?:[^'\\]|''|\\.)*'"
    prefix = r"(?:[nNxXbB]|[uU]&)?"
    string = rf"{prefix}{slashed if dialect in BACKSLASHES else plain}"
    if dialect in _DOLLARS:
        string = rf"[eE]{slashed}|{string}"
    if dialect is Dialect.ORACLE:
        string = (
            r"[nN]?[qQ]'(?:\[.*?\]'|\(.*?\)'|\{.*?\}'|<.*?>'|(?P<mark>[^\s\[\](){}<>]).*?(?P=mark)')|"
            + string
        )
    parts = [
        rf"(?P<line>{line_comment})",
        r"(?P<comment>/\*)",
    ]
    if dialect in _DOUBLE_IS_STRING:
        string += r'|"(?:[^"\\]|""|\\.)*"'
        if not mysql:
            string = r"[rRbB]{0,2}(?:\'{3}.*?\'{3}|\"{3}.*?\"{3})|" + string
    else:
        parts.append(r'(?P<double>"(?:[^"]|"")*")')
    parts.append(rf"(?P<string>{string})")
    if dialect in _DOLLARS:
        parts.append(r"(?P<dollar>\$(?P<tag>[^\W\d]\w*)?\$.*?\$(?(tag)(?P=tag))\$)")
    if dialect in _BACKTICKS:
        parts.append(r"(?P<quoted>`(?:[^`]|``)*`)")
    if dialect in _BRACKETS:
        parts.append(r"(?P<bracketed>\[(?:[^\]]|\]\])*\])")
    # Where "#" begins a comment, it does so right behind a word too.
    inside = r"[\w$]" if dialect in _HASH_COMMENTS else r"[\w$\#@]"
    word = rf"[^\W\d]{inside}*" if dialect is not Dialect.TSQL else r"\#{0,2}[^\W\d][\w$\#@]*"
    parts += [
        r"(?P<variable>@{1,2}(?:[\w$.]+|`[^`]*`|'[^']*')|:[^\W\d]\w*)"
        if mysql
        else rf"(?P<variable>@{{1,2}}{inside}+)",
        rf"(?P<word>{word})",
        r"(?P<number>\d(?:\w|\.(?!\.))*|\.\d\w*)",  # not what stands behind 1..
        r"(?P<sign>\S)",
    ]
    return re.compile(rf"\s*(?:{'|'.join(parts)})", re.DOTALL)
