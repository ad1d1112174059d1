"""A proxy in this process between raw sockets, and an instance whose answers a test writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import cast

from sluiceway_deploy_local.counters import Counters
from sluiceway_deploy_local.exchange import Limits
from sluiceway_deploy_local.frontend import Frontend
from sluiceway_deploy_local.table import Backend, Table, shares

Answer = Callable[["Peer"], Awaitable[None]]

LIMITS = Limits(
    header_seconds=0.4,
    idle_seconds=0.4,
    body_seconds=0.4,
    response_seconds=0.4,
    body_bytes=1_000_000,
)


@dataclass
class Peer:
    """One end of a connection, with helpers to speak HTTP by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heads: list[bytes] = field(default_factory=list)

    async def head(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        return head

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def pause(self) -> None:
        """Take nothing more, so that the other side's bytes stay with it."""
        cast("asyncio.Transport", self.writer.transport).pause_reading()

    def resume(self) -> None:
        """Take again what comes."""
        cast("asyncio.Transport", self.writer.transport).resume_reading()

    async def rest(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.read()

    async def answer(self) -> tuple[bytes, bytes]:
        """Read one answer with Content-Length; return its status line and its body."""
        async with asyncio.timeout(5):
            head = await self.head()
            (length,) = (
                int(line.partition(b":")[2])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            return head.split(b"\r\n")[0], await self.reader.readexactly(length)


@dataclass
class Bench:
    """A proxy with one instance whose answers a test writes by hand."""

    frontend: Frontend
    counters: Counters
    backend: Backend
    connections: list[Peer]
    failures: list[BaseException]
    clients: list[Peer] = field(default_factory=list)

    async def client(self) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.frontend.port))
        self.clients.append(peer)
        return peer

    async def exchange(self, data: bytes) -> bytes:
        """Send *data* on a connection of its own and return all that comes until its end."""
        client = await self.client()
        client.send(data)
        return await client.rest()

    async def settled(self) -> None:
        """Wait until no request is in flight, so that everything is counted."""
        assert await self.backend.quiet(5)


@contextlib.asynccontextmanager
async def bench(answer: Answer, limits: Limits = LIMITS) -> AsyncIterator[Bench]:
    connections: list[Peer] = []
    failures: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        connections.append(peer)
        try:
            while True:
                await answer(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:  # noqa: BLE001 - kept for the test, which would not see it
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    counters = Counters()
    backend = Backend(server.sockets[0].getsockname()[1], counters)
    frontend = Frontend("shop", limits)
    (await frontend.listen(0)).keep()
    frontend.table = Table(shares(backend, None, 0))
    made = Bench(frontend, counters, backend, connections, failures)
    try:
        yield made
    finally:
        for peer in made.clients:
            peer.writer.close()
        await frontend.close(2)
        backend.close()
        server.close()
        for peer in connections:
            peer.writer.close()
        await asyncio.sleep(0.01)
        assert failures == []


def run(test):
    """Let pytest call a coroutine test, with a bound on its time."""

    @wraps(test)
    def call(*arguments, **named):
        async def bounded():
            async with asyncio.timeout(20):
                await test(*arguments, **named)

        asyncio.run(bounded())

    return call


def fixed(data: bytes, body: int = 0) -> Answer:
    async def answer(peer):
        await peer.head()
        await peer.reader.readexactly(body)
        peer.send(data)

    return answer


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
