"""In the middle of a request that the fast path began: what happens then happens as in the coroutine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field, replace

import pytest

from sluiceway_deploy_local.table import Table

from .deploy_local_bench import GET, HELLO, LAST, LIMITS, Bench, Peer, bench, fixed, run


@dataclass
class Held:
    """An instance that answers the first request, and holds the second until it is told."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    has: asyncio.Event = field(default_factory=asyncio.Event)
    answer: bytes = HELLO

    async def __call__(self, peer: Peer) -> None:
        head = await peer.head()
        if b"/held" in head:
            self.has.set()
            await self.go.wait()
            peer.send(self.answer)
        else:
            peer.send(HELLO)


async def asked(b: Bench, held: Held, *, fast: bool = True) -> Peer:
    """Return a client whose request the instance holds; the fast path began it if *fast*."""
    b.frontend.fast_path = fast
    client = await b.client()
    client.send(GET)
    await client.answer()
    client.send(GET.replace(b"/", b"/held", 1))
    await held.has.wait()
    assert (b.backend.in_flight, len(b.frontend._busy)) == (1, 1)
    return client


BOTH = pytest.mark.parametrize("fast", [True, False])


@BOTH
@run
async def test_a_client_that_leaves_is_nobodys_error(fast):
    held = Held()
    async with bench(held, replace(LIMITS, response_seconds=30)) as b:
        client = await asked(b, held, fast=fast)
        reset = struct.pack("ii", 1, 0)  # a mere end would be half of a close
        connection = client.writer.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        client.writer.transport.abort()
        await b.settled()
        held.go.set()
        assert (b.counters.aborted, b.counters.requests) == (1, 1)
        assert b.frontend._busy == set()


@BOTH
@run
async def test_silence_is_a_504(fast):
    held = Held()
    async with bench(held) as b:
        client = await asked(b, held, fast=fast)
        assert (await client.rest()).startswith(b"HTTP/1.1 504")
        assert b.counters.failures["timeout"] == 1
        held.go.set()


@BOTH
@run
async def test_a_client_that_asks_ahead_or_ends_its_side_is_answered_in_order(fast):
    held = Held()
    async with bench(held) as b:
        client = await asked(b, held, fast=fast)
        client.send(b"\r\n" + GET + LAST)
        client.writer.write_eof()
        await asyncio.sleep(0.02)
        held.go.set()
        assert (await client.rest()).count(b"hello") == 3
        assert (b.counters.requests, b.counters.aborted, b.frontend.refused) == (4, 0, 0)


@BOTH
@run
async def test_who_asks_ahead_without_end_is_made_to_wait_and_then_served(fast):
    held = Held()
    async with bench(held, replace(LIMITS, response_seconds=10)) as b:
        client = await asked(b, held, fast=fast)
        more = 40_000
        client.send(GET * more)  # more than the proxy keeps
        (link,) = b.frontend._clients
        while not link._paused:  # noqa: ASYNC110 - the link is the proxy's own
            await asyncio.sleep(0.01)
        kept = len(link.buffer)
        held.go.set()
        for _ in range(40):
            assert (await client.answer())[1] == b"hello"
        assert kept < len(GET) * more
        client.writer.transport.abort()


@BOTH
@run
async def test_closing_waits_for_it_and_says_so(fast):
    held = Held()
    async with bench(held) as b:
        client = await asked(b, held, fast=fast)
        closing = asyncio.create_task(b.frontend.close(5))
        await asyncio.sleep(0.02)
        held.go.set()
        got = await client.rest()
        client.writer.close()
        await closing
        assert b"Connection: close" in got
        assert got.endswith(b"hello")
        assert (b.counters.requests, b.backend.in_flight) == (2, 0)


