"""CREATE: what there is afterwards that was not there before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sluiceway.migrations.records import Action, Column, Dialect, Kind, Name
from sluiceway_sql_sqlfluff.columns import definition, indexed
from sluiceway_sql_sqlfluff.constraints import constraint, starts_constraint
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.hidden import behind_view, cast
from sluiceway_sql_sqlfluff.options import online
from sluiceway_sql_sqlfluff.tokens import MYSQL, TokenKind
from sluiceway_sql_sqlfluff.words import words

__all__ = ["create"]

_REPLACES_TABLE = frozenset(
    {
        Dialect.MARIADB,
        Dialect.MYSQL,
        Dialect.SNOWFLAKE,
        Dialect.BIGQUERY,
        Dialect.DUCKDB,
        Dialect.CLICKHOUSE,
        Dialect.ORACLE,
        Dialect.ANSI,
    }
)
_MODIFIERS = words(
    "GLOBAL LOCAL UNLOGGED TRANSIENT EXTERNAL VOLATILE FOREIGN HYBRID DYNAMIC ICEBERG AGGREGATE"
    " RECURSIVE EDITIONABLE NONEDITIONABLE FORCE SECURE PRIVATE IMMUTABLE BLOCKCHAIN SHARDED"
    " ONLINE OFFLINE CONSTRAINT EVENT HASH BITMAP CLUSTERED NONCLUSTERED COLUMNSTORE PRIMARY"
    " XML VIRTUAL MULTIVALUE DEFAULT"
)
_KINDS = {
    "SCHEMA": Kind.CREATE_SCHEMA,
    "FUNCTION": Kind.CREATE_FUNCTION,
    "PROCEDURE": Kind.CREATE_FUNCTION,
    "PROC": Kind.CREATE_FUNCTION,
    "PACKAGE": Kind.CREATE_FUNCTION,
    "TRIGGER": Kind.CREATE_TRIGGER,
    "SEQUENCE": Kind.CREATE_SEQUENCE,
    "TYPE": Kind.CREATE_TYPE,
    "DOMAIN": Kind.CREATE_DOMAIN,
    "EXTENSION": Kind.EXTENSION,
}


def create(  # noqa: PLR0912, PLR0915 - one branch a kind of object
    cursor: Cursor,
) -> Iterator[Action]:
    """Read what follows ``CREATE``."""
    or_replace = cursor.take("OR", "REPLACE") or cursor.take("OR", "ALTER")
    temporary = unique = materialized = False
    label = ""
    while True:
        word = cursor.word()
        if word in {"TEMPORARY", "TEMP"}:
            temporary = True
        elif word == "UNIQUE":
            unique = True
        elif word == "MATERIALIZED":
            materialized = True
        elif word in {"FULLTEXT", "SPATIAL", "VECTOR"}:
            label = word.lower()
        elif word in {"DEFINER", "ALGORITHM"} and cursor.word(1) == "=":
            _skip_definer(cursor)
            continue
        elif word == "SQL" and cursor.word(1) == "SECURITY":
            cursor.index += 3
            continue
        elif word not in _MODIFIERS or (word == "EVENT" and cursor.word(1) != "TRIGGER"):
            break
        cursor.next()
    word = cursor.next().word
    if unique and word != "INDEX":
        raise Strange
    if word == "TABLE":
        yield from _table(cursor, temporary=temporary, or_replace=or_replace)
    elif word == "INDEX":
        yield _index(cursor, unique=unique, label=label)
    elif word == "VIEW":
        begin = cursor.index
        yield _view(cursor, or_replace=or_replace, materialized=materialized, temporary=temporary)
        yield from behind_view(cursor, begin)
    elif word == "CAST":
        yield from cast(cursor)
    elif word == "DATABASE":
        kind = Kind.CREATE_SCHEMA if cursor.dialect in MYSQL else Kind.CREATE_DATABASE
        action = _object(cursor, kind)
        if or_replace:
            yield replace(action, kind=Kind.DROP_DATABASE, if_exists=True, label="or replace")
        yield action
    elif word in _KINDS:
        # Oracle: a package's body stands beside its head.
        part = ("body",) if word in {"PACKAGE", "TYPE"} and cursor.take("BODY") else ()
        action = replace(_object(cursor, _KINDS[word]), columns=part)
        if word in {"FUNCTION", "PROCEDURE"}:
            action = _with_body(cursor, action)
        elif word == "TRIGGER":
            yield replace(_with_function(cursor, action), or_replace=or_replace)
            return
        elif word == "SCHEMA" and or_replace:
            yield replace(
                action, kind=Kind.DROP_SCHEMA, if_exists=True, cascade=True, label="or replace"
            )
        elif word == "TYPE" and cursor.dialect is Dialect.TSQL and cursor.take("FROM"):
            # Another name for a type, which may say NOT NULL for every column of it.
            said = definition(cursor, action.name[-1])
            action = replace(action, kind=Kind.CREATE_DOMAIN, definition=said)
        elif word == "DOMAIN":
            cursor.take("AS")
            action = replace(action, definition=definition(cursor, action.name[-1]))
        yield replace(action, or_replace=or_replace, label=word.lower())
    elif word == "EVENT":
        yield replace(_object(cursor, Kind.CREATE_FUNCTION), label="event")
    else:
        cursor.rest()
        yield Action(kind=Kind.OTHER, label=f"create {word.lower()}".strip())


def _skip_definer(cursor: Cursor) -> None:
    cursor.index += 2
    cursor.next()
    cursor.skip_group()
    token = cursor.peek()
    if token is not None and token.text.startswith("@"):
        cursor.next()
        if token.text == "@" and (cursor.at_name() or cursor.peek() is not None):
            cursor.next()


def _object(cursor: Cursor, kind: Kind) -> Action:
    if_exists = cursor.take("IF", "NOT", "EXISTS")
    name = cursor.name() if cursor.at_name() else ()
    if not name and kind in {Kind.CREATE_FUNCTION, Kind.CREATE_TRIGGER}:
        raise Strange
    return Action(kind=kind, name=name, if_exists=if_exists)


def _with_body(cursor: Cursor, action: Action) -> Action:
    """Add the text of a body in quotes (PostgreSQL and its like), and its language."""
    language, body = "", None
    for index in range(cursor.index, cursor.stop - 1):
        token, after = cursor.tokens[index], cursor.tokens[index + 1]
        if token.word == "LANGUAGE":
            language = after.text.lower()
        elif token.word == "AS" and after.kind is TokenKind.STRING and body is None:
            body = after
    if body is None:
        return replace(action, language=language)
    at = cursor.text.find(body.text[:40], body.start) if body.text else body.start
    offset = max(at, body.start) - cursor.tokens[0].start
    return replace(action, language=language, body=body.text, body_offset=offset)


def _with_function(cursor: Cursor, action: Action) -> Action:
    """Add the table of a trigger, and the function that it runs (PostgreSQL)."""
    cursor.loose.extend(cursor.tokens[cursor.index : cursor.stop])
    while not cursor.done:
        if cursor.take("ON") and not action.table:
            action = replace(action, table=cursor.name())
        elif cursor.take("FOR", "EACH", "ROW") or cursor.take("FOR", "ROW"):
            action = replace(action, label="row")
        elif cursor.take("EXECUTE", "FUNCTION") or cursor.take("EXECUTE", "PROCEDURE"):
            action = replace(action, references=cursor.name())
        else:
            cursor.next()
    return action


def _table(cursor: Cursor, *, temporary: bool, or_replace: bool) -> Iterator[Action]:
    if_exists = cursor.take("IF", "NOT", "EXISTS")
    name = cursor.name()
    if cursor.dialect is Dialect.TSQL and name[-1].startswith("#"):
        temporary = True
    if or_replace and cursor.dialect in _REPLACES_TABLE and not temporary:
        # The server drops the table of that name, with its rows, before it makes the new one.
        yield Action(kind=Kind.DROP_TABLE, name=name, if_exists=True, label="or replace")
    columns: list[Column] = []
    keys: list[Action] = []
    parent: Name = ()
    if cursor.take("PARTITION", "OF"):
        cursor.loose.extend(cursor.tokens[:1])
        parent = cursor.name()
    if cursor.dialect in MYSQL and cursor.at("(", "LIKE"):
        like = cursor.group()
        like.next()
        like.name()
        if not like.done:
            like.give_up()
    elif cursor.word() == "(" and cursor.word(1) not in {"SELECT", "LIKE", "WITH", "("}:
        for clause in cursor.group().clauses():
            _element(clause, name, columns, keys)
    else:
        cursor.loose.extend(cursor.tokens[:1])
    _usual_options(cursor)
    options = cursor.rest()
    words = [token.word for token in options]
    if words[:2] == ["INHERITS", "("]:
        heir = Cursor(options, cursor.dialect, cursor.text)
        heir.index = 2
        parent = heir.name()
    if "SELECT" in words:
        cursor.finish()
    yield Action(
        kind=Kind.CREATE_TABLE,
        name=name,
        definitions=tuple(_with_keys(columns, keys)),
        if_exists=if_exists,
        or_replace=or_replace,
        temporary=temporary,
        label="on commit drop" if temporary and _ends_with_transaction(cursor, words) else "",
        partitioned=any(
            word == "PARTITION" and words[index + 1 : index + 2] == ["BY"]
            for index, word in enumerate(words)
        ),
        references=parent,
    )


def _with_keys(columns: list[Column], keys: Iterable[Action]) -> list[Column]:
    """Return columns with what the table's own keys say of them."""
    for key in keys:
        if key.constraint in {"primary key", "not null"}:
            primary = key.constraint == "primary key"
            columns = [
                replace(column, not_null=True, primary_key=column.primary_key or primary)
                if column.name in key.columns
                else column
                for column in columns
            ]
        elif key.references and key.columns:
            columns = [
                replace(column, references=key.references)
                if column.name == key.columns[0]
                else column
                for column in columns
            ]
    return columns


