"""A server of our own: made once, kept in the cache, started for one command and ended with it.

Layout of the folder, one for each version::

    mode           how the server is started: see launch.py
    base/          what initdb made, never started: copied, not used
    data/  lock    the server that keeps replayed histories
    run-*/         the same for a run that found ``lock`` taken: data/ and lock, removed at the end

The lock is held by this process and by the server that it started, whichever ends last.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sluiceway import process
from sluiceway.errors import ActionFailed
from sluiceway_database_embedded.binaries import Binaries
from sluiceway_database_embedded.launch import REFUSED
from sluiceway_database_url.wire import library

__all__ = ["OWNER", "SUPERUSER", "Cluster", "cache_folder"]

SUPERUSER = "postgres"
OWNER = "sluiceway_owner"
_LAUNCH = Path(__file__).with_name("launch.py")
_INIT_SECONDS = 120.0
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_LOCK_SECONDS = 3.0
"""The server of a run that was killed needs a moment to end."""
_LEFT_SECONDS = 3600
_LONGEST_SOCKET = 90
"""Characters of a folder for a socket; the name of one may have 107 bytes (unix(7))."""
_SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",  # nothing in it is worth a disk's while
    "full_page_writes": "off",
    "jit": "off",
    "listen_addresses": "",
    "max_connections": "20",
    "max_locks_per_transaction": "512",
    "shared_buffers": "32MB",
    "synchronous_commit": "off",
    "TimeZone": "UTC",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


def cache_folder(environ: Mapping[str, str], chosen: str, root: Path) -> Path:
    """Return where servers are kept: *chosen*, else ``$XDG_CACHE_HOME/sluiceway``."""
    if chosen:
        return (root / chosen).expanduser().resolve()
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".cache")
    return Path(base).resolve() / "sluiceway"


class Cluster:
    """A running server on a socket that only its owner reaches.

    Args:
        binaries: Which.
        cache: Where; a folder ``postgres-<version>`` is made in it.

    Raises:
        ActionFailed: ``database.start``.
    """

    def __init__(self, binaries: Binaries, cache: Path) -> None:
        self._binaries = binaries
        self._folder = cache / f"postgres-{binaries.version}"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._temporary: list[Path] = []
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            place = self._take_place()
            mode = self._initialised(place)
            if not (place / "data" / "PG_VERSION").is_file():
                self._copy(place / "data", mode)
            self.socket = self._socket_folder(place, mode)
            self._start(place, mode)
        except OSError as error:
            self.stop()
            raise ActionFailed(
                f"a database server cannot be kept in {self._folder}: {error.strerror or error}",
                remedy="Name another folder as cache in [plugins.database-embedded].",
                code="database.start",
            ) from error
        except BaseException:
            self.stop()
            raise

    # --- places ---

    def _take_place(self) -> Path:
        """Lock the folder whose server keeps histories, or make one for this run alone."""
        for old in self._folder.glob("run-*"):
            handle = _locked(old / "lock")
            if handle is not None:
                shutil.rmtree(old, ignore_errors=True)
                os.close(handle)
        for unfinished in self._folder.glob("init-*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - unfinished.stat().st_mtime > _LEFT_SECONDS:
                    shutil.rmtree(unfinished, ignore_errors=True)
        deadline = time.monotonic() + _LOCK_SECONDS
        while (handle := _locked(self._folder / "lock")) is None:
            if time.monotonic() > deadline:
                place = Path(tempfile.mkdtemp(prefix="run-", dir=self._folder))
                self._temporary.append(place)
                self._lock = _locked(place / "lock")
                return place
            time.sleep(0.05)
        self._lock = handle
        return self._folder

    def _initialised(self, place: Path) -> str:
        """Make ``base`` unless it is there; return how its server is started."""
        kept = self._folder / "mode"
        if (self._folder / "base" / "PG_VERSION").is_file() and kept.is_file():
            return kept.read_text().strip()
        # Beside it and renamed: a folder that is there is whole. Two may do so at once.
        refused: list[str] = []
        for mode in _modes():
            fresh = Path(tempfile.mkdtemp(prefix="init-", dir=self._folder))
            try:
                _give(fresh, mode)
                done = self._initdb(fresh / "data", mode)
                if done.code == REFUSED:
                    refused.append(done.stderr.strip())
                    continue
                if done.code != 0:
                    raise self._not_started(done.stderr or done.stdout, mode)
                self._put(fresh / "data", mode)
                shutil.rmtree(place / "data", ignore_errors=True)
                return mode
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        raise self._not_started("; ".join(refused), "root")

    def _put(self, made: Path, mode: str) -> None:
        with contextlib.suppress(OSError):  # another run was quicker
            made.rename(self._folder / "base")
        beside = self._folder / f".mode-{os.getpid()}"
        beside.write_text(mode)
        beside.replace(self._folder / "mode")

    def _initdb(self, data: Path, mode: str) -> process.Completed:
        return process.run(
            [
                *_launcher(mode),
                str(self._binaries.folder / "initdb"),
                f"--pgdata={data}",
                f"--username={SUPERUSER}",
                "--auth=trust",  # whoever reaches the socket is its owner
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ],
            timeout=_INIT_SECONDS,
            env=_environment(),
            check=False,
        )

    def _copy(self, data: Path, mode: str) -> None:
        beside = data.with_name(f"{data.name}-{os.getpid()}")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(self._folder / "base", beside)
        beside.chmod(0o700)
        _give(beside, mode)
        shutil.rmtree(data, ignore_errors=True)
        beside.rename(data)

    def _socket_folder(self, place: Path, mode: str) -> Path:
        if len(str(place)) > _LONGEST_SOCKET or ":" in mode:
            short = Path(tempfile.mkdtemp(prefix="sluiceway-pg-"))
            self._temporary.append(short)
            _give(short, mode)
            return short
        return place

    # --- starting and ending ---

    def _start(self, place: Path, mode: str) -> None:
        data, log = place / "data", place / "log"
        ready = data / "postmaster.pid"
        ready.unlink(missing_ok=True)  # the lock says that nobody uses this folder
        log.unlink(missing_ok=True)
        settings = dict(_SETTINGS)
        settings["unix_socket_directories"] = str(self.socket)
        if self._binaries.major >= 18:  # noqa: PLR2004 - where it came
            settings["io_method"] = "sync"  # no workers
        argv = [*_launcher(mode), str(self._binaries.folder / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        handles = [] if self._lock is None else [self._lock]
        self._process = process.spawn(
            argv, cwd=place, log=log, env=_environment(), pass_fds=handles
        )
        library()  # imported while the server starts: both take their time
        deadline = time.monotonic() + _START_SECONDS
        while not _is_ready(ready):
            process.check_stop()
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip()
                if self._process.poll() == REFUSED:
                    # Made where it could be, and started where it cannot: next time anew.
                    (self._folder / "mode").unlink(missing_ok=True)
                    shutil.rmtree(self._folder / "base", ignore_errors=True)
                raise self._not_started(said, mode)
            time.sleep(0.01)

    def stop(self) -> None:
        """End the server and remove what was of this run."""
        server, self._process = self._process, None
        if server is not None:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    server.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    server.wait(timeout=_STOP_SECONDS)
                    break
        for folder in self._temporary:
            shutil.rmtree(folder, ignore_errors=True)
        self._temporary.clear()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _not_started(self, said: str, mode: str) -> ActionFailed:
        lines = [line for line in process.redact(said).splitlines() if line.strip()]
        reach = (
            " The server runs as nobody here: its programs and its cache must be where that user "
            "may read."
            if mode not in {"as-is", "namespace"}
            else ""
        )
        return ActionFailed(
            f"PostgreSQL {self._binaries.version} of {self._binaries.folder} does not start: "
            f"{' / '.join(lines[-3:]) or 'it says nothing'}",
            means="There is no server for the dry run.",
            remedy="Run as another user than root, choose another server (binary_folder in "
            f"[plugins.database-embedded]), or set STAGING_DATABASE_URL.{reach}",
            code="database.start",
        )


def _modes() -> Sequence[str]:
    if os.geteuid() != 0:
        return ("as-is",)
    found = ["namespace"]
    with contextlib.suppress(KeyError):
        nobody = pwd.getpwnam("nobody")
        found.append(f"{nobody.pw_uid}:{nobody.pw_gid}")
    return found


def _launcher(mode: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), mode]


def _environment() -> dict[str, str]:
    """Return what a server may see: no secrets, and none of libpq's own variables."""
    environ = process.without_secrets(os.environ)
    kept = {name: value for name, value in environ.items() if name in {"PATH", "TMPDIR"}}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _give(folder: Path, mode: str) -> None:
    """Give *folder* and what is in it to the user that *mode* names."""
    if ":" not in mode:
        return
    user, group = (int(part) for part in mode.split(":"))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, group, follow_symlinks=False)
    for above in folder.parents:
        if above.name.startswith(("run-", "postgres-")):  # what is above them is open already
            above.chmod(0o711)


def _locked(path: Path) -> int | None:
    """Return the open, locked file at *path*, or ``None`` when somebody else has it."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # removed with its folder
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _is_ready(path: Path) -> bool:
    """Whether the server says so in ``postmaster.pid`` (line 8; miscadmin.h)."""
    with contextlib.suppress(OSError):
        lines = path.read_text(errors="replace").splitlines()
        return len(lines) >= 8 and lines[7].strip() == "ready"  # noqa: PLR2004 - see above
    return False
