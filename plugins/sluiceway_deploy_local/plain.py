"""Whole, plain messages: those that the fast path serves, read with as little work as is exact.

One reader reads one connection's messages of one direction, and remembers the last head that it
parsed: nearly every client sends the same fields with each of its requests, and nearly every answer
has the same ones, some with other values. What is the same, byte for byte, is not read again; what
differs in values that decide nothing is parsed as its like was (see :func:`_like`); all else is parsed
by :mod:`wire`, which alone knows what is accepted. A reader keeps at most one head, for the connection
that it came from and no longer than that.
"""

from __future__ import annotations

from sluiceway_deploy_local import wire
from sluiceway_deploy_local.wire import Fields, Framing, Malformed, Request, Response

__all__ = ["PlainAnswers", "PlainRequests"]

_MOST_BYTES = 32 * 1024
"""Longest message; half of what asyncio lets wait to be sent before it calls a writer stuck."""
_BLANK = b"\r\n\r\n"
_FINAL = 200


def _like(
    lines: list[bytes], before: list[bytes], fields: Fields, body: Framing
) -> tuple[Fields, Framing] | None:
    """Return fields and body of a head that is accepted because one like it was; ``None``: parse it.

    Like it is one with the same start line and the same fields in the same order, of which every line
    is the same but for values that parsing only checks (all but those of :data:`wire.DECISIVE`), and
    for the number in the Content-Length of a message with a body.

    Args:
        lines: Its fields, as they came.
        before: Those of the head before.
        fields: What the one before was parsed to.
        body: Likewise.
    """
    if len(lines) != len(fields):
        return None
    fields = fields.copy()
    for index, line in enumerate(lines):
        if line == before[index]:
            continue
        name, shown, _ = fields[index]
        value = line[len(shown) + 1 :]
        if not line.startswith(shown + b":") or wire.VALUE.fullmatch(value) is None:
            return None
        value = value.strip(b" \t")
        if name in wire.DECISIVE:
            if name != b"content-length" or not body.length or not wire.LENGTH.fullmatch(value):
                return None
            body = Framing(int(value))
        fields[index] = (name, shown, value)
    return fields, body


class PlainRequests:
    """Reads the requests of one client's connection.

    Args:
        address: The client's, for ``X-Forwarded-For``.
    """

    __slots__ = ("_address", "_fields", "_lines", "_passed_on", "_request", "method", "target")

    def __init__(self, address: bytes) -> None:
        self._address = address
        self._fields = b""  # all of the last head but its request line; empty: there was none
        self._lines: list[bytes]
        self._request: Request
        self._passed_on: bytes
        self.method: bytes
        self.target: bytes

    def read(self, data: bytes, body_bytes: int) -> int:
        """Return where the head of the request that *data* is ends; 0 when *data* is anything else.

        Plain is a request in HTTP/1.1 for a path, with or without a body of a told length of at most
        *body_bytes*, after which the connection stays. For any other there is no error here: it may
        be incomplete, or two, or to be refused.
        """
        end = data.find(_BLANK) + len(_BLANK)
        line_end = data.find(b"\r\n")
        line = wire.plain_line(data, line_end)
        if line is None or end < line_end or len(data) > _MOST_BYTES:
            return 0
        fields = data[line_end:end]
        if fields != self._fields and not self._parse(data[:end], fields):
            return 0
        self.method, self.target = line
        body = self._request.body
        if body.chunked or body.length > body_bytes or not self._request.keep_alive:
            return 0
        return end if len(data) == end + body.length else 0

    def _parse(self, head: bytes, fields: bytes) -> bool:
        lines = fields[2 : -len(_BLANK)].split(b"\r\n")
        like = None
        if self._fields:
            like = _like(lines, self._lines, self._request.fields, self._request.body)
        if like is not None:
            self._request = self._request._replace(fields=like[0], body=like[1])
        else:
            try:
                self._request = wire.parse_request(head)
            except Malformed:
                return False
        self._passed_on = wire.passed_on(self._request, self._address)
        self._fields, self._lines = fields, lines
        return True

    @property
    def request(self) -> Request:
        """The request that was read last."""
        return self._request._replace(method=self.method, target=self.target)

    @property
    def fields(self) -> Fields:
        """Its fields."""
        return self._request.fields

    @property
    def identifier(self) -> bytes:
        """Its ``X-Request-Id``, empty when it has none."""
        return self._request.identifier

    def head(self, identifier: bytes) -> bytes:
        """Return what :func:`wire.request_head` returns for it."""
        return b"%b %b HTTP/1.1\r\n%b%b\r\n\r\n" % (
            self.method,
            self.target,
            self._passed_on,
            identifier,
        )


class PlainAnswers:
    """Reads the answers to one client's plain requests."""

    __slots__ = ("_answer", "_bytes", "_line", "_lines", "_method", "shown")

    def __init__(self) -> None:
        self._bytes = b""  # the last head; empty: there was none
        self._method = b""
        self._line: bytes
        self._lines: list[bytes]
        self._answer: Response
        self.shown: bytes
        """The head for the client, of the answer that was read last."""

    def read(self, data: bytes, method: bytes) -> int:
        """Return where the head of the answer to *method* that *data* is ends; 0 for anything else.

        Plain is a final answer with a body of a told length or without one, after which the
        connection stays.
        """
        known = self._bytes
        if known and method == self._method and data.startswith(known):
            end = len(known)  # a head has no blank line but at its end: it is this one, whole
        else:
            end = data.find(_BLANK) + len(_BLANK)
            if end < len(_BLANK) or len(data) > _MOST_BYTES or not self._parse(data[:end], method):
                return 0
        answer, body = self._answer, self._answer.body
        if answer.status < _FINAL or body.chunked or body.until_close or not answer.keep_alive:
            return 0
        return end if len(data) == end + body.length else 0

    def _parse(self, head: bytes, method: bytes) -> bool:
        line, *lines = head[: -len(_BLANK)].split(b"\r\n")
        like = None
        if self._bytes and (line, method) == (self._line, self._method):
            like = _like(lines, self._lines, self._answer.fields, self._answer.body)
        if like is not None:
            self._answer = self._answer._replace(fields=like[0], body=like[1])
        else:
            try:
                self._answer = wire.parse_response(head, method)
            except Malformed:
                return False
        self.shown = wire.response_head(self._answer, close=False)
        self._bytes, self._method, self._line, self._lines = head, method, line, lines
        return True

    @property
    def status(self) -> int:
        """Its status."""
        return self._answer.status
