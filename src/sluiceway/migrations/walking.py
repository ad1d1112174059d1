"""The files below a folder, byte for byte: each once, however links lead back."""

from __future__ import annotations

import os
import stat
from operator import attrgetter
from pathlib import Path

from sluiceway.errors import UsageError
from sluiceway.migrations.layouts import is_sql
from sluiceway.migrations.layouts.code import telling
from sluiceway.record import Record

__all__ = ["NAMED_TWICE", "Skipped", "below", "file_bytes"]

NAMED_TWICE = "named twice"
"""Why a file is left out that was given already, by itself or with a folder."""


class Skipped(Record, kw_only=False):
    """A file, or a part of one, that is not judged."""

    path: str
    why: str


_SILENT_LINKS = os.name == "nt"
"""A junction of Windows does not say that it leads elsewhere."""
_PRUNED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv"})


def below(
    folder: Path, prefix: str = "", seen: set[Path] | None = None
) -> tuple[list[tuple[str, bytes]], list[Skipped]]:
    """Return the files below *folder*, and what was not looked into.

    Args:
        folder: Where to begin.
        prefix: What stands before each path, which is relative to *folder* otherwise.
        seen: The real paths that were met before, which are added to; left out, none is looked for.

    Raises:
        UsageError: As :func:`file_bytes`.
    """
    found: list[tuple[str, bytes]] = []
    skipped: list[Skipped] = []
    walked = [str(folder)]
    been: dict[tuple[int, int], list[str]] = {}
    queue = [(str(folder), prefix)]
    while queue:
        here, before = queue.pop()
        for entry in _entries(here):
            path = before + entry.name
            if entry.is_dir():
                if entry.name in _PRUNED:
                    skipped.append(Skipped(path, "not a folder of migrations"))
                    continue
                inner = entry.path
                if not been and (_SILENT_LINKS or entry.is_symlink()):
                    # Until there is a link, no folder can be met twice.
                    for each in walked:
                        been.setdefault(_identity(each), []).append(each)
                if been:
                    alike = been.setdefault(_identity(inner), [])
                    if alike and _real(inner) in map(_real, alike):
                        skipped.append(Skipped(path, "a link to a folder that is read already"))
                        continue
                    alike.append(inner)
                walked.append(inner)
                queue.append((inner, path + "/"))
            elif seen is not None and (real := _real(entry.path)) in seen:
                skipped.append(Skipped(path, NAMED_TWICE))
            else:
                if seen is not None:
                    seen.add(real)
                matters = is_sql(path) or telling(entry.name)
                found.append((path, file_bytes(entry.path) if matters else b""))
    return found, skipped


def _real(path: str) -> Path:
    return Path(path).resolve()


def _identity(folder: str) -> tuple[int, int]:
    """Return what a folder has in common with every link to it, and on some systems with others.

    Following links takes much longer, and is needed only where two are alike.
    """
    try:
        found = os.stat(folder)  # noqa: PTH116 - of hundreds of folders, and a Path of each costs as much
    except OSError as error:
        raise _unreadable(folder, error) from error
    return found.st_dev, found.st_ino


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return sorted(found, key=_BY_NAME) if len(found) > 1 else found


_BY_NAME = attrgetter("name")


_ENDLESS = 2**30
"""Bytes of a file that is read at all."""


def file_bytes(path: Path | str) -> bytes:
    """Return what a file holds.

    Raises:
        UsageError: ``migrations.not-found``, ``migrations.unreadable`` (no file, too), ``migrations.too-large``.
    """
    try:
        descriptor = os.open(path, _READING)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise UsageError(
                    f"{path} is no file",
                    means="Nothing was judged.",
                    remedy="Name a file or a folder of migrations.",
                    code="migrations.unreadable",
                )
            # Files are small and many: room for the largest is not made for each.
            data = os.read(descriptor, min(max(found.st_size, 1 << 12), _ENDLESS) + 1)
            if len(data) != found.st_size:
                data = _all_of(descriptor, data)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no migration at {path}",
            means="Nothing was judged.",
            remedy="Name a file or a folder of migrations.",
            code="migrations.not-found",
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > _ENDLESS:
        raise UsageError(
            f"{path} is larger than {_ENDLESS // 2**20} MiB",
            means="Nothing was judged.",
            remedy="Keep data out of migrations: split the file, or load its data another way.",
            code="migrations.too-large",
        )
    return data


_READING = os.O_RDONLY | sum(
    getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_BINARY", "O_CLOEXEC")
)
"""A pipe is opened without waiting for whoever writes to it, and then refused."""


def _all_of(descriptor: int, first: bytes) -> bytes:
    """Return what a file holds of which the *first* part was read and was not as long as expected.

    It has changed meanwhile, or its system does not know its size; at most one byte more is read than
    any file may have.
    """
    pieces = [first]
    left = _ENDLESS + 1 - len(first)
    while pieces[-1] and left > 0:
        pieces.append(os.read(descriptor, min(left, 1 << 20)))
        left -= len(pieces[-1])
    return b"".join(pieces)


def _unreadable(path: Path | str, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be read: {error.strerror}",
        means="Nothing was judged.",
        remedy="Make it a readable file or folder.",
        code="migrations.unreadable",
    )