def _ends_with_transaction(cursor: Cursor, words: list[str]) -> bool:
    ends = ["ON", "COMMIT", "DROP"]
    return cursor.dialect is Dialect.POSTGRES and any(
        words[index : index + 3] == ends for index in range(len(words))
    )


_OPTIONS = frozenset(
    {"ENGINE", "CHARSET", "COLLATE", "AUTO_INCREMENT", "COMMENT", "ROW_FORMAT", "SET"}
)


def _usual_options(cursor: Cursor) -> None:
    """Pass ``ENGINE=InnoDB DEFAULT CHARSET utf8mb4 ...`` and SQLite's few."""
    while not cursor.done:
        if cursor.dialect in MYSQL:
            begin = cursor.index
            cursor.take(",")
            cursor.take("DEFAULT")
            cursor.one_of("CHARACTER", "CHAR")
            if cursor.take("WITH", "SYSTEM", "VERSIONING"):
                continue
            if cursor.word() not in _OPTIONS:
                cursor.index = begin
                return
            cursor.next()
            cursor.take("=")
            cursor.next()
        elif cursor.dialect is not Dialect.SQLITE or not (
            cursor.take("WITHOUT", "ROWID") or cursor.take("STRICT")
        ):
            return


def _element(clause: Cursor, table: Name, columns: list[Column], keys: list[Action]) -> None:
    if clause.take("PERIOD", "FOR"):
        clause.name()
        if not clause.skip_group() or not clause.done:
            clause.give_up()
        return
    if clause.word() == "LIKE":
        clause.rest()
        return
    if starts_constraint(clause):
        found = constraint(clause, table)
        keys.append(found)
    else:
        columns.append(definition(clause))
    if not clause.done:
        clause.give_up()


