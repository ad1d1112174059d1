"""What a rule reads: every path of ``input`` and ``data`` that can take part in its value.

An abstract walk over OPA's syntax tree. Constants are carried through calls, so that
``lib.status("scan")`` reads ``input.evidence.scan.status`` and nothing else; what is not known
before evaluation becomes a wildcard. The answer therefore names at least what is read (it may name
more), whatever the values are.

What a rule reads only to word its message is kept apart from what it judges by: an assignment whose
variable nothing but the head or another such assignment uses decides by nothing but being defined,
and a message must always be (see ``lib.value`` in the policies).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluiceway.policy.seen import (
    ANY,
    UNKNOWN,
    Comparison,
    Keyed,
    Path,
    Reading,
    Seen,
    below,
    elements,
    key_of,
    member,
    union,
)
from sluiceway.policy.tree import aliases, package, rule_name, walk

__all__ = ["Reader", "head_variables", "telling"]

_DEPTH = 80
_ASSIGN = frozenset({"assign", "eq"})
_COMPARE = frozenset({"eq", "equal", "neq", "lt", "lte", "gt", "gte"})


class _Frame:
    """What one body has been seen to do so far."""

    def __init__(self) -> None:
        self.judged: set[Path] = set()
        self.told: set[Path] = set()
        self.comparisons: dict[str, Comparison] = {}
        self.rules: set[tuple[str, str]] = set()

    def compare(self, operator: str, left: Seen, right: Seen) -> None:
        found = Comparison(operator=operator, left=left, right=right)
        self.comparisons[repr(found)] = found

    def take(self, other: Reading | _Frame, *, telling: bool = False) -> None:
        (self.told if telling else self.judged).update(other.judged)
        self.told.update(other.told)
        self.rules.update(other.rules)
        if not telling:
            found = other.comparisons
            known = found.values() if isinstance(found, dict) else found
            self.comparisons.update((repr(each), each) for each in known)

    def reading(self, value: Seen) -> Reading:
        return Reading(
            value=value,
            judged=frozenset(self.judged),
            told=frozenset(self.told - self.judged),
            comparisons=tuple(self.comparisons.values()),
            rules=frozenset(self.rules),
        )


class Reader:
    """Reads the rules of parsed modules.

    Args:
        trees: Syntax trees, one a module; tests are best left out.
    """

    def __init__(self, trees: Sequence[Mapping[str, Any]]) -> None:
        self._rules: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
        self._imports: dict[int, dict[str, str]] = {}
        for tree in trees:
            rules = self._rules.setdefault(package(tree), {})
            known = aliases(tree)
            for rule in tree.get("rules") or []:
                rules.setdefault(rule_name(rule), []).append(rule)
                self._imports[id(rule)] = known
        self._known: dict[Any, Reading] = {}
        self._under_way: set[Any] = set()

    def rule(self, where: str, rule: Mapping[str, Any]) -> Reading:
        """Return what one rule object of package *where* reads."""
        return self._one(where, rule, None, ())

    def named(self, where: str, name: str) -> Reading:
        """Return what all rules called *name* in package *where* read together."""
        return self._named(where, name, None, ())

    def variables(self, where: str, rule: Mapping[str, Any]) -> Mapping[str, Seen]:
        """Return what is known of the variables of one rule object of package *where*."""
        body = _Body(self, where, self._imports.get(id(rule), {}))
        body.expressions(rule.get("body") or [], head_variables(rule["head"]))
        return body.names

    def rules(self) -> Iterator[tuple[str, str]]:
        """Yield package and name of every rule."""
        for where, rules in self._rules.items():
            for name in rules:
                yield where, name

    # -- rules ---------------------------------------------------------------------------------

    def _named(
        self, where: str, name: str, arguments: tuple[Seen, ...] | None, steps: Sequence[Seen]
    ) -> Reading:
        key = (where, name, key_of(arguments), key_of(tuple(steps)))
        if key in self._known:
            return self._known[key]
        if key in self._under_way or len(self._under_way) > _DEPTH:
            return Reading(rules=frozenset({(where, name)}))  # OPA refuses recursion anyway
        self._under_way.add(key)
        frame = _Frame()
        frame.rules.add((where, name))
        values: list[Seen] = []
        for rule in self._rules[where][name]:
            found = self._one(where, rule, arguments, steps)
            frame.take(found)
            values.append(found.value)
        self._under_way.discard(key)
        self._known[key] = frame.reading(union(values))
        return self._known[key]

    def _one(
        self,
        where: str,
        rule: Mapping[str, Any],
        arguments: tuple[Seen, ...] | None,
        steps: Sequence[Seen],
    ) -> Reading:
        head = rule["head"]
        body = _Body(self, where, self._imports.get(id(rule), {}))
        names = [term for term in head.get("args") or [] if term]
        for term, seen in zip(names, arguments or (), strict=False):
            if not body.accept(term, seen):
                return Reading()
        for term, seen in zip(head["ref"][1:], steps, strict=False):
            if not body.accept(term, seen):
                return Reading()
        body.fixed = set(body.names)
        body.expressions(rule.get("body") or [], head_variables(head))
        # A set's elements, and an object's values under the steps of its head.
        contains = "key" in head and "value" not in head
        deeper = len(head["ref"]) - 1 + (1 if contains else 0)
        term = head.get("key") if contains else head.get("value")
        inner = _Frame()
        value = body.term(term, inner) if term else Seen()
        for step in head["ref"][1:]:  # under which key, perhaps by a function: found[kind(x)]
            body.term(step, inner)
        # A wanted value that is true or written out decides by holding at all.
        body.frame.take(inner.reading(Seen()))
        for _ in range(deeper - len(steps)):
            value = Seen(items=(value,))
        frame = body.frame
        other = rule.get("else")
        if other:
            self._imports.setdefault(id(other), self._imports.get(id(rule), {}))
            more = self._one(where, {**other, "head": {**head, **other["head"]}}, arguments, steps)
            frame.take(more)
            value = union([value, more.value])
        return frame.reading(value)

    def target(self, parts: Sequence[str]) -> tuple[str, str, int] | None:
        """Return the rule that ``data.<parts>`` names, and how many parts that takes."""
        for length in range(len(parts) - 1, 0, -1):
            where = ".".join(parts[:length])
            if parts[length] in self._rules.get(where, {}):
                return where, parts[length], length + 1
        return None

    def inside(self, parts: Sequence[str]) -> list[tuple[str, str]]:
        """Return every rule at or below ``data.<parts>``, read as one document."""
        prefix = ".".join(parts)
        return [
            (where, name)
            for where, name in self.rules()
            if where == prefix or where.startswith(f"{prefix}.")
        ]

    def names(self, where: str) -> Mapping[str, Any]:
        """Return the rules of package *where*."""
        return self._rules.get(where, {})


class _Body:
    """One rule's variables and what its body reads."""

    def __init__(self, reader: Reader, where: str, imports: Mapping[str, str]) -> None:
        self._reader = reader
        self._where = where
        self._imports = imports
        self.names: dict[str, Seen] = {}
        self.fixed: set[str] = set()
        """Variables whose value the caller gave."""
        self.frame = _Frame()

    def accept(self, term: Mapping[str, Any], seen: Seen) -> bool:
        """Bind a parameter; ``False`` when a constant one is known to be another."""
        if term["type"] == "var":
            self.names[str(term["value"])] = seen
            return True
        if term["type"] in {"string", "number", "boolean", "null"}:
            known = seen.constants and not seen.facts and seen.items is None
            return not known or term.get("value") in seen.constants
        return True

    def expressions(self, body: Sequence[Mapping[str, Any]], head: set[str]) -> None:
        """Walk a body: once to learn what its variables are, once to record."""
        for expression in body:
            self.expression(expression, _Frame())
        words = telling(body, head)
        for index, expression in enumerate(body):
            frame = _Frame()
            self.expression(expression, frame)
            self.frame.take(frame, telling=index in words)

    def expression(self, expression: Mapping[str, Any], frame: _Frame) -> None:
        """Walk one expression of a body."""
        terms = expression.get("terms")
        for modifier in expression.get("with") or []:
            self.term(modifier["value"], frame)
        if isinstance(terms, list):
            self._call(terms, frame)
        elif isinstance(terms, Mapping) and "symbols" in terms:
            for symbol in terms["symbols"] or []:
                if symbol.get("type") == "call":
                    self._call(symbol["value"], frame)
        elif isinstance(terms, Mapping) and "domain" in terms:
            domain = self.term(terms["domain"], frame)
            self._bind(terms.get("key"), UNKNOWN)
            self._bind(terms.get("value"), elements(domain))
            for inner in terms.get("body") or []:
                self.expression(inner, frame)
        elif isinstance(terms, Mapping):
            self.term(terms, frame)

    def term(self, term: Mapping[str, Any] | None, frame: _Frame) -> Seen:  # noqa: PLR0911, PLR0912 - one branch for each kind of term
        """Walk a term and return what is known of its value."""
        if not term:
            return Seen()
        kind, value = term.get("type"), term.get("value")
        match kind:
            case "string" | "number" | "boolean":
                return Seen(constants=(value,))
            case "null":
                return Seen(constants=(None,))
            case "var":
                return self._variable(str(value), frame)
            case "ref":
                return self._reference(list(value or []), frame)
            case "call":
                return self._call(list(value or []), frame)
            case "array" | "set":
                items = tuple(self.term(item, frame) for item in value or [])
                return Seen(items=items)
            case "object":
                pairs = [(self.term(k, frame), self.term(v, frame)) for k, v in value or []]
                names = [k["value"] for k, _ in value or [] if k.get("type") == "string"]
                return Seen(
                    items=tuple(v for _, v in pairs),
                    keys=tuple(names) if len(names) == len(pairs) else None,
                )
            case "arraycomprehension" | "setcomprehension" | "objectcomprehension":
                for _ in range(2):
                    for inner in (value or {}).get("body") or []:
                        self.expression(inner, frame)
                made = (value or {}).get("term") or (value or {}).get("value")
                return Seen(items=(self.term(made, frame),))
        for inner in walk(value):
            if inner is not value and inner.get("type") in {"ref", "call"}:
                self.term(inner, frame)
        return UNKNOWN

    def _variable(self, name: str, frame: _Frame) -> Seen:
        if name in self.names:
            return self.names[name]
        if name in {"input", "data"} or name in self._imports or name in self._rules_here():
            return self._reference([{"type": "var", "value": name}], frame)
        return UNKNOWN

    def _rules_here(self) -> Mapping[str, Any]:
        return self._reader.names(self._where)

    def _reference(self, value: list[Mapping[str, Any]], frame: _Frame) -> Seen:
        head = value[0]
        name = str(head.get("value"))
        steps = [self._step(part, frame) for part in value[1:]]
        if head.get("type") != "var":
            return self._deeper(self.term(head, frame), steps, frame)
        if name in self.names:
            return self._deeper(self.names[name], steps, frame)
        if name in self._rules_here():
            return self._rule(self._where, name, steps, frame)
        if name in self._imports:
            path = self._imports[name].split(".")
            name, steps = path[0], [*(Seen(constants=(part,)) for part in path[1:]), *steps]
        if name == "input":
            return self._deeper(Seen(facts=frozenset({("input",)})), steps, frame)
        if name == "data":
            return self._data(steps, frame)
        return UNKNOWN

    def _data(self, steps: list[Seen], frame: _Frame) -> Seen:
        parts: list[str] = []
        for step in steps:
            if len(step.constants) != 1 or step.facts or not isinstance(step.constants[0], str):
                break
            parts.append(step.constants[0])
        found = self._reader.target(parts)
        if found:
            where, name, length = found
            return self._rule(where, name, steps[length:], frame)
        for where, name in self._reader.inside(parts) if len(parts) == len(steps) else []:
            frame.take(self._reader.named(where, name))
        return self._deeper(Seen(facts=frozenset({("data",)})), steps, frame)

    def _rule(self, where: str, name: str, steps: list[Seen], frame: _Frame) -> Seen:
        found = self._reader._named(where, name, None, tuple(steps))  # noqa: SLF001 - one room
        frame.take(found)
        depth = max(len(rule["head"]["ref"]) - 1 for rule in self._reader.names(where)[name])
        return self._deeper(found.value, steps[depth:], frame)

    def _step(self, part: Mapping[str, Any], frame: _Frame) -> Seen:
        if part.get("type") == "var" and str(part["value"]) not in self.names:
            if str(part["value"]) in self._rules_here():
                return self._variable(str(part["value"]), frame)
            return UNKNOWN
        return self.term(part, frame)

    def _deeper(self, seen: Seen, steps: Sequence[Seen], frame: _Frame) -> Seen:
        """Return what stands *steps* below a value, recording the paths that are read."""
        for step in steps:
            facts = {(*path, part) for path in seen.facts for part in _parts(step)}
            inner = member(seen, step)
            constants = tuple(one for constant in seen.constants for one in below(constant, step))
            seen = Seen(
                constants=(*constants, *inner.constants),
                facts=frozenset(facts) | inner.facts,
                items=inner.items,
                keys=inner.keys,
                anything=seen.anything or inner.anything,
            )
        frame.judged.update(path for path in seen.facts if len(path) > 1)
        return seen

    # -- calls -----------------------------------------------------------------------------------

    def _call(self, terms: list[Mapping[str, Any]], frame: _Frame) -> Seen:  # noqa: PLR0911 - one return for each kind of call
        name = _dotted(terms[0])
        arguments = terms[1:]
        if name in _ASSIGN:
            return self._assign(arguments, name, frame)
        if name.startswith("internal.member_"):
            return self._member(arguments, frame)
        seen = tuple(self.term(argument, frame) for argument in arguments)
        if name in _COMPARE:
            frame.compare(name, seen[0], seen[1])
            return UNKNOWN
        if name == "object.get":
            quiet = _Frame()  # the object itself is not read as a whole
            inner = self.term(arguments[0], quiet)
            frame.judged.difference_update(inner.facts)
            keys = seen[1].items if seen[1].items is not None else (seen[1],)
            constants = seen[1].constants
            if len(constants) == 1 and isinstance(constants[0], list | tuple):
                keys = tuple(Seen(constants=(item,)) for item in constants[0])
            return union([self._deeper(inner, keys, frame), seen[2]])
        user = self._user(terms[0])
        if user:
            found = self._reader._named(*user, seen, ())  # noqa: SLF001 - one room
            frame.take(found)
            return found.value
        if name in {"or", "and", "array.concat"}:
            return union(list(seen))
        if name in {"minus", "sort", "object.filter", "object.remove"}:
            return seen[0]
        frame.judged.update(path for each in seen for path in each.facts)
        return UNKNOWN

    def _user(self, operator: Mapping[str, Any]) -> tuple[str, str] | None:
        parts = _dotted(operator).split(".")
        if len(parts) == 1 and parts[0] in self._rules_here():
            return self._where, parts[0]
        path = self._imports.get(parts[0], parts[0] if parts[0] == "data" else "").split(".")
        if path[0] != "data":
            return None
        found = self._reader.target([*path[1:], *parts[1:]])
        return found[:2] if found else None

    def _assign(self, terms: list[Mapping[str, Any]], name: str, frame: _Frame) -> Seen:
        left, right = terms[0], terms[1]
        value = self.term(right, frame)
        if left.get("type") == "var" and str(left["value"]) not in self.fixed:
            self._bind(left, value)
            return Seen()
        other = self.term(left, frame)
        if name == "eq":
            frame.compare("equal", other, value)
        elif left.get("type") == "array" and value.items:
            for part, item in zip(left["value"], value.items, strict=False):
                self._bind(part, item)
        return Seen()

    def _member(self, terms: list[Mapping[str, Any]], frame: _Frame) -> Seen:
        collection = self.term(terms[-1], frame)
        one = elements(collection)
        frame.judged.update(path for path in one.facts if path[-1] == ANY)
        member = terms[-2]
        free = member.get("type") == "var" and str(member["value"]) not in self.fixed
        if len(terms) == 3:  # noqa: PLR2004 - key, value, collection
            self._bind(terms[0], UNKNOWN)
        if free and str(member["value"]) not in self._rules_here():
            self._bind(member, one)
            return Seen()
        value = self.term(member, frame)
        frame.compare("in", value, collection)
        return Seen()

    def _bind(self, term: Mapping[str, Any] | None, seen: Seen) -> None:
        if term and term.get("type") == "var" and str(term["value"]) not in self.fixed:
            self.names[str(term["value"])] = seen


