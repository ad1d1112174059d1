"""Checking a gate's input against its JSON Schema, before any rule sees it.

This is the part of draft 7 (json-schema.org/draft-07) that input schemas need, and no more: an
unknown keyword is an error of the schema, because a keyword that is silently ignored is a check
that silently passes. OPA's own ``json.match_schema`` is not used, since it follows ``$ref`` to
the network; the tests compare both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.model import parse_time

__all__ = ["check_schema", "schema_problems"]

_ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description"})
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_SHOWN = 60
_MOST = 10


def schema_problems(schema: Mapping[str, Any], document: Any) -> tuple[str, ...]:
    """Return what is wrong with *document*, each as ``place: sentence``; at most ten.

    Raises:
        ConfigurationError: When the schema itself cannot be used.
    """
    found: list[str] = []
    for problem in _problems(schema, document, "input", schema):
        if problem not in found:
            found.append(problem)
        if len(found) == _MOST:
            break
    return tuple(found)


def check_schema(schema: Any, where: str) -> None:
    """Raise :class:`ConfigurationError` when *schema* uses what is not understood here."""
    if not isinstance(schema, Mapping):
        raise _unusable(f"{where} is not an object")
    for key, value in schema.items():
        if key not in _KEYWORDS and key not in _ANNOTATIONS:
            raise _unusable(f"{where} uses the keyword {key!r}, which is not supported")
        if key in {"properties", "$defs"}:
            for name, inner in value.items():
                check_schema(inner, f"{where}.{name}")
        elif key in {"items", "if", "then"} or (
            key == "additionalProperties" and value is not False
        ):
            check_schema(value, f"{where}.{key}")
        elif key == "$ref" and not str(value).startswith("#/$defs/"):
            raise _unusable(f"{where} refers to {value!r}, and only '#/$defs/...' is followed")


def _unusable(what: str) -> ConfigurationError:
    return ConfigurationError(
        what,
        means="An input that cannot be checked is refused.",
        remedy="Correct the schema, or put back the one that came with Sluiceway.",
        code="input.schema",
    )


def _problems(
    schema: Mapping[str, Any], value: Any, place: str, root: Mapping[str, Any]
) -> Iterator[str]:
    for key, wanted in schema.items():
        if key in _ANNOTATIONS or key == "then":
            continue
        check = _KEYWORDS.get(key)
        if check is None:
            raise _unusable(f"the schema of {place} uses the keyword {key!r}")
        yield from check(wanted, value, place, root, schema)


def _type(wanted: Any, value: Any, place: str, *_: Any) -> Iterator[str]:
    names = wanted if isinstance(wanted, list) else [wanted]
    if not any(_is_type(value, name) for name in names):
        yield f"{place} is {_shown(value)}, which is not {_listed(names)}"


def _is_type(value: Any, name: str) -> bool:  # noqa: PLR0911 - one for each type of JSON
    match name:
        case "object":
            return isinstance(value, Mapping)
        case "array":
            return isinstance(value, list | tuple)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
    raise _unusable(f"{name!r} is not a type of JSON")


def _const(wanted: Any, value: Any, place: str, *_: Any) -> Iterator[str]:
    if not _same(wanted, value):
        yield f"{place} is {_shown(value)}, which is not {_shown(wanted)}"


def _enum(wanted: Any, value: Any, place: str, *_: Any) -> Iterator[str]:
    if not any(_same(each, value) for each in wanted):
        yield f"{place} is {_shown(value)}, which is not one of {_listed(wanted)}"


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _pattern(wanted: Any, value: Any, place: str, *_: Any) -> Iterator[str]:
    if isinstance(value, str) and not re.search(wanted, value):
        yield f"{place} is {_shown(value)}, which does not match {wanted}"


def _format(wanted: Any, value: Any, place: str, *_: Any) -> Iterator[str]:
    if wanted != "date-time":
        raise _unusable(f"the schema of {place} asks for the format {wanted!r}")
    if isinstance(value, str):
        try:
            parse_time(value)
            right = _DATE_TIME.fullmatch(value) is not None
        except ValueError:
            right = False
        if not right:
            yield f"{place} is {_shown(value)}, which is not a moment with a time zone (RFC 3339)"


def _min_length(wanted: Any, value: Any, place: str, *_: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) < wanted:
        yield f"{place} is empty" if not value else f"{place} is shorter than {wanted}"


def _minimum(wanted: Any, value: Any, place: str, *_: Any) -> Iterator[str]:
    if _is_type(value, "number") and value < wanted:
        yield f"{place} is {value}, which is below {wanted}"


def _required(wanted: Any, value: Any, place: str, *_: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from (f"{place}.{name} is missing" for name in wanted if name not in value)


def _properties(
    wanted: Any, value: Any, place: str, root: Mapping[str, Any], _: Any
) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in wanted.items():
            if name in value:
                yield from _problems(inner, value[name], f"{place}.{name}", root)


def _additional(
    wanted: Any, value: Any, place: str, root: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name in value:
            if name in schema.get("properties", {}):
                continue
            if wanted is False:
                yield f"{place}.{name} is not known"
            else:
                yield from _problems(wanted, value[name], f"{place}.{name}", root)


def _items(wanted: Any, value: Any, place: str, root: Mapping[str, Any], _: Any) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _problems(wanted, item, f"{place}[{index}]", root)


def _reference(
    wanted: Any, value: Any, place: str, root: Mapping[str, Any], _: Any
) -> Iterator[str]:
    name = str(wanted).removeprefix("#/$defs/")
    inner = root.get("$defs", {}).get(name)
    if inner is None or not str(wanted).startswith("#/$defs/"):
        raise _unusable(f"the schema of {place} refers to {wanted!r}, which is not there")
    yield from _problems(inner, value, place, root)


def _condition(
    wanted: Any, value: Any, place: str, root: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[str]:
    if not any(_problems(wanted, value, place, root)):
        yield from _problems(schema.get("then", {}), value, place, root)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            text = repr(value)
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            text = str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _listed(values: list[Any]) -> str:
    return " or ".join(str(value) for value in values)


_Check = Callable[[Any, Any, str, Mapping[str, Any], Mapping[str, Any]], Iterator[str]]
_KEYWORDS: Mapping[str, _Check] = {
    "$ref": _reference,
    "additionalProperties": _additional,
    "const": _const,
    "enum": _enum,
    "format": _format,
    "if": _condition,
    "items": _items,
    "minLength": _min_length,
    "minimum": _minimum,
    "pattern": _pattern,
    "properties": _properties,
    "required": _required,
    "then": _condition,
    "type": _type,
}