_INDEX_NAMED = MYSQL | {Dialect.SQLITE, Dialect.ORACLE}


def _index(cursor: Cursor, *, unique: bool, label: str) -> Action:
    concurrently = cursor.take("CONCURRENTLY")
    if_exists = cursor.take("IF", "NOT", "EXISTS")
    name: Name = ()
    if not (cursor.word() == "ON" and cursor.at_name(1)):
        name = cursor.name()
    elif cursor.dialect in _INDEX_NAMED:
        raise Strange
    else:
        cursor.loose.append(cursor.tokens[cursor.index])
    if cursor.one_of("USING", "TYPE"):
        cursor.next()
    cursor.need("ON")
    only = cursor.take("ONLY")
    table = cursor.name()
    if cursor.take("USING"):
        cursor.next()
    if cursor.word() != "(":  # of a COLUMNSTORE and the like: whether that holds, sqlfluff says
        if cursor.dialect not in {Dialect.TSQL, Dialect.ORACLE}:
            raise Strange
        cursor.loose.append(cursor.tokens[cursor.index - 1])
    columns = indexed(cursor.group()) if cursor.word() == "(" else ()
    while cursor.dialect in MYSQL and cursor.one_of("ALGORITHM", "LOCK", "COMMENT"):
        cursor.take("=")
        cursor.next()
    if cursor.dialect is Dialect.ORACLE and cursor.take("INDEXTYPE", "IS"):
        cursor.name()
        cursor.take("PARAMETERS") and cursor.skip_group()
    kept_open = cursor.dialect is Dialect.ORACLE and _stored_online(cursor)
    said = online(cursor) if cursor.dialect in MYSQL else None
    if said is not None:
        concurrently = said[0] and not label
        label = label or said[1]
    words = [token.word for token in cursor.rest()]
    if kept_open or (cursor.dialect in {Dialect.TSQL, Dialect.ORACLE} and "ONLINE" in words):
        at = words.index("ONLINE") if "ONLINE" in words else 0
        concurrently = cursor.dialect is Dialect.ORACLE or words[at + 1 : at + 3] == ["=", "ON"]
    return Action(
        kind=Kind.CREATE_INDEX,
        name=name,
        table=table,
        columns=columns,
        concurrently=concurrently,
        if_exists=if_exists,
        unique=unique,
        only=only,
        label=label,
        temporary=cursor.dialect is Dialect.TSQL and table[-1].startswith("#"),
    )


