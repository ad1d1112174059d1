"""A request's body, by Content-Length or in chunks (RFC 9112, 6 and 7.1), never read too far."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from io import BufferedIOBase

from sluiceway_registry_folder.faults import Fault

__all__ = ["RequestBody"]

_PIECE = 1024 * 1024
_LINE = 1024


class RequestBody:
    """Reads one body from a connection, once."""

    def __init__(self, source: BufferedIOBase, headers: Message) -> None:
        self._source = source
        coding = headers.get_all("Transfer-Encoding", [])
        length = headers.get_all("Content-Length", [])
        self.done = False
        """Everything was read: the next request may follow on this connection."""
        self._chunked = bool(coding)
        if coding and (length or [item.strip().lower() for item in coding] != ["chunked"]):
            # Two readings of where a request ends are how requests are smuggled.
            raise Fault(400, "UNSUPPORTED", "the request's body has no clear end")
        if len(set(length)) > 1 or not all(re.fullmatch(r"\d{1,18}", item) for item in length):
            raise Fault(400, "SIZE_INVALID", "the Content-Length is not one number")
        self._started = False
        self._left = int(length[0]) if length else 0
        self.done = not self._chunked and self._left == 0

    def pieces(self) -> Iterator[bytes]:
        """Yield the body; raise ``ConnectionError`` when the client breaks off before its end."""
        self._started = True
        if self._chunked:
            yield from self._chunks()
        else:
            yield from self._exactly(self._left)
        self.done = True

    def read(self, limit: int) -> bytes:
        """Return the whole body; more than *limit* bytes is a 413 :class:`Fault`."""
        if self._left > limit:
            raise Fault(413, "SIZE_INVALID", f"that is more than {limit} bytes")
        parts: list[bytes] = []
        size = 0
        for piece in self.pieces():
            size += len(piece)
            if size > limit:
                raise Fault(413, "SIZE_INVALID", f"that is more than {limit} bytes")
            parts.append(piece)
        return b"".join(parts)

    def drain(self, limit: int) -> None:
        """Read on to the end, if it is within *limit* bytes, so that an answer can be read."""
        size = 0
        if not self.done and not (self._chunked and self._started):
            for piece in self.pieces():
                size += len(piece)
                if size > limit:
                    return

    def _exactly(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            piece = self._source.read(min(left, _PIECE))
            if not piece:
                msg = "the client broke off"
                raise ConnectionError(msg)
            left -= len(piece)
            self._left = left
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = self._size()
            if size == 0:
                break
            yield from self._exactly(size)
            if self._source.readline(_LINE) != b"\r\n":
                raise Fault(400, "SIZE_INVALID", "a chunk is longer than it says")
        while self._source.readline(_LINE) not in {b"\r\n", b""}:
            pass  # trailers

    def _size(self) -> int:
        line = self._source.readline(_LINE)
        if not line:
            msg = "the client broke off"
            raise ConnectionError(msg)
        match = re.fullmatch(rb"([0-9a-fA-F]{1,15})\s*(?:;[^\r\n]*)?\r\n", line)
        if match is None:
            raise Fault(400, "SIZE_INVALID", "a chunk has no size")
        return int(match[1], 16)
