"""What runs inside a statement: anonymous blocks, functions' bodies, SQL given as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sluiceway.migrations.later import LaterActions
from sluiceway.migrations.records import Action, Kind, Name, Parsed
from sluiceway.record import Changing, replace
from sluiceway_sql_libpg_query import library
from sluiceway_sql_libpg_query.folding import NAME, UNKNOWN, Environment, Text, fold
from sluiceway_sql_libpg_query.harmless import DROPS, EXECUTES, HARMLESS
from sluiceway_sql_libpg_query.library import Failure
from sluiceway_sql_libpg_query.nodes import (
    Node,
    arguments_of,
    body_of,
    called_by_defaults,
    calls,
    decoded,
    parameters_of,
    sole,
    strings,
    switched,
    takes_one,
)
from sluiceway_sql_libpg_query.plpgsql import walk
from sluiceway_sql_libpg_query.session import own_path
from sluiceway_sql_libpg_query.statements import NOTHING, handlers

__all__ = ["Reader", "Unreadable"]

_DEEPEST = 12
"""How deeply texts may be executed inside texts before one is taken for unknown."""
_WORTH = re.compile(
    r"(?i)\b(?:drop|truncate|alter|create|execute|reindex|rename|cluster|vacuum|perform|call"
    rf"|{'|'.join(sorted(DROPS))})\b"
)
"""Words without which a body does nothing that matters, calls of other functions aside."""
_IN_NAME = frozenset('_$."')
_RISKY = re.compile(r"(?i)\s*(?:drop|truncate|alter|create|do|with|delete|begin|set|--|/\*|;)")
_EVENT = re.compile(rb"(?i)(\breturns\s+(?:pg_catalog\s*\.\s*)?)event_trigger\b")
_WITHIN = frozenset({dict, list})
"""What of a tree has parts; half of the rest says where something stands."""
_MARKS = {UNKNOWN: "sluiceway_unknown_", NAME: "sluiceway_name_"}


_FILLINGS = (_MARKS[UNKNOWN], f" {_MARKS[UNKNOWN]} ", "1", " 'x' ")
"""What stands for something unknown, so that the rest can be parsed: part of a name, a name, a value."""


class Unreadable(Exception):  # noqa: N818 - no error of the program: something of the text
    """A body that could not be parsed: its statement cannot be judged."""


class _Defined(Changing):
    """A function that the text defines."""

    statement: bytes
    text: str
    parameters: list[str]
    nested: Sequence[Action]
    _executes: bool | None = None

    @property
    def executes(self) -> bool:
        """It may execute what it is given."""
        if self._executes is None:
            self._executes = _any_unknown(self.nested)
        return self._executes


class Reader:
    """Reads what is inside the statements of one text."""

    __slots__ = ("_depth", "_functions", "_parse", "behind", "of_rows", "wary")

    def __init__(
        self,
        parse: Callable[[str, Reader], list[Parsed] | None],
        outer: Reader | None,
        *,
        wary: bool,
    ) -> None:
        self._parse = parse
        self._depth: int = outer._depth + 1 if outer else 0  # noqa: SLF001 - of our own kind
        self._functions: dict[str, _Defined] = (
            outer._functions if outer else {}  # noqa: SLF001 - of our own kind
        )
        self.wary: bool = wary or (outer is not None and outer.wary)
        """The text defines functions: no name is harmless then."""
        self.behind: dict[bytes, tuple[list[Name], list[bytes]]] = outer.behind if outer else {}
        """What looking at a view calls, where the text defines functions, and the trees of the view and
        of those behind it: by its name in a tree."""
        self.of_rows: set[str] = outer.of_rows if outer else set()
        """Functions of one argument that the text defines: they can be called as a row's column is read."""

    # --- statements that hold others --------------------------------------------------------------

    def wrapped(self, kind: str, node: Node, source: bytes) -> Iterator[Action]:
        """Return the actions of a statement of one of those kinds."""
        if kind == "DoStmt":
            yield self._do(node, source)
        elif kind == "CreateFunctionStmt":
            yield self._function(node, source)
        elif kind == "CallStmt":
            call: Node = node.get("funccall", {})
            yield from self.called([strings(call.get("funcname", ()))], {"FuncCall": call})
        elif kind == "ExplainStmt" and switched(node.get("options", ()), "analyze"):
            inner, content = sole(node.get("query", {}))
            handler = handlers.get(inner)
            if handler is not None:
                yield from handler(content, source)

    def _do(self, node: Node, statement: bytes) -> Action:
        language, text = body_of(node)
        language = language or "plpgsql"
        nested: tuple[Action, ...] = ()
        if language == "plpgsql":
            nested = self.plpgsql(statement, text)
        return Action(kind=Kind.DO, body=text, language=language, nested=nested)

    def _function(self, node: Node, source: bytes) -> Action:
        language, text = body_of(node)
        name = strings(node.get("funcname", ()))
        language = language or ("sql" if "sql_body" in node else "")
        if takes_one(node):
            self.of_rows.add(name[-1])
        nested: Sequence[Action] = ()
        if "sql_body" in node or language in {"plpgsql", "sql"}:
            # When it is called: of most functions nobody asks what they do. Whatever the text defines
            # behind this one is nothing to it.
            reader = self._as_it_is()
            if "sql_body" in node:
                written = source.decode("utf-8", "replace")
                nested = LaterActions(lambda: tuple(reader._calls_of(written)) or NOTHING)  # noqa: SLF001
            else:
                nested = LaterActions(lambda: reader._runs(language, text, source))  # noqa: SLF001
            # What a default of a parameter calls runs where the call does not give that one.
            defaults = [Action(kind=Kind.CALL, name=each) for each in called_by_defaults(node)]
            if own := (*own_path(node.get("options", ())), *defaults):
                nested = (*own, *nested)
        if language == "plpgsql" and _WORTH.search(text):
            self._functions[name[-1]] = _Defined(source, text, parameters_of(node), nested)
        return Action(
            kind=Kind.CREATE_FUNCTION,
            name=name,
            columns=arguments_of(node),
            or_replace=bool(node.get("replace")),
            body=text,
            language=language,
            nested=nested,
        )

    def _as_it_is(self) -> Reader:
        """Return a reader that goes on knowing what this one knows now."""
        reader = Reader(self._parse, None, wary=self.wary)
        reader._depth = self._depth
        reader._functions = {**self._functions}
        reader.behind = {**self.behind}
        reader.of_rows = {*self.of_rows}
        return reader

    def _runs(self, language: str, text: str, source: bytes) -> tuple[Action, ...]:
        """Return what calling a function runs; *source* is its whole definition, *text* its body."""
        try:
            if not _WORTH.search(text):
                return tuple(self._calls_of(text)) or NOTHING
            if language == "plpgsql":
                return self.plpgsql(source, text)
            parsed = self._deeper(text)
        except Unreadable as error:
            return (Action(kind=Kind.EXECUTE, label="unknown", body=str(error)),)
        if parsed is None:
            return (Action(kind=Kind.EXECUTE, label="unknown"),)
        return tuple(action for item in parsed for action in item.actions) or NOTHING

    def _takes(self, name: str) -> _Defined | None:
        """Return the function of that name, if it may execute what it is given."""
        defined = self._functions.get(name)
        return defined if defined is not None and defined.executes else None

    def plpgsql(
        self, statement: bytes, text: str, given: Environment | None = None
    ) -> tuple[Action, ...]:
        """Return what a body of PL/pgSQL does, in order; raises :class:`Unreadable`.

        *statement* is the whole DO or CREATE FUNCTION, *text* its body, *given* what is known of
        its parameters.
        """
        # The library knows the variables of a trigger, and does not know of this kind at all.
        tree = library.parse_plpgsql(_EVENT.sub(rb"\1trigger      ", statement, count=1))
        if isinstance(tree, Failure):
            raise Unreadable(tree.message)
        try:
            functions = json.loads(tree)
            if not functions:
                raise Unreadable("its body is empty")
            return walk(functions[0]["PLpgSQL_function"], text, self, given) or NOTHING
        except RecursionError as error:
            raise Unreadable("it is nested too deeply") from error
        except (
            IndexError,
            KeyError,
            ValueError,
        ) as error:  # pragma: no cover - another library's tree
            raise Unreadable("its tree is not understood") from error

    # --- calls ------------------------------------------------------------------------------------

    def looks_at(self, names: Sequence[Name]) -> bool:
        """Say whether it matters with what these functions are called."""
        return any(
            name[-1] not in HARMLESS or name[-1] == "set_config" or self._takes(name[-1])
            for name in names
        )

    def called(self, names: Sequence[Name], tree: Any) -> Iterator[Action]:
        """Return what calling these functions does; *tree* is where they are called."""
        for name in names:
            if name[-1] == "set_config":
                yield from _settings(tree)
            elif name[-1] in DROPS:
                yield from _dropped(name[-1], tree)
            elif (defined := self._takes(name[-1])) is not None:
                yield from self._with_arguments(name[-1], defined, tree)
            elif name[-1] not in EXECUTES:
                yield Action(kind=Kind.CALL, name=name)
        if not self.looks_at(names):
            return
        for call in _function_calls(tree):
            words = strings(call.get("funcname", ()))
            last = words[-1] if words else ""
            if (
                last in HARMLESS
                or self._takes(last)
                or (last,) not in {name[-1:] for name in names}
            ):
                continue
            texts = [fold(argument, Environment()) for argument in call.get("args", ())]
            runs = self.wary and last in EXECUTES  # a query, perhaps, that calls what is made here
            risky = [
                text
                for text in texts
                if any(_RISKY.match(item) or (runs and "(" in item) for item in text)
            ]
            for text in risky:
                action = self.execute(text)
                if any(inner.kind is not Kind.OTHER for inner in action.nested):
                    if last in EXECUTES:
                        action = Action(kind=Kind.EXECUTE, label="elsewhere", nested=(action,))
                    yield action
            if (
                last in EXECUTES
                and not risky
                and any(UNKNOWN in item for text in texts for item in text)
            ):
                yield Action(kind=Kind.EXECUTE, label="unknown")

    def given(self, tree: bytes) -> Iterator[Action]:
        """Return what functions that execute what they are given do, as a view calls them."""
        for name in calls(tree):
            if (defined := self._takes(name[-1])) is not None:
                yield from self._with_arguments(name[-1], defined, decoded(tree))

    def _with_arguments(self, name: str, defined: _Defined, tree: Any) -> Iterator[Action]:
        """Return what a function that executes what it is given does with what it is given."""
        parameters = defined.parameters
        for call in _function_calls(tree):
            if strings(call.get("funcname", ()))[-1:] != (name,):
                continue
            values: dict[str, Text] = {}
            for number, argument in enumerate(call.get("args", ())):
                kind, content = sole(argument)
                word = parameters[number] if number < len(parameters) else ""
                if kind == "NamedArgExpr":
                    word, argument = str(content.get("name", "")), content.get("arg", {})  # noqa: PLW2901
                values[f"${number + 1}"] = values[word] = fold(argument, Environment())
            if self._depth < _DEEPEST:
                nested = Reader(self._parse, self, wary=True).plpgsql(
                    defined.statement, defined.text, Environment(values)
                )
                yield Action(kind=Kind.DO, nested=nested)

    def execute(self, texts: Text) -> Action:
        """Return what executing one of these texts does."""
        if len(texts) == 1:
            return self._execute(texts[0])
        each = [self._execute(text) for text in texts]
        return Action(
            kind=Kind.OTHER,
            label="if",
            nested=tuple(each),
        )

    def _execute(self, text: str) -> Action:
        # Its patterns take longer to compile than most scripts to parse, and few scripts need them.
        from sluiceway_sql_libpg_query.guesses import guesses, verb_is_harmless

        constant = UNKNOWN not in text and NAME not in text
        if constant:
            parsed = self._deeper(text)
            if parsed is not None:
                nested = tuple(action for item in parsed for action in item.actions)
                return Action(kind=Kind.EXECUTE, body=text, nested=nested or NOTHING)
        else:
            for unknown in _FILLINGS:
                filled = text.replace(UNKNOWN, unknown).replace(NAME, _MARKS[NAME])
                parsed = self._deeper(filled)
                if parsed is not None:
                    nested = tuple(_unmarked(a) for item in parsed for a in item.actions)
                    if not any(_unsure(action) for action in nested):
                        return Action(kind=Kind.EXECUTE, nested=nested or NOTHING)
        words = text.replace(UNKNOWN, " ").replace(NAME, " ")
        nested = guesses(words)
        if not nested and not constant and verb_is_harmless(text):
            return Action(kind=Kind.EXECUTE, nested=NOTHING)
        if constant:
            return Action(kind=Kind.EXECUTE, body=text, nested=nested, label="unparsable")
        return Action(kind=Kind.EXECUTE, nested=nested, label="" if nested else "unknown")

    def _deeper(self, text: str) -> list[Parsed] | None:
        if self._depth >= _DEEPEST:
            return None
        try:
            return self._parse(text, self)
        except Unreadable:
            return None

    def _calls_of(self, text: str) -> Iterator[Action]:
        """Return every function whose name stands before a bracket in a text, each once."""
        seen: set[str] = set()
        # From bracket to bracket: there are fewer of them than words.
        bracket = text.find("(")
        while bracket >= 0:
            word = _last_word(text, bracket)
            if word and word not in seen:
                seen.add(word)
                parts = [
                    part.strip('"') if part.startswith('"') else part.lower()
                    for part in word.split(".")
                ]
                if all(parts) and (self.wary or parts[-1] not in HARMLESS):
                    yield Action(kind=Kind.CALL, name=tuple(parts))
            bracket = text.find("(", bracket + 1)

    def expression(self, text: str) -> Iterator[Action]:
        """Return what evaluating an expression of a body calls."""
        names = list(self._calls_of(text))
        if names:
            parsed = self._deeper("SELECT " + text)
            if parsed is None:
                yield from names
            else:
                yield from (action for item in parsed for action in item.actions)

    def static(self, text: str) -> tuple[Action, ...]:
        """Return what a statement that stands in a body does; raises :class:`Unreadable`."""
        parsed = self._parse(text, self) if self._depth < _DEEPEST else None
        if parsed is None:
            raise Unreadable("a statement in its body could not be parsed")
        return tuple(action for item in parsed for action in item.actions)


