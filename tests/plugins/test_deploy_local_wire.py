"""The strict reader of HTTP/1.1: a table of what is refused, and the same answer however it is cut."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluiceway_deploy_local import wire
from sluiceway_deploy_local.chunked import Chunked
from sluiceway_deploy_local.counters import Counters, bucket_of, upper_bound_ms
from sluiceway_deploy_local.table import Backend, Table, shares
from sluiceway_deploy_local.wire import Framing, Malformed

OK = b"GET / HTTP/1.1\r\nHost: a\r\n"


def read(data: bytes, size: int = 1 << 20) -> tuple[wire.Request, int]:
    """Read one request as the proxy does, *size* bytes at a time; return it and where it ended."""
    buffer, scanned = bytearray(), 0
    for start in range(0, len(data), size):
        buffer += data[start : start + size]
        end = wire.head_end(buffer, scanned)
        if end >= 0:
            return wire.parse_request(bytes(buffer[:end])), end
        scanned = len(buffer)
    raise Malformed(0, "incomplete")


REFUSED = [
    (400, OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (400, OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n"),
    (400, OK + b"Content-Length: 3, 3\r\n\r\n"),
    (400, OK + b"Content-Length: +4\r\n\r\n"),
    (400, OK + b"Content-Length: -4\r\n\r\n"),
    (400, OK + b"Content-Length: 0x4\r\n\r\n"),
    (400, OK + b"Content-Length: 4_0\r\n\r\n"),
    (400, OK + b"Content-Length: \r\n\r\n"),
    (400, OK + "Content-Length: ٤\r\n\r\n".encode()),
    (400, OK + b"Content-Length: 9999999999999999999999\r\n\r\n"),
    (501, OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n"),
    (501, OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n"),
    (501, OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (501, OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n".replace(b"\x0b", b"x")),
    (400, OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n"),
    (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (400, OK + b"Host: b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".replace(b", b", b" b")),
    (400, OK + b" folded: x\r\n\r\n"),
    (400, OK + b"A: x\r\n folded\r\n\r\n"),
    (400, OK + b"A: x\r\n\tfolded\r\n\r\n"),
    (400, OK + b"no colon\r\n\r\n"),
    (400, OK + b": no name\r\n\r\n"),
    (400, OK + b"A\xe4: x\r\n\r\n"),
    (400, OK + b"A: x\x00y\r\n\r\n"),
    (400, OK + b"A: x\ry\r\n\r\n"),
    (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    (400, OK + b"A: b\n\r\n"),
    (400, b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    (400, b"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET /#part HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    (505, b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    (505, b"PRI * HTTP/2.0\r\n\r\n"),
    (501, b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    (501, OK + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    (400, OK + b"Connection: close, Content-Length\r\nContent-Length: 3\r\n\r\n"),
    (417, OK + b"Expect: the-unexpected\r\n\r\n"),
    (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    (431, OK + b"A: " + b"b" * 70_000 + b"\r\n\r\n"),
    (431, OK + b"A: b\r\n" * 101 + b"\r\n"),
]


@pytest.mark.parametrize(("status", "data"), REFUSED, ids=lambda value: repr(value)[:60])
def test_what_could_be_read_in_two_ways_is_refused(status, data):
    with pytest.raises(Malformed) as caught:
        read(data)
    assert caught.value.status == status
    assert caught.value.reason.endswith(".")


@pytest.mark.parametrize(
    ("data", "body", "target", "host", "keep"),
    [
        (OK + b"\r\n", Framing(), b"/", b"a", True),
        (OK + b"Connection: close\r\n\r\n", Framing(), b"/", b"a", False),
        (OK + b"Content-Length: 0012\r\n\r\n", Framing(length=12), b"/", b"a", True),
        (OK + b"transfer-encoding: Chunked\r\n\r\n", Framing(chunked=True), b"/", b"a", True),
        (b"GET /x?y HTTP/1.0\r\n\r\n", Framing(), b"/x?y", b"", False),
        (b"GET http://b:80/x HTTP/1.1\r\nHost: a\r\n\r\n", Framing(), b"/x", b"b:80", True),
        (b"GET HTTP://b?q HTTP/1.1\r\nHost: a\r\n\r\n", Framing(), b"/?q", b"b", True),
        (b"OPTIONS * HTTP/1.1\r\nHost: [::1]:8\r\n\r\n", Framing(), b"*", b"[::1]:8", True),
    ],
)
def test_what_is_right_is_read(data, body, target, host, keep):
    request, end = read(data + b"rest")
    assert end == len(data)
    assert (request.body, request.target, request.host) == (body, target, host)
    assert request.keep_alive is keep


@pytest.mark.parametrize("data", [OK + b"\r\n", *(data for _, data in REFUSED if len(data) < 300)])
def test_the_answer_is_the_same_wherever_it_is_cut(data):
    def outcome(size):
        try:
            return read(data, size)
        except Malformed as fault:
            return fault.status

    assert {repr(outcome(size)) for size in range(1, len(data) + 1)} == {repr(outcome(len(data)))}


def test_a_bare_line_feed_is_refused_before_the_head_has_ended():
    with pytest.raises(Malformed):
        wire.head_end(bytearray(b"GET / HTTP/1.1\nHost"))


@given(st.binary(max_size=300))
@example(b"\r\n\r\n")
@settings(max_examples=400)
def test_whatever_arrives_is_read_or_refused(data):
    with contextlib.suppress(Malformed):  # anything else that is raised fails this test
        request, _ = read(OK + data + b"\r\n\r\n")
        forwarded = wire.request_head(request, b"127.0.0.1", b"id-1")
        with refusing_nothing():
            again = wire.parse_request(forwarded)
        assert again.body == request.body, "the instance frames it as the proxy did"
        assert b"\n" not in forwarded.replace(b"\r\n", b"")


@contextlib.contextmanager
def refusing_nothing():
    """Turn a refusal into a failure of the test."""
    try:
        yield
    except Malformed as fault:
        raise AssertionError(fault.reason) from fault


def test_hop_by_hop_fields_stay_here_and_the_forwarded_ones_are_ours():
    request, _ = read(
        OK + b"Connection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
        b"Proxy-Authorization: secret\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: evil\r\nForwarded: for=evil\r\nX_Forwarded_For: evil\r\n"
        b"Content_Length: 9\r\nTRANSFER_ENCODING: x\r\nX_Kept: 3\r\nX-Kept: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    lines = wire.request_head(request, b"127.0.0.1", b"id-1").split(b"\r\n")
    assert lines == [
        b"GET / HTTP/1.1",
        b"Host: a",
        b"X_Kept: 3",
        b"X-Kept: 2",
        b"Transfer-Encoding: chunked",
        b"X-Forwarded-For: 10.0.0.1, 127.0.0.1",
        b"X-Forwarded-Host: a",
        b"X-Forwarded-Proto: http",
        b"X-Request-Id: id-1",
        b"",
        b"",
    ]


@pytest.mark.parametrize(
    ("fields", "identifier"),
    [
        (b"X-Request-Id: 4bf92f35-77b3.4da6_A\r\n", b"4bf92f35-77b3.4da6_A"),
        (b"", b""),
        (b"X-Request-Id:\r\n", b""),
        (b"X-Request-Id: a b\r\n", b""),
        (b"X-Request-Id: %0d%0aEvil: 1\r\n", b""),
        (b"X-Request-Id: " + b"a" * 129 + b"\r\n", b""),
        (b"X-Request-Id: one\r\nX-Request-Id: two\r\n", b""),
    ],
)
def test_a_requests_own_name_is_kept_when_it_is_one(fields, identifier):
    request, _ = read(OK + fields + b"\r\n")
    assert request.identifier == identifier
    lines = wire.request_head(request, b"127.0.0.1", b"chosen").split(b"\r\n")
    assert [line for line in lines if b"request-id" in line.lower()] == [b"X-Request-Id: chosen"]


def test_an_offer_of_h2c_is_answered_in_http_1_1():
    request, _ = read(
        OK + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
    )
    passed = wire.request_head(request, b"127.0.0.1", b"id-1").lower()
    assert b"upgrade" not in passed
    assert b"http2" not in passed


@pytest.mark.parametrize(
    ("head", "method", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"GET", Framing(length=5)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"HEAD", Framing()),
        (b"HTTP/1.1 204 No\r\nContent-Length: 5", b"GET", Framing()),
        (b"HTTP/1.1 304 Not\r\nContent-Length: 5", b"GET", Framing()),
        (b"HTTP/1.1 103 Early", b"GET", Framing()),
        (b"HTTP/1.1 200", b"GET", Framing(until_close=True)),
        (b"HTTP/1.0 200 OK", b"GET", Framing(until_close=True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", b"GET", Framing(chunked=True)),
    ],
)
def test_an_answers_body_is_where_the_rules_say(head, method, body):
    assert wire.parse_response(head + b"\r\n\r\n", method).body == body


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2 200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 0200 OK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c",
    ],
)
def test_an_answer_that_is_none_is_refused(head):
    with pytest.raises(Malformed):
        wire.parse_response(head + b"\r\n\r\n", b"GET")


CHUNKS = b'5\r\nhello\r\n3;a="b"\r\nyou\r\n0\r\nX-Sum: 1\r\n\r\n'


@pytest.mark.parametrize("size", range(1, len(CHUNKS) + 1))
def test_chunks_end_where_they_end_however_they_arrive(size):
    follower, taken = Chunked(8), 0
    data = CHUNKS + b"GET /next"
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        count = follower.feed(piece)
        taken += count
        if count < len(piece) or follower.done:
            break
    assert follower.done
    assert taken == len(CHUNKS)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"5\r\nhello!\r\n", 400),
        (b"5\r\nhell\r\n0\r\n\r\n", 400),
        (b"5\nhello\r\n", 400),
        (b"5 \r\nhello\r\n", 400),
        (b" 5\r\nhello\r\n", 400),
        (b"+5\r\nhello\r\n", 400),
        (b"-5\r\nhello\r\n", 400),
        (b"0x5\r\nhello\r\n", 400),
        (b"\r\n", 400),
        (b"g\r\n", 400),
        (b"5;" + b"a" * 300 + b"\r\n", 400),
        (b"fffffffffffff\r\n", 400),
        (b"9\r\n", 413),
        (b"5\r\nhello\r\n4\r\n", 413),
        (b"0\r\nContent-Length: 5\r\n\r\n", 400),
        (b"0\r\nbroken\r\n\r\n", 400),
        (b"0\r\nA: b\n\r\n", 400),
        (b"0\r\n" + b"A: bbbbbbbbbbbbbbbbbbb\r\n" * 600, 431),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_chunks_that_break_the_rules_are_refused(data, status, size):
    def follow():
        follower = Chunked(8)
        for start in range(0, len(data), size):
            follower.feed(data[start : start + size])

    with pytest.raises(Malformed) as caught:
        follow()
    assert caught.value.status == status


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
@settings(max_examples=200)
def test_any_chunked_body_is_followed_to_its_end(pieces, data):
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    follower, position, stream = Chunked(), 0, body + b"tail"
    while not follower.done:
        step = data.draw(st.integers(1, len(stream) - position))
        position += follower.feed(stream[position : position + step])
    assert position == len(body)


# --- counting and choosing ---


@given(st.integers(0, 10**11))
def test_a_bucket_holds_its_value_within_a_thirty_second(microseconds):
    bucket = bucket_of(microseconds)
    if bucket < 1023:
        bound = float(upper_bound_ms(bucket)) * 1000
        assert microseconds < bound <= microseconds * (1 + 1 / 32) + 1.5
    assert bucket_of(microseconds + 1) in (bucket, bucket + 1)


def test_quantiles_of_the_histogram_are_near_the_exact_ones():
    source = random.Random(7)
    values = sorted(int(source.lognormvariate(math.log(80_000), 0.7)) for _ in range(50_000))
    counters = Counters()
    for value in values:
        counters.answered(200, value)
    histogram = sorted((float(bound), count) for bound, count in counters.latency_ms().items())
    assert sum(count for _, count in histogram) == len(values) == counters.requests
    for quantile in (0.5, 0.95, 0.99, 0.999):
        wanted = quantile * len(values)
        sums = itertools.accumulate(count for _, count in histogram)
        bound = next(
            bound for (bound, _), seen in zip(histogram, sums, strict=True) if seen >= wanted
        )
        assert bound == pytest.approx(values[int(wanted) - 1] / 1000, rel=0.033)


def test_counters_survive_their_own_json():
    counters = Counters()
    counters.answered(200, 1500)
    counters.answered(503, 90_000_000)
    counters.failed("timeout")
    counters.aborted += 1
    again = Counters.from_json(counters.to_json())
    assert again.to_json() == counters.to_json()
    assert (again.requests, again.errors) == (3, 2)


async def _picks(weight: float, count: int) -> list[str]:
    stable, canary = Backend(1, Counters()), Backend(2, Counters())
    table = Table(shares(stable, canary, weight))
    picks = [table.pick() for _ in range(count)]
    return ["canary" if pick is canary else "stable" for pick in picks]


@pytest.mark.parametrize(("weight", "share"), [(5, 0.05), (0.5, 0.005), (50, 0.5), (33.3, 0.333)])
def test_every_window_holds_the_exact_share(weight, share):
    picks = asyncio.run(_picks(weight, 20_000))
    assert picks.count("canary") == pytest.approx(20_000 * share, abs=1)
    positions = [number for number, pick in enumerate(picks) if pick == "canary"]
    gaps = {after - before for before, after in itertools.pairwise(positions)}
    assert max(gaps) - min(gaps) <= 1, "evenly spread, not only right in the end"


def test_shares_follow_who_is_there():
    async def check():
        stable, canary = Backend(1, Counters()), Backend(2, Counters())
        assert shares(None, None, 50) == ()
        assert shares(stable, None, 50) == ((stable, 100_000),)
        assert shares(None, canary, 0) == ()
        assert shares(None, canary, 0.1) == ((canary, 100_000),)
        assert shares(stable, canary, 0) == ((stable, 100_000),)
        assert shares(stable, canary, 100) == ((canary, 100_000),)
        assert Table(()).pick() is None

    asyncio.run(check())
