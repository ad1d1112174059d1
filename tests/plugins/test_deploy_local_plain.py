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


@given(st.lists(spoilt(), min_size=1, max_size=4), st.lists(st.integers(0, 3), max_size=6))
@settings(max_examples=300, deadline=None)
def test_a_request_is_read_as_the_parser_reads_it_whatever_was_read_before(messages, again):
    reader = PlainRequests(b"127.0.0.1")
    for data in messages + [messages[index % len(messages)] for index in again]:
        end = reader.read(data, LIMITS.body_bytes)
        if not end:
            continue  # the coroutine's, and there is nothing to compare
        request = wire.parse_request(data[:end])
        assert reader.request == request
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


ANSWER_HEADS = st.builds(
    lambda line, fields: line + b"".join(fields) + b"\r\n",
    st.sampled_from(
        (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 \r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 100\r\n")
    ),
    st.lists(
        st.sampled_from(
            (
                *(b"Content-Length: %b\r\n" % value for value in (b"0", b"5", b"+5", b"")),
                b"content-length:5\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Connection: close\r\n",
                b"Connection: keep-alive, X-A\r\n",
                b"X-A: \xff\r\n",
                b"Set-Cookie: a=b\r\n",
                b" folded\r\n",
                b"A: b\n",
            )
        ),
        max_size=3,
    ),
)
ANSWERS = st.tuples(
    ANSWER_HEADS,
    st.sampled_from((b"", b"hello", b"hello more")),
    st.sampled_from((b"GET", b"HEAD")),
)


@given(st.lists(ANSWERS, min_size=1, max_size=3), st.lists(st.integers(0, 2), max_size=6))
@settings(max_examples=300, deadline=None)
def test_an_answer_is_read_as_the_parser_reads_it_whatever_was_read_before(answers, again):
    reader = PlainAnswers()
    for head, body, method in answers + [answers[index % len(answers)] for index in again]:
        end = reader.read(head + body, method)
        if not end:
            continue
        response = wire.parse_response(head, method)
        assert end == len(head)
        assert response.body == wire.Framing(len(body))
        assert response.keep_alive
        assert reader.status == response.status >= 200
        assert reader.shown == wire.response_head(response, close=False)
