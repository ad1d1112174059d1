"""A recorder: passes PostgreSQL's protocol on, byte for byte, and writes down what was asked.

The protocol is that of PostgreSQL 18, chapter 54 (versions 3.0 and 3.2). Encryption is declined
between the program and the recorder, which are on one machine; everything else is the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from sluiceway.errors import ActionFailed
from sluiceway.migrations.dryrun.records import Call
from sluiceway_database_url.messages import Session
from sluiceway_database_url.wire import Target

__all__ = ["Proxy"]

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_LONGEST_STARTUP = 10_000
"""As the server has it (MAX_STARTUP_PACKET_LENGTH)."""
_CHUNK = 64 * 1024
_START_SECONDS = 10.0
_NEEDS_TLS = frozenset({"require", "verify-ca", "verify-full"})
_DEFAULT_PORT = "5432"
_DEFAULT_FOLDER = "/var/run/postgresql"


class Proxy:
    """See :class:`sluiceway.migrations.dryrun.records.StatementRecorder`.

    Args:
        target: The server behind it.

    Raises:
        ActionFailed: ``database.recorder``: it cannot stand before such a server.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        host = target.parameters.get("host", "")
        if "," in host or (
            not host.startswith("/") and target.parameters.get("sslmode") in _NEEDS_TLS
        ):
            raise ActionFailed(
                f"the recorder cannot stand before {target!r}",
                means="It speaks to one server, without encryption of its own.",
                remedy="Record on a throw-away database: give --migrations and no address.",
                code="database.recorder",
            )
        self._sessions: list[Session] = []
        self._calls: list[Call] = []
        self._port = 0
        self._failed: OSError | None = None
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="recorder", daemon=True)
        self._thread.start()
        self._ready.wait(_START_SECONDS)
        if not self._port:
            self.close()
            raise ActionFailed(
                f"the recorder cannot listen: {self._failed or 'it did not start'}",
                code="database.recorder",
            )

    @property
    def url(self) -> str:
        """Where the program is to connect instead. Holds the password."""
        kept = {
            key: value
            for key, value in self._target.parameters.items()
            if not key.startswith(("ssl", "gss", "channel_binding")) and key != "hostaddr"
        }
        here = {"host": "127.0.0.1", "port": str(self._port), "sslmode": "disable"}
        return Target({**kept, **here}).url

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.close()

    def close(self) -> tuple[Call, ...]:
        """Stop, and return what was recorded, in the order in which it was answered.

        Raises:
            ActionFailed: ``database.recorder``: something passed that could not be read.
        """
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has just ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        problem = next((each.problem for each in self._sessions if each.problem), "")
        if problem:
            raise ActionFailed(
                f"something passed that the recorder cannot read: {problem}",
                means="Statements may be missing, so none are kept.",
                code="database.recorder",
            )
        return tuple(self._calls)

    # --- in the thread ---

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._ready.set()
            self._loop.close()

    async def _main(self) -> None:
        tasks: set[asyncio.Task[None]] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            # Cancelled only by us, at the end; StreamReaderProtocol would report that as an error.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._client(reader, writer)
            writer.close()

        try:
            server = await asyncio.start_server(accepted, "127.0.0.1", 0)
        except OSError as error:
            self._failed = error
            return
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!II", head)
            if not 8 <= length <= _LONGEST_STARTUP:  # noqa: PLR2004 - the two numbers themselves
                return
            packet = head + await reader.readexactly(length - 8)
            if code not in (_SSL, _GSS):
                break
            writer.write(b"N")
            await writer.drain()
        behind, server = await self._upstream()
        try:
            server.write(packet)
            await server.drain()
            if code == _CANCEL:
                await behind.read()
                return
            session = Session(len(self._sessions) + 1, self._calls.append)
            self._sessions.append(session)
            await _both(
                _pass(reader, server, session.asked), _pass(behind, writer, session.answered)
            )
        finally:
            server.close()

    async def _upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parameters = self._target.parameters
        host = parameters.get("host", "") or _DEFAULT_FOLDER
        port = parameters.get("port", "") or _DEFAULT_PORT
        if host.startswith("/"):
            return await asyncio.open_unix_connection(str(Path(host) / f".s.PGSQL.{port}"))
        return await asyncio.open_connection(parameters.get("hostaddr", host), int(port))


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look: Callable[[bytes], None]
) -> None:
    while data := await reader.read(_CHUNK):
        look(data)  # first: the answer must not come before we know the question
        writer.write(data)
        await writer.drain()


async def _both(one: Awaitable[None], other: Awaitable[None]) -> None:
    """Pass in both directions until one side has nothing more to say."""
    tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        # What the server said last is still on its way, or the program has gone.
        await asyncio.wait(tasks, timeout=1.0 if tasks[1].done() else 0.2)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
