"""Functions that run later without being named: they count as called where they are made so."""

from __future__ import annotations

from collections.abc import Iterable

from sluiceway.migrations.records import Action, Kind
from sluiceway_sql_libpg_query.nodes import Node, functions_in, name_of, relation, strings

__all__ = ["cast", "define", "event_trigger", "rule", "trigger"]


def trigger(node: Node, source: bytes) -> Iterable[Action]:
    """Return a CREATE_TRIGGER for its function, and for each that its WHEN calls."""
    for function in (strings(node.get("funcname", ())), *functions_in(node.get("whenClause"))):
        yield Action(
            kind=Kind.CREATE_TRIGGER,
            name=(str(node.get("trigname", "")),),
            table=relation(node.get("relation", {})),
            references=function,
            or_replace=bool(node.get("replace")),
            label="row" if node.get("row") else "",
        )


def rule(node: Node, source: bytes) -> Iterable[Action]:
    """Return a CREATE_TRIGGER labelled so: what changes its table may change another one."""
    yield Action(
        kind=Kind.CREATE_TRIGGER,
        name=(str(node.get("rulename", "")),),
        table=relation(node.get("relation", {})),
        label="rule",
    )


def event_trigger(node: Node, source: bytes) -> Iterable[Action]:
    """Take its function for called: the next change of the schema fires it, and what else follows."""
    yield Action(kind=Kind.CALL, name=strings(node.get("funcname", ())))


def define(node: Node, source: bytes) -> Iterable[Action]:
    """Take the function behind an operator or an aggregate for called: where it is used, no name shows."""
    if node.get("kind") in {"OBJECT_OPERATOR", "OBJECT_TSCONFIGURATION", "OBJECT_TSDICTIONARY"}:
        name = strings(node.get("defnames", ()))
        yield Action(kind=Kind.EXTENSION, name=name, label="create")
    for item in node.get("definition", ()):
        element: Node = item.get("DefElem", {})
        if element.get("defname") in {"function", "procedure", "sfunc", "finalfunc"}:
            name = name_of(element.get("arg", {}))
            if name:
                yield Action(kind=Kind.CALL, name=name)


def cast(node: Node, source: bytes) -> Iterable[Action]:
    """Take the function of a cast for called; many casts have none."""
    name = name_of({"ObjectWithArgs": node["func"]}) if "func" in node else ()
    if name:
        yield Action(kind=Kind.CALL, name=name)
