"""Statements in which nobody is interested, told from the trees of a script without reading these.

Most statements of most projects can leave no fact that any rule asks for. To know that of a whole
script, it is enough to know which statements are in it, and of some of them a word or two. Whatever is
in doubt here is read: a statement is passed over only where that can change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from enum import Enum, auto

from sluiceway.migrations.records import Asked, Kind
from sluiceway.record import replace
from sluiceway_sql_libpg_query.drops import DROPS as REMOVED
from sluiceway_sql_libpg_query.harmless import DROPS, EXECUTES, HARMLESS
from sluiceway_sql_libpg_query.nodes import behind_dots, calls, made
from sluiceway_sql_libpg_query.statements import RENAMES, handlers

__all__ = [
    "CALLS",
    "DEFERRED",
    "FLAT",
    "MATTERS",
    "PROGRAM",
    "QUERIES",
    "SUBTYPES",
    "WRAPPED",
    "Looking",
]

DEFERRED = frozenset({"CreateFunctionStmt", "ViewStmt", "CreateTrigStmt", "CreatePolicyStmt"})
"""Statements whose expressions do not run when they are read."""
QUERIES = frozenset(
    {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CopyStmt"}
)
WRAPPED = frozenset({"DoStmt", "CreateFunctionStmt", "CallStmt", "PrepareStmt", "ExplainStmt"})
CALLS = b'"FuncCall":{"funcname"'
PROGRAM = b'"is_program":true'
FLAT = 300
"""Brackets in a tree that is not nested too deeply to be read, whoever asks for it."""

_CATALOGUE = b'"relname":"pg_'
_TEXT = b'"A_Const":{"sval":'
_OF_TABLE = b'"relation":{'
_RUN_TEXTS = EXECUTES | DROPS | {"set_config"}
_CASCADE = b'"behavior":"DROP_CASCADE"'
_SUBTYPE = re.compile(rb'"subtype":"(AT_\w+)"')
_REMOVED = re.compile(rb'"removeType":"(OBJECT_\w+)"')
_RENAMED = re.compile(rb'"renameType":"(OBJECT_\w+)"')
_MAY_FORBID_NULL = re.compile(rb'"contype":"CONSTR_(?:NOTNULL|PRIMARY|IDENTITY|CHECK)"')
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_RELATION = re.compile(rb'"relname":(%b)' % _QUOTED.pattern)
_NEW_NAME = re.compile(rb'"newname":(%b)' % _QUOTED.pattern)
_FEW = 32
"""Names that are looked for one by one."""
_TYPED = b'"AT_AlterColumnType"'
_WORDS = re.compile(rb'"String":\{"sval":(%b)' % _QUOTED.pattern)
_FORBIDS_NULL = re.compile(rb'"contype":"CONSTR_(?:NOTNULL|PRIMARY|CHECK)"')

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
    "AT_AddOf": (),
    "AT_DetachPartition": (Kind.DETACH_PARTITION,),
    "AT_SetLogged": (Kind.REWRITE_TABLE,),
    "AT_SetUnLogged": (Kind.REWRITE_TABLE,),
    "AT_SetTableSpace": (Kind.REWRITE_TABLE,),
    "AT_SetAccessMethod": (Kind.REWRITE_TABLE,),
    "AT_SetExpression": (Kind.REWRITE_TABLE,),
}
"""What each part of an ALTER TABLE may leave; the others leave nothing."""
_BY_SUBTYPE = {word.encode(): kinds for word, kinds in SUBTYPES.items()}
_ADDED = b"AT_AddConstraint"
_EXCUSED = frozenset({Kind.ADD_COLUMN, Kind.CHANGE_TYPE})
"""Of these, facts say that the column takes NULL, unless the script has domains or the column forbids it."""


_Tells = Callable[[bytes], bool]


def _alter(asked: Asked) -> _Tells:
    types = Kind.ALTER_TYPE in asked.kinds
    forbidding = Kind.SET_NOT_NULL in asked.kinds
    excused = _EXCUSED - asked.others
    # Of each part whether what it leaves is asked for at any rate, or only where it forbids NULL.
    surely = {
        word: not wanted <= excused
        for word, kinds in _BY_SUBTYPE.items()
        if (wanted := asked.kinds.intersection(kinds))
    }

    def matters(tree: bytes) -> bool:
        if types and b'"objtype":"OBJECT_TYPE"' in tree:
            return True
        perhaps = False
        for word in _SUBTYPE.findall(tree):
            sure = surely.get(word)
            if sure or (word == _ADDED and forbidding and _FORBIDS_NULL.search(tree)):
                return True
            perhaps = perhaps or sure is False
        return perhaps and _may_forbid_null(tree)

    return matters


def _may_forbid_null(tree: bytes) -> bool:
    """Say whether a new column may not take NULL: what IF NOT EXISTS finds may be an older one."""
    # Three patterns in one would be tried at every byte.
    return _MAY_FORBID_NULL.search(tree) is not None or b"serial" in tree or b'"missing_ok"' in tree


_TAKE_COLUMNS = frozenset({Kind.DROP_TYPE, Kind.DROP_VIEW, Kind.EXTENSION})
"""What takes columns or tables along by CASCADE."""


def _drop(asked: Asked) -> _Tells:
    more = not asked.kinds.isdisjoint({Kind.DROP_COLUMN, Kind.DROP_TABLE})

    def matters(tree: bytes) -> bool:
        removed = _REMOVED.search(tree)
        kind, _ = REMOVED.get(removed[1].decode(), (None, "")) if removed else (None, "")
        if kind in asked.kinds:
            return True
        return more and kind in _TAKE_COLUMNS and _CASCADE in tree

    return matters


def _rename(asked: Asked) -> _Tells:
    def matters(tree: bytes) -> bool:
        renamed = _RENAMED.search(tree)
        kind = RENAMES.get(renamed[1].decode(), Kind.ALTER_TYPE) if renamed else Kind.ALTER_TYPE
        return kind in asked.kinds

    return matters


def _create_schema(_: Asked) -> _Tells:
    return lambda tree: b'"schemaElts":' in tree


def _leaves(*kinds: Kind) -> Callable[[Asked], _Tells]:
    def asks(asked: Asked) -> _Tells:
        matters = not asked.kinds.isdisjoint(kinds)
        return lambda _: matters

    return asks


MATTERS: dict[str, Callable[[Asked], _Tells]] = {
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
            "AlterFunctionStmt",
            "CreateDomainStmt",
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
            "RuleStmt",
            "TransactionStmt",
            "VariableSetStmt",
        ),
        _leaves(),
    ),
}
"""What tells whether a statement, by its tree, may leave a fact that is asked for. Of those that are read,
and are neither here nor queries (DO, CALL, ALTER DOMAIN, ...), each may."""
_TABLES = {
    "AlterTableStmt": b'"objtype":"OBJECT_TABLE"',
    "ClusterStmt": b"",
    "CreateForeignTableStmt": b"",
    "CreateStmt": b"",
    "CreateTableAsStmt": b"",
    "DropStmt": b'"removeType":"OBJECT_TABLE"',
    "IndexStmt": b"",
    "LockStmt": b"",
    "RefreshMatViewStmt": b"",
    "RenameStmt": _OF_TABLE,
    "RuleStmt": b"",
    "TruncateStmt": b"",
    "VacuumStmt": b"",
}
"""Statements that say nothing but of the tables that they name, where this is in their trees."""
_CHANGES = {name.encode() for name in QUERIES - {"SelectStmt"} | {"TruncateStmt"}}
_DEFERRED = {name.encode() for name in DEFERRED}


class _Part(Enum):
    """What has to be known of a statement to know all that is asked for of its script."""

    EVERYTHING = auto()
    """It may do anything, so that nothing of the script can be left out."""
    ASKED = auto()
    """It may leave a fact that is asked for, about the tables that it names."""
    BESIDE = auto()
    """It leaves none, and says what those tables are that it names."""
    DOMAIN = auto()
    """It leaves none, and columns that are made of it later may take no NULL."""
    SESSION = auto()
    """It leaves none, and says something of all that follows, or of what is no table."""
    FUNCTION = auto()
    """It leaves none unless the function is run."""
    UNKNOWN = auto()
    """It leaves none; what it says of others is not known here."""
    NOTHING = auto()


# Each is asked for thousands of times, and a class of Python 3.11 takes its time to tell.
_EVERYTHING, _ASKED, _BESIDE, _DOMAIN, _SESSION, _FUNCTION, _UNKNOWN, _NOTHING = _Part


_OTHERS = {
    "CreateDomainStmt": _DOMAIN,
    "CreateFunctionStmt": _FUNCTION,
    **dict.fromkeys(
        (
            "AlterEnumStmt",
            "AlterFunctionStmt",
            "CompositeTypeStmt",
            "CreateEnumStmt",
            "CreateExtensionStmt",
            "CreateRangeStmt",
            "CreateSchemaStmt",
            "CreateSeqStmt",
            "CreateTrigStmt",
            "DiscardStmt",
            "DropStmt",
            "TransactionStmt",
            "VariableSetStmt",
        ),
        _SESSION,
    ),
}


def _of_schema(kind: str, asked: Asked) -> Callable[[bytes], _Part]:
    """Return what tells the part of a statement that is read."""
    if kind not in MATTERS:
        return lambda _: _EVERYTHING
    matters = MATTERS[kind](asked)
    tables = _TABLES.get(kind)
    otherwise = _OTHERS.get(kind)

    def part(tree: bytes) -> _Part:
        # What is too deep to be read is a fact of its own.
        if matters(tree) or tree.count(b"{") > FLAT:
            return _ASKED if tables is not None and tables in tree else _EVERYTHING
        if otherwise is None:
            return _BESIDE if tables is not None and tables in tree else _UNKNOWN
        # What else goes with it is not known.
        return otherwise if _CASCADE not in tree else _UNKNOWN

    return part


def _of_query(tree: bytes) -> _Part:
    if _CATALOGUE in tree or PROGRAM in tree:
        return _EVERYTHING
    if b'"intoClause"' not in tree:
        return _NOTHING
    return _ASKED if tree.count(b"{") > FLAT else _BESIDE


def _parts(asked: Asked) -> dict[bytes, Callable[[bytes], _Part]]:
    """Return what tells the part of a statement of each kind; of the others nothing is read."""
    return {
        **{kind.encode(): _of_schema(kind, asked) for kind in {*handlers, *WRAPPED}},
        **{kind.encode(): _of_query for kind in QUERIES},
        b"ViewStmt": lambda _: _BESIDE,
    }


class Looking:
    """Tells which statements of a script are to be read for the facts that are asked for.

    Args:
        asked: Which are asked for.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._parts = _parts(asked)
        self._with_domains = _parts(replace(asked, others=asked.others | _EXCUSED))
        """Where there are domains: what takes NULL by its own words may take none by its domain's."""

    def at(self, trees: Sequence[bytes]) -> Collection[int] | None:
        """Return which of these statements, a whole script, are to be read.

        None of them, where no fact that is asked for comes of any. Otherwise those that may leave one,
        and what else the script does to the same tables: what is said of a table that is nowhere named
        beside them changes nothing that is asked for.

        Args:
            trees: Each ``{"DropStmt":{...}}``, with anything behind it.

        Returns:
            Their places in *trees*, or ``None`` for all of them.
        """
        first: list[int] = []
        beside: list[int] = []
        session: list[int] = []
        functions: list[int] = []
        unknown = False
        parts = self._parts
        for place, tree in enumerate(trees):
            kind = _kind(tree)
            if CALLS in tree and kind not in _DEFERRED and not _foreseen(tree):
                return None
            decide = parts.get(kind)
            part = decide(tree) if decide is not None else _NOTHING
            if part is _EVERYTHING:
                return None
            if part is _ASKED:
                first.append(place)
            elif part is _BESIDE:
                beside.append(place)
            elif part is _SESSION:
                session.append(place)
            elif part is _DOMAIN:
                session.append(place)
                parts = self._with_domains
            elif part is _FUNCTION:
                functions.append(place)
            elif part is _UNKNOWN:
                unknown = True
        if first and unknown:
            return None
        if functions and _may_run([trees[each] for each in functions], trees):
            return None
        if not first:
            return ()
        read = [*first, *session]
        return {*read, *_about_the_same(trees, read, beside)}


