"""What a script has made, renamed and dropped so far: the schema as far as its statements tell.

Only what statements say is known. A table that nobody has made is taken for one that was there
before, with columns of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sluiceway.migrations.dialect import MYSQL
from sluiceway.migrations.records import Dialect, Maybe, Name
from sluiceway.record import Changing, field

__all__ = ["APART", "Branch", "Catalogue", "Check", "ColumnState", "Domain", "Thing"]

Branch = tuple[int, ...]
"""The IFs, loops and handlers around a statement, outermost first; empty when it runs for sure."""

_SCHEMAS = {
    Dialect.POSTGRES: "public",
    Dialect.REDSHIFT: "public",
    Dialect.TSQL: "dbo",
    Dialect.SQLITE: "main",
    Dialect.DUCKDB: "main",
}
_OF_DATABASES = frozenset({Dialect.TSQL, Dialect.SNOWFLAKE, Dialect.BIGQUERY})
"""Where a script may name tables of several databases."""
_TEMPORARY = "pg_temp"
APART = "\0"
"""Stands between what something is and its name, where that is no table. In no name is there one."""
_NOWHERE: Branch = (0,)
"""No statement stands there: branches are counted from 1, and below 0."""


class Domain(Changing):
    """A domain that a script has made: what it says goes for each of its columns, later too."""

    not_null: bool = False
    default: bool = False
    base: Domain | None = None
    """The domain that it is made of."""
    old: bool = False
    """An earlier script has made it, so that older columns may be of it."""

    @property
    def demands(self) -> bool:
        """Whether it, or what it is made of, takes no NULL."""
        return any(each.not_null for each in self._down())

    @property
    def gives(self) -> bool:
        """Whether a column of it gets a value that no INSERT names."""
        return any(each.default for each in self._down())

    def _down(self) -> Iterator[Domain]:
        """Yield it and what it is made of, however long that goes on."""
        below: Domain | None = self
        while below is not None:
            yield below
            below = below.base


class ColumnState(Changing):
    """A column, as far as it is known."""

    made: Maybe = Maybe.NO
    not_null: bool = False
    """It says so itself; whether its domain does is asked of :attr:`demands`."""
    default: bool = False
    volatile: bool = False
    """The default may come from a sequence or a function."""
    domain: Domain | None = None
    gone: bool = False
    default_branch: Branch = ()
    """Where it got its default: one that an IF sets excuses nothing outside of it."""
    null_branch: Branch = ()
    """Where it was dropped, or took NULL again."""

    @property
    def demands(self) -> bool:
        """Whether it takes no NULL."""
        return self.not_null or (self.domain is not None and self.domain.demands)

    @property
    def gives(self) -> bool:
        """Whether it gets a value that no INSERT names."""
        return self.default or (self.domain is not None and self.domain.gives)


class Check(Changing):
    """A constraint that says of a column that it is not NULL."""

    column: str
    validated: bool = False
    """A VALIDATE CONSTRAINT has run for it."""
    not_null: bool = False
    """It is the NOT NULL itself (PostgreSQL 18 names them)."""
    alone: bool = False
    """Nothing but this keeps NULL out of the column, which the script has added."""


class Thing(Changing):
    """A table, a view, an index, a type, a sequence: whatever has a name in a schema."""

    made: Maybe = Maybe.NO
    branch: Branch = ()
    """Where it was made, so that the same branch knows it for sure."""
    temporary: bool = False
    passing: bool = False
    """It ends with the transaction (``ON COMMIT DROP``)."""
    ends_with: int = 0
    """Where nobody has begun a transaction, the statement that is one itself, perhaps, and that it ends
    with then."""
    partitioned: Maybe = Maybe.NO
    materialized: bool = False
    holds_old: bool = False
    """It is new, but rows that are older may be in it."""
    passes_on: bool = False
    """A view, or a table with a rule: a change of its rows may be one of another table's."""
    parts: list[Thing] = field(default_factory=list)
    """Its partitions and heirs: what is done to it is done to those too."""
    referenced: bool = False
    """An older table has a foreign key to it: TRUNCATE CASCADE empties that table too. Of a type: an
    older column is of it now, and goes with it."""
    made_of: Callable[[], dict[str, ColumnState]] | None = None
    """Tells its columns, until somebody has asked for them."""
    known: dict[str, ColumnState] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    """Of an index, its columns."""
    defaults: dict[str, str] = field(default_factory=dict)
    """The columns of the defaults that have a name (T-SQL)."""

    @property
    def columns(self) -> dict[str, ColumnState]:
        """The columns that were heard of, by name."""
        if self.made_of is not None:
            self.known, self.made_of = self.made_of(), None
        return self.known

    def column(self, name: str) -> ColumnState:
        """Return a column; one that was not heard of is as old as its table."""
        found = self.columns.get(name)
        if found is None:
            found = self.columns[name] = ColumnState()
        return found


