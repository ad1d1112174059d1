"""SQLite as DBOS expects it, where the one of this machine is older."""

from __future__ import annotations

import sqlite3
import sys
import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

__all__ = ["teach", "teach_where_needed"]

_PYTHON, _SQLITE = (3, 12), (3, 42)
"""From that Python on DBOS asks for ``unixepoch('subsec')``, which SQLite has from that version on."""


def teach_where_needed() -> None:
    """Have every connection of a Python 3.12 or later with an SQLite before 3.42 learn milliseconds.

    A Python that was built on Debian 12 is one of them: there ``unixepoch('subsec')`` is NULL, and DBOS
    could not even register its version.
    """
    if sys.version_info < _PYTHON or sqlite3.sqlite_version_info >= _SQLITE:
        return
    if not event.contains(Engine, "connect", _connected):
        event.listen(Engine, "connect", _connected)


def _connected(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        teach(connection)


def teach(connection: sqlite3.Connection) -> None:
    """Let *connection* know ``unixepoch('subsec')``: seconds since 1970 with their fractions."""

    def unixepoch(*given: str) -> float:
        if given != ("subsec",):
            msg = f"unixepoch{given!r} is not what DBOS asks for"
            raise ValueError(msg)
        return round(time.time(), 3)

    connection.create_function("unixepoch", -1, unixepoch)
