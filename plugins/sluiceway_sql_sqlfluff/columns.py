"""A column as a statement defines it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from sluiceway.migrations.records import Column, Dialect, Name
from sluiceway.record import Record
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.tokens import MYSQL, Token, TokenKind
from sluiceway_sql_sqlfluff.words import words

__all__ = [
    "Default",
    "column_type",
    "default_of",
    "definition",
    "expression",
    "forget",
    "indexed",
    "references",
]

_SERIAL = frozenset({"SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL2", "SERIAL4", "SERIAL8"})
_VOLATILE = words(
    "RANDOM RAND UUID UUID_SHORT NEWID NEWSEQUENTIALID GEN_RANDOM_UUID UUIDV4 UUIDV7 CLOCK_TIMESTAMP"
    " UUID_GENERATE_V1 UUID_GENERATE_V1MC UUID_GENERATE_V4 NEXTVAL TIMEOFDAY RANDOMBLOB"
    " GENERATEUUIDV4 UUID_STRING GENERATE_UUID SYS_GUID STATEMENT_TIMESTAMP SYSDATE RANDOM_NORMAL"
    " GEN_RANDOM_BYTES TXID_CURRENT PG_CURRENT_XACT_ID"
)
_ENDS_EXPRESSION = words(
    "NOT NULL PRIMARY UNIQUE KEY REFERENCES CHECK CONSTRAINT GENERATED AUTO_INCREMENT AUTOINCREMENT"
    " COMMENT COLLATE ON FIRST AFTER STORED VIRTUAL PERSISTED PERSISTENT VISIBLE INVISIBLE IDENTITY"
    " DEFERRABLE INITIALLY ENCODE SORTKEY DISTKEY CODEC TTL OPTIONS MASKED COLUMN_FORMAT STORAGE"
    " ENABLE DISABLE FOREIGN USING DEFAULT INVISIBLE SPARSE MATERIALIZED TAG WITHOUT"
    " ENGINE_ATTRIBUTE"
)
_ENDS_TYPE = _ENDS_EXPRESSION | words(
    "AS ASCII UNICODE ALIAS EPHEMERAL ROWGUIDCOL WITH COMPRESSION MATCH ENCRYPT DECRYPT"
)
_MORE_TYPE = frozenset({"TIME", "LOCAL"})
_WORDS = frozenset({TokenKind.WORD, TokenKind.QUOTED})


class Default(Record, kw_only=False):
    """What a DEFAULT says."""

    value: bool
    volatile: bool


def expression(cursor: Cursor, ends: frozenset[str] = _ENDS_EXPRESSION) -> list[Token]:
    """Read an expression up to a word that cannot be of it. Raises :class:`Strange` for none."""
    found: list[Token] = []
    while not cursor.done:
        word = cursor.word()
        if word == ",":
            break
        if word == "(":
            begin = cursor.index
            cursor.skip_group()
            found.extend(cursor.tokens[begin : cursor.index])
            continue
        if found and word in ends:
            break
        if word == "WITH" and found and cursor.word(1) not in _MORE_TYPE:
            break
        found.append(cursor.next())
    if not found:
        raise Strange
    if not _plain(found):
        cursor.loose.extend(found)
    return found


_BRACKETS = 2
"""How many around a value are passed: T-SQL writes a default back as ``((0))``."""


def _closes(found: Sequence[Token]) -> int:
    """Return where the bracket is closed that the first token opens."""
    depth = 0
    for index, token in enumerate(found):
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if not depth:
            return index
    return len(found)


def _plain(found: Sequence[Token]) -> bool:
    """Whether an expression is one value: ``0``, ``-1``, ``'x'``, ``now()``, ``now(6)``."""
    for _ in range(_BRACKETS):
        if found[0].word == "(" and _closes(found) == len(found) - 1 > 1:
            found = found[1:-1]
    values = [token for token in found if token.kind is not TokenKind.SIGN]
    signs = "".join(token.word for token in found if token.kind is TokenKind.SIGN)
    first = found[0]
    if len(values) == 1:
        return signs in {"", "-", "+", "()"} and not (signs == "()" and first.word == "(")
    return (
        len(found) == 4  # noqa: PLR2004 - now ( 6 )
        and first.kind is TokenKind.WORD
        and signs == "()"
        and found[2].kind is TokenKind.NUMBER
    )


def default_of(found: Sequence[Token]) -> Default:
    """Say whether an expression is a value, and differs from row to row."""
    words = [token for token in found if token.word not in {"(", ")"}]
    first = words[0] if words else None
    null = first is not None and (
        (first.word == "NULL" and (len(words) == 1 or words[1].word == ":"))
        or (first.word == "CAST" and len(words) > 1 and words[1].word == "NULL")
    )
    next_value = any(
        token.word == "NEXT" and words[index + 1].word == "VALUE"
        for index, token in enumerate(words[:-1])
    )
    return Default(not null, next_value or any(token.word in _VOLATILE for token in words))


def _is_empty(found: Sequence[Token]) -> bool:
    words = [token for token in found if token.word not in {"(", ")"}]
    return len(words) == 1 and words[0].kind is TokenKind.STRING and not words[0].text


def definition(cursor: Cursor, name: str | None = None) -> Column:
    """Read a column's definition: its name (unless given), type and everything up to a comma."""
    name = cursor.column() if name is None else name
    behind = _behind(cursor)
    known = _KNOWN.get(behind)
    if known is not None:
        cursor.finish()
        return Column(name=name, **known)
    passed = len(cursor.unknown) + len(cursor.loose)
    column = _defined(cursor, name)
    if behind[1] and cursor.done and len(cursor.unknown) + len(cursor.loose) == passed:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[behind] = {
            each.name: getattr(column, each.name)
            for each in fields(Column)
            if each.name != "name" and getattr(column, each.name) != each.default
        }
    return column


