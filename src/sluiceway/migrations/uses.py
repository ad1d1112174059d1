"""What a release reads and writes, as it declares, and which facts of a migration would break it.

A declaration names tables and columns as the server keeps them (lower case on PostgreSQL unless
quoted), a table with or without its schema::

    [reads]
    payments = ["id", "amount"]
    "billing.invoices" = "*"

    [writes]
    payments = ["id", "amount"]

``"*"`` is every column. A name without a schema means that table in every schema: of two readings
the one that refuses more.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sluiceway.config.settings import unknown_keys
from sluiceway.errors import ConfigurationError
from sluiceway.migrations.records import Kind
from sluiceway.record import Record, field

__all__ = [
    "CONTRACTING",
    "EVERY",
    "Breakage",
    "Uses",
    "breaks",
    "broken",
    "contracting",
    "named",
    "read_uses",
    "uses_from",
]

EVERY = "*"
"""Every column of a table."""

CONTRACTING = frozenset(
    {
        Kind.DROP_TABLE,
        Kind.RENAME_TABLE,
        Kind.SET_SCHEMA,
        Kind.DROP_VIEW,
        Kind.RENAME_VIEW,
        Kind.DROP_SCHEMA,
        Kind.RENAME_SCHEMA,
        Kind.DROP_COLUMN,
        Kind.RENAME_COLUMN,
        Kind.SET_NOT_NULL,
        Kind.ADD_COLUMN,
    }
)
"""What may take away something that a release relies on. ADD_COLUMN and SET_NOT_NULL do where an
INSERT that does not name the column is refused afterwards."""

_SCHEMAS = frozenset({Kind.DROP_SCHEMA, Kind.RENAME_SCHEMA})
_COLUMNS = frozenset({Kind.DROP_COLUMN, Kind.RENAME_COLUMN})
_MADE = frozenset({Kind.CREATE_TABLE, Kind.CREATE_VIEW})
_RENAMED = frozenset({Kind.RENAME_TABLE, Kind.RENAME_VIEW})
_EASED = frozenset({Kind.ADD_COLUMN, Kind.DROP_NOT_NULL})
_WORDS = {
    Kind.DROP_TABLE: "dropped",
    Kind.DROP_VIEW: "dropped",
    Kind.DROP_SCHEMA: "dropped",
    Kind.DROP_COLUMN: "dropped",
    Kind.RENAME_TABLE: "renamed",
    Kind.RENAME_VIEW: "renamed",
    Kind.RENAME_SCHEMA: "renamed",
    Kind.RENAME_COLUMN: "renamed",
    Kind.SET_SCHEMA: "moved",
    Kind.SET_NOT_NULL: "required",
    Kind.ADD_COLUMN: "required",
}

Columns = Mapping[str, frozenset[str]]
Fact = Mapping[str, Any]
"""A fact as policies see it: what has its default value is left out."""


class Uses(Record):
    """Table to the columns that a release uses of it; :data:`EVERY` among them is all."""

    reads: Columns = field(default_factory=dict)
    writes: Columns = field(default_factory=dict)

    def to_json(self) -> dict[str, dict[str, list[str]]]:
        """Return ``{"reads": {table: [column]}, "writes": ...}``, sorted."""
        return {
            name: {table: sorted(columns) for table, columns in sorted(part.items())}
            for name, part in (("reads", self.reads), ("writes", self.writes))
        }


class Breakage(Record):
    """One thing that a release uses and the database no longer has, or demands more for."""

    what: str
    """``payments.legacy``, or the table."""
    how: str
    """``dropped``, ``renamed``, ``moved`` or ``required``."""
    uses: str
    """``reads payments.legacy``."""
    migration: str
    file: str
    line: int
    new_name: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as a policy reads it."""
        return {
            "what": self.what,
            "how": self.how,
            "uses": self.uses,
            "migration": self.migration,
            "file": self.file,
            "line": self.line,
            "new_name": self.new_name,
        }


