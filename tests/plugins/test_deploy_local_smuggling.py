"""Request smuggling: what two parsers could read differently, and two parsers to compare with.

The table is of requests as they arrive at the proxy's port: a refused one must reach no instance and
end the connection. The fuzz holds our parser against httptools (Node's llhttp) and h11: whatever we
pass on, both read as the same single request with the same body, to the byte.
"""

from __future__ import annotations

from dataclasses import replace

import h11
import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluiceway_deploy_local import wire
from sluiceway_deploy_local.chunked import Chunked
from sluiceway_deploy_local.wire import Malformed

from .deploy_local_bench import HELLO, LIMITS, bench, run

SMUGGLED = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
NOTHING = b"0\r\n\r\n"

REFUSED = {
    "CL.TE": (400, POST + b"Content-Length: 6\r\n" + CHUNKED + b"\r\n" + NOTHING + b"G"),
    "TE.CL": (400, POST + CHUNKED + b"Content-Length: 4\r\n\r\n5c\r\n"),
    "CL.CL": (400, POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n"),
    "CL.CL the same": (400, POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    "CL list": (400, POST + b"Content-Length: 5, 5\r\n\r\nhello"),
    "CL plus": (400, POST + b"Content-Length: +4\r\n\r\nhell"),
    "CL hexadecimal": (400, POST + b"Content-Length: 0x4\r\n\r\nhell"),
    "CL point": (400, POST + b"Content-Length: 4.0\r\n\r\nhell"),
    "CL space inside": (400, POST + b"Content-Length: 1 0\r\n\r\nhell"),
    "CL space before colon": (400, POST + b"Content-Length : 4\r\n\r\nhell"),
    "CL after a bare CR": (400, POST + b"A: b\rContent-Length: 4\r\n\r\nhell"),
    "TE space before colon": (400, POST + b"Transfer-Encoding : chunked\r\n\r\n" + NOTHING),
    "TE gzip, chunked": (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + NOTHING),
    "TE chunked, gzip": (501, POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + NOTHING),
    "TE chunked, identity": (501, POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + NOTHING),
    "TE.TE": (501, POST + CHUNKED + b"Transfer-Encoding: x\r\n\r\n" + NOTHING),
    "TE.TE other case": (501, POST + CHUNKED + b"transfer-encoding: identity\r\n\r\n" + NOTHING),
    "TE xchunked": (501, POST + b"Transfer-Encoding: xchunked\r\n\r\n" + NOTHING),
    "TE quoted": (501, POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + NOTHING),
    "TE parameter": (501, POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n" + NOTHING),
    "TE empty": (501, POST + b"Transfer-Encoding:\r\n\r\n" + NOTHING),
    "TE vertical tab": (400, POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n" + NOTHING),
    "TE folded": (400, POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + NOTHING),
    "TE not ASCII": (400, POST + b"Transfer\xadEncoding: chunked\r\n\r\n" + NOTHING),
    "TE in HTTP/1.0": (400, b"POST / HTTP/1.0\r\nHost: a\r\n" + CHUNKED + b"\r\n" + NOTHING),
    "TE named by Connection": (
        400,
        POST + b"Connection: transfer-encoding\r\n" + CHUNKED + b"\r\n" + NOTHING,
    ),
    "CL named by Connection": (
        400,
        POST + b"Connection: close, Content-Length\r\nContent-Length: 5\r\n\r\nhello",
    ),
    "Host twice": (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    "Host missing": (400, b"GET / HTTP/1.1\r\nX: a\r\n\r\n"),
    "Host space before colon": (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    "Host folded": (400, b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"),
    "Host with a path": (400, b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "Host with a user": (400, b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    "first field folded": (400, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    "bare LF after the line": (400, b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    "bare LF in a field": (400, POST + b"A: b\nContent-Length: 4\r\n\r\nhell"),
    "bare LF at the end": (400, b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    "NUL in a value": (400, POST + b"A: b\x00c\r\n\r\n"),
    "NUL in a name": (400, POST + b"A\x00: b\r\n\r\n"),
    "NUL in the target": (400, b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "space in the target": (400, b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "tab in the line": (400, b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "chunk size plus": (400, POST + CHUNKED + b"\r\n+5\r\nhello\r\n" + NOTHING),
    "chunk size prefix": (400, POST + CHUNKED + b"\r\n0x5\r\nhello\r\n" + NOTHING),
    "chunk size underscore": (400, POST + CHUNKED + b"\r\n1_0\r\nhello\r\n" + NOTHING),
    "chunk size overflow": (400, POST + CHUNKED + b"\r\n" + b"f" * 17 + b"\r\nhello"),
    "chunk size LF": (400, POST + CHUNKED + b"\r\n5\nhello\r\n" + NOTHING),
    "chunk too short": (400, POST + CHUNKED + b"\r\n4\r\nhello\r\n" + NOTHING),
    "chunk extension LF": (400, POST + CHUNKED + b"\r\n5;a\nb\r\nhello\r\n" + NOTHING),
    "chunk extension CR": (400, POST + CHUNKED + b"\r\n5;a\rb\r\nhello\r\n" + NOTHING),
    "trailer Content-Length": (400, POST + CHUNKED + b"\r\n0\r\nContent-Length: 9\r\n\r\n"),
    "trailer Host": (400, POST + CHUNKED + b"\r\n0\r\nHost: b\r\n\r\n"),
    "trailer folded": (400, POST + CHUNKED + b"\r\n0\r\nA: b\r\n c\r\n\r\n"),
    "authority-form": (400, b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "absolute-form with a user": (400, b"GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "absolute-form of another scheme": (400, b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "huge field": (431, POST + b"A: " + b"b" * 70_000 + b"\r\n\r\n"),
    "huge head": (431, POST + b"A: b\r\n" * 200 + b"\r\n"),
    "huge target": (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "HTTP/2 preface": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "CONNECT": (501, b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    "WebSocket": (501, b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"),
}


@pytest.mark.parametrize(("status", "data"), REFUSED.values(), ids=REFUSED)
@run
async def test_a_refused_request_reaches_nobody_and_neither_does_what_follows(status, data):
    async def answer(peer):
        arrived = await peer.reader.read(65536)
        if not arrived:
            raise ConnectionResetError
        peer.heads.append(arrived)

    async with bench(answer) as b:
        got = await b.exchange(data + SMUGGLED)
        assert got.split()[1] == b"%d" % status
        assert got.count(b"Content-Length: ") == 1, "one answer"
        assert b"Connection: close" in got
        await b.settled()
        assert b.counters.requests == 0
        # A body's defect is found after its head was passed on; the instance then sees a broken
        # request and no second one.
        assert not any(b"/admin" in head for peer in b.connections for head in peer.heads)


PASSED = {
    "absolute-form decides the Host": (
        b"GET http://b:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /x?y HTTP/1.1\r\nHost: b:80\r\n",
    ),
    "chunk extensions stay chunk extensions": (
        POST + CHUNKED + b'\r\n5;a="b;c"\r\nhello\r\n' + NOTHING,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
    ),
    "other case": (
        POST + b"tRANSFER-eNCODING:\tChunked \r\n\r\n" + NOTHING,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
    ),
    "a harmless trailer": (
        POST + CHUNKED + b"Trailer: X\r\n\r\n0\r\nX: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
    ),
    "leading zeros": (
        POST + b"Content-Length: 0005\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n",
    ),
    "a spoofed length and address": (
        POST + b"Content_Length: 9\r\nX_Forwarded_For: 1.2.3.4\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n",
    ),
}


@pytest.mark.parametrize(("data", "wanted"), PASSED.values(), ids=PASSED)
@run
async def test_what_is_passed_on_is_in_one_form_and_the_next_request_is_a_second_one(data, wanted):
    seen = []

    async def answer(peer):
        head = await peer.head()
        seen.append(head)
        if b"chunked" in head.lower():
            await peer.reader.readuntil(b"\r\n\r\n")
        elif b"Content-Length: 0005" in head:
            await peer.reader.readexactly(5)
        peer.send(HELLO)

    async with bench(answer, replace(LIMITS, response_seconds=10, body_seconds=10)) as b:
        client = await b.client()
        client.send(data + SMUGGLED)
        for _ in range(2):
            assert (await client.answer())[1] == b"hello"
        assert seen[0].startswith(wanted)
        assert seen[0][len(wanted) :].startswith(b"X-Forwarded-For: 127.0.0.1\r\n")
        assert seen[1].startswith(b"GET /admin HTTP/1.1\r\n")
        assert b.counters.requests == 2


# --- two parsers to compare with ---


class Heard:
    """What httptools heard."""

    def __init__(self) -> None:
        self.complete = 0
        self.body = b""
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.complete and not self.body:  # a trailer is none of the head's fields
            self.fields.append((name.lower(), value.strip()))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


def ours(data: bytes, size: int) -> tuple[wire.Request, bytes, bytes]:
    """Read one request as the proxy does; return it, what is passed on, and what follows it."""
    buffer, scanned, position = bytearray(), 0, 0
    while (end := wire.head_end(buffer, scanned)) < 0:
        scanned = len(buffer)
        if position >= len(data):
            raise Malformed(408, "incomplete")
        buffer += data[position : position + size]
        position += size
    request = wire.parse_request(bytes(buffer[:end]))
    rest = bytes(buffer[end:]) + data[position:]
    if request.body.chunked:
        follower, taken = Chunked(100_000), 0
        while not follower.done:
            if taken >= len(rest):
                raise Malformed(408, "incomplete")
            taken += follower.feed(rest[taken : taken + size])
    else:
        taken = request.body.length
        if taken > len(rest):
            raise Malformed(408, "incomplete")
    head = wire.request_head(request, b"127.0.0.1", b"id-1")
    return request, head + rest[:taken], rest[taken:]


def by_httptools(data: bytes) -> Heard:
    heard = Heard()
    httptools.HttpRequestParser(heard).feed_data(data)
    return heard


def by_h11(data: bytes) -> tuple[bytes, bytes, bytes]:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage), event
    return request.target, body, connection.trailing_data[0]


PIECES = st.sampled_from(
    [
        *(b"Content-Length: %b\r\n" % value for value in (b"0", b"5", b"05", b"+5", b"5, 5", b"")),
        *(b"Transfer-Encoding:%b\r\n" % value for value in (b" chunked", b"\tChunked", b" x", b"")),
        b"Content-Length : 5\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive, X-A\r\n",
        b"Connection: Content-Length\r\n",
        b"Expect: 100-continue\r\n",
        b"Upgrade: h2c\r\n",
        b"X-A: b\r\n",
        b"X-A:\r\n",
        b"X-A: \xff\xfe\r\n",
        b"X_Request_Id: a\r\n",
        b"Content_Length: 7\r\n",
        b" folded\r\n",
        b"A: b\n",
        b"A: b\r",
        b"Host: b\r\n",
        b"\x00: a\r\n",
        b"\r\n",
    ]
)
BODIES = st.sampled_from(
    (
        b"",
        b"hello",
        NOTHING,
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"05\r\nhello\r\n00\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
    )
)
LINES = st.sampled_from(
    (
        b"POST / HTTP/1.1\r\n",
        b"GET /a?b=c HTTP/1.1\r\n",
        b"GET http://b/c HTTP/1.1\r\n",
        b"PUT / HTTP/1.0\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"GET / HTTP/1.1\n",
        b"HEAD //a HTTP/1.1\r\n",
    )
)
REQUESTS = st.builds(
    lambda line, pieces, body: line + b"Host: a\r\n" + b"".join(pieces) + b"\r\n" + body,
    LINES,
    st.lists(PIECES, max_size=4),
    BODIES,
)


@st.composite
def spoilt(draw):
    """A request with a byte changed, put in or taken out somewhere."""
    data = bytearray(draw(REQUESTS))
    for _ in range(draw(st.integers(0, 2))):
        where = draw(st.integers(0, len(data) - 1))
        byte = draw(st.sampled_from(b"\r\n\t \x00:;,0159afx+-_\x0b\x7f\xff"))
        how = draw(st.integers(0, 2))
        data[where : where + (how != 0)] = b"" if how == 1 else bytes([byte])
    return bytes(data)


@given(spoilt())
@example(
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n"
)
@settings(max_examples=800, deadline=None)
def test_what_is_passed_on_is_one_request_to_every_parser(data):
    try:
        request, passed, _ = ours(data, 1 << 20)
    except Malformed:
        return
    try:
        heard = by_httptools(passed)
    except httptools.HttpParserInvalidMethodError:
        return  # it knows a list of methods, not what a method is made of
    assert heard.complete == 1, passed
    assert heard.target == request.target
    target, body, rest = by_h11(passed)
    assert (target, body, rest) == (request.target, heard.body, b""), passed
    names = [name for name, _ in heard.fields]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    if request.minor == 0:
        return  # a connection is not used again after HTTP/1.0
    again = by_httptools(passed + SMUGGLED)
    assert (again.complete, again.body) == (2, heard.body), "the next request is the next request"


@given(spoilt())
@settings(max_examples=120, deadline=None)
def test_it_is_read_the_same_split_at_every_byte(data):
    def outcome(size):
        try:
            _, passed, rest = ours(data, size)
        except Malformed as fault:
            return fault.status
        return passed, rest

    whole = outcome(1 << 20)
    for size in (1, 2, 3, 7):
        assert outcome(size) == whole


def test_the_comparison_can_fail():
    """The negative control: heads that are passed on as they come do part the parsers."""
    both = POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + NOTHING
    with pytest.raises((httptools.HttpParserError, AssertionError)):
        assert by_httptools(both + SMUGGLED).complete == 2
    with pytest.raises(h11.RemoteProtocolError):
        by_h11(POST + b"Content-Length: +4\r\n\r\nhell")