def _any_unknown(actions: Sequence[Action]) -> bool:
    return any(
        (action.kind is Kind.EXECUTE and not action.body) or _any_unknown(action.nested)
        for action in actions
    )


def _last_word(text: str, end: int) -> str:
    """Return the name that stands before *end*, with its dots and quotes."""
    while end and text[end - 1].isspace():
        end -= 1
    start = end
    while start and (text[start - 1].isalnum() or text[start - 1] in _IN_NAME):
        start -= 1
    return text[start:end]


def placed(actions: Sequence[Action], piece: str) -> tuple[Action, ...]:
    """Return the actions with their bodies' places in the statement, where its text shows them."""
    found = []
    for action in actions:
        if action.body and action.kind in {Kind.DO, Kind.CREATE_FUNCTION}:
            start = max(piece.find(action.body), 0)
            found.append(
                replace(action, body_offset=start, nested=_all_moved(action.nested, start))
            )
        else:
            found.append(action)
    return tuple(found)


def _moved(action: Action, by: int) -> Action:
    return replace(action, offset=action.offset + by, nested=_all_moved(action.nested, by))


def _all_moved(actions: Sequence[Action], by: int) -> Sequence[Action]:
    if isinstance(actions, LaterActions):
        return LaterActions(lambda: tuple(_moved(each, by) for each in actions))
    return tuple(_moved(each, by) for each in actions)


