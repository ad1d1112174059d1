"""Our JSON Schema check says what OPA's own validator says, and explains it."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.policy import Bundle
from sluiceway.policy.schema import schema_problems
from sluiceway_policy_embedded.client import Worker
from sluiceway_policy_embedded.pins import default_library, pin_here

SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "$defs": {"name": {"type": "string", "minLength": 1, "pattern": "^[a-z]+$"}},
    "type": "object",
    "required": ["kind", "at"],
    "properties": {
        "kind": {"enum": ["one", "two", 3, None]},
        "at": {"type": "string", "format": "date-time"},
        "name": {"$ref": "#/$defs/name"},
        "count": {"type": "integer", "minimum": 0},
        "ratio": {"type": ["number", "null"], "minimum": 0.5},
        "flag": {"const": True},
        "list": {"type": "array", "items": {"$ref": "#/$defs/name"}},
        "closed": {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
        "open": {"type": "object", "additionalProperties": {"type": "boolean"}},
    },
    "if": {"properties": {"kind": {"const": "two"}}},
    "then": {"required": ["count"]},
}
GOOD = {"kind": "one", "at": "2026-11-24T12:00:00Z"}
CASES: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"at": "2026-11-24T12:00:00.123+01:00"}, ""),
    ({"at": "2026-13-24T12:00:00Z"}, "input.at is"),
    ({"at": "2026-11-24T12:00:00"}, "input.at is"),
    ({"at": 7}, "input.at is 7, which is not string"),
    ({"kind": "three"}, "input.kind is 'three', which is not one of one or two"),
    ({"kind": None}, ""),
    ({"kind": 3}, ""),
    ({"kind": 3.0}, ""),
    ({"kind": True}, "input.kind is true"),
    ({"kind": "two"}, "input.count is missing"),
    ({"kind": "two", "count": 1}, ""),
    ({"name": ""}, "input.name is empty"),
    ({"name": "A"}, "which does not match"),
    ({"count": -1}, "input.count is -1, which is below 0"),
    ({"count": 1.5}, "input.count is 1.5, which is not integer"),
    ({"count": 2.0}, ""),
    ({"count": True}, "input.count is true, which is not integer"),
    ({"ratio": None}, ""),
    ({"ratio": 0.4}, "input.ratio is 0.4, which is below 0.5"),
    ({"flag": 1}, "input.flag is 1, which is not true"),
    ({"flag": True}, ""),
    ({"list": ["a", ""]}, "input.list[1] is empty"),
    ({"list": {}}, "input.list is an object, which is not array"),
    ({"closed": {"a": 1}}, ""),
    ({"closed": {"b": 1}}, "input.closed.b is not known"),
    ({"open": {"x": True}}, ""),
    ({"open": {"x": 1}}, "input.open.x is 1, which is not boolean"),
    ({"more": 1}, ""),
]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    pin = pin_here()
    assert pin is not None
    worker = Worker(default_library(), pin.library, 1024)
    yield worker
    worker.close()


def opa_accepts(worker: Worker, schema: Any, document: Any) -> bool:
    """Ask OPA's own validator, which policies may not: it would follow a $ref anywhere."""
    deadline = time.monotonic() + 30
    if "s" not in worker.held:
        load = {"op": "load", "key": "s", "modules": {}, "data": {}}
        worker.held = tuple(worker.ask(load, deadline))
    query = "result := json.match_schema(input.document, input.schema)[0]"
    both = {"document": json.dumps(document), "schema": json.dumps(schema)}
    ask = {"op": "evaluate", "key": "s", "query": query}
    return bool(worker.ask(ask, deadline, document=both)[0]["result"])


@pytest.mark.parametrize(("change", "problem"), CASES)
def test_what_is_wrong_is_said_and_opa_agrees(
    worker: Worker, change: dict[str, Any], problem: str
) -> None:
    document = {**GOOD, **change}
    found = schema_problems(SCHEMA, document)
    assert any(problem in each for each in found) if problem else found == ()
    assert opa_accepts(worker, SCHEMA, document) == (not found)


def test_a_date_is_no_moment_though_opa_takes_it_for_one(worker: Worker) -> None:
    document = {**GOOD, "at": "2026-11-24"}
    (problem,) = schema_problems(SCHEMA, document)
    assert problem.startswith("input.at is '2026-11-24', which is not a moment with a time zone")
    assert opa_accepts(worker, SCHEMA, document)


