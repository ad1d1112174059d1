"""Whole, plain messages: read as the parser reads them, whatever was read and remembered before."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway_deploy_local import wire
from sluiceway_deploy_local.plain import PlainAnswers, PlainRequests
from sluiceway_deploy_local.wire import Malformed

from .deploy_local_bench import GET, LIMITS
from .test_deploy_local_smuggling import POST, REFUSED, SMUGGLED, spoilt


@st.composite
def likenesses(draw, line, names, values):
    """Heads with the same fields, and now and then another line, of other values, good and bad."""
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4))
    made = []
    for _ in range(draw(st.integers(2, 4))):
        fields = [name + draw(st.sampled_from(values)) + b"\r\n" for name in chosen]
        made.append(draw(st.sampled_from(line)) + b"".join(fields) + b"\r\n")
    return made


VALUES = (
    *(b": 5", b": 12", b": 0", b": 05", b": +5"),
    *(b": a", b":b", b": c ", b":", b": \xff", b": a\x00", b": a\rb", b"", b" : a"),
    *(b": close", b": keep-alive, X-A", b": 100-continue", b": chunked"),
)
BOTH = (b"Content-Length", b"content-length", b"X-A", b"X-B", b"Connection", b"Transfer-Encoding")
NAMES = (
    *BOTH,
    b"X-Request-Id",
    b"X-Forwarded-For",
    b"X_A",
    b"Content_Length",
    b"Cookie",
    b"Expect",
)
LINES = (b"POST / HTTP/1.1\r\nHost: a\r\n", b"GET /b HTTP/1.1\r\nHost: a\r\n")
BODIES = st.sampled_from((b"", b"hello", b"hello, world"))
REQUESTS = st.one_of(
    st.lists(spoilt(), min_size=1, max_size=4),
    st.tuples(likenesses(LINES, NAMES, VALUES), BODIES).map(
        lambda drawn: [head + drawn[1] for head in drawn[0]]
    ),
)


@given(REQUESTS, st.lists(st.integers(0, 3), max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_request_is_read_as_the_parser_reads_it_whatever_was_read_before(messages, again):
    reader = PlainRequests(b"127.0.0.1")
    for data in messages + [messages[index % len(messages)] for index in again]:
        end = reader.read(data, LIMITS.body_bytes)
        assert end == PlainRequests(b"127.0.0.1").read(data, LIMITS.body_bytes)
        if not end:
            continue  # the coroutine's, and there is nothing to compare
        request = wire.parse_request(data[:end])
        assert reader.request == request
        assert request.keep_alive
        assert not request.body.chunked
        assert (reader.fields, reader.identifier) == (request.fields, request.identifier)
        assert len(data) == end + request.body.length
        assert reader.head(b"id-1") == wire.request_head(request, b"127.0.0.1", b"id-1")


@pytest.mark.parametrize("data", [data for _, data in REFUSED.values()], ids=REFUSED)
def test_nothing_that_is_refused_is_plain_also_after_its_like(data):
    reader = PlainRequests(b"127.0.0.1")
    for before in (b"", GET, POST + b"\r\n", POST + b"Content-Length: 5\r\n\r\nhello"):
        reader.read(before, LIMITS.body_bytes)
        with contextlib.suppress(Malformed):  # a body's defect is in what follows the head
            buffer = bytearray(data)
            wire.parse_request(bytes(buffer[: wire.head_end(buffer)]))
            assert b"chunked" in data
        assert reader.read(data, LIMITS.body_bytes) == 0
        assert reader.read(data + SMUGGLED, LIMITS.body_bytes) == 0


@pytest.mark.parametrize(
    "line",
    [
        b"CONNECT / HTTP/1.1",
        b"GET /#a HTTP/1.1",
        b"GET http://b/ HTTP/1.1",
        b"GET / HTTP/1.0",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET /\x7f HTTP/1.1",
        b"GET /" + b"a" * wire.TARGET_BYTES + b" HTTP/1.1",
        b"\r\nGET / HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
    ],
)
def test_remembered_fields_do_not_make_a_line_plain(line):
    reader = PlainRequests(b"127.0.0.1")
    assert reader.read(GET, 0)
    assert reader.read(line + GET.removeprefix(b"GET / HTTP/1.1"), 0) == 0
    longest = b"GET /" + b"a" * (wire.TARGET_BYTES - 1) + b" HTTP/1.1"
    assert reader.read(longest + GET.removeprefix(b"GET / HTTP/1.1"), 0)


STATUS_LINES = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 \r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.1 100\r\n",
    b"HTTP/1.1 099 A\r\n",
)
ANSWERS = st.one_of(
    likenesses(STATUS_LINES, (*BOTH, b"Set-Cookie", b"Date"), VALUES),
    likenesses(STATUS_LINES[:1], (b"Content-Length", b"X-A", b"Connection"), VALUES),
)


@given(ANSWERS, BODIES, st.lists(st.sampled_from((b"GET", b"HEAD")), min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_an_answer_is_read_as_the_parser_reads_it_whatever_was_read_before(heads, body, methods):
    reader = PlainAnswers()
    for number, method in enumerate(methods):
        head = heads[number % len(heads)]
        end = reader.read(head + body, method)
        assert end == PlainAnswers().read(head + body, method)
        if not end:
            continue
        response = wire.parse_response(head, method)
        assert end == len(head)
        assert response.body == wire.Framing(len(body))
        assert response.keep_alive
        assert reader.status == response.status >= 200
        assert reader.shown == wire.response_head(response, close=False)


@pytest.fixture
def parsed(monkeypatch):
    """Count the heads that were parsed."""
    heads: list[bytes] = []

    def counted(parse):
        def counting(head, *rest):
            heads.append(head)
            return parse(head, *rest)

        return counting

    monkeypatch.setattr(wire, "parse_request", counted(wire.parse_request))
    monkeypatch.setattr(wire, "parse_response", counted(wire.parse_response))
    return heads


def test_what_is_the_same_or_alike_is_not_parsed_again(parsed):
    """Without this the comparisons above might compare the parser with itself."""
    requests, answers = PlainRequests(b"127.0.0.1"), PlainAnswers()
    fields = b"Host: a\r\nCookie: %d\r\nContent-Length: %d\r\n\r\n%b"
    for number in (1, 2, 2, 3):
        data = b"POST /%d HTTP/1.1\r\n" % number + fields % (number, number, b"x" * number)
        assert requests.read(data, LIMITS.body_bytes) == len(data) - number
        assert requests.head(b"i").startswith(
            b"POST /%d HTTP/1.1\r\nHost: a\r\nCookie: %d\r\nContent-Length: %d\r\nX-"
            % ((number,) * 3)
        )
        data = b"HTTP/1.1 200 OK\r\n" + fields % (number, number, b"x" * number)
        assert answers.read(data, b"GET") == len(data) - number
        assert answers.shown == data[:-number]
    assert len(parsed) == 2


@pytest.mark.parametrize(
    "line",
    [
        b"Host: b",
        b"Connection: keep-alive, X-B",
        b"Content-Length: +5",
        b"Content-Length : 5",
        b"Content-Length: 0\x00",
        b"X-A",
        b"X-A\x00: a",
        b"X-A: a\nX: b",
        b"x-a: a",
        b"X-Request-Id: other",
    ],
)
def test_what_differs_where_it_decides_is_left_to_the_parser(parsed, line):
    lines = (b"Host: a", b"Connection: X-A", b"Content-Length: 5", b"X-A: a", b"X-Request-Id: one")
    name = line.partition(b":")[0].strip(b" \x00").lower()
    others = [line if name == each.partition(b":")[0].lower() else each for each in lines]
    reader = PlainRequests(b"127.0.0.1")
    for number, fields in enumerate((lines, others), 1):
        reader.read(b"POST / HTTP/1.1\r\n" + b"\r\n".join(fields) + b"\r\n\r\nhello", 9)
        assert len(parsed) == number


def test_a_length_without_a_body_may_change_and_stays_without():
    reader = PlainAnswers()
    for method, line in ((b"HEAD", b"HTTP/1.1 200 OK"), (b"GET", b"HTTP/1.1 304 Not Modified")):
        for length in (5, 12):
            head = line + b"\r\nContent-Length: %d\r\n\r\n" % length
            assert reader.read(head, method) == len(head)
            assert reader.shown == head


def test_a_body_that_is_too_long_is_left_to_be_refused():
    reader = PlainRequests(b"127.0.0.1")
    data = POST + b"Content-Length: 5\r\n\r\nhello"
    assert reader.read(data, 5)
    assert reader.read(data, 4) == 0


def test_what_was_read_does_not_change_with_what_is_read_next():
    """A request that was handed over is still in work when the next one arrives."""
    reader = PlainRequests(b"127.0.0.1")
    assert reader.read(GET.replace(b"\r\n\r\n", b"\r\nX: a\r\n\r\n"), 0)
    request = reader.request
    assert reader.read(GET.replace(b"\r\n\r\n", b"\r\nX: b\r\n\r\n"), 0)
    assert (request.fields[1][2], reader.fields[1][2]) == (b"a", b"b")
