"""Where the facts of each kind are in a list of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["by_kind"]


def by_kind(facts: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Return kind to the places, from 0, of its facts (as JSON): ``kinds`` of the gate's input.

    Rules go straight to the facts of their kind, and refuse when a fact is not where this says.
    """
    found: dict[str, list[int]] = {}
    for place, fact in enumerate(facts):
        found.setdefault(str(fact["kind"]), []).append(place)
    return found
