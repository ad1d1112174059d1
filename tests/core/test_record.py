"""Records behave as the frozen dataclasses that they stand for."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from sluiceway.model import to_json
from sluiceway.record import Changing, Record, field, replace, settle


class Login(Record):
    """Who may come in."""

    name: str
    groups: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    token: str = field(default="", repr=False)
    seen: int = field(default=0, compare=False, metadata={"json": "never"})
    KINDS: ClassVar[int] = 3

    @property
    def first(self) -> str:
        return self.groups[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """The same, as a dataclass."""

    name: str
    groups: tuple[str, ...] = ()
    notes: list[str] = dataclasses.field(default_factory=list)
    token: str = dataclasses.field(default="", repr=False)
    seen: int = dataclasses.field(default=0, compare=False, metadata={"json": "never"})
    KINDS: ClassVar[int] = 3


class Remote(Login):
    host: str


class Point(Record, kw_only=False, order=True):
    x: int
    y: int = 0


class Rounded(Record):
    steps: tuple[float, ...]

    def __post_init__(self) -> None:
        settle(self, "steps", tuple(self.steps))


UNTYPED: Any = Login  # for what the type checker does not let anybody write
VALUES = st.fixed_dictionaries(
    {"name": st.text()},
    optional={
        "groups": st.lists(st.text()).map(tuple),
        "notes": st.lists(st.text()),
        "token": st.text(min_size=1),
        "seen": st.integers(),
    },
)


@given(VALUES, VALUES)
def test_as_a_dataclass_would(some, others):
    record, twin = Login(**some), Twin(**some)
    assert repr(record).replace("Login", "Twin") == repr(twin)
    assert to_json(record) == to_json(twin)
    assert dataclasses.asdict(record) == dataclasses.asdict(twin)
    changed, changed_twin = (
        dataclasses.replace(record, **others),
        dataclasses.replace(twin, **others),
    )
    assert to_json(changed) == to_json(changed_twin)
    assert (record == changed) == (twin == changed_twin)
    assert UNTYPED(**some) != twin
    for same in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert same == record
        assert dataclasses.asdict(same) == dataclasses.asdict(record)


def test_fields_are_told():
    told, twin = dataclasses.fields(Login), dataclasses.fields(Twin)
    for attribute in ("name", "default", "default_factory", "repr", "compare", "metadata"):
        assert [getattr(each, attribute) for each in told] == [
            getattr(each, attribute) for each in twin
        ]

    assert dataclasses.is_dataclass(Login(name="a"))


def test_a_secret_is_shown_nowhere():
    for each in (Login(name="a", token="hunter2"), Remote(name="a", token="hunter2", host="h")):
        for text in (repr(each), str(each), f"{each}", f"{[each]}", pretty_repr(each)):
            assert "name" in text
            assert "hunter2" not in text
            assert "token" not in text
        assert "token" not in to_json(each)


def test_nobody_changes_one():
    record = Login(name="a")
    for name in ("name", "groups", "fresh"):
        with pytest.raises(AttributeError):
            setattr(record, name, "b")
        with pytest.raises(AttributeError):
            delattr(record, name)
    assert not hasattr(record, "__dict__")
    assert record.notes is not Login(name="a").notes


@pytest.mark.parametrize(
    ("values", "place"), [({}, "name"), ({"name": "a", "nam": "b"}, "nam"), ({"nam": "b"}, "nam")]
)
def test_what_is_missing_or_misspelt_is_named(values, place):
    with pytest.raises(TypeError, match=f"'{place}'|'name'"):
        UNTYPED(**values)
    with pytest.raises(TypeError):
        UNTYPED("a")
    with pytest.raises(TypeError):
        dataclasses.replace(UNTYPED(name="a"), nam="b")


def test_hashes_follow_what_is_compared():
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert len({Point(1), Point(1, 0), Point(2)}) == 2
    frozen = [UNTYPED(name="a", notes=(), seen=number, token="t") for number in range(3)]
    assert len(set(frozen)) == 1
    with pytest.raises(TypeError):
        hash(Login(name="a"))


def test_order_and_what_is_done_to_a_new_one():
    assert sorted([Point(2, 1), Point(1, 3), Point(1, 2)]) == [
        Point(1, 2),
        Point(1, 3),
        Point(2, 1),
    ]
    with pytest.raises(TypeError):
        sorted([UNTYPED(name="a"), UNTYPED(name="b")])
    listed: Any = [1.0, 5.0]
    assert Rounded(steps=listed).steps == (1.0, 5.0)
    assert Remote(name="a", groups=("g",), host="h").first == "g"


def test_what_it_stands_on_brings_little_along():
    """Half a start was once imports that no command had a use for."""
    code = (
        "import sys; import sluiceway.record\n"
        "print(*({'typing_extensions', 'unittest.mock', 'asyncio', 'yaml'} & set(sys.modules)))\n"
        "import typing_extensions; print(typing_extensions.TypedDict.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\nTypedDict\n"


class Walk(Changing):
    depth: int
    names: list[str] = field(default_factory=list)


def test_one_that_changes():
    walk = Walk(1)
    walk.depth += 1
    walk.names.append("a")
    assert walk == Walk(depth=2, names=["a"])
    assert dataclasses.replace(walk, depth=3) == replace(walk, depth=3) == Walk(3, ["a"])
    assert Walk(1).names == []
    with pytest.raises(TypeError):
        hash(walk)
    with pytest.raises(AttributeError):
        setattr(walk, "fresh", 1)  # noqa: B010 - the type checker does not let anybody write it
    assert repr(Walk(1)) == "Walk(depth=1, names=[])"


def test_replacing_does_what_dataclasses_do():
    assert replace(Login(name="a", token="t"), name="b") == Login(name="b", token="t")
    listed: Any = [2.0]
    for changed in (replace, dataclasses.replace):
        assert changed(Rounded(steps=(1.0,)), steps=listed).steps == (2.0,)
    with pytest.raises(TypeError):
        replace(UNTYPED(name="a"), nam="b")
