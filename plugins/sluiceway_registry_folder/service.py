"""Starting, finding, looking at and stopping the one server of a folder."""

from __future__ import annotations

import atexit
import errno
import json
import os
import subprocess
import sys
import time
from enum import Enum
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import sluiceway
from sluiceway import process
from sluiceway.errors import ActionFailed
from sluiceway.model import Check, CheckStatus
from sluiceway.words import counted
from sluiceway_registry_folder.options import Options
from sluiceway_registry_folder.server import IDENTITY_HEADER, bind
from sluiceway_registry_folder.storage import Store

if TYPE_CHECKING:
    import psutil

__all__ = ["Found", "ensure_running", "inspect", "probe", "stop"]

_PROBE_SECONDS = 2.0
_START_SECONDS = 20.0
_STOP_SECONDS = 7.0
_DOCTOR_SECONDS = 1.0
_CLOCK_STEP_SECONDS = 2.0
_LOG_TAIL = 800
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
_children: dict[int, subprocess.Popen[bytes]] = {}
"""Servers that this process started: a child must be waited for by its parent."""


@atexit.register
def _leave() -> None:
    """Let go of the servers, which outlive this process; ``Popen`` would call each a leak."""
    for child in _children.values():
        if child.poll() is None:
            child.returncode = 0


class Found(Enum):
    """What is at the address."""

    NOTHING = "nothing"
    OURS = "ours"
    OTHER_FOLDER = "another folder's registry"
    OTHER = "another program"
    SILENT = "a program that does not answer"


def ensure_running(options: Options) -> None:
    """Return once this folder's server answers at its address, starting it when nothing does.

    Raises:
        ActionFailed: ``registry.port-taken``, ``registry.port-denied``, ``registry.not-started``,
            ``registry.folder``.
    """
    store = Store.open(options.folder)
    if probe(options, store.id, _PROBE_SECONDS) is Found.OURS:
        return
    with store.turn():  # of two terminals one starts it and the other finds it
        found = probe(options, store.id, _PROBE_SECONDS)
        if found is Found.OURS:
            return
        if found is not Found.NOTHING:
            raise _taken(options, found)
        _start(options, store)


def inspect(options: Options) -> list[Check]:
    """Look at the address and the folder; changes nothing."""
    return [_inspect_folder(options.folder), _inspect_address(options)]


def stop(options: Options) -> list[str]:
    """Stop the server that the project's record names, and say so."""
    import psutil

    record = _read_record(options.record)
    if record is None:
        return []
    pid, started = record
    ours = False
    try:
        server = psutil.Process(pid)
        ours = (
            abs(server.create_time() - started) < _CLOCK_STEP_SECONDS
            and "sluiceway_registry_folder" in server.cmdline()
        )
        if ours:
            server.terminate()
            if not _ended(server, _STOP_SECONDS):
                server.kill()
                _ended(server, _STOP_SECONDS)
    except psutil.NoSuchProcess:
        pass
    options.record.unlink(missing_ok=True)
    return [f"the folder registry at {options.address} (process {pid})"] if ours else []


def probe(options: Options, identity: str, seconds: float) -> Found:
    """Ask who is at the address, for *seconds* at most."""
    connection = HTTPConnection(options.host, options.port, timeout=seconds)
    try:
        connection.request("GET", "/v2/")
        response = connection.getresponse()
        response.read(1024)
    except ConnectionRefusedError:
        return Found.NOTHING
    except TimeoutError:
        return Found.SILENT
    except (OSError, HTTPException):
        return Found.OTHER
    finally:
        connection.close()
    named = response.headers.get(IDENTITY_HEADER)
    if named is None:
        return Found.OTHER
    return Found.OURS if named == identity else Found.OTHER_FOLDER


