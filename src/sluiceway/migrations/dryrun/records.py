"""What flows through a dry run, and what a database must be able to do for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

from sluiceway.migrations.records import Maybe
from sluiceway.record import Record

__all__ = [
    "Applied",
    "Attempt",
    "Call",
    "Catalogue",
    "Change",
    "Failure",
    "Lock",
    "Parameter",
    "ScratchDatabase",
    "ScratchServer",
    "StatementRecorder",
    "Step",
    "TableSize",
    "Unit",
]

Catalogue = Mapping[tuple[str, str], str]
"""Every object of a schema: its kind and dotted name to its definition, on one line or several.

A column is ``("column", "public.trades.amount")`` to ``numeric(16,4) not null default 0``.
"""


class Failure(Record):
    """A server's own words about a statement that it refused."""

    sqlstate: str
    message: str
    detail: str = ""
    hint: str = ""
    position: int = 0
    """Of the offending character in the statement, from 1; 0 when the server named none."""


class Lock(Record):
    """The strongest lock on a table that a transaction holds when a statement of it ends.

    Only on tables that were there before the first of the new files.
    """

    table: str
    mode: str
    """As the server calls it: ``AccessExclusiveLock``."""


class TableSize(Record):
    """How large a table is where it matters."""

    rows: int
    bytes: int
    """With its indexes and what is stored out of line."""


class Step(Record):
    """One statement of a migration."""

    file: str
    line: int
    sql: str


class Applied(Record):
    """What one statement of a migration did."""

    step: Step
    milliseconds: float = 0.0
    rows: int | None = None
    """That the statement reports as changed."""
    traced: bool = True
    """Whether its locks could be seen. Those of a statement outside a transaction cannot."""
    locks: tuple[Lock, ...] = ()
    rewrites: tuple[str, ...] = ()
    """Tables of which every row was written anew."""
    scans: tuple[str, ...] = ()
    """Tables of which every row was read."""
    emptied: tuple[str, ...] = ()
    """Tables that it truncated."""
    failure: Failure | None = None


class Parameter(Record):
    """A value that was bound to a statement."""

    value: bytes | None
    """As it went over the wire; ``None`` for null."""
    binary: bool = False
    type: int = 0
    """The server's number of its type; 0 lets the server tell from where it stands."""


class Call(Record):
    """One statement of a release, as it was recorded."""

    sql: str
    session: int = 0
    """Which connection it came through."""
    parameters: tuple[Parameter, ...] = ()
    simple: bool = False
    """Sent as text without parameters; then it may be several statements."""
    ok: bool = True
    """Whether it succeeded when it was recorded."""
    sqlstate: str = ""


class Unit(Record):
    """Calls of one session that belong together: a transaction, or a statement by itself."""

    calls: tuple[Call, ...]
    rolled_back: bool = False
    """Its transaction ended without a commit, so nothing after it sees what it did."""


class Attempt(Record):
    """How a recorded statement did."""

    call: Call
    failure: Failure | None = None
    rows: int | None = None
    """That the statement reports as read or changed."""
    columns: int = 0
    """Of its result."""


class Change(Record):
    """One object that a migration made, removed or altered."""

    kind: str
    name: str
    before: str | None
    """``None``: it was not there."""
    after: str | None
    """``None``: it is gone."""


class ScratchDatabase(Protocol):
    """A throw-away database. Whoever made it drops it; nothing else is ever touched."""

    name: str

    @property
    def url(self) -> str:
        """For programs that are to work in it. Holds secrets: never shown."""
        ...

    def release(self) -> None:
        """Close the connection to it; the next call opens another."""
        ...

    def apply(
        self, steps: Sequence[Step], in_transaction: Maybe, *, trace: bool
    ) -> tuple[Applied, ...]:
        """Run one file's statements as its tool would, up to the first that fails.

        Args:
            steps: In order.
            in_transaction: All in one transaction, each by itself, or, when it depends, each by
                itself in a transaction where it can.
            trace: Look after each statement at its locks, rewrites and scans.

        Raises:
            ActionFailed: The server went away.
        """
        ...

    def catalogue(self) -> Catalogue:
        """Return every object that is not the server's own."""
        ...

    def attempt(self, units: Sequence[Unit]) -> tuple[Attempt, ...]:
        """Run recorded statements in order, each so that its failure hinders no other.

        In the end everything that they did is undone, sequences included, so that they find the
        same numbers again. Commands that begin and end transactions are followed and are not among
        the answers.
        """
        ...


class ScratchServer(Protocol):
    """A server on which databases can be made and dropped. Given by plugins."""

    name: str
    """The plugin's."""
    version: str
    """Of the server: ``PostgreSQL 18.4``."""

    def create(self, template: ScratchDatabase | None = None) -> ScratchDatabase:
        """Make a database with a name that nobody can guess, empty or as a copy of *template*."""
        ...

    def drop(self, database: ScratchDatabase) -> None:
        """Drop one that was made here, before the end."""
        ...

    def keep(self, database: ScratchDatabase, key: str) -> ScratchDatabase:
        """Keep *database* for later runs under *key*, where this server keeps any; return it."""
        ...

    def kept(self, key: str) -> ScratchDatabase | None:
        """Return what was kept under *key*, only to be copied."""
        ...

    def sizes(self) -> Mapping[str, TableSize]:
        """Return the tables of the database that this server was configured with, by dotted name.

        Read only; empty where there is no such database. Names in ``public`` stand without it.
        """
        ...

    def close(self) -> None:
        """Drop everything that was made and not kept."""
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        ...


class StatementRecorder(Protocol):
    """Stands between a program and its database and writes down what passes."""

    @property
    def url(self) -> str:
        """Where the program is to connect instead. Holds secrets: never shown."""
        ...

    def close(self) -> tuple[Call, ...]:
        """Stop, and return what was recorded, in the order in which it was answered."""
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        ...
