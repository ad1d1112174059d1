"""What is wrong with a ledger that cannot be opened, read or written: its file, or what is around it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sluiceway.errors import ActionFailed

__all__ = ["begun", "missing", "unreadable"]

_AROUND = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_AUTH,
}
"""Primary result codes after which the file may well be whole (https://sqlite.org/rescode.html)."""
_PRIMARY = 0xFF


def begun(folder: Path) -> bool:
    """Say whether *folder* has had a ledger: its key is made after its file, at the first entry."""
    return (folder / "ledger.key").exists()


def missing(folder: Path) -> ActionFailed | None:
    """Return the error of a ledger whose file is gone or empty although it has begun, or ``None``.

    An empty one must not take its place: what it had withdrawn or refused would count again.
    """
    path = folder / "ledger.db"
    try:
        left = path.stat().st_size
    except FileNotFoundError:
        left = -1
    except OSError:  # whoever opens it says why
        return None
    if left > 0 or not begun(folder):
        return None
    return ActionFailed(
        f"the ledger {path} is {'gone' if left else 'empty'}, and its key is still beside it",
        means="What it had refused or withdrawn is not known, so nothing is decided or promoted.",
        remedy="Restore the file from a backup. To begin a new history instead, move ledger.key away "
        "as well: every approval and verdict is then asked for anew.",
        code="ledger.missing",
    )


def unreadable(folder: Path, error: BaseException | None) -> ActionFailed:
    """Return what *error*, SQLite's own, says about the ledger of *folder*, and what to do."""
    gone = missing(folder)
    if gone is not None:
        return gone
    path = folder / "ledger.db"
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & _PRIMARY
    if path.is_dir():
        remedy = "Move that folder away and restore the ledger from a backup."
    elif code in _AROUND:
        remedy = (
            f"See that {folder} is there, that whoever runs this may write to it, and that "
            "its disk is not full. The history is not in doubt: leave the file where it is."
        )
    else:
        remedy = (
            "Restore the file from a backup. To begin a new history instead, move it away together "
            "with ledger.key: every approval and verdict is then asked for anew."
        )
    return ActionFailed(
        f"the ledger {path} cannot be opened: {error}",
        means="Nothing is promoted without writing it down.",
        remedy=remedy,
        code="ledger.unreadable",
    )
