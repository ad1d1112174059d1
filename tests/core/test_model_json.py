"""Canonical JSON is one text for one value, whoever walks it: the encoder or our own code."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.model import canonical, digest_of, to_json


class Word(StrEnum):
    ONE = "one"


class Number(Enum):
    TWO = 2


@dataclass(frozen=True)
class Inner:
    at: datetime
    secret: str = field(default="hidden", repr=False)


@dataclass(frozen=True)
class Record:
    inner: tuple[Inner, ...]
    place: Path
    words: frozenset[str]
    kinds: dict[str, Any]


RECORD = Record(
    inner=(Inner(at=datetime(2026, 11, 26, tzinfo=UTC)),),
    place=Path("a/b"),
    words=frozenset({"y", "x"}),
    kinds={"b": Word.ONE, "a": Number.TWO, "ä": [1, 2.5, None, True]},
)


def test_a_record_is_written_by_its_fields() -> None:
    assert canonical(RECORD).decode() == (
        '{"inner":[{"at":"2026-11-26T00:00:00Z"}],"kinds":{"a":2,"b":"one","ä":[1,2.5,null,true]},'
        '"place":"a/b","words":["x","y"]}'
    )


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        # A lone surrogate is in no UTF-8.
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
        ),
        max_leaves=20,
    )
)
def test_json_data_is_the_same_walked_by_hand(value: Any) -> None:
    by_hand = json.dumps(
        to_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    assert canonical(value) == by_hand
    assert canonical([RECORD, value]) == canonical([to_json(RECORD), value])


class Level(IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass(frozen=True)
class Sparing:
    name: str = ""
    place: Path | None = field(default=None, metadata={"json": "when set"})
    note: str = field(default="", metadata={"json": "when set"})
    count: int = field(default=0, metadata={"json": "when set"})
    hidden: str = field(default="x", metadata={"json": "never"})


@dataclass(frozen=True)
class More(Sparing):
    also: tuple[Sparing, ...] = ()


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (Level.HIGH, 3),
        (Text("a"), "a"),
        (
            MappingProxyType({1: Pair(Path("a"), None), None: {"b"}}),
            {"1": ["a", None], "None": ["b"]},
        ),
        (deque([frozenset({2, 1}), ()]), [[1, 2], []]),
        (range(3), [0, 1, 2]),
        (Sparing(), {"name": "", "count": 0}),
        (
            More(place=Path("p"), note="n", also=(Sparing(name="b"),)),
            {
                "name": "",
                "place": "p",
                "note": "n",
                "count": 0,
                "also": [{"name": "b", "count": 0}],
            },
        ),
    ],
)
def test_every_kind_of_value_has_its_form_each_time(value: Any, wanted: Any) -> None:
    for _ in range(2):
        assert to_json(value) == wanted
        assert to_json({"in": [value]}) == {"in": [wanted]}
    assert list(to_json(More())) == ["name", "count", "also"]


@pytest.mark.parametrize("value", [b"x", object(), Sparing, iter(())])
def test_what_has_no_form_says_so_each_time(value: Any) -> None:
    for _ in range(2):
        with pytest.raises(TypeError, match="has no JSON form"):
            to_json({"in": [value]})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", [b"x"], {"a": object()}])
def test_what_is_no_json_has_no_digest(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        digest_of([value])