_KNOWN: dict[tuple[Dialect, str], dict[str, Any]] = {}
"""What columns are of which every word was understood, by what is written behind their names. No
check is among them, which would say more of the column of its own name."""
_MOST_KNOWN = 2_048
_LONGEST_KNOWN = 200


def forget() -> None:
    """Know no column any more."""
    _KNOWN.clear()


def _behind(cursor: Cursor) -> tuple[Dialect, str]:
    if cursor.done:
        return (cursor.dialect, "")
    start, end = cursor.tokens[cursor.index].start, cursor.tokens[cursor.stop - 1].end
    return (cursor.dialect, cursor.text[start:end] if end - start <= _LONGEST_KNOWN else "")


def _defined(cursor: Cursor, name: str) -> Column:
    column = Column(name=name)
    words, column = _type(cursor, column)
    column = replace(column, type=words)
    while not cursor.done and cursor.word() != ",":
        begin = cursor.index
        column = _attribute(cursor, column)
        if cursor.index == begin:
            cursor.unknown.append(cursor.next())
    return column


def column_type(cursor: Cursor) -> str:
    """Read a type and its collation."""
    words, _ = _type(cursor, Column(name=""))
    if cursor.take("COLLATE"):
        collation(cursor)
    return words


def collation(cursor: Cursor) -> None:
    """Go past the name of a collation, which MySQL takes in quotes too. Raises :class:`Strange`."""
    token = cursor.peek()
    if token is not None and token.kind is TokenKind.STRING and cursor.dialect in MYSQL:
        cursor.next()
    else:
        cursor.name()


