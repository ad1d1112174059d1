"""Where things are: the plugin's folder in the project's state, and the admin socket."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from sluiceway.errors import ActionFailed
from sluiceway.record import Record

__all__ = ["Folder", "folder"]

_NAME = "admin.sock"
_SOCKET_BYTES = 100
"""``sun_path`` holds 108 bytes on Linux and 104 elsewhere, its end mark included."""


class Folder(Record, kw_only=False):
    """``<state>/local`` and what is in it."""

    root: Path

    @property
    def state(self) -> Path:
        """What runs, for a supervisor that comes after this one."""
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.root / "supervisor.lock"

    @property
    def starting(self) -> Path:
        """Held by whoever starts a supervisor."""
        return self.root / "start.lock"

    @property
    def address(self) -> Path:
        """A file that holds the admin socket's path."""
        return self.root / "socket"

    @property
    def logs(self) -> Path:
        """What services and the supervisor print."""
        return self.root / "logs"

    @property
    def images(self) -> Path:
        """Unpacked images by digest."""
        return self.root / "images"

    def make(self) -> None:
        """Create the folders, for this user only."""
        for path in (self.root, self.logs, self.images):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def choose_socket(self) -> Path:
        """Return where a new supervisor binds its socket: here, or in a short private folder."""
        path = self.root / _NAME
        if len(os.fsencode(path)) <= _SOCKET_BYTES:
            return path
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        bases = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")  # noqa: S108 - checked below
        places = [Path(base) / f"sluiceway-{os.getuid()}-{name}" for base in bases if base]
        fitting = (place for place in places if len(os.fsencode(place / _NAME)) <= _SOCKET_BYTES)
        short = next(fitting, places[-1])
        short.mkdir(mode=0o700, exist_ok=True)
        found = short.lstat()
        if (
            not stat.S_ISDIR(found.st_mode)
            or found.st_uid != os.getuid()
            or stat.S_IMODE(found.st_mode) & 0o077
        ):
            raise ActionFailed(
                f"{short} is not a folder of this user alone",
                means="Whoever can write there could take the supervisor's place.",
                remedy=f"Remove {short}, or choose a shorter state folder in [state].",
                code="deploy.socket",
            )
        return short / _NAME

    def leave_socket(self, path: Path) -> None:
        """Remove the socket, and the short folder that was made for it alone."""
        path.unlink(missing_ok=True)
        if path.parent != self.root:
            with contextlib.suppress(OSError):  # another supervisor is there already
                path.parent.rmdir()

    def socket(self) -> Path | None:
        """Return where the supervisor said that it listens, or ``None``."""
        try:
            return Path(self.address.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None


def folder(state: Path) -> Folder:
    """Return the plugin's folder in the project's *state* folder; creates nothing."""
    return Folder(state.resolve() / "local")
