"""The columns of a table that is made, read when somebody asks for them: of most nobody does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

from sluiceway.migrations.records import Column, Name

__all__ = ["Later"]


class Later(Sequence[Column]):
    """Columns as a tuple has them, that are read at the first look at one.

    Args:
        read: Reads them; pure, and never raises for what stands in a script.
        references: The tables that one of them references, which is known without reading them.
    """

    __slots__ = ("_known", "_read", "references")

    def __init__(
        self, read: Callable[[], tuple[Column, ...]], references: tuple[Name, ...]
    ) -> None:
        self._read = read
        self._known: tuple[Column, ...] | None = None
        self.references = references

    def _all(self) -> tuple[Column, ...]:
        if self._known is None:
            self._known = self._read()
        return self._known

    @overload
    def __getitem__(self, at: int) -> Column: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[Column, ...]: ...

    def __getitem__(self, at: int | slice) -> Column | tuple[Column, ...]:
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
