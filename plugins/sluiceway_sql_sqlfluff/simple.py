"""A statement that holds no other: what its first words say, and who reads the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from sluiceway.migrations.records import Action, Dialect, Kind, Name
from sluiceway_sql_sqlfluff.alter import alter_table
from sluiceway_sql_sqlfluff.altered import altered_domain, altered_type
from sluiceway_sql_sqlfluff.create import create
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import Variables
from sluiceway_sql_sqlfluff.hidden import FUNCTIONS_MATTER, altered
from sluiceway_sql_sqlfluff.oracle import oracle_dropped
from sluiceway_sql_sqlfluff.running import called_in, run
from sluiceway_sql_sqlfluff.targets import changed
from sluiceway_sql_sqlfluff.tokens import MYSQL, TokenKind
from sluiceway_sql_sqlfluff.variables import note_assigned, note_run, note_selected

__all__ = ["VERBS", "statement"]


def statement(cursor: Cursor, variables: Variables) -> list[Action]:
    """Return what a statement does. Raises :class:`Strange`; notes what it passed over.

    *variables* is brought up to date by what the statement assigns.
    """
    begin = cursor.offset
    while cursor.take(";"):
        begin = cursor.offset
    if cursor.done:
        return []
    reader = VERBS.get(cursor.word())
    if reader is None:
        found = list(run(cursor, variables))
        if not found:
            cursor.rest()
            return [Action(kind=Kind.OTHER)]
    else:
        found = list(reader(cursor, variables))
    cursor.take(";")
    if not cursor.done:
        cursor.give_up()
    if begin == 0:
        return found
    return [
        replace(action, offset=action.offset - begin if action.offset else 0) for action in found
    ]


def _create(cursor: Cursor, _: Variables) -> Iterator[Action]:
    cursor.next()
    yield from create(cursor)


def _alter(  # noqa: PLR0911, PLR0912 - one a kind of object
    cursor: Cursor, _: Variables
) -> Iterator[Action]:
    cursor.next()
    cursor.one_of("ONLINE", "OFFLINE")
    cursor.take("IGNORE")
    if cursor.take("TABLE") or cursor.take("FOREIGN", "TABLE"):
        yield from alter_table(cursor)
        return
    if cursor.take("SCHEMA"):
        name = cursor.name() if cursor.at_name() else ()
        if cursor.take("RENAME", "TO"):
            yield Action(kind=Kind.RENAME_SCHEMA, name=name, new_name=cursor.name())
            return
        if cursor.take("TRANSFER"):  # T-SQL: ALTER SCHEMA b TRANSFER a.t
            cursor.one_of("OBJECT") and cursor.take(":", ":")
            yield Action(kind=Kind.SET_SCHEMA, name=cursor.name(), new_name=name)
            return
        cursor.rest()
        yield Action(kind=Kind.OTHER)
        return
    if cursor.take("VIEW") or cursor.take("MATERIALIZED", "VIEW"):
        if_exists = cursor.take("IF", "EXISTS")
        name = cursor.name()
        if cursor.take("RENAME", "TO"):
            yield Action(
                kind=Kind.RENAME_VIEW, name=name, new_name=cursor.name(), if_exists=if_exists
            )
            return
        if cursor.take("RENAME"):
            cursor.take("COLUMN")
            column = cursor.column()
            cursor.need("TO")
            yield Action(
                kind=Kind.RENAME_COLUMN, name=name, column=column, new_name=(cursor.column(),)
            )
            return
        cursor.rest()
        yield Action(kind=Kind.OTHER, name=name, label="alter view")
        return
    if cursor.dialect is Dialect.ORACLE and cursor.take("SESSION", "SET", "CURRENT_SCHEMA"):
        cursor.need("=")
        yield Action(kind=Kind.SET, name=("search_path",), body=cursor.name()[-1])
        return
    if cursor.take("TYPE"):
        yield from altered_type(cursor)
    elif cursor.take("DOMAIN"):
        yield altered_domain(cursor)
    elif cursor.take("INDEX") and cursor.dialect is Dialect.TSQL:
        yield _rebuilt(cursor)
        return
    elif cursor.dialect in FUNCTIONS_MATTER and cursor.one_of("FUNCTION", "PROCEDURE", "ROUTINE"):
        yield altered(cursor)
        return
    elif cursor.one_of("PROCEDURE", "PROC", "FUNCTION", "TRIGGER"):
        yield Action(kind=Kind.CREATE_FUNCTION, name=cursor.name(), or_replace=True)
    else:
        yield Action(kind=Kind.OTHER)
    cursor.rest()


def _rebuilt(cursor: Cursor) -> Action:
    name = cursor.name()
    cursor.need("ON")
    table = cursor.name()
    words = [token.word for token in cursor.rest()]
    if "REBUILD" not in words:
        return Action(kind=Kind.OTHER, name=name, table=table)
    online = "ONLINE" in words and "ON" in words[words.index("ONLINE") :]
    return Action(kind=Kind.REINDEX, name=name, table=table, concurrently=online)


_DROPS = {
    "SCHEMA": Kind.DROP_SCHEMA,
    "DATABASE": Kind.DROP_DATABASE,
    "VIEW": Kind.DROP_VIEW,
    "TYPE": Kind.DROP_TYPE,
    "DOMAIN": Kind.DROP_TYPE,
    "SEQUENCE": Kind.DROP_SEQUENCE,
    "FUNCTION": Kind.DROP_FUNCTION,
    "PROCEDURE": Kind.DROP_FUNCTION,
    "PROC": Kind.DROP_FUNCTION,
    "PACKAGE": Kind.DROP_FUNCTION,
    "TRIGGER": Kind.DROP_TRIGGER,
}


_NAMED_ONLY = frozenset({"EVENT", "SERVER"})
"""What MySQL drops by its name and nothing else, whichever of its free words that is."""


def _drop(  # noqa: PLR0911 - one a kind of object
    cursor: Cursor, _: Variables
) -> Iterator[Action]:
    offset = cursor.offset
    cursor.next()
    temporary = bool(cursor.one_of("TEMPORARY", "TEMP")) and cursor.dialect in MYSQL
    cursor.one_of("EXTERNAL", "FOREIGN", "TRANSIENT", "DYNAMIC", "ICEBERG", "HYBRID")
    materialized = cursor.take("MATERIALIZED")
    if cursor.one_of("TABLE", "TABLES"):
        yield from _dropped(cursor, Kind.DROP_TABLE, offset, temporary=temporary)
        return
    if cursor.take("INDEX"):
        yield from _drop_index(cursor, offset)
        return
    if cursor.take("OWNED", "BY"):
        yield Action(
            kind=Kind.DROP_SCHEMA, name=cursor.name(), cascade=True, label="owned", offset=offset
        )
        cursor.rest()
        return
    cursor.take("PLUGGABLE")
    word = cursor.word()
    if word in {"", ";"}:
        raise Strange
    kind = _DROPS.get(word)
    if cursor.dialect is Dialect.ORACLE and word in {"USER", "CLUSTER", "DATABASE", "TABLESPACE"}:
        yield from oracle_dropped(cursor, offset)
        return
    if word in _NAMED_ONLY and cursor.dialect in MYSQL:
        cursor.next()
        cursor.take("IF", "EXISTS")
        cursor.name()
        if not cursor.done and cursor.word() != ";":
            cursor.rest()
        yield Action(kind=Kind.OTHER, label=f"drop {word.lower()}")
        return
    if kind is None or (word in {"FUNCTION", "PROCEDURE"} and temporary):
        cursor.rest()
        yield Action(kind=Kind.OTHER, label=f"drop {word.lower()}")
        return
    cursor.next()
    if word == "SCHEMA" and cursor.dialect in MYSQL:
        kind = Kind.DROP_DATABASE
    if kind in {Kind.DROP_FUNCTION, Kind.DROP_TRIGGER, Kind.DROP_TYPE, Kind.DROP_SEQUENCE}:
        if_exists = cursor.take("IF", "EXISTS")
        cursor.take("BODY")
        name = cursor.name()
        cascade = any(token.word == "CASCADE" for token in cursor.rest())
        yield Action(
            kind=kind,
            name=name,
            if_exists=if_exists,
            cascade=cascade,
            label=word.lower() if kind is Kind.DROP_TYPE else "",
            offset=offset,
        )
        return
    for action in _dropped(cursor, kind, offset, temporary=temporary):
        yield replace(action, materialized=materialized)


def _dropped(cursor: Cursor, kind: Kind, offset: int, *, temporary: bool) -> Iterator[Action]:
    if_exists = cursor.take("IF", "EXISTS")
    names = [_table_name(cursor)]
    while cursor.take(","):
        names.append(_table_name(cursor))
    cascade = False
    while not cursor.done and cursor.word() != ";":
        if cursor.take("CASCADE"):
            cascade = True
        elif not cursor.one_of("RESTRICT", "PURGE", "CONSTRAINTS", "NOWAIT", "SYNC", "FORCE"):
            if cursor.take("WAIT") or cursor.take("ON", "CLUSTER"):
                cursor.next()
            elif cursor.take("WITH"):
                cursor.skip_group()
            else:
                break
    for name in names:
        yield Action(
            kind=kind,
            name=name,
            if_exists=if_exists,
            cascade=cascade,
            temporary=temporary or (cursor.dialect is Dialect.TSQL and name[-1].startswith("#")),
            offset=offset,
        )


def _table_name(cursor: Cursor) -> Name:
    name = cursor.name()
    cursor.take("*")
    return name


def _drop_index(cursor: Cursor, offset: int) -> Iterator[Action]:
    concurrently = cursor.take("CONCURRENTLY")
    if_exists = cursor.take("IF", "EXISTS")
    while True:
        name = cursor.name()
        table = cursor.name() if cursor.take("ON") else ()
        yield Action(
            kind=Kind.DROP_INDEX,
            name=name,
            table=table,
            concurrently=concurrently,
            if_exists=if_exists,
            offset=offset,
        )
        if not cursor.take(","):
            break
    if cursor.dialect is Dialect.TSQL and cursor.take("WITH"):
        cursor.skip_group()
    while cursor.dialect in MYSQL and cursor.one_of("ALGORITHM", "LOCK"):
        cursor.take("=")
        cursor.next()
    while cursor.dialect is Dialect.ORACLE and cursor.one_of("ONLINE", "FORCE"):
        pass
    cursor.rest()


def _truncate(cursor: Cursor, _: Variables) -> Iterator[Action]:
    offset = cursor.offset
    cursor.next()
    if not (cursor.dialect is Dialect.ORACLE and cursor.at_name(1) and cursor.take("CLUSTER")):
        cursor.take("TABLE")
    if_exists = cursor.take("IF", "EXISTS")
    names = []
    while True:
        only = cursor.take("ONLY")
        names.append((_table_name(cursor), only))
        if not cursor.take(","):
            break
    cascade = False
    while not cursor.done and cursor.word() != ";":
        if cursor.take("CASCADE"):
            cascade = True
        elif not (
            cursor.take("RESTART", "IDENTITY")
            or cursor.take("CONTINUE", "IDENTITY")
            or cursor.one_of("RESTRICT", "NOWAIT", "IMMEDIATE")
            or cursor.take("PRESERVE", "MATERIALIZED", "VIEW", "LOG")
            or cursor.take("PURGE", "MATERIALIZED", "VIEW", "LOG")
        ):
            if cursor.one_of("WITH", "PARTITION"):
                cursor.skip_group()
            elif cursor.one_of("WAIT"):
                cursor.next()
            elif cursor.one_of("DROP", "REUSE", "IGNORE"):
                cursor.take("ALL")
                cursor.one_of("STORAGE", "DELETE")
                cursor.take("TRIGGERS")
            else:
                break
    for name, only in names:
        yield Action(
            kind=Kind.TRUNCATE,
            name=name,
            only=only,
            if_exists=if_exists,
            cascade=cascade,
            temporary=cursor.dialect is Dialect.TSQL and name[-1].startswith("#"),
            offset=offset,
        )


def _rename(cursor: Cursor, _: Variables) -> Iterator[Action]:
    offset = cursor.offset
    cursor.next()
    if cursor.one_of("TABLE", "TABLES") or not cursor.at("USER"):
        if cursor.one_of("USER", "INDEX", "COLUMN", "DATABASE", "VIEW", "DICTIONARY"):
            raise Strange
        if_exists = cursor.take("IF", "EXISTS")
        while True:
            name = cursor.name()
            cursor.take("WAIT") and cursor.next()
            cursor.take("NOWAIT")
            cursor.need("TO")
            yield Action(
                kind=Kind.RENAME_TABLE,
                name=name,
                new_name=cursor.name(),
                if_exists=if_exists,
                offset=offset,
            )
            if not cursor.take(","):
                break
    else:
        cursor.rest()
        yield Action(kind=Kind.OTHER)


_REPLACES = ("INSERT", "OVERWRITE")
"""The rows that were there go before the new ones come, with no DELETE that anybody could count."""


def _data(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    note_run(variables)
    note_assigned(cursor, variables)
    if cursor.dialect is Dialect.TSQL:
        yield from _tsql_insert_exec(cursor, variables)
    if cursor.word() == "COPY" and any(
        token.word == "PROGRAM" for token in cursor.tokens[cursor.index : cursor.stop]
    ):  # whatever it runs, it is not SQL
        yield Action(kind=Kind.EXECUTE, label="unknown")
    if cursor.dialect in FUNCTIONS_MATTER:
        yield from called_in(cursor)
    name = changed(cursor)
    if cursor.dialect is Dialect.SNOWFLAKE and (cursor.word(), cursor.word(1)) == _REPLACES:
        offset = cursor.offset
        yield Action(kind=Kind.TRUNCATE, name=name, label="insert overwrite", offset=offset)
    cursor.finish()
    yield Action(kind=Kind.CHANGE_DATA, name=name)


def _tsql_insert_exec(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    for index in range(cursor.index + 1, cursor.stop):
        if cursor.tokens[index].word in {"EXEC", "EXECUTE"}:
            inner = cursor.within(index, cursor.stop)
            yield from run(inner, variables)
            return


def _query(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    whole = cursor.tokens[cursor.index : cursor.stop]
    words = [token.word for token in whole]
    changes = any(word in {"INSERT", "UPDATE", "DELETE", "MERGE"} for word in words)
    note_run(variables)
    note_selected(cursor, variables)
    note_assigned(cursor, variables)
    offset = cursor.offset
    makes = cursor.dialect not in MYSQL and not cursor.procedural
    if makes and "INTO" in words and not changes:
        inner = cursor.within(cursor.index + words.index("INTO") + 1, cursor.stop)
        temporary = bool(inner.one_of("TEMPORARY", "TEMP", "UNLOGGED")) and True
        inner.take("TABLE")
        if inner.at_name():
            name = inner.name()
            temporary = temporary or name[-1].startswith("#")
            yield Action(
                kind=Kind.CREATE_TABLE,
                name=name,
                temporary=temporary,
                offset=offset,
            )
    if cursor.dialect in FUNCTIONS_MATTER:
        yield from called_in(cursor)
    elif cursor.dialect is Dialect.TSQL and ("OPENQUERY" in words or "OPENROWSET" in words):
        yield from (each for each in called_in(cursor) if each.kind is Kind.EXECUTE)
    name = changed(cursor) if changes else ()
    cursor.finish()
    yield Action(kind=Kind.CHANGE_DATA if changes else Kind.OTHER, name=name, offset=offset)


def _harmless(cursor: Cursor, _: Variables) -> Iterator[Action]:
    cursor.rest()
    yield Action(kind=Kind.OTHER)


def _use(cursor: Cursor, _: Variables) -> Iterator[Action]:
    """Read MySQL's USE: what has no database in its name is of that one from now on."""
    cursor.next()
    if cursor.dialect in MYSQL and cursor.at_name():
        yield Action(kind=Kind.SET, name=("search_path",), body=cursor.name()[-1])
        return
    cursor.rest()
    yield Action(kind=Kind.SET, name=("use",))