def _kind(tree: bytes) -> bytes:
    return tree[2 : tree.index(b'"', 2)]


def _foreseen(tree: bytes) -> bool:
    """Say whether the functions that a statement calls do nothing, unless the script makes them."""
    names = {name[-1] for name in calls(tree)}
    if names <= HARMLESS:
        return True
    # Any other may run a text that it is given.
    return names.isdisjoint(_RUN_TEXTS) and _TEXT not in tree and tree.count(b"{") <= FLAT


def _may_run(functions: Iterable[bytes], trees: Sequence[bytes]) -> bool:
    """Say whether a script may run one of the functions that it makes, or what calls one is too deep."""
    given = [(_kind(tree), tree) for tree in trees]
    # What is renamed and is no table may be one of them.
    if any(kind == b"RenameStmt" and _OF_TABLE not in tree for kind, tree in given):
        return True
    # A view's are run for whoever looks at it.
    running = [tree for kind, tree in given if kind not in _DEFERRED or kind == b"ViewStmt"]
    if any(tree.count(b"{") > FLAT for tree in running):
        return True
    if any(kind == b"CreateTrigStmt" for kind, _ in given) and any(
        # A change of data runs triggers, and a WITH may hold one.
        kind in _CHANGES or b'"withClause":' in tree
        for kind, tree in given
    ):
        return True
    names = {made(tree)[-1] for tree in functions}
    called = {name[-1] for tree in running if CALLS in tree for name in calls(tree)}
    return not (
        names.isdisjoint(called) and all(names.isdisjoint(behind_dots(tree)) for tree in running)
    )


