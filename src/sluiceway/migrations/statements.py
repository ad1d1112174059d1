"""Where the statements of a text begin and end, for every dialect, without a parser.

A scanner of tokens: it knows quotes, comments and the few bodies that hold semicolons of their own,
and no grammar. A text that is not SQL at all is cut somewhere too: nothing is ever lost. Sources:
PostgreSQL 18 ``scan.l`` and ``psqlscan.l``, MySQL 8.4 ``sql_lex.cc``, SQLite ``complete.c`` and
``tokenize.c``, the T-SQL and PL/SQL references.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

from sluiceway.migrations.records import Dialect, Span
from sluiceway.record import Record

__all__ = ["BETWEEN", "BLANK", "Token", "cut", "spans", "tokens"]

BLANK = " \t\n\r\f\v"
"""What the servers skip between tokens. No more than ASCII: a no-break space is part of a name."""

BETWEEN = r"(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*+\*/)"
"""A pattern of one thing between two words. To be repeated possessively (``*+``): each comment ends in one
place only, and to try others takes without end where there are many."""

# Letters, digits and all that is not ASCII, told by what they are not: quick to compile.
_LETTER = r"[^\x00-\x40\x5b-\x5e\x60\x7b-\x7f]"
_LETTER_OR_DIGIT = r"[^\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]"
_IN_WORD = r"[^\x00-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]"
_WORD = f"{_LETTER}{_IN_WORD}*"
_NOT_IN_WORD = f"(?<!{_IN_WORD})"
_TAG = rf"(?<!{_IN_WORD}\$)(?:{_LETTER}{_LETTER_OR_DIGIT}*)?\$"
_DOLLAR = rf"\${_TAG}"


class _Lexis(Record, kw_only=False):
    """The quotes and comments of a dialect."""

    line_comment: str = r"--[^\n\r]*"
    block_comment: str = r"/\*"
    nested: bool = False
    """Comments nest; one that does not end takes the rest of the text."""
    quotes: str = r"'[^']*(?:''[^']*)*(?:'|\Z)"
    """Whole quoted strings and names, unterminated ones up to the end of the text."""
    dollar: bool = False
    separator: str = ""
    """A line that ends a batch."""
    blocks: str = ""
    """How this dialect's compound statements are told: see :func:`_head`."""
    plain: str = ""
    """What neither ends a statement nor begins a comment, quotes that are closed among it."""
    prefixed: str = ""
    """Quotes that begin with a letter, where words are looked for too; *quotes* holds them by their mark."""
    gap: str = ""
    """What begins no quote, comment or end, to be passed over at once."""


_DOUBLE = r"""|"[^"]*(?:""[^"]*)*(?:"|\Z)"""
_SINGLE = r"'[^']*(?:''[^']*)*(?:'|\Z)"
_ESCAPED = r"'[^'\\]*(?:(?:\\.|'')[^'\\]*)*(?:'|\\?\Z)"
_ESCAPED_DOUBLE = r'|"[^"\\]*(?:(?:\\.|"")[^"\\]*)*(?:"|\\?\Z)'
_BACKQUOTE = r"|`[^`]*(?:``[^`]*)*(?:`|\Z)"
_BRACKET = r"|\[[^\]]*(?:\]\][^\]]*)*(?:\]|\Z)"
_Q_QUOTE = (
    _NOT_IN_WORD + r"[nN]?[qQ]'(?:\[.*?(?:\]'|\Z)|\{.*?(?:\}'|\Z)|\(.*?(?:\)'|\Z)|<.*?(?:>'|\Z)"
    r"|(?P<mark>[^\s\[{(<]).*?(?:(?P=mark)'|\Z))|"
)

