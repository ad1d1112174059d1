"""HTTP/1.1 heads and chunks, strictly: what two parsers could read differently is refused.

Pure functions over bytes (RFC 9110, RFC 9112). Nothing here opens, waits or counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "Chunked",
    "Framing",
    "Malformed",
    "Request",
    "Response",
    "head_end",
    "parse_request",
    "parse_response",
    "request_head",
    "response_head",
]

HEAD_BYTES = 64 * 1024
"""Longest head (start line and fields), in bytes."""
TARGET_BYTES = 8 * 1024
FIELD_COUNT = 100
_CHUNK_LINE_BYTES = 256
_TRAILER_BYTES = 8 * 1024

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21-\x7e]+) HTTP/(\d)\.(\d)")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t \x21-\x7e\x80-\xff]*))?")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})(?:[ \t]*;[\t \x21-\x7e\x80-\xff]*)?")
_ABSOLUTE = re.compile(rb"(?i:http)://([^/?#@]+)([/?][^#]*)?")
_HOST = re.compile(rb"[0-9A-Za-z.\-_~%:\[\]!$&'()*+,;=]*")

_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_NEVER_NAMED = frozenset((b"content-length", b"transfer-encoding", b"host"))
"""Fields that ``Connection`` may not name and trailers may not hold: they would change framing."""

_HTTP_10 = 0
_BODILESS_STATUS = (204, 304)

Fields = list[tuple[bytes, bytes, bytes]]
"""``(lower-case name, name as sent, value)`` in the order of sending."""


class Malformed(Exception):  # noqa: N818 - it says what the message is
    """A message that is refused, with the status that says so to a client.

    Args:
        status: HTTP status for the client (400, 408, 413, 414, 417, 431, 501, 505).
        reason: One sentence.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Framing:
    """How long a body is: *length* bytes, chunked, or until the connection closes."""

    length: int = 0
    chunked: bool = False
    until_close: bool = False

    @property
    def empty(self) -> bool:
        """There is no body at all."""
        return not (self.length or self.chunked or self.until_close)


NO_BODY = Framing()


@dataclass(frozen=True, slots=True)
class Request:
    """A request head that was accepted."""

    method: bytes
    target: bytes
    """Origin form (``/path?query``) or ``*``."""
    minor: int
    """HTTP/1.*minor*."""
    host: bytes
    fields: Fields
    body: Framing
    keep_alive: bool
    named: frozenset[bytes]
    """Fields that ``Connection`` names: for this hop only."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response head that was accepted."""

    status: int
    reason: bytes
    minor: int
    fields: Fields
    body: Framing
    keep_alive: bool
    named: frozenset[bytes]


def head_end(buffer: bytearray, scanned: int = 0) -> int:
    """Return where the head in *buffer* ends (index after its blank line), or -1 for not yet.

    Args:
        buffer: What has arrived, beginning with the start line.
        scanned: How many bytes an earlier call has seen already.

    Raises:
        Malformed: As soon as a bare LF or a head that is too long is certain.
    """
    end = buffer.find(b"\r\n\r\n", max(0, scanned - 3))
    stop = end if end >= 0 else len(buffer)
    position = buffer.find(b"\n", scanned, stop)
    while position >= 0:
        if not buffer.endswith(b"\r", 0, position):
            raise Malformed(400, "A line ends with a bare line feed.")
        position = buffer.find(b"\n", position + 1, stop)
    if stop > HEAD_BYTES:
        raise Malformed(431, f"The head is longer than {HEAD_BYTES} bytes.")
    return end + 4 if end >= 0 else -1


