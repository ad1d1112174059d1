"""Facts: values at places of a gate's input and data, and what a rule's paths come to for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sluiceway.policy.seen import ANY, Keyed, Path

__all__ = ["MISSING", "Place", "concrete", "look", "outermost", "pointer", "replaced"]

Place = tuple["str | int", ...]
"""A path without wildcards; begins with ``input`` or ``data``."""
_MOST = 40
"""Entries of one list or object that a wildcard stands for."""


class _Missing:
    """No value at all; JSON's null is one."""

    def __repr__(self) -> str:
        return "(missing)"


MISSING = _Missing()


def look(roots: Mapping[str, Any], place: Sequence[str | int]) -> Any:
    """Return the value at *place*, or :data:`MISSING`."""
    value: Any = roots
    for part in place:
        entries = value if isinstance(value, Mapping) else {}
        if isinstance(value, list | tuple):
            entries = dict(enumerate(value))
        if part not in entries:
            return MISSING
        value = entries[part]
    return value


def concrete(path: Path, roots: Mapping[str, Any]) -> tuple[Place, ...]:
    """Return the places that *path* stands for in these values, in their order.

    A step that is another path's value becomes that value; a wildcard becomes what is there.
    """
    places: list[Place] = [()]
    for part in path:
        places = [
            (*place, step)
            for place in places
            for step in _steps(part, look(roots, place) if place else roots, roots)
        ]
    return tuple(dict.fromkeys(places))


def _steps(part: Any, here: Any, roots: Mapping[str, Any]) -> Iterator[str | int]:
    if isinstance(part, Keyed):
        for by in sorted(part.by, key=repr):
            for place in concrete(by, roots):
                value = look(roots, place)
                if isinstance(value, str | int) and not isinstance(value, bool):
                    yield value
    elif part == ANY:
        if isinstance(here, Mapping):
            yield from sorted(here)[:_MOST]
        elif isinstance(here, list | tuple):
            yield from range(min(len(here), _MOST))
    else:
        yield part


def outermost(places: Iterable[Place], roots: Mapping[str, Any]) -> list[Place]:
    """Return the places worth naming, in their order.

    Of what is missing, the beginning where it begins to be missing; of what is there, the
    innermost.
    """
    found: dict[Place, None] = {}
    for place in sorted(places, key=lambda each: [str(part) for part in each]):
        length = next(
            (n for n in range(2, len(place)) if look(roots, place[:n]) is MISSING), len(place)
        )
        found[place[:length]] = None
    inner = {place[:length] for place in found for length in range(1, len(place))}
    return [place for place in found if place not in inner]


def pointer(place: Place) -> str:
    """Return the JSON Pointer (RFC 6901) of *place* below its root."""
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in place[1:]]
    return "".join(f"/{part}" for part in parts)


def replaced(root: Any, steps: Sequence[str | int], value: Any) -> Any:
    """Return a copy of *root* with the value at *steps* replaced, added or (MISSING) removed."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(root, Mapping):
        copy = dict(root)
        if not rest and value is MISSING:
            copy.pop(str(step), None)
        else:
            copy[str(step)] = replaced(copy.get(str(step), {}), rest, value)
        return copy
    if isinstance(root, list | tuple) and isinstance(step, int) and 0 <= step < len(root):
        items = list(root)
        if not rest and value is MISSING:
            del items[step]
        else:
            items[step] = replaced(items[step], rest, value)
        return items
    return root
