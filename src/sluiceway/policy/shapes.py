"""What an input's schema says about the paths that rules read, before any input is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluiceway.policy.seen import ANY, Keyed

__all__ = ["could_be", "impossible_step", "shapes"]

Shape = Mapping[str, Any]


def shapes(schema: Shape, steps: Sequence[Any]) -> list[Shape]:
    """Return every schema that may hold *steps* below, conditions taken as met or not.

    As in OPA's own type check, an object that lists properties has no others, unless the schema
    says what they are. An object or value that says nothing may be anything: an empty schema.
    """
    found = [schema]
    for step in steps:
        found = [inner for each in found for inner in _below(each, step, schema)]
    return [inner for each in found for inner in _ways(each, schema)]


def impossible_step(schema: Shape, steps: Sequence[Any]) -> Any:
    """Return the first of *steps* that no input can have, or ``None``."""
    for length, step in enumerate(steps, 1):
        if not shapes(schema, steps[:length]):
            return step
    return None


def could_be(shape: Shape, value: Any) -> bool:
    """Say whether something of this shape can equal *value*."""
    if "const" in shape:
        return bool(shape["const"] == value)
    if shape.get("enum"):
        return value in shape["enum"]
    kinds = shape.get("type")
    if not kinds:
        return True
    return _kind(value) in [
        "number" if kind == "integer" else kind
        for kind in (kinds if isinstance(kinds, list) else [kinds])
    ]


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}
    return names.get(type(value), "array" if isinstance(value, list | tuple) else "object")


def _ways(shape: Shape, root: Shape) -> Iterator[Shape]:
    """Yield a schema and what it says under its condition, references followed."""
    reference = shape.get("$ref")
    if isinstance(reference, str):
        inner = (root.get("$defs") or {}).get(reference.removeprefix("#/$defs/"))
        if isinstance(inner, Mapping):
            yield from _ways(inner, root)
        return
    yield shape
    then = shape.get("then")
    if isinstance(then, Mapping):
        yield from _ways(then, root)


def _below(shape: Shape, step: Any, root: Shape) -> Iterator[Shape]:
    ways = list(_ways(shape, root))
    says = False
    for way in ways:
        inner: list[Shape] = []
        properties = way.get("properties") or {}
        unknown = step == ANY or isinstance(step, Keyed)
        if unknown:
            inner += [each for each in properties.values() if isinstance(each, Mapping)]
        elif isinstance(step, str) and step in properties:
            inner.append(properties[step])
        more = way.get("additionalProperties")
        if isinstance(more, Mapping) and (unknown or step not in properties):
            inner.append(more)
        items = way.get("items")
        if isinstance(items, Mapping) and (unknown or isinstance(step, int)):
            inner.append(items)
        says = says or bool(properties or more is not None or items is not None)
        yield from inner
    kinds = {str(kind) for way in ways for kind in _listed(way.get("type"))}
    if not says and (not kinds or kinds & {"object", "array"}):
        yield {}


def _listed(kinds: Any) -> list[Any]:
    return kinds if isinstance(kinds, list) else [kinds] if kinds else []
