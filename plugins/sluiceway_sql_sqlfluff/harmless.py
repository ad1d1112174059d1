"""Statements that sqlfluff cannot parse, and that do no harm whatever stands behind their first words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

from sluiceway.migrations.records import Action, Dialect, Kind
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import Variables
from sluiceway_sql_sqlfluff.guesses import dangers
from sluiceway_sql_sqlfluff.simple import VERBS, statement
from sluiceway_sql_sqlfluff.tokens import MYSQL, Token, TokenKind, Unreadable
from sluiceway_sql_sqlfluff.words import words

__all__ = ["harmless"]

_SAFE_LEADS: dict[tuple[str, ...], Kind] = {
    ("LOCK", "TABLE"): Kind.LOCK,
    ("LOCK", "TABLES"): Kind.LOCK,
    ("UNLOCK", "TABLE"): Kind.OTHER,
    ("UNLOCK", "TABLES"): Kind.OTHER,
    ("GRANT",): Kind.OTHER,
    ("REVOKE",): Kind.OTHER,
    ("TABLE",): Kind.OTHER,
    ("EXPLAIN",): Kind.OTHER,
    ("BEGIN", "IMMEDIATE"): Kind.BEGIN,
    ("BEGIN", "EXCLUSIVE"): Kind.BEGIN,
    ("BEGIN", "DEFERRED"): Kind.BEGIN,
}
_FOR_THE_SERVER: dict[Dialect, str] = {
    Dialect.MYSQL: """
        ALTER USER, ALTER FUNCTION, ALTER PROCEDURE, ALTER INSTANCE, ALTER SEQUENCE, ALTER SERVER,
        ALTER LOGFILE GROUP, ALTER RESOURCE GROUP, ALTER TABLESPACE, ALTER UNDO TABLESPACE,
        CACHE INDEX, CHANGE MASTER, CHANGE REPLICATION, CHECK TABLE, CHECKSUM TABLE, CREATE ROLE,
        CREATE LOGFILE GROUP, CREATE RESOURCE GROUP, CREATE SERVER, CREATE SPATIAL REFERENCE SYSTEM,
        CREATE OR REPLACE SPATIAL REFERENCE SYSTEM, CREATE TABLESPACE, CREATE UNDO TABLESPACE,
        DROP RESOURCE GROUP, DROP SERVER, DROP SPATIAL REFERENCE SYSTEM, GET DIAGNOSTICS,
        GET CURRENT DIAGNOSTICS, HANDLER, IMPORT TABLE, INSTALL COMPONENT, INSTALL PLUGIN,
        INSTALL SONAME, LOAD XML,
        RENAME USER, REPAIR TABLE, RESET MASTER, RESET QUERY CACHE, RESET REPLICA, RESET SLAVE,
        SET CHARACTER SET, SET CHARSET, SET PASSWORD, START REPLICA, START SLAVE, STOP REPLICA,
        STOP SLAVE, UNINSTALL COMPONENT, UNINSTALL PLUGIN, UNINSTALL SONAME, XA BEGIN, XA COMMIT, XA END,
        XA PREPARE, XA RECOVER, XA ROLLBACK, XA START""",
    Dialect.ORACLE: """
        ALTER FUNCTION, ALTER INDEX, ALTER MATERIALIZED VIEW LOG, ALTER PACKAGE, ALTER PROCEDURE,
        ALTER PROFILE, ALTER ROLE, ALTER SEQUENCE, ALTER SESSION, ALTER SYNONYM, ALTER SYSTEM,
        ALTER TABLESPACE, ALTER TRIGGER, ALTER USER, ALTER VIEW, ANALYZE INDEX, ANALYZE TABLE, AUDIT,
        CREATE DIRECTORY, CREATE OR REPLACE DIRECTORY, CREATE PROFILE, CREATE ROLE, CREATE TABLESPACE,
        CREATE BIGFILE TABLESPACE, CREATE TEMPORARY TABLESPACE, CREATE UNDO TABLESPACE, CREATE CONTEXT,
        CREATE OR REPLACE CONTEXT, CREATE MATERIALIZED VIEW LOG, DROP DIRECTORY, DROP CONTEXT,
        DROP MATERIALIZED VIEW LOG, DROP PROFILE, LOCK TABLE, NOAUDIT, PURGE INDEX, PURGE RECYCLEBIN,
        PURGE DBA_RECYCLEBIN, PURGE TABLE, SET CONSTRAINT, SET CONSTRAINTS, SET ROLE, SET TRANSACTION""",
    Dialect.TSQL: """
        ADD SENSITIVITY CLASSIFICATION, ADD SIGNATURE, ALTER ASSEMBLY, ALTER AVAILABILITY GROUP,
        ALTER CERTIFICATE, ALTER CREDENTIAL, ALTER LOGIN, ALTER QUEUE, ALTER SERVER ROLE, ALTER SERVICE,
        BACKUP CERTIFICATE, BACKUP DATABASE, BACKUP LOG, CHECKPOINT, CREATE APPLICATION ROLE,
        CREATE ASSEMBLY, CREATE ASYMMETRIC KEY, CREATE CERTIFICATE, CREATE COLUMN ENCRYPTION KEY,
        CREATE COLUMN MASTER KEY, CREATE CONTRACT, CREATE CREDENTIAL, CREATE LOGIN,
        CREATE MESSAGE TYPE, CREATE QUEUE, CREATE SERVER ROLE, CREATE SERVICE, CREATE STATISTICS,
        CREATE SYMMETRIC KEY, DROP APPLICATION ROLE, DROP ASSEMBLY, DROP CERTIFICATE, DROP CREDENTIAL,
        DROP LOGIN, DROP QUEUE, DROP SENSITIVITY CLASSIFICATION, DROP SERVER ROLE, DROP SERVICE,
        DROP SYMMETRIC KEY, EXECUTE AS CALLER, EXECUTE AS LOGIN, EXECUTE AS OWNER, EXECUTE AS SELF,
        EXECUTE AS USER, EXEC AS LOGIN, EXEC AS USER, KILL, REVERT, RECONFIGURE""",
}
"""About users, storage, programs and the server itself: no table is other for it."""
_OFTEN_ALONE = frozenset({"CHECKPOINT", "REVERT", "RECONFIGURE"})
_PARTS = frozenset({"PARTITION", "PARTITIONING", "ORDER"})
_SAFE = frozenset({Kind.OTHER, Kind.REWRITE_TABLE, Kind.CREATE_INDEX})


def harmless(  # noqa: PLR0911 - one a reason to go on
    text: str, dialect: Dialect, found: Sequence[Token], variables: Variables
) -> tuple[Action, ...] | None:
    """Return what such a statement does; ``None`` for any other, and where brackets do not match.

    Only where a semicolon ends every statement: T-SQL may hide another one behind the first. There
    what stands in an ALTER TABLE counts when nothing but expressions in it is passed over.
    """
    if dialect in _ALTERED and [token.word for token in found[:2]] == ["ALTER", "TABLE"]:
        known = _altered(text, dialect, found, variables)
        if known is not None or dialect not in MYSQL:
            return known
    spoken = [token.word for token in found]
    if spoken.count("(") != spoken.count(")"):
        return None
    if _for_the_server(dialect, found):
        return (Action(kind=Kind.OTHER),)
    if dialect is Dialect.ORACLE and spoken[0] == "CREATE":
        return _stored(text, found, variables)
    if dialect not in MYSQL and dialect is not Dialect.SQLITE:
        return None
    for lead, kind in _SAFE_LEADS.items():
        if tuple(spoken[: len(lead)]) == lead and len(spoken) > len(lead) - (len(lead) > 1):
            return (Action(kind=kind),)
    if spoken[0] not in {"ALTER", "CREATE"}:
        return None
    cursor = Cursor(found, dialect, text)
    try:
        actions = tuple(statement(cursor, dict(variables)))
    except (Strange, Unreadable):
        return None
    if cursor.unknown or dangers(cursor.loose) or not {a.kind for a in actions} <= _SAFE:
        return None
    indexes = any(action.kind is Kind.CREATE_INDEX for action in actions)
    return actions if actions and (indexes or not _PARTS.isdisjoint(spoken)) else None


def _for_the_server(dialect: Dialect, found: Sequence[Token]) -> bool:
    spoken = [token.word for token in found if token.word != ";"]
    for lead in _leads(Dialect.MYSQL if dialect in MYSQL else dialect):
        size = len(lead)
        if tuple(spoken[:size]) != lead:
            continue
        if len(spoken) == size and lead[-1] not in _OFTEN_ALONE | _COMPLETE:
            continue
        if dialect is not Dialect.TSQL:
            return not dangers(found[1:])
        # Another statement may follow without a semicolon: no verb stands behind.
        return not any(
            token.word in _BEGINS - _OF_OPTIONS and token.kind is TokenKind.WORD
            for token in found[size:]
        )
    return False


_COMPLETE = frozenset(
    {"CACHE", "CALLER", "MASTER", "RECYCLEBIN", "DBA_RECYCLEBIN", "REPLICA", "SLAVE"}
)
_OF_OPTIONS = frozenset({"WITH", "ADD"})


@cache
def _leads(dialect: Dialect) -> tuple[tuple[str, ...], ...]:
    written = _FOR_THE_SERVER.get(dialect, "")
    return tuple(tuple(lead.split()) for lead in written.split(",") if lead.strip())


_KEEPS = words(
    "PARTITION ORGANIZATION TABLESPACE SEGMENT PCTFREE PCTUSED INITRANS STORAGE LOB CLUSTER COMPRESS"
    " NOCOMPRESS LOGGING NOLOGGING PARALLEL NOPARALLEL CACHE NOCACHE MONITORING RESULT_CACHE INMEMORY"
    " ROW ENABLE"
)


def _stored(text: str, found: Sequence[Token], variables: Variables) -> tuple[Action, ...] | None:
    """Read Oracle's tables whose columns are understood, whatever they are stored in, and indexes."""
    cursor = Cursor(found, Dialect.ORACLE, text)
    try:
        actions = tuple(statement(cursor, dict(variables)))
    except (Strange, Unreadable):
        return None
    if len(actions) != 1 or cursor.unknown:
        return None
    made = actions[0]
    if any(token.word in _BEGINS - _OF_STORAGE for token in cursor.loose):
        return None
    spoken = [token.word for token in found]
    depths = accumulate({"(": 1, ")": -1}.get(word, 0) for word in spoken)
    closed = next((at for at, depth in enumerate(depths) if spoken[at] == ")" and not depth), None)
    if closed is None:
        return None
    behind = spoken[closed + 1 :]
    if made.kind is Kind.CREATE_INDEX:  # on an expression
        plain = not any(token.start > found[closed].start for token in cursor.loose)
        return actions if plain and made.table else None
    typed = all(_TYPE.fullmatch(each.type) for each in made.definitions)
    keeps = not behind or behind[0] in _KEEPS
    known = made.kind is Kind.CREATE_TABLE and "SELECT" not in behind
    return actions if known and typed and keeps else None


