"""What a session of PostgreSQL's protocol asks and is answered: pure, fed with bytes."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sluiceway.migrations.dryrun.records import Call, Parameter
from sluiceway.record import Changing

__all__ = ["Session"]

_ASKED = frozenset(b"QPBECSF")
_ANSWERED = frozenset(b"CEIsZ")
_LONGEST = 1 << 30
"""No message is longer (PQ_LARGE_MESSAGE_LIMIT)."""


class _Cutter:
    """Cuts a stream into messages and keeps the bodies of those that matter."""

    def __init__(self, wanted: frozenset[int]) -> None:
        self._wanted = wanted
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self._buffer += data
        while len(self._buffer) >= 5:  # noqa: PLR2004 - a letter and a length
            kind, length = struct.unpack_from("!BI", self._buffer)
            if not 4 <= length <= _LONGEST:  # noqa: PLR2004 - the length itself
                raise ValueError(f"a message of {length} bytes")
            end = length + 1
            if kind not in self._wanted:
                self._skip = max(end - len(self._buffer), 0)
                del self._buffer[:end]
            elif len(self._buffer) < end:
                return
            else:
                body = bytes(self._buffer[5:end])
                del self._buffer[:end]
                yield kind, body


class _Waiting(Changing):
    """Something that the server will answer."""

    kind: str
    """``query``, ``execute`` or ``sync``."""
    call: Call | None = None
    sqlstate: str = ""


class _Prepared(Changing):
    sql: str
    types: tuple[int, ...]


@dataclass
class Session:
    """One connection.

    Args:
        number: Of this connection.
        record: Takes each call when it has been answered.
    """

    number: int
    record: Callable[[Call], None]
    problem: str = ""
    """What could not be read; from there on nothing is recorded."""
    _statements: dict[bytes, _Prepared] = field(default_factory=dict)
    _portals: dict[bytes, Call] = field(default_factory=dict)
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _from_client: _Cutter = field(default_factory=lambda: _Cutter(_ASKED))
    _from_server: _Cutter = field(default_factory=lambda: _Cutter(_ANSWERED))

    def asked(self, data: bytes) -> None:
        """Take bytes of the program. Never raises: they pass whatever they are."""
        self._take(self._from_client, self._question, data)

    def answered(self, data: bytes) -> None:
        """Take bytes of the server."""
        self._take(self._from_server, self._answer, data)

    def _take(self, cutter: _Cutter, take: Callable[[int, bytes], None], data: bytes) -> None:
        if self.problem:
            return
        try:
            for kind, body in cutter.feed(data):
                take(kind, body)
        except (ValueError, IndexError, struct.error) as error:
            self.problem = f"session {self.number}: {error}"

    # --- the program ---

    def _question(self, kind: int, body: bytes) -> None:
        letter = chr(kind)
        if letter == "Q":
            sql = _text(body.partition(b"\0")[0])
            call = Call(sql=sql, session=self.number, simple=True) if sql.strip(" \n;") else None
            self._waiting.append(_Waiting("query", call))
        elif letter == "F":
            self._waiting.append(_Waiting("query"))
        elif letter == "S":
            self._waiting.append(_Waiting("sync"))
        elif letter == "P":
            self._parse(body)
        elif letter == "B":
            self._bind(body)
        elif letter == "C":
            held: dict[bytes, Any] = self._statements if body[:1] == b"S" else self._portals
            held.pop(body[1:].partition(b"\0")[0], None)
        elif letter == "E":
            portal = body.partition(b"\0")[0]
            # Fetched in parts, it is one statement: the parts that follow are not recorded.
            self._waiting.append(_Waiting("execute", self._portals.pop(portal, None)))

    def _parse(self, body: bytes) -> None:
        name, _, rest = body.partition(b"\0")
        sql, _, types = rest.partition(b"\0")
        (count,) = struct.unpack_from("!H", types)
        self._statements[name] = _Prepared(_text(sql), struct.unpack_from(f"!{count}I", types, 2))

    def _bind(self, body: bytes) -> None:
        portal, _, rest = body.partition(b"\0")
        name, _, rest = rest.partition(b"\0")
        prepared = self._statements.get(name)
        (count,) = struct.unpack_from("!H", rest)
        formats = struct.unpack_from(f"!{count}H", rest, 2)
        at = 2 + 2 * count
        (count,) = struct.unpack_from("!H", rest, at)
        at += 2
        values: list[bytes | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from("!i", rest, at)
            at += 4
            if length < 0:
                values.append(None)
                continue
            if at + length > len(rest):
                raise ValueError("a value that is longer than its message")
            values.append(rest[at : at + length])
            at += length
        if prepared is None:
            return  # PREPARE in SQL, or an error that the server will name
        self._portals[portal] = Call(
            sql=prepared.sql,
            session=self.number,
            parameters=tuple(
                Parameter(
                    value=value,
                    binary=bool(_at(formats, index)),
                    type=prepared.types[index] if index < len(prepared.types) else 0,
                )
                for index, value in enumerate(values)
            ),
        )

    # --- the server ---

    def _answer(self, kind: int, body: bytes) -> None:
        letter = chr(kind)
        first = self._waiting[0] if self._waiting else None
        if letter == "E":
            self._failed(_sqlstate(body))
        elif letter == "Z":
            self._ready()
        elif first is not None and first.kind == "execute":  # C, I, s
            self._waiting.popleft()
            self._done(first)

    def _failed(self, sqlstate: str) -> None:
        if not self._waiting:
            return
        if self._waiting[0].kind == "query":
            self._waiting[0].sqlstate = sqlstate
        elif self._waiting[0].kind == "execute":
            failed = self._waiting.popleft()
            failed.sqlstate = sqlstate
            self._done(failed)
            while self._waiting and self._waiting[0].kind == "execute":
                self._waiting.popleft()  # the server skips to the next Sync

    def _ready(self) -> None:
        while self._waiting:
            ended = self._waiting.popleft()
            if ended.kind == "query":
                self._done(ended)
            if ended.kind != "execute":
                return

    def _done(self, waiting: _Waiting) -> None:
        call = waiting.call
        if call is not None and call.sql.strip():
            self.record(
                Call(
                    sql=call.sql,
                    session=call.session,
                    parameters=call.parameters,
                    simple=call.simple,
                    ok=not waiting.sqlstate,
                    sqlstate=waiting.sqlstate,
                )
            )


def _at(formats: tuple[int, ...], index: int) -> int:
    """Return the format of a value: none is text for all, one is for all."""
    if len(formats) > 1:
        return formats[index]
    return formats[0] if formats else 0


def _sqlstate(body: bytes) -> str:
    for part in body.split(b"\0"):
        if part[:1] == b"C":
            return part[1:].decode("ascii", errors="replace")
    return "XX000"


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ValueError("a statement that is not in UTF-8") from None
