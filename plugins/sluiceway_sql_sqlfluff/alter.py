"""ALTER TABLE, clause by clause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from sluiceway.migrations.records import Action, Column, Dialect, Kind, Name
from sluiceway_sql_sqlfluff.clauses import clauses_of
from sluiceway_sql_sqlfluff.columns import column_type, default_of, definition, expression
from sluiceway_sql_sqlfluff.constraints import constraint, starts_constraint
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.options import online, other_clause, whole_list
from sluiceway_sql_sqlfluff.partitions import constraint_modified, emptied, merged
from sluiceway_sql_sqlfluff.tokens import MYSQL

__all__ = ["alter_table"]

_LISTS = frozenset({"DROP", "ADD", "MODIFY", "TRUNCATE"})
"""Verbs that may be said once for several: ``DROP COLUMN a, b``."""
_NOT_SQLITE = frozenset({"MODIFY", "CHANGE", "TRUNCATE"})
_VERBS = frozenset({"ADD", "DROP", "ALTER", "MODIFY", "CHANGE", "RENAME", "TRUNCATE"})


def alter_table(cursor: Cursor) -> Iterator[Action]:
    """Read what follows ``ALTER TABLE``."""
    if_exists = cursor.take("IF", "EXISTS")
    only = cursor.take("ONLY")
    table = cursor.name()
    cursor.take("*")
    if cursor.dialect is Dialect.CLICKHOUSE and cursor.take("ON", "CLUSTER"):
        cursor.part()
    cursor.take("WAIT") and cursor.next()
    cursor.take("NOWAIT")
    actions: list[Action] = []
    verb: tuple[str, ...] = ()
    for clause in clauses_of(cursor):
        begin = clause.index
        if whole_list(clause, cursor) or merged(clause, cursor):
            actions.append(Action(kind=Kind.OTHER, name=table, offset=clause.offset))
            break
        taken = _verb(clause, verb)
        if not taken:
            actions.extend(other_clause(clause, table))
        else:
            verb = taken
            if cursor.dialect is Dialect.SQLITE and taken[0] in _NOT_SQLITE:
                raise Strange
            actions.extend(_READERS[taken[0]](clause, table, taken[1:]))
        if not clause.done:
            clause.give_up()
        if clause.index == begin:
            raise Strange
    said = online(cursor)
    _known_to(cursor.dialect, actions, if_exists=if_exists)
    for action in _in_order(actions):
        changed = action
        if only or (if_exists and not action.if_exists):
            changed = replace(action, if_exists=action.if_exists or if_exists, only=only)
        if said is not None and action.kind in {Kind.CREATE_INDEX, Kind.DROP_INDEX}:
            # FULLTEXT and SPATIAL keep others out whatever is asked for.
            label = action.label or said[1]
            changed = replace(changed, concurrently=said[0] and not action.label, label=label)
        yield changed
    if not actions:
        raise Strange


def _known_to(dialect: Dialect, actions: list[Action], *, if_exists: bool) -> None:
    """Raise :class:`Strange` for IF EXISTS in SQLite, which knows no such words there."""
    if dialect is Dialect.SQLITE and (if_exists or any(each.if_exists for each in actions)):
        raise Strange


def _in_order(actions: list[Action]) -> list[Action]:
    """Return what is dropped first: of ``ADD c INT, DROP c`` it is an older column that goes."""
    given = {each.column for each in actions if each.kind is Kind.ADD_COLUMN}
    given.update(each.new_name[-1] for each in actions if each.kind is Kind.RENAME_COLUMN)
    first = [each for each in actions if each.kind is Kind.DROP_COLUMN and each.column in given]
    return [*first, *(each for each in actions if each not in first)] if first else actions


def _verb(clause: Cursor, before: tuple[str, ...]) -> tuple[str, ...]:
    """Return the verb of a clause and what it is about, and go past it.

    A clause that begins with none goes on with the one before: ``DROP COLUMN a, b``.
    """
    if clause.dialect is Dialect.TSQL and clause.take("WITH"):
        clause.one_of("CHECK", "NOCHECK")
    if clause.dialect is Dialect.SNOWFLAKE and before[:1] == ("ADD",) and clause.take("COLUMN"):
        return before
    word = clause.word()
    if word in _VERBS and not (before and clause.done):
        clause.next()
        return (word, clause.word())
    goes_on = clause.at_name() and not _is_option(clause)
    if before and before[0] in _LISTS and goes_on:
        objects = {"COLUMN", "CONSTRAINT", "INDEX"}
        return (before[0], clause.word()) if clause.word() in objects else before
    return ()


def _is_option(clause: Cursor) -> bool:
    return clause.word(1) == "=" or clause.word() in {
        "ALGORITHM", "LOCK", "ENGINE", "COMMENT", "FORCE", "CONVERT", "VALIDATE", "OWNER", "SET",
        "ENABLE", "DISABLE", "ATTACH", "DETACH", "INHERIT", "NO", "RESET", "CLUSTER", "ORDER",
        "DEFAULT", "CHARACTER", "COLLATE", "CHARSET", "AUTO_INCREMENT", "ROW_FORMAT", "REPLICA",
        "UPDATE", "DELETE", "CLEAR", "MATERIALIZE", "FREEZE", "FETCH", "WITHOUT",
    }  # fmt: skip


def _add(clause: Cursor, table: Name, _: tuple[str, ...]) -> Iterator[Action]:
    offset = clause.offset
    if clause.dialect in MYSQL and (
        clause.take("PARTITION") or clause.take("SYSTEM", "VERSIONING") or clause.take("PERIOD")
    ):
        clause.rest()
        yield Action(kind=Kind.OTHER, name=table, label="partition", offset=offset)
        return
    if clause.dialect is Dialect.ORACLE and clause.word() in {"SUPPLEMENTAL", "PARTITION"}:
        if any(token.word in _VERBS - {"ADD"} for token in clause.tokens[clause.index :]):
            raise Strange
        clause.finish()
        yield Action(kind=Kind.OTHER, name=table, offset=offset)
        return
    if clause.dialect is Dialect.TSQL and clause.take("PERIOD"):
        clause.rest()
        yield Action(kind=Kind.OTHER, name=table, offset=offset)
        return
    if starts_constraint(clause):
        found = constraint(clause, table)
        if not (found.kind is Kind.ADD_CONSTRAINT and found.constraint == "not null"):
            yield found
            return
        yield Action(
            kind=Kind.SET_NOT_NULL,
            name=table,
            column=found.columns[0],
            constraint=found.constraint,
            constraint_name=found.constraint_name,
            not_valid=found.not_valid,
            offset=offset,
        )
        return
    clause.take("COLUMN") or clause.take("COLUMNS")
    if_exists = clause.take("IF", "NOT", "EXISTS")
    if clause.word() == "(":
        for inner in clause.group().clauses():
            if starts_constraint(inner):
                yield constraint(inner, table)
            else:
                yield _column(inner, table, offset, if_exists=if_exists)
            if not inner.done:
                inner.give_up()
        return
    yield _column(clause, table, offset, if_exists=if_exists)


def _column(clause: Cursor, table: Name, offset: int, *, if_exists: bool) -> Action:
    if_exists = clause.take("IF", "NOT", "EXISTS") or if_exists
    column = definition(clause)
    untyped = {Dialect.SQLITE, Dialect.TSQL} | ({Dialect.ORACLE} if column.generated else set())
    if not column.type and clause.dialect not in untyped:
        raise Strange
    return Action(
        kind=Kind.ADD_COLUMN,
        name=table,
        column=column.name,
        definition=column,
        if_exists=if_exists,
        offset=offset,
    )


_OBJECTS: dict[str, str] = {
    "CONSTRAINT": "", "CHECK": "check", "FOREIGN": "foreign key", "PRIMARY": "primary key",
}  # fmt: skip
_NOT_COLUMNS: dict[Dialect, frozenset[str]] = {
    Dialect.TSQL: frozenset({"PERIOD"}),
    Dialect.SNOWFLAKE: frozenset({"CLUSTERING", "ROW", "SEARCH", "UNIQUE", "ALL"}),
    Dialect.CLICKHOUSE: frozenset({"INDEX", "PROJECTION", "STATISTICS"}),
    Dialect.ORACLE: frozenset({"UNIQUE", "SUPPLEMENTAL"}),
    Dialect.DB2: frozenset({"UNIQUE", "RESTRICT", "DISTRIBUTION"}),
}


def _drop(clause: Cursor, table: Name, before: tuple[str, ...]) -> Iterator[Action]:
    offset, dialect = clause.offset, clause.dialect
    mysql = dialect in MYSQL
    if mysql and clause.one_of("INDEX", "KEY"):
        if_exists = clause.take("IF", "EXISTS")
        index = (clause.part(),)
        yield Action(
            kind=Kind.DROP_INDEX, name=index, table=table, if_exists=if_exists, offset=offset
        )
        return
    if (gone := _rows_dropped(clause, table, before)) is not None:
        yield gone
        return
    if (mysql and clause.take("PERIOD")) or (clause.word() in _NOT_COLUMNS.get(dialect, ())):
        clause.rest()
        yield Action(kind=Kind.OTHER, name=table, offset=offset)
        return
    word = clause.word()
    if word in _OBJECTS and (word != "CHECK" or dialect in MYSQL or clause.at_name(1)):
        yield _drop_constraint(clause, table, offset)
        return
    if clause.take("UNUSED"):
        clause.rest()
        yield Action(kind=Kind.OTHER, name=table, offset=offset)
        return
    named = clause.take("COLUMN") or clause.take("COLUMNS")
    if_exists = clause.take("IF", "EXISTS")
    if dialect is Dialect.TSQL and not named and before != ("COLUMN",):
        yield _constraint_dropped(clause, table, offset, if_exists=if_exists)
        return
    if clause.word() == "(":
        names = [inner.column() for inner in clause.group().clauses()]
    else:
        names = [clause.column()]
    cascade = clause.take("CASCADE")
    if cascade or clause.one_of("RESTRICT", "INVALIDATE"):
        clause.take("CONSTRAINTS")
    if dialect is Dialect.ORACLE and clause.take("CHECKPOINT"):
        clause.next()
    for name in names:
        yield Action(
            kind=Kind.DROP_COLUMN,
            name=table,
            column=name,
            if_exists=if_exists,
            cascade=cascade,
            offset=offset,
        )


def _rows_dropped(clause: Cursor, table: Name, before: tuple[str, ...]) -> Action | None:
    """Read a partition that is dropped, or what MariaDB keeps of rows that were changed or deleted."""
    offset = clause.offset
    if clause.dialect is not Dialect.POSTGRES and (
        before == ("PARTITION",) or clause.word() in {"PARTITION", "PART", "SUBPARTITION"}
    ):
        return emptied(clause, table, "drop partition")
    if clause.dialect in MYSQL and clause.take("SYSTEM", "VERSIONING"):
        return Action(kind=Kind.TRUNCATE, name=table, label="drop versioning", offset=offset)
    return None


def _drop_constraint(clause: Cursor, table: Name, offset: int) -> Action:
    kind = _OBJECTS[clause.next().word]
    if kind in {"foreign key", "primary key"}:
        clause.need("KEY")
    if_exists = clause.take("IF", "EXISTS")
    return _constraint_dropped(clause, table, offset, if_exists=if_exists, kind=kind)


def _constraint_dropped(
    clause: Cursor, table: Name, offset: int, *, if_exists: bool, kind: str = ""
) -> Action:
    unnamed = kind == "primary key" and (
        clause.done or clause.word() in {"CASCADE", "KEEP", "DROP"}
    )
    name = "" if unnamed else clause.part()
    cascade = clause.take("CASCADE")
    clause.one_of("RESTRICT", "CONSTRAINTS")
    if clause.dialect is Dialect.ORACLE:
        clause.take("KEEP", "INDEX") or clause.take("DROP", "INDEX")
    if clause.take("WITH"):
        clause.skip_group()
    return Action(
        kind=Kind.DROP_CONSTRAINT,
        name=table,
        constraint=kind,
        constraint_name=name,
        if_exists=if_exists,
        cascade=cascade,
        offset=offset,
    )


def _alter(clause: Cursor, table: Name, _: tuple[str, ...]) -> Iterator[Action]:
    offset = clause.offset
    word = clause.word()
    if word == "CONSTRAINT" or (
        clause.dialect in MYSQL and word in {"INDEX", "CHECK", "KEY"} and clause.at_name(1)
    ):
        clause.rest()
        yield Action(kind=Kind.OTHER, name=table, offset=offset)
        return
    clause.take("COLUMN")
    if_exists = clause.take("IF", "EXISTS")
    column = clause.column()
    if clause.dialect is Dialect.SQLITE and clause.word(1) != "NOT":
        raise Strange
    for action in _altered(clause, table, column):
        yield replace(action, if_exists=if_exists, offset=offset)


def _altered(  # noqa: PLR0911 - one branch a clause
    clause: Cursor, table: Name, column: str
) -> Iterator[Action]:
    def of(kind: Kind, **more: object) -> Action:
        return replace(Action(kind=kind, name=table, column=column), **more)  # type: ignore[arg-type]

    if clause.take("SET", "DEFAULT"):
        said = default_of(expression(clause))
        yield of(Kind.SET_DEFAULT, value=said.value, volatile=said.volatile)
        return
    if clause.take("DROP", "DEFAULT"):
        yield of(Kind.DROP_DEFAULT)
        return
    if clause.take("SET", "NOT", "NULL"):
        yield of(Kind.SET_NOT_NULL)
        return
    if clause.take("DROP", "NOT", "NULL") or clause.take("SET", "NULL"):
        yield of(Kind.DROP_NOT_NULL)
        return
    if clause.take("ADD", "GENERATED"):
        clause.rest()
        yield of(Kind.SET_DEFAULT, value=True, volatile=True, label="identity")
        return
    if clause.take("DROP", "IDENTITY") or clause.take("DROP", "EXPRESSION"):
        clause.take("IF", "EXISTS")
        yield of(Kind.DROP_DEFAULT, label="identity")
        return
    if (
        clause.take("TYPE")
        or clause.take("SET", "DATA", "TYPE")
        or clause.take("SET", "TYPE")
        or (clause.dialect is not Dialect.POSTGRES and clause.take("SET", "DATATYPE"))
    ):
        said_type = column_type(clause)
        if clause.take("USING"):
            expression(clause, frozenset())
        yield of(Kind.CHANGE_TYPE, definition=Column(name=column, type=said_type))
        return
    if clause.dialect is Dialect.TSQL and clause.word() not in {"ADD", "DROP"}:
        yield from _tsql_column(clause, table, column)
        return
    if clause.dialect is Dialect.TSQL:
        clause.next()
        if not _tsql_mark(clause):
            raise Strange
        yield of(Kind.OTHER)
        return
    # What is left (statistics, storage, compression, visibility, masks, restarts) harms no reader.
    if clause.word() in {"SET", "RESET", "RESTART", "ADD", "DROP", "COMMENT", "UNSET", "ENCODE"}:
        clause.rest()
        yield of(Kind.OTHER)
        return
    raise Strange


def _tsql_mark(clause: Cursor) -> bool:
    """Go past what T-SQL's columns are marked with: ``ADD MASKED WITH (...)``, ``DROP SPARSE``."""
    if clause.take("MASKED"):
        return not clause.take("WITH") or clause.skip_group()
    return bool(
        clause.take("NOT", "FOR", "REPLICATION")
        or clause.one_of("SPARSE", "PERSISTED", "ROWGUIDCOL", "HIDDEN")
    )


