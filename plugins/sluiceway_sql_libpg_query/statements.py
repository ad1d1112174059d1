"""One statement's tree to its actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sluiceway.migrations.records import Action, Column, Kind
from sluiceway.record import replace
from sluiceway_sql_libpg_query.alter import alter_table, constraint_action
from sluiceway_sql_libpg_query.drops import drop, drop_database, drop_owned
from sluiceway_sql_libpg_query.hidden import cast, define, event_trigger, rule, trigger
from sluiceway_sql_libpg_query.nodes import (
    Node,
    check_not_null,
    column,
    constant_null,
    name_of,
    relation,
    sole,
    strings,
    switched,
    type_name,
)
from sluiceway_sql_libpg_query.session import (
    discard,
    function_settings,
    lock,
    setting,
    transaction,
)

__all__ = ["NOTHING", "RENAMES", "columns", "handlers"]

NOTHING = (Action(kind=Kind.OTHER),)


def _cascade(node: Node) -> bool:
    return node.get("behavior") == "DROP_CASCADE"


def _temporary(node: Node) -> bool:
    return node.get("relpersistence") == "t"


# --- tables ---------------------------------------------------------------------------------------


def _create_table(node: Node, source: bytes) -> Iterable[Action]:
    target: Node = node.get("relation", {})
    name = relation(target)
    parents = [relation(item.get("RangeVar", {})) for item in node.get("inhRelations", ())]
    yield Action(
        kind=Kind.CREATE_TABLE,
        name=name,
        definitions=columns(node, source),
        if_exists=bool(node.get("if_not_exists")),
        temporary=_temporary(target),
        partitioned="partspec" in node,
        references=parents[0] if parents else (),
        label="partition" if "partbound" in node else _passing(node.get("oncommit")),
    )


def _passing(on_commit: object) -> str:
    return "on commit drop" if on_commit == "ONCOMMIT_DROP" else ""


def columns(node: Node, source: bytes) -> tuple[Column, ...]:
    """Return the columns of a ``CreateStmt``."""
    definitions: list[Column] = []
    keys: dict[str, set[str]] = {}
    for item in node.get("tableElts", ()):
        kind, content = sole(item)
        if kind == "ColumnDef":
            definitions.append(column(content, source))
        elif kind == "Constraint":
            action = constraint_action((), content)
            if action.kind is Kind.SET_NOT_NULL:
                keys.setdefault("not null", set()).add(action.column)
            elif action.check_not_null:
                keys.setdefault("not null", set()).add(action.check_not_null)
            elif action.constraint == "primary key":
                keys.setdefault("primary key", set()).update(action.columns)
    if keys:
        definitions = [_keyed(item, keys) for item in definitions]
    return tuple(definitions)


def _keyed(given: Column, keys: dict[str, set[str]]) -> Column:
    primary = given.name in keys.get("primary key", ())
    if not primary and given.name not in keys.get("not null", ()):
        return given
    return replace(given, not_null=True, primary_key=given.primary_key or primary)


def _create_foreign_table(node: Node, source: bytes) -> Iterable[Action]:
    return _create_table(node.get("base", {}), source)


def _create_table_as(node: Node, source: bytes) -> Iterable[Action]:
    into: Node = node.get("into", {})
    target: Node = into.get("rel", {})
    view = node.get("objtype") == "OBJECT_MATVIEW"
    yield Action(
        kind=Kind.CREATE_VIEW if view else Kind.CREATE_TABLE,
        name=relation(target),
        if_exists=bool(node.get("if_not_exists")),
        temporary=_temporary(target),
        materialized=view,
        label=_passing(into.get("onCommit")),
    )


def _select(node: Node, source: bytes) -> Iterable[Action]:
    # In a UNION the first SELECT bears the INTO.
    leaf = node
    while "larg" in leaf and "intoClause" not in leaf:
        leaf = leaf["larg"]
    into = leaf.get("intoClause")
    if into is not None:
        target: Node = into.get("rel", {})
        yield Action(
            kind=Kind.CREATE_TABLE,
            name=relation(target),
            temporary=_temporary(target),
        )


def _truncate(node: Node, source: bytes) -> Iterable[Action]:
    for item in node.get("relations", ()):
        target: Node = item.get("RangeVar", {})
        yield Action(
            kind=Kind.TRUNCATE,
            name=relation(target),
            cascade=_cascade(node),
            only=not target.get("inh"),
        )


# --- names ----------------------------------------------------------------------------------------

RENAMES = {
    "OBJECT_TABLE": Kind.RENAME_TABLE,
    "OBJECT_FOREIGN_TABLE": Kind.RENAME_TABLE,
    "OBJECT_VIEW": Kind.RENAME_VIEW,
    "OBJECT_MATVIEW": Kind.RENAME_VIEW,
    "OBJECT_COLUMN": Kind.RENAME_COLUMN,
    "OBJECT_ATTRIBUTE": Kind.RENAME_COLUMN,
    "OBJECT_SCHEMA": Kind.RENAME_SCHEMA,
    "OBJECT_TABCONSTRAINT": Kind.RENAME_CONSTRAINT,
}


def _rename(node: Node, source: bytes) -> Iterable[Action]:
    what = node.get("renameType", "")
    kind = RENAMES.get(what)
    new = str(node.get("newname", ""))
    if kind is None:
        if what in _RENAMED:
            yield Action(
                kind=Kind.ALTER_TYPE,
                name=name_of(node.get("object", {})),
                new_name=(new,),
                label="rename " + what[7:].lower(),
            )
        elif what == "OBJECT_INDEX":
            # It may be a table too.
            name = relation(node.get("relation", {}))
            yield Action(kind=Kind.RENAME_TABLE, name=name, new_name=(new,), label="index")
        return
    name = relation(node.get("relation", {}))
    subject = str(node.get("subname", ""))
    if kind is Kind.RENAME_SCHEMA:
        name = (subject,)
    yield Action(
        kind=kind,
        name=name,
        column=subject if kind is Kind.RENAME_COLUMN else "",
        constraint_name=subject if kind is Kind.RENAME_CONSTRAINT else "",
        new_name=(new,),
        if_exists=bool(node.get("missing_ok")),
        label=_RELATIONS.get(node.get("relationType", ""), "")
        if kind is Kind.RENAME_COLUMN
        else "",
    )


_RENAMED = frozenset(
    {"OBJECT_TYPE", "OBJECT_DOMAIN", "OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"}
)
_RELATIONS = {"OBJECT_VIEW": "view", "OBJECT_MATVIEW": "view", "OBJECT_TYPE": "type"}


def _set_schema(node: Node, source: bytes) -> Iterable[Action]:
    if "relation" in node and node.get("objectType") != "OBJECT_SEQUENCE":
        yield Action(
            kind=Kind.SET_SCHEMA,
            name=relation(node["relation"]),
            new_name=(str(node.get("newschema", "")),),
            if_exists=bool(node.get("missing_ok")),
            label=_RELATIONS.get(node.get("objectType", ""), ""),
        )
    elif node.get("objectType") in {"OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"}:
        name = name_of(node.get("object", {}))
        new = (str(node.get("newschema", "")), *name[-1:])
        yield Action(kind=Kind.ALTER_TYPE, name=name, new_name=new, label="rename function")
    elif node.get("objectType") in _MOVED:
        name = name_of(node.get("object", {}))
        new = (str(node.get("newschema", "")), *name[-1:])
        label = _MOVED[node["objectType"]]
        yield Action(kind=Kind.ALTER_TYPE, name=name, new_name=new, label=label)


_MOVED = {
    "OBJECT_TYPE": "set schema",
    "OBJECT_DOMAIN": "set schema",
    "OBJECT_EXTENSION": "set schema of extension",
}


# --- indexes, views, types ------------------------------------------------------------------------


def _index(node: Node, source: bytes) -> Iterable[Action]:
    target: Node = node.get("relation", {})
    yield Action(
        kind=Kind.CREATE_INDEX,
        name=(str(node["idxname"]),) if "idxname" in node else (),
        table=relation(target),
        columns=tuple(
            str(item.get("IndexElem", {}).get("name", "")) for item in node.get("indexParams", ())
        ),
        unique=bool(node.get("unique")),
        concurrently=bool(node.get("concurrent")),
        only=not target.get("inh"),
        if_exists=bool(node.get("if_not_exists")),
    )


def _reindex(node: Node, source: bytes) -> Iterable[Action]:
    name = relation(node["relation"]) if "relation" in node else ()
    kind = str(node.get("kind", ""))[len("REINDEX_OBJECT_") :].lower()
    yield Action(
        kind=Kind.REINDEX,
        name=name or ((str(node["name"]),) if node.get("name") else ()),
        table=name if kind == "table" else (),
        concurrently=switched(node.get("params", ()), "concurrently"),
        label=kind,
    )


def _rewrite(label: str) -> Callable[[Node, bytes], Iterable[Action]]:
    def cluster(node: Node, source: bytes) -> Iterable[Action]:
        yield Action(kind=Kind.REWRITE_TABLE, name=relation(node.get("relation", {})), label=label)

    return cluster


def _vacuum(node: Node, source: bytes) -> Iterable[Action]:
    if node.get("is_vacuumcmd") and switched(node.get("options", ()), "full"):
        targets: Sequence[Node] = node.get("rels", ()) or ({},)
        for item in targets:
            target: Node = item.get("VacuumRelation", {}).get("relation", {})
            yield Action(kind=Kind.REWRITE_TABLE, name=relation(target), label="vacuum full")


def _view(node: Node, source: bytes) -> Iterable[Action]:
    target: Node = node.get("view", {})
    yield Action(
        kind=Kind.CREATE_VIEW,
        name=relation(target),
        or_replace=bool(node.get("replace")),
        temporary=_temporary(target),
    )


def _refresh(node: Node, source: bytes) -> Iterable[Action]:
    yield Action(
        kind=Kind.REFRESH_VIEW,
        name=relation(node.get("relation", {})),
        concurrently=bool(node.get("concurrent")),
        materialized=True,
    )


def _create_type(key: str) -> Callable[[Node, bytes], Iterable[Action]]:
    def create(node: Node, source: bytes) -> Iterable[Action]:
        target = node.get(key, ())
        name = relation(target) if isinstance(target, dict) else strings(target)
        yield Action(kind=Kind.CREATE_TYPE, name=name)

    return create


def _alter_enum(node: Node, source: bytes) -> Iterable[Action]:
    yield Action(
        kind=Kind.ALTER_TYPE,
        name=strings(node.get("typeName", ())),
        label="rename value" if "oldVal" in node else "add value",
    )


def _create_domain(node: Node, source: bytes) -> Iterable[Action]:
    name = strings(node.get("domainname", ()))
    not_null = default = False
    for item in node.get("constraints", ()):
        constraint: Node = item.get("Constraint", {})
        what = constraint.get("contype")
        if what == "CONSTR_NOTNULL" or (
            what == "CONSTR_CHECK" and check_not_null(constraint.get("raw_expr", {})) == "value"
        ):
            not_null = True
        elif what == "CONSTR_DEFAULT":
            default = not constant_null(constraint.get("raw_expr"))
    yield Action(
        kind=Kind.CREATE_DOMAIN,
        name=name,
        definition=Column(
            name=name[-1],
            type=type_name(node.get("typeName", {}), source),
            not_null=not_null,
            default=default,
        ),
    )


_DOMAIN_CHANGES = {
    "O": "set not null",
    "N": "drop not null",
    "T": "set default",
    "C": "add constraint",
    "X": "drop constraint",
    "V": "validate constraint",
}


def _alter_domain(node: Node, source: bytes) -> Iterable[Action]:
    label = _DOMAIN_CHANGES.get(str(node.get("subtype", "")), "")
    if label == "set default" and constant_null(node.get("def")):
        label = "drop default"
    if label == "add constraint":
        constraint: Node = node.get("def", {}).get("Constraint", {})
        if constraint.get("contype") == "CONSTR_NOTNULL" or (
            check_not_null(constraint.get("raw_expr", {})) == "value"
        ):
            label = "set not null"
    yield Action(kind=Kind.ALTER_DOMAIN, name=strings(node.get("typeName", ())), label=label)


def _sequence(node: Node, source: bytes) -> Iterable[Action]:
    yield Action(kind=Kind.CREATE_SEQUENCE, name=relation(node.get("sequence", {})))


def _create_schema(node: Node, source: bytes) -> Iterable[Action]:
    name = str(node.get("schemaname", ""))
    yield Action(
        kind=Kind.CREATE_SCHEMA,
        name=(name,) if name else (),
        if_exists=bool(node.get("if_not_exists")),
    )
    for item in node.get("schemaElts", ()):
        kind, content = sole(item)
        handler = handlers.get(kind)
        if handler is not None:
            for action in handler(content, source):
                own = action.name if len(action.name) != 1 or action.table else (name, *action.name)
                table = (name, *action.table) if len(action.table) == 1 else action.table
                yield replace(action, name=own, table=table)


def _create_database(node: Node, source: bytes) -> Iterable[Action]:
    yield Action(kind=Kind.CREATE_DATABASE, name=(str(node.get("dbname", "")),))


def _extension(label: str, name: str = "extname") -> Callable[[Node, bytes], Iterable[Action]]:
    def make(node: Node, source: bytes) -> Iterable[Action]:
        yield Action(
            kind=Kind.EXTENSION,
            name=(str(node.get(name, "")),),
            if_exists=bool(node.get("if_not_exists")),
            label=label,
        )

    return make


# --- data and what it calls ----------------------------------------------------------------------


def _change(node: Node, source: bytes) -> Iterable[Action]:
    yield Action(kind=Kind.CHANGE_DATA, name=relation(node.get("relation", {})))


def _copy(node: Node, source: bytes) -> Iterable[Action]:
    yield Action(kind=Kind.CHANGE_DATA, name=relation(node.get("relation", {})))
    if node.get("is_program"):
        yield Action(kind=Kind.EXECUTE, label="unknown")


handlers: dict[str, Callable[[Node, bytes], Iterable[Action]]] = {
    "AlterTableStmt": alter_table,
    "CreateStmt": _create_table,
    "CreateForeignTableStmt": _create_foreign_table,
    "CreateTableAsStmt": _create_table_as,
    "SelectStmt": _select,
    "TruncateStmt": _truncate,
    "DropStmt": drop,
    "DropdbStmt": drop_database,
    "DropOwnedStmt": drop_owned,
    "RenameStmt": _rename,
    "AlterObjectSchemaStmt": _set_schema,
    "IndexStmt": _index,
    "ReindexStmt": _reindex,
    "ClusterStmt": _rewrite("cluster"),
    "RepackStmt": _rewrite("repack"),
    "VacuumStmt": _vacuum,
    "ViewStmt": _view,
    "RefreshMatViewStmt": _refresh,
    "CreateEnumStmt": _create_type("typeName"),
    "CompositeTypeStmt": _create_type("typevar"),
    "CreateRangeStmt": _create_type("typeName"),
    "AlterEnumStmt": _alter_enum,
    "CreateDomainStmt": _create_domain,
    "AlterDomainStmt": _alter_domain,
    "CreateSeqStmt": _sequence,
    "CreateSchemaStmt": _create_schema,
    "CreatedbStmt": _create_database,
    "CreateExtensionStmt": _extension("create"),
    "CreateForeignServerStmt": _extension("create server", "servername"),
    "CreateFdwStmt": _extension("create foreign data wrapper", "fdwname"),
    "AlterExtensionStmt": _extension("update"),
    "AlterExtensionContentsStmt": _extension("add"),
    "CreateTrigStmt": trigger,
    "RuleStmt": rule,
    "CreateEventTrigStmt": event_trigger,
    "CreateCastStmt": cast,
    "DefineStmt": define,
    "TransactionStmt": transaction,
    "VariableSetStmt": setting,
    "AlterFunctionStmt": function_settings,
    "DiscardStmt": discard,
    "LockStmt": lock,
    "InsertStmt": _change,
    "UpdateStmt": _change,
    "DeleteStmt": _change,
    "MergeStmt": _change,
    "CopyStmt": _copy,
}
