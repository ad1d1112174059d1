"""What the words of a text let one guess where its grammar is not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sluiceway.migrations.records import Action, Dialect, Kind
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import Variables
from sluiceway_sql_sqlfluff.simple import statement
from sluiceway_sql_sqlfluff.tokens import Token, TokenKind, Unreadable

__all__ = ["dangers", "guess", "hidden"]

_OBJECTS = frozenset({"TABLE", "TABLES", "DATABASE", "SCHEMA", "COLUMN", "PARTITION", "TEMPORARY"})
_NOT_TRUNCATED = frozenset({"(", ",", ")", "ON", "OR", "", ";", "="})


def dangers(found: Sequence[Token]) -> list[int]:
    """Return where among these tokens stand the first words of something that is judged."""
    hits = []
    for index, token in enumerate(found):
        if token.word not in _FIRST_WORDS or token.kind is not TokenKind.WORD:
            continue
        after = found[index + 1] if index + 1 < len(found) else None
        word = after.word if after else ""
        second = found[index + 2].word if index + 2 < len(found) else ""
        if (
            (token.word == "DROP" and word in _OBJECTS)
            or (token.word in {"ALTER", "RENAME"} and word in {"TABLE", "TABLES", "COLUMN"})
            or (token.word == "TRUNCATE" and after is not None and word not in _NOT_TRUNCATED)
            or (token.word == "CREATE" and (word == "INDEX" or second == "INDEX"))
            or (token.word in {"EXEC", "EXECUTE"} and after is not None and _runs(after))
        ):
            hits.append(index)
    return hits


_FIRST_WORDS = frozenset({"DROP", "ALTER", "RENAME", "TRUNCATE", "CREATE", "EXEC", "EXECUTE"})
_NOT_RUN = frozenset({"ON", "AS", "FUNCTION", "PROCEDURE", ",", ")", "", ";"})


def _runs(after: Token) -> bool:
    return after.kind is TokenKind.STRING or after.word not in _NOT_RUN


def hidden(found: Sequence[Token]) -> str:
    """Say of tokens with a danger in them that it is not known what they do."""
    first = found[dangers(found)[0]]
    return f"{first.word} stands in it where it is not known what it does"


def guess(
    found: Sequence[Token], dialect: Dialect, text: str, variables: Variables
) -> Iterator[Action]:
    """Yield what the words of a text that could not be parsed let one guess."""
    for index in dangers(found):
        end = next((at for at in range(index + 1, len(found)) if found[at].word == ";"), len(found))
        part = list(found[index:end])
        if part[0].word == "DROP" and len(part) > 1 and part[1].word in {"COLUMN", "PARTITION"}:
            continue  # of an ALTER TABLE, which is guessed as a whole
        cursor = Cursor(part, dialect, text)
        begin = part[0].start - found[0].start
        try:
            actions = statement(cursor, dict(variables))
        except (Strange, Unreadable):
            actions = list(_bare(part, dialect, text))
        for action in actions:
            yield replace(action, offset=begin + action.offset)


def _bare(part: list[Token], dialect: Dialect, text: str) -> Iterator[Action]:
    """Yield what the first words say when the rest makes no sense."""
    kind = {
        "DROP": Kind.DROP_TABLE,
        "TRUNCATE": Kind.TRUNCATE,
    }.get(part[0].word)
    cursor = Cursor(part, dialect, text)
    cursor.next()
    cursor.one_of("TABLE", "TABLES", "DATABASE", "SCHEMA")
    cursor.take("IF", "EXISTS")
    if cursor.done:
        return
    try:
        name = cursor.name()
    except Strange:
        name = ()
    if kind is not None:
        yield Action(kind=kind, name=name)
        return
    if part[0].word != "ALTER":
        return
    for index, token in enumerate(part[:-1]):
        inner = Cursor(part, dialect, text)
        inner.index = index + 1
        try:
            if token.word == "DROP" and inner.take("COLUMN"):
                inner.take("IF", "EXISTS")
                yield Action(kind=Kind.DROP_COLUMN, name=name, column=inner.column())
            elif token.word == "RENAME" and inner.take("COLUMN"):
                yield Action(kind=Kind.RENAME_COLUMN, name=name, column=inner.column())
        except Strange:
            continue
