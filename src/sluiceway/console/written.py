"""JSON as people and programs read it: what ``json.dumps(indent=2)`` writes, byte for byte. Pure.

Python's own encoder takes the whole way in Python as soon as it indents, which for the findings of a
large folder of migrations is seconds. Here the quick one writes whatever is flat: between two items it
puts any separator, and a line's end with the spaces behind it is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

__all__ = ["indented"]

_STEP = "  "
_SCALARS = frozenset({str, int, float, bool, type(None)})


def indented(data: Any) -> str:
    """Return ``json.dumps(data, indent=2, allow_nan=False)``.

    Raises:
        ValueError: A number of *data* is not finite.
        TypeError: Something of *data* is not JSON data.
    """
    return _value(data, "\n")


def _value(value: Any, end: str) -> str:
    """Return *value*, with *end* at the end of its lines: a line break with the spaces behind it."""
    kind = type(value)
    if kind is str:
        return encode_basestring_ascii(value)
    if kind is list and value:
        return _list(value, end)
    if kind is dict and value and _TEXT.issuperset(map(type, value)):
        return _object(value, end)
    if kind in _SCALARS:
        return _compact(value)
    # No text of JSON has a line break in it: each is one between two items.
    return json.dumps(value, indent=len(_STEP), allow_nan=False).replace("\n", end)


_TEXT = frozenset({str})


def _object(value: dict[str, Any], end: str) -> str:
    inner = end + _STEP
    if _is_flat(value.values()):
        return f"{{{inner}{_flat(inner)(value)[1:-1]}{end}}}"
    items = (
        f"{encode_basestring_ascii(name)}: {_value(each, inner)}" for name, each in value.items()
    )
    return f"{{{inner}{f',{inner}'.join(items)}{end}}}"


def _list(value: list[Any], end: str) -> str:
    inner = end + _STEP
    if _is_flat(value):
        return f"[{inner}{_flat(inner)(value)[1:-1]}{end}]"
    if all(type(each) is dict and each and _is_flat(each.values()) for each in value):
        # All of them at once, as if they were one level deeper; then what stands between two.
        deep = inner + _STEP
        text = _flat(deep)(value)[2:-2].replace(f"}},{deep}{{", f"{inner}}},{inner}{{{deep}")
        return f"[{inner}{{{deep}{text}{inner}}}{end}]"
    return f"[{inner}{f',{inner}'.join([_value(each, inner) for each in value])}{end}]"


def _is_flat(values: Iterable[Any]) -> bool:
    return _SCALARS.issuperset(map(type, values))


_compact: Callable[[Any], str] = json.JSONEncoder(allow_nan=False).encode


@lru_cache(maxsize=128)
def _flat(end: str) -> Callable[[Any], str]:
    """Return an encoder that ends the line behind each item, and so is right where nothing is nested."""
    return json.JSONEncoder(allow_nan=False, separators=(f",{end}", ": ")).encode
