"""What can be known of a value before evaluation: constants it may be, places it may stand at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluiceway.record import Record

__all__ = [
    "ANY",
    "UNKNOWN",
    "Comparison",
    "Keyed",
    "Path",
    "Reading",
    "Seen",
    "below",
    "elements",
    "key_of",
    "member",
    "shown_path",
    "union",
]

ANY = "*"
"""A step that only evaluation knows."""


class Keyed(Record, kw_only=False):
    """A step whose name is the value found at one of these paths."""

    by: frozenset[Path]


Path = tuple["str | int | Keyed", ...]
"""Begins with ``input`` or ``data``."""


class Seen(Record):
    """What is known of a value before evaluation."""

    constants: tuple[Any, ...] = ()
    """It may be one of these (JSON data)."""
    facts: frozenset[Path] = frozenset()
    """It may be what stands at one of these paths."""
    items: tuple[Seen, ...] | None = None
    """Its elements, when it is written as a list, a set or an object."""
    keys: tuple[str, ...] | None = None
    """The name of each of these, when it is written as an object and they are written there."""
    anything: bool = False
    """It may be something else as well."""


UNKNOWN = Seen(anything=True)


class Comparison(Record):
    """One comparison that a rule makes: ``eq``, ``neq``, ``lt``, ... or ``in``."""

    operator: str
    left: Seen
    right: Seen


class Reading(Record):
    """What a rule reads."""

    value: Seen = Seen()
    judged: frozenset[Path] = frozenset()
    """Paths that decide whether the rule holds."""
    told: frozenset[Path] = frozenset()
    """Paths that only its words are made of."""
    comparisons: tuple[Comparison, ...] = ()
    rules: frozenset[tuple[str, str]] = frozenset()
    """Package and name of every rule that takes part."""


def shown_path(path: Sequence[Any]) -> str:
    """Return a path as one would write it in Rego: ``input.evidence.scan.facts["x y"]``."""
    text = str(path[0])
    for part in path[1:]:
        if isinstance(part, Keyed):
            text += "[" + " or ".join(sorted(shown_path(by) for by in part.by)) + "]"
        elif part == ANY:
            text += "[_]"
        elif isinstance(part, str) and part.isidentifier():
            text += f".{part}"
        else:
            text += f'["{part}"]' if isinstance(part, str) else f"[{part}]"
    return text


def below(constant: Any, step: Seen) -> Iterator[Any]:
    """Yield what stands one step below a constant."""
    if isinstance(constant, Mapping):
        for key in step.constants:
            if key in constant:
                yield constant[key]


def elements(collection: Seen) -> Seen:
    """Return what one element of a list or set may be."""
    constants: list[Any] = []
    for constant in collection.constants:
        if isinstance(constant, list | tuple):
            constants += constant
    inner = union(list(collection.items or ()))
    return Seen(
        constants=(*constants, *inner.constants),
        facts=frozenset((*path, ANY) for path in collection.facts) | inner.facts,
        items=inner.items,
        keys=inner.keys,
        anything=collection.anything or inner.anything,
    )


def member(collection: Seen, step: Seen) -> Seen:
    """Return what stands in a list, set or object that is written out, under *step*."""
    items = collection.items or ()
    if collection.keys is not None and step.constants and not step.facts and not step.anything:
        named = zip(collection.keys, items, strict=True)
        items = tuple(item for key, item in named if key in step.constants)
    return union(items)


def union(values: Sequence[Seen]) -> Seen:
    """Return what a value may be that is one of these."""
    constants: list[Any] = []
    for value in values:
        constants += [each for each in value.constants if _unlike(each, constants)]
    written = [value for value in values if value.items is not None]
    named = bool(written) and all(value.keys is not None for value in written)
    return Seen(
        constants=tuple(constants),
        facts=frozenset(path for value in values for path in value.facts),
        items=tuple(item for each in written for item in each.items or ()) if written else None,
        keys=tuple(key for each in written for key in each.keys or ()) if named else None,
        anything=any(value.anything for value in values),
    )


def _unlike(value: Any, known: list[Any]) -> bool:
    return all(value != each or isinstance(value, bool) != isinstance(each, bool) for each in known)


def key_of(value: Any) -> Any:
    """Return something to look up what was seen by."""
    if isinstance(value, Seen):
        return (repr(value.constants), value.facts, key_of(value.items), value.keys, value.anything)
    if isinstance(value, tuple):
        return tuple(key_of(item) for item in value)
    return value
