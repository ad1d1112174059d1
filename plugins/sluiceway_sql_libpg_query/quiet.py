"""Scripts in which nobody is interested, told from the trees of their statements without reading these.

Most statements of most projects can leave no fact that any rule asks for. To know that of a whole
script, it is enough to know which statements are in it, and of some of them a word or two. Whatever is
in doubt here is read: a script is passed over only where that can change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from sluiceway.migrations.records import Asked, Kind
from sluiceway_sql_libpg_query.harmless import HARMLESS
from sluiceway_sql_libpg_query.nodes import calls
from sluiceway_sql_libpg_query.statements import DROPS, RENAMES, handlers

__all__ = [
    "CALLS",
    "DEFERRED",
    "DOTTED",
    "FLAT",
    "MATTERS",
    "PROGRAM",
    "QUERIES",
    "SUBTYPES",
    "WRAPPED",
    "quiet",
]

DEFERRED = frozenset({"CreateFunctionStmt", "ViewStmt", "CreateTrigStmt", "CreatePolicyStmt"})
"""Statements whose expressions do not run when they are read."""
QUERIES = frozenset(
    {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CopyStmt"}
)
WRAPPED = frozenset({"DoStmt", "CreateFunctionStmt", "CallStmt", "PrepareStmt", "ExplainStmt"})
CALLS = b'"FuncCall":{"funcname"'
PROGRAM = b'"is_program":true'
DOTTED = b'"}},{"String":{"sval":'
"""In a name with a dot, which may call a function of the row that its first word names."""
FLAT = 300
"""Brackets in a tree that is not nested too deeply to be read, whoever asks for it."""

_CATALOGUE = b'"relname":"pg_'
_SUBTYPE = re.compile(rb'"subtype":"(AT_\w+)"')
_REMOVED = re.compile(rb'"removeType":"(OBJECT_\w+)"')
_RENAMED = re.compile(rb'"renameType":"(OBJECT_\w+)"')
_MAY_FORBID_NULL = re.compile(rb'"contype":"CONSTR_(?:NOTNULL|PRIMARY|IDENTITY|CHECK)"')
_FORBIDS_NULL = re.compile(rb'"contype":"CONSTR_(?:NOTNULL|PRIMARY)"')

SUBTYPES: dict[str, tuple[Kind, ...]] = {
    "AT_AddColumn": (Kind.ADD_COLUMN,),
    "AT_DropColumn": (Kind.DROP_COLUMN,),
    "AT_SetNotNull": (Kind.SET_NOT_NULL,),
    "AT_DropNotNull": (Kind.DROP_NOT_NULL,),
    "AT_ColumnDefault": (Kind.SET_DEFAULT, Kind.DROP_DEFAULT),
    "AT_AddIdentity": (Kind.SET_DEFAULT,),
    "AT_DropIdentity": (Kind.DROP_DEFAULT,),
    "AT_DropExpression": (Kind.DROP_DEFAULT,),
    "AT_AlterColumnType": (Kind.CHANGE_TYPE,),
    "AT_AddConstraint": (Kind.ADD_CONSTRAINT,),
    "AT_ValidateConstraint": (Kind.VALIDATE_CONSTRAINT,),
    "AT_DropConstraint": (Kind.DROP_CONSTRAINT,),
    "AT_AttachPartition": (Kind.ATTACH_PARTITION,),
    "AT_AddInherit": (Kind.ATTACH_PARTITION,),
    "AT_DetachPartition": (Kind.DETACH_PARTITION,),
    "AT_SetLogged": (Kind.REWRITE_TABLE,),
    "AT_SetUnLogged": (Kind.REWRITE_TABLE,),
    "AT_SetTableSpace": (Kind.REWRITE_TABLE,),
    "AT_SetAccessMethod": (Kind.REWRITE_TABLE,),
    "AT_SetExpression": (Kind.REWRITE_TABLE,),
}
"""What each part of an ALTER TABLE may leave; the others leave nothing."""
_BY_SUBTYPE = {word.encode(): kinds for word, kinds in SUBTYPES.items()}
_EXCUSED = frozenset({Kind.ADD_COLUMN, Kind.CHANGE_TYPE})
"""Of these, facts say that the column takes NULL, unless the script has domains or the column forbids it."""


def _alter(tree: bytes, asked: Asked) -> bool:
    if b'"objtype":"OBJECT_TYPE"' in tree and Kind.ALTER_TYPE in asked.kinds:
        return True
    kinds = {kind for word in _SUBTYPE.findall(tree) for kind in _BY_SUBTYPE.get(word, ())}
    if Kind.ADD_CONSTRAINT in kinds and _FORBIDS_NULL.search(tree):
        kinds.add(Kind.SET_NOT_NULL)
    if not _may_forbid_null(tree):
        kinds -= _EXCUSED - asked.others
    return not asked.kinds.isdisjoint(kinds)


def _may_forbid_null(tree: bytes) -> bool:
    """Say whether a new column may not take NULL: what IF NOT EXISTS finds may be an older one."""
    # Three patterns in one would be tried at every byte.
    return _MAY_FORBID_NULL.search(tree) is not None or b"serial" in tree or b'"missing_ok"' in tree


def _drop(tree: bytes, asked: Asked) -> bool:
    removed = _REMOVED.search(tree)
    kind, _ = DROPS.get(removed[1].decode(), (None, "")) if removed else (None, "")
    kinds = {kind} if kind else set()
    if kind in {Kind.DROP_TYPE, Kind.EXTENSION} and b'"behavior":"DROP_CASCADE"' in tree:
        kinds |= {Kind.DROP_COLUMN, Kind.DROP_TABLE}
    return not asked.kinds.isdisjoint(kinds)


def _rename(tree: bytes, asked: Asked) -> bool:
    renamed = _RENAMED.search(tree)
    kind = RENAMES.get(renamed[1].decode(), Kind.ALTER_TYPE) if renamed else Kind.ALTER_TYPE
    return kind in asked.kinds


def _create_schema(tree: bytes, asked: Asked) -> bool:
    return b'"schemaElts":' in tree


def _leaves(*kinds: Kind) -> Callable[[bytes, Asked], bool]:
    return lambda _, asked: not asked.kinds.isdisjoint(kinds)


MATTERS: dict[str, Callable[[bytes, Asked], bool]] = {
    "AlterTableStmt": _alter,
    "DropStmt": _drop,
    "RenameStmt": _rename,
    "CreateSchemaStmt": _create_schema,
    "IndexStmt": _leaves(Kind.CREATE_INDEX),
    "TruncateStmt": _leaves(Kind.TRUNCATE),
    "DropdbStmt": _leaves(Kind.DROP_DATABASE),
    "DropOwnedStmt": _leaves(Kind.DROP_SCHEMA),
    "AlterObjectSchemaStmt": _leaves(Kind.SET_SCHEMA, Kind.ALTER_TYPE),
    "ReindexStmt": _leaves(Kind.REINDEX),
    "ClusterStmt": _leaves(Kind.REWRITE_TABLE),
    "RepackStmt": _leaves(Kind.REWRITE_TABLE),
    "VacuumStmt": _leaves(Kind.REWRITE_TABLE),
    "RefreshMatViewStmt": _leaves(Kind.REFRESH_VIEW),
    "AlterEnumStmt": _leaves(Kind.ALTER_TYPE),
    "LockStmt": _leaves(Kind.LOCK),
    **dict.fromkeys(
        (
            "CompositeTypeStmt",
            "AlterExtensionStmt",
            "CreateEnumStmt",
            "CreateExtensionStmt",
            "CreateForeignTableStmt",
            "CreateFunctionStmt",
            "CreateRangeStmt",
            "CreateSeqStmt",
            "CreateStmt",
            "CreateTableAsStmt",
            "CreateTrigStmt",
            "CreatedbStmt",
            "DiscardStmt",
            "TransactionStmt",
            "VariableSetStmt",
        ),
        _leaves(),
    ),
}
"""Whether a statement, by its tree, may leave a fact that is asked for. Of those that are read, and are
neither here nor queries (DO, CALL, domains, ...), each may."""
_READ = {name.encode() for name in {*handlers, *WRAPPED} - QUERIES - {"ViewStmt"}}
_QUERIES = {name.encode() for name in QUERIES}
_DEFERRED = {name.encode() for name in DEFERRED}
_BY_KIND = {name.encode(): matters for name, matters in MATTERS.items()}


def quiet(trees: Sequence[bytes], asked: Asked) -> bool:
    """Say whether no fact that is asked for comes of these statements, which are a whole script.

    Args:
        trees: Each ``{"DropStmt":{...}}``, with anything behind it.
        asked: Which are asked for.
    """
    defines = runs = False
    for tree in trees:
        kind = tree[2 : tree.index(b'"', 2)]
        if kind in _READ:
            matters = _BY_KIND.get(kind)
            # What is too deep to be read is a fact of its own.
            if matters is None or matters(tree, asked) or tree.count(b"{") > FLAT:
                return False
            defines = defines or kind == b"CreateFunctionStmt"
        elif kind in _QUERIES:
            if _CATALOGUE in tree or PROGRAM in tree:
                return False
            if b'"intoClause"' in tree and tree.count(b"{") > FLAT:
                return False
            # A change of data runs triggers, and a WITH may hold one.
            runs = runs or kind != b"SelectStmt" or b'"withClause":' in tree
        if kind == b"ViewStmt":
            runs = runs or CALLS in tree or DOTTED in tree  # for whoever looks at it
        elif CALLS in tree and kind not in _DEFERRED:
            if not _harmless(calls(tree)):
                return False
            runs = True
        elif kind not in _DEFERRED:
            runs = runs or DOTTED in tree
    # Where the script has functions of its own, none of them is run.
    return not (defines and runs)


def _harmless(names: Iterable[Sequence[str]]) -> bool:
    return all(name[-1] in HARMLESS for name in names)
