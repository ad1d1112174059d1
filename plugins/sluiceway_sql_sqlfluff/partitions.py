"""Clauses of ALTER TABLE about partitions, and Oracle's about constraints that are there."""

from __future__ import annotations

from sluiceway.migrations.records import Action, Dialect, Kind, Name
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.words import words

__all__ = ["constraint_modified", "emptied", "exchanged", "merged"]

_PARTS = words("PARTITION SUBPARTITION")


def emptied(clause: Cursor, table: Name, label: str) -> Action:
    """Read a partition (one of a list) whose rows go."""
    offset = clause.offset
    if clause.dialect is Dialect.ORACLE:
        clause.one_of("PARTITION", "SUBPARTITION", "PARTITIONS", "SUBPARTITIONS")
        if not _part(clause) or not _indexes(clause):
            clause.rest()
        return Action(kind=Kind.TRUNCATE, name=table, label=label, offset=offset)
    clause.one_of("PARTITION", "PART", "SUBPARTITION")
    clause.take("IF", "EXISTS")
    if clause.at_name() and clause.word(1) in {"", ","}:
        clause.part()
    else:
        clause.rest()
    return Action(kind=Kind.TRUNCATE, name=table, label=label, offset=offset)


def _part(clause: Cursor) -> bool:
    """Go past a partition's name, or ``FOR (value)``."""
    if clause.take("FOR"):
        return clause.skip_group()
    if not clause.at_name():
        return False
    clause.part()
    return True


_OPTIONS = (
    ("UPDATE", "INDEXES"),
    ("UPDATE", "GLOBAL", "INDEXES"),
    ("INVALIDATE", "GLOBAL", "INDEXES"),
    ("DROP", "STORAGE"),
    ("DROP", "ALL", "STORAGE"),
    ("REUSE", "STORAGE"),
    ("CASCADE",),
    ("ONLINE",),
    ("PARALLEL",),
    ("NOPARALLEL",),
)


def _indexes(clause: Cursor) -> bool:
    """Go past what is to become of indexes and storage; whether nothing else is left."""
    while not clause.done:
        if not any(clause.take(*some) for some in _OPTIONS):
            return False
    return True


def exchanged(clause: Cursor, table: Name) -> Action | None:
    """Read EXCHANGE PARTITION, or T-SQL's SWITCH: the rows of a table go to another, or both change places.

    Raises :class:`Strange` where not all of it is understood.
    """
    offset = clause.offset
    if clause.dialect is Dialect.TSQL and clause.take("SWITCH"):
        other = _switched(clause)
    elif clause.take("EXCHANGE"):
        if not clause.one_of(*_PARTS) or not _part(clause):
            raise Strange
        other = _other(clause)
    else:
        return None
    return Action(
        kind=Kind.ATTACH_PARTITION, name=table, new_name=other, label="exchange", offset=offset
    )


def _switched(clause: Cursor) -> Name:
    """Read ``SWITCH PARTITION 2 TO dbo.t PARTITION 2 WITH (...)``; which partition may be any expression."""
    while not clause.take("TO"):
        clause.skip_group() or clause.next()
    other = clause.name()
    clause.rest()
    return other


def _other(clause: Cursor) -> Name:
    clause.need("WITH", "TABLE")
    other = clause.name()
    if clause.one_of("INCLUDING", "EXCLUDING"):
        clause.need("INDEXES")
    if clause.one_of("WITH", "WITHOUT"):
        clause.need("VALIDATION")
    if not _indexes(clause):
        raise Strange
    return other


def constraint_modified(clause: Cursor) -> bool:
    """Go past what follows Oracle's MODIFY when that is a constraint, if all of it is understood."""
    if clause.dialect is not Dialect.ORACLE:
        return False
    begin = clause.index
    try:
        if _modified(clause):
            return True
    except Strange:
        pass
    clause.index = begin
    return False


_STATES = words(
    "ENABLE DISABLE VALIDATE NOVALIDATE RELY NORELY DEFERRABLE INITIALLY DEFERRED IMMEDIATE NOT CASCADE"
)


def _modified(clause: Cursor) -> bool:
    if clause.take("CONSTRAINT"):
        clause.part()
    elif not clause.take("PRIMARY", "KEY") and not (
        clause.take("UNIQUE") and clause.word() == "(" and clause.skip_group()
    ):
        return False
    begin = clause.index
    while clause.one_of(*_STATES):
        pass
    return clause.done and clause.index > begin


def merged(clause: Cursor, cursor: Cursor) -> bool:
    """Go past Oracle's ``MERGE PARTITIONS a, b INTO PARTITION c``, to the end of the statement.

    Args:
        clause: The clause up to its first comma.
        cursor: The statement behind it.
    """
    lists = ("PARTITIONS", "SUBPARTITIONS")
    if clause.dialect is not Dialect.ORACLE or not any(clause.at("MERGE", each) for each in lists):
        return False
    whole = cursor.within(clause.index + 2, cursor.stop)
    if not _part(whole):
        return False
    while whole.take(",") or whole.take("TO"):
        if not _part(whole):
            return False
    if not whole.take("INTO") or not whole.one_of(*_PARTS) or not _part(whole):
        return False
    whole.take("TABLESPACE") and whole.part()
    while not whole.done and whole.word() != ";":
        if not any(whole.take(*some) for some in _OPTIONS):
            return False
    clause.index, cursor.index = clause.stop, whole.index
    return True
