"""``ALTER TABLE`` and its like: one action for each of its subcommands."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sluiceway.migrations.records import Action, Column, Kind, Name
from sluiceway.record import replace
from sluiceway_sql_libpg_query.nodes import (
    Node,
    check_not_null,
    column,
    constant_null,
    relation,
    sole,
    strings,
    type_name,
    volatile,
)

__all__ = ["COMMANDS", "alter_table", "constraint_action"]

_CONSTRAINTS = {
    "CONSTR_CHECK": "check",
    "CONSTR_FOREIGN": "foreign key",
    "CONSTR_UNIQUE": "unique",
    "CONSTR_PRIMARY": "primary key",
    "CONSTR_EXCLUSION": "exclude",
    "CONSTR_NOTNULL": "not null",
}
_REWRITES = {
    "AT_SetLogged": "logged",
    "AT_SetUnLogged": "unlogged",
    "AT_SetTableSpace": "tablespace",
    "AT_SetAccessMethod": "access method",
    "AT_SetExpression": "expression",
}


def alter_table(node: Node, source: bytes) -> Iterable[Action]:
    """Return the actions of an ``AlterTableStmt``; of a type or an index as far as it matters."""
    name = relation(node.get("relation", {}))
    what = node.get("objtype")
    maybe = bool(node.get("missing_ok"))
    if what == "OBJECT_INDEX":
        return
    commands: list[Node] = [item.get("AlterTableCmd", {}) for item in node.get("cmds", ())]
    for command in _in_order(commands):
        subtype = command.get("subtype", "")
        if what == "OBJECT_TYPE" and subtype != "AT_DropColumn":
            # Dropping an attribute loses its values, as a column does; adding one is harmless.
            yield Action(kind=Kind.ALTER_TYPE, name=name, label=str(subtype)[3:].lower())
            continue
        handler = COMMANDS.get(subtype)
        if handler is not None:
            action = handler(name, command, source, maybe)
            yield replace(action, label="type") if what == "OBJECT_TYPE" else action


def _in_order(commands: list[Node]) -> list[Node]:
    """Return what is dropped first: of ``ADD c int, DROP c`` it is an older column that goes."""
    if len(commands) > 1:
        drops = [each for each in commands if each.get("subtype") == "AT_DropColumn"]
        if drops and drops != commands:
            others = [each for each in commands if each.get("subtype") != "AT_DropColumn"]
            return [*drops, *others]
    return commands


def constraint_action(
    name: Name, constraint: Node, *, if_exists: bool = False, column: str = ""
) -> Action:
    """Return what adding a ``Constraint`` to a table is. A PostgreSQL 18 NOT NULL is SET_NOT_NULL."""
    what = _CONSTRAINTS.get(constraint.get("contype", ""), "")
    keys = strings(constraint.get("keys", ())) or strings(constraint.get("fk_attrs", ()))
    if column and not keys:
        keys = (column,)
    not_valid = bool(constraint.get("skip_validation"))
    if what == "not null":
        return Action(
            kind=Kind.SET_NOT_NULL,
            name=name,
            column=keys[0] if keys else "",
            constraint=what,
            constraint_name=str(constraint.get("conname", "")),
            not_valid=not_valid,
            if_exists=if_exists,
        )
    expression = constraint.get("raw_expr")
    enforced = what != "check" or bool(constraint.get("is_enforced"))
    return Action(
        kind=Kind.ADD_CONSTRAINT,
        name=name,
        columns=keys,
        constraint=what,
        constraint_name=str(constraint.get("conname", "")),
        references=relation(constraint.get("pktable", {})),
        not_valid=not_valid or not enforced,
        using_index=bool(constraint.get("indexname")),
        new_name=(str(constraint["indexname"]),) if "indexname" in constraint else (),
        check_not_null=check_not_null(expression) if expression and enforced else "",
        unique=what in {"unique", "primary key"},
        if_exists=if_exists,
    )


def _add_column(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001 - one signature for all
    return Action(
        kind=Kind.ADD_COLUMN,
        name=name,
        column=str(command.get("def", {}).get("ColumnDef", {}).get("colname", "")),
        definition=column(command.get("def", {}).get("ColumnDef", {}), source),
        if_exists=maybe or bool(command.get("missing_ok")),
    )


def _drop_column(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001
    return Action(
        kind=Kind.DROP_COLUMN,
        name=name,
        column=str(command.get("name", "")),
        cascade=command.get("behavior") == "DROP_CASCADE",
        if_exists=maybe or bool(command.get("missing_ok")),
    )


def _simple(kind: Kind) -> Callable[[Name, Node, bytes, bool], Action]:
    def make(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001
        return Action(kind=kind, name=name, column=str(command.get("name", "")), if_exists=maybe)

    return make


def _default(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001
    expression = command.get("def")
    target = str(command.get("name", ""))
    if expression is None:
        return Action(kind=Kind.DROP_DEFAULT, name=name, column=target, if_exists=maybe)
    value = not constant_null(expression)
    return Action(
        kind=Kind.SET_DEFAULT,
        name=name,
        column=target,
        value=value,
        volatile=value and volatile(expression),
        if_exists=maybe,
    )


def _identity(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001
    return Action(
        kind=Kind.SET_DEFAULT,
        name=name,
        column=str(command.get("name", "")),
        value=True,
        volatile=True,
        if_exists=maybe,
        label="identity",
    )


def _type(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001
    definition: Node = command.get("def", {}).get("ColumnDef", {})
    target = str(command.get("name", ""))
    return Action(
        kind=Kind.CHANGE_TYPE,
        name=name,
        column=target,
        definition=Column(name=target, type=type_name(definition.get("typeName", {}), source)),
        if_exists=maybe,
    )


def _constraint(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001
    return constraint_action(name, command.get("def", {}).get("Constraint", {}), if_exists=maybe)


def _named_constraint(kind: Kind) -> Callable[[Name, Node, bytes, bool], Action]:
    def make(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001
        return Action(
            kind=kind,
            name=name,
            constraint_name=str(command.get("name", "")),
            cascade=command.get("behavior") == "DROP_CASCADE",
            if_exists=maybe or bool(command.get("missing_ok")),
        )

    return make


def _partition(kind: Kind) -> Callable[[Name, Node, bytes, bool], Action]:
    def make(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001
        _, content = sole(command.get("def", {}))
        return Action(
            kind=kind,
            name=name,
            new_name=relation(content.get("name", {})),
            concurrently=bool(content.get("concurrent")),
            if_exists=maybe,
        )

    return make


def _inherit(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001 - as above
    parent = relation(command.get("def", {}).get("RangeVar", {}))
    return Action(
        kind=Kind.ATTACH_PARTITION, name=parent, new_name=name, if_exists=maybe, label="inherit"
    )


def _of(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001 - as above
    kind = strings(command.get("def", {}).get("TypeName", {}).get("names", ()))
    return Action(kind=Kind.ALTER_TYPE, name=kind, table=name, if_exists=maybe, label="of")


def _rewrite(name: Name, command: Node, source: bytes, maybe: bool) -> Action:  # noqa: FBT001
    return Action(
        kind=Kind.REWRITE_TABLE,
        name=name,
        label=_REWRITES[command["subtype"]],
        if_exists=maybe,
    )


COMMANDS: dict[str, Callable[[Name, Node, bytes, bool], Action]] = {
    "AT_AddColumn": _add_column,
    "AT_DropColumn": _drop_column,
    "AT_SetNotNull": _simple(Kind.SET_NOT_NULL),
    "AT_DropNotNull": _simple(Kind.DROP_NOT_NULL),
    "AT_ColumnDefault": _default,
    "AT_AddIdentity": _identity,
    "AT_DropIdentity": _simple(Kind.DROP_DEFAULT),
    "AT_DropExpression": _simple(Kind.DROP_DEFAULT),
    "AT_AlterColumnType": _type,
    "AT_AddConstraint": _constraint,
    "AT_ValidateConstraint": _named_constraint(Kind.VALIDATE_CONSTRAINT),
    "AT_DropConstraint": _named_constraint(Kind.DROP_CONSTRAINT),
    "AT_AttachPartition": _partition(Kind.ATTACH_PARTITION),
    "AT_AddInherit": _inherit,
    "AT_AddOf": _of,
    "AT_DetachPartition": _partition(Kind.DETACH_PARTITION),
} | dict.fromkeys(_REWRITES, _rewrite)