def read_uses(path: Path) -> Uses:
    """Read a declaration from a TOML file.

    Raises:
        ConfigurationError: ``migrations.uses``: unreadable, no TOML, or of another form.
    """
    try:
        return uses_from(tomllib.loads(path.read_text(encoding="utf-8")), path.name)
    except OSError as error:
        raise _wrong(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(f"{path} is not valid TOML: {error}") from error


def uses_from(document: Mapping[str, Any], where: str) -> Uses:
    """Return the declaration of a TOML document or of :meth:`Uses.to_json`.

    Args:
        document: The tables ``reads`` and ``writes``; one that is left out uses nothing.
        where: What to call it in messages.

    Raises:
        ConfigurationError: ``configuration.unknown-key``, ``migrations.uses``.
    """
    unknown_keys(document, ("reads", "writes"), where)
    parts = {name: _columns(document.get(name, {}), f"{where} [{name}]") for name in _PARTS}
    return Uses(**parts)


_PARTS = ("reads", "writes")


def _columns(table: Any, where: str) -> dict[str, frozenset[str]]:
    if not isinstance(table, Mapping):
        raise _wrong(f"{where} is not a table")
    found: dict[str, frozenset[str]] = {}
    for name, columns in _flat(table):
        listed = [columns] if columns == EVERY else columns
        good = isinstance(listed, list) and listed and all(_is_name(each) for each in listed)
        if not good:
            raise _wrong(f"{where} {name} is {columns!r}, which is no list of columns")
        found[name] = frozenset(listed)
    return found


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted names: a schema and its table may be written as two keys of TOML."""
    for key, value in table.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(
        what,
        means="What a release reads and writes decides what a later one may drop.",
        remedy='Write it as [reads] payments = ["id", "amount"], or payments = "*".',
        code="migrations.uses",
    )


def named(fact: Fact) -> str:
    """Return what *fact* is about, dotted: ``payments.legacy``, or the table, view or schema."""
    about = str(fact.get("table") or fact.get("object") or "")
    column = str(fact.get("column", ""))
    return f"{about}.{column}" if column and about else about or column


def contracting(fact: Fact) -> bool:
    """Say whether *fact* may take away something that a release relies on."""
    kind = fact.get("kind")
    if kind not in CONTRACTING or fact.get("new_object") == "yes" or fact.get("temporary"):
        return False
    return kind not in {Kind.ADD_COLUMN, Kind.SET_NOT_NULL} or _demands(fact)


def _demands(fact: Fact) -> bool:
    """Say whether afterwards an INSERT that does not name the column is refused."""
    return not (fact.get("nullable") or fact.get("default_at_end"))


def breaks(uses: Uses, fact: Fact) -> str:
    """Say how a release that uses *uses* relies on what *fact* takes away; ``""`` when it does not.

    A contracting fact that does not say what it is about may be about anything that is used.
    """
    if not contracting(fact):
        return ""
    kind = fact["kind"]
    about = str(fact.get("table") or fact.get("object") or "")
    column = str(fact.get("column", ""))
    if kind in {Kind.ADD_COLUMN, Kind.SET_NOT_NULL}:
        return _unfilled(uses, about, column)
    for word, part in (("reads", uses.reads), ("writes", uses.writes)):
        for table, columns in part.items():
            if not _meant(kind, about, table):
                continue
            if kind not in _COLUMNS or not column or not about:
                return f"{word} {table}"
            if column in columns or EVERY in columns:
                return f"{word} {table}.{column}"
    return ""


def _unfilled(uses: Uses, about: str, column: str) -> str:
    """Say which table is written without the column that is required from now on."""
    for table, columns in uses.writes.items():
        if (not about or _same(about, table)) and column not in columns:
            return f"writes {table} without {column}" if column else f"writes {table}"
    return ""


def _meant(kind: str, about: str, table: str) -> bool:
    if not about:
        return True
    if kind in _SCHEMAS:
        return "." not in table or table.rpartition(".")[0] == about
    return _same(about, table)


def _same(one: str, other: str) -> bool:
    """Say whether two dotted names may be one table: equal as far as both go, from the end."""
    pairs = zip(reversed(one.split(".")), reversed(other.split(".")), strict=False)
    return all(mine == yours for mine, yours in pairs)


def broken(uses: Uses, facts: Iterable[Fact]) -> tuple[Breakage, ...]:
    """Return what of *uses* is gone after *facts*, which are in the order in which they happened.

    What was taken away and made again (a table, a column under its name, NULL allowed once more) is
    there.
    """
    gone: dict[tuple[str, str], Breakage] = {}
    for fact in facts:
        for key in [each for each in gone if _restores(fact, *each)]:
            del gone[key]
        how = breaks(uses, fact)
        if how:
            about = str(fact.get("table") or fact.get("object") or "")
            gone[(about, str(fact.get("column", "")))] = Breakage(
                what=named(fact) or "something that it does not name",
                how=_WORDS[Kind(fact["kind"])],
                uses=how,
                migration=str(fact.get("migration", "")),
                file=str(fact.get("file", "")),
                line=int(fact.get("line", 0)),
                new_name=str(fact.get("new_name", "")),
            )
    return tuple(gone.values())


def _restores(fact: Fact, about: str, column: str) -> bool:
    """Say whether *fact* gives back what was taken away as *column* of *about*."""
    if fact.get("conditional") or not about:
        return False  # it may do nothing, and what is not named is not known to be back
    kind, table = fact.get("kind"), str(fact.get("table") or fact.get("object") or "")
    if not column:
        made = table if kind in _MADE else ""
        back = str(fact.get("new_name", "")) if kind in _RENAMED else made
        return back != "" and _same(back, about)
    if table == "" or not _same(table, about):
        return False
    if kind == Kind.RENAME_COLUMN:
        return fact.get("new_name") == column
    return kind in _EASED and fact.get("column") == column