class _Gone(Changing):
    branch: Branch


class Catalogue:
    """The things by name, with the schemas that an unqualified name is looked for in."""

    def __init__(self, dialect: Dialect) -> None:
        self._default = _SCHEMAS.get(dialect, "")
        self._databases = dialect in _OF_DATABASES
        self._temporary_too = dialect in MYSQL
        self._aliases = {"temp": _TEMPORARY} if dialect is Dialect.SQLITE else {}
        self.path: tuple[str, ...] = (self._default,)
        self.doubt = False
        """A search path may have been set, or not: no name is sure to mean what we take it for."""
        self.branch: Branch = ()
        """Where the statement stands that is being looked at."""
        self._things: dict[tuple[str, str], Thing | _Gone] = {}

    def search(self, path: str) -> None:
        """Take over a ``search_path``; an empty one is the default again."""
        if not path:
            self.path = (self._default,)
            return
        words = [word.strip().strip('"') for word in path.split(",")]
        chosen = tuple(word for word in words if word and word not in {"$user", "pg_catalog"})
        self.path = chosen or (self._default,)

    def keys(self, name: Name) -> list[tuple[str, str]]:
        """Return where a name may be, the first place first."""
        if len(name) > 2 and self._databases:  # noqa: PLR2004 - database, schema, table
            return [(".".join(name[:-1]), name[-1])]
        if len(name) > 1:
            there = (self._aliases.get(name[-2], name[-2]), name[-1])
            return [(self._session_of(name), name[-1]), there] if self._temporary_too else [there]
        last = name[-1] if name else ""
        if self._temporary_too:
            return [(self._session_of(name), last), (self.path[0], last)]
        if _TEMPORARY in self.path:
            # Only where the path does not name it, it comes first.
            return [(schema, last) for schema in self.path]
        if len(self.path) == 1:
            return [(_TEMPORARY, last), (self.path[0], last)]
        return [(_TEMPORARY, last), *((schema, last) for schema in self.path)]

    def find(self, name: Name) -> Thing | None:
        """Return the thing of that name when it was heard of and is there."""
        if self._things:
            for key in self.keys(name):
                found = self._things.get(key)
                if isinstance(found, Thing):
                    return found
        return None

    def unsure(self, name: Name) -> bool:
        """Say whether a name may mean something older: it is looked for in a schema first of which
        nothing was heard.
        """
        if len(name) != 1 or len(self.path) == 1:
            return False
        passed = False
        for key in self.keys(name):
            found = self._things.get(key)
            if isinstance(found, Thing):
                return passed
            # A session begins without tables of its own.
            passed = passed or (found is None and key[0] != _TEMPORARY)
        return False

    def thing(self, name: Name) -> Thing:
        """Return the thing of that name; one that was not heard of is old."""
        if not name:
            return Thing()
        found = self.find(name)
        if found is None:
            found = Thing()
            self._things[self.home(name)] = found
        return found

    def home(self, name: Name, *, temporary: bool = False) -> tuple[str, str]:
        """Return where something of that name is made."""
        if temporary:
            return (self._session_of(name), name[-1])
        return (self.path[0], name[0]) if len(name) == 1 else self.keys(name)[-1]

    def _session_of(self, name: Name) -> str:
        """Return where a session's own table of that name is: MySQL's are of a database, as others are."""
        if not self._temporary_too:
            return _TEMPORARY
        return _TEMPORARY + (name[-2] if len(name) > 1 else self.path[0])

    def make(self, name: Name, thing: Thing, *, maybe: bool) -> Thing:
        """Put a new thing there. *maybe*: only if there is none (``IF NOT EXISTS``, ``OR REPLACE``)."""
        key = self.home(name, temporary=thing.temporary)
        before = self._things.get(key)
        if isinstance(before, Thing) and before.made is not Maybe.YES:
            # Known to be older: making it again fails, or does nothing.
            return before
        if isinstance(before, Thing) and maybe:
            return before
        free = isinstance(before, _Gone) and self.inside(before.branch)
        thing.made = Maybe.MAYBE if maybe and not free and not thing.temporary else Maybe.YES
        thing.branch = self.branch
        self._things[key] = thing
        return thing

    def drop(self, name: Name, *, temporary: bool = False) -> None:
        """Forget the thing of that name: what is made under it from now on is new."""
        if not name:
            return
        if temporary:
            self._things[self._session_of(name), name[-1]] = _Gone(self.branch)
            return
        for key in self.keys(name):
            if isinstance(self._things.get(key), Thing):
                self._things[key] = _Gone(self.branch)
                return
        self._things[self.home(name)] = _Gone(self.branch)

    def move(self, name: Name, new: Name) -> None:
        """Give the thing of that name another: it stays as old as it is."""
        thing = self.thing(name)
        source = next(
            (key for key in self.keys(name) if self._things.get(key) is thing), self.home(name)
        )
        self._things[source] = _Gone(self.branch)
        target = (new[-2], new[-1]) if len(new) > 1 else (source[0], new[-1])
        self._things[target] = thing
        self._maybe_there(thing)

    def _maybe_there(self, thing: Thing) -> None:
        """Outside of the branch in which a thing gets a name, that may still be the name of another."""
        if self.branch:
            thing.branch = self.branch if self.inside(thing.branch) else _NOWHERE

    def forget_temporary(self, *, passing: bool = False) -> None:
        """Forget the session's own tables, or those that end with the transaction."""
        for key in [
            key
            for key, thing in self._things.items()
            if key[0] == _TEMPORARY and isinstance(thing, Thing) and (thing.passing or not passing)
        ]:
            del self._things[key]

    def rename_schema(self, old: str, new: str) -> None:
        """Move everything of a schema to another."""
        for key in [key for key in self._things if key[0] == old]:
            moved = self._things[(new, key[1])] = self._things.pop(key)
            if isinstance(moved, Thing):
                self._maybe_there(moved)

    def of_schema(self, schema: str, *spaces: str) -> Iterator[Thing]:
        """Yield what is known to be in a schema: tables and their like, or what has such a name apart."""
        for key, thing in self._things.items():
            if key[0] != schema or not isinstance(thing, Thing):
                continue
            what = key[1].partition(APART)[0] if APART in key[1] else ""
            if what in spaces if spaces else what not in {"type", "extension"}:
                yield thing

    def extensions(self) -> Iterator[Thing]:
        """Yield the extensions and their like that were heard of."""
        for key, thing in self._things.items():
            if key[1].startswith(f"extension{APART}") and isinstance(thing, Thing):
                yield thing

    def holds_new(self) -> bool:
        """Say whether anything was made so far that is not the session's own."""
        return any(
            isinstance(thing, Thing) and thing.made is not Maybe.NO and not thing.temporary
            for thing in self._things.values()
        )

    def _part_is_old(self, thing: Thing) -> bool:
        """Say whether a part of *thing*, or a part of that, may be older than the script."""
        waiting, seen = list(thing.parts), [thing]
        while waiting:
            part = waiting.pop()
            if part.made is not Maybe.YES or part.holds_old:
                return True
            if not any(part is other for other in seen):
                seen.append(part)
                waiting.extend(part.parts)
        return False

    def clear(self, schema: str) -> None:
        """Forget everything of a schema that is dropped."""
        for key, thing in self._things.items():
            if key[0] == schema and isinstance(thing, Thing):
                self._things[key] = _Gone(self.branch)

    def inside(self, branch: Branch) -> bool:
        """Say whether what happened in *branch* has happened for sure where we stand."""
        return self.branch[: len(branch)] == branch

    def made(self, thing: Thing, column: ColumnState | None = None) -> Maybe:
        """Return how sure it is that a thing, or a column of it, is new."""
        if thing.made is Maybe.NO and (column is None or column.made is Maybe.NO):
            return Maybe.NO
        if thing.holds_old or self._part_is_old(thing):
            # A column that was added before an older table became a part of it is that table's too.
            return Maybe.NO
        answers = [thing.made, column.made if column is not None else Maybe.NO]
        if Maybe.YES in answers:
            sure = self.inside(thing.branch) and not self.doubt
            return Maybe.YES if sure else Maybe.MAYBE
        return Maybe.MAYBE if Maybe.MAYBE in answers else Maybe.NO
