"""The listening side of a route: client connections, their time-outs, and the way out of them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
from collections.abc import Callable
from time import monotonic

from sluiceway.errors import ActionFailed
from sluiceway.record import Record
from sluiceway_deploy_local import wire
from sluiceway_deploy_local.exchange import Exchange, Limits
from sluiceway_deploy_local.fastpath import FastPath
from sluiceway_deploy_local.link import Link
from sluiceway_deploy_local.sticky import Sticky
from sluiceway_deploy_local.table import HOST, Backend, Table
from sluiceway_deploy_local.wire import Fields, Malformed

__all__ = ["Frontend", "Move"]

_BACKLOG = 1024
_LINGER_SECONDS = 1.0
_SWEEP_SECONDS = 0.1


class Move(Record, kw_only=False):
    """A new port beside the old one. Exactly one of the two is to be called, once."""

    keep: Callable[[], None]
    """Give up the old port; connections that stand go on."""
    undo: Callable[[], None]
    """Give up the new port."""


class Frontend:
    """Serves one route on one or (while it moves) two ports.

    Args:
        name: The route's name, for the sentence that a client sees when nobody serves.
        limits: Time-outs and sizes; may be replaced by assignment.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.limits = limits
        self.table = Table()
        """Who serves; replaced as a whole by assignment."""
        self.sticky: Sticky | None = None
        """What keeps a client on one side; may be replaced by assignment."""
        self.port = 0
        self.refused = 0
        """Requests answered by the proxy itself: malformed, or with nobody to serve them."""
        self._server: asyncio.Server | None = None
        self._clients: dict[Link, asyncio.Task[None]] = {}
        self._waiting: set[Link] = set()
        self._busy: set[Link] = set()
        self.closing = False
        """The proxy is stopping: each answer is its connection's last."""
        self.fast_path = True
        """May be switched off, to compare."""
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """It listens."""
        return self._server is not None

    async def listen(self, port: int) -> Move:
        """Listen on *port* of loopback (0: any), beside where it listened before.

        Raises:
            ActionFailed: ``deploy.port-taken`` or ``deploy.port-refused``; nothing changed.
        """
        if self._server is not None and port in (0, self.port):
            return Move(lambda: None, lambda: None)
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                lambda: Link(self._accept), HOST, port, backlog=_BACKLOG, reuse_address=True
            )
        except OSError as error:
            raise _unusable(self.name, port, error) from error
        before, before_port = self._server, self.port
        self._server, self.port = server, server.sockets[0].getsockname()[1]
        if self._sweeper is None:
            self._sweeper = loop.create_task(self._sweep())

        def keep() -> None:
            if before is not None:
                before.close()

        def undo() -> None:
            self._server, self.port = before, before_port
            server.close()

        return Move(keep, undo)

    async def close(self, seconds: float) -> None:
        """Accept nothing more, end every answer in work with ``Connection: close``, then leave.

        Args:
            seconds: How long requests in flight may take; what is left is cut.
        """
        self.closing = True
        if self._server is not None:
            self._server.close()
            self._server = None
        for link in tuple(self._waiting):
            link.close()
        if self._clients:
            await asyncio.wait(tuple(self._clients.values()), timeout=seconds)
        left = tuple(self._clients.items())
        for link, task in left:
            task.cancel()
            link.abort()
        if left:
            await asyncio.wait([task for _, task in left])
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    # --- connections ---

    def _accept(self, link: Link) -> None:
        if self.closing:
            link.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(link))
        self._clients[link] = task
        task.add_done_callback(lambda _: self._clients.pop(link, None))

    async def _serve(self, client: Link) -> None:
        peer = client.transport.get_extra_info("peername")
        address = (peer[0] if peer else HOST).encode()
        fast = FastPath(self, client, address, busy=self._busy, waiting=self._waiting)
        try:
            while (exchange := await self._next(client, address, fast)) is not None:
                if not await exchange.run() or self.closing:
                    break
            await self._linger(client)
        except Malformed as fault:
            self.refused += 1
            client.write(wire.plain(fault.status, fault.reason))
            await self._linger(client)
        finally:
            client.close()

    async def _next(self, client: Link, address: bytes, fast: FastPath) -> Exchange | None:
        """Return the next request that the fast path leaves, or ``None`` when there is no other.

        Its backend has been entered: whoever gets it must run it before anything else.
        """
        client.overlook_empty_line()
        if not client.buffer:
            if self.closing:
                return None
            begun = await fast.serve()
            if begun is not None or not client.buffer:
                return begun
        head = await self._head(client)
        if head is None:
            return None
        request = wire.parse_request(head)
        if request.body.length > self.limits.body_bytes:
            raise Malformed(413, f"The body is longer than {self.limits.body_bytes} bytes.")
        backend = self.choose(request.fields)
        if backend is None:
            self.refused += 1
            sentence = f"No instance of {self.name} takes traffic at the moment."
            client.write(
                wire.plain(503, sentence, fields=["Retry-After: 1"], head=request.method == b"HEAD")
            )
            return None
        backend.enter()  # no await since it was chosen: a drain cannot miss this request
        return Exchange(
            client,
            request,
            backend,
            self.limits,
            address,
            busy=self._busy,
            closing=self.is_closing,
        )

    def choose(self, fields: Fields) -> Backend | None:
        """Return whose turn it is to answer a request with *fields*; the turn is taken."""
        place = self.sticky.place(fields) if self.sticky is not None else None
        return self.table.pick(place)

    def is_closing(self) -> bool:
        """Say whether the proxy is stopping: each answer is then its connection's last."""
        return self.closing

    async def _head(self, client: Link) -> bytes | None:
        scanned = 0
        while (end := wire.head_end(client.buffer, scanned)) < 0:
            if not scanned:
                client.deadline = monotonic() + self.limits.header_seconds
            scanned = len(client.buffer)
            if not await client.more():
                if client.expired:
                    raise Malformed(408, "The request's head did not arrive in time.")
                return None
        client.deadline = math.inf
        return client.take(end)

    async def _linger(self, client: Link) -> None:
        """End our side and read on for a moment, so that a reset does not overtake the last answer.

        A client that does not take what is left for it is cut: closing would wait for it for ever.
        """
        if client.lost:
            return
        client.expired = False
        client.deadline = asyncio.get_running_loop().time() + self.limits.body_seconds
        client.transport.set_write_buffer_limits(0)  # from now on it is stuck until all is sent
        if client.stuck and not await client.flush():
            client.abort()
            return
        client.deadline = math.inf
        with contextlib.suppress(OSError):
            client.transport.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while await client.more():
                    client.buffer.clear()

    async def _sweep(self) -> None:
        """Compare every deadline with the clock; close pooled connections that are too old."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = loop.time()
            for client in tuple(self._clients):
                if client.deadline < now:
                    client.expire()
            for link in tuple(self._busy):
                if link.deadline < now:
                    link.expire()
            for backend, _ in self.table.shares:
                backend.sweep(now)


def _unusable(route: str, port: int, error: OSError) -> ActionFailed:
    if error.errno == errno.EADDRINUSE:
        return ActionFailed(
            f"port {port} for {route} is taken by another program",
            means="Nothing was started and nothing changed.",
            remedy=f"End that program (`ss -ltnp 'sport = :{port}'` names it), or choose another "
            f"port in [environments.{route}].",
            code="deploy.port-taken",
        )
    return ActionFailed(
        f"cannot listen on port {port} for {route}: {error.strerror or error}",
        means="Nothing was started and nothing changed.",
        remedy=f"Choose a port above 1023 in [environments.{route}].",
        code="deploy.port-refused",
    )