def _function_calls(tree: Any) -> Iterator[Node]:
    todo = [tree] if type(tree) in _WITHIN else []
    while todo:
        current = todo.pop()
        if isinstance(current, list):
            todo.extend([each for each in current if type(each) in _WITHIN])
            continue
        if "FuncCall" in current and isinstance(call := current["FuncCall"], dict):
            yield call
        todo.extend([each for each in current.values() if type(each) in _WITHIN])


def _dropped(name: str, tree: Any) -> Iterator[Action]:
    """Return what PostGIS drops, which is given a column's table, or a table's schema, before its name,
    and of which table TimescaleDB drops a part.
    """
    for call in _function_calls(tree):
        if strings(call.get("funcname", ()))[-1:] != (name,):
            continue
        given = [fold(each, Environment()) for each in call.get("args", ())]
        words = [text[0] if len(text) == 1 and UNKNOWN not in text[0] else "" for text in given]
        if name == "droptopology":
            yield Action(kind=Kind.DROP_SCHEMA, name=_sure(words), cascade=True)
        elif name in _CHUNKS:
            table = words[0] if words and _NAMED.fullmatch(words[0]) else ""
            yield Action(kind=Kind.TRUNCATE, name=tuple(table.split(".")) if table else ())
        elif name == "dropgeometrytable":
            yield Action(kind=Kind.DROP_TABLE, name=_sure(words[-2:]))
        else:
            column = "".join(words[-1:])
            yield Action(kind=Kind.DROP_COLUMN, name=_sure(words[-3:-1]), column=column)


