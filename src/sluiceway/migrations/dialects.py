"""Whose SQL it is: what a person calls it, and what a folder of migrations says of itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sluiceway.config.settings import nearest
from sluiceway.errors import UsageError
from sluiceway.migrations.records import Dialect

__all__ = ["hinted", "named"]

_ALSO = {
    "cockroach": Dialect.POSTGRES,
    "cockroachdb": Dialect.POSTGRES,
    "libsql": Dialect.SQLITE,
    "mssql": Dialect.TSQL,
    "pg": Dialect.POSTGRES,
    "postgresql": Dialect.POSTGRES,
    "singlestore": Dialect.MYSQL,
    "sqlite3": Dialect.SQLITE,
    "sqlserver": Dialect.TSQL,
    "turso": Dialect.SQLITE,
}
"""Other names of a dialect, and databases that speak one."""
_PROVIDER = re.compile(r"""^\s*provider\s*=\s*["']([a-z0-9]+)["']""", re.MULTILINE)
_LARGEST = 1 << 20


def named(word: str) -> Dialect:
    """Return the dialect that a person calls *word*.

    Raises:
        UsageError: ``migrations.dialect``, with the nearest.
    """
    found = _known(word)
    if found is not None:
        return found
    guess = nearest(word.lower(), [*Dialect, *_ALSO])
    raise UsageError(
        f"there is no dialect {word!r}",
        remedy=f"Did you mean --dialect={guess}?" if guess else f"Use one of {', '.join(Dialect)}.",
        code="migrations.dialect",
    )


def hinted(path: Path) -> tuple[Dialect, str] | None:
    """Return the dialect that the tool's own files beside *path* name, and which file does.

    Prisma writes ``migration_lock.toml`` into its folder of migrations, drizzle ``meta/_journal.json``.
    """
    folder = path if path.is_dir() else path.parent
    for place in (folder, folder / "migrations", folder.parent):
        lock = place / "migration_lock.toml"
        provider = _PROVIDER.search(_text(lock))
        found = _known(provider[1]) if provider else None
        if found is not None:
            return found, lock.as_posix()
        journal = place / "meta" / "_journal.json"
        found = _known(_journal_dialect(_text(journal)))
        if found is not None:
            return found, journal.as_posix()
    return None


def _known(word: str) -> Dialect | None:
    word = word.lower()
    if word in _ALSO:
        return _ALSO[word]
    return Dialect(word) if word in set(Dialect) else None


def _journal_dialect(text: str) -> str:
    try:
        journal = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return ""
    said = journal.get("dialect") if isinstance(journal, dict) else None
    return said if isinstance(said, str) else ""


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            return ""
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return ""
