"""Processes by pid *and* time of creation, so that a recycled pid is never signalled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

__all__ = [
    "Identity",
    "end",
    "end_group",
    "end_now",
    "find_marked",
    "identify",
    "listens",
    "lives",
    "tail",
    "watch",
]

_SAME_SECONDS = 0.05
_POLL_SECONDS = 60.0
_PAUSE_SECONDS = 0.02
_TAIL_LINES = 20
_TAIL_BYTES = 4000

Identity = tuple[int, float]
"""Pid and creation time (seconds since 1970) of the leader of a process group."""


def identify(pid: int) -> Identity | None:
    """Return the identity of the process that has *pid* now, or ``None``."""
    try:
        return pid, psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def lives(identity: Identity) -> bool:
    """Say whether exactly this process still runs; a zombie does not."""
    return _process(identity) is not None


def end_group(identity: Identity, number: signal.Signals) -> None:
    """Send a signal to the process's whole group, if it is still that process."""
    if lives(identity):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(identity[0], number)


async def end(identity: Identity, seconds: float) -> bool:
    """End a process with its group and its descendants: SIGTERM, and SIGKILL after *seconds*.

    Returns ``False`` when SIGKILL was needed.
    """
    process = _process(identity)
    if process is None:
        return True
    family = [process]
    with contextlib.suppress(psutil.Error):
        family += process.children(recursive=True)
    end_group(identity, signal.SIGTERM)
    gentle = await _gone(identity, seconds)
    if not gentle:
        end_group(identity, signal.SIGKILL)
    for member in family[1:]:  # one that left the group, or outlived its leader
        with contextlib.suppress(psutil.Error):
            member.kill()  # psutil compares the creation time before it signals
    await _gone(identity, seconds)
    return gentle


def end_now(identity: Identity, seconds: float) -> None:
    """Do what :func:`end` does, from where no loop may be run."""
    worker = threading.Thread(target=lambda: asyncio.run(end(identity, seconds)))
    worker.start()
    worker.join()


def find_marked(instance: str) -> Identity | None:
    """Return the process that was started as *instance* but whose pid nobody could write down."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("SLUICEWAY_INSTANCE") == instance:
                leader = process.pid == os.getpgid(process.pid)
                if leader:
                    return process.pid, process.create_time()
        except (psutil.Error, OSError):
            continue
    return None


def listens(identity: Identity, port: int) -> bool | None:
    """Say whether the process or a descendant listens on *port*; ``None`` when that cannot be seen."""
    process = _process(identity)
    if process is None:
        return False
    seen = None
    with contextlib.suppress(psutil.Error, OSError):
        for member in (process, *process.children(recursive=True)):
            seen = False
            for connection in member.net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return True
    return seen


def watch(identity: Identity, ended: Callable[[], None]) -> Callable[[], None]:
    """Call *ended* once in the running loop when the process ends; return what stops watching."""
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(identity[0])
    except (AttributeError, OSError):
        return _watch_by_polling(identity, ended)

    def stop() -> None:
        nonlocal descriptor
        if descriptor >= 0:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            descriptor = -1

    def tell() -> None:
        stop()
        ended()

    loop.add_reader(descriptor, tell)
    if not lives(identity):  # it ended, and perhaps its pid was taken, before the descriptor was
        loop.call_soon(lambda: tell() if descriptor >= 0 else None)
    return stop


def tail(log: Path) -> str:
    """Return the last lines of *log*, or ``""``."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-_TAIL_LINES:])


async def _gone(identity: Identity, seconds: float) -> bool:
    """Wait until the process has ended; it need not be our child, so there is only asking."""
    deadline = time.monotonic() + seconds
    while lives(identity):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_PAUSE_SECONDS)
    return True


def _watch_by_polling(identity: Identity, ended: Callable[[], None]) -> Callable[[], None]:
    async def poll() -> None:
        while not await _gone(identity, _POLL_SECONDS):
            pass
        ended()

    task = asyncio.get_running_loop().create_task(poll())

    def stop() -> None:
        task.cancel()

    return stop


def _process(identity: Identity) -> psutil.Process | None:
    try:
        process = psutil.Process(identity[0])
        if abs(process.create_time() - identity[1]) > _SAME_SECONDS:
            return None
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.Error:
        return None
    return process