def telling(body: Sequence[Mapping[str, Any]], head: set[str]) -> set[int]:
    """Return the indices of assignments that only make words."""
    made: dict[int, str] = {}
    used: dict[int, set[str]] = {}
    for index, expression in enumerate(body):
        terms = expression.get("terms")
        used[index] = {str(node["value"]) for node in walk(terms) if node.get("type") == "var"}
        if isinstance(terms, list) and _dotted(terms[0]) == "assign" and not expression.get("with"):
            target = terms[1]
            if target.get("type") == "var":
                made[index] = str(target["value"])
                used[index].discard(made[index])
    words = set(made)
    while True:
        kept = {
            index
            for index in words
            if all(made[index] not in used[other] for other in used if other not in words)
            and (made[index] in head or any(made[index] in used[other] for other in words))
        }
        if kept == words:
            return kept
        words = kept


def head_variables(head: Mapping[str, Any]) -> set[str]:
    """Return the variables that a rule's value is made of, unless it is true or false."""
    if "value" in head and head["value"].get("type") == "boolean":
        return set()
    parts = [head.get("key"), head.get("value")]
    return {str(node["value"]) for node in walk(parts) if node.get("type") == "var"}


def _parts(step: Seen) -> list[Any]:
    found: list[Any] = [item for item in step.constants if isinstance(item, str | int)]
    if step.facts:
        found.append(Keyed(step.facts))
    return [*found, ANY] if step.anything or not found else found


def _dotted(operator: Mapping[str, Any]) -> str:
    parts = operator.get("value") or []
    return ".".join(str(part.get("value")) for part in parts if isinstance(part, Mapping))
