"""Which functions a change of rows fires: triggers of the table, its partitions and its heirs, and of the
tables whose foreign keys follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from sluiceway.migrations.records import Name
from sluiceway.record import Changing, field

__all__ = ["Triggers"]

Key = tuple[str, str]
"""Where a table may be: schema and name. One written name may mean several of them."""


class Triggers(Changing):
    """What a script has hung on tables, and which of them are parts of others."""

    _functions: dict[Key, list[tuple[Name, bool]]] = field(default_factory=dict)
    """With whether it is fired for each row."""
    _parents: dict[Key, set[Key]] = field(default_factory=dict)
    """Of a partition the table it is of, of an heir what it inherits from."""
    _referring: dict[Key, set[Key]] = field(default_factory=dict)
    """Of a table those with a foreign key to it: what cascades to them is a change of their rows."""

    _places: dict[tuple[Name, bool], bool] = field(default_factory=dict)
    """Whether each of them hangs on nothing but new tables."""
    _elsewhere: set[Name] = field(default_factory=set)
    """Those that a change of some other table was said to fire already: once is enough."""
    _fired: dict[tuple[tuple[Key, ...], bool], list[Name]] = field(default_factory=dict)
    """What was found out since the last of these changed: scripts have thousands of rows for a table."""

    def add(self, table: Iterable[Key], function: Name, *, for_row: bool, new: bool) -> None:
        """Hang *function* on a table, which is *new* or may be older."""
        self._fired.clear()
        hung = (function, for_row)
        self._places[hung] = self._places.get(hung, True) and new
        for key in table:
            self._functions.setdefault(key, []).append((function, for_row))

    @property
    def hung(self) -> bool:
        """Whether a script has hung anything on a table."""
        return bool(self._functions)

    def grow_old(self) -> None:
        """Let them be from an earlier script: only what is done to their own tables fires them."""
        self._places.clear()

    def add_part(self, part: Iterable[Key], parent: Iterable[Key]) -> None:
        """Note that a table is a partition or an heir of another."""
        self._fired.clear()
        parents = set(parent)
        for key in part:
            self._parents.setdefault(key, set()).update(parents - {key})

    def add_reference(self, table: Iterable[Key], to: Iterable[Key]) -> None:
        """Note a foreign key. Whether it cascades is not asked: somebody has hung the function there."""
        self._fired.clear()
        tables = set(table)
        for key in to:
            self._referring.setdefault(key, set()).update(tables - {key})

    def move(self, old: Iterable[Key], new: Iterable[Key]) -> None:
        """Let them go with a table that gets another name: from each key to the one beside it."""
        self._fired.clear()
        for before, after in zip(old, new, strict=True):
            if before in self._functions:
                self._functions[after] = self._functions[before]
            if before in self._parents:
                self._parents[after] = self._parents[before]
            if before in self._referring:
                self._referring[after] = self._referring[before]
            for tables in (*self._parents.values(), *self._referring.values()):
                if before in tables:
                    tables.add(after)

    def rename_schema(self, old: str, new: str) -> None:
        """Let them go with the tables of a schema that gets another name."""
        tables = {
            key
            for among in (self._functions, self._parents, self._referring)
            for key in (*among, *(each for held in among.values() for each in held))
            if key[0] == old
        }
        self.move(tables, [(new, name) for _, name in tables])

    def fired(self, table: Iterable[Key], *, emptied: bool = False) -> list[Name]:
        """Return the functions that a change of rows of a table may fire, or that it is *emptied*.

        Through its parts, and its parents' on itself, only what is fired for each row. Whether a
        parent is partitioned or inherited from (then its own triggers are not its heirs') is not
        asked: the function is in the script, and somebody has hung it there.
        """
        if not self._functions:
            return []
        named = tuple(table)
        known = self._fired.get((named, emptied))
        if known is None:
            # A name may mean several tables, and a trigger be found at each of them.
            found = dict.fromkeys(self._found(named, emptied=emptied))
            known = self._fired[named, emptied] = list(found)
        return known

    def elsewhere(self, *, everywhere: bool, emptied: bool, but: Iterable[Name]) -> list[Name]:
        """Return what a change of another table fires that leads to one of these in a way that no
        statement shows: a view, a rule or a foreign key from before.

        To a table that is new nothing leads from before; with *everywhere*, to that one too.
        """
        found = {
            function: None
            for (function, row), new in self._places.items()
            if (everywhere or not new) and not (emptied and row) and function not in self._elsewhere
        }
        self._elsewhere.update(found)
        return [function for function in found if function not in but]

    def forget_fired(self) -> None:
        """Forget what was fired: a function may be another now."""
        self._elsewhere.clear()

    def _found(self, named: tuple[Key, ...], *, emptied: bool) -> Iterator[Name]:
        for key in (*named, *self._followers(named)):
            yield from (
                function
                for function, row in self._functions.get(key, ())
                if not (emptied and row)  # TRUNCATE knows no rows
            )
        if emptied:
            return
        for key in self._related(named):
            yield from (function for function, row in self._functions.get(key, ()) if row)

    def _followers(self, table: Sequence[Key]) -> list[Key]:
        """Return the tables to which a change may cascade, and what it may cascade to from there."""
        if not self._referring:
            return []
        found = _closed(table, lambda key: self._referring.get(key, ()))
        return [key for key in found if key not in table]

    def _related(self, table: Sequence[Key]) -> list[Key]:
        if not self._parents:
            return []
        above = _closed(table, lambda key: self._parents.get(key, ()))
        below = _closed(table, lambda key: [c for c, up in self._parents.items() if key in up])
        return [key for key in dict.fromkeys([*above, *below]) if key not in table]


def _closed(begin: Iterable[Key], beside: Callable[[Key], Iterable[Key]]) -> list[Key]:
    """Return what can be come to from *begin*, with *begin*."""
    found = dict.fromkeys(begin)
    waiting = list(found)
    while waiting:
        for key in beside(waiting.pop()):
            if key not in found:
                found[key] = None
                waiting.append(key)
    return list(found)