def _type(cursor: Cursor, column: Column) -> tuple[str, Column]:
    parts: list[str] = []
    begin = cursor.index
    while not cursor.done:
        word = cursor.word()
        token = cursor.peek()
        if token is None or word == ",":
            break
        if word == "(":
            at = cursor.index
            cursor.skip_group()
            inner = cursor.text[cursor.tokens[at].start : cursor.tokens[cursor.index - 1].end]
            parts.append(" ".join(inner.lower().split()))
            continue
        if cursor.index > begin and word in _ENDS_TYPE:
            if not (word == "WITH" and cursor.word(1) in _MORE_TYPE):
                break
        elif cursor.index == begin and word in _ENDS_TYPE and word not in {"KEY", "TAG", "TIME"}:
            break
        if token.kind is TokenKind.STRING:
            break
        parts.append(cursor.next().text.lower())
    untyped = not parts and (
        cursor.dialect is Dialect.SQLITE or (cursor.dialect is Dialect.ORACLE and not cursor.done)
    )
    if not untyped and not _known_type(cursor, begin):
        cursor.loose.append(cursor.tokens[min(begin, len(cursor.tokens) - 1)])
    words = " ".join(parts).replace(" (", "(").replace(" . ", ".").replace(" [ ]", "[]")
    if not parts:
        return "", column
    first = parts[0].upper()
    if first in _SERIAL:
        mysql = cursor.dialect in MYSQL
        column = replace(column, not_null=True, default=True, default_volatile=True, unique=mysql)
    elif first in {"ROWVERSION", "TIMESTAMP"} and cursor.dialect is Dialect.TSQL:
        column = replace(column, default=True, default_volatile=True)  # the server counts it
    return words, column


_TYPES = words(
    "BIGINT BINARY BIT BLOB BOOL BOOLEAN BYTEA CHAR CHARACTER CITEXT DATE DATETIME DATETIME2 DEC"
    " DATETIMEOFFSET DECIMAL DOUBLE ENUM FLOAT FLOAT4 FLOAT8 INET INT INT2 INT4 INT8 INTEGER JSON"
    " JSONB LONGBLOB LONGTEXT MEDIUMBLOB MEDIUMINT MEDIUMTEXT MONEY NCHAR NTEXT NUMERIC NVARCHAR REAL"
    " SERIAL BIGSERIAL SMALLSERIAL SET SMALLINT TEXT TIME TIMESTAMP TIMESTAMPTZ TINYBLOB TINYINT"
    " TINYTEXT UNIQUEIDENTIFIER UUID VARBINARY VARCHAR VARCHAR2 NUMBER CLOB YEAR"
)
_SECOND = {"DOUBLE": "PRECISION", "CHARACTER": "VARYING"}


def _known_type(cursor: Cursor, begin: int) -> bool:
    """Whether a type is one of the usual ones, with numbers or words in quotes in its brackets."""
    place, end = begin, cursor.index
    all_tokens = cursor.tokens
    if place >= end or all_tokens[place].word not in _TYPES:
        return False
    place += 1
    if place < end and all_tokens[place].word == _SECOND.get(all_tokens[place - 1].word, "-"):
        place += 1
    if place < end and all_tokens[place].word == "(":
        place += 1
        while place < end and all_tokens[place].word != ")":
            token = all_tokens[place]
            literal = token.kind in {TokenKind.NUMBER, TokenKind.STRING} or token.word == "MAX"
            if literal != (all_tokens[place - 1].word in {"(", ","}) or not (
                literal or token.word == ","
            ):
                return False
            place += 1
        if place >= end or all_tokens[place - 1].word == ",":
            return False
        place += 1
    while place < end and all_tokens[place].word in {"UNSIGNED", "ZEROFILL", "SIGNED"}:
        place += 1
    return place == end


