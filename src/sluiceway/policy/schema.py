"""Checking a gate's input against its JSON Schema, before any rule sees it.

A schema is made into functions once, and a document that fits passes through them without a single
text being made: a scan of five megabytes has a hundred thousand places.

This is the part of draft 7 (json-schema.org/draft-07) that input schemas need, and no more: an
unknown keyword is an error of the schema, because a keyword that is silently ignored is a check
that silently passes. OPA's own ``json.match_schema`` is not used, since it follows ``$ref`` to
the network; the tests compare both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.model import parse_time

__all__ = ["check_schema", "schema_problems"]

_ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description"})
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_SHOWN = 60
_MOST = 10
_MOST_KEPT = 32
_Check = Callable[[Any], Sequence[str]]
"""Returns what is wrong with a value: each the rest of a sentence whose beginning is the value's
place, so that ``.name is missing`` becomes ``input.image.name is missing`` on its way up."""
_KEPT: dict[int, tuple[Mapping[str, Any], _Check]] = {}


def schema_problems(schema: Mapping[str, Any], document: Any) -> tuple[str, ...]:
    """Return what is wrong with *document*, each as ``place: sentence``; at most ten.

    Raises:
        ConfigurationError: When the schema itself cannot be used.
    """
    try:
        problems = _compiled(schema)(document)
    except RecursionError as error:
        raise _unusable("the schema or the input goes too deep to be checked") from error
    return tuple(f"input{problem}" for problem in _first(problems))


def _compiled(schema: Mapping[str, Any]) -> _Check:
    """Return the schema's check, the same one while the very same schema is asked for."""
    kept = _KEPT.get(id(schema))
    if kept is None or kept[0] is not schema:
        check_schema(schema, "the schema")
        while len(_KEPT) >= _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
        # The schema itself is kept as well: as long as it is, nothing else can have its id.
        kept = _KEPT[id(schema)] = (schema, _Compiler(schema).check(schema))
    return kept[1]


def check_schema(schema: Any, where: str) -> None:
    """Raise :class:`ConfigurationError` when *schema* uses what is not understood here."""
    if not isinstance(schema, Mapping):
        raise _unusable(f"{where} is not an object")
    for key, value in schema.items():
        if key not in _KEYWORDS and key not in _ANNOTATIONS and key != "then":
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


