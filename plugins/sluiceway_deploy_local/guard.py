"""The supervisor's parent: it waits, and starts the supervisor again when that was killed.

It holds nothing and knows nothing, so that there is nothing in it to go wrong; what was lost the next
supervisor finds in the state file, as it would for a task. A supervisor that ends by itself, because it
was told to or had nothing left to look after, ends its guard with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from sluiceway_deploy_local.logs import note

__all__ = ["watch"]

_LONG_SECONDS = 30.0
"""A supervisor that lived longer was killed for something else than the one before it."""
_SECOND_WAIT_SECONDS, _MOST_WAIT_SECONDS = 0.25, 30.0
_ENDING = (signal.SIGTERM, signal.SIGINT)

Serve = Callable[[Callable[[], None]], int]
"""Runs a supervisor; calls what it is given once it can be asked, and returns its exit status."""


def watch(serve: Serve, started: Callable[[], None], needed: Callable[[], bool]) -> int:
    """Run *serve* in a process of its own, again and again, until it ends by itself; return its status.

    One that cannot even start the first time is not tried again: whoever asked for it is told why.

    Args:
        serve: What to run. It inherits what this process holds, so that should be nothing.
        started: Called once, when the first can be asked.
        needed: Says whether one that was killed left anything to look after.
    """
    told = False
    waits = 0.0
    while True:
        began = time.monotonic()
        child, answer = _start(serve)
        if answer and not told:
            started()
            told = True
        status = _ended(child)
        if status == 0 or not told:
            return status
        if time.monotonic() - began > _LONG_SECONDS:
            waits = 0.0
        note("supervisor-ended", pid=child, status=status, again_in_seconds=waits)
        time.sleep(waits)
        if not needed():
            return 0
        waits = min(max(2 * waits, _SECOND_WAIT_SECONDS), _MOST_WAIT_SECONDS)


def _start(serve: Serve) -> tuple[int, bool]:
    """Return the supervisor's process id, and whether it can be asked: else it has ended."""
    readable, writable = os.pipe()
    for number in _ENDING:  # before it is there, and in it until it says otherwise
        signal.signal(number, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(readable)
        _run(serve, writable)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    for number in _ENDING:
        signal.signal(number, pass_on)
    os.close(writable)
    with os.fdopen(readable, "rb") as stream:
        return child, bool(stream.read(1))


def _run(serve: Serve, writable: int) -> NoReturn:
    """Serve, and end this process whatever happens: what is above it on the stack is the guard's."""

    def started() -> None:
        os.write(writable, b"+")
        os.close(writable)

    status = 1
    try:
        status = serve(started)
    except BaseException:  # noqa: BLE001 - said where the guard's output goes, as Python would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _ended(child: int) -> int:
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for number in _ENDING:  # nobody is there to pass it on to: end as it says
        signal.signal(number, signal.SIG_DFL)
    return status
