"""What a procedure is given: by T-SQL's EXEC, by MySQL's CALL."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import UNKNOWN, Variables, assigned
from sluiceway_sql_sqlfluff.tokens import Token, TokenKind
from sluiceway_sql_sqlfluff.words import words

__all__ = ["argument_of", "arguments_of", "given_texts_alone", "given_to"]

_NO_ARGUMENTS = words(
    "ALTER AS AT BEGIN COMMIT CREATE DECLARE DELETE DROP END EXEC EXECUTE GRANT IF INSERT MERGE PRINT"
    " RETURN REVOKE ROLLBACK SELECT SET TRUNCATE UPDATE WHILE WITH"
)


def arguments_of(cursor: Cursor) -> list[tuple[str, Cursor]]:
    """Return what a procedure is given: each with its name, which may be left out.

    Each is one value. What stands behind the last is another statement, though sqlfluff may take it
    along.
    """
    found: list[tuple[str, Cursor]] = []
    while not cursor.done and cursor.word() not in _NO_ARGUMENTS:
        token, name = cursor.peek(), ""
        if token is not None and token.kind is TokenKind.VARIABLE and cursor.word(1) == "=":
            cursor.index += 2
            name = token.text.lower()
        argument = Cursor(cursor.tokens, cursor.dialect, cursor.text)
        argument.index = cursor.index
        cursor.one_of("-", "+")
        cursor.next()
        argument.stop = cursor.index
        cursor.one_of("OUTPUT", "OUT")
        found.append((name, argument))
        if not cursor.take(","):
            break
    return found


def argument_of(given: list[tuple[str, Cursor]], place: int, *names: str) -> Cursor | None:
    """Return the argument of that name, in whichever order they stand, else the one of that place."""
    for name, argument in given:
        if name in names:
            return argument
    return given[place][1] if place < len(given) and not given[place][0] else None


def given_to(group: Cursor, variables: Variables) -> tuple[str, ...]:
    """Return the text that each argument of a call is; :data:`UNKNOWN` where nobody can say."""
    found = []
    for argument in group.clauses() if not group.done else []:
        token = argument.peek()
        if token is not None and token.kind is TokenKind.NUMBER and argument.peek(1) is None:
            found.append(token.text)
            continue
        try:
            known = assigned(argument, variables)
        except Strange:
            known = ()
        found.append(known[0] if len(known) == 1 and argument.done else UNKNOWN)
    return tuple(found)


def given_texts_alone(found: Sequence[Token]) -> bool:
    """Whether T-SQL's EXEC runs a procedure of the system on texts, and nothing stands behind them."""
    last = len(found) - (found[-1].word == ";")
    name, given = found[1:2], found[2:last]
    return (
        len(given) % 2 == 1
        and name[0].word.startswith("SP_")
        and all(token.kind is TokenKind.STRING for token in given[::2])
        and all(token.word == "," for token in given[1::2])
    )
