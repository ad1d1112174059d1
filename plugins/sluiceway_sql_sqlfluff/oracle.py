"""What only Oracle has: drops that take tables along, and PL/SQL that does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sluiceway.migrations.records import Action, Kind, Name
from sluiceway_sql_sqlfluff.cursor import Cursor
from sluiceway_sql_sqlfluff.tokens import Token, TokenKind

__all__ = ["not_ended", "oracle_dropped"]


def oracle_dropped(cursor: Cursor, offset: int) -> Iterator[Action]:
    """Read Oracle's drops that may take tables along: a user is a schema; a cluster, a tablespace hold some."""
    word = cursor.next().word
    if word == "DATABASE" and not cursor.take("LINK"):
        name = cursor.name() if cursor.at_name() else ()
        yield Action(kind=Kind.DROP_DATABASE, name=name, offset=offset)
        return
    cursor.take("IF", "EXISTS")
    name = cursor.name()
    if cursor.take("CASCADE"):
        yield Action(kind=Kind.DROP_SCHEMA, name=name, cascade=True, offset=offset)
    elif word == "TABLESPACE":
        yield _tablespace(cursor, name, offset)
    elif cursor.take("INCLUDING", "TABLES"):
        cursor.take("CASCADE", "CONSTRAINTS")
        yield Action(kind=Kind.DROP_TABLE, name=name, offset=offset)
    else:
        yield Action(kind=Kind.OTHER, label=f"drop {word.lower()}")


def _tablespace(cursor: Cursor, name: Name, offset: int) -> Action:
    """Read DROP TABLESPACE: without its contents it has to be empty."""
    cursor.one_of("DROP", "KEEP") and cursor.take("QUOTA")
    holds = cursor.take("INCLUDING", "CONTENTS")
    if holds and cursor.one_of("AND", "KEEP"):
        cursor.take("DATAFILES")
    cursor.take("CASCADE", "CONSTRAINTS")
    if holds:
        return Action(kind=Kind.DROP_SCHEMA, name=name, cascade=True, offset=offset)
    return Action(kind=Kind.OTHER, label="drop tablespace")


_PROGRAMS = frozenset({"PROCEDURE", "FUNCTION", "PACKAGE", "TRIGGER", "TYPE"})
_BEHIND_END = frozenset({";", "IF", "LOOP", "CASE"})
_LEADS = frozenset({"BEGIN", "DECLARE", "CREATE", "<"})


def not_ended(found: Sequence[Token]) -> str:
    """Say which statement of a block of PL/SQL has no end; nothing when all have theirs.

    sqlfluff takes ``BEGIN UPDATE t SET a = 1 END;``. Before an END that is not of a CASE in an
    expression stands a semicolon.
    """
    spoken = [token.word for token in found]
    if spoken[0] not in _LEADS or (spoken[0] == "CREATE" and _PROGRAMS.isdisjoint(spoken[:8])):
        return ""
    cases, begun = 0, False
    for index, token in enumerate(found):
        begun = begun or token.word == "BEGIN"
        if token.kind is not TokenKind.WORD or token.word not in {"CASE", "END"}:
            continue
        before = spoken[index - 1] if index else ""
        behind = spoken[index + 1 : index + 3]
        sign = index and found[index - 1].kind is TokenKind.SIGN
        if token.word == "END" and sign and before not in {";", ")"}:
            continue  # a column of that name, or a part of $END
        if token.word == "CASE" and before != "END":
            cases += 1
        elif token.word == "END":
            if before == ";":
                cases -= behind[:1] == ["CASE"]
            elif cases:
                cases -= 1
            elif begun and (not behind or behind[0] in _BEHIND_END or behind[1:] in ([], [";"])):
                return f"nothing ends the statement before END: {found[index - 1].text!r}"
    return ""
