"""The proxy between raw sockets: who is to blame, what is tried again, what waits how long."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from sluiceway_deploy_local.link import Link
from sluiceway_deploy_local.table import Backend, Table, shares

from .deploy_local_bench import (
    GET,
    HELLO,
    LAST,
    Answer,
    bench,
    fixed,
    run,
)

# --- what an instance does wrong ---


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (b"", b"502", "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-", b"502", "reset"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", b"502", "protocol"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", b"502", "protocol"),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", b"502", "protocol"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"502",
            "protocol",
        ),
    ],
)
@run
async def test_an_instance_that_fails_before_it_answers_is_a_502(answer, status, reason):
    async def serve(peer):
        await peer.head()
        peer.send(answer)
        peer.writer.close()
        raise ConnectionResetError

    async with bench(serve) as b:
        got = await b.exchange(GET)
        assert got.split()[1] == status
        assert got.endswith(b".\n"), "a plain sentence"
        assert b.counters.failures[reason] == b.counters.requests == b.counters.errors == 1
        assert b.counters.latency_ms() == {}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
    ],
)
@run
async def test_an_answer_that_is_cut_is_seen_to_be_cut(answer):
    async def serve(peer):
        await peer.head()
        peer.send(answer)
        await peer.writer.drain()
        peer.writer.close()
        raise ConnectionResetError

    async with bench(serve) as b:
        client = await b.client()
        client.send(GET)
        with contextlib.suppress(ConnectionResetError):
            got = await client.rest()
            assert not got.endswith(b"0\r\n\r\n")
            assert len(got) < len(answer) + 100
        await b.settled()
        assert (b.counters.requests, b.counters.errors) == (1, 1)


@run
async def test_an_instance_that_is_silent_is_a_504():
    async def serve(peer):
        await peer.head()
        await asyncio.sleep(5)

    async with bench(serve) as b:
        got = await b.exchange(GET)
        assert got.startswith(b"HTTP/1.1 504")
        assert b.counters.failures["timeout"] == 1


@run
async def test_an_instance_that_is_silent_in_the_middle_is_cut():
    async def serve(peer):
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
        await asyncio.sleep(5)

    async with bench(serve) as b:
        with contextlib.suppress(ConnectionResetError):
            assert (await b.exchange(GET)).endswith(b"hello")
        assert b.counters.failures["timeout"] == 1


@run
async def test_a_port_where_nobody_listens_is_a_502():
    async with bench(fixed(HELLO)) as b:
        gone = Backend(1, b.counters)
        b.frontend.table = Table(shares(gone, None, 0))
        assert (await b.exchange(GET)).startswith(b"HTTP/1.1 502")
        assert b.counters.failures["connect"] == 1


@run
async def test_with_nobody_to_serve_it_is_a_503():
    async with bench(fixed(HELLO)) as b:
        b.frontend.table = Table(())
        got = await b.exchange(GET)
        assert got.startswith(b"HTTP/1.1 503")
        assert b"No instance of shop takes traffic" in got
        assert b.counters.requests == 0


# --- trying again ---


def closing_after_first() -> tuple[Answer, list[int]]:
    """An instance whose first connection is dead by its second request, without a word."""
    requests: list[int] = []

    async def serve(peer):
        await peer.head()
        if b"Content-Length: 1\r\n" in peer.heads[-1]:
            await peer.reader.readexactly(1)
        requests.append(len(peer.heads))
        if len(peer.heads) > 1:
            peer.writer.transport.abort()
            raise ConnectionResetError
        peer.send(HELLO)

    return serve, requests


@run
async def test_a_request_on_a_dead_pooled_connection_is_sent_again_when_nobody_can_mind():
    serve, requests = closing_after_first()
    async with bench(serve) as b:
        client = await b.client()
        for _ in range(2):
            client.send(GET)
            assert (await client.answer())[0] == b"HTTP/1.1 200 OK"
        assert requests == [1, 2, 1]
        assert (b.counters.requests, b.counters.errors) == (2, 0)


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    ],
)
@run
async def test_one_that_might_have_had_an_effect_is_not(request_):
    serve, requests = closing_after_first()
    async with bench(serve) as b:
        client = await b.client()
        client.send(GET)
        await client.answer()
        client.send(request_)
        assert (await client.answer())[0] == b"HTTP/1.1 502 Bad Gateway"
        assert requests == [1, 2]


@run
async def test_a_pooled_connection_is_not_used_when_it_is_old_or_closed():
    async def serve(peer):
        await peer.head()
        peer.send(HELLO)

    async with bench(serve) as b:
        await b.exchange(LAST)
        await b.exchange(LAST)
        assert len(b.connections) == 1
        await asyncio.sleep(1.3)
        assert b.backend._idle == []
        await b.exchange(LAST)
        assert len(b.connections) == 2
        b.connections[1].writer.close()
        await asyncio.sleep(0.05)
        await b.exchange(b"POST" + LAST[3:])
        assert len(b.connections) == 3
        assert b.counters.errors == 0


# --- what a client does wrong ---


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b"408"),
        (b"GET / HTTP/1.1\nHost: a\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", b"408"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\n", b"413"),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
            b"413",
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", b"501"),
    ],
)
@run
async def test_a_client_is_told_and_no_instance_is_blamed(data, status):
    async with bench(fixed(HELLO, body=5)) as b:
        got = await b.exchange(data)
        assert got.split()[1] == status
        assert got.count(b"HTTP/1.1") == 1
        await b.settled()
        assert b.counters.requests == 0
        assert b.frontend.refused == 1


@run
async def test_an_idle_client_is_let_go():
    async with bench(fixed(HELLO)) as b:
        client = await b.client()
        client.send(GET)
        await client.answer()
        assert await client.rest() == b""
        assert b.frontend.refused == 0


@run
async def test_a_client_that_breaks_off_is_not_the_instances_error():
    async def serve(peer):
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n")
        for _ in range(900):
            peer.send(b"y" * 100_000)
            await peer.writer.drain()

    async with bench(serve) as b:
        client = await b.client()
        client.send(GET)
        await client.head()
        client.writer.transport.abort()
        await b.settled()
        assert (b.counters.aborted, b.counters.requests) == (1, 0)


@run
async def test_a_client_that_does_not_read_is_let_go():
    async def serve(peer):
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n")
        for _ in range(900):
            peer.send(b"y" * 100_000)
            await peer.writer.drain()

    async with bench(serve) as b:
        client = await b.client()
        client.send(GET)
        await client.head()
        await b.settled()
        assert (b.counters.aborted, b.counters.requests) == (1, 0)


@pytest.mark.parametrize("sends", [b"", b"the rest "], ids=["silent", "sends on"])
@run
async def test_a_client_that_is_waited_for_twice_is_let_go(sends):
    """Its body and its taking of the answer are waited for at once; neither ends the other's."""

    async def serve(peer):
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n")
        while not any(link.stuck for link in b.frontend._clients):
            peer.send(b"y" * 100_000)
            await peer.writer.drain()
            await asyncio.sleep(0)
        stuck.set()
        await asyncio.sleep(20)  # and then it is dead

    stuck = asyncio.Event()
    async with bench(serve) as b:
        client = await b.client()
        client.pause()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx")
        await stuck.wait()
        client.send(sends)
        if not sends:
            client.resume()  # it takes all there is, and is silent
            while await client.reader.read(1 << 20):
                pass
        await b.settled()
        assert (b.counters.aborted, b.counters.requests) == (1, 0)


