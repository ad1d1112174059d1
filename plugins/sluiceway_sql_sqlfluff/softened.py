"""Texts that sqlfluff cannot parse, in words of the same length that it can: what differs changes
nothing that is read from them, and is taken from the server's own grammar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from sluiceway.migrations.cleaning.edits import edited
from sluiceway.migrations.records import Dialect
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.tokens import MYSQL, Token, TokenKind
from sluiceway_sql_sqlfluff.words import words

__all__ = ["shielded", "softened"]

Edit = tuple[int, int, str]
"""From where to where, and what stands there instead: as long or shorter."""


def softened(text: str, dialect: Dialect, found: Sequence[Token]) -> str:
    """Return *text* with such words replaced; the same text where there are none.

    Args:
        text: What sqlfluff could not parse.
        dialect: Its dialect.
        found: Its tokens.
    """
    reader = _READERS.get(dialect)
    edits: list[Edit] = []
    for start, end, instead in sorted(reader(text, found)) if reader is not None else ():
        if not edits or start >= edits[-1][1]:
            edits.append((start, end, instead.ljust(end - start)))
    return edited(text, edits)


def shielded(text: str, dialect: Dialect, found: Sequence[Token]) -> str:
    """Return *text* without Oracle's words that sqlfluff takes for comments wherever they stand.

    SQL*Plus's PROMPT, REM and ACCEPT are commands only where a statement begins; elsewhere they are names.
    """
    if dialect is not Dialect.ORACLE:
        return text
    return edited(
        text,
        (
            (token.start, token.end, "x" * len(token.text))
            for token in found
            if token.word in _COMMENTS or token.word.startswith("PROMPT")
        ),
    )


_COMMENTS = frozenset({"ACC", "ACCEPT", "REM", "REMARK"})


def _blank(tokens: Sequence[Token]) -> Edit:
    return (tokens[0].start, tokens[-1].end, "")


def _closing(found: Sequence[Token], at: int) -> int:
    """Return where the bracket is closed that is opened at *at*; the last token if nowhere."""
    depth = 0
    for index in range(at, len(found)):
        depth += {"(": 1, ")": -1}.get(found[index].word, 0)
        if not depth:
            return index
    return len(found) - 1


# --- SQLite ---------------------------------------------------------------------------------------

_FREE = words(
    "ABORT ACTION AFTER ATTACH BEFORE CONFLICT DATABASE DETACH EACH FAIL KEY MATCH PLAN QUERY ROW ROWS"
    " TEMP TRIGGER VIEW"
)
"""Keywords that SQLite takes for names wherever they make no sense as keywords; sqlfluff does not."""
_FREE_AS_COLUMNS = words(
    "ANALYZE ALWAYS ASC BEGIN BY CASCADE COLUMN CROSS CURRENT DEFERRED DESC DO END EXCLUDE EXCLUSIVE"
    " EXPLAIN FILTER FIRST FOLLOWING FOR FULL GENERATED GLOB GROUPS IF IGNORE IMMEDIATE INITIALLY INNER"
    " INSTEAD LEFT LIKE MATERIALIZED NATURAL NO NULLS OF OFFSET OTHERS OUTER OVER PARTITION PRAGMA"
    " PRECEDING RANGE RECURSIVE REGEXP REINDEX RELEASE RENAME REPLACE RESTRICT RIGHT ROLLBACK SAVEPOINT"
    " TEMPORARY UNBOUNDED VACUUM WINDOW WITH WITHOUT"
)
"""Likewise, where they plainly stand for a column: ``(a, offset)``, ``SET full = 1``."""
_BEFORE_COLUMN = words("( , . SET WHERE AND OR BY SELECT COLUMN")
_BEHIND_COLUMN = words("= , ) . < > ! IS IN NOTNULL ISNULL")


def _sqlite(text: str, found: Sequence[Token]) -> Iterator[Edit]:
    for index, token in enumerate(found):
        word = token.word
        before = found[index - 1].word if index else ""
        after = found[index + 1].word if index + 1 < len(found) else ""
        if text[token.start] == "[" and token.kind is TokenKind.QUOTED:
            yield (token.start, token.end, f'"{"x" * (token.end - token.start - 2)}"')
        elif token.kind is TokenKind.QUOTED and found[0].word == "PRAGMA":
            if text[token.start] == '"' and "'" not in token.text:
                yield (token.start, token.end, f"'{text[token.start + 1 : token.end - 1]}'")
        elif token.kind is not TokenKind.WORD:
            continue
        elif (word in _FREE and not _meant(found[0].word, before, word, after)) or (
            word in _FREE_AS_COLUMNS
            and before in _BEFORE_COLUMN
            and (after in _BEHIND_COLUMN or before == "COLUMN" or index + 1 == len(found))
        ):
            yield (token.start, token.end, "x" * len(token.text))
        elif word in {"NOTNULL", "ISNULL"} or (word == "INDEXED" and before == "NOT"):
            yield _blank(found[index - (word == "INDEXED") : index + 1])
        elif word == "INDEXED" and after == "BY":
            yield _blank(found[index : index + 3])
        elif word == "AS" and _names_target(found, index):
            yield _blank(found[index : index + 2])


def _meant(verb: str, before: str, word: str, after: str) -> bool:
    """Whether a free word is plainly the keyword: ``OR ABORT INTO``, ``ON CONFLICT (a)``."""
    if word == "CONFLICT":
        return before == "ON" and after not in _BEHIND_COLUMN
    if before == "OR":
        return after == "INTO"
    return verb == "CREATE" and word in _OF_TRIGGERS and after not in _BEHIND_COLUMN


_OF_TRIGGERS = words("AFTER BEFORE EACH ROW TEMP TRIGGER VIEW")


def _names_target(found: Sequence[Token], index: int) -> bool:
    """Whether this AS names the table that rows are put into: ``INSERT INTO t AS x (a)``."""
    head = [token.word for token in found[:index] if token.word != "."]
    return head[:1] in (["INSERT"], ["REPLACE"]) and "INTO" in head[-3:] and "(" not in head


# --- MySQL ----------------------------------------------------------------------------------------


def _mysql(  # noqa: PLR0912 - one branch a form
    _: str, found: Sequence[Token]
) -> Iterator[Edit]:
    for index, token in enumerate(found):
        rest = found[index + 1 :]
        if token.word == "\\" and _words(rest[:1]) == ["N"]:
            yield (token.start, rest[0].end, "1")  # \N is NULL
        elif token.kind is not TokenKind.WORD:
            continue
        elif token.word == "PERSISTENT" and found[index - 1].word == ")":
            yield (token.start, token.end, "STORED")
        elif token.word == "DUPLICATE" and _updates(found, index):
            yield _blank(found[index - 1 :])  # behind a SELECT without FROM
        elif token.word in {"NEXT", "PREVIOUS"} and _words(rest[:2]) == ["VALUE", "FOR"]:
            yield _blank(found[index : index + 3])  # MariaDB: of a sequence
        elif token.word == "AGAINST" and rest[:1] and rest[0].word == "(":
            yield _blank(found[index : _closing(found, index + 1) + 1])
        elif token.word == "MAXVALUE" and [found[index - 1].word, *(t.word for t in rest[:1])] == [
            "(",
            ")",
        ]:
            yield (found[index - 1].start, rest[0].end, " MAXVALUE")
        elif token.word == "RETURNING" and found[0].word in {"INSERT", "REPLACE", "DELETE"}:
            if rest and all(_listed(each) for each in rest):
                yield _blank(found[index:])
        elif (token.word in {"READ", "WITH"} and _how_it_begins(found, index)) or (
            token.word == "WITH" and _checks(found, index)
        ):
            yield _blank(found[index:])
        elif token.word == "STATEMENT" and index == 1 and found[0].word == "SET":
            at = next((at for at, each in enumerate(rest) if each.word == "FOR"), None)
            if at is not None:
                yield _blank(found[: at + index + 2])
        elif token.word == "VALUES" and _no_values(found, index):
            yield (found[index - 2].start, found[index + 2].end, "SET a=1")


def _updates(found: Sequence[Token], index: int) -> bool:
    """Whether ``ON DUPLICATE KEY UPDATE`` and assignments end a statement that puts rows in."""
    if found[0].word != "INSERT" or _words(found[index - 1 : index + 3]) != _ON_DUPLICATE:
        return False
    cursor = Cursor(found, Dialect.MYSQL, "")
    cursor.index = index + 3
    try:
        for clause in cursor.clauses():
            clause.name()
            clause.need("=")
            _term(clause)
            while not clause.done:
                if not clause.one_of("+", "-", "*", "/"):
                    return False
                _term(clause)
    except Strange:
        return False
    return True


def _term(clause: Cursor) -> None:
    """Go past a value, a column or a call. Raises :class:`Strange`."""
    token = clause.peek()
    if token is not None and token.kind in {TokenKind.STRING, TokenKind.NUMBER, TokenKind.VARIABLE}:
        clause.next()
    elif not clause.one_of("NULL", "DEFAULT", "TRUE", "FALSE"):
        clause.name()
        clause.skip_group()


_ON_DUPLICATE = ["ON", "DUPLICATE", "KEY", "UPDATE"]


def _listed(token: Token) -> bool:
    """Whether a token may stand in a list of what is to be returned."""
    return token.kind is not TokenKind.SIGN or token.word in {",", ".", "*", "(", ")"}


def _words(found: Sequence[Token]) -> list[str]:
    return [token.word for token in found]


def _how_it_begins(found: Sequence[Token], index: int) -> bool:
    """Whether this is how a transaction begins: ``START TRANSACTION READ ONLY``."""
    return _words(found[:index]) == ["START", "TRANSACTION"] and _words(found[index:]) in (
        ["READ", "ONLY"],
        ["READ", "WRITE"],
        ["WITH", "CONSISTENT", "SNAPSHOT"],
    )


def _checks(found: Sequence[Token], index: int) -> bool:
    """Whether the rest of a view is ``WITH CASCADED CHECK OPTION``."""
    rest = [word for word in _words(found[index:]) if word not in {"CASCADED", "LOCAL"}]
    return found[0].word in {"CREATE", "ALTER"} and rest == ["WITH", "CHECK", "OPTION"]


def _no_values(found: Sequence[Token], index: int) -> bool:
    """Whether a row of defaults is put in: ``INSERT INTO t () VALUES ()``."""
    around = found[max(index - 2, 0) : index + 3]
    return found[0].word in {"INSERT", "REPLACE"} and _words(around) == [
        "(",
        ")",
        "VALUES",
        "(",
        ")",
    ]


# --- Oracle ---------------------------------------------------------------------------------------

_VIEW_ENDS = (("WITH", "READ", "ONLY"), ("WITH", "CHECK", "OPTION"))


_FLOAT = re.compile(r"[0-9]*\.?[0-9]+(?:[eE][0-9]+)?[fFdD]")


def _oracle(text: str, found: Sequence[Token]) -> Iterator[Edit]:
    ends = tuple(token.word for token in found[-3:])
    if found[0].word == "CREATE" and ends in _VIEW_ENDS:
        yield _blank(found[-3:])
    if _words(found[:3]) == ["CREATE", "MATERIALIZED", "VIEW"]:
        # How it is kept and refreshed stands between its name and its query.
        begin = 6 if found[4:5] and found[4].word == "." else 4
        at = next((at for at, token in enumerate(found) if token.word == "AS"), begin)
        yield _blank(found[1:2])
        if at > begin:
            yield _blank(found[begin:at])
    for index, token in enumerate(found):
        if token.kind is TokenKind.STRING and text[token.start] in "qQnN":
            inner = text[token.start + 1 : token.end - 1].replace("'", " ")
            yield (token.start, token.end, f"'{inner}'")
        elif token.kind is TokenKind.NUMBER and index and found[index - 1].word == ":":
            yield (found[index - 1].start, token.end, "x")  # what USING puts into it
        elif token.kind is TokenKind.NUMBER and _FLOAT.fullmatch(token.text):
            yield (token.start, token.end, token.text[:-1])
        elif token.word == "ROWID" and token.kind is TokenKind.WORD:
            yield (token.start, token.end, "xxxxx")
        elif token.word == "(" and index and found[0].word in {"UPDATE", "MERGE"}:
            yield from _oracle_update(found, index)


def _oracle_update(found: Sequence[Token], index: int) -> Iterator[Edit]:
    """Read ``SET (a, b) = (SELECT ...)`` as ``SET a = (SELECT ...)``, ``UPDATE (SELECT ...)`` as of x."""
    end = _closing(found, index)
    inner = found[index + 1 : end]
    before = found[index - 1].word
    if (before == "UPDATE" and inner[:1] and inner[0].word == "SELECT") or (
        before in {"SET", ","}
        and found[end + 1 : end + 2]
        and found[end + 1].word == "="
        and inner
        and all(token.kind is not TokenKind.SIGN or token.word in {",", "."} for token in inner)
    ):
        yield (found[index].start, found[end].end, "x")


# --- T-SQL ----------------------------------------------------------------------------------------


def _tsql(text: str, found: Sequence[Token]) -> Iterator[Edit]:
    for index, token in enumerate(found):
        before = found[index - 1].word if index else ""
        if token.kind is TokenKind.QUOTED and "]]" in text[token.start : token.end]:
            yield (token.start, token.end, f"[{'x' * (token.end - token.start - 2)}]")
        elif (
            token.word in {"WRITE", "MODIFY"} and before == "." and _words(found[:1]) == ["UPDATE"]
        ):
            yield (found[index - 1].start, token.end, "= f")
        elif token.word == "VALUES" and before == "WITH":
            yield _blank(found[index - 1 : index + 1])
        elif token.word == "INDEX" and before == "DROP":
            yield from _tsql_index(found, index, text)
        elif token.word == "SCHEMA" and before == "ALTER":
            yield from _tsql_transfer(found, index, text)
        elif token.word == "TABLE" and before == "ALTER":
            cursor = Cursor(found, Dialect.TSQL, text)
            cursor.index = index + 1
            try:
                yield from list(_tsql_alter(cursor))
            except Strange:
                continue


def _tsql_transfer(found: Sequence[Token], index: int, text: str) -> Iterator[Edit]:
    """Yield a statement that sqlfluff knows for ``ALTER SCHEMA a TRANSFER b.t``, which may stand anywhere."""
    cursor = Cursor(found, Dialect.TSQL, text)
    cursor.index = index + 1
    try:
        cursor.name()
        if cursor.take("TRANSFER"):
            cursor.one_of("OBJECT") and cursor.take(":", ":")
            cursor.name()
            yield from _instead(cursor, index - 1, "DROP VIEW", "x")
    except Strange:
        return


def _tsql_index(found: Sequence[Token], index: int, text: str) -> Iterator[Edit]:
    cursor = Cursor(found, Dialect.TSQL, text)
    cursor.index = index + 1
    cursor.take("IF", "EXISTS")
    try:
        name = cursor.name()
        if cursor.take("ON"):
            cursor.name()
            yield from _options(cursor)
        elif (
            len(name) > 1
        ):  # as before SQL Server 2005, which is a statement of its own there alone
            yield (found[index].start, found[index].end, "VIEW")
    except Strange:
        return


def _options(cursor: Cursor) -> Iterator[Edit]:
    """Yield nothing for ``WITH (ONLINE = ON)``."""
    begin = cursor.index
    if cursor.at("WITH", "(") and cursor.take("WITH") and cursor.skip_group():
        yield _blank(cursor.tokens[begin : cursor.index])


def _tsql_alter(cursor: Cursor) -> Iterator[Edit]:
    """Yield what is to be another clause of ALTER TABLE. Raises :class:`Strange`."""
    cursor.name()
    if cursor.take("WITH"):
        cursor.one_of("CHECK", "NOCHECK")
    begin = cursor.index
    if cursor.take("SET") or (
        cursor.one_of("ENABLE", "DISABLE") and cursor.take("CHANGE_TRACKING")
    ):
        cursor.take("WITH")
        cursor.skip_group()
        yield from _instead(cursor, begin, "DROP CONSTRAINT", "x")
    elif cursor.take("ALTER", "COLUMN"):
        cursor.name()
        if cursor.one_of("ADD", "DROP") and cursor.one_of(*_MARKS):
            cursor.take("WITH") and cursor.skip_group()
            yield from _instead(cursor, begin, "DROP CONSTRAINT", "x")
    elif cursor.take("ADD"):
        yield from _tsql_added(cursor)
    elif cursor.take("DROP"):
        yield from _tsql_dropped(cursor)


_MARKS = words("MASKED SPARSE PERSISTED ROWGUIDCOL HIDDEN")


def _instead(cursor: Cursor, begin: int, first: str, last: str) -> Iterator[Edit]:
    """Yield these words for the tokens from *begin* to here, the last word at their end."""
    start, end = cursor.tokens[begin].start, cursor.tokens[cursor.index - 1].end
    room = end - start - len(first) - len(last)
    if room > 0:
        yield (start, end, f"{first}{' ' * room}{last}")


def _tsql_added(cursor: Cursor) -> Iterator[Edit]:
    """Yield a column for each constraint that is added beside something else."""
    beside = False
    while not cursor.done:
        begin = cursor.index
        if cursor.take("CONSTRAINT"):
            cursor.name()
            _tsql_constraint(cursor)
            if beside or cursor.word() == ",":
                yield from _instead(cursor, begin, "c", "int")
        while not cursor.done and cursor.word() not in {",", ";", "END"}:
            cursor.skip_group() or cursor.next()
        if not cursor.take(","):
            return
        beside = True


def _tsql_constraint(cursor: Cursor) -> None:
    """Go past a constraint of a table behind its name. Raises :class:`Strange`."""
    if cursor.take("CHECK"):
        cursor.take("NOT", "FOR", "REPLICATION")
        cursor.group()
    elif cursor.take("FOREIGN", "KEY"):
        cursor.group()
        cursor.need("REFERENCES")
        cursor.name()
        cursor.skip_group()
        while cursor.take("ON") and cursor.one_of("DELETE", "UPDATE"):
            cursor.take("NO", "ACTION") or cursor.take("SET") or cursor.take("CASCADE")
            cursor.one_of("NULL", "DEFAULT")
    elif cursor.take("UNIQUE") or cursor.take("PRIMARY", "KEY"):
        cursor.one_of("CLUSTERED", "NONCLUSTERED")
        cursor.group()
        cursor.take("WITH") and cursor.skip_group()
    else:
        raise Strange


def _tsql_dropped(cursor: Cursor) -> Iterator[Edit]:
    """Yield columns for constraints that are dropped beside columns."""
    kinds: list[Token] = []
    while not cursor.done:
        token = cursor.peek()
        if token is not None and cursor.one_of("CONSTRAINT", "COLUMN"):
            kinds.append(token)
        cursor.take("IF", "EXISTS")
        cursor.name()
        yield from _options(cursor)
        if not cursor.take(","):
            break
    if len({token.word for token in kinds}) > 1:
        yield from ((each.start, each.end, "COLUMN") for each in kinds)


_READERS: dict[Dialect, Callable[[str, Sequence[Token]], Iterator[Edit]]] = {
    Dialect.SQLITE: _sqlite,
    Dialect.ORACLE: _oracle,
    Dialect.TSQL: _tsql,
    **dict.fromkeys(MYSQL, _mysql),
}