_POSTGRES = _Lexis(
    nested=True,
    # E'...' is told by what stands before its mark: only marks need to be looked at then.
    quotes=f"'(?<=[eE]')(?<!{_IN_WORD}[eE]')" + _ESCAPED[1:] + "|" + _SINGLE + _DOUBLE,
    prefixed=_NOT_IN_WORD + "[eE]" + _ESCAPED + "|",
    dollar=True,
    blocks="postgres",
    gap=rf"""(?:[^;'"\-/$]++|-(?!-)|/(?!\*)|\$(?!{_TAG}))*+""",
)
_MYSQL = _Lexis(
    block_comment=r"/\*(?!M?!)",  # /*!40000 DROP TABLE x */ runs
    line_comment=r"--(?=[\x00-\x20\x7f]|\Z)[^\n]*|\#[^\n]*",
    quotes=_ESCAPED + _ESCAPED_DOUBLE + _BACKQUOTE,
    blocks="mysql",
    plain=(
        r"""(?:[^;'"`\-/\#]++|'(?:[^'\\]++|\\.|'')*+'|"(?:[^"\\]++|\\.|"")*+"|`(?:[^`]++|``)*+`)*+"""
    ),
)
_ANSI = _Lexis(quotes=_SINGLE + _DOUBLE, blocks="ansi")
_SCRIPT = _Lexis(
    line_comment=r"(?:--|\#)[^\n]*",
    quotes=r"'''.*?(?:'''|\Z)|\"\"\".*?(?:\"\"\"|\Z)|" + _ESCAPED + _ESCAPED_DOUBLE + _BACKQUOTE,
    blocks="script",
)

_GO = r"(?im:^[ \t]*GO(?:[ \t]+\d+)?[ \t]*;?[ \t]*(?:--[^\n]*)?\r?$)"
_CLOSED = r"""'(?:[^']++|'')*+'|"(?:[^"]++|"")*+"|\[(?:[^\]]++|\]\])*+\]"""

_LEXIS: dict[Dialect, _Lexis] = {
    Dialect.POSTGRES: _POSTGRES,
    Dialect.REDSHIFT: _POSTGRES,
    Dialect.DUCKDB: _POSTGRES,
    Dialect.MYSQL: _MYSQL,
    Dialect.MARIADB: _MYSQL,
    Dialect.SQLITE: _Lexis(
        line_comment=r"--[^\n]*",
        quotes=_SINGLE + _DOUBLE + _BACKQUOTE + _BRACKET,
        blocks="sqlite",
        plain=rf"""(?:[^;'"`\[\-/]++|{_CLOSED}|`(?:[^`]++|``)*+`)*+""",
        gap=r"""(?:[^;'"`\[\-/]++|-(?!-)|/(?!\*))*+""",
    ),
    Dialect.TSQL: _Lexis(
        nested=True,
        quotes=_SINGLE + _DOUBLE + _BRACKET,
        separator=_GO,
        plain=rf"""(?!{_GO})(?:[^;'"\[\-/\n]++|{_CLOSED}|\n(?!{_GO}))*+""",
        gap=rf"""(?:(?!{_GO})(?:[^;'"\[\-/\n]++|-(?!-)|/(?!\*)|\n(?!{_GO}))*+(?:\n(?={_GO}))?)?+""",
        blocks="tsql",
    ),
    Dialect.ORACLE: _Lexis(
        quotes=_Q_QUOTE + _SINGLE + _DOUBLE,
        separator=r"(?m:^[ \t]*/[ \t]*\r?$)",
        blocks="oracle",
    ),
    Dialect.SNOWFLAKE: _Lexis(
        line_comment=r"(?:--|//)[^\n\r]*", quotes=_ESCAPED + _DOUBLE, dollar=True, blocks="script"
    ),
    Dialect.BIGQUERY: _SCRIPT,
    Dialect.CLICKHOUSE: _Lexis(
        line_comment=r"(?:--|\#[ !])[^\n]*",
        quotes=_ESCAPED + _ESCAPED_DOUBLE + _BACKQUOTE,
        dollar=True,
    ),
    Dialect.DB2: _ANSI,
    Dialect.ANSI: _ANSI,
}


