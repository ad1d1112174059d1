"""What DROP drops."""

from __future__ import annotations

from collections.abc import Iterable

from sluiceway.migrations.records import Action, Kind, Name
from sluiceway_sql_libpg_query.nodes import Node, arguments, name_of

__all__ = ["DROPS", "drop", "drop_database", "drop_owned"]

DROPS = {
    "OBJECT_TABLE": (Kind.DROP_TABLE, ""),
    "OBJECT_FOREIGN_TABLE": (Kind.DROP_TABLE, "foreign"),
    "OBJECT_SCHEMA": (Kind.DROP_SCHEMA, ""),
    "OBJECT_INDEX": (Kind.DROP_INDEX, ""),
    "OBJECT_VIEW": (Kind.DROP_VIEW, ""),
    "OBJECT_MATVIEW": (Kind.DROP_VIEW, "materialized"),
    "OBJECT_TYPE": (Kind.DROP_TYPE, ""),
    "OBJECT_DOMAIN": (Kind.DROP_TYPE, "domain"),
    "OBJECT_COLLATION": (Kind.DROP_TYPE, "collation"),
    "OBJECT_SEQUENCE": (Kind.DROP_SEQUENCE, ""),
    "OBJECT_FUNCTION": (Kind.DROP_FUNCTION, ""),
    "OBJECT_PROCEDURE": (Kind.DROP_FUNCTION, "procedure"),
    "OBJECT_ROUTINE": (Kind.DROP_FUNCTION, "routine"),
    "OBJECT_AGGREGATE": (Kind.DROP_FUNCTION, "aggregate"),
    "OBJECT_TRIGGER": (Kind.DROP_TRIGGER, ""),
    "OBJECT_EXTENSION": (Kind.EXTENSION, "drop"),
    "OBJECT_FOREIGN_SERVER": (Kind.EXTENSION, "drop server"),
    "OBJECT_FDW": (Kind.EXTENSION, "drop foreign data wrapper"),
    "OBJECT_LANGUAGE": (Kind.EXTENSION, "drop language"),
    "OBJECT_ACCESS_METHOD": (Kind.EXTENSION, "drop access method"),
    "OBJECT_OPERATOR": (Kind.EXTENSION, "drop operator"),
    "OBJECT_TSCONFIGURATION": (Kind.EXTENSION, "drop text search configuration"),
    "OBJECT_TSDICTIONARY": (Kind.EXTENSION, "drop text search dictionary"),
}


def drop(node: Node, source: bytes) -> Iterable[Action]:
    """Return what a ``DropStmt`` drops, one action each."""
    found = DROPS.get(node.get("removeType", ""))
    if found is None:
        return
    kind, label = found
    for item in node.get("objects", ()):
        name = name_of(item)
        table: Name = ()
        given: tuple[str, ...] = ()
        if kind is Kind.DROP_TRIGGER:
            table, name = name[:-1], name[-1:]
        elif kind is Kind.DROP_FUNCTION:
            content: Node = item.get("ObjectWithArgs", {})
            if not content.get("args_unspecified"):
                given = ("(", *arguments(content.get("objargs", ())))
        yield Action(
            kind=kind,
            name=name,
            table=table,
            columns=given,
            label="" if label == "materialized" else label,
            materialized=label == "materialized",
            cascade=node.get("behavior") == "DROP_CASCADE",
            if_exists=bool(node.get("missing_ok")),
            concurrently=bool(node.get("concurrent")),
        )


def drop_database(node: Node, source: bytes) -> Iterable[Action]:
    """Return what DROP DATABASE drops."""
    yield Action(
        kind=Kind.DROP_DATABASE,
        name=(str(node.get("dbname", "")),),
        if_exists=bool(node.get("missing_ok")),
    )


def drop_owned(node: Node, source: bytes) -> Iterable[Action]:
    """Return a DROP_SCHEMA for each role whose belongings go."""
    for item in node.get("roles", ()):
        role = str(item.get("RoleSpec", {}).get("rolename", "current_user"))
        yield Action(kind=Kind.DROP_SCHEMA, name=(role,), cascade=True, label="owned")
