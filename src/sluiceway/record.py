"""The base of records: frozen, made by named arguments, and cheap both to declare and to make.

Commands used to spend a tenth of their time on declaring dataclasses, each of which is compiled from a
text of its own, and most of the making of a frozen one went to getting around its own guard. A
``msgspec.Struct`` is declared forty times and made ten times as quickly. For the functions of
:mod:`dataclasses` (``replace``, ``fields``, ``asdict``, ``is_dataclass``) a record is a dataclass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from functools import cache
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast, dataclass_transform, overload

from sluiceway.lazy import without

with without("typing_extensions"):  # for older Pythons; importing it takes as long as all the rest
    import msgspec
    from msgspec import NODEFAULT
    from msgspec.structs import force_setattr

__all__ = ["Changing", "Record", "field", "replace", "settle"]

_Value = TypeVar("_Value")


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a class says of a field besides its type."""

    default: Mapping[str, Any]
    repr: bool
    compare: bool
    metadata: Mapping[str, Any]


@overload
def field(
    *,
    default: _Value,
    repr: bool = True,
    compare: bool = True,
    metadata: Mapping[str, Any] = ...,
) -> _Value: ...


@overload
def field(
    *,
    default_factory: Callable[[], _Value],
    repr: bool = True,
    compare: bool = True,
    metadata: Mapping[str, Any] = ...,
) -> _Value: ...


@overload
def field(*, repr: bool = True, compare: bool = True, metadata: Mapping[str, Any] = ...) -> Any: ...


def field(
    *,
    repr: bool = True,  # noqa: A002 - dataclasses' name for it
    compare: bool = True,
    metadata: Mapping[str, Any] | None = None,
    **default: Any,
) -> Any:
    """Say more of a record's field than its type.

    Args:
        repr: Whether it is shown; a secret is not.
        compare: Whether records that differ in it alone differ.
        metadata: What :func:`dataclasses.fields` tells of it.
        **default: ``default``, or ``default_factory`` that makes it.
    """
    return _Said(default=default, repr=repr, compare=compare, metadata=metadata or {})


if TYPE_CHECKING:
    from dataclasses import replace

    @dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
    class _Kind(type):
        def __new__(
            mcs,
            name: str,
            bases: tuple[type, ...],
            namespace: dict[str, Any],
            *,
            kw_only: bool = True,
            order: bool = False,
        ) -> _Kind: ...

    @dataclass_transform(field_specifiers=(field,))
    class _ChangingKind(type): ...

    class _Record(metaclass=_Kind):
        __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    class _Changing(metaclass=_ChangingKind):
        __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

else:
    replace = msgspec.structs.replace

    class _Kind(msgspec.StructMeta):
        def __new__(mcs, name, bases, namespace, *, frozen=True, kw_only=True, order=False):  # noqa: ANN001, ANN204 - above
            said = {key: each for key, each in namespace.items() if isinstance(each, _Said)}
            for key, each in said.items():
                namespace[key] = msgspec.field(**each.default)
            for base in bases:
                said = getattr(base, "__said__", {}) | said
            namespace["__said__"] = said
            if not all(each.repr for each in said.values()):
                namespace |= {"__repr__": _shown, "__rich_repr__": _rich}
            if not all(each.compare for each in said.values()):
                namespace |= {"__eq__": _equal, "__hash__": _hash if frozen else None}
            return super().__new__(
                mcs, name, bases, namespace, frozen=frozen, kw_only=kw_only, order=order
            )

    class _ChangingKind(_Kind):
        def __new__(mcs, name, bases, namespace):  # noqa: ANN001, ANN204 - above
            return super().__new__(mcs, name, bases, namespace, frozen=False, kw_only=False)

    class _Fields:
        """What :mod:`dataclasses` looks for, made when it does."""

        def __get__(self, record: Any, kind: type) -> dict[str, dataclasses.Field[Any]]:
            return _fields(kind)

    class _Record(msgspec.Struct, metaclass=_Kind):
        __said__: ClassVar[Mapping[str, _Said]]
        __dataclass_fields__: ClassVar = _Fields()

    class _Changing(msgspec.Struct, metaclass=_ChangingKind):
        __said__: ClassVar[Mapping[str, _Said]]
        __dataclass_fields__: ClassVar = _Fields()


class Record(_Record):
    """A frozen record.

    ::

        class Login(Record):
            name: str
            groups: tuple[str, ...] = ()
            token: str = field(default="", repr=False)

    Keywords of a class: ``kw_only=False`` lets its fields be given by position, ``order=True`` compares
    its records as the tuples of their fields.
    """


class Changing(_Changing):
    """A record whose fields are set as work goes on, given by position or name; it has no hash."""


def settle(record: Record, name: str, value: object) -> None:
    """Set a field in ``__post_init__``, and nowhere else: there nobody has seen the record yet."""
    force_setattr(cast("msgspec.Struct", record), name, value)


def _shown(record: Any) -> str:
    inner = ", ".join(f"{name}={value!r}" for name, value in _rich(record))
    return f"{type(record).__qualname__}({inner})"


def _rich(record: Any) -> Iterator[tuple[str, Any]]:
    """Yield what rich prints of a record."""
    for each in dataclasses.fields(record):
        if each.repr:
            yield each.name, getattr(record, each.name)


@cache
def _compared(kind: Any) -> Callable[[Any], Any]:
    """Return what reads the fields of such a record that count."""
    return attrgetter(*(name for name, each in _fields(kind).items() if each.compare))


def _equal(record: Any, other: object) -> bool:
    kind: Any = type(record)
    read = _compared(kind)
    return type(other) is kind and bool(read(record) == read(other))


def _hash(record: Any) -> int:
    kind: Any = type(record)
    return hash(_compared(kind)(record))


@cache
def _fields(kind: Any) -> dict[str, dataclasses.Field[Any]]:
    names, defaults, said = kind.__struct_fields__, kind.__struct_defaults__, kind.__said__
    padded = (NODEFAULT,) * (len(names) - len(defaults)) + defaults
    found = {}
    for name, default in zip(names, padded, strict=True):
        told = found[name] = copy(_PROBED)
        told.name = name
        if isinstance(default, _FACTORY):
            told.default_factory = default.factory
        elif default is not NODEFAULT:
            told.default = default
        if (more := said.get(name)) is not None:
            told.repr, told.compare = more.repr, more.compare
            told.metadata = MappingProxyType(dict(more.metadata))
    return found


@dataclasses.dataclass(init=False, repr=False, eq=False, match_args=False)
class _Probe:
    """One field. Without a docstring dataclasses makes one up, which takes 3 ms."""

    probed: Any


class _MadeProbe(msgspec.Struct):
    made: list[Any] = msgspec.field(default_factory=list)


_PROBED = dataclasses.fields(_Probe)[0]
"""A field that a dataclass has; one fresh from ``dataclasses.field`` is none yet."""
_FACTORY: Any = type(_MadeProbe.__struct_defaults__[0])
"""What msgspec keeps for a default that is made."""
