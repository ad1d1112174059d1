"""Constraints and indexes, as a table's definition and ALTER TABLE have them."""

from __future__ import annotations

from sluiceway.migrations.records import Action, Dialect, Kind, Name
from sluiceway_sql_sqlfluff.columns import default_of, expression, indexed, references
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.tokens import MYSQL, TokenKind

__all__ = ["constraint", "starts_constraint"]

_WORDS = frozenset({TokenKind.WORD, TokenKind.QUOTED})


def starts_constraint(cursor: Cursor) -> bool:  # noqa: PLR0911 - one line a word
    """Whether a constraint or an index of a table is next, and not a column."""
    word, after = cursor.word(), cursor.word(1)
    if word in {"CONSTRAINT", "PRIMARY", "FOREIGN", "UNIQUE"}:
        return True
    if word == "CHECK":
        return after == "("
    if word == "EXCLUDE":
        return after in {"USING", "("}
    if word == "NOT":
        return after == "NULL" and cursor.dialect is Dialect.POSTGRES
    if cursor.dialect in MYSQL:
        return word in {"INDEX", "KEY", "FULLTEXT", "SPATIAL"} or (
            word == "VECTOR" and after in {"INDEX", "KEY"}
        )
    if cursor.dialect is Dialect.TSQL and word == "DEFAULT":
        return True
    if cursor.dialect in {Dialect.TSQL, Dialect.CLICKHOUSE}:
        return word in {"INDEX", "PROJECTION", "PERIOD"}
    return cursor.dialect is Dialect.POSTGRES and word == "LIKE"


def constraint(cursor: Cursor, table: Name) -> Action:  # noqa: PLR0912, PLR0915 - one branch a kind
    """Read a table's constraint or index up to a comma. Raises :class:`Strange`."""
    offset, name = cursor.offset, ""
    if cursor.take("CONSTRAINT"):
        cursor.take("IF", "NOT", "EXISTS")
        if cursor.word() not in {"PRIMARY", "FOREIGN", "UNIQUE", "CHECK", "EXCLUDE"} or (
            cursor.word(1) in {"PRIMARY", "FOREIGN", "UNIQUE", "CHECK"}
        ):
            name = cursor.part()
    columns: tuple[str, ...] = ()
    target: Name = ()
    check_not_null = ""
    kind, index, using_index = "", False, False
    label = ""
    if cursor.take("PRIMARY", "KEY"):
        kind = "primary key"
    elif cursor.take("UNIQUE"):
        kind = "unique"
        cursor.one_of("INDEX", "KEY")
    elif cursor.take("FOREIGN", "KEY"):
        kind = "foreign key"
    elif cursor.take("CHECK"):
        kind = "check"
        check_not_null = _not_null_check(cursor)
    elif cursor.take("EXCLUDE"):
        kind = "exclude"
    elif cursor.take("NOT", "NULL"):
        kind, columns = "not null", (cursor.column(),)
    elif cursor.take("DEFAULT"):  # T-SQL: ADD CONSTRAINT x DEFAULT 0 FOR c
        said = default_of(expression(cursor, frozenset({"FOR"})))
        cursor.need("FOR")
        column = cursor.column()
        cursor.take("WITH", "VALUES")
        return Action(
            kind=Kind.SET_DEFAULT,
            name=table,
            column=column,
            value=said.value,
            volatile=said.volatile,
            constraint_name=name,
            offset=offset,
        )
    elif label := cursor.one_of("FULLTEXT", "SPATIAL", "VECTOR").lower():
        index = True
        cursor.one_of("INDEX", "KEY")
    elif cursor.one_of("INDEX", "KEY", "PROJECTION"):
        index = True
    else:
        raise Strange
    if kind not in {"check", "not null"}:
        cursor.take("IF", "NOT", "EXISTS")
        cursor.one_of("CLUSTERED", "NONCLUSTERED")
        if cursor.take("USING", "INDEX"):
            using_index = True
            cursor.part()
        else:
            if cursor.take("NULLS"):
                cursor.take("NOT")
                cursor.take("DISTINCT")
            if cursor.word() not in {"(", "USING", "TYPE"} and cursor.at_name():
                name = cursor.part() or name
            if cursor.one_of("USING", "TYPE"):
                cursor.next()
            if cursor.word() == "(":
                columns = indexed(cursor.group())
    if kind == "foreign key" or cursor.word() == "REFERENCES":
        cursor.need("REFERENCES")
        target = references(cursor)
    not_valid = _constraint_options(cursor)
    return Action(
        kind=Kind.CREATE_INDEX if index else Kind.ADD_CONSTRAINT,
        name=(name,) if index and name else () if index else table,
        table=table if index else (),
        columns=columns,
        constraint=kind,
        constraint_name="" if index else name,
        references=target,
        check_not_null=check_not_null,
        using_index=using_index,
        not_valid=not_valid,
        unique=kind == "unique",
        label=label,
        offset=offset,
    )


def _constraint_options(cursor: Cursor) -> bool:
    not_valid = False
    while not cursor.done and cursor.word() != ",":
        if cursor.take("NOT", "VALID"):
            not_valid = True
        elif (
            cursor.take("NOT", "ENFORCED")
            or cursor.take("ENFORCED")
            or cursor.take("NOT", "DEFERRABLE")
            or cursor.take("DEFERRABLE")
            or cursor.take("NO", "INHERIT")
            or cursor.take("NOT", "FOR", "REPLICATION")
        ):
            pass
        elif cursor.one_of("INITIALLY", "COMMENT", "MATCH", "KEY_BLOCK_SIZE", "PARSER", "TYPE"):
            cursor.take("=")
            cursor.next()
        elif cursor.take("WITH", "PARSER") or cursor.take("ON", "CONFLICT"):
            cursor.next()
        elif cursor.take("USING"):
            if cursor.take("INDEX") and cursor.peek() is None:
                break  # Oracle: one of its own
            cursor.take("TABLESPACE")
            cursor.next()
        elif cursor.one_of("WITH", "INCLUDE", "WHERE"):
            cursor.take("=")
            if not cursor.skip_group():
                cursor.next()
        elif cursor.take("ON") or cursor.take("GRANULARITY"):
            cursor.next()
            cursor.skip_group()
        elif not cursor.one_of(
            "VISIBLE",
            "INVISIBLE",
            "CLUSTERED",
            "NONCLUSTERED",
            "ENABLE",
            "DISABLE",
            "VALIDATE",
            "NOVALIDATE",
            "RELY",
            "NORELY",
            "IGNORED",
        ):
            cursor.unknown.append(cursor.next())
    return not_valid


_DISTINCT = ["IS", "DISTINCT", "FROM", "NULL"]


def _not_null_check(cursor: Cursor) -> str:
    """Read ``(c IS NOT NULL)``, alone or joined by AND, and return the column of the first such."""
    inside = cursor.group()
    inside.loose.extend(inside.tokens[inside.index : inside.stop])
    while inside.word() == "(" and inside.tokens[inside.stop - 1].word == ")":
        inside = inside.group()
    found, depth_or = "", False
    while not inside.done:
        token = inside.peek()
        if token is not None and token.kind in _WORDS:
            if token.word == "OR":
                depth_or = True
            step = 1
            said = [inside.word(place) for place in range(step, step + 4)]
            if said[:3] == ["IS", "NOT", "NULL"] or said[0] == "NOTNULL" or said == _DISTINCT:
                found = found or inside.fold(token, column=True)
        if not inside.skip_group():
            inside.next()
    return "" if depth_or else found
