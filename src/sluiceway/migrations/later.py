"""What is read when somebody looks at it: the columns of most tables, and what most functions do,
nobody asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

from sluiceway.migrations.records import Action, Column, Name

__all__ = ["Later", "LaterActions", "LaterColumns"]

Item = TypeVar("Item")


class Later(Sequence[Item]):
    """A tuple whose items are read at the first look at one.

    Args:
        read: Reads them; pure, and never raises for what stands in a script.
    """

    __slots__ = ("_known", "_read")

    def __init__(self, read: Callable[[], tuple[Item, ...]]) -> None:
        self._read = read
        self._known: tuple[Item, ...] | None = None

    def _all(self) -> tuple[Item, ...]:
        if self._known is None:
            self._known = self._read()
        return self._known

    @overload
    def __getitem__(self, at: int) -> Item: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[Item, ...]: ...

    def __getitem__(self, at: int | slice) -> Item | tuple[Item, ...]:
        return self._all()[at]

    def __len__(self) -> int:
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Later):
            return self._all() == other._all()
        return self._all() == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def __deepcopy__(self, memo: object) -> Later[Item]:
        """Return itself: nothing in it changes."""
        return self


class LaterColumns(Later[Column]):
    """The columns of a table that is made.

    Args:
        read: As of :class:`Later`.
        references: The tables that one of them references, which is known without reading them.
    """

    __slots__ = ("references",)

    def __init__(
        self, read: Callable[[], tuple[Column, ...]], references: tuple[Name, ...]
    ) -> None:
        super().__init__(read)
        self.references = references


class LaterActions(Later[Action]):
    """What a function does when it is called, which is never nothing at all; no settings of its own."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True
