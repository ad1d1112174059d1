"""Denials that their own words can take back.

A rule that names in its message what may not be there (``sprintf("%s", [input.image.owner])``) is
undefined without it: nothing is refused, and nothing is said. So what only the words need has to be
certain: by the gate's schema, by a condition of the rule, by the data, or by a default
(``object.get``, ``lib.value``). Looked for is what can be known of a path of ``input`` and ``data``
before evaluation; what a function of the policies has looked at is taken to be as it should be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sluiceway.policy.engine import Bundle
from sluiceway.policy.reading import Reader, head_variables, telling
from sluiceway.policy.seen import ANY, Path, Reading, Seen
from sluiceway.policy.shapes import shapes
from sluiceway.policy.tree import FINDING_SETS, aliases, package, rule_name, rule_rows

__all__ = ["fragile_words"]

_COMPREHENSIONS = frozenset({"arraycomprehension", "setcomprehension", "objectcomprehension"})
"""What is undefined inside of these makes them empty, not undefined."""
_Reference = tuple[str, ...]
"""The steps of a reference without any that only evaluation knows; the first is a variable."""


def fragile_words(
    bundle: Bundle,
    trees: Mapping[str, Mapping[str, Any]],
    reader: Reader,
    gates: Mapping[str, Reading],
) -> Iterator[tuple[str, int, str]]:
    """Yield file, row and what may be missing of each rule whose words need more than its conditions.

    Args:
        bundle: The policies with their data and schemas.
        trees: File to syntax tree, tests aside.
        reader: Has read them.
        gates: What each gate's decision reads.
    """
    for file, tree in trees.items():
        where, rules = package(tree), tree.get("rules") or []
        schemas = [
            bundle.schemas[gate]
            for gate, reading in gates.items()
            if any(place == where for place, _ in reading.rules)
        ]
        functions = {"data", *reader.names(where), *aliases(tree)}
        for rule, row in zip(rules, rule_rows(bundle.modules[file], tree) or [], strict=False):
            found = any(sets.fullmatch(rule_name(rule)) for sets in FINDING_SETS.values())
            if found and not rule["head"].get("args"):
                known = {"input": Seen(facts=frozenset({("input",)}))}
                known |= {"data": Seen(facts=frozenset({("data",)}))}
                known |= reader.variables(where, rule)
                for reference in _uncertain(rule, known, functions, schemas, bundle.data):
                    yield file, row, ".".join(reference)


def _uncertain(
    rule: Mapping[str, Any],
    known: Mapping[str, Seen],
    functions: Collection[str],
    schemas: Sequence[Mapping[str, Any]],
    data: Mapping[str, Any],
) -> Iterator[_Reference]:
    head, body = rule["head"], rule.get("body") or []
    words = telling(body, head_variables(head))
    conditions = [
        each.get("terms")
        for index, each in enumerate(body)
        if index not in words and not each.get("negated")
    ]
    held = set(_references(conditions))
    looked_at = set(_looked_at(conditions, functions))
    said = [head.get("key"), head.get("value"), *(body[index]["terms"][2] for index in words)]
    for reference in sorted(set(_references(said))):
        root, seen = reference[0], known.get(reference[0])
        if len(reference) == 1 or seen is None or root in looked_at or _is_held(reference, held):
            continue
        if seen.constants or seen.items is not None or seen.anything or not seen.facts:
            continue  # nobody knows what it is
        if not all(_certain(path, reference, held, schemas, data) for path in seen.facts):
            yield reference


def _is_held(reference: _Reference, held: set[_Reference]) -> bool:
    """Whether a condition refers to it, or to something below it."""
    return any(each[: len(reference)] == reference for each in held)


def _references(node: Any) -> Iterator[_Reference]:
    """Yield the references of terms outside of comprehensions and of bodies of their own."""
    if isinstance(node, list):
        for each in node:
            yield from _references(each)
    elif isinstance(node, Mapping):
        kind, value = node.get("type"), node.get("value")
        if kind in _COMPREHENSIONS or "domain" in node:
            yield from _references(node.get("domain"))
        elif kind == "ref" and isinstance(value, list):
            if all(part.get("type") == "string" for part in value[1:]):
                yield tuple(str(part["value"]) for part in value)
            yield from _references(value[1:])
        elif kind == "call" and isinstance(value, list):
            yield from _references(value[1:])  # its operator is a reference, too
        else:
            for each in node.values():
                yield from _references(each)


def _looked_at(conditions: Sequence[Any], functions: Collection[str]) -> Iterator[str]:
    """Yield the variables that a condition hands to a function of the policies."""
    for terms in conditions:
        if isinstance(terms, list) and str(terms[0]["value"][0].get("value")) in functions:
            for argument in terms[1:]:
                if argument.get("type") == "var":
                    yield str(argument["value"])


def _certain(
    path: Path,
    reference: _Reference,
    held: set[_Reference],
    schemas: Sequence[Mapping[str, Any]],
    data: Mapping[str, Any],
) -> bool:
    """Say whether what stands at *path* surely has what *reference* names below its first step."""
    if path[0] == "data":
        return _in_data(data, (*path[1:], *reference[1:]))
    return bool(schemas) and all(
        _required(shape, schema, reference, held)
        for schema in schemas
        for shape in shapes(schema, path[1:])
    )


def _in_data(value: Any, steps: Sequence[Any]) -> bool:
    for step in steps:
        if not isinstance(step, str) or step == ANY:
            return True  # what lists and tables hold nobody says
        if not isinstance(value, Mapping) or step not in value:
            return False
        value = value[step]
    return True


def _required(
    shape: Mapping[str, Any],
    root: Mapping[str, Any],
    reference: _Reference,
    held: set[_Reference],
) -> bool:
    """Say whether everything of this shape has what *reference* names below its first step."""
    for length in range(1, len(reference)):
        while isinstance(shape.get("$ref"), str):
            shape = (root.get("$defs") or {}).get(shape["$ref"].removeprefix("#/$defs/")) or {}
        if not _is_held(reference[: length + 1], held):
            kinds = shape.get("type")
            kinds = set(kinds) if isinstance(kinds, list) else {kinds}
            # A condition that has looked below it was given an object.
            deeper = any(
                len(each) > length and each[:length] == reference[:length] for each in held
            )
            if kinds != {"object"} and not (deeper and "object" in kinds):
                return False
            if reference[length] not in (shape.get("required") or ()):
                return False
        shape = (shape.get("properties") or {}).get(reference[length]) or {}
    return True