def _about_the_same(
    trees: Sequence[bytes], read: Sequence[int], beside: Sequence[int]
) -> Iterator[int]:
    """Yield those of *beside* that name what those do that are *read*, or another such one."""
    if not beside:
        return
    names = {number: _names(trees[number]) for number in beside}
    naming: dict[bytes, list[int]] = {}
    for number in beside:
        for name in names[number]:
            naming.setdefault(name, []).append(number)
    if len(naming) <= _FEW:
        # To look for a name is quicker than to look at every word. What it finds besides is read too.
        waiting = {name for name in naming if any(name in trees[number] for number in read)}
    else:
        waiting = {word for number in read for word in _QUOTED.findall(trees[number])}
    while waiting:
        # Each name is followed once: a script may have thousands, one leading to the next.
        near = {number for word in waiting for number in naming.pop(word, ())}
        yield from near
        waiting = {name for number in near for name in names[number]}


def _names(tree: bytes) -> list[bytes]:
    """Return what a statement names, in quotes; a column's new type may be that of another table's rows."""
    # Patterns in one would be tried at every byte.
    found: list[bytes] = _RELATION.findall(tree)
    if b'"newname"' in tree:
        found += _NEW_NAME.findall(tree)
    if _TYPED in tree:
        found += _WORDS.findall(tree)
    return found