def _tsql_column(clause: Cursor, table: Name, column: str) -> Iterator[Action]:
    """Read T-SQL's ``ALTER COLUMN c INT NOT NULL``: without NOT NULL the column takes NULL."""
    said = definition(clause, column)
    plain = Column(name=column, type=said.type)
    yield Action(kind=Kind.CHANGE_TYPE, name=table, column=column, definition=plain)
    kind = Kind.SET_NOT_NULL if said.not_null else Kind.DROP_NOT_NULL
    yield Action(kind=kind, name=table, column=column)


def _modify(clause: Cursor, table: Name, _: tuple[str, ...]) -> Iterator[Action]:
    offset = clause.offset
    if constraint_modified(clause):
        yield Action(kind=Kind.OTHER, name=table, offset=offset)
        return
    if clause.word() in {"PARTITION", "SETTING", "TTL", "ORDER", "QUERY", "COMMENT", "SAMPLE"}:
        clause.rest()
        yield Action(kind=Kind.OTHER, name=table, offset=offset)
        return
    clause.take("COLUMN")
    if clause.word() == "(":
        for inner in clause.group().clauses():
            yield from _modified(inner, table, offset)
            if not inner.done:
                inner.give_up()
        return
    yield from _modified(clause, table, offset)


def _modified(clause: Cursor, table: Name, offset: int) -> Iterator[Action]:
    if_exists = clause.take("IF", "EXISTS")
    begin = clause.index
    column = definition(clause)
    said = [token.word for token in clause.tokens[begin + 1 : clause.index]]
    if clause.dialect is Dialect.ORACLE and "DEFAULT" in said:  # MODIFY c DEFAULT 1 NOT NULL
        yield Action(
            kind=Kind.SET_DEFAULT,
            name=table,
            column=column.name,
            value=column.default,
            offset=offset,
        )
    if not column.type and column.not_null:
        yield Action(kind=Kind.SET_NOT_NULL, name=table, column=column.name, offset=offset)
        return
    yield _defined_anew(table, column, if_exists=if_exists, offset=offset)


