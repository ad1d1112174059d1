"""Scripts to actions: the whole file in one call, statement by statement only where that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from sluiceway.migrations.records import Action, Dialect, Kind, Name, Parsed, Script, Span
from sluiceway.migrations.statements import spans
from sluiceway_sql_libpg_query import library
from sluiceway_sql_libpg_query.bodies import Reader, Unreadable, placed
from sluiceway_sql_libpg_query.guesses import guesses
from sluiceway_sql_libpg_query.harmless import HARMLESS
from sluiceway_sql_libpg_query.library import Failure
from sluiceway_sql_libpg_query.nodes import Node
from sluiceway_sql_libpg_query.statements import NOTHING, calls, handlers

__all__ = ["LibPgQuery"]

_HEAD = re.compile(rb'\{"stmt":\{"(\w+)":')
_TAIL = re.compile(rb'(?:,"stmt_location":(\d+))?(?:,"stmt_len":(\d+))?$')
_DEFERRED = frozenset(
    {"CreateFunctionStmt", "ViewStmt", "CreateTrigStmt", "RuleStmt", "CreatePolicyStmt"}
)
"""Statements whose expressions do not run when they are read."""
_QUERIES = frozenset(
    {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CopyStmt"}
)
_WRAPPED = frozenset({"DoStmt", "CreateFunctionStmt", "CallStmt", "PrepareStmt", "ExplainStmt"})
_ANSWERS = 1
_LEADING = re.compile(r"(?:\s+|--[^\n]*|;)+")
_WORD = rb'("(?:[^"\\]|\\.)*")'
_TARGET = re.compile(
    rb'"relation":\{(?:"catalogname":%b,)?(?:"schemaname":%b,)?"relname":%b' % (_WORD, _WORD, _WORD)
)


class LibPgQuery:
    """PostgreSQL's grammar (18), of libpg_query."""

    name = "libpg_query"

    def __init__(self) -> None:
        # The library's, and a number of our own that changes when our answers do.
        self.version = f"{library.release()}+{_ANSWERS}"

    def parse(self, script: Script, dialect: Dialect) -> list[Parsed]:
        """Return the statements of *script* in order."""
        if script.spans is None:
            try:
                whole = _statements(script.text, 0)
            except Unreadable:
                whole = None
            if whole is not None:
                return whole
        cut = script.spans if script.spans is not None else spans(script.text, dialect)
        found: list[Parsed] = []
        for span in cut:
            found.extend(_one(script.text, span))
        return found


def _one(text: str, span: Span) -> list[Parsed]:
    start, end = span
    piece = text[start:end]
    try:
        parsed = _statements(piece, 0)
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


def _statements(text: str, depth: int) -> list[Parsed] | None:
    """Return the statements of a text, or ``None`` when it does not parse as a whole."""
    source = _encoded(text)
    tree = library.parse(source)
    if isinstance(tree, Failure):
        return None
    # Offsets of the library count bytes.
    narrow = len(source) == len(text)
    reader = Reader(_statements, depth, wary=b'{"CreateFunctionStmt":' in tree)
    found: list[Parsed] = []
    heads = list(_HEAD.finditer(tree))
    characters = at = 0
    for number, head in enumerate(heads):
        # Each statement ends with "}", and a comma or the end of the list and the tree.
        last = heads[number + 1].start() - 2 if number + 1 < len(heads) else len(tree) - 3
        chunk = tree[head.start() + len('{"stmt":') : last]
        tail = _TAIL.search(chunk, max(0, len(chunk) - 60))
        location = int(tail.group(1) or 0) if tail else 0
        length = int(tail.group(2) or 0) if tail else 0
        end = location + length if length else len(source)
        if narrow:
            start, stop = location, end
        else:
            start = characters + len(source[at:location].decode("utf-8", "replace"))
            stop = start + len(source[location:end].decode("utf-8", "replace"))
            characters, at = start, location
        try:
            actions = _actions(
                head.group(1).decode(), chunk[: tail.start() if tail else None], source, reader
            )
        except RecursionError:
            return None
        if any(item.body for item in actions):
            actions = placed(actions, text[start:stop])
        found.append(Parsed(span=(start, stop), actions=actions))
    return found


def _actions(kind: str, chunk: bytes, source: bytes, reader: Reader) -> tuple[Action, ...]:
    """Return what one statement does. *chunk* is its node, ``{"DropStmt": {...}}``."""
    called: Sequence[Name] = ()
    if kind not in _DEFERRED and b'"FuncCall":{"funcname"' in chunk:
        called = [name for name in calls(chunk) if reader.wary or name[-1] not in HARMLESS]
    if kind in _QUERIES and not called and b'"intoClause"' not in chunk:
        return _changed(kind, chunk)
    handler = handlers.get(kind)
    if handler is None and kind not in _WRAPPED and not called:
        return NOTHING
    node: Node = json.loads(chunk)[kind]
    actions: list[Action] = []
    if called:
        actions.extend(reader.called(called, node))
    if handler is not None:
        actions.extend(handler(node, source))
    elif kind in _WRAPPED:
        actions.extend(reader.wrapped(kind, node, source))
    return tuple(actions) or NOTHING


def _changed(kind: str, chunk: bytes) -> tuple[Action, ...]:
    if kind == "SelectStmt":
        return NOTHING
    found = _TARGET.search(chunk)
    if found is None:
        return NOTHING
    name = tuple(json.loads(word) for word in found.groups() if word)
    return (Action(kind=Kind.CHANGE_DATA, name=name),)