def parse_request(head: bytes) -> Request:
    """Return the request in *head* (with or without its blank line) or raise :class:`Malformed`."""
    line, _, rest = head.removesuffix(b"\r\n\r\n").partition(b"\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise Malformed(400, "The request line is not 'METHOD target HTTP/1.1'.")
    method, target, major, minor_text = match.groups()
    if major != b"1" or minor_text not in (b"0", b"1"):
        raise Malformed(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
    if len(target) > TARGET_BYTES:
        raise Malformed(414, f"The target is longer than {TARGET_BYTES} bytes.")
    minor = int(minor_text)
    fields = _fields(rest)
    named = _named(fields)
    host = _host(fields, minor)
    if method == b"CONNECT":
        raise Malformed(501, "This is no tunnel: CONNECT is not served.")
    target, host = _origin_form(method, target, host)
    if any(name == b"upgrade" for name, _, _ in fields):
        raise Malformed(501, "Upgrading the connection is not served.")
    body = _request_framing(fields, minor)
    for name, _, value in fields:
        if name == b"expect" and value.lower() != b"100-continue":
            raise Malformed(417, "The only expectation served is 100-continue.")
    return Request(
        method=method,
        target=target,
        minor=minor,
        host=host,
        fields=fields,
        body=body,
        keep_alive=_keeps_alive(minor, named),
        named=named,
    )


def parse_response(head: bytes, method: bytes) -> Response:
    """Return the response in *head* to a request by *method*, or raise :class:`Malformed`."""
    line, _, rest = head.removesuffix(b"\r\n\r\n").partition(b"\r\n")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Malformed(400, "The status line is not 'HTTP/1.1 nnn reason'.")
    minor, status = int(match[1]), int(match[2])
    fields = _fields(rest)
    named = _named(fields)
    body = _response_framing(fields, status, method, minor)
    return Response(
        status=status,
        reason=match[3] or b"",
        minor=minor,
        fields=fields,
        body=body,
        keep_alive=_keeps_alive(minor, named) and not body.until_close,
        named=named,
    )


def request_head(request: Request, client: str) -> bytes:
    """Return the head to send to a backend, hop-by-hop fields taken out.

    Args:
        request: What the client asked.
        client: The client's address, appended to ``X-Forwarded-For``.
    """
    forwarded = client.encode()
    parts = [request.method, b" ", request.target, b" HTTP/1.%d\r\nHost: " % request.minor]
    parts += [request.host, b"\r\n"]
    for name, shown, value in request.fields:
        if name in _HOP_BY_HOP or name in request.named or name == b"host":
            continue
        if name == b"x-forwarded-for":
            forwarded = value + b", " + forwarded if value else forwarded
            continue
        if name in (b"x-forwarded-host", b"x-forwarded-proto"):
            continue
        parts += [shown, b": ", value, b"\r\n"]
    if request.body.chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    parts += [b"X-Forwarded-For: ", forwarded, b"\r\nX-Forwarded-Host: ", request.host]
    parts.append(b"\r\nX-Forwarded-Proto: http\r\n\r\n")
    return b"".join(parts)


def response_head(response: Response, *, close: bool, chunk: bool = False) -> bytes:
    """Return the head to send to a client.

    Args:
        response: What the backend answered.
        close: Say that the connection ends after this answer.
        chunk: The body, delimited by closing until now, is sent in chunks.
    """
    parts = [b"HTTP/1.1 %d " % response.status, response.reason, b"\r\n"]
    bare = response.status == 204 or response.status < 200  # noqa: PLR2004 - HTTP's own numbers
    for name, shown, value in response.fields:
        if name in _HOP_BY_HOP or name in response.named:
            continue
        if bare and name == b"content-length":
            continue
        parts += [shown, b": ", value, b"\r\n"]
    if response.body.chunked or chunk:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    parts.append(b"Connection: close\r\n\r\n" if close else b"\r\n")
    return b"".join(parts)


class Chunked:
    """Follows the framing of a chunked body that is passed through as it is (RFC 9112, 7.1).

    Args:
        limit: Most bytes of data allowed; more is :class:`Malformed` with status 413.
    """

    __slots__ = ("_left", "_limit", "_line", "_size", "_trailer", "done")

    def __init__(self, limit: int | None = None) -> None:
        self.done = False
        self._limit = limit
        self._size = 0
        self._left = -1  # bytes of data left in the chunk; -1 in a size line, -2 in the trailer
        self._line = bytearray()
        self._trailer = 0

    def feed(self, data: bytes | bytearray) -> int:
        """Take *data* in; return how many of its bytes belong to the body (all, unless done)."""
        position, length = 0, len(data)
        while position < length and not self.done:
            if self._left > 0:  # data, then its CRLF counted with it
                step = min(self._left, length - position)
                self._check_crlf(data, position, step)
                self._left -= step
                position += step
                if self._left == 0:
                    self._left = -1
                continue
            end = data.find(b"\n", position)
            stop = length if end < 0 else end + 1
            self._line += data[position:stop]
            position = stop
            if len(self._line) > max(
                _CHUNK_LINE_BYTES, _TRAILER_BYTES * (self._left == _IN_TRAILER)
            ):
                raise Malformed(400, "A chunk's line is too long.")
            if end >= 0:
                self._end_line()
        return position

    def _check_crlf(self, data: bytes | bytearray, position: int, step: int) -> None:
        # The last two of _left are the CRLF after the data; look at whichever have arrived.
        for behind, wanted in ((2, 0x0D), (1, 0x0A)):
            index = position + self._left - behind
            if position <= index < position + step and data[index] != wanted:
                raise Malformed(400, "A chunk's data does not end where its size says.")

    def _end_line(self) -> None:
        line = bytes(self._line)
        self._line.clear()
        if not line.endswith(b"\r\n"):
            raise Malformed(400, "A chunk's line ends with a bare line feed.")
        line = line[:-2]
        if self._left == _IN_TRAILER:
            self._trailer += len(line)
            if self._trailer > _TRAILER_BYTES:
                raise Malformed(431, "The trailer is too long.")
            if not line:
                self.done = True
            elif _field(line)[0] in _NEVER_NAMED:
                raise Malformed(400, "A trailer holds a field that decides framing.")
            return
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise Malformed(400, "A chunk's size is not a hexadecimal number.")
        size = int(match[1], 16)
        self._size += size
        if self._limit is not None and self._size > self._limit:
            raise Malformed(413, f"The body is longer than {self._limit} bytes.")
        self._left = size + 2 if size else _IN_TRAILER


_IN_TRAILER = -2


def _fields(block: bytes) -> Fields:
    if not block:
        return []
    lines = block.split(b"\r\n")
    if len(lines) > FIELD_COUNT:
        raise Malformed(431, f"There are more than {FIELD_COUNT} fields.")
    return [_field(line) for line in lines]


def _field(line: bytes) -> tuple[bytes, bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or _TOKEN.fullmatch(name) is None:  # folded lines and 'Host :' end here as well
        raise Malformed(400, "A field is not 'Name: value'.")
    if _CONTROL.search(value):
        raise Malformed(400, "A field's value holds a control character.")
    return name.lower(), name, value.strip(b" \t")


def _named(fields: Fields) -> frozenset[bytes]:
    values = [value for name, _, value in fields if name == b"connection"]
    if not values:
        return frozenset()
    named = frozenset(option.strip(b" \t").lower() for option in b",".join(values).split(b","))
    if named & _NEVER_NAMED:
        raise Malformed(400, "Connection names a field that decides framing or routing.")
    return named


def _keeps_alive(minor: int, named: frozenset[bytes]) -> bool:
    if b"close" in named:
        return False
    return minor > _HTTP_10 or b"keep-alive" in named


def _host(fields: Fields, minor: int) -> bytes:
    hosts = [value for name, _, value in fields if name == b"host"]
    if len(hosts) > 1 or (not hosts and minor > _HTTP_10):
        raise Malformed(400, "There must be exactly one Host field.")
    host = hosts[0] if hosts else b""
    if _HOST.fullmatch(host) is None:
        raise Malformed(400, "The Host field is not a host.")
    return host


def _origin_form(method: bytes, target: bytes, host: bytes) -> tuple[bytes, bytes]:
    if target.startswith(b"/"):
        if b"#" in target:
            raise Malformed(400, "The target holds a fragment.")
        return target, host
    if target == b"*" and method == b"OPTIONS":
        return target, host
    match = _ABSOLUTE.fullmatch(target)
    if match is None or _HOST.fullmatch(match[1]) is None:
        raise Malformed(400, "The target is neither a path nor an http:// address.")
    path = match[2] or b"/"
    return (path if path.startswith(b"/") else b"/" + path), match[1]


def _lengths(fields: Fields) -> tuple[list[bytes], list[bytes]]:
    lengths = [value for name, _, value in fields if name == b"content-length"]
    codings = [value for name, _, value in fields if name == b"transfer-encoding"]
    if lengths and codings:
        raise Malformed(400, "Content-Length and Transfer-Encoding contradict each other.")
    if len(lengths) > 1 or any(_LENGTH.fullmatch(value) is None for value in lengths):
        raise Malformed(400, "Content-Length is not one whole number.")
    if codings and [value.lower() for value in codings] != [b"chunked"]:
        raise Malformed(501, "The only transfer coding served is 'chunked'.")
    return lengths, codings


def _request_framing(fields: Fields, minor: int) -> Framing:
    lengths, codings = _lengths(fields)
    if codings:
        if minor == _HTTP_10:
            raise Malformed(400, "HTTP/1.0 has no Transfer-Encoding.")
        return Framing(chunked=True)
    return Framing(length=int(lengths[0])) if lengths else NO_BODY


def _response_framing(fields: Fields, status: int, method: bytes, minor: int) -> Framing:
    lengths, codings = _lengths(fields)
    if method == b"HEAD" or status < 200 or status in _BODILESS_STATUS:  # noqa: PLR2004 - HTTP
        return NO_BODY
    if codings:
        if minor == _HTTP_10:
            raise Malformed(400, "HTTP/1.0 has no Transfer-Encoding.")
        return Framing(chunked=True)
    return Framing(length=int(lengths[0])) if lengths else Framing(until_close=True)


def plain(status: int, sentence: str, *, fields: Iterable[str] = (), head: bool = False) -> bytes:
    """Return a whole answer of the proxy's own: one plain sentence; the connection ends."""
    text = (sentence + "\n").encode()
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(text)}",
        "Connection: close",
        *fields,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head else text)


_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}
