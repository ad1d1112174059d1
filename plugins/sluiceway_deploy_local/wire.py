"""HTTP/1.1 heads, strictly: what two parsers could read differently is refused.

Pure functions over bytes (RFC 9110, RFC 9112). Nothing here opens, waits or counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "DECISIVE",
    "LENGTH",
    "NEVER_NAMED",
    "VALUE",
    "Framing",
    "Malformed",
    "Request",
    "Response",
    "head_end",
    "one_field",
    "parse_request",
    "parse_response",
    "passed_on",
    "plain",
    "plain_line",
    "request_head",
    "response_head",
    "whole",
]

HEAD_BYTES = 64 * 1024
"""Longest head (start line and fields), in bytes."""
TARGET_BYTES = 8 * 1024
FIELD_COUNT = 100

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21-\x7e]+) HTTP/(\d)\.(\d)")
_PLAIN_LINE = re.compile(
    rb"(?!CONNECT )([!#$%%&'*+\-.^_`|~0-9A-Za-z]{1,32}) (/[\x21\x22\x24-\x7e]{,%d}) HTTP/1\.1"
    % (TARGET_BYTES - 1)
)
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t \x21-\x7e\x80-\xff]*))?")
VALUE = re.compile(rb"[\t \x21-\x7e\x80-\xff]*")
"""A field's value with the space around it."""
_FIELD = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t \x21-\x7e\x80-\xff]*"
_BLOCK = re.compile(b"%b(?:\r\n%b)*" % (_FIELD, _FIELD))
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
LENGTH = re.compile(rb"[0-9]{1,15}")
_ABSOLUTE = re.compile(rb"(?i:http)://([^/?#@]+)([/?][^#]*)?")
_HOST = re.compile(rb"[0-9A-Za-z.\-_~%:\[\]!$&'()*+,;=]*")
_IDENTIFIER = re.compile(rb"[0-9A-Za-z._\-]{1,128}")

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
        b"http2-settings",
    )
)
_REPLACED = _HOP_BY_HOP | {
    b"host",
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-request-id",
}
"""Fields of a request that are not passed on as they came."""
_GUARDED = _REPLACED | {b"content-length"}
"""What ``Content_Length`` and the like are not passed on for: to WSGI and CGI they are the same."""
NEVER_NAMED = frozenset((b"content-length", b"transfer-encoding", b"host"))
"""Fields that ``Connection`` may not name and trailers may not hold: they would change framing."""
DECISIVE = NEVER_NAMED | {b"connection", b"expect", b"upgrade", b"x-request-id"}
"""Fields that parsing looks at; all others are only checked, and passed on or not."""
_NOTHING: frozenset[bytes] = frozenset()

_HTTP_10 = 0
_BODILESS_STATUS = (204, 304)

Fields = list[tuple[bytes, bytes, bytes]]
"""``(lower-case name, name as sent, value)`` in the order of sending."""
Decisive = dict[bytes, list[bytes]]
"""Values by lower-case name, of the fields that the proxy acts upon."""


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


class Framing(NamedTuple):
    """How long a body is: *length* bytes, chunked, or until the connection closes."""

    length: int = 0
    chunked: bool = False
    until_close: bool = False

    @property
    def empty(self) -> bool:
        """There is no body at all."""
        return not (self.length or self.chunked or self.until_close)


NO_BODY = Framing()
_CHUNKED = Framing(chunked=True)
_UNTIL_CLOSE = Framing(until_close=True)


class Request(NamedTuple):
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
    identifier: bytes
    """``X-Request-Id`` if it is one (128 letters, digits, dots, dashes at most), else empty."""


