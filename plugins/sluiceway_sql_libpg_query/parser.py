"""Scripts to actions: the whole file in one call, statement by statement only where that fails."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

from sluiceway.migrations.later import LaterColumns
from sluiceway.migrations.records import (
    Action,
    Asked,
    Column,
    Dialect,
    Kind,
    Name,
    Parsed,
    Script,
    Span,
)
from sluiceway.migrations.statements import spans
from sluiceway.record import replace
from sluiceway_sql_libpg_query import library
from sluiceway_sql_libpg_query.bodies import Reader, Unreadable, placed
from sluiceway_sql_libpg_query.harmless import HARMLESS
from sluiceway_sql_libpg_query.library import Failure
from sluiceway_sql_libpg_query.nodes import Node, behind_dots, calls, decoded
from sluiceway_sql_libpg_query.quiet import (
    CALLS,
    DEFERRED,
    FLAT,
    PROGRAM,
    QUERIES,
    WRAPPED,
    Looking,
)
from sluiceway_sql_libpg_query.statements import NOTHING, columns, handlers

__all__ = ["LibPgQuery"]

_STATEMENT = b'{"stmt":'
"""In a string of JSON every quote is escaped, so that nothing in a statement can look like this."""
_TAIL = 32
"""Bytes that one of the two can take."""
_FUNCTION = b'{"CreateFunctionStmt":'
_ANYTHING = b'{"DoStmt":{}}'
"""A tree of what may do anything."""
_PASSED = Parsed(span=(0, 0), actions=NOTHING)
"""A statement that nobody has to look at."""
_BODIES = frozenset({"DoStmt", "CreateFunctionStmt"})
_ANSWERS = 9
_DEFINES = re.compile(r"(?i)\bfunction\b|\bprocedure\b")
_LEADING = re.compile(r"(?:\s+|--[^\n]*|;)+")
_WORD = rb'("(?:[^"\\]|\\.)*")'
_RELATION = rb'\{(?:"catalogname":%b,)?(?:"schemaname":%b,)?"relname":%b' % (_WORD, _WORD, _WORD)
_NAMED = re.compile(rb'"relname":%b' % _WORD)
_TARGET = re.compile(rb'"relation":' + _RELATION)
_PART = re.compile(rb'"ctequery":\{"(?:Insert|Update|Delete|Merge)Stmt":\{"relation":' + _RELATION)
_VIEW = re.compile(rb'\{"ViewStmt":\{"view":' + _RELATION)
_TABLE = re.compile(
    rb'\{"CreateStmt":\{"relation":' + _RELATION + rb'(?:,"inh":true)?,"relpersistence":"(\w)"'
)
_REFERENCES = re.compile(rb'"pktable":' + _RELATION + rb'[^{}]*\}(?!,"fk_attrs":)')
"""What a column's own foreign key names; one of the table names its columns behind that."""
_REPLACE = 80
"""Bytes between which and the end of a view's tree its REPLACE stands."""


class LibPgQuery:
    """PostgreSQL's grammar (18), of libpg_query."""

    name = "libpg_query"

    def __init__(self) -> None:
        # The library's, and a number of our own that changes when our answers do.
        self.version = f"{library.release()}+{_ANSWERS}"
        self._looking: Looking | None = None

    def parse(self, script: Script, dialect: Dialect) -> list[Parsed]:
        """Return the statements of *script* in order."""
        return _parsed(script, dialect, _trees(script))

    def spared(self, script: Script, dialect: Dialect, asked: Asked) -> int | list[Parsed]:
        """Return the statements as :meth:`parse`, or their number when none is asked about.

        Of those that change nothing about what is asked for, no more than that they are there.
        """
        trees = _trees(script)
        if trees is None:
            return _parsed(script, dialect, None)
        looking = self._looking
        if looking is None or looking.asked is not asked:
            looking = self._looking = Looking(asked)
        # What earlier scripts have made may be run as if it stood at the begin of this one.
        before = [tree for each in script.before for tree in _trees_of(each.text)]
        places = looking.at([*before, *trees] if before else trees)
        if before and places is not None:
            places = {place - len(before) for place in places if place >= len(before)}
        if places is not None and not places:
            return len(trees)
        return _parsed(script, dialect, trees, places)


def _trees(script: Script) -> list[bytes] | None:
    """Return the trees of a script's statements, if it can be parsed as a whole."""
    tree = library.parse(_encoded(script.text)) if script.spans is None else None
    return _split(tree) if isinstance(tree, bytes) else None


@lru_cache(maxsize=256)
def _trees_of(statement: str) -> list[bytes]:
    """Return the trees of a statement of an earlier script, which several may need."""
    tree = library.parse(_encoded(statement))
    return _split(tree) if isinstance(tree, bytes) else [_ANYTHING]


def _split(tree: bytes) -> list[bytes]:
    """Return each statement of a tree, ``{"DropStmt":{...}},"stmt_location":7,"stmt_len":12},``."""
    return tree.split(_STATEMENT)[1:]