def _defined_anew(table: Name, column: Column, *, if_exists: bool, offset: int) -> Action:
    return Action(
        kind=Kind.CHANGE_TYPE,
        name=table,
        column=column.name,
        definition=column,
        if_exists=if_exists,
        offset=offset,
    )


def _change(clause: Cursor, table: Name, _: tuple[str, ...]) -> Iterator[Action]:
    offset = clause.offset
    clause.take("COLUMN")
    if_exists = clause.take("IF", "EXISTS")
    old = clause.column()
    column = definition(clause)
    if not column.type:
        raise Strange
    if old != column.name:
        yield Action(
            kind=Kind.RENAME_COLUMN,
            name=table,
            column=old,
            new_name=(column.name,),
            if_exists=if_exists,
            offset=offset,
        )
    yield _defined_anew(table, column, if_exists=if_exists, offset=offset)


def _rename(clause: Cursor, table: Name, _: tuple[str, ...]) -> Iterator[Action]:
    offset, dialect = clause.offset, clause.dialect
    if (clause.one_of("TO", "AS") or (dialect in MYSQL and clause.take("="))) and clause.at_name():
        yield Action(kind=Kind.RENAME_TABLE, name=table, new_name=clause.name(), offset=offset)
        return
    if clause.word(2) == "TO" and clause.at_name(1):
        if dialect in MYSQL and clause.one_of("INDEX", "KEY"):
            clause.rest()
            yield Action(kind=Kind.OTHER, name=table, label="rename index", offset=offset)
            return
        if clause.one_of("CONSTRAINT", "PARTITION"):
            name = clause.part()
            clause.need("TO")
            yield Action(
                kind=Kind.RENAME_CONSTRAINT,
                name=table,
                constraint_name=name,
                new_name=(clause.part(),),
                offset=offset,
            )
            return
    clause.take("COLUMN")
    if_exists = clause.take("IF", "EXISTS")
    if dialect in MYSQL and clause.at_name() and clause.word(1) != "TO":
        yield Action(kind=Kind.RENAME_TABLE, name=table, new_name=clause.name(), offset=offset)
        return
    column = clause.column()
    clause.need("TO")
    yield Action(
        kind=Kind.RENAME_COLUMN,
        name=table,
        column=column,
        new_name=(clause.column(),),
        if_exists=if_exists,
        offset=offset,
    )


def _truncate(clause: Cursor, table: Name, before: tuple[str, ...]) -> Iterator[Action]:
    if before != ("PARTITION",) and clause.word() not in {"PARTITION", "SUBPARTITION"}:
        raise Strange
    yield emptied(clause, table, "partition")


_READERS: dict[str, Callable[[Cursor, Name, tuple[str, ...]], Iterator[Action]]] = {
    "ADD": _add,
    "DROP": _drop,
    "ALTER": _alter,
    "MODIFY": _modify,
    "CHANGE": _change,
    "RENAME": _rename,
    "TRUNCATE": _truncate,
}