def test_opa_agrees_on_the_gates_inputs_and_on_each_of_their_fields(
    worker: Worker, policies: Bundle, passing: dict[str, Any]
) -> None:
    for gate, document in passing.items():
        schema = policies.schemas[gate]
        assert schema_problems(schema, document) == ()
        variants = [document, *_variants(document)]
        disagreed = [
            variant
            for variant in variants
            if opa_accepts(worker, schema, variant) == bool(schema_problems(schema, variant))
        ]
        assert disagreed == []


def _variants(document: Any) -> Iterator[Any]:
    """Yield the document with each of its nodes taken away, and replaced by another type."""
    for place in _places(document):
        for action in ("remove", None, 0, "text"):
            changed = copy.deepcopy(document)
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            if action == "remove":
                del inner[place[-1]]
            else:
                inner[place[-1]] = action
            yield changed


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*place, key)
        if isinstance(inner, dict | list):
            yield from _places(inner, (*place, key))


@pytest.mark.parametrize(
    "schema",
    [
        {"maxLength": 3},
        {"format": "email"},
        {"type": "text"},
        {"$ref": "#/$defs/nothing"},
        {"$ref": "http://127.0.0.1:1/"},
    ],
)
def test_a_keyword_that_is_not_understood_is_never_ignored(schema: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        schema_problems(schema, "text")
    assert caught.value.code == "input.schema"


def test_only_so_many_problems_are_told() -> None:
    schema = {"required": [f"field{n}" for n in range(100)]}
    assert len(schema_problems(schema, {})) == 10


def test_problems_come_in_the_order_of_the_schema() -> None:
    schema = {
        "properties": {
            "a": {"type": "string", "minLength": 3, "pattern": "^x"},
            "b": {"type": "integer", "minimum": 2},
            "c": {"properties": {"d": {"const": 1}, "e": {"const": 1}}},
        }
    }
    wanted = (
        "input.a is shorter than 3",
        "input.a is 'y', which does not match ^x",
        "input.b is 1, which is below 2",
        "input.c.d is 2, which is not 1",
        "input.c.e is 2, which is not 1",
    )
    for c in ({"d": 2, "e": 2}, {"e": 2, "x": 0, "d": 2}):
        for document in ({"a": "y", "b": 1, "c": c}, {"c": c, "z": 0, "b": 1, "a": "y"}):
            assert schema_problems(schema, document) == wanted
            assert schema_problems(schema, MappingProxyType(document)) == wanted
    assert schema_problems(schema, {"b": True, "a": 1}) == (
        "input.a is 1, which is not string",
        "input.b is true, which is not integer",
    )


def test_what_is_wrong_deep_inside_is_found_once() -> None:
    asked = []

    class Counted(dict[str, Any]):
        def items(self) -> Any:
            asked.append(1)
            return super().items()

    schema = {
        "$ref": "#/$defs/tree",
        "$defs": {"tree": {"properties": {"in": {"$ref": "#/$defs/tree"}, "x": {"const": 1}}}},
    }
    deep = Counted(x=2)
    for _ in range(40):
        deep = Counted({"in": deep})
    assert schema_problems(schema, deep) == (f"input{'.in' * 40}.x is 2, which is not 1",)
    assert len(asked) == 41


def test_a_definition_may_contain_itself() -> None:
    schema = {
        "$ref": "#/$defs/tree",
        "$defs": {
            "tree": {
                "type": "object",
                "properties": {"leaves": {"items": {"$ref": "#/$defs/tree"}}},
                "additionalProperties": False,
            }
        },
    }
    assert schema_problems(schema, {"leaves": [{"leaves": []}, {}]}) == ()
    assert schema_problems(schema, {"leaves": [{"leaves": [{"x": 1}]}]}) == (
        "input.leaves[0].leaves[0].x is not known",
    )
    deep: dict[str, Any] = {}
    for _ in range(10_000):
        deep = {"leaves": [deep]}
    with pytest.raises(ConfigurationError, match="too deep"):
        schema_problems(schema, deep)


def test_the_check_of_one_schema_is_never_anothers() -> None:
    """Checks are kept by the schema's identity, which a later one may be given again."""
    for number in range(200):
        schema = {"const": number}
        assert schema_problems(schema, number) == ()
        assert schema_problems(schema, number + 1) != ()
        del schema