def _parsed(
    script: Script,
    dialect: Dialect,
    trees: Sequence[bytes] | None,
    places: Collection[int] | None = None,
) -> list[Parsed]:
    """Return the statements of a script: from the trees of the whole, or each parsed for itself.

    Only those at *places* are read, if that is given.
    """
    try:
        whole = _read(script.text, trees, None, places) if trees is not None else None
    except Unreadable:
        whole = None
    if whole is not None:
        return whole
    cut = script.spans if script.spans is not None else spans(script.text, dialect)
    # What one piece defines the next may call.
    together = Reader(_statements, None, wary=_DEFINES.search(script.text) is not None)
    found: list[Parsed] = []
    for span in cut:
        found.extend(_one(script.text, span, together))
    if trees is None and script.spans is None and not any(item.problem for item in found):
        # What is in no piece, a comment without its end, is the server's to refuse.
        failure = library.parse(_encoded(script.text))
        if isinstance(failure, Failure):
            rest = (min(max(failure.position - 1, 0), len(script.text)), len(script.text))
            found.append(Parsed(span=rest, actions=(), problem=failure.message))
    return found


def _one(text: str, span: Span, together: Reader) -> list[Parsed]:
    # Its patterns take longer to compile than most scripts to parse, and few scripts need them.
    from sluiceway_sql_libpg_query.guesses import guesses

    start, end = span
    piece = text[start:end]
    try:
        parsed = _statements(piece, together)
    except Unreadable as error:
        return [Parsed(span=span, actions=guesses(piece), problem=str(error))]
    if parsed is not None:
        return [replace(item, span=(item.span[0] + start, item.span[1] + start)) for item in parsed]
    blank = _LEADING.match(piece)
    if blank is not None:
        start, piece = start + blank.end(), piece[blank.end() :]
    failure = library.parse(_encoded(piece))
    why = failure.message if isinstance(failure, Failure) else "its tree is nested too deeply"
    return [Parsed(span=(start, end), actions=guesses(piece), problem=why)]


def _encoded(text: str) -> bytes:
    # Lone surrogates are no text; the grammar then refuses the replacement where it matters.
    return text.encode("utf-8", "replace")


def _statements(text: str, outer: Reader | None = None) -> list[Parsed] | None:
    """Return the statements of a text, or ``None`` when it does not parse as a whole."""
    tree = library.parse(_encoded(text))
    return None if isinstance(tree, Failure) else _read(text, _split(tree), outer)


def _read(
    text: str,
    trees: Sequence[bytes],
    outer: Reader | None,
    places: Collection[int] | None = None,
) -> list[Parsed] | None:
    """Return the statements of a text from their trees, or ``None`` when one is too deep."""
    source = _encoded(text)
    # Offsets of the library count bytes.
    narrow = len(source) == len(text)
    wary = any(tree.startswith(_FUNCTION) for tree in trees)
    reader = Reader(_statements, outer, wary=wary)
    found: list[Parsed] = []
    characters = at = 0
    for place, tree in enumerate(trees):
        if places is not None and place not in places:
            found.append(_PASSED)
            continue
        # It ends with "}", and a comma or the end of the list and of the tree.
        chunk, location, length = _place(tree[: -2 if place < len(trees) - 1 else -3])
        kind = chunk[2 : chunk.index(b'"', 2)].decode()
        end = location + length if length else len(source)
        if narrow:
            start, stop = location, end
        else:
            start = characters + len(source[at:location].decode("utf-8", "replace"))
            stop = start + len(source[location:end].decode("utf-8", "replace"))
            characters, at = start, location
        try:
            actions = _actions(kind, chunk, source, (location, end), reader)
        except RecursionError:
            return None
        if kind in _BODIES and any(each.body and each.nested is not NOTHING for each in actions):
            actions = placed(actions, text[start:stop])
        found.append(Parsed(span=(start, stop), actions=actions))
    return found


def _place(chunk: bytes) -> tuple[bytes, int, int]:
    """Split ``{"DropStmt":{...}},"stmt_location":7,"stmt_len":12`` into its parts."""
    location = length = 0
    # Both stand at the very end, and both are left out when they are 0.
    tail = chunk.rfind(b',"stmt_len":', -_TAIL)
    if tail >= 0:
        length = int(chunk[tail + 12 :])
        chunk = chunk[:tail]
    tail = chunk.rfind(b',"stmt_location":', -_TAIL)
    if tail >= 0:
        location = int(chunk[tail + 17 :])
        chunk = chunk[:tail]
    return chunk, location, length


