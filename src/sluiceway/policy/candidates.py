"""What a fact might be instead: values that the rules, the data, the schema or history name.

Nothing here judges; every candidate is evaluated before anybody hears of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice, product
from typing import Any

from sluiceway.model import parse_time, rfc3339
from sluiceway.policy.facts import MISSING, Place, concrete, look
from sluiceway.policy.seen import ANY, Keyed, Path, Reading, Seen

__all__ = ["Candidates"]

_ORDER = frozenset({"lt", "lte", "gt", "gte"})
_HOURS = (-1, 1, 24, 12, 16, 72, -24, -72, -168, -720)
"""Moments around ``input.now`` that are tried: past a night's freeze and a weekend's, and long enough
ago for an image to have soaked."""
_MOST = 24
_TESTED = 4
"""Made-up entries tried for one list."""
_DEEPEST = 12


class Candidates:
    """Finds values for facts of one decision.

    Args:
        reading: What the rule reads and compares.
        whole: What all rules of the gate do.
        roots: ``{"input": ..., "data": ...}`` as they are.
        schema: The JSON Schema of the input.
        others: Inputs of other decisions, the newest first.
    """

    def __init__(
        self,
        reading: Reading,
        whole: Reading,
        roots: Mapping[str, Any],
        schema: Mapping[str, Any],
        others: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._reading = reading
        self._whole = whole
        self._roots = roots
        self._schema = schema
        self._others = others

    def of(self, place: Place) -> list[Any]:
        """Return values that *place* might have instead, the likeliest first, without doubles."""
        now = look(self._roots, place)
        found: list[Any] = []
        seen = {_text(now)}
        for value in self._all(place, now):
            if place[0] == "data" and now is not MISSING and _kind(value) != _kind(now):
                continue  # nothing but the rules says what data looks like
            text = _text(value)
            if text not in seen:
                seen.add(text)
                found.append(value)
            if len(found) == _MOST:
                break
        return found

    def _all(self, place: Place, now: Any) -> Iterator[Any]:
        if isinstance(now, bool):
            yield not now
        yield from self._compared(place, now)
        yield from self._keys(place)
        if place[0] == "data":
            yield from self._siblings(place)
            if isinstance(now, list):
                yield from _without_one(now)
            return
        part = _schema_at(self._schema, place[1:], self._schema)
        yield from part.get("enum") or []
        if part.get("type") == "boolean":
            yield from (True, False)
        yield from self._moments(now, part)
        yield from self._recorded(place)
        if now is MISSING and part.get("type") == "object":
            yield from self._made(place, part)
        if isinstance(now, list) or (now is MISSING and part.get("type") == "array"):
            yield from self._entries(place, now if isinstance(now, list) else [], part)
        if now is not MISSING:
            yield MISSING

    def _compared(self, place: Place, now: Any) -> Iterator[Any]:
        """Yield what the rules compare this fact with."""
        for mine, other, operator in self._sides(self._reading):
            if self._stands_at(mine.facts, place):
                for value in self._values(other):
                    yield from _instead(operator, value, now)
            # A list whose elements are compared: one of what they are compared with.
            deeper = frozenset(path[:-1] for path in mine.facts if path[-1] == ANY)
            if isinstance(now, list | _ABSENT) and self._stands_at(deeper, place):
                held = now if isinstance(now, list) else []
                for value in self._values(other):
                    yield from ([*held, one] for one in _list_of(value))

    @staticmethod
    def _sides(reading: Reading) -> Iterator[tuple[Seen, Seen, str]]:
        """Yield each side of each comparison with the other; ``has`` is ``in`` seen backwards."""
        for each in reading.comparisons:
            yield each.left, each.right, each.operator
            yield each.right, each.left, "has" if each.operator == "in" else each.operator

    def _stands_at(self, paths: frozenset[Path], place: Place) -> bool:
        return any(place in concrete(path, self._roots) for path in paths)

    def _values(self, seen: Seen) -> Iterator[Any]:
        yield from seen.constants
        if seen.items is not None:
            yield [item for each in seen.items for item in self._values(each)]
        for path in sorted(seen.facts, key=repr):
            for place in concrete(path, self._roots):
                value = look(self._roots, place)
                if value is not MISSING:
                    yield value

    def _keys(self, place: Place) -> Iterator[str]:
        """Yield the names under which something stands that this fact's value names."""
        for path in sorted(self._reading.judged, key=repr):
            for index, part in enumerate(path):
                if isinstance(part, Keyed) and self._stands_at(part.by, place):
                    for container in concrete(path[:index], self._roots):
                        value = look(self._roots, container)
                        yield from sorted(value) if isinstance(value, Mapping) else ()

    def _siblings(self, place: Place) -> Iterator[Any]:
        above = look(self._roots, place[:-1])
        named = any(
            len(path) >= len(place)
            and (isinstance(path[len(place) - 1], Keyed) or path[len(place) - 1] == ANY)
            and place in concrete(path[: len(place)], self._roots)
            for path in self._reading.judged
        )
        if isinstance(above, Mapping) and named:
            yield from (above[key] for key in sorted(above) if key != place[-1])

    def _moments(self, now: Any, part: Mapping[str, Any]) -> Iterator[str]:
        try:
            at = parse_time(str(look(self._roots, ("input", "now"))))
            if part.get("format") != "date-time":
                parse_time(str(now))
        except ValueError:
            return
        yield rfc3339(at)
        for hours in _HOURS:
            yield rfc3339(at + timedelta(hours=hours))

    def _recorded(self, place: Place) -> Iterator[Any]:
        """Yield what other inputs have here, said about this image and this moment."""
        mine = str(look(self._roots, ("input", "image", "digest")))
        for other in self._others:
            value = look({"input": other}, place)
            theirs = str(look({"input": other}, ("input", "image", "digest")))
            if value is not MISSING and mine and theirs:
                yield json.loads(json.dumps(value).replace(theirs, mine))

    def _made(self, place: Place, part: Mapping[str, Any]) -> Iterator[Any]:
        """Make what is missing: what the schema takes, with what the gate's rules want to see.

        Where they name several values for one thing, each of them is tried.
        """
        options: dict[Path, list[Any]] = {}
        for reading in (self._reading, self._whole):
            for path in sorted(reading.judged, key=repr):
                deeper = len(path) > len(place)
                if deeper and place in concrete(path[: len(place)], self._roots):
                    known = options.setdefault(path[len(place) :], [])
                    for value in self._wanted(reading, path):
                        known += [one for one in _list_of(value) if one not in known]
        choices = [
            [(steps, value) for value in values] for steps, values in options.items() if values
        ]
        for chosen in islice(product(*choices), _MOST):
            wanted: dict[str, Any] = {}
            for steps, value in chosen:
                _put(wanted, steps, value)
            yield self._completed(part, wanted)

    def _completed(self, schema: Mapping[str, Any], wanted: Any) -> Any:
        """Return *wanted* with everything else that *schema* asks for."""
        schema = _resolved(schema, self._schema)
        schema = _both(_resolved(schema.get("then") or {}, self._schema), schema)
        if isinstance(wanted, list):
            return [self._completed(schema.get("items") or {}, each) for each in wanted]
        if not isinstance(wanted, dict):
            return wanted
        made = self._sample(schema, None, 0) if schema.get("type") == "object" else {}
        parts = schema.get("properties") or {}
        inner = {key: self._completed(parts.get(key) or {}, value) for key, value in wanted.items()}
        return {**made, **inner}

    def _wanted(self, reading: Reading, path: Path) -> Iterator[Any]:
        for mine, other, operator in self._sides(reading):
            if path in mine.facts and operator not in {"neq", "has"}:
                yield from self._values(other)

    def _entries(
        self, place: Place, now: list[Any], part: Mapping[str, Any]
    ) -> Iterator[list[Any]]:
        """Yield the list without one of its entries, and with one that the schema would take."""
        yield from _without_one(now)
        items = _resolved(part.get("items") or {}, self._schema)
        if items.get("type") != "object":
            return
        names = self._names(place)
        for name in [*names[:_MOST], None]:
            yield [*now, self._sample(items, name, 0)]

    def _names(self, place: Place) -> list[str]:
        """Return names in data that a deeper fact of this list's entries is looked up by."""
        found: list[str] = []
        for path in sorted(self._reading.judged, key=repr):
            for index, part in enumerate(path):
                if isinstance(part, Keyed) and any(
                    by[: len(place)] == place and len(by) > len(place) for by in part.by
                ):
                    for container in concrete(path[:index], self._roots):
                        value = look(self._roots, container)
                        found += sorted(value) if isinstance(value, Mapping) else []
        return list(dict.fromkeys(found))

    def _sample(
        self, schema: Mapping[str, Any], name: str | None, depth: int, key: str = ""
    ) -> Any:
        """Make a value that *schema* takes, from facts of the same name where there are any."""
        schema = _resolved(schema, self._schema)
        kinds = schema.get("type")
        kind = kinds[0] if isinstance(kinds, list) else kinds
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        if kind == "object":
            if depth > _DEEPEST:
                return {}
            whole = _both(_resolved(schema.get("then") or {}, self._schema), schema)
            parts = whole.get("properties") or {}
            return {
                each: self._sample(parts.get(each) or {}, name, depth + 1, each)
                # What is optional is so for old inputs; rules read it all the same.
                for each in dict.fromkeys([*(whole.get("required") or ()), *parts])
            }
        return self._leaf(kind, schema, name, key)

    def _leaf(self, kind: Any, schema: Mapping[str, Any], name: str | None, key: str) -> Any:
        simple = {"boolean": True, "integer": 1, "number": 1, "array": []}
        if kind in simple:
            return schema.get("minimum", simple[kind])
        if key == "name" and name is not None:
            return name
        at = look(self._roots, ("input", "now"))
        if isinstance(at, str) and schema.get("format") == "date-time":
            later = key in {"expires", "until", "not_after"}
            return rfc3339(parse_time(at) + timedelta(hours=1)) if later else at
        for place in (("input", key), ("input", "image", key)):
            value = look(self._roots, place)
            if isinstance(value, str) and key:
                return value
        return f"({key})" if schema.get("minLength") or key in {"key", "reason"} else ""


