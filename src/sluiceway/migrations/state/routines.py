"""Which functions and procedures a script has made, and what a name of one may mean."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.migrations.dialect import MYSQL
from sluiceway.migrations.later import LaterActions
from sluiceway.migrations.records import Action, Dialect, Kind, Name
from sluiceway.record import Changing, field

__all__ = ["Routine", "Routines"]


class Routine(Changing):
    """A function or procedure that a script has defined."""

    actions: Sequence[Action]
    text: str
    """Its definition, for the hash of what calls it."""
    body: str
    language: str
    made_in: str = ""
    """The earlier file that has made it, if it was one."""


class Routines(Changing):
    """The routines that a script has made, by schema and name, then by the types of what they are given."""

    dialect: Dialect
    _known: dict[Name, dict[tuple[str, ...], Routine]] = field(default_factory=dict)
    _kept: set[str] = field(default_factory=set)
    """Names of functions that a default, an index or the like calls from now on, made here or not."""

    def add(self, name: Name, given: tuple[str, ...], routine: Routine, *, sure: bool) -> None:
        """Note one that was made. *sure*: it is made, and another in its place is gone."""
        known = self._known.setdefault(name, {})
        # One that may not be made stands beside the one that may still be there.
        known[given if sure else (*given, f"?{len(known)}")] = routine

    def drop(self, name: Name, given: tuple[str, ...]) -> None:
        """Forget one, or all of that name where it is not said which."""
        for found in self.named(name):
            if given:
                self._known[found].pop(given, None)
            else:
                del self._known[found]

    def of(self, name: Name) -> list[Routine]:
        """Return those of exactly that name."""
        return list(self._known.get(name, {}).values())

    def names(self) -> list[Name]:
        """Return every name."""
        return list(self._known)

    def named(self, name: Name) -> list[Name]:
        """Return the functions that a name means: an unqualified one any schema's."""
        if not name:
            return []
        name = self.folded(name)
        if len(name) > 1 and name[-2:] in self._known:
            return [name[-2:]]
        if len(name) > 1 and self.dialect is Dialect.ORACLE:
            # A call of what is in a package: nobody has kept its parts apart.
            return [found for found in self._known if found[-1] == name[-2]]
        if len(name) > 1:
            return []
        return [found for found in self._known if found[-1] == name[-1]]

    def called(self, name: Name) -> list[Name]:
        """Return the functions that a call may run.

        Where one was made that was given no schema is a guess: ``"$user"`` or a schema that is not
        there may have come first.
        """
        if not name:
            # A name that is put together while running may be that of any.
            return self.names()
        found = self.named(name)
        if found or len(name) == 1:
            return found
        return [each for each in self._known if each[-1] == self.folded(name)[-1]]

    def folded(self, name: Name) -> Name:
        """Return the name of a routine: MySQL takes no account of its case."""
        return tuple(map(str.lower, name)) if self.dialect in MYSQL else name

    def keep(self, name: Name) -> None:
        """Note that something calls a function of that name from now on without naming it again."""
        if name:
            self._kept.add(self.folded(name)[-1])

    def is_kept(self, name: Name) -> bool:
        """Say whether something may call a function of that name without naming it."""
        return bool(name) and self.folded(name)[-1] in self._kept

    def rename(self, name: Name, new: Name, *, sure: bool) -> None:
        """Move those of a name to another; where that may not happen they have both."""
        for found in self.named(name):
            moved = self._known[found]
            if sure:
                del self._known[found]
            self._known[(*(new[-2:-1] or found[:-1]), new[-1])] = moved

    def rename_schema(self, old: str, new: str) -> None:
        """Move everything of a schema to another; what may not be moved is found by its last name."""
        for name in [name for name in self._known if name[-2:-1] == (old,)]:
            self._known[(new, name[-1])] = self._known.pop(name)

    def of_schema(self, schema: str) -> bool:
        """Say whether there is one in a schema."""
        return any(name[-2:-1] == (schema,) for name in self._known)

    def set_path(self, name: Name, path: Sequence[Action]) -> None:
        """Let those of a name bring along another search path, or none."""
        for found in self.called(name):
            for routine in self._known[found].values():
                routine.actions = _with_path(routine.actions, path)


def _with_path(actions: Sequence[Action], path: Sequence[Action]) -> Sequence[Action]:
    if not actions:
        return actions  # a body that nobody has read

    def read() -> tuple[Action, ...]:
        own = (each for each in actions if each.kind is not Kind.SET or each.label != "function")
        return (*path, *own)

    return LaterActions(read)
