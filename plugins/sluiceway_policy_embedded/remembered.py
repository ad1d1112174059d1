"""What was found out on this machine and need not be again: a file each, named by digest.

Which file is the library: hashing it takes longer than loading it, and is left out where the same file,
unchanged, had the right hash before. Who could write here and change that file unseen could as well
change this program, which lies beside it.

Which sets of policies have compiled as a whole: a command that is asked for one gate need not compile the modules that the gate cannot reach, once they
are known to compile. Nothing else of them is taken from here: what a decision depends on is found out, looked at
and compiled each time. So whoever could write a file here would spare us a complaint about policies that
take no part in the decision, and no more.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Remembered", "default_folder"]

_MOST = 256


def default_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the user's folder for what may be lost, or ``None`` when the user has no home."""
    cache = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):  # noqa: PTH117 - the specification says to ignore any other
        home = environ.get("HOME", "")
        if not os.path.isabs(home):  # noqa: PTH117 - as above
            return None
        cache = f"{home}/.cache"
    return Path(cache) / "sluiceway" / "compiled"


class Remembered:
    """Digests in a folder that is nobody else's.

    Args:
        folder: Made when the first is added, for its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __contains__(self, digest: str) -> bool:
        """Whether *digest* was added; a folder or file that others could have written says nothing."""
        path = self._folder / _name(digest)
        return _ours(self._folder, stat.S_IFDIR) and _ours(path, stat.S_IFREG)

    def add(self, digest: str) -> None:
        """Remember *digest*, or do nothing where that is not possible."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _ours(self._folder, stat.S_IFDIR):
                return
            descriptor, made = tempfile.mkstemp(dir=self._folder)  # mode 0600
            os.close(descriptor)
            Path(made).replace(self._folder / _name(digest))
            self._forget()

    def _forget(self) -> None:
        kept = sorted(self._folder.iterdir(), key=lambda each: each.lstat().st_mtime, reverse=True)
        for old in kept[_MOST:]:
            old.unlink(missing_ok=True)


def _name(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _ours(path: Path, kind: int) -> bool:
    """Whether *path* is of that kind itself, belongs to this user, and lets nobody else write."""
    try:
        found = path.lstat()
    except OSError:
        return False
    writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_IFMT(found.st_mode) == kind and found.st_uid == os.geteuid() and not writable