_ABSENT = type(MISSING)


def _kind(value: Any) -> str:
    """Return the JSON type of a value."""
    if isinstance(value, bool) or value is None:
        return str(value)[:1] if value is None else "boolean"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def _without_one(now: list[Any]) -> Iterator[list[Any]]:
    for index in range(min(len(now), _TESTED)):
        yield [*now[:index], *now[index + 1 :]]


def _put(root: dict[str, Any], steps: Sequence[Any], value: Any) -> None:
    """Put *value* into nested objects; a wildcard is the one entry of a list."""
    here: Any = root
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if not isinstance(step, str | int):
            return
        below: Any = value if following is None else ([] if following == ANY else {})
        if isinstance(here, list):
            if not here:
                here.append(below)
            here = here[0]
        elif isinstance(here, dict):
            here = here.setdefault(str(step), below)
        else:
            return


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _instead(operator: str, value: Any, now: Any) -> Iterator[Any]:
    """Yield what stands on one side of *operator* when *value* stands on the other."""
    if operator in _ORDER:
        if _number(value):
            yield from (value, value + 1, value - 1)
    elif operator == "in":
        yield from value if isinstance(value, list | tuple) else ()
    elif operator == "has":
        if isinstance(now, list):
            yield [*now, value]
        elif now is MISSING or now is None:
            yield [value]
    else:
        yield value


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return "(missing)" if value is MISSING else json.dumps(value, sort_keys=True)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        inner = (root.get("$defs") or {}).get(reference.removeprefix("#/$defs/"))
        return _resolved(inner, root) if isinstance(inner, Mapping) else {}
    return schema