def _actions(
    kind: str, chunk: bytes, source: bytes, place: tuple[int, int], reader: Reader
) -> tuple[Action, ...]:
    """Return what one statement does. *chunk* is its node, ``{"DropStmt": {...}}``; *place*
    where it stands in *source*, in bytes.
    """
    called: Sequence[Name] = ()
    if kind not in DEFERRED and CALLS in chunk:
        called = [name for name in calls(chunk) if reader.wary or name[-1] not in HARMLESS]
    if reader.of_rows and kind not in DEFERRED:
        called = [*called, *(name for name in _of_rows(chunk, reader) if name not in called)]
    if reader.wary and (reader.behind or kind == "ViewStmt"):
        called = _through_views(kind, chunk, reader, called)
    plain = b'"intoClause"' not in chunk and PROGRAM not in chunk
    within = _changed_within(chunk) if kind in QUERIES and b'"withClause":' in chunk else []
    if kind in QUERIES and not called and plain:
        return (*_changed(kind, chunk), *within)
    if kind == "ViewStmt":
        return _view(chunk)
    if kind == "CreateStmt" and (table := _table(chunk, source)) is not None:
        looked_at = decoded(chunk) if reader.looks_at(called) else {}
        return (*_called(kind, called, looked_at, reader), table) if called else (table,)
    handler = handlers.get(kind)
    if handler is None and kind not in WRAPPED and not called:
        return NOTHING
    node: Node = decoded(chunk)[kind]
    actions: list[Action] = []
    if called:
        actions.extend(_called(kind, called, node, reader))
        for tree in _views(chunk, reader):
            actions.extend(reader.given(tree))
    if handler is not None:
        actions.extend(handler(node, source))
    elif kind in WRAPPED:
        actions.extend(reader.wrapped(kind, node, source[place[0] : place[1]]))
    actions.extend(within)
    return tuple(actions) or NOTHING


def _called(kind: str, names: Sequence[Name], tree: Node, reader: Reader) -> Iterable[Action]:
    """Return what a statement of that kind calls: a default or an index does so later again."""
    actions = reader.called(names, tree)
    if kind in QUERIES or kind in WRAPPED:
        return actions
    return [replace(each, label="kept") if each.kind is Kind.CALL else each for each in actions]


def _of_rows(chunk: bytes, reader: Reader) -> list[Name]:
    """Return the functions that ``a.f`` and ``(a).f`` call, where the row ``a`` has no column of that name."""
    fields = behind_dots(chunk) & reader.of_rows
    return [(name,) for name in sorted(fields)]


def _through_views(
    kind: str, chunk: bytes, reader: Reader, called: Sequence[Name]
) -> Sequence[Name]:
    """Return what a statement calls, through the views that it looks at too; note a view's own."""
    found = [*called]
    for word in dict.fromkeys(_NAMED.findall(chunk)) if reader.behind else ():
        if word in reader.behind:
            found += [name for name in reader.behind[word][0] if name not in found]
    if kind != "ViewStmt":
        return found if kind not in DEFERRED else called
    view = _VIEW.match(chunk)
    if view is not None:
        names = [*found, *calls(chunk), *_of_rows(chunk, reader)]
        reader.behind[view[3]] = (names, [chunk, *_views(chunk, reader)])
    return called


def _views(chunk: bytes, reader: Reader) -> list[bytes]:
    """Return the trees of the views of the text that a statement looks at."""
    words = dict.fromkeys(_NAMED.findall(chunk)) if reader.behind else ()
    return [tree for word in words if word in reader.behind for tree in reader.behind[word][1]]


def _table(chunk: bytes, source: bytes) -> Action | None:
    """Return what a plain ``CREATE TABLE`` does, its columns to be read when somebody asks for them."""
    found = _TABLE.match(chunk)
    unusual = b',"partspec":' in chunk or b',"partbound":' in chunk or b',"inhRelations":' in chunk
    if found is None or unusual or chunk.count(b"{") > FLAT:
        return None

    def read() -> tuple[Column, ...]:
        return columns(decoded(chunk)["CreateStmt"], source)

    return Action(
        kind=Kind.CREATE_TABLE,
        name=_name(found.groups()[:3]),
        definitions=LaterColumns(
            read, tuple(_name(each.groups()) for each in _REFERENCES.finditer(chunk))
        ),
        if_exists=b',"if_not_exists":true' in chunk,
        temporary=found[4] == b"t",
        label="on commit drop" if b',"oncommit":"ONCOMMIT_DROP"' in chunk else "",
    )


def _name(words: Iterable[bytes | None]) -> Name:
    return tuple(str(decoded(word)) for word in words if word)


def _view(chunk: bytes) -> tuple[Action, ...]:
    # The tree of its query is large, and nobody asks for it.
    found = _VIEW.match(chunk)
    if found is None:
        return NOTHING
    return (
        Action(
            kind=Kind.CREATE_VIEW,
            name=_name(found.groups()),
            or_replace=chunk.rfind(b',"replace":true', -_REPLACE) >= 0,
            temporary=b'"relpersistence":"t"' in chunk[found.end() : found.end() + _REPLACE],
        ),
    )


def _changed_within(chunk: bytes) -> list[Action]:
    """Return what a WITH changes in its parts: the triggers of those tables run too."""
    changed = [_name(found.groups()) for found in _PART.finditer(chunk)]
    return [Action(kind=Kind.CHANGE_DATA, name=name) for name in changed]


def _changed(kind: str, chunk: bytes) -> tuple[Action, ...]:
    if kind == "SelectStmt":
        return NOTHING
    found = _TARGET.search(chunk)
    if found is None:
        return NOTHING
    return (Action(kind=Kind.CHANGE_DATA, name=_name(found.groups())),)