class Response(NamedTuple):
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
    end = buffer.find(b"\r\n\r\n", scanned - 3 if scanned > 3 else 0)  # noqa: PLR2004 - its length less 1
    stop = end if end >= 0 else len(buffer)
    if stop > HEAD_BYTES:
        raise Malformed(431, f"The head is longer than {HEAD_BYTES} bytes.")
    if end >= 0:
        return end + 4  # a bare line feed in a whole head is refused by whoever parses it
    position = buffer.find(b"\n", scanned)
    while position >= 0:
        if not buffer.endswith(b"\r", 0, position):
            raise Malformed(400, "A line ends with a bare line feed.")
        position = buffer.find(b"\n", position + 1)
    return -1


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
    fields, decisive = _fields(rest)
    named = _named(decisive)
    host = _host(decisive, minor)
    if method == b"CONNECT":
        raise Malformed(501, "This is no tunnel: CONNECT is not served.")
    target, host = _origin_form(method, target, host)
    body = _request_framing(decisive, minor)
    if any(value.lower() != b"h2c" for value in decisive.get(b"upgrade", ())):
        # Not to h2c either, but who offers that goes on in HTTP/1.1 (RFC 9110, 7.8): Java does.
        raise Malformed(501, "Upgrading the connection is not served.")
    for value in decisive.get(b"expect", ()):
        if value.lower() != b"100-continue":
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
        identifier=_identifier(decisive),
    )


def plain_line(head: bytes, end: int) -> tuple[bytes, bytes] | None:
    """Return method and target of *head*, whose request line ends at *end*, if it is a plain one.

    A plain line asks in HTTP/1.1 for a path, by any method but CONNECT: then it is accepted whatever
    the fields are, and nothing that the fields say depends on it (see :func:`parse_request`).
    """
    match = _PLAIN_LINE.fullmatch(head, 0, end)
    return (match[1], match[2]) if match is not None else None


def parse_response(head: bytes, method: bytes) -> Response:
    """Return the response in *head* to a request by *method*, or raise :class:`Malformed`."""
    line, _, rest = head.removesuffix(b"\r\n\r\n").partition(b"\r\n")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Malformed(400, "The status line is not 'HTTP/1.1 nnn reason'.")
    minor, status = int(match[1]), int(match[2])
    fields, decisive = _fields(rest)
    named = _named(decisive)
    body = _response_framing(decisive, status, method, minor)
    return Response(
        status=status,
        reason=match[3] or b"",
        minor=minor,
        fields=fields,
        body=body,
        keep_alive=_keeps_alive(minor, named) and not body.until_close,
        named=named,
    )


def request_head(request: Request, client: bytes, identifier: bytes) -> bytes:
    """Return the head to send to a backend, hop-by-hop fields taken out.

    Args:
        request: What the client asked.
        client: The client's address, appended to ``X-Forwarded-For``.
        identifier: Sent as ``X-Request-Id``.
    """
    return b"%b %b HTTP/1.%d\r\n%b%b\r\n\r\n" % (
        request.method,
        request.target,
        request.minor,
        passed_on(request, client),
        identifier,
    )


def passed_on(request: Request, client: bytes) -> bytes:
    """Return what of the head for a backend follows the request line, up to the identifier."""
    named = request.named
    parts = [b"Host: ", request.host, b"\r\n"]
    for name, shown, value in request.fields:
        if name in _REPLACED or name in named:
            if name == b"x-forwarded-for" and value and name not in named:
                client = value + b", " + client
            continue
        if b"_" in name and name.replace(b"_", b"-") in _GUARDED:
            continue
        parts += (shown, b": ", value, b"\r\n")
    if request.body.chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    parts += (b"X-Forwarded-For: ", client, b"\r\nX-Forwarded-Host: ", request.host)
    parts.append(b"\r\nX-Forwarded-Proto: http\r\nX-Request-Id: ")
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


def _fields(block: bytes) -> tuple[Fields, Decisive]:
    """Return all fields, and the values of those that decide something."""
    fields: Fields = []
    decisive: Decisive = {}
    if not block:
        return fields, decisive
    lines = block.split(b"\r\n")
    if len(lines) > FIELD_COUNT:
        raise Malformed(431, f"There are more than {FIELD_COUNT} fields.")
    if _BLOCK.fullmatch(block) is None:  # one match for all is what makes this quick
        for line in lines:
            one_field(line)  # says what is wrong
        raise Malformed(400, "A field is not 'Name: value'.")
    for line in lines:
        shown, _, value = line.partition(b":")
        name, value = shown.lower(), value.strip(b" \t")
        fields.append((name, shown, value))
        if name in DECISIVE:
            decisive.setdefault(name, []).append(value)
    return fields, decisive


