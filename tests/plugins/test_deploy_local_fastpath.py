"""The fast path and the coroutine: the same conversations through both, and nobody can tell which.

A client, a proxy and an instance over real sockets: the same script is played with the fast path and
without it, and what the client got, what the instance saw and what was counted must be equal.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluiceway_deploy_local.counters import Counters
from sluiceway_deploy_local.exchange import Exchange
from sluiceway_deploy_local.sticky import Sticky
from sluiceway_deploy_local.table import Backend, Table, shares

from .deploy_local_bench import GET, HELLO, LAST, LIMITS, Peer, bench, fixed, run
from .test_deploy_local_smuggling import POST, REFUSED, SMUGGLED

# --- conversations ---

_IDENTIFIER = re.compile(rb"X-Request-Id: [0-9a-f]{32}")


@dataclass
class Turn:
    """A request as it is cut, and what an instance says to it; ``None``: it breaks off instead."""

    request: tuple[bytes, ...]
    answer: tuple[bytes, ...] | None
    closes: bool = False


@dataclass
class Seen:
    """What everybody saw, without what differs between any two runs."""

    answers: list[bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    counted: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0
    connections: int = 0


def plain_of(data: bytes) -> bytes:
    return _IDENTIFIER.sub(b"X-Request-Id: fresh", data)


def counted(counters: Counters) -> dict[str, Any]:
    """Everything but how long it took."""
    found = counters.report()
    found["latency_ms"] = sum(found["latency_ms"].values())
    found["answers"] = {status: sum(each[:-1]) for status, each in counters.answers.items()}
    return found


async def heard(peer: Peer, method: bytes) -> bytes:
    """Return one whole answer with its interim ones, or what there is of it."""
    got = b""
    try:
        while True:
            head = await peer.head()
            got += head
            if head[9:10] != b"1":
                break
        lower = head.lower()
        if method == b"HEAD" or head[9:12] in (b"204", b"304"):
            return got
        if b"transfer-encoding" in lower:
            return got + await peer.reader.readuntil(b"0\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", lower)
        if length is None:  # to HTTP/1.0, until the end
            return got + await peer.reader.read()
        return got + await peer.reader.readexactly(int(length[1]))
    except asyncio.IncompleteReadError as cut:
        return got + cut.partial + b"<cut>"
    except ConnectionError:
        return got + b"<cut>"


async def pieces(peer: Peer, data: tuple[bytes, ...]) -> None:
    for piece in data:
        peer.send(piece)
        await peer.writer.drain()
        for _ in range(3):
            await asyncio.sleep(0)


async def play(turns: list[Turn], *, fast: bool, weight: float = 0) -> Seen:
    """Let one client ask *turns* one after the other; it begins anew where the proxy ends."""
    seen, script = Seen(), iter(turns)

    async def serve(peer: Peer) -> None:
        head = await peer.head()
        length = re.search(rb"\r\ncontent-length: *(\d+)", head.lower())
        body = b""
        if b"\r\ntransfer-encoding" in head.lower():
            body = await peer.reader.readuntil(b"0\r\n\r\n")
        elif length is not None:
            body = await peer.reader.readexactly(int(length[1]))
        seen.requests.append(plain_of(head + body))
        turn = next(script, None)
        if turn is None or turn.answer is None:
            peer.writer.transport.abort()
            raise ConnectionResetError
        await pieces(peer, turn.answer)
        if turn.closes:
            peer.writer.close()
            raise ConnectionResetError

    async with bench(serve, replace(LIMITS, response_seconds=5, body_seconds=5)) as b:
        b.frontend.fast_path = fast
        other = Backend(b.backend.port, Counters())
        b.frontend.table = Table(shares(b.backend, other, weight))
        client = await b.client()
        for turn in turns:
            await pieces(client, turn.request)
            got = await heard(client, turn.request[0].split(b" ")[0])
            seen.answers.append(plain_of(got))
            if b"Connection: close" in got or got.endswith(b"<cut>"):
                client.writer.close()
                client = await b.client()
        await b.settled()
        assert await other.quiet(5)
        assert b.backend.in_flight == other.in_flight == 0
        assert b.frontend._busy == set()
        seen.counted = [counted(b.counters), counted(other.counters)]
        seen.refused, seen.connections = b.frontend.refused, len(b.connections)
        other.close()
    return seen


@st.composite
def cut_somewhere(draw, data):
    """*data* in one piece, mostly, or in two or three."""
    cuts = sorted(draw(st.lists(st.integers(1, max(1, len(data) - 1)), max_size=2)))
    if not cuts or draw(st.integers(0, 2)):
        return (data,)
    edges = [0, *cuts, len(data)]
    return tuple(filter(None, (data[a:b] for a, b in itertools.pairwise(edges))))


REQUESTS = (
    GET,
    GET,
    GET.replace(b"/", b"/other", 1),
    GET.replace(b"\r\n\r\n", b"\r\nX-Request-Id: mine\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"),
    GET.replace(b"GET", b"HEAD"),
    POST + b"\r\n",
    POST + b"Content-Length: 5\r\n\r\nhello",
    POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\nyou",
    POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    LAST,
    b"GET / HTTP/1.0\r\n\r\n",
    b"\r\n" + GET,
    GET.replace(b"Host", b"Host "),
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)
ALL_ANSWERS = (
    HELLO,
    HELLO,
    HELLO.replace(b"200 OK", b"503 Busy"),
    HELLO.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\n\r\n"),
    HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n" + b"x" * 40_000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HELLO,
    b"HTTP/1.1 200 OK\r\n\r\nuntil it closes",
    HELLO.replace(b": 5", b": 9"),
    HELLO.replace(b": 5", b": +5"),
    HELLO + b"more",
    b"SSH-2.0-OpenSSH\r\n\r\n",
    None,
)


@st.composite
def turns(draw):
    request, answer = draw(st.sampled_from(REQUESTS)), draw(st.sampled_from(ALL_ANSWERS))
    if request.startswith(b"HEAD") and answer is not None:
        answer = answer[: answer.index(b"\r\n\r\n") + 4]
    return Turn(
        draw(cut_somewhere(request)),
        None if answer is None else draw(cut_somewhere(answer)),
        closes=answer is not None and (b": 9" in answer or b"until" in answer),
    )


@given(st.lists(turns(), min_size=1, max_size=6), st.sampled_from((0, 30)))
@example([Turn((GET,), (HELLO,))] * 3 + [Turn((GET,), None), Turn((POST + b"\r\n",), None)], 0)
@settings(max_examples=30, deadline=None)
def test_nobody_can_tell_which_of_the_two_served(script, weight):
    async def both() -> None:
        async with asyncio.timeout(20):
            with_it = await play(script, fast=True, weight=weight)
            without = await play(script, fast=False, weight=weight)
        assert with_it == without

    asyncio.run(both())


@pytest.mark.parametrize("fast", [True, False])
@run
async def test_a_refused_request_after_a_good_one_reaches_nobody(fast):
    """The table of smuggled requests again, on connections that the fast path was serving."""

    async def serve(peer):
        head = await peer.head()
        if b"/good" not in head:
            await peer.rest()  # a body's defect is found after its head was passed on
            raise ConnectionResetError
        peer.send(HELLO)

    async with bench(serve, replace(LIMITS, response_seconds=10, body_seconds=10)) as b:
        b.frontend.fast_path = fast
        for name, (status, data) in REFUSED.items():
            client = await b.client()
            for _ in range(2):
                client.send(GET.replace(b"/", b"/good", 1))
                assert (await client.answer())[1] == b"hello"
            client.send(data + SMUGGLED)
            got = await client.rest()
            assert got.split()[1] == b"%d" % status, name
            assert got.count(b"Content-Length: ") == 1, name
            client.writer.close()
        await b.settled()
        assert b.counters.requests == 2 * len(REFUSED)
        assert b.frontend.refused == len(REFUSED)
        assert not any(b"/admin" in head for peer in b.connections for head in peer.heads)


@contextlib.contextmanager
def by_coroutine(monkeypatch):
    """Count the requests that a coroutine served."""
    served = []
    run_ = Exchange.run

    async def counting(self):
        served.append(self)
        return await run_(self)

    monkeypatch.setattr(Exchange, "run", counting)
    yield served


@pytest.mark.parametrize(("fast", "expected"), [(True, 1), (False, 5)])
def test_only_the_first_of_many_plain_requests_costs_a_coroutine(monkeypatch, fast, expected):
    """The first finds no connection in the pool. Without this the comparison might compare nothing."""

    @run
    async def conversation():
        async with bench(fixed(HELLO)) as b:
            b.frontend.fast_path = fast
            client = await b.client()
            for number in range(5):
                client.send(GET.replace(b"/", b"/%d" % number, 1))
                assert await client.answer() == (b"HTTP/1.1 200 OK", b"hello")
            assert b.counters.requests == 5

    with by_coroutine(monkeypatch) as served:
        conversation()
    assert len(served) == expected


@pytest.mark.parametrize("fast", [True, False])
@run
async def test_a_client_stays_on_its_side(fast):
    async with bench(fixed(HELLO)) as b:
        b.frontend.fast_path = fast
        other = Backend(b.backend.port, Counters())
        b.frontend.table = Table(shares(b.backend, other, 50))
        b.frontend.sticky = Sticky.of("header:X-User")
        client = await b.client()
        sides = set()
        for user in range(8):
            before = b.counters.requests
            for _ in range(3):
                client.send(GET.replace(b"\r\n\r\n", b"\r\nX-User: %d\r\n\r\n" % user))
                await client.answer()
            assert b.counters.requests - before in (0, 3)
            sides.add(b.counters.requests - before)
        assert sides == {0, 3}
        other.close()