class _Scanner(Record, kw_only=False):
    lexis: _Lexis
    flat: Callable[[str, int], re.Match[str] | None]
    """Finds the next quote, comment or end of a statement; its group tells where that begins."""
    words: Callable[[str, int], re.Match[str] | None]
    """The same, and words and brackets."""
    plain: re.Pattern[str] | None


@cache
def _scanner(dialect: Dialect) -> _Scanner:
    lexis = _LEXIS[dialect]
    block = lexis.block_comment if lexis.nested else lexis.block_comment + r".*?(?:\*/|\Z)"

    def parts(quotes: str) -> str:
        found = [
            f"(?P<separator>{lexis.separator})" if lexis.separator else "",
            f"(?P<comment>{lexis.line_comment}{'' if lexis.nested else '|' + block})",
            f"(?P<nested>{block})" if lexis.nested else "",
            f"(?P<quoted>{quotes})",
            f"(?P<dollar>{_DOLLAR})" if lexis.dollar else "",
            "(?P<end>;)",
        ]
        return "|".join(part for part in found if part)

    flat = re.compile(f"{lexis.gap}(?:{parts(lexis.quotes)})", re.DOTALL)
    words = f"{parts(lexis.prefixed + lexis.quotes)}|(?P<word>{_WORD})|(?P<bracket>[()])"
    plain = re.compile(lexis.plain, re.DOTALL) if lexis.plain else None
    # Behind a gap comes a token or nothing: to look for another place would begin the gap again.
    find = flat.match if lexis.gap else flat.search
    return _Scanner(lexis, find, re.compile(words, re.DOTALL).search, plain)


_NESTED = re.compile(r"/\*|\*/")


def _comment_end(text: str, position: int) -> int:
    """Return where the nested comment that begins at *position* ends."""
    depth = 0
    for mark in _NESTED.finditer(text, position):
        # "/*/" opens and does not close: finditer goes on behind what it has matched.
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    return len(text)


Token = tuple[str, int, int]
"""``comment``, ``quoted``, ``end``, ``separator``, ``word``, ``bracket``; begin; end (excluded)."""


def _token(text: str, match: re.Match[str]) -> Token:
    """Return the token of *match*, with the length of what only a second search can measure."""
    kind, end = str(match.lastgroup), match.end()
    if kind == "mark":
        return "quoted", match.start(), end
    begin = match.start(kind)
    if kind == "nested":
        return "comment", begin, _comment_end(text, begin)
    if kind == "dollar":
        close = text.find(text[begin:end], end)
        return "quoted", begin, len(text) if close < 0 else close + end - begin
    return kind, begin, end


def tokens(text: str, dialect: Dialect, *, words: bool = False, start: int = 0) -> Iterator[Token]:
    """Yield the quotes, comments and ends of statements of *text*, in order; words if asked.

    *start* is where to begin; it must not be inside one of them.
    """
    scanner = _scanner(dialect)
    find = scanner.words if words else scanner.flat
    position = start
    while match := find(text, position):
        token = _token(text, match)
        yield token
        position = token[2]


class _Body:
    """What a statement's words tell about the semicolons inside it."""

    __slots__ = ("depth", "head", "kind", "previous", "rule", "undecided")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        """The dialect's family."""
        self.undecided = bool(kind)
        """The statement's first words may still tell a body."""
        self.rule: Callable[[_Body, str], None] | None = None
        """How the words of a body change :attr:`depth`."""
        self.head: list[str] = []
        self.depth = 0
        """How many bodies are open: a semicolon inside one ends nothing."""
        self.previous = ""

    @property
    def wants_words(self) -> bool:
        return self.undecided or self.rule is not None

    def word(self, word: str) -> None:
        if self.undecided:
            self.head.append(word)
            _head(self)
        if self.rule:
            self.rule(self, word)
        self.previous = word

    def bracket(self, mark: str) -> None:
        if self.rule is _in_rule:
            self.depth = max(0, self.depth + (1 if mark == "(" else -1))
        elif self.undecided and self.kind != "tsql" and len(self.head) > 1:
            self.undecided = False


