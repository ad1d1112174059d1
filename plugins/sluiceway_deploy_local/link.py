"""One TCP connection with its buffer: the proxy's view of a client or of an instance.

Thinner than asyncio's streams on purpose: a request costs few calls, time-outs are one number that
a sweeper compares (no timer per read), and a lost peer is told to whoever waits for the other side.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from typing import cast

__all__ = ["Link"]

_HIGH_WATER = 256 * 1024
"""Bytes unread at which the peer is made to wait."""
_SCRATCH = memoryview(bytearray(256 * 1024))
"""Where the loop receives to. Shared: what arrived is copied out before anything else can run.

Without it asyncio asks for 256 KiB at each read, which the C library maps and unmaps each time.
"""
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class Link(asyncio.BufferedProtocol):
    """A connection. At most one coroutine may read and one may flush at a time.

    Args:
        connected: Called once with this link when the connection stands.
    """

    __slots__ = (
        "_connected",
        "_loop",
        "_paused",
        "_reader",
        "_stuck",
        "_writer",
        "buffer",
        "deadline",
        "ended",
        "expired",
        "idle_since",
        "listener",
        "lost",
        "received",
        "transport",
        "when_lost",
    )

    def __init__(self, connected: Callable[[Link], None] | None = None) -> None:
        self.buffer = bytearray()
        self.received = 0
        """Bytes that have arrived in all."""
        self.ended = False
        """The peer sends nothing more."""
        self.lost = False
        """The connection is gone."""
        self.expired = False
        """:attr:`deadline` passed while somebody waited."""
        self.deadline = math.inf
        """Loop time after which waiting ends."""
        self.idle_since = 0.0
        self.listener: Callable[[], None] | None = None
        """Called in place of waking the reader: bytes arrived or will not, or the deadline passed."""
        self.when_lost: Callable[[], None] | None = None
        self.transport: asyncio.Transport
        self._connected = connected
        self._loop: asyncio.AbstractEventLoop
        self._paused = False
        self._stuck = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport and tell."""
        self.transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        if self._connected is not None:
            self._connected(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where to receive to."""
        return _SCRATCH

    def buffer_updated(self, nbytes: int) -> None:
        """Keep what arrived; slow the peer down when nobody takes it."""
        self.buffer += _SCRATCH[:nbytes]
        self.received += nbytes
        if len(self.buffer) > _HIGH_WATER and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._tell()

    def eof_received(self) -> bool:
        """Note that nothing more comes; the other direction stays open."""
        self.ended = True
        self._tell()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Wake everybody who waits here or for the other side."""
        self.lost = self.ended = True
        self._tell()
        _wake(self._writer)
        if self.when_lost is not None:
            self.when_lost()

    def pause_writing(self) -> None:
        """Note that the peer does not keep up."""
        self._stuck = True

    def resume_writing(self) -> None:
        """Let the writer go on."""
        self._stuck = False
        _wake(self._writer)

    # --- what the proxy calls ---

    async def more(self) -> bool:
        """Wait for further bytes; ``False`` when none will come or the deadline has passed."""
        if self.ended or self.expired:
            return False
        self.resume()
        before = self.received
        waiter = self._reader = self._loop.create_future()
        try:
            await waiter
        finally:
            if self._reader is waiter:  # a cancelled reader must not forget its successor
                self._reader = None
        return self.received > before

    def resume(self) -> None:
        """Let the peer send on, if it was made to wait."""
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def wake(self) -> None:
        """Let whoever waits in :meth:`more` go on."""
        waiter = self._reader
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def take(self, count: int) -> bytes:
        """Remove and return the first *count* bytes of the buffer."""
        buffer = self.buffer
        if count == len(buffer):  # nearly always: one copy less
            taken = bytes(buffer)
            buffer.clear()
        else:
            taken = bytes(buffer[:count])
            del buffer[:count]
        return taken

    def overlook_empty_line(self) -> None:
        """Remove an empty line before the next request (RFC 9112, 2.2)."""
        if self.buffer.startswith(b"\r\n"):
            self.take(2)

    def write(self, data: bytes) -> None:
        """Send *data*; to a peer that is gone it goes nowhere."""
        if not self.lost:
            self.transport.write(data)

    @property
    def pending(self) -> bool:
        """Something that was written has not been sent."""
        return self.transport.get_write_buffer_size() > 0

    @property
    def stuck(self) -> bool:
        """More is waiting to be sent than should be: call :meth:`flush`."""
        return self._stuck and not self.lost

    async def flush(self) -> bool:
        """Wait until the peer has taken enough; ``False`` when it is gone or took too long."""
        while self._stuck and not self.lost and not self.expired:
            waiter = self._writer = self._loop.create_future()
            try:
                await waiter
            finally:
                if self._writer is waiter:
                    self._writer = None
        return not self.lost and not self.expired

    def hurry(self) -> None:
        """Acknowledge now what has arrived.

        A peer that sends head and body apart, with Nagle's algorithm on, waits for this before it
        sends the body: 40 ms that would be counted as its own slowness.
        """
        if _QUICK_ACK is not None and not self.lost:
            self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def expire(self) -> None:
        """Say that the deadline has passed."""
        self.expired = True
        self._tell()
        _wake(self._writer)

    def _tell(self) -> None:
        if self.listener is not None:
            self.listener()
        else:
            self.wake()

    def close(self) -> None:
        """Close after what was written has been sent."""
        self.transport.close()

    def abort(self) -> None:
        """Close at once; the peer sees a reset or a truncated message."""
        self.transport.abort()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
