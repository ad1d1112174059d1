"""Whether what a plugin answers is what its hook promises; :mod:`sluiceway.hookspecs` is the list.

A wrong answer is found where the plugin was asked. Further in it would be an error of ours, in a
place that no longer knows whose answer it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sluiceway import hookspecs, model
from sluiceway.record import Record

__all__ = ["check"]

_KEPT = ("Attestation", "Built", "Pushed")
"""Records that are not written down as they are: they hold bytes, or documents read from JSON."""
_PLAIN: Mapping[str, type] = {"str": str, "Path": Path}


def check(hook: str, answer: Any) -> None:
    """See that *answer*, which is not ``None``, has the form that the *hook*'s annotation says.

    Interfaces (a registry, a policy engine) are not looked at: calling them is what tells. Records
    that are judged, signed or written down have to have a JSON form.

    Raises:
        TypeError: It has another form, or a part of it has.
        ValueError: A number or a moment in it has no JSON form.
    """
    shape, kinds = _promised(hook)
    parts: Any = (answer,)
    if shape == "Mapping":
        _see(answer, shape, isinstance(answer, Mapping))
        return
    if shape == "Sequence":
        _see(answer, f"a sequence of {_names(kinds[0])}", isinstance(answer, list | tuple))
        parts, kinds = answer, kinds * len(answer)
    elif shape == "tuple":
        parts = answer
        whole = isinstance(answer, tuple) and len(answer) == len(kinds)
        _see(answer, f"a tuple of {' and '.join(map(_names, kinds))}", whole)
    for part, kind in zip(parts, kinds, strict=True):
        if kind:
            _see(part, _names(kind), isinstance(part, kind))
        if isinstance(part, Record) and type(part).__name__ not in _KEPT:
            model.canonical(part)


def _see(found: Any, promised: str, right: bool) -> None:  # noqa: FBT001 - what was seen
    if not right:
        msg = f"it answers with {type(found).__name__} where the hook promises {promised}"
        raise TypeError(msg)


def _names(kinds: tuple[type, ...]) -> str:
    return " or ".join(kind.__name__ for kind in kinds) or "what it says"


@cache
def _promised(hook: str) -> tuple[str, tuple[tuple[type, ...], ...]]:
    """Return the outer form of the *hook*'s answers, and the classes that each part may have.

    ``Sequence[Evidence]`` is ``("Sequence", ((Evidence,),))``. A part that may have any class, or
    is an interface, has none.
    """
    said = getattr(hookspecs, hook).__annotations__["return"].removesuffix(" | None")
    shape, inside, inner = said.rstrip("]").partition("[")
    if not inside:
        return "", (_classes(said),)
    return shape, tuple(_classes(each) for each in inner.split(", "))


def _classes(said: str) -> tuple[type, ...]:
    found = [_PLAIN.get(name) or getattr(model, name, None) for name in said.split(" | ")]
    kinds = tuple(each for each in found if isinstance(each, type))
    return () if any(getattr(each, "_is_protocol", False) for each in kinds) else kinds