_NOISE = frozenset({"WORK", "TRANSACTION", "TRAN"})


def _transaction(kind: Kind) -> Callable[[Cursor, Variables], Iterator[Action]]:
    def read(cursor: Cursor, _: Variables) -> Iterator[Action]:
        first = cursor.next().word
        cursor.one_of(*_NOISE)
        name: Name = ()
        label = ""
        token = cursor.peek()
        named = first == "ROLLBACK" and cursor.dialect is Dialect.TSQL and token is not None
        if token is not None and token.kind is TokenKind.VARIABLE and (named or first == "SAVE"):
            label, name = "savepoint", (cursor.next().text.lower(),)
        elif (
            first in {"SAVEPOINT", "RELEASE", "SAVE"}
            or (named and cursor.at_name())
            or cursor.take("TO")
        ):
            label = "savepoint"
            cursor.take("SAVEPOINT")
            name = (cursor.part().lower(),)
        elif not cursor.done:
            cursor.rest()
        yield Action(kind=kind, name=name, label=label)

    return read


def _lock(cursor: Cursor, _: Variables) -> Iterator[Action]:
    cursor.rest()
    yield Action(kind=Kind.LOCK)


VERBS: dict[str, Callable[[Cursor, Variables], Iterator[Action]]] = {
    "CREATE": _create,
    "ALTER": _alter,
    "DROP": _drop,
    "TRUNCATE": _truncate,
    "RENAME": _rename,
    "SELECT": _query,
    "WITH": _query,
    "(": _query,
    "VALUES": _query,
    "TABLE": _query,
    "INSERT": _data,
    "UPDATE": _data,
    "DELETE": _data,
    "MERGE": _data,
    "REPLACE": _data,
    "UPSERT": _data,
    "LOAD": _data,
    "COPY": _data,
    "COMMENT": _harmless,
    "GRANT": _harmless,
    "REVOKE": _harmless,
    "ANALYZE": _harmless,
    "USE": _use,
    "PRAGMA": _harmless,
    "PRINT": _harmless,
    "LOCK": _lock,
    "COMMIT": _transaction(Kind.COMMIT),
    "ROLLBACK": _transaction(Kind.ROLLBACK),
    "START": _transaction(Kind.BEGIN),
    "SAVEPOINT": _transaction(Kind.BEGIN),
    "SAVE": _transaction(Kind.BEGIN),
    "RELEASE": _transaction(Kind.COMMIT),
}
