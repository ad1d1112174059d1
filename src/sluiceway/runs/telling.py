"""Tell people, and never wait for them: each notifier has a thread of its own and a bounded patience.

A notifier may hang (a terminal that nobody reads, a chat that does not answer). What it is told then
waits for it in its own queue, in order, and whoever tells goes on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from sluiceway import events
from sluiceway.errors import SluicewayError
from sluiceway.model import Notice
from sluiceway.workbench import Workbench

__all__ = ["AT_THE_END", "UNDER_WAY", "tell"]

UNDER_WAY = 0.2
"""Seconds that a notifier may take while something still has to be watched."""
AT_THE_END = 10.0
"""Seconds that it may take when everything has been done."""
_MOST_WAITING = 100
_Job = tuple[Callable[[], Any], "Future[Any]"]


class _Messenger:
    """One notifier's thread; a daemon, so that a hanging one cannot keep the process."""

    def __init__(self, name: str) -> None:
        self._waiting: queue.Queue[_Job] = queue.Queue(_MOST_WAITING)
        threading.Thread(target=self._work, name=f"tell-{name}", daemon=True).start()

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            self._waiting.put_nowait((job, done))
        except queue.Full:
            done.set_exception(TimeoutError(f"{_MOST_WAITING} notices wait for it already"))
        return done

    def _work(self) -> None:
        while True:
            job, done = self._waiting.get()
            try:
                done.set_result(job())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                done.set_exception(error)


_messengers: dict[str, _Messenger] = {}
_lock = threading.Lock()


def tell(bench: Workbench, notice: Notice, patience: float) -> list[dict[str, str]]:
    """Hand *notice* to every notifier; wait at most *patience* seconds for all of them together.

    Returns:
        ``{"plugin", "what"}`` of each that failed or has not answered yet. Each is an event
        ``notify.failed`` as well; none of them is an error.
    """
    pending = {
        name: _messenger(name).submit(_asking(bench, name, notice))
        for name in bench.plugins.serving("sluiceway_notify")
    }
    begun = time.monotonic()
    wait(pending.values(), timeout=patience)
    failed = []
    for name, done in pending.items():
        what = _problem(done, time.monotonic() - begun)
        if what:
            failed.append({"plugin": name, "what": what})
            events.emit("notify.failed", plugin=name, kind=notice.kind, reason=what)
    return failed


def _messenger(name: str) -> _Messenger:
    with _lock:
        if name not in _messengers:
            _messengers[name] = _Messenger(name)
        return _messengers[name]


def _asking(bench: Workbench, name: str, notice: Notice) -> Callable[[], Any]:
    return lambda: bench.plugins.ask(name, "sluiceway_notify", notice=notice)


def _problem(done: Future[Any], waited: float) -> str:
    if not done.done():
        return f"it has not answered for {waited:.1f} s; it is not waited for"
    error = done.exception()
    if error is None:
        return ""
    return error.what if isinstance(error, SluicewayError) else f"{type(error).__name__}: {error}"
