"""Where a chunked body ends, strictly, without taking it apart (RFC 9112, 7.1)."""

from __future__ import annotations

import re

from sluiceway_deploy_local.wire import NEVER_NAMED, Malformed, one_field

__all__ = ["Chunked"]

_LINE_BYTES = 256
_TRAILER_BYTES = 8 * 1024
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})(?:[ \t]*;[\t \x21-\x7e\x80-\xff]*)?")
_IN_TRAILER = -2


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
            if len(self._line) > max(_LINE_BYTES, _TRAILER_BYTES * (self._left == _IN_TRAILER)):
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
            elif one_field(line)[0] in NEVER_NAMED:
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