_CHUNKS = frozenset({"add_drop_chunks_policy", "add_retention_policy", "drop_chunks"})
_NAMED = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)?")


def _sure(words: Sequence[str]) -> Name:
    """Return a name of which every part is known, or none; the schema may be left empty."""
    return tuple(each for each in words if each) if words and words[-1] else ()


def _settings(tree: Any) -> Iterator[Action]:
    for call in _function_calls(tree):
        words = strings(call.get("funcname", ()))
        arguments = call.get("args", ())
        if words and words[-1] == "set_config" and len(arguments) > 1:
            name, value = (fold(item, Environment()) for item in arguments[:2])
            if name != [UNKNOWN]:
                body = "" if UNKNOWN in value[0] else value[0]
                local = any(
                    sole(item)[1].get("boolval", {}).get("boolval") for item in arguments[2:]
                )
                label = "local" if local else ""
                yield Action(kind=Kind.SET, name=(name[0].lower(),), body=body, label=label)


def _unmarked(action: Action) -> Action:
    """Return an action without the placeholders of what is unknown in its names."""
    changes: dict[str, Any] = {}
    for key in ("name", "table", "new_name", "references"):
        value = getattr(action, key)
        if any(word in part for part in value for word in _MARKS.values()):
            changes[key] = ()
    for key in ("column", "constraint_name", "check_not_null"):
        if any(word in getattr(action, key) for word in _MARKS.values()):
            changes[key] = ""
    nested = tuple(_unmarked(inner) for inner in action.nested)
    if nested:
        changes["nested"] = nested
    return replace(action, **changes) if changes else action


def _unsure(action: Action) -> bool:
    """Say whether a column's definition holds something raw: it could say NOT NULL."""
    definition = action.definition
    raw = definition is not None and _MARKS[UNKNOWN] in definition.type
    return raw or any(_unsure(inner) for inner in action.nested)