@BOTH
@run
async def test_closing_cuts_it_when_it_takes_too_long(fast):
    held = Held()
    async with bench(held) as b:
        client = await asked(b, held, fast=fast)
        await b.frontend.close(0.05)
        with contextlib.suppress(ConnectionResetError):
            assert await client.rest() == b""
        assert (b.counters.requests, b.counters.aborted) == (1, 0), (
            "nobody's error, and not counted"
        )
        assert (b.backend.in_flight, b.frontend._busy) == (0, set())
        held.go.set()


@BOTH
@run
async def test_it_stays_with_its_instance_when_the_table_changes(fast):
    held = Held()
    async with bench(held) as b:
        client = await asked(b, held, fast=fast)
        b.frontend.table = Table(())
        assert not await b.backend.quiet(0.01), "a drain sees it"
        held.go.set()
        assert (await client.answer())[1] == b"hello"
        assert await b.backend.quiet(5)
        client.send(GET)
        assert (await client.rest()).startswith(b"HTTP/1.1 503")
        assert (b.counters.requests, b.frontend.refused) == (2, 1)


@BOTH
@run
async def test_a_client_that_does_not_take_its_answers_is_waited_for(fast):
    held = Held(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 20_000_000)
    async with bench(held, replace(LIMITS, response_seconds=10)) as b:
        client = await asked(b, held, fast=fast)
        client.pause()
        held.go.set()
        await b.settled()
        assert (b.counters.aborted, b.counters.requests) == (1, 1)


@BOTH
@run
async def test_a_connection_that_was_made_to_wait_goes_on_in_the_pool(fast):
    """The last bytes of an answer stopped the reading, and nobody had to wait for further ones."""

    async def serve(peer):
        await peer.head()
        if len(peer.heads) > 1:
            peer.send(HELLO)
            return
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        (client,) = b.frontend._clients
        while not client.stuck:
            peer.send(b"10000\r\n%b\r\n" % (b"x" * 65_536))
            await peer.writer.drain()
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        (link,) = b.frontend._busy
        size = 256 * 1024 - len(link.buffer) - 100
        peer.send(b"%x\r\n%b\r\n" % (size, b"x" * size))
        while len(link.buffer) < size:  # noqa: ASYNC110 - the link is the proxy's own
            await asyncio.sleep(0.01)
        peer.send(b"c8\r\n%b\r\n0\r\n\r\n" % (b"x" * 200))
        while not link._paused:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        stopped.set()

    stopped = asyncio.Event()
    limits = replace(LIMITS, response_seconds=5, body_seconds=5, idle_seconds=5)
    async with bench(serve, limits) as b:
        b.frontend.fast_path = fast
        client = await b.client()
        client.pause()
        client.send(GET)
        await stopped.wait()
        client.resume()
        while not (await client.reader.read(1 << 20)).endswith(b"\r\n0\r\n\r\n"):
            pass
        client.send(GET)
        assert (await client.answer())[1] == b"hello"
        assert len(b.connections) == 1


@BOTH
@run
async def test_a_client_that_takes_none_of_many_small_answers_is_let_go(fast):
    """Each is small enough for the fast path; what waits to be sent is not to grow with them."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30_000
    async with bench(fixed(answer)) as b:
        b.frontend.fast_path = fast
        client = await b.client()
        client.pause()
        client.send(GET)
        number = 1
        while not any(link.stuck for link in b.frontend._clients):
            if b.counters.requests == number:
                client.send(GET)
                number += 1
            await asyncio.sleep(0)
        await b.settled()
        assert (b.counters.aborted, b.counters.requests) == (1, number - 1)


@BOTH
@pytest.mark.parametrize("closing", [True, False])
@run
async def test_a_client_that_was_served_is_let_go_when_it_asks_no_more(fast, closing):
    limits = replace(LIMITS, idle_seconds=75 if closing else 0.2)
    async with bench(fixed(HELLO), limits) as b:
        b.frontend.fast_path = fast
        client = await b.client()
        for _ in range(3):
            client.send(GET)
            await client.answer()
        if closing:
            await b.frontend.close(75)  # and not only when those are over
        assert await client.rest() == b""
        assert b.frontend.refused == 0