def _start(options: Options, store: Store) -> None:
    try:
        # Bound here and handed on: a port that is taken is known at once, and a client that is
        # quick waits in the socket's queue instead of being refused.
        listener = bind(options.host, options.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _taken(options, Found.OTHER) from error
        raise ActionFailed(
            f"the folder registry cannot listen at {options.address}: {error.strerror}",
            remedy="Choose another `address` in [plugins.registry-folder] (a port above 1023).",
            code="registry.port-denied",
        ) from error
    with listener:
        child = process.spawn(
            [
                sys.executable,
                "-P",  # the working folder must not be able to replace a module
                "-m",
                "sluiceway_registry_folder",
                "--listener",
                str(listener.fileno()),
                "--folder",
                str(options.folder),
                "--record",
                str(options.record),
                "--idle-exit-seconds",
                str(options.idle_exit_seconds),
            ],
            cwd=options.state,
            log=options.log,
            env=_environment(options),
            pass_fds=(listener.fileno(),),
        )
    _children[child.pid] = child
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        if probe(options, store.id, _PROBE_SECONDS) is Found.OURS:
            return
    if child.poll() is None:
        child.kill()
    child.wait()
    del _children[child.pid]
    raise ActionFailed(
        f"the folder registry at {options.address} did not start: {_tail(options.log)}",
        remedy=f"Look at {options.log}.",
        code="registry.not-started",
    )


def _environment(options: Options) -> dict[str, str]:
    """Return what a process that lives long needs, and no secret among it."""
    sources = (Path(sluiceway.__file__).parent.parent, Path(__file__).parent.parent)
    kept = {name: options.environ[name] for name in _PASSED_ON if name in options.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys(map(str, sources)))}


def _ended(server: psutil.Process, seconds: float) -> bool:
    """Wait until *server* has ended. A zombie has: its parent may be one that never looks."""
    import psutil

    deadline = time.monotonic() + seconds
    child = _children.get(server.pid)
    while True:
        if child is not None and child.poll() is not None:
            del _children[server.pid]
            return True
        try:
            if not server.is_running() or server.status() == psutil.STATUS_ZOMBIE:
                return child is None
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)


def _read_record(path: Path) -> tuple[int, float] | None:
    try:
        record = json.loads(path.read_bytes())
        return int(record["pid"]), float(record["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tail(log: Path) -> str:
    try:
        text = log.read_bytes()[-_LOG_TAIL:].decode(errors="replace").strip()
    except OSError:
        text = ""
    return text.splitlines()[-1] if text else "it printed nothing"


def _inspect_folder(folder: Path) -> Check:
    name = "folder registry: folder"
    nearest = folder
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Check(
            name=name,
            status=CheckStatus.FAIL,
            detail=f"{nearest} cannot be written",
            remedy="Name another `folder` in [plugins.registry-folder].",
        )
    if not (folder / "registry.json").exists():
        return Check(name=name, status=CheckStatus.OK, detail=f"{folder} will be made when needed")
    try:
        count = len(Store.open(folder).repositories())
    except ActionFailed as error:
        return Check(name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)
    held = counted(count, "repository", "repositories")
    return Check(name=name, status=CheckStatus.OK, detail=f"{folder} holds {held}")


def _inspect_address(options: Options) -> Check:
    name = "folder registry: address"
    identity = ""
    if (options.folder / "registry.json").exists():
        try:
            identity = Store.open(options.folder).id
        except ActionFailed as error:
            return Check(name=name, status=CheckStatus.FAIL, detail=error.what)
    found = probe(options, identity, _DOCTOR_SECONDS)
    if found is Found.OURS:
        return Check(name=name, status=CheckStatus.OK, detail=f"{options.address} is served")
    if found is Found.NOTHING:
        return Check(
            name=name,
            status=CheckStatus.OK,
            detail=f"{options.address} is free; the server starts when it is needed",
        )
    taken = _taken(options, found)
    return Check(name=name, status=CheckStatus.FAIL, detail=taken.what, remedy=taken.remedy)


def _taken(options: Options, found: Found) -> ActionFailed:
    return ActionFailed(
        f"{options.address} is taken by {found.value}",
        means=f"The registry of {options.folder} cannot be served there; nothing was changed.",
        remedy="Stop that program, or choose another port with `address` in"
        " [plugins.registry-folder] and `repository` in [service].",
        code="registry.port-taken",
    )
