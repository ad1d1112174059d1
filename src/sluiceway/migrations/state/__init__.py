"""Actions to facts: what each statement means for the schema as the ones before it left it.

Pure, and the same for every dialect: a parser has said what each statement does by itself; here is
known which tables the same script has made, what a column is at its end, what a function does that
is called, and what was rolled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from sluiceway.migrations.records import (
    Dialect,
    Fact,
    Script,
    SqlParser,
)
from sluiceway.migrations.state.draft import Draft
from sluiceway.migrations.state.walk import Walk

__all__ = ["Facts", "fact_json", "facts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What scripts do, in the order in which they do it."""

    facts: tuple[Fact, ...]
    statements: int
    """How many statements were read, harmless ones included."""


def facts(
    scripts: Sequence[Script], parser: SqlParser, dialect: Dialect, *, together: bool = False
) -> Facts:
    """Return what *scripts* do, in their order.

    *together*: they are applied by one release, so that what one of them has made is new to the
    next. Otherwise each of them stands alone.
    """
    walk = Walk(dialect)
    drafts: list[Draft] = []
    statements = 0
    for script in scripts:
        parsed = parser.parse(script, dialect)
        statements += len(parsed)
        if not together:
            walk.forget()
        walk.start(script, parser, parsed)
        own = walk.script(parsed)
        for draft in own:
            draft.settle()
        drafts.extend(own)
    if together:
        for draft in drafts:
            # A default that the script gives and a later one takes away is none, and one that only
            # a later one gives came too late for the statement.
            draft.settle()
    return Facts(facts=tuple(draft.fact() for draft in drafts), statements=statements)


_FIELDS = tuple(item.name for item in fields(Fact))
_DEFAULTS = tuple(item.default for item in fields(Fact))
_VALUES = attrgetter(*_FIELDS)


def fact_json(fact: Fact) -> dict[str, Any]:
    """Return a fact as policies read it: without what has its default value."""
    return {
        name: value if type(value) in _PLAIN else str(value)
        for name, value, default in zip(_FIELDS, _VALUES(fact), _DEFAULTS, strict=True)
        if value != default
    }


_PLAIN = frozenset({str, bool, int})