@run
async def test_a_client_that_does_not_take_the_last_bytes_is_let_go():
    async def serve(peer):
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        (link,) = b.frontend._clients
        while not link.transport.get_write_buffer_size():
            peer.send(b"y" * 4096)
            await peer.writer.drain()
            await asyncio.sleep(0)
        assert not link.stuck
        links.append(link)
        peer.writer.close()

    links: list[Link] = []
    async with bench(serve) as b:
        client = await b.client()
        client.pause()
        client.send(LAST)
        while not (links and links[0].lost):  # noqa: ASYNC110 - the link is the proxy's own
            await asyncio.sleep(0.02)
        assert b.counters.requests == 1


@run
async def test_a_half_closed_client_still_gets_its_answer():
    async def serve(peer):
        await peer.head()
        await asyncio.sleep(0.1)
        peer.send(HELLO)

    async with bench(serve) as b:
        client = await b.client()
        client.send(GET)
        client.writer.write_eof()
        assert (await client.rest()).endswith(b"hello")
        assert b.counters.requests == 1


@run
async def test_what_follows_a_refused_request_is_not_read():
    """A smuggled second request must reach nobody."""
    async with bench(fixed(HELLO)) as b:
        got = await b.exchange(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert got.count(b"HTTP/1.1") == 1
        assert b.connections == []
