"""What T-SQL's EXEC gives to a procedure."""

from __future__ import annotations

from sluiceway_sql_sqlfluff.cursor import Cursor
from sluiceway_sql_sqlfluff.tokens import TokenKind
from sluiceway_sql_sqlfluff.words import words

__all__ = ["argument_of", "arguments_of"]

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
