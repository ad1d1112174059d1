"""What two grammars say of the same scripts, and where they do not agree.

Two independent readers seldom misread a statement in the same way: ``--strict`` has both read it and
refuses where they differ. Compared is what rules judge by, not how it is worded: a type may be
spelled in two ways and an index be left without a name, but not a table dropped by one alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sluiceway.migrations.records import Fact, Kind, Maybe
from sluiceway.record import Record

__all__ = ["JUDGED", "Difference", "as_facts", "compare"]

JUDGED = frozenset(
    {
        Kind.ADD_COLUMN,
        Kind.ADD_CONSTRAINT,
        Kind.CHANGE_TYPE,
        Kind.CREATE_INDEX,
        Kind.DROP_COLUMN,
        Kind.DROP_DATABASE,
        Kind.DROP_SCHEMA,
        Kind.DROP_TABLE,
        Kind.RENAME_COLUMN,
        Kind.RENAME_TABLE,
        Kind.SET_NOT_NULL,
        Kind.TRUNCATE,
        Kind.UNPARSABLE,
    }
)
"""Kinds of facts on which a decision hangs."""


class Difference(Record):
    """One thing that only one of two grammars says of a statement."""

    fact: Fact
    """As that one says it."""
    says: str
    """The grammar that says it."""
    silent: str
    """The one that does not."""
    instead: str
    """What that one says of the same statement; empty for nothing that is judged."""

    @property
    def message(self) -> str:
        """Both readings, in one sentence."""
        other = f"{self.silent} {self.instead}" if self.instead else f"{self.silent} sees nothing"
        return f"two grammars differ: {self.says} {_told(self.fact)}, {other}"


def compare(
    one: Sequence[Fact], other: Sequence[Fact], names: tuple[str, str]
) -> tuple[Difference, ...]:
    """Return what only one of two readings of the same scripts says, in the order of the files.

    Args:
        one: The facts of the first grammar.
        other: Those of the second.
        names: What the two are called, in this order.
    """
    found: list[Difference] = []
    first, second = names
    for mine, theirs, says, silent in (
        (one, other, first, second),
        (other, one, second, first),
    ):
        known = Counter(_key(fact) for fact in _judged(theirs))
        for fact in _judged(mine):
            key = _key(fact)
            if known[key]:
                known[key] -= 1
                continue
            instead = [_told(each) for each in _judged(theirs) if _place(each) == _place(fact)]
            found.append(
                Difference(
                    fact=fact,
                    says=says,
                    silent=silent,
                    instead=" and ".join(dict.fromkeys(instead)),
                )
            )
    files = {file: number for number, file in enumerate(_files(one, other))}
    return tuple(sorted(found, key=lambda each: (files[each.fact.file], each.fact.line)))


def as_facts(differences: Iterable[Difference]) -> tuple[Fact, ...]:
    """Return one fact for each statement on which the grammars differ: that it cannot be judged."""
    found: dict[tuple[str, int, str], Fact] = {}
    for each in differences:
        fact = each.fact
        key = (fact.file, fact.line, fact.statement_hash)
        if key not in found:
            found[key] = Fact(
                kind=Kind.UNPARSABLE,
                file=fact.file,
                line=fact.line,
                migration=fact.migration,
                statement=fact.statement,
                statement_hash=fact.statement_hash,
                label=each.message,
            )
    return tuple(found.values())


def _judged(facts: Iterable[Fact]) -> list[Fact]:
    return [fact for fact in facts if fact.kind in JUDGED]


def _files(*readings: Iterable[Fact]) -> list[str]:
    return list(dict.fromkeys(fact.file for facts in readings for fact in facts))


def _place(fact: Fact) -> tuple[str, str]:
    """Return of which statement a fact is: on which of its lines, one grammar may not know."""
    return (fact.file, fact.statement_hash)


def _key(fact: Fact) -> tuple[object, ...]:
    """Return what two grammars have to agree on."""
    if fact.kind is Kind.UNPARSABLE:
        return (fact.kind, *_place(fact))
    named: tuple[object, ...] = (fact.kind, *_place(fact), fact.table, fact.column, fact.new_object)
    if fact.kind in {Kind.ADD_COLUMN, Kind.CHANGE_TYPE, Kind.SET_NOT_NULL}:
        demands = not (fact.nullable or fact.default_at_end or fact.generated or fact.covered)
        return (*named, demands)
    if fact.kind is Kind.ADD_CONSTRAINT:
        return (*named, fact.constraint)
    if fact.kind is Kind.CREATE_INDEX:
        return (*named, fact.concurrently)
    if fact.kind in {Kind.RENAME_COLUMN, Kind.RENAME_TABLE}:
        return (*named, fact.new_name)
    return named


def _told(fact: Fact) -> str:
    if fact.kind is Kind.UNPARSABLE:
        return "cannot read it"
    about = ".".join(part for part in (fact.table, fact.column) if part) or fact.object
    words = [f"sees {str(fact.kind).replace('_', ' ')}", about]
    if fact.kind in {Kind.ADD_COLUMN, Kind.CHANGE_TYPE} and not fact.nullable:
        words.append("NOT NULL with a default" if fact.default_at_end else "NOT NULL")
    if fact.new_name:
        words.append(f"to {fact.new_name}")
    if fact.new_object is not Maybe.NO:
        words.append("(new)" if fact.new_object is Maybe.YES else "(perhaps new)")
    if fact.covered:
        words.append("(covered by a check)")
    return " ".join(word for word in words if word)
