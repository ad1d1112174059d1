"""Clauses of ALTER TABLE that are about the table as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sluiceway.migrations.records import Action, Dialect, Kind, Name
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.partitions import exchanged
from sluiceway_sql_sqlfluff.tokens import MYSQL, TokenKind
from sluiceway_sql_sqlfluff.words import words

__all__ = ["online", "other_clause", "whole_list"]

_REWRITES = frozenset({"ENGINE", "FORCE", "CONVERT", "ROW_FORMAT", "KEY_BLOCK_SIZE"})


def other_clause(clause: Cursor, table: Name) -> Iterator[Action]:  # noqa: PLR0912 - one branch a clause
    """Read a clause that is not about a column."""
    offset, dialect = clause.offset, clause.dialect

    def of(kind: Kind, **more: object) -> Action:
        return replace(Action(kind=kind, name=table, offset=offset), **more)  # type: ignore[arg-type]

    word = clause.word()
    if clause.take("VALIDATE", "CONSTRAINT"):
        yield of(Kind.VALIDATE_CONSTRAINT, constraint_name=clause.part())
    elif clause.take("SET", "SCHEMA"):
        yield of(Kind.SET_SCHEMA, new_name=(clause.part(),))
    elif clause.take("SET", "UNUSED"):
        clause.take("COLUMN")
        inner = clause.group().clauses() if clause.word() == "(" else [clause]
        for part in inner:
            yield of(Kind.DROP_COLUMN, column=part.column(), label="unused")
        clause.rest()
    elif word == "SET" and clause.word(1) in {"LOGGED", "UNLOGGED", "TABLESPACE", "ACCESS"}:
        label = clause.word(1).lower()
        clause.rest()
        yield of(Kind.REWRITE_TABLE, label=label)
    elif (swapped := exchanged(clause, table)) is not None:
        yield swapped
    elif (moved := _part(clause, table)) is not None:
        yield moved
    elif clause.take("DISCARD", "TABLESPACE") or clause.take("DISCARD", "PARTITION"):
        clause.rest()
        yield of(Kind.TRUNCATE, label="discard tablespace")
    elif clause.take("CLEAR", "COLUMN"):
        clause.take("IF", "EXISTS")
        column = clause.column()
        clause.rest()
        yield of(Kind.TRUNCATE, column=column, label="clear column")
    elif clause.take("SWAP", "WITH"):
        yield of(Kind.RENAME_TABLE, new_name=clause.name(), label="swap")
    elif word in _REWRITES or (word == "REMOVE" and clause.word(1) == "PARTITIONING"):
        clause.rest()
        yield of(Kind.REWRITE_TABLE, label=word.lower())
    elif word in {"ALGORITHM", "LOCK"} and clause.dialect in MYSQL:
        clause.next()
        clause.take("=")
        clause.next()
        yield of(Kind.OTHER)
    elif dialect is Dialect.TSQL and _tsql_option(clause):
        yield of(Kind.OTHER)
    elif _harmless(clause):
        clause.rest()
        yield of(Kind.OTHER)
    else:
        raise Strange


def _part(clause: Cursor, table: Name) -> Action | None:
    """Read how a table becomes a part of another, or is none any more."""
    offset = clause.offset
    if clause.dialect is not Dialect.CLICKHOUSE and clause.take("ATTACH", "PARTITION"):
        partition = clause.name()
        clause.rest()
        return Action(kind=Kind.ATTACH_PARTITION, name=table, new_name=partition, offset=offset)
    if clause.take("INHERIT"):
        parent = clause.name()
        return Action(
            kind=Kind.ATTACH_PARTITION, name=parent, new_name=table, label="inherit", offset=offset
        )
    if clause.take("DETACH", "PARTITION"):
        detached = clause.rest()
        concurrently = detached[-1].word == "CONCURRENTLY"
        return Action(
            kind=Kind.DETACH_PARTITION,
            name=table,
            new_name=(detached[0].text,),
            concurrently=concurrently,
            offset=offset,
        )
    return None


def _tsql_option(clause: Cursor) -> bool:
    """Go past ``SET (...)`` and ``ENABLE CHANGE_TRACKING WITH (...)``."""
    if clause.at("SET", "("):
        clause.next()
        return clause.skip_group()
    if clause.take("ENABLE", "CHANGE_TRACKING") or clause.take("DISABLE", "CHANGE_TRACKING"):
        return not clause.take("WITH") or clause.skip_group()
    return False


_LISTS = (
    ("ORDER", "BY"),
    *((verb, "PARTITION") for verb in ("ANALYZE", "CHECK", "OPTIMIZE", "REBUILD", "REPAIR")),
    *((verb, "PARTITION") for verb in ("REORGANIZE", "IMPORT")),
)


def whole_list(clause: Cursor, cursor: Cursor) -> bool:
    """Whether a clause of MySQL's is a list to the end: ``ORDER BY a, b``. Then go past all of it.

    Args:
        clause: The clause up to its first comma.
        cursor: The statement behind it.
    """
    if clause.dialect not in MYSQL or not any(clause.at(*lead) for lead in _LISTS):
        return False
    if not _harmless(clause) or any(
        token.kind is TokenKind.WORD and token.word in _DANGEROUS | {"ADD", "ALTER"}
        for token in cursor.tokens[cursor.index : cursor.stop]
    ):
        return False
    clause.rest()
    cursor.rest()
    return True


_HARMLESS = words(
    "ALGORITHM LOCK COMMENT OWNER SET RESET ENABLE DISABLE INHERIT CLUSTER REPLICA ORDER DEFAULT"
    " CHARACTER COLLATE CHARSET AUTO_INCREMENT WITH WITHOUT PARTITION COALESCE REORGANIZE"
    " ANALYZE CHECK OPTIMIZE REBUILD REPAIR IMPORT UPGRADE STATS_PERSISTENT STATS_AUTO_RECALC"
    " STATS_SAMPLE_PAGES AVG_ROW_LENGTH CHECKSUM MAX_ROWS MIN_ROWS PACK_KEYS NOCHECK"
    " REMOVE TABLESPACE COMPRESSION ENCRYPTION CONNECTION INSERT_METHOD UNION DELAY_KEY_WRITE OF"
    " NOT NO FORCE UNSET SUSPEND RESUME RECLUSTER MATERIALIZE UPDATE DELETE FREEZE FETCH APPEND"
    " ENCODE DISTKEY SORTKEY DISTSTYLE LOGGING NOLOGGING CACHE NOCACHE PARALLEL NOPARALLEL READ"
    " MOVE SHRINK SPLIT MERGE PCTFREE ACTIVATE DATA VOLATILE COMPRESS PAGE_COMPRESSED"
    " ALLOCATE DEALLOCATE PAGE_COMPRESSION_LEVEL ENCRYPTED TRANSACTIONAL ATTACH SECONDARY_LOAD IF"
)
_DANGEROUS = frozenset({"DROP", "RENAME", "MODIFY", "CHANGE", "TRUNCATE"})


def _harmless(clause: Cursor) -> bool:
    words = [token.word for token in clause.tokens[clause.index : clause.stop]]
    if not words or words[0] not in _HARMLESS:
        return False
    kinds = clause.tokens[clause.index : clause.stop]
    return not any(token.kind is TokenKind.WORD and token.word in _DANGEROUS for token in kinds[1:])


def online(cursor: Cursor) -> tuple[bool, str] | None:
    """Return whether ALGORITHM and LOCK (anywhere in the statement) let writes go on.

    And what they say, of both what keeps others out: ``algorithm=copy``, ``lock=shared``.
    """
    said: dict[str, str] = {}
    found = cursor.tokens
    for index, token in enumerate(found[:-1]):
        if token.word in {"ALGORITHM", "LOCK"}:
            after = found[index + 1]
            if after.word == "=" and index + 2 < len(found):
                after = found[index + 2]
            said[token.word.lower()] = after.word.lower()
    if not said:
        return None
    for name, value in said.items():
        if value in _BLOCKING:
            return False, f"{name}={value}"
    label = " ".join(f"{name}={value}" for name, value in sorted(said.items()))
    return any(value in _OPEN for value in said.values()), label


_BLOCKING = frozenset({"copy", "shared", "exclusive"})
_OPEN = frozenset({"none", "inplace", "instant", "nocopy"})
