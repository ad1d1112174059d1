"""Noticing that a policy was saved, by looking at the files five times a second."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["saved", "snapshot"]

_SECONDS = 0.2
_SUFFIXES = frozenset({".rego", ".json"})

Snapshot = dict[str, tuple[int, int]]


def snapshot(paths: Sequence[Path]) -> Snapshot:
    """Return every policy and data file at or below *paths* with its time of change and size."""
    found: Snapshot = {}
    for path in paths:
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.suffix in _SUFFIXES and not file.name.startswith("."):
                try:
                    status = file.stat()
                except OSError:  # an editor replaces a file by renaming another over it
                    continue
                found[str(file)] = (status.st_mtime_ns, status.st_size)
    return found


def saved(
    paths: Sequence[Path], before: Snapshot, *, seconds: float = _SECONDS
) -> Iterator[tuple[str, ...]]:
    """Yield the files that changed since *before* or the last time, whenever some did.

    A change is told once two looks agree, so that a file that is being written is not read half.
    Ends never; sleeps in between.
    """
    known, last = before, before
    while True:
        time.sleep(seconds)
        now = snapshot(paths)
        if now == last != known:
            changed = sorted(name for name in {*known, *now} if known.get(name) != now.get(name))
            known = now
            yield tuple(changed)
        last = now
