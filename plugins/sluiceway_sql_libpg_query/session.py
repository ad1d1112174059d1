"""Statements that change the session and no object: transactions, settings, locks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sluiceway.migrations.records import Action, Kind
from sluiceway.record import replace
from sluiceway_sql_libpg_query.nodes import Node, name_of, relation

__all__ = ["discard", "function_settings", "lock", "own_path", "setting", "transaction"]

_TRANSACTIONS = {
    "TRANS_STMT_BEGIN": (Kind.BEGIN, ""),
    "TRANS_STMT_START": (Kind.BEGIN, ""),
    "TRANS_STMT_COMMIT": (Kind.COMMIT, ""),
    "TRANS_STMT_PREPARE": (Kind.COMMIT, "prepare"),
    "TRANS_STMT_COMMIT_PREPARED": (Kind.COMMIT, "prepared"),
    "TRANS_STMT_ROLLBACK": (Kind.ROLLBACK, ""),
    "TRANS_STMT_ROLLBACK_PREPARED": (Kind.ROLLBACK, "prepared"),
    "TRANS_STMT_SAVEPOINT": (Kind.BEGIN, "savepoint"),
    "TRANS_STMT_RELEASE": (Kind.COMMIT, "savepoint"),
    "TRANS_STMT_ROLLBACK_TO": (Kind.ROLLBACK, "savepoint"),
}


def transaction(node: Node, source: bytes) -> Iterable[Action]:
    """Return BEGIN, COMMIT or ROLLBACK; of a savepoint with that label."""
    found = _TRANSACTIONS.get(node.get("kind", ""))
    if found is not None:
        savepoint = str(node.get("savepoint_name", ""))
        label = found[1] + (" chain" if node.get("chain") else "")
        yield Action(kind=found[0], label=label.strip(), name=(savepoint,) if savepoint else ())


def setting(node: Node, source: bytes) -> Iterable[Action]:
    """Return a SET; without a value, and labelled so, a RESET."""
    values = []
    for item in node.get("args", ()):
        constant: Node = item.get("A_Const", {})
        if "sval" in constant:
            values.append(str(constant["sval"].get("sval", "")))
        elif "ival" in constant:
            values.append(str(constant["ival"].get("ival", 0)))
        elif "boolval" in constant:
            values.append("on" if constant["boolval"].get("boolval") else "off")
    kind = node.get("kind")
    if kind == "VAR_SET_CURRENT":
        return  # it keeps what there is
    name = str(node.get("name", ""))
    yield Action(
        kind=Kind.SET,
        name=(name,) if name else (),
        body=",".join(values),
        label=("local" if node.get("is_local") else "") if kind == "VAR_SET_VALUE" else "reset",
    )


def own_path(options: Iterable[Node]) -> Iterator[Action]:
    """Return the search path that a function brings along (``SET search_path = app``)."""
    for item in options:
        option: Node = item.get("DefElem", {})
        given: Node = option.get("arg", {}).get("VariableSetStmt", {})
        if option.get("defname") == "set" and given.get("name") == "search_path":
            if given.get("kind") == "VAR_SET_CURRENT":
                yield Action(kind=Kind.SET, name=("search_path",), label="function as it is")
            for action in setting(given, b""):
                yield replace(action, label="function")


def function_settings(node: Node, source: bytes) -> Iterable[Action]:
    """Return what ALTER FUNCTION says of the search path of one that is there already."""
    options: Sequence[Node] = node.get("actions", ())
    settings = [each.get("DefElem", {}).get("arg", {}).get("VariableSetStmt") for each in options]
    if any(each and each.get("name", "search_path") == "search_path" for each in settings):
        yield Action(
            kind=Kind.CREATE_FUNCTION,
            name=name_of({"ObjectWithArgs": node.get("func", {})}),
            label="settings",
            nested=tuple(own_path(options)),
        )


def discard(node: Node, source: bytes) -> Iterable[Action]:
    """Return what DISCARD does to the session: its temporary tables end, with ALL its settings too."""
    what = str(node.get("target", ""))[len("DISCARD_") :].lower()
    if what in {"all", "temp"}:
        yield Action(kind=Kind.SET, name=("discard",), body=what)


def lock(node: Node, source: bytes) -> Iterable[Action]:
    """Return a LOCK for each table."""
    for item in node.get("relations", ()):
        yield Action(
            kind=Kind.LOCK, name=relation(item.get("RangeVar", {})), label=str(node.get("mode", ""))
        )