def _attribute(cursor: Cursor, column: Column) -> Column:  # noqa: PLR0911, PLR0912 - one line a clause
    take = cursor.take
    if take("NOT", "NULL"):
        off = cursor.dialect is Dialect.ORACLE and cursor.at("DISABLE")
        return column if off else replace(column, not_null=True)
    if cursor.dialect in MYSQL and take("NULL"):  # the last word counts
        return replace(column, not_null=column.primary_key)
    if cursor.dialect is Dialect.TSQL and take("NULL"):
        # Then a NOT NULL that is the type's own does not count, so it is not that type alone.
        usual = column.type.partition("(")[0].strip().upper() in _TYPES
        return column if usual else replace(column, type=f"{column.type} null".strip())
    if take("NULL") or take("NOT", "DEFERRABLE") or take("DEFERRABLE"):
        return column
    if take("NOT", "ENFORCED") or take("ENFORCED") or take("NOT", "VALID"):
        return column
    db2 = cursor.dialect is Dialect.DB2
    if take("DEFAULT") or (db2 and take("WITH", "DEFAULT")):
        if db2 and (cursor.done or cursor.word() in _ENDS_EXPRESSION):  # that of its type
            return replace(column, default=True)
        if cursor.take("ON", "NULL"):
            cursor.take("FOR", "INSERT", "ONLY")
        value = expression(cursor)
        said = default_of(value)
        # For Oracle an empty text is NULL.
        empty = cursor.dialect is Dialect.ORACLE and _is_empty(value)
        given = said.value and not empty
        return replace(column, default=given, default_volatile=said.volatile)
    if take("PRIMARY", "KEY") or (cursor.dialect in MYSQL and take("KEY")):
        cursor.one_of("ASC", "DESC", "CLUSTERED", "NONCLUSTERED")
        return replace(column, primary_key=True, not_null=True)
    if take("UNIQUE"):
        cursor.one_of("KEY", "CLUSTERED", "NONCLUSTERED")
        if take("NULLS"):
            cursor.take("NOT")
            cursor.take("DISTINCT")
        return replace(column, unique=True)
    if cursor.one_of("AUTO_INCREMENT", "AUTOINCREMENT"):
        cursor.skip_group()
        return replace(column, default=True, default_volatile=True)
    if take("IDENTITY"):
        cursor.skip_group()
        take("NOT", "FOR", "REPLICATION")
        return replace(column, default=True, default_volatile=True)
    if take("GENERATED"):
        return _generated(cursor, column)
    if take("AS") or cursor.one_of("MATERIALIZED", "ALIAS"):
        take("IDENTITY") if cursor.word() == "IDENTITY" else expression(cursor)
        cursor.one_of("STORED", "VIRTUAL", "PERSISTED", "PERSISTENT")
        return replace(column, generated=True, default=True)
    if take("EPHEMERAL"):
        return replace(column, generated=True, default=True)
    if take("CONSTRAINT"):
        name = cursor.part()
        return replace(column, default_name=name) if cursor.word() == "DEFAULT" else column
    if take("CHECK"):
        if cursor.word() != "(":
            raise Strange
        demands = _says_not_null(cursor, column.name)
        take("NO", "INHERIT")
        return replace(column, check=True, not_null=column.not_null or demands)
    if take("REFERENCES") or take("FOREIGN", "KEY", "REFERENCES"):
        return replace(column, references=references(cursor))
    return _decoration(cursor, column)


def _says_not_null(cursor: Cursor, name: str) -> bool:
    """Go past a check, and say whether it is that its own column is not NULL."""
    inside = cursor.group()
    inside.loose.extend(inside.tokens[inside.index : inside.stop])
    while inside.word() == "(" and inside.tokens[inside.stop - 1].word == ")":
        inside = inside.group()
    token = inside.peek()
    named = token is not None and token.kind in _WORDS and inside.fold(token, column=True) == name
    inside.index += 1
    said = (
        inside.take("IS", "NOT", "NULL")
        or inside.take("NOTNULL")
        or inside.take("IS", "DISTINCT", "FROM", "NULL")
    )
    return named and said and inside.word() in {"", ")", "AND"}


def _generated(cursor: Cursor, column: Column) -> Column:
    cursor.take("ALWAYS") or cursor.take("BY", "DEFAULT")
    if cursor.take("ON", "NULL"):
        cursor.take("FOR", "INSERT", "ONLY")
    cursor.need("AS")
    if cursor.take("IDENTITY"):
        cursor.skip_group()
        return replace(column, default=True, default_volatile=True, not_null=True)
    if cursor.take("ROW"):
        cursor.one_of("START", "END")
        cursor.take("HIDDEN")
        return replace(column, default=True)
    expression(cursor)
    cursor.one_of("STORED", "VIRTUAL", "PERSISTENT")
    return replace(column, generated=True, default=True)


