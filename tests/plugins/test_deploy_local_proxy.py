"""The proxy between raw sockets: what passes through, how it is framed, and how it leaves."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from sluiceway_deploy_local.exchange import Limits

from .deploy_local_bench import (
    GET,
    HELLO,
    LAST,
    bench,
    fixed,
    run,
)


@run
async def test_requests_in_a_row_use_one_connection_on_both_sides():
    async with bench(fixed(HELLO)) as b:
        client = await b.client()
        client.send(GET * 3)  # also when the client does not wait
        for _ in range(3):
            assert await client.answer() == (b"HTTP/1.1 200 OK", b"hello")
        assert len(b.connections) == 1
        assert len(b.connections[0].heads) == 3
        client.send(LAST)
        assert (await client.rest()).endswith(b"Connection: close\r\n\r\nhello")
        assert b.counters.requests == 4


@pytest.mark.parametrize(
    ("answer", "request_", "expected"),
    [
        (HELLO, LAST, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            LAST.replace(b"GET", b"HEAD"),
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
        ),
        (
            b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
            LAST,
            b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        ),
        (
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            LAST,
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
            LAST,
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"
            ),
        ),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HELLO,
            LAST,
            (
                b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
            ),
        ),
        (
            (
                b"HTTP/1.1 200 OK\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\n"
                b"Keep-Alive: 5\r\nContent-Length: 0\r\n\r\n"
            ),
            LAST,
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ),
        (
            HELLO,
            b"GET / HTTP/1.0\r\n\r\n",
            HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        ),
    ],
)
@run
async def test_answers_pass_through(answer, request_, expected):
    async with bench(fixed(answer)) as b:
        assert await b.exchange(request_) == expected
        assert b.counters.errors == 0


@run
async def test_a_body_that_ends_with_its_connection_is_sent_in_chunks():
    async def answer(peer):
        await peer.head()
        peer.send(b"HTTP/1.0 200 OK\r\n\r\nhello")
        await peer.writer.drain()
        peer.writer.close()
        await peer.writer.wait_closed()
        raise ConnectionResetError

    async with bench(answer) as b:
        client = await b.client()
        for _ in range(2):
            client.send(GET)
            got = await client.reader.readuntil(b"0\r\n\r\n")
            assert b"Transfer-Encoding: chunked" in got
            assert b"hello" in got
        assert (await b.exchange(b"GET / HTTP/1.0\r\n\r\n")).endswith(b"close\r\n\r\nhello")
        assert (b.counters.requests, b.counters.errors) == (3, 0)


@pytest.mark.parametrize("size", [1, 3, 11, 1000])
@run
async def test_bodies_arrive_whole_however_they_are_cut(size):
    got = []

    async def answer(peer):
        head = await peer.head()
        if b"chunked" in head:
            got.append(await peer.reader.readuntil(b"0\r\n\r\n"))
        else:
            got.append(await peer.reader.readexactly(26))
        peer.send(HELLO)

    letters = b"abcdefghijklmnopqrstuvwxyz"
    chunks = b"5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n"
    requests = (
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 26\r\n\r\n", letters),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", chunks),
    )
    async with bench(answer) as b:
        client = await b.client()
        for head, body in requests:
            data = head + body
            for start in range(0, len(data), size):
                client.send(data[start : start + size])
                await client.writer.drain()
                await asyncio.sleep(0)
            assert (await client.answer())[1] == b"hello"
    assert got == [letters, chunks]


@run
async def test_large_bodies_flow_both_ways_with_little_memory():
    size = 30_000_000

    async def answer(peer):
        await peer.head()
        left = size
        while left:
            piece = await peer.reader.read(min(left, 1 << 16))
            assert piece, f"the request ended {left} bytes early"
            left -= len(piece)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 100_000):
            peer.send(b"y" * 100_000)
            await peer.writer.drain()

    limits = Limits(response_seconds=10, body_seconds=10, body_bytes=size)
    async with bench(answer, limits) as b:
        client = await b.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        most = 0

        async def send():
            for _ in range(size // 100_000):
                client.send(b"x" * 100_000)
                await client.writer.drain()

        sending = asyncio.create_task(send())
        await client.head()
        left = size
        while left:
            piece = await client.reader.read(min(left, 1 << 16))
            assert piece, f"the answer ended {left} bytes early"
            left -= len(piece)
            most = max(most, *(len(link.buffer) for link in b.frontend._busy), 0)
        await sending
        await b.settled()
        assert most < 2_000_000
        assert b.counters.errors == 0


@pytest.mark.parametrize("chunked", [True, False])
@run
async def test_what_arrives_while_the_client_is_slow_is_passed_on(chunked):
    """The answer's end comes while the proxy waits for the client: nothing follows to wake it."""
    piece, tail, all_sent = b"y" * 65_536, b"the end", asyncio.Event()

    async def answer(peer):
        await peer.head()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Connection: close"
        peer.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
        while not any(link.stuck for link in b.frontend._clients):
            peer.send(b"10000\r\n%b\r\n" % piece if chunked else piece)
            await peer.writer.drain()
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        peer.send(b"7\r\n%b\r\n0\r\n\r\n" % tail if chunked else tail)
        await peer.writer.drain()
        if not chunked:
            peer.writer.close()
        await asyncio.sleep(0.05)
        all_sent.set()

    limits = Limits(header_seconds=5, idle_seconds=5, body_seconds=5, response_seconds=0.3)
    async with bench(answer, limits) as b:
        client = await b.client()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await all_sent.wait()
        await asyncio.sleep(0.6)  # longer than an instance may be silent
        assert (await client.rest()).endswith(tail + b"\r\n0\r\n\r\n")
        await b.settled()
        assert (b.counters.errors, b.counters.aborted) == (0, 0)


@run
async def test_a_client_that_waits_for_100_gets_it():
    async def answer(peer):
        head = await peer.head()
        assert b"Expect: 100-continue" in head
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await peer.reader.readexactly(3)
        peer.send(HELLO)

    async with bench(answer) as b:
        client = await b.client()
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert (await client.head()).startswith(b"HTTP/1.1 100")
        client.send(b"abc")
        assert (await client.answer())[1] == b"hello"


@run
async def test_closing_answers_what_is_in_flight_and_says_that_it_closes():
    async def serve(peer):
        await peer.head()
        await asyncio.sleep(0.2)
        peer.send(HELLO)

    async with bench(serve) as b:
        client, idle = await b.client(), await b.client()
        client.send(GET)
        await asyncio.sleep(0.05)
        await b.frontend.close(2)
        got = await client.rest()
        assert b"Connection: close" in got
        assert got.endswith(b"hello")
        assert await idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await b.client()


@run
async def test_closing_cuts_what_takes_too_long():
    async def serve(peer):
        await peer.head()
        await asyncio.sleep(30)

    async with bench(serve, Limits()) as b:
        client = await b.client()
        client.send(GET)
        await asyncio.sleep(0.05)
        await b.frontend.close(0.1)
        with contextlib.suppress(ConnectionResetError):
            assert await client.rest() == b""
        assert b.backend.in_flight == 0