_MODIFIERS = frozenset({
    "OR", "REPLACE", "ALTER", "TEMP", "TEMPORARY", "DEFINER", "CURRENT_USER", "AGGREGATE", "EDITIONABLE",
    "NONEDITIONABLE", "SECURE", "IF", "NOT", "EXISTS", "TRUSTED",
})  # fmt: skip
_BODIES: dict[str, frozenset[str]] = {
    "postgres": frozenset({"FUNCTION", "PROCEDURE"}),
    "mysql": frozenset({"FUNCTION", "PROCEDURE", "TRIGGER", "EVENT"}),
    "sqlite": frozenset({"TRIGGER"}),
    "ansi": frozenset({"FUNCTION", "PROCEDURE", "TRIGGER"}),
    "script": frozenset({"FUNCTION", "PROCEDURE", "TASK"}),
    "oracle": frozenset({"FUNCTION", "PROCEDURE", "TRIGGER", "PACKAGE", "TYPE", "LIBRARY"}),
}
_LONG_HEAD = 16


def _head(body: _Body) -> None:
    """Decide from a statement's first words whether it may hold semicolons."""
    first, last = body.head[0], body.head[-1]
    if body.kind == "tsql":
        body.undecided, body.rule = False, _in_batch
    elif body.kind == "oracle" and first in {"DECLARE", "BEGIN"}:
        body.undecided, body.rule = False, _until_slash
    elif body.kind == "script" and first in {"DECLARE", "BEGIN"} and len(body.head) == 1:
        body.undecided, body.rule = False, _in_block
    elif body.kind == "mysql" and first == "BEGIN":
        # MariaDB's BEGIN NOT ATOMIC is a block, a BEGIN alone a transaction.
        body.undecided = last in {"BEGIN", "NOT"}
        if last == "ATOMIC" and len(body.head) == 3:  # noqa: PLR2004 - the three words
            body.depth, body.rule = 1, _in_block
    elif first != "CREATE":
        body.undecided = False
    elif len(body.head) > 1 and last not in _MODIFIERS:
        # DEFINER = somebody@somewhere: a name that may be written without quotes.
        named = body.kind == "mysql" and "DEFINER" in body.head
        if last in _BODIES[body.kind]:
            body.undecided = False
            body.rule = {"postgres": _in_atomic, "oracle": _until_slash}.get(body.kind, _in_block)
        elif last == "RULE" and body.kind == "postgres":
            body.undecided, body.rule = False, _in_rule
        elif not named or len(body.head) > _LONG_HEAD:
            body.undecided = False


def _in_atomic(body: _Body, word: str) -> None:
    """PostgreSQL's ``BEGIN ATOMIC ... END``, in which only CASE has an END of its own."""
    if (word == "ATOMIC" and body.previous == "BEGIN" and not body.depth) or (
        word == "CASE" and body.depth
    ):
        body.depth += 1
    elif word == "END" and body.depth:
        body.depth -= 1


def _in_rule(body: _Body, _word: str) -> None:
    """PostgreSQL's ``CREATE RULE ... DO (a; b)``: the brackets count."""


_NO_END = frozenset({"IF", "LOOP", "WHILE", "REPEAT", "FOR"})


def _in_block(body: _Body, word: str) -> None:
    """``BEGIN ... END`` of stored programs. ``END IF`` and its like close nothing that is counted."""
    if word in {"BEGIN", "CASE"} and body.previous != "END":
        body.depth += 1
    elif word == "END" and body.depth:
        body.depth -= 1
    elif body.previous == "END" and word in _NO_END:
        body.depth += 1
    elif word in {"TRANSACTION", "TRAN"} and body.previous == "BEGIN":
        body.depth = max(0, body.depth - 1)


