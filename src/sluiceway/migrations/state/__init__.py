"""Actions to facts: what each statement means for the schema as the ones before it left it.

Pure, and the same for every dialect: a parser has said what each statement does by itself; here is
known which tables the same script has made, what a column is at its end, what a function does that
is called, and what was rolled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from sluiceway.migrations.records import (
    Asked,
    Dialect,
    Earlier,
    Fact,
    Parsed,
    Script,
    Sparing,
    SqlParser,
)
from sluiceway.migrations.state.draft import Draft, as_json
from sluiceway.migrations.state.walk import Walk
from sluiceway.record import Record, replace

__all__ = ["Facts", "fact_json", "facts", "facts_asked"]


class Facts(Record):
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
    drafts, statements = _drafts(scripts, parser, dialect, together=together)
    return Facts(facts=tuple(Fact(**draft.whole()) for draft in drafts), statements=statements)


def facts_asked(
    scripts: Sequence[Script], parser: SqlParser, dialect: Dialect, asked: Asked | None
) -> tuple[list[dict[str, Any]], int]:
    """Return what *scripts* do, each standing alone, and the number of their statements.

    As JSON (:func:`fact_json`), and only what is *asked* for, or everything.
    """
    drafts, statements = _drafts(scripts, parser, dialect, asked=asked)
    wanted = (draft for draft in drafts if asked is None or asked.wants(draft.values))
    return [as_json(draft.whole()) for draft in wanted], statements


def _drafts(
    scripts: Sequence[Script],
    parser: SqlParser,
    dialect: Dialect,
    *,
    together: bool = False,
    asked: Asked | None = None,
) -> tuple[list[Draft], int]:
    """Return every fact, or at least those that are *asked* for, and the number of statements."""
    walk = Walk(dialect, asked)
    drafts: list[Draft] = []
    sparing = parser if isinstance(parser, Sparing) and not together else None
    statements = 0
    earlier = _Recalling(parser, dialect)
    if together and scripts:
        earlier.recall(walk, scripts[0], _older(scripts))
    for script in scripts:
        if sparing is not None and asked is not None and not script.problems:
            found = sparing.spared(script, dialect, asked)
            if isinstance(found, int):
                statements += found
                continue
            parsed = found
        else:
            parsed = parser.parse(script, dialect)
        statements += len(parsed)
        if not together:
            walk.forget()
            earlier.recall(walk, script, script.before)
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
    return drafts, statements


def _older(scripts: Sequence[Script]) -> tuple[Earlier, ...]:
    """Return what scripts of one release need that none of them has made before, so that an older one has."""
    needed: dict[Earlier, None] = {}
    for number, script in enumerate(scripts):
        for each in script.before:
            if each not in needed and not any(
                each.text in other.text for other in scripts[:number]
            ):
                needed[each] = None
    return tuple(needed)


class _Recalling:
    """Lets a walk know statements of earlier scripts; many scripts may need the same ones."""

    def __init__(self, parser: SqlParser, dialect: Dialect) -> None:
        self._parser = parser
        self._dialect = dialect
        self._parsed: dict[tuple[Earlier, ...], Sequence[Parsed]] = {}

    def recall(self, walk: Walk, script: Script, statements: tuple[Earlier, ...]) -> None:
        """Let *walk* know these statements, which *script* or one after it needs."""
        if not statements:
            return
        cut, at = [], 0
        for statement in statements:
            cut.append((at, at + len(statement.text)))
            at += len(statement.text) + 1
        earlier = replace(
            script,
            text="\n".join(each.text for each in statements),
            spans=tuple(cut),
            before=(),
            problems=(),
            conditional=(),
        )
        if statements not in self._parsed:
            self._parsed[statements] = self._parser.parse(earlier, self._dialect)
        made = self._parsed[statements]
        walk.start(earlier, self._parser, made)
        starts = [start for start, _ in cut]
        walk.recall(made, starts, [each.file for each in statements])


_FIELDS = tuple(item.name for item in fields(Fact))
_VALUES = attrgetter(*_FIELDS)


def fact_json(fact: Fact) -> dict[str, Any]:
    """Return a fact as policies read it: without what has its default value."""
    return as_json(dict(zip(_FIELDS, _VALUES(fact), strict=True)))