_OF_STORAGE = frozenset({"VALUES", "COMMIT", "SET", "WITH"})


_BRACKETS = 300
_ALTERED = MYSQL | {Dialect.TSQL, Dialect.ORACLE}


def _altered(
    text: str, dialect: Dialect, found: Sequence[Token], variables: Variables
) -> tuple[Action, ...] | None:
    if sum(token.word == "(" for token in found) > _BRACKETS:
        return None  # it may be nested too deeply, and then nobody has looked into it
    cursor = Cursor(found, dialect, text)
    try:
        actions = tuple(statement(cursor, dict(variables)))
    except (Strange, Unreadable):
        return None
    begins = any(token.word in _BEGINS for token in cursor.loose)
    types = [action.definition.type for action in actions if action.definition is not None]
    strange = not all(_TYPE.fullmatch(each) for each in types)
    if cursor.unknown or begins or strange or dangers(cursor.loose):
        return None
    return actions or None


_TYPE = re.compile(
    r"""(?:(?:(?:national|long)\ )?[\w."]+(?:\ (?:precision|varying))?(?:\(.*\))?
    (?:\ with(?:\ local)?\ time\ zone)?(?:\ (?:unsigned|signed|zerofill))*)?""",
    re.DOTALL | re.VERBOSE,
)
"""A type of one word: of two it may be a type and something that is misspelt."""


_BEGINS = (frozenset(VERBS) | {"EXEC", "EXECUTE", "DECLARE", "BEGIN", "IF", "WHILE", "SET"}) - {"("}
