"""What happened, as events. The core emits; whoever shows, records or tests subscribes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sluiceway.record import Record

__all__ = ["Event", "emit", "subscribed"]


class Event(Record):
    """One thing that happened. *data* is JSON data or frozen records, never a secret."""

    kind: str
    """Dotted: ``stage.started``, ``canary.tick``, ``process.ended``, ..."""
    at: datetime
    data: dict[str, Any]


Listener = Callable[[Event], None]
_listeners: list[Listener] = []
_lock = threading.Lock()


def emit(kind: str, /, **data: Any) -> None:
    """Tell every listener. A listener's exception is its own defect and propagates."""
    event = Event(kind=kind, at=datetime.now(UTC), data=data)
    with _lock:
        listeners = tuple(_listeners)
    for listener in listeners:
        listener(event)


@contextmanager
def subscribed(listener: Listener) -> Iterator[None]:
    """Deliver events to *listener* for the duration of the block, from every thread."""
    with _lock:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)
