"""Which transactions and savepoints a script has open, and what was known when each began."""

from __future__ import annotations

import copy

from sluiceway.migrations.records import Action, Dialect
from sluiceway.migrations.state.world import World

__all__ = ["TRANSACTIONAL", "Transactions"]

TRANSACTIONAL = frozenset(
    {
        Dialect.POSTGRES,
        Dialect.SQLITE,
        Dialect.TSQL,
        Dialect.REDSHIFT,
        Dialect.DUCKDB,
        Dialect.DB2,
    }
)
"""Where ROLLBACK takes a DROP TABLE back. Elsewhere DDL commits what was begun."""


class Transactions:
    """The open transaction of one script.

    Args:
        dialect: Whose transactions these are.
        takes_back: The script rolls something back, and DDL with it: else no world need be kept.
    """

    def __init__(self, dialect: Dialect, *, takes_back: bool) -> None:
        self.open = False
        self._dialect = dialect
        self._takes_back = takes_back and dialect in TRANSACTIONAL
        self._of_savepoint = False
        self._begun: list[tuple[str, World]] = []
        """What was known at the transaction's begin, and by its name at that of each savepoint."""

    def begin(self, action: Action, world: World, *, sure: bool) -> None:
        """Begin a transaction, or a savepoint. *sure*: the statement runs."""
        if not action.label:
            self.open = True
        elif not self.open:
            if self._dialect is not Dialect.SQLITE:
                return
            # There a savepoint is a transaction where none is open.
            self.open, self._of_savepoint = True, True
            self._keep("", world, sure=sure)
        self._keep(_savepoint(action), world, sure=sure)

    def _keep(self, name: str, world: World, *, sure: bool) -> None:
        if self._takes_back and sure:
            self._begun.append((name, copy.deepcopy(world)))

    def end(self) -> None:
        """Let what was done since the begin stay."""
        self.open = self._of_savepoint = False
        self._begun = []

    def released(self, action: Action, *, sure: bool) -> bool:
        """Forget a savepoint and those behind it; say whether the transaction ends with it."""
        places = self._places(action)
        if not places or not sure:
            return False
        del self._begun[places[-1] :]
        return self._of_savepoint and len(self._begun) == 1

    def taken_back(self, action: Action, *, sure: bool) -> World | None:
        """Return what was known before that is taken back; :attr:`open` says whether all of it was."""
        if not self._begun or action.label == "prepared":
            return None
        if not sure:
            # It may not run, so that it takes nothing back; and where it does, what follows stands alone.
            self._begun = []
            return None
        if action.label == "savepoint":
            places = self._places(action)
            if places:
                del self._begun[places[-1] + 1 :]
                return copy.deepcopy(self._begun[-1][1])
            # A name that is no savepoint's is the transaction's own, which T-SQL gives it.
            if self._dialect is not Dialect.TSQL or len(self._begun) != 1:
                return None
        world = self._begun[0][1]
        self.end()
        return world

    def _places(self, action: Action) -> list[int]:
        """Return where the savepoints of that name are."""
        wanted = action.name[-1] if action.name else ""
        return [number for number, (name, _) in enumerate(self._begun) if number and name == wanted]


def _savepoint(action: Action) -> str:
    return action.name[-1] if action.name and action.label else ""