_OF_INDEX = words(
    "LOCAL GLOBAL REVERSE NOREVERSE LOGGING NOLOGGING NOPARALLEL NOCOMPRESS VISIBLE INVISIBLE UNUSABLE"
    " SORT NOSORT"
)
_OF_INDEX_WITH_ONE = words("TABLESPACE PCTFREE INITRANS MAXTRANS PARALLEL COMPRESS")


def _stored_online(cursor: Cursor) -> bool:
    """Pass what Oracle's indexes are stored with, and say whether ONLINE is among it."""
    online = False
    while not cursor.done:
        if cursor.take("ONLINE"):
            online = True
        elif cursor.one_of(*_OF_INDEX_WITH_ONE):
            token = cursor.peek()
            if token is not None and (token.kind is TokenKind.NUMBER or cursor.at_name()):
                cursor.next()
        elif cursor.take("STORAGE"):
            cursor.skip_group()
        elif not (cursor.one_of(*_OF_INDEX) or cursor.take("COMPUTE", "STATISTICS")):
            break
    return online


def _view(cursor: Cursor, *, or_replace: bool, materialized: bool, temporary: bool) -> Action:
    if_exists = cursor.take("IF", "NOT", "EXISTS")
    name = cursor.name()
    if cursor.word() in {"", ";"}:
        raise Strange
    cursor.rest()
    return Action(
        kind=Kind.CREATE_VIEW,
        name=name,
        if_exists=if_exists,
        or_replace=or_replace,
        materialized=materialized,
        temporary=temporary,
    )
