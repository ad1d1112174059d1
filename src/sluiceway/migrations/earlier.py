"""What earlier files of a folder have made that a migration may run, or that decides about its columns. Pure.

Each migration is judged alone, because what an earlier one has made is old by the time a later one runs.
But a function with a DROP TABLE in it may be made by one file and called by the next, or fired by what that
does to the rows of a table, and a domain that takes no NULL demands a value of every column that a later
file adds. So a file that names such a one is read with the statements that have made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sluiceway.migrations.mentions import (
    changed,
    changes,
    gives_types,
    hanging,
    harms,
    made_in,
    makings,
    may_make,
    runs,
    stands,
    trigger_in,
    words,
)
from sluiceway.migrations.records import Dialect, Earlier, Script
from sluiceway.migrations.statements import cut, spans
from sluiceway.record import replace

__all__ = ["linked"]


def linked(scripts: Sequence[Script], dialect: Dialect) -> tuple[Script, ...]:
    """Return the scripts, each with the statements of earlier ones that it may need (:attr:`Script.before`)."""
    known = _Known(dialect)
    found = []
    for script in scripts:
        lower = script.text.lower()
        before = tuple(known.needed(lower))
        found.append(replace(script, before=before) if before else script)
        hangs = "trigger" in lower
        if may_make(lower) or (hangs and dialect is not Dialect.POSTGRES):
            known.note(script, lower)
        if hangs and dialect is Dialect.POSTGRES:
            known.hang(script, lower)
    return tuple(found)


class _Known:
    """Functions that may do harm, triggers and domains, each with the statements that made it what it is."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._functions: dict[str, list[Earlier]] = {}
        self._hung: dict[str, dict[str, list[tuple[Script, int]]]] = {}
        """Of a function the tables whose triggers execute it, and where each stands."""
        self._holding: dict[str, list[Earlier]] = {}
        """Of a table what makes those of its triggers that hold themselves what they do."""
        self._domains: dict[str, list[Earlier]] = {}
        self._bases: dict[str, dict[str, None]] = {}
        self._derived: dict[str, list[str]] = {}
        """What each of them is made of, and what is made of it."""
        self._demanding: set[str] = set()
        """Domains that may take no NULL: of the others nothing has to be known."""

    def needed(self, lower: str) -> Iterable[Earlier]:
        """Return the statements that a text, in lower case, may need, in their order."""
        functions = [name for name in self._functions if name in lower]
        found: dict[Earlier, None] = {}
        if functions:
            run = runs(functions, lower)
            found.update((each, None) for name in run for each in self._functions[name])
        found.update((each, None) for each in self._fired(lower))
        if self._demanding and gives_types(lower):
            given = sorted(name for name in self._demanding if stands(name, lower))
            found.update((each, None) for name in given for each in self._made_of(name))
        return found

    def _fired(self, lower: str) -> Iterator[Earlier]:
        """Yield the statements about what may do harm and is fired by a change of rows."""
        # Elsewhere a table may be changed by another name of it: UPDATE t SET a = 1 FROM long_name t.
        if self._holding and changes(lower):
            for table, made in self._holding.items():
                if stands(table, lower):
                    yield from made
        hung = [name for name in self._hung if name in self._functions]
        tables = set(changed(lower)) if hung else set()
        for name in hung if tables else ():
            fired = [table for table in self._hung[name] if table in tables]
            if fired:
                yield from self._functions[name]
            for script, start in (each for table in fired for each in self._hung[name][table]):
                _, end, _ = next(cut(script.text, self._dialect, start=start))
                yield Earlier(script.text[start:end], script.path)

    def _made_of(self, name: str) -> list[Earlier]:
        """Return the statements about a domain, those about the domains that it is made of first."""
        done: dict[str, None] = {}
        begun: set[str] = set()
        waiting = [name]
        while waiting:
            other = waiting[-1]
            if other in begun:
                done.setdefault(waiting.pop())
                continue
            begun.add(other)
            waiting += [each for each in self._bases[other] if each not in begun]
        return [each for other in done for each in self._domains[other]]

    def note(self, script: Script, lower: str) -> None:
        """Remember what a script makes. *lower* is its text in lower case."""
        # Elsewhere a statement may begin in the midst of what looks like one.
        if self._dialect is Dialect.POSTGRES and not self._matters(script.text, lower):
            return
        places = script.spans if script.spans is not None else spans(script.text, self._dialect)
        for begin, end in places:
            statement = Earlier(script.text[begin:end], script.path)
            # PostgreSQL's only name a function.
            table = trigger_in(statement.text) if self._dialect is not Dialect.POSTGRES else None
            if table is not None:
                self._trigger(table, statement)
                continue
            made = made_in(statement.text)
            if made is None:
                continue
            if made.domain:
                self._domain(made.name, statement)
            else:
                self._function(made.name, statement, made.rest, created=made.created)

    def hang(self, script: Script, lower: str) -> None:
        """Remember which triggers a script hangs on tables. *lower* is its text in lower case."""
        for each in hanging(script.text, lower):
            tables = self._hung.setdefault(each.function, {})
            tables.setdefault(each.table, []).append((script, each.start))

    def _matters(self, text: str, lower: str) -> bool:
        """Say whether a text may make one of these, without telling all its statements apart."""
        if len(lower) != len(text):
            return True  # places in the one are not places in the other
        if not self._functions and "domain" not in lower and not harms(lower):
            return False
        for making in makings(lower):
            if making.domain or not making.plain:
                return True
            _, end, _ = next(cut(text, self._dialect, start=making.start))
            held = lower[making.kind_end : end]
            if harms(held) or any(name in held for name in self._functions):
                return True
        return False

    def _trigger(self, table: str, statement: Earlier) -> None:
        if not harms(statement.text.lower()):
            return
        inside = [name for name in words(statement.text) if name in self._functions]
        before = [each for name in inside for each in self._functions[name]]
        self._holding.setdefault(table, []).extend([*before, statement])

    def _domain(self, name: str, statement: Earlier) -> None:
        said = dict.fromkeys(words(statement.text))
        self._domains.setdefault(name, []).append(statement)
        bases = self._bases.setdefault(name, {})
        for base in said:
            if base in self._domains and base != name:
                bases[base] = None
                self._derived.setdefault(base, []).append(name)
        demands = "null" in said or not self._demanding.isdisjoint(bases)
        waiting = [name] if demands else []
        while waiting:
            other = waiting.pop()
            if other not in self._demanding:
                self._demanding.add(other)
                # What is made of one that takes no NULL takes none either.
                waiting += self._derived.get(other, ())

    def _function(self, name: str, statement: Earlier, rest: str, *, created: bool) -> None:
        said = words(statement.text)
        inside = [*dict.fromkeys(each for each in said if each in self._functions)]
        if name not in self._functions and not (created and (inside or harms(rest.lower()))):
            return
        before = [each for other in inside for each in self._functions[other]]
        self._functions[name] = [
            *dict.fromkeys([*before, *self._functions.get(name, ())]),
            statement,
        ]
        if not created and "rename" in said:
            # What it is renamed to is the same function.
            self._functions.setdefault(said[-1], self._functions[name])