class _Compiler:
    """Makes one schema's keywords into checks.

    Args:
        root: The whole schema, where ``#/$defs/...`` are.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._defined: dict[str, _Check] = {}

    def check(self, schema: Mapping[str, Any]) -> _Check:
        """Return the check of *schema*: of all its keywords, in their order."""
        return self.parts(schema)[2]

    def parts(self, schema: Mapping[str, Any]) -> tuple[frozenset[type], Sequence[_Check], _Check]:
        """Return classes that are certainly of the schema's type, what else it asks, and its check.

        Most places of an input are texts and numbers of which little else is asked: looking at the
        class there is a fraction of a call.
        """
        made = {
            key: _KEYWORDS[key](self, wanted, schema)
            for key, wanted in schema.items()
            if key not in _ANNOTATIONS and key != "then"
        }
        checks = tuple(made.values())
        fitting = _classes(schema.get("type", []))
        others = tuple(check for key, check in made.items() if key != "type")
        if len(checks) == 1:
            return fitting, others, checks[0]

        def every(value: Any) -> Sequence[str]:
            found: Sequence[str] = ()
            for check in others if value.__class__ in fitting else checks:
                problems = check(value)
                if problems:
                    found = [*found, *problems]
            return _first(found) if found else ()

        return fitting, others, every

    def reference(self, wanted: Any, _: Any) -> _Check:
        """Check by a definition; one that contains itself is compiled once."""
        name = str(wanted).removeprefix("#/$defs/")
        inner = self._root.get("$defs", {}).get(name)
        if inner is None or not str(wanted).startswith("#/$defs/"):
            raise _unusable(f"the schema refers to {wanted!r}, which is not there")
        if name not in self._defined:

            def later(value: Any) -> Sequence[str]:
                return self._defined[name](value)

            self._defined[name] = later
            self._defined[name] = self.check(inner)
        return self._defined[name]

    def properties(self, wanted: Mapping[str, Any], _: Any) -> _Check:
        """Check every named property that is there.

        Each of what is there is looked up, not each of what may be: of forty properties most have ten.
        """
        inner = {name: self.parts(each) for name, each in wanted.items()}

        def check(value: Any) -> Sequence[str]:
            if value.__class__ is not dict and not isinstance(value, Mapping):
                return ()
            wrong: dict[str, list[str]] = {}
            for name, under in value.items():
                if name in inner:
                    fitting, others, whole = inner[name]
                    for each in others if under.__class__ in fitting else (whole,):
                        problems = each(under)
                        if problems:
                            wrong.setdefault(name, []).extend(problems)
            if not wrong:
                return ()
            return [f".{name}{problem}" for name in inner for problem in wrong.get(name, ())]

        return check

    def additional(self, wanted: Any, schema: Mapping[str, Any]) -> _Check:
        """Check, or refuse, what is not among the properties."""
        known = frozenset(schema.get("properties", {}))
        inner: _Check = (lambda _: (" is not known",)) if wanted is False else self.check(wanted)

        def check(value: Any) -> Sequence[str]:
            if value.__class__ is not dict and not isinstance(value, Mapping):
                return ()
            if known.issuperset(value):
                return ()
            found: list[str] = []
            for name in value:
                if name not in known:
                    problems = inner(value[name])
                    if problems:
                        found += [f".{name}{problem}" for problem in problems]
                        if len(found) >= _MOST:
                            break
            return found

        return check

    def items(self, wanted: Mapping[str, Any], _: Any) -> _Check:
        """Check every item of a list."""
        fitting, others, whole = self.parts(wanted)

        def check(value: Any) -> Sequence[str]:
            if not isinstance(value, list | tuple):
                return ()
            found: list[str] = []
            for index, item in enumerate(value):
                for each in others if item.__class__ in fitting else (whole,):
                    problems = each(item)
                    if problems:
                        found += [f"[{index}]{problem}" for problem in problems]
                if len(found) >= _MOST:
                    break
            return found

        return check

    def condition(self, wanted: Mapping[str, Any], schema: Mapping[str, Any]) -> _Check:
        """Check by ``then`` what fits ``if``."""
        fits, then = self.check(wanted), self.check(schema.get("then", {}))
        return lambda value: () if fits(value) else then(value)


def _classes(kinds: Any) -> frozenset[type]:
    """Return the classes that are certainly of the type *kinds*, or of one of them."""
    names = kinds if isinstance(kinds, list) else [kinds]
    return frozenset(each for name in names for each in _PLAIN.get(name, ()))


def _first(found: Sequence[str]) -> list[str]:
    """Return the first ten of *found*, none of them twice."""
    return list(dict.fromkeys(found))[:_MOST]


def _type(_: _Compiler, wanted: Any, __: Any) -> _Check:
    names = wanted if isinstance(wanted, list) else [wanted]
    fits = [_fits(name) for name in names]
    only = fits[0]
    said = _listed(names)

    def one(value: Any) -> Sequence[str]:
        return () if only(value) else (f" is {_shown(value)}, which is not {said}",)

    def some(value: Any) -> Sequence[str]:
        if any(each(value) for each in fits):
            return ()
        return (f" is {_shown(value)}, which is not {said}",)

    return one if len(fits) == 1 else some


def _fits(name: str) -> Callable[[Any], bool]:
    if name not in _TYPES:
        raise _unusable(f"{name!r} is not a type of JSON")
    return _TYPES[name]


def _is_integer(value: Any) -> bool:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "array": lambda value: isinstance(value, list | tuple),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "null": lambda value: value is None,
    "number": _is_number,
    "object": lambda value: isinstance(value, Mapping),
    "string": lambda value: isinstance(value, str),
}


_PLAIN: Mapping[str, tuple[type, ...]] = {
    "array": (list, tuple),
    "boolean": (bool,),
    "integer": (int,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}
"""Type to the classes that are certainly of it; whatever else may be is asked of :data:`_TYPES`."""


def _const(_: _Compiler, wanted: Any, __: Any) -> _Check:
    said = _shown(wanted)
    return lambda value: (
        () if _same(wanted, value) else (f" is {_shown(value)}, which is not {said}",)
    )


def _enum(_: _Compiler, wanted: list[Any], __: Any) -> _Check:
    said = _listed(wanted)
    texts = frozenset(each for each in wanted if isinstance(each, str))

    def check(value: Any) -> Sequence[str]:
        if value.__class__ is str and value in texts:
            return ()
        if any(_same(each, value) for each in wanted):
            return ()
        return (f" is {_shown(value)}, which is not one of {said}",)

    return check


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _pattern(_: _Compiler, wanted: str, __: Any) -> _Check:
    search = re.compile(wanted).search

    def check(value: Any) -> Sequence[str]:
        if not isinstance(value, str) or search(value):
            return ()
        return (f" is {_shown(value)}, which does not match {wanted}",)

    return check


def _format(_: _Compiler, wanted: Any, __: Any) -> _Check:
    if wanted != "date-time":
        raise _unusable(f"the schema asks for the format {wanted!r}")

    def check(value: Any) -> Sequence[str]:
        if not isinstance(value, str):
            return ()
        try:
            parse_time(value)
            right = _DATE_TIME.fullmatch(value) is not None
        except ValueError:
            right = False
        said = "which is not a moment with a time zone (RFC 3339)"
        return () if right else (f" is {_shown(value)}, {said}",)

    return check


def _min_length(_: _Compiler, wanted: int, __: Any) -> _Check:
    def check(value: Any) -> Sequence[str]:
        if not isinstance(value, str) or len(value) >= wanted:
            return ()
        return (" is empty" if not value else f" is shorter than {wanted}",)

    return check


def _minimum(_: _Compiler, wanted: float, __: Any) -> _Check:
    return lambda value: (
        (f" is {value}, which is below {wanted}",)
        if (value.__class__ is int or _is_number(value)) and value < wanted
        else ()
    )


def _required(_: _Compiler, wanted: list[str], __: Any) -> _Check:
    names = frozenset(wanted)

    def check(value: Any) -> Sequence[str]:
        if value.__class__ is not dict and not isinstance(value, Mapping):
            return ()
        if names <= value.keys():
            return ()
        return [f".{name} is missing" for name in wanted if name not in value]

    return check


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


_KEYWORDS: Mapping[str, Callable[[_Compiler, Any, Any], _Check]] = {
    "$ref": _Compiler.reference,
    "additionalProperties": _Compiler.additional,
    "const": _const,
    "enum": _enum,
    "format": _format,
    "if": _Compiler.condition,
    "items": _Compiler.items,
    "minLength": _min_length,
    "minimum": _minimum,
    "pattern": _pattern,
    "properties": _Compiler.properties,
    "required": _required,
    "type": _type,
}