def _schema_at(
    schema: Mapping[str, Any], steps: Sequence[str | int], root: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the schema of what stands *steps* below, conditions taken as met; or ``{}``."""
    schema = _resolved(schema, root)
    if not steps:
        return schema
    step, rest = steps[0], steps[1:]
    found: dict[str, Any] = {}
    for way in (schema, _resolved(schema.get("then") or {}, root)):
        inner = way.get("items") if isinstance(step, int) else _property(way, str(step))
        if isinstance(inner, Mapping):
            found = _both(found, _schema_at(inner, rest, root))
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping) and _property(schema, str(step)) is None:
        found = _both(found, _schema_at(more, rest, root))
    return found


def _property(schema: Mapping[str, Any], name: str) -> Any:
    return (schema.get("properties") or {}).get(name)


def _both(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that asks for what both do, as far as a sample needs it."""
    merged = {**two, **one}
    for key in ("properties", "then"):
        if one.get(key) and two.get(key):
            parts = dict(two[key])
            for name, part in one[key].items():
                known = parts.get(name)
                if isinstance(part, Mapping) and isinstance(known, Mapping):
                    parts[name] = _both(part, known)
                else:
                    parts[name] = part
            merged[key] = parts
    if one.get("required") or two.get("required"):
        merged["required"] = [*(two.get("required") or []), *(one.get("required") or [])]
    return merged
