"""SQL that a statement puts together while it runs: which texts it may come to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.tokens import MYSQL, TokenKind

__all__ = ["PROGRAM", "UNKNOWN", "Variables", "assigned", "limited", "merge", "texts"]

UNKNOWN = "sluiceway_unknown"
"""Stands for a part that only the running server knows: a name, as far as one can tell."""
PROGRAM = "program "
"""Before the name of a stored procedure: what variables hold there is its text."""
_MOST = 16
_LONGEST = 10_000
"""Characters of a text that is followed."""

Variables = dict[str, tuple[str, ...]]
"""What each variable may hold, as far as the script says."""

_ENDS = frozenset(
    {",", ")", "FROM", "WHERE", "AS", "THEN", "ELSE", "WHEN", "END", ";", "INTO", "USING"}
)


def merge(before: Variables, variables: Variables) -> None:
    """Let variables hold what they held *before* too: what has changed them may not have run."""
    for key, found in variables.items():
        old = before.get(key)
        if old is not None and old != found:
            both = tuple(dict.fromkeys((*found, *old)))
            variables[key] = both if len(both) <= 2 * _MOST else (UNKNOWN,)


def texts(cursor: Cursor, variables: Variables) -> tuple[str, ...]:
    """Read an expression, and return the texts it may come to; none when nobody can say.

    A part that is not known is :data:`UNKNOWN` in them. At the end the cursor stands behind the
    expression: at a comma, a closing bracket or the end.
    """
    found = _joined(cursor, variables)
    return tuple(text for text in found if text.strip(" ;'\"[]`"))


def assigned(cursor: Cursor, variables: Variables) -> tuple[str, ...]:
    """Return the texts that a variable may hold when this expression is put to it.

    As :func:`texts`, but an empty text that stands there is one: what begins with it is known.
    """
    token = cursor.peek()
    empty = token is not None and token.kind is TokenKind.STRING and not token.text.strip()
    if empty and (cursor.peek(1) is None or cursor.word(1) in {",", ";"}):
        cursor.next()
        return ("",)
    return texts(cursor, variables)


def _joined(cursor: Cursor, variables: Variables) -> tuple[str, ...]:
    parts: list[tuple[str, ...]] = []
    while not cursor.done and cursor.word() not in _ENDS:
        if cursor.take("+") or cursor.take("|", "|") or cursor.take("&"):
            continue
        parts.append(_term(cursor, variables))
    return _product(parts)


def _product(parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    made = ("".join(choice) for choice in itertools.product(*parts))
    return limited(tuple(dict.fromkeys(itertools.islice(made, _MOST))))


def limited(found: tuple[str, ...]) -> tuple[str, ...]:
    """Return these texts, or :data:`UNKNOWN` alone: one put to itself a few times has no end."""
    return (UNKNOWN,) if any(len(text) > _LONGEST for text in found) else found


def _term(cursor: Cursor, variables: Variables) -> tuple[str, ...]:  # noqa: PLR0911 - one line a form
    token, following = cursor.next(), cursor.peek()
    if token.kind is TokenKind.STRING:
        return (token.text,)
    if token.word[:1] == "_" and following is not None and following.kind is TokenKind.STRING:
        return (cursor.next().text,)  # MySQL: _utf8mb4'x'
    if token.kind is TokenKind.NUMBER and cursor.dialect in MYSQL and token.text[:2] == "0x":
        return _unhexed(token.text[2:])
    if token.kind is TokenKind.VARIABLE:
        return variables.get(token.text.lower(), (UNKNOWN,))
    if token.word == "(":
        cursor.index -= 1
        return _inside(cursor.group(), variables)
    if token.word == "CASE":
        return _case(cursor, variables)
    if token.word == "SELECT":
        return _joined(cursor, variables)
    if cursor.word() == "(":
        group = cursor.group()
        if cursor.take("WITHIN", "GROUP"):
            cursor.skip_group()
        return _function(token.word, group, variables)
    if token.kind is TokenKind.SIGN and token.word != "-":
        return ("",)
    if variables.get(token.text.lower()):
        return variables[token.text.lower()]
    return (UNKNOWN,)


def _inside(group: Cursor, variables: Variables) -> tuple[str, ...]:
    group.take("SELECT")
    return _joined(group, variables)


def _case(cursor: Cursor, variables: Variables) -> tuple[str, ...]:
    found: list[str] = []
    while not cursor.done and not cursor.take("END"):
        if cursor.one_of("THEN", "ELSE"):
            found.extend(_joined(cursor, variables))
        elif not cursor.skip_group():
            cursor.next()
    return tuple(found)


def _function(  # noqa: PLR0911 - one line a function
    name: str, group: Cursor, variables: Variables
) -> tuple[str, ...]:
    arguments = group.clauses()
    if name in {"CHR", "CHAR", "NCHAR"}:
        return (_characters(arguments),)
    read = [_safe(argument, variables) for argument in arguments]
    if name == "CONCAT":
        return _product(read)
    if (
        name in {"STRING_AGG", "LISTAGG"} and read
    ):  # of two rows, so that what is between them is seen
        between = read[1] if len(read) > 1 else ("",)
        return _product([read[0], between, read[0]])
    if name == "CONCAT_WS" and read:
        separator = (read[0] or ("",))[0]
        return tuple(separator.join(choice) for choice in _few(itertools.product(*read[1:])))
    if name in {"IF", "IIF"} and len(read) > 1:
        return tuple(itertools.chain(*read[1:]))
    if name in {"IFNULL", "COALESCE", "ISNULL", "NULLIF", "NVL"}:
        return tuple(itertools.chain(*read))
    if name == "REPLACE" and len(read) == 3:  # noqa: PLR2004 - text, what, by what
        return tuple(
            text.replace(what, by) for text, what, by in _few(itertools.product(*read)) if what
        )
    if name in _CHANGED and len(read) == 1:
        return tuple(_CHANGED[name](text) for text in read[0])
    if name == "UNHEX" and len(read) == 1:
        return tuple(itertools.chain(*map(_unhexed, read[0])))
    if name in {"FORMAT", "FORMATMESSAGE"} and read:
        return tuple(_formatted(choice[0], choice[1:]) for choice in _few(itertools.product(*read)))
    if name in {"CAST", "CONVERT", "TRIM", "RTRIM", "LTRIM"} and read:
        return max(read, key=lambda choice: len(choice[0]) if choice else 0)
    return (UNKNOWN,)


_CHANGED: dict[str, Callable[[str], str]] = {
    "LOWER": lambda text: text if UNKNOWN in text else text.lower(),
    "UPPER": lambda text: text if UNKNOWN in text else text.upper(),
    "REVERSE": lambda text: UNKNOWN if UNKNOWN in text else text[::-1],
    "QUOTENAME": lambda text: text if UNKNOWN in text else "[" + text.replace("]", "]]") + "]",
}
_MOST_CHARACTERS = 0x110000


def _characters(arguments: list[Cursor]) -> str:
    """Return what ``CHR(10)``, ``CHAR(68, 82)`` is."""
    numbers = [argument.next().text for argument in arguments if not argument.done]
    plain = all(each.isdecimal() and int(each) < _MOST_CHARACTERS for each in numbers)
    if not plain or not all(argument.done for argument in arguments):
        return UNKNOWN
    return "".join(chr(int(each)) for each in numbers)


def _unhexed(text: str) -> tuple[str, ...]:
    try:
        return (bytes.fromhex(text).decode(),)
    except ValueError:
        return (UNKNOWN,)


_FORMAT = re.compile(r"%(?:(\d+)\$)?-?(?:\d+|\*)?([sIL%])")


def _formatted(text: str, values: tuple[str, ...]) -> str:
    """Do what PostgreSQL's ``format`` does."""
    place = 0

    def value(hit: re.Match[str]) -> str:
        nonlocal place
        if hit[2] == "%":
            return "%"
        at = int(hit[1]) - 1 if hit[1] else place
        place = at + 1
        found = values[at] if at < len(values) else UNKNOWN
        return f"'{found}'" if hit[2] == "L" else found

    return _FORMAT.sub(value, text)


def _few(made: itertools.product[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return list(itertools.islice(made, _MOST))


def _safe(argument: Cursor, variables: Variables) -> tuple[str, ...]:
    try:
        return _joined(argument, variables) or (UNKNOWN,)
    except Strange:
        return (UNKNOWN,)
