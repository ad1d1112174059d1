"""One thread that delivers messages in order, so that telling never delays what is told."""

from __future__ import annotations

import atexit
import contextlib
import random
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from sluiceway import events
from sluiceway_notify_webhook.message import Message
from sluiceway_notify_webhook.options import host_of, is_loopback

if TYPE_CHECKING:
    import httpx

__all__ = ["ATTEMPTS", "Outbox", "flush", "submit"]

ATTEMPTS = 3
_MOST_WAITING = 100
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_PLUGIN = "notify-webhook"


class Outbox:
    """Messages that wait and the daemon thread that delivers them, started with the first."""

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._current = 0.0
        self._thread: threading.Thread | None = None

    def submit(self, message: Message) -> None:
        """Queue *message* and return at once; more than a hundred waiting is a failure."""
        with self._changed:
            full = len(self._waiting) >= _MOST_WAITING
            if not full:
                self._waiting.append(message)
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._work, name="notify-webhook", daemon=True
                    )
                    self._thread.start()
                self._changed.notify_all()
        if full:
            _failed(message, f"{_MOST_WAITING} messages wait already", attempts=0)

    def flush(self, seconds: float) -> bool:
        """Wait until all is delivered or given up, at most *seconds*; say whether it was."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._waiting or self._busy:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def longest(self) -> float:
        """Return the longest time-out of what still waits, in seconds; 0 when nothing does."""
        with self._changed:
            times = [message.timeout_seconds for message in self._waiting]
            return max([*times, self._current if self._busy else 0.0])

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                message = self._waiting.popleft()
                self._busy, self._current = True, message.timeout_seconds
            try:
                _deliver(message)
            except Exception as error:  # noqa: BLE001 - the thread must live for the next message
                _failed(message, f"a defect: {type(error).__name__}", attempts=0)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()


_outbox = Outbox()


def submit(message: Message) -> None:
    """Queue *message* for this process's delivery thread."""
    _outbox.submit(message)


def flush(seconds: float) -> bool:
    """Wait for this process's messages, at most *seconds*."""
    return _outbox.flush(seconds)


@atexit.register
def _at_exit() -> None:
    # A command that ends must not take its last message with it, nor wait for a dead receiver.
    seconds = _outbox.longest()
    if seconds:
        _outbox.flush(seconds)


def _deliver(message: Message) -> None:
    """POST until it is taken, refused for good, or tried often enough."""
    import httpx

    why = ""
    made = 0
    while made < ATTEMPTS:
        made += 1
        pause = min(_FIRST_PAUSE_SECONDS * 4 ** (made - 1), _LONGEST_PAUSE_SECONDS)
        try:
            response = _post(message)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            # Only the type: httpx's own words hold the address, which is a secret.
            why = f"no answer: {type(error).__name__}"
        else:
            if response.is_success:
                _tell("notify.sent", message, attempts=made)
                return
            why = f"it answered {response.status_code}"
            if response.status_code not in _AGAIN:
                break
            pause = _asked_for(response) or pause
        if made < ATTEMPTS:
            time.sleep(pause * random.uniform(1.0, 1.25))  # noqa: S311 - jitter, not a secret
    _failed(message, why, attempts=made)


def _post(message: Message) -> httpx.Response:
    import httpx

    with (
        httpx.Client(
            timeout=message.timeout_seconds,
            # A site's proxy may be the only way out, but never the way to this machine.
            trust_env=not is_loopback(message.url),
            # A redirect would send the notice, and its signature, to who knows whom.
            follow_redirects=False,
        ) as client,
        client.stream(
            "POST", message.url, content=message.body, headers=dict(message.headers)
        ) as response,
    ):
        return response  # the status is all that is of interest; the body is left unread


def _asked_for(response: httpx.Response) -> float:
    """Return the bounded ``Retry-After`` in seconds, or 0."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_PAUSE_SECONDS) if text.isascii() and text.isdigit() else 0.0


def _failed(message: Message, reason: str, *, attempts: int) -> None:
    _tell("notify.failed", message, attempts=attempts, reason=reason)


def _tell(event: str, message: Message, **more: object) -> None:
    # A listener's defect has nobody to propagate to in this thread, and must not end it.
    with contextlib.suppress(Exception):
        events.emit(event, plugin=_PLUGIN, kind=message.kind, url=host_of(message.url), **more)
