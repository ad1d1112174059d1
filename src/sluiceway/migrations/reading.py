"""Files to scripts: which of them the tool would run, in which order, and as what SQL.

Nothing here knows a statement's meaning. Leaving something out is the one dangerous thing that this
room can do; so what is left out is always listed with its reason, and what is in doubt is judged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sluiceway.errors import UsageError
from sluiceway.migrations.cleaning.encoding import decode
from sluiceway.migrations.records import Dialect, Script
from sluiceway.migrations.statements import spans as cut

__all__ = ["Reading", "Skipped", "from_texts", "read"]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a part of one, that is not judged."""

    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a folder (or a file) of migrations holds."""

    scripts: tuple[Script, ...]
    """In the order in which the tool applies them."""
    layout: str
    """Whose folder it is; ``mixed`` when its files are of several tools."""
    skipped: tuple[Skipped, ...] = ()


def read(path: Path, dialect: Dialect, *, layout: str = "auto") -> Reading:
    """Read the migrations below *path*, a folder or one file.

    Raises:
        UsageError: *path* does not exist, cannot be read, or holds no migration.
    """
    if path.is_dir():
        return from_texts(_files(path), dialect, layout)
    if not path.is_file():
        raise UsageError(
            f"there is no migration at {path}",
            means="nothing was judged",
            remedy="name a file or a folder of migrations",
            code="migrations.not-found",
        )
    return from_texts([(path.as_posix(), _bytes(path))], dialect, layout)


def from_texts(
    files: Sequence[tuple[str, bytes]], dialect: Dialect, layout: str = "auto"
) -> Reading:
    """Read migrations that are not on disk: ``(path, bytes)``, the paths relative, with ``/``.

    Raises:
        UsageError: none of *files* is a migration.
    """
    if layout not in {"auto", "plain"}:
        raise UsageError(
            f"no layout of migrations is called {layout}",
            remedy="one of auto, plain",
            code="migrations.layout",
        )
    chosen = sorted((f for f in files if f[0].endswith(".sql")), key=lambda f: _natural(f[0]))
    skipped = [Skipped(path, "not SQL") for path, _ in files if not path.endswith(".sql")]
    if not chosen:
        raise UsageError(
            "there is no migration among the files",
            means="nothing was judged",
            remedy="name a file or a folder of migrations",
            code="migrations.none",
        )
    scripts = tuple(_script(path, data, dialect) for path, data in chosen)
    return Reading(scripts=scripts, layout="plain", skipped=tuple(skipped))


_OWN_ENDS = frozenset({Dialect.TSQL, Dialect.ORACLE})
"""Where lines of the client (``GO``, ``/``) end statements too."""

_NUMBER = re.compile(r"(\d+)")


def _natural(path: str) -> list[tuple[int, int, str]]:
    """Return a key that orders by numbers where there are numbers, else by text."""
    return [
        (0, int(part), part) if part.isdigit() else (1, 0, part)
        for part in _NUMBER.split(path)
        if part
    ]


def _script(path: str, data: bytes, dialect: Dialect) -> Script:
    text, problems = decode(data)
    spans = cut(text, dialect) if dialect in _OWN_ENDS else None
    return Script(
        path=path,
        name=path.rpartition("/")[2],
        layout="plain",
        text=text,
        digest="sha256:" + sha256(data).hexdigest(),
        spans=None if spans is None else tuple(spans),
        problems=tuple(problems),
    )


def _files(folder: Path) -> list[tuple[str, bytes]]:
    found = []
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in names:
            path = Path(root, name)
            found.append((path.relative_to(folder).as_posix(), _bytes(path)))
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}",
            means="nothing was judged",
            remedy="give this user the right to read it",
            code="migrations.unreadable",
        ) from error
