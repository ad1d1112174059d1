"""Indented JSON is the standard library's, byte for byte, whichever way it takes."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.console.written import indented

TEXTS = st.text() | st.sampled_from(
    ["}, {", "},\n    {", '"},\n  {"', "[]", "\u2028", "é", "\x1b", ""]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
ROWS = st.lists(st.dictionaries(TEXTS, SCALARS, min_size=1, max_size=3), max_size=4)
DATA = st.recursive(
    SCALARS | ROWS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS, inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=25,
)


@given(DATA)
def test_it_is_what_the_standard_library_writes(data: Any) -> None:
    assert indented(data) == json.dumps(data, indent=2, allow_nan=False)


class Level(IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "data",
    [
        {1: "a", None: {"b": [1]}, False: [{"c": 2}], 2.5: {}},
        [{"a": 1}, {"b": "}"}, {"c": "{"}],
        [{"a": {}}, {"b": []}],
        [{"a": 1}, {}],
        [{"a": 1}, {2: 1}],
        {"a": [Level.HIGH, Text("b")], "c": {"d": Text("e")}},
        {Text("a"): {"b": {"c": Level.HIGH}}},
        {"a": {"b": [{"c": "d", "e": None}, {"f": [1, [2, [3, {}]]]}]}},
    ],
)
def test_keys_and_values_of_other_classes_are_written_as_the_standard_library_does(
    data: Any,
) -> None:
    assert indented(data) == json.dumps(data, indent=2, allow_nan=False)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), b"x", object(), {1}])
@pytest.mark.parametrize("place", [lambda x: x, lambda x: {"a": x}, lambda x: [{"a": 1}, {"b": x}]])
def test_what_is_no_json_is_refused(wrong: Any, place: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        indented(place(wrong))