_BATCH = re.compile(r"(?i)begin|case|proc|function|trigger")
"""Of the words of :func:`_in_batch` those without which the others count for nothing."""
_NO_BLOCK = frozenset({"TRAN", "TRANSACTION", "DISTRIBUTED", "DIALOG", "CONVERSATION"})


def _in_batch(body: _Body, word: str) -> None:
    """T-SQL: blocks anywhere, and a module (``CREATE PROCEDURE``) is the rest of its batch."""
    if word in {"BEGIN", "CASE"}:
        body.depth += 1
    elif (word == "END" and body.depth) or (word in _NO_BLOCK and body.previous == "BEGIN"):
        body.depth -= 1
    elif word == "CONVERSATION" and body.previous == "END":
        body.depth += 1
    elif word in {"PROC", "PROCEDURE", "FUNCTION", "TRIGGER"} and body.previous in {
        "CREATE",
        "ALTER",
    }:
        body.rule = _until_slash


def _until_slash(body: _Body, _word: str) -> None:
    """PL/SQL, and T-SQL modules: nothing but the line of a slash (of GO) ends it."""
    body.depth = 1


_ELSE = re.compile(r"(?i)\s*ELSE\b")


def spans(text: str, dialect: Dialect) -> list[Span]:
    """Return where each statement of *text* begins and ends, in characters, in order.

    A span holds neither the semicolon (or ``GO``, or ``/``) that ends it nor the spaces and comments
    around it. Everything that is not space, comment or such an end is in exactly one span; what a
    quote does not close is one last span.
    """
    return [(begin, end) for begin, end, _ in cut(text, dialect)]


def cut(text: str, dialect: Dialect, *, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield the spans of *text*, one when it is asked for, each with where what ends it ends.

    *start* is where to begin; no statement may be open there.
    """
    scanner = _scanner(dialect)
    family = _family(scanner.lexis, text, start)
    begin, last, position, body = -1, 0, start, _Body(family)
    while True:
        if begin >= 0 and scanner.plain and not body.wants_words:
            # Nothing in it counts for anybody, and it is nearly all of a statement.
            passed = scanner.plain.match(text, position)
            inside = passed[0].rstrip(BLANK) if passed else ""
            last = position + len(inside) if inside else last
            position = passed.end() if passed else position
        match = (scanner.words if body.wants_words else scanner.flat)(text, position)
        kind, at, stop = _token(text, match) if match else ("end", len(text), len(text))
        between = text[position:at].rstrip(BLANK)
        if between:
            last = position + len(between)
            if begin < 0:
                begin = last - len(between.lstrip(BLANK))
            if body.undecided and not body.head:
                body.undecided = False  # it begins with a mark: "(SELECT 1) ..."
        position = stop
        if kind in {"quoted", "word", "bracket"}:
            begin = at if begin < 0 else begin
            last = stop
            if kind == "word":
                body.word(text[at:stop].upper())
            elif kind == "bracket":
                body.bracket(text[at])
        elif kind == "separator" or (
            kind == "end" and (not match or _ends(text, stop, body, dialect))
        ):
            if begin >= 0:
                yield begin, last, stop
            begin, body = -1, _Body(family)
        elif kind == "end":
            last, body.previous = stop, ""
        if not match:
            return


def _family(lexis: _Lexis, text: str, start: int) -> str:
    """Return how compound statements are told in this text; empty where none of its words opens one."""
    return "" if lexis.blocks == "tsql" and not _BATCH.search(text, start) else lexis.blocks


def _ends(text: str, position: int, body: _Body, dialect: Dialect) -> bool:
    """Tell whether the semicolon before *position* ends the statement."""
    if body.depth:
        return False
    # IF x SELECT 1; ELSE SELECT 2; is one statement of T-SQL.
    return dialect is not Dialect.TSQL or not _ELSE.match(text, position)
