"""What a server's codes and lock modes mean: pure. PostgreSQL's, appendix A and chapter 13.3."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sluiceway.migrations.dryrun.records import Failure, Lock, TableSize

__all__ = ["blocks", "breaks", "missing", "short_mode", "shortened", "size", "strongest"]

_BREAKS = frozenset(["0A", "21", "22", "23", "27", "2B", "2F", "38", "39", "42", "44", "54", "P0"])
"""Classes of SQLSTATE that say that the statement does not fit the schema, not that the server is
ill: unsupported, cardinality, data, integrity, triggered change, dependent objects, routines,
syntax or rule, check option, limits, and what PL/pgSQL raises."""
_BREAKS_TOO = frozenset({"55000"})
"""A view that cannot be written to, a sequence without a value."""
_MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
_WRITES = _MODES.index("ShareLock")
_EXTENSION = re.compile(
    r'extension "(?P<name>[^"]+)" is not available'
    r"|could not open extension control file \"[^\"]*/(?P<file>[^/\"]+)\.control\""
    r'|access file "(?P<library>[^"]+)"'
)
_THOUSAND = 1000
_LONGEST = 300


def breaks(failure: Failure) -> bool:
    """Whether the failure is the statement's and the schema's, and not the server's."""
    return failure.sqlstate[:2] in _BREAKS or failure.sqlstate in _BREAKS_TOO


def missing(failure: Failure, version: str) -> str:
    """Return what to do when the server lacks something that the migration needs, else ``""``."""
    found = _EXTENSION.search(failure.message)
    if found is not None:
        name = next(each for each in found.groups() if each)
        return (
            f"This server ({version}) has no extension {name!r}. Install it there, or let the dry "
            "run use a server that has it: set STAGING_DATABASE_URL, or binary_folder in "
            "[plugins.database-embedded]."
        )
    if failure.sqlstate == "42501":  # insufficient_privilege
        return (
            "The role of the dry run may not do this. Use one that may: another URL, or "
            "superuser = true in [plugins.database-embedded]."
        )
    return ""


def strongest(locks: Iterable[tuple[str, str]]) -> tuple[Lock, ...]:
    """Return one lock for each table of *locks* (table, mode), by the table's name."""
    found: dict[str, str] = {}
    for table, mode in locks:
        if table not in found or _strength(mode) > _strength(found[table]):
            found[table] = mode
    return tuple(Lock(table=table, mode=mode) for table, mode in sorted(found.items()))


def _strength(mode: str) -> int:
    return _MODES.index(mode) if mode in _MODES else len(_MODES)


def blocks(mode: str) -> str:
    """Return what waits for such a lock: ``reads and writes``, ``writes`` or nothing."""
    strength = _strength(mode)
    if strength >= _MODES.index("AccessExclusiveLock"):
        return "reads and writes"
    return "writes" if strength >= _WRITES else ""


def short_mode(mode: str) -> str:
    """Return the mode as people say it: ``AccessExclusive``."""
    return mode.removesuffix("Lock")


def size(table: TableSize) -> str:
    """Return a size for a person: ``40 M rows, 12 GB``."""
    return f"{_count(table.rows).strip()} rows, {_count(table.bytes)}B"


def _count(number: float) -> str:
    """Return *number* with three digits, a space and its unit: ``40 M``, ``812 ``."""
    for unit in ("", "k", "M", "G"):
        if number < _THOUSAND:
            return f"{number:.3g} {unit}"
        number /= _THOUSAND
    return f"{number:.3g} T"


def shortened(sql: str) -> str:
    """Return *sql* on one line that a person can read."""
    text = " ".join(sql.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "\u2026"
