"""Stored programs: where the head ends and the body begins."""

from __future__ import annotations

from sluiceway.migrations.records import Action, Dialect, Kind
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import PROGRAM, UNKNOWN, Variables
from sluiceway_sql_sqlfluff.simple import statement
from sluiceway_sql_sqlfluff.tokens import MYSQL, Token, TokenKind
from sluiceway_sql_sqlfluff.variables import note_programs
from sluiceway_sql_sqlfluff.words import words

__all__ = ["body_start", "bound", "note_program", "program_made"]

_PROGRAMS = frozenset({"PROCEDURE", "PROC", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE", "TASK"})


def program_made(
    head: list[Token], dialect: Dialect, text: str, variables: Variables
) -> Action | None:
    """Return the stored program that these first tokens make, if they do."""
    if not head or head[0].word not in {"CREATE", "ALTER"}:
        return None
    if not any(token.word in _PROGRAMS for token in head[:12]):
        return None
    try:
        made = statement(Cursor(head, dialect, text), dict(variables))
    except Strange:
        made = []
    return made[0] if made else Action(kind=Kind.CREATE_FUNCTION)


def body_start(found: list[Token], dialect: Dialect) -> int | None:
    """Return which token is the first of the body of the stored program that *found* makes.

    ``None`` for anything else, and for bodies in quotes.
    """
    if found[0].word not in {"CREATE", "ALTER"}:
        return None
    at = next((index for index, token in enumerate(found[:16]) if token.word in _PROGRAMS), None)
    if at is None:
        return None
    if dialect is Dialect.TSQL:
        return _tsql(found, at)
    if dialect in MYSQL and (found[0].word == "CREATE" or found[at].word == "EVENT"):
        return _mysql(found, at)
    return None


def _tsql(found: list[Token], at: int) -> int | None:
    """The first AS that is not of a parameter's type or of EXECUTE AS."""
    if found[at].word not in {"PROCEDURE", "PROC", "FUNCTION", "TRIGGER"}:
        return None
    if found[at - 1].word == "PARTITION":
        return None  # a function without a body
    depth = 0
    for index in range(at + 1, len(found) - 1):
        word, before = found[index].word, found[index - 1]
        depth += {"(": 1, ")": -1}.get(word, 0)
        if word != "AS" or depth:
            continue
        if before.kind is not TokenKind.VARIABLE and before.word not in {"EXECUTE", "EXEC"}:
            return index + 1
    return None


_CHARACTERISTICS = (
    ("LANGUAGE", "SQL"),
    ("NOT", "DETERMINISTIC"),
    ("DETERMINISTIC",),
    ("CONTAINS", "SQL"),
    ("NO", "SQL"),
    ("READS", "SQL", "DATA"),
    ("MODIFIES", "SQL", "DATA"),
    ("SQL", "SECURITY", "DEFINER"),
    ("SQL", "SECURITY", "INVOKER"),
)
_ENDS_RETURN_TYPE = words("LANGUAGE NOT DETERMINISTIC CONTAINS NO READS MODIFIES SQL COMMENT") | (
    words("BEGIN RETURN IF CASE LOOP WHILE REPEAT SELECT INSERT UPDATE DELETE SET CALL")
)


def _mysql(found: list[Token], at: int) -> int | None:  # noqa: PLR0912 - one branch a kind
    cursor = Cursor(found, Dialect.MYSQL, "")
    cursor.index = at + 1
    word = found[at].word
    try:
        cursor.take("IF", "NOT", "EXISTS")
        cursor.name()
        if word in {"PROCEDURE", "FUNCTION"}:
            if not cursor.skip_group():
                return None
            if cursor.take("RETURNS"):
                while not cursor.done and cursor.word() not in _ENDS_RETURN_TYPE:
                    cursor.skip_group() or cursor.next()
            while any(cursor.take(*some) for some in _CHARACTERISTICS) or cursor.take("COMMENT"):
                if found[cursor.index - 1].word == "COMMENT":
                    cursor.next()
        elif word == "TRIGGER":
            while not cursor.take("ON"):
                cursor.next()
            cursor.name()
            cursor.need("FOR", "EACH", "ROW")
            if cursor.one_of("FOLLOWS", "PRECEDES"):
                cursor.part()
        elif word == "EVENT":
            while not cursor.take("DO"):
                cursor.skip_group() or cursor.next()
        else:
            return None
    except Strange:
        return None
    return None if cursor.done else cursor.index


def note_program(found: list[Token], text: str, variables: Variables) -> None:
    """Keep the text of MySQL's procedure that depends on what it is given or on session variables.

    Its body is read anew for each call. Functions and triggers run where nobody sees it.

    Args:
        found: Its tokens.
        text: The whole statement.
        variables: Where it is kept.
    """
    name, parameters = _parameters(found)
    if not name:
        note_programs(found, variables)
    elif parameters or any(token.kind is TokenKind.VARIABLE for token in found):
        variables[PROGRAM + name] = (text,)
    else:
        variables.pop(PROGRAM + name, None)


def bound(found: list[Token], given: tuple[str, ...]) -> Variables:
    """Return what the parameters of MySQL's procedure hold when it is given these texts."""
    _, parameters = _parameters(found)
    return {
        parameter: (given[place] if place < len(given) else UNKNOWN,)
        for place, parameter in enumerate(parameters)
    }


def _parameters(found: list[Token]) -> tuple[str, list[str]]:
    """Return the name of MySQL's procedure and those of its parameters, in small letters."""
    at = next((index for index, token in enumerate(found[:16]) if token.word in _PROGRAMS), None)
    if at is None or found[at].word != "PROCEDURE":
        return "", []
    cursor = Cursor(found, Dialect.MYSQL, "")
    cursor.index = at + 1
    cursor.take("IF", "NOT", "EXISTS")
    try:
        name = cursor.name()[-1].lower()
        parameters = []
        group = cursor.group()
        for clause in group.clauses() if not group.done else []:
            clause.one_of("IN", "OUT", "INOUT")
            parameters.append(clause.part().lower())
    except Strange:
        return "", []
    return name, parameters