def one_field(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Return ``(lower-case name, name, value)`` of a field's *line* or raise :class:`Malformed`."""
    name, colon, value = line.partition(b":")
    if not colon or _TOKEN.fullmatch(name) is None:  # folded lines and 'Host :' end here as well
        raise Malformed(400, "A field is not 'Name: value'.")
    if _CONTROL.search(value):
        raise Malformed(400, "A field's value holds a control character.")
    return name.lower(), name, value.strip(b" \t")


def _named(decisive: Decisive) -> frozenset[bytes]:
    values = decisive.get(b"connection")
    return _options(b",".join(values)) if values else _NOTHING


@lru_cache(maxsize=64)
def _options(value: bytes) -> frozenset[bytes]:
    named = frozenset(option.strip(b" \t").lower() for option in value.split(b","))
    if named & NEVER_NAMED:
        raise Malformed(400, "Connection names a field that decides framing or routing.")
    return named


def _identifier(decisive: Decisive) -> bytes:
    values = decisive.get(b"x-request-id")
    single = values is not None and len(values) == 1 and _IDENTIFIER.fullmatch(values[0])
    return values[0] if values and single else b""


def _keeps_alive(minor: int, named: frozenset[bytes]) -> bool:
    if b"close" in named:
        return False
    return minor > _HTTP_10 or b"keep-alive" in named


def _host(decisive: Decisive, minor: int) -> bytes:
    hosts = decisive.get(b"host", ())
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


def _lengths(decisive: Decisive) -> tuple[int, bool]:
    """Return Content-Length (-1: none) and whether the body is chunked."""
    lengths = decisive.get(b"content-length")
    codings = decisive.get(b"transfer-encoding")
    if codings:
        if lengths:
            raise Malformed(400, "Content-Length and Transfer-Encoding contradict each other.")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise Malformed(501, "The only transfer coding served is 'chunked'.")
        return -1, True
    if lengths:
        if len(lengths) > 1 or LENGTH.fullmatch(lengths[0]) is None:
            raise Malformed(400, "Content-Length is not one whole number.")
        return int(lengths[0]), False
    return -1, False


def _request_framing(decisive: Decisive, minor: int) -> Framing:
    length, chunked = _lengths(decisive)
    if chunked:
        if minor == _HTTP_10:
            raise Malformed(400, "HTTP/1.0 has no Transfer-Encoding.")
        return _CHUNKED
    return Framing(length) if length > 0 else NO_BODY


def _response_framing(decisive: Decisive, status: int, method: bytes, minor: int) -> Framing:
    length, chunked = _lengths(decisive)
    if method == b"HEAD" or status < 200 or status in _BODILESS_STATUS:  # noqa: PLR2004 - HTTP
        return NO_BODY
    if chunked:
        if minor == _HTTP_10:
            raise Malformed(400, "HTTP/1.0 has no Transfer-Encoding.")
        return _CHUNKED
    return Framing(length) if length >= 0 else _UNTIL_CLOSE


def plain(status: int, sentence: str, *, fields: Iterable[str] = (), head: bool = False) -> bytes:
    """Return a whole answer of the proxy's own: one plain sentence; the connection ends."""
    return whole(
        status, (sentence + "\n").encode(), "text/plain; charset=utf-8", fields=fields, head=head
    )


def whole(
    status: int, body: bytes, media_type: str, *, fields: Iterable[str] = (), head: bool = False
) -> bytes:
    """Return a whole answer of the proxy's own, without *body* where only its *head* was asked."""
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *fields,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head else body)


_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
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