def references(cursor: Cursor) -> Name:
    """Read what follows REFERENCES, with its clauses. Raises :class:`Strange`."""
    name = cursor.name()
    if cursor.word() == "(":
        indexed(cursor.group())
    while True:
        if cursor.take("ON"):
            if not cursor.one_of("DELETE", "UPDATE"):
                raise Strange
            if cursor.take("SET"):
                if not cursor.one_of("NULL", "DEFAULT"):
                    raise Strange
                cursor.skip_group()
            elif not cursor.take("NO", "ACTION") and not cursor.one_of("CASCADE", "RESTRICT"):
                raise Strange
        elif cursor.take("MATCH"):
            cursor.next()
        elif cursor.take("NOT", "FOR", "REPLICATION") or cursor.take("NOT", "DEFERRABLE"):
            pass
        elif cursor.take("INITIALLY"):
            cursor.next()
        elif not cursor.take("DEFERRABLE"):
            return name


_WITH_ONE = words(
    "COMMENT COLLATE CHARSET COLUMN_FORMAT STORAGE COMPRESSION ENCODE SRID ENGINE_ATTRIBUTE"
    " SECONDARY_ENGINE_ATTRIBUTE INITIALLY TAG"
)
_ALONE = words(
    "SPARSE ROWGUIDCOL VISIBLE INVISIBLE SORTKEY DISTKEY UNSIGNED ZEROFILL SIGNED BINARY HIDDEN"
    " ENABLE DISABLE VALIDATE NOVALIDATE STORED VIRTUAL PERSISTED FILESTREAM ASC DESC CASCADE"
    " RESTRICT CLUSTERED NONCLUSTERED FIRST ASCII UNICODE"
)


def _decoration(cursor: Cursor, column: Column) -> Column:
    """Pass what changes nothing that is asked about."""
    word = cursor.word()
    if word in _WITH_ONE:
        cursor.next()
        cursor.take("=")
        if word == "COLLATE":
            collation(cursor)
        else:
            cursor.next()
            cursor.skip_group()
    elif cursor.take("CHARACTER", "SET") or cursor.take("CHAR", "SET") or cursor.take("AFTER"):
        cursor.take("=")
        cursor.part(column=True)
    elif word in _ALONE:
        cursor.next()
    elif cursor.take("ON", "UPDATE"):
        expression(cursor)
    elif cursor.take("ON", "CONFLICT"):
        cursor.next()
    elif (
        _encryption(cursor)
        or cursor.take("WITH", "VALUES")
        or cursor.take("WITHOUT", "SYSTEM", "VERSIONING")
        or cursor.take("WITH", "SYSTEM", "VERSIONING")
        or cursor.take("NOT", "FOR", "REPLICATION")
    ):
        pass
    elif cursor.take("USING", "INDEX", "TABLESPACE"):
        cursor.next()
    elif word in {"OPTIONS", "CODEC", "MASKED", "WITH"}:
        cursor.next()
        cursor.take("WITH")
        if not cursor.skip_group():
            raise Strange
    elif cursor.take("TTL"):
        expression(cursor)
    return column


def _encryption(cursor: Cursor) -> bool:
    """Go past Oracle's ``ENCRYPT USING 'AES256' IDENTIFIED BY secret 'SHA-1' NO SALT``, if it is there."""
    if cursor.dialect is not Dialect.ORACLE or not cursor.one_of("ENCRYPT", "DECRYPT"):
        return False
    cursor.take("USING") and cursor.next()
    cursor.take("IDENTIFIED", "BY") and cursor.next()
    token = cursor.peek()
    if token is not None and token.kind is TokenKind.STRING:
        cursor.next()
    cursor.take("NO")
    cursor.take("SALT")
    return True


def indexed(inside: Cursor) -> tuple[str, ...]:
    """Return the columns that an index or a key names."""
    found = []
    for part in inside.clauses():
        token = part.peek()
        if token is not None and token.kind in _WORDS and part.word(1) != ".":
            found.append(part.fold(token, column=True))
            part.part()
            if part.word() == "(" and part.dialect in MYSQL:  # a length
                inner = part.group()
                inner.loose.extend(inner.tokens[inner.index + 1 : inner.stop])
            part.one_of("ASC", "DESC")
        if not part.done:
            part.rest()
    return tuple(found)
