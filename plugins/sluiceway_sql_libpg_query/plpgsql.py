"""The tree of a PL/pgSQL body to its actions, with what its variables hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.migrations.records import Action, Kind
from sluiceway.record import replace
from sluiceway_sql_libpg_query.folding import UNKNOWN, Environment, Text, fold, fold_text, targets
from sluiceway_sql_libpg_query.nodes import Node, sole

if TYPE_CHECKING:
    from sluiceway_sql_libpg_query.bodies import Reader

__all__ = ["walk"]

_ASSIGNED = re.compile(r"(?s)\s*[\w$.\"\[\]]+(?:\s*\[[^\]]*\])*\s*:?=\s*(.*)")


def walk(
    function: Node, text: str, reader: Reader, given: Environment | None = None
) -> tuple[Action, ...]:
    """Return what the body of a ``PLpgSQL_function`` does, in the order in which it stands there.

    Both branches of an IF count; what stands in one, in a loop or in a block with a handler is
    inside an action labelled ``if``, because it may not run.
    """
    walker = _Walker(function, text, reader)
    environment = given or Environment()
    actions = list(walker.defaults(environment))
    actions.extend(walker.statements([function.get("action", {})], environment))
    return tuple(actions)


class _Walker:
    def __init__(self, function: Node, text: str, reader: Reader) -> None:
        self._reader = reader
        self._text = text
        self._lines = [0]
        self._lines.extend(match.end() for match in re.finditer("\n", text))
        self._datums: list[Node] = list(function.get("datums", ()))
        names = Counter(str(sole(datum)[1].get("refname", "")).lower() for datum in self._datums)
        self._several = {name for name, number in names.items() if number > 1}
        """Variables of inner blocks that hide others: which one is meant is not followed."""
        self._guarded = 0
        """How many blocks with a handler are around: what was assigned before an error counts there."""

    def _set(self, name: str, texts: Text, environment: Environment) -> None:
        if self._guarded or name.partition(".")[0] in self._several:
            environment.add(name, texts)
        else:
            environment.values[name] = texts

    def defaults(self, environment: Environment) -> Iterator[Action]:
        for datum in self._datums:
            _, content = sole(datum)
            name = str(content.get("refname", "")).lower()
            query = _query(content.get("default_val"))
            if query:
                self._set(name, fold_text(query, environment), environment)
                yield from self._calls(query, content.get("lineno", 1))
            if "cursor_explicit_expr" in content:
                yield from self._calls(_query(content["cursor_explicit_expr"]), 1)

    def statements(self, items: Sequence[Node], environment: Environment) -> Iterator[Action]:
        for item in items:
            kind, content = sole(item)
            handler = getattr(self, "_" + kind[len("PLpgSQL_stmt_") :], None) if kind else None
            if handler is None:
                yield from self._rest(content, content.get("lineno", 1), environment)
            else:
                yield from handler(content, content.get("lineno", 1), environment)

    # --- blocks and branches ----------------------------------------------------------------------

    def _block(self, node: Node, _line: int, environment: Environment) -> Iterator[Action]:
        handlers = node.get("exceptions", {}).get("PLpgSQL_exception_block", {}).get("exc_list", ())
        if not handlers:
            yield from self.statements(node.get("body", ()), environment)
            return
        self._guarded += 1
        body = list(self.statements(node.get("body", ()), environment))
        self._guarded -= 1
        yield from _maybe(body)
        for item in handlers:
            content: Node = item.get("PLpgSQL_exception", {})
            yield from _maybe(list(self.statements(content.get("action", ()), environment)))

    def _if(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        yield from self._calls(_query(node.get("cond")), line)
        branches = [node.get("then_body", ())]
        for item in node.get("elsif_list", ()):
            content: Node = item.get("PLpgSQL_if_elsif", {})
            yield from self._calls(_query(content.get("cond")), line)
            branches.append(content.get("stmts", ()))
        branches.append(node.get("else_body", ()))
        yield from self._branches(branches, environment)

    def _case(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        yield from self._calls(_query(node.get("t_expr")), line)
        branches = []
        for item in node.get("case_when_list", ()):
            content: Node = item.get("PLpgSQL_case_when", {})
            yield from self._calls(_query(content.get("expr")), line)
            branches.append(content.get("stmts", ()))
        branches.append(node.get("else_stmts", ()))
        yield from self._branches(branches, environment)

    def _branches(
        self, branches: Sequence[Sequence[Node]], environment: Environment
    ) -> Iterator[Action]:
        ends = []
        for branch in branches:
            own = environment.copy()
            yield from _maybe(list(self.statements(branch, own)))
            ends.append(own)
        environment.values = ends[0].values
        environment.join(*ends[1:])

    def _loop(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        yield from self._calls(_query(node.get("cond")), line)
        # Once for what a turn leaves in the variables, once for what the next does with that.
        before = environment.copy()
        list(self.statements(node.get("body", ()), environment))
        environment.join(before)
        yield from _maybe(list(self.statements(node.get("body", ()), environment)))
        environment.join(before)

    def _while(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        yield from self._loop(node, line, environment)

    def _fori(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        for bound in ("lower", "upper", "step"):
            yield from self._calls(_query(node.get(bound)), line)
        yield from self._loop(node, line, environment)

    def _foreach_a(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        name = self._variable(node.get("varno"))
        query = _query(node.get("expr"))
        self._set(name, _elements(query, environment), environment)
        yield from self._calls(query, line)
        yield from self._loop(node, line, environment)

    def _fors(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        query = _query(node.get("query"))
        self._assign_row(node.get("var", {}), query, environment)
        yield from self._static(query, line)
        yield from self._loop(node, line, environment)

    def _forc(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        yield from self._calls(_query(node.get("argquery")), line)
        self._forget(node.get("var", {}), environment)
        yield from self._loop(node, line, environment)

    def _dynfors(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        yield from self._dynexecute(node, line, environment)
        self._forget(node.get("var", {}), environment)
        yield from self._loop(node, line, environment)

    # --- statements -------------------------------------------------------------------------------

    def _execsql(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        query = _query(node.get("sqlstmt"))
        if node.get("into"):
            self._assign_row(node.get("target", {}), query, environment)
        yield from self._static(query, line)

    def _perform(self, node: Node, line: int, _environment: Environment) -> Iterator[Action]:
        yield from self._static(_query(node.get("expr")), line)

    def _call(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        query = _query(node.get("expr"))
        yield from self._static(query, line)
        # A procedure may change what it is given.
        given = {word.lower() for word in re.findall(r"[\w$]+", query)}
        for name in environment.values:
            if name.partition(".")[0] in given:
                environment.values[name] = [UNKNOWN]

    def _getdiag(self, node: Node, _line: int, environment: Environment) -> Iterator[Action]:
        for item in node.get("diag_items", ()):
            target = item.get("PLpgSQL_diag_item", {}).get("target", 0)
            environment.values[self._variable(target)] = [UNKNOWN]
        return iter(())

    def _dynexecute(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        query = _query(node.get("query"))
        for each in (query, *(_query(given) for given in node.get("params", ()))):
            yield from self._calls(each, line)
        offset = self._offset(query, line)
        action = self._reader.execute(fold_text(query, environment))
        yield _at(action, offset)
        if node.get("into"):
            self._forget(node.get("target", {}), environment)

    def _return_query(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        if "dynquery" in node:
            given = {"query": node["dynquery"], "params": node.get("params", ())}
            yield from self._dynexecute(given, line, environment)
        yield from self._calls(_query(node.get("argquery")), line)
        yield from self._static(_query(node.get("query")), line)

    def _open(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        yield from self._return_query(node, line, environment)

    def _assign(self, node: Node, line: int, environment: Environment) -> Iterator[Action]:
        query = _query(node.get("expr"))
        name = self._variable(node.get("varno"))
        assigned = _ASSIGNED.fullmatch(query)
        value = assigned.group(1) if assigned else query
        self._set(name, fold_text(value, environment), environment)
        yield from self._calls(value, line)

    def _fetch(self, node: Node, _line: int, environment: Environment) -> Iterator[Action]:
        self._forget(node.get("target", {}), environment)
        return iter(())

    def _rest(self, content: Any, line: int, _environment: Environment) -> Iterator[Action]:
        """Every expression of a statement that has no method here: what it calls."""
        todo = [content]
        while todo:
            current = todo.pop()
            if isinstance(current, list):
                todo.extend(current)
            elif isinstance(current, dict):
                if "PLpgSQL_expr" in current:
                    yield from self._calls(_query(current), line)
                todo.extend(current.values())

    # --- texts ------------------------------------------------------------------------------------

    def _static(self, query: str, line: int) -> Iterator[Action]:
        if query:
            offset = self._offset(query, line)
            for action in self._reader.static(query):
                yield _at(action, offset)

    def _calls(self, query: str, line: int) -> Iterator[Action]:
        if "(" in query:
            offset = self._offset(query, line)
            for action in self._reader.expression(query):
                yield _at(action, offset)

    def _offset(self, query: str, line: int) -> int:
        start = self._lines[min(max(line, 1), len(self._lines)) - 1]
        found = self._text.find(query, start)
        return found if found >= 0 else start

    # --- variables --------------------------------------------------------------------------------

    def _variable(self, number: Any) -> str:
        if not isinstance(number, int) or not 0 <= number < len(self._datums):
            return "?"
        kind, content = sole(self._datums[number])
        if kind == "PLpgSQL_recfield":
            parent = self._variable(content.get("recparentno"))
            return f"{parent}.{str(content.get('fieldname', '')).lower()}"
        return str(content.get("refname", "?")).lower()

    def _assign_row(self, target: Node, query: str, environment: Environment) -> None:
        kind, content = sole(target)
        columns = targets(query)
        if kind == "PLpgSQL_rec":
            record = str(content.get("refname", "")).lower()
            for name, node in columns.items():
                value = fold(node, environment) if node else [UNKNOWN]
                self._set(f"{record}.{name.lower()}", value, environment)
            return
        names = [str(item.get("name", "")).lower() for item in content.get("fields", ())]
        if kind == "PLpgSQL_var":
            names = [str(content.get("refname", "")).lower()]
        values = list(columns.values())
        for number, name in enumerate(names):
            node = values[number] if number < len(values) else {}
            value = fold(node, environment) if node else [UNKNOWN]
            self._set(name, value, environment)

    def _forget(self, target: Node, environment: Environment) -> None:
        kind, content = sole(target)
        names = [str(item.get("name", "")).lower() for item in content.get("fields", ())]
        if kind != "PLpgSQL_row":
            names.append(str(content.get("refname", "")).lower())
        for name in list(environment.values):
            if name in names or name.partition(".")[0] in names:
                environment.values[name] = [UNKNOWN]


def _query(node: Any) -> str:
    if not isinstance(node, dict):
        return ""
    return str(node.get("PLpgSQL_expr", {}).get("query", ""))


def _maybe(actions: Sequence[Action]) -> Iterator[Action]:
    if actions:
        yield Action(kind=Kind.OTHER, label="if", nested=tuple(actions))


def _at(action: Action, offset: int) -> Action:
    nested = tuple(_at(inner, offset) for inner in action.nested)
    return replace(action, offset=offset, nested=nested)


def _elements(query: str, environment: Environment) -> list[str]:
    """Return the elements of an ARRAY of constants."""
    node = next(iter(targets(query).values()), {})
    while "TypeCast" in node:
        node = node["TypeCast"].get("arg", {})
    items = node.get("A_ArrayExpr", {}).get("elements", ())
    found = [text for item in items for text in fold(item, environment)]
    return found or [UNKNOWN]
