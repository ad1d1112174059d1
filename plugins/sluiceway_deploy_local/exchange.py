"""One request through the proxy: bound to one backend, counted once, never dropped by a switch."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, NoReturn

from sluiceway.record import Record
from sluiceway_deploy_local import wire
from sluiceway_deploy_local.chunked import Chunked
from sluiceway_deploy_local.link import Link
from sluiceway_deploy_local.table import Backend
from sluiceway_deploy_local.wire import Framing, Malformed, Request, Response

__all__ = ["Exchange", "Limits", "Sent", "fresh_identifier"]

_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
"""RFC 9110, 9.2.2."""
_SERVER_PROTOCOL = 200
_SWITCHING = 101


class Limits(Record):
    """How long and how much the proxy waits for, in seconds and bytes."""

    header_seconds: float = 10.0
    """From the first byte of a request to the end of its head."""
    idle_seconds: float = 75.0
    """Between two requests of one client's connection."""
    body_seconds: float = 30.0
    """Silence of a client in the middle of its body, or of one that does not take its answer."""
    response_seconds: float = 60.0
    """Silence of an instance."""
    body_bytes: int = 64 * 1024 * 1024


_PROCESS_PREFIX = os.urandom(10).hex().encode()
_numbers = itertools.count(1)


def fresh_identifier() -> bytes:
    """Return a request's name: 32 digits, the first 20 of them this process's own."""
    return b"%b%012x" % (_PROCESS_PREFIX, next(_numbers))


class _Failed(Exception):  # noqa: N818 - an outcome of the backend
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _ClientGone(Exception):  # noqa: N818 - an outcome of the client
    pass


class Sent(NamedTuple):
    """A request that is with its instance already, whole, on a connection from the pool."""

    link: Link
    """Nothing has been taken from its buffer since."""
    at: float
    """When, on the loop's clock."""
    identifier: bytes


class Exchange:
    """Carries one request to one backend and its answer back.

    Args:
        client: The client's connection; its buffer begins with the request's body.
        request: The accepted head.
        backend: Who answers; the caller has entered it, :meth:`run` or :meth:`close` leaves it.
        limits: Time-outs and sizes.
        address: The client's address for ``X-Forwarded-For``.
        busy: Connections to instances that are in use; whoever sweeps looks at their deadlines.
        closing: Says whether the proxy is stopping, so that the client is told.
        sent: What the fast path has done already; the answer is waited for, or judged, from there.
    """

    __slots__ = (
        "_asked",
        "_backend",
        "_begun",
        "_busy",
        "_client",
        "_closing",
        "_fault",
        "_head",
        "_identifier",
        "_keep",
        "_limits",
        "_link",
        "_loop",
        "_request",
        "_sends_by",
        "_sent",
        "_takes_by",
        "_upload",
    )

    def __init__(
        self,
        client: Link,
        request: Request,
        backend: Backend,
        limits: Limits,
        address: bytes,
        *,
        busy: set[Link],
        closing: Callable[[], bool],
        sent: Sent | None = None,
    ) -> None:
        self._client = client
        self._request = request
        self._backend = backend
        self._limits = limits
        self._identifier = sent.identifier if sent else request.identifier or fresh_identifier()
        self._head = wire.request_head(request, address, self._identifier)
        self._keep = request.keep_alive and request.minor > 0
        self._busy = busy
        self._closing = closing
        self._loop = asyncio.get_running_loop()
        self._link: Link | None
        self._upload: asyncio.Task[None] | None = None
        self._fault: Malformed | None = None
        self._begun = False
        # The client may be waited for twice at once: for its body, and to take the answer.
        self._sends_by = self._takes_by = math.inf
        self._sent = sent
        self._link = sent.link if sent else None
        self._asked = sent.at if sent else monotonic()  # the clock of asyncio's loop as well

    async def run(self) -> bool:
        """Carry it through; ``True`` when the client's connection may carry another request.

        A request body that breaks the rules raises :class:`Malformed`; nothing is counted then.
        """
        counters = self._backend.counters
        try:
            response = await self._converse()
        except _Failed as failed:
            counters.failed(failed.reason)
            return self._refuse(failed.reason)
        except _ClientGone:
            counters.aborted += 1
            if self._fault is not None and not self._begun:
                raise self._fault from None
            self._client.abort()
            return False
        else:
            now = monotonic()
            counters.answered(response.status, int((now - self._asked) * 1e6))
            return self._settle(response, now)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of everything that is bound: nothing more is sent, answered or counted."""
        self._client.when_lost = None
        self._client.deadline = math.inf
        if self._upload is not None:
            self._upload.cancel()
        if self._link is not None:
            self._busy.discard(self._link)
            self._link.abort()
        self._backend.leave()

    # --- the conversation ---

    async def _converse(self) -> Response:
        request, sent = self._request, self._sent is not None
        link = self._link if sent else self._backend.pooled(self._asked)
        reused = link is not None
        if link is None:
            link = await self._fresh()
        else:
            self._bind(link)
        while True:
            if not sent:
                self._send(link)
            response = await self._next_head(link)
            if response is not None:
                break
            if link.buffer:
                raise _Failed("reset")
            if not (reused and request.body.empty and request.method in _IDEMPOTENT):
                raise _Failed("reset")
            # It had been closed while it lay in the pool; nobody has seen the request.
            self._busy.discard(link)
            link.abort()
            link, reused, sent = await self._fresh(), False, False
        while response.status < _SERVER_PROTOCOL:
            if response.status == _SWITCHING:
                raise _Failed("protocol")
            if request.minor:
                self._client.write(wire.response_head(response, close=False))
            following = await self._next_head(link)
            if following is None:
                raise _Failed("reset")
            response = following
        await self._relay(link, response)
        return response

    async def _fresh(self) -> Link:
        try:
            link = await self._backend.connect()
        except OSError:  # refused, or TimeoutError
            raise _Failed("connect") from None
        self._bind(link)
        return link

    def _bind(self, link: Link) -> None:
        self._link = link
        self._busy.add(link)
        self._client.when_lost = link.abort
        if self._client.lost:
            raise _ClientGone

    def _send(self, link: Link) -> None:
        """Send head and body: at once when all of it is here, else beside reading the answer."""
        client, body = self._client, self._request.body
        if body.empty:
            link.write(self._head)
        elif not body.chunked and len(client.buffer) >= body.length:
            link.write(self._head + client.take(body.length))
        else:
            link.write(self._head)
            self._arm(link)
            self._upload = self._loop.create_task(self._pump(link))

    async def _pump(self, link: Link) -> None:
        """Pass the request's body on as it arrives."""
        client, limits = self._client, self._limits
        left = self._request.body.length
        chunks = Chunked(limits.body_bytes) if self._request.body.chunked else None
        try:
            while (not chunks.done) if chunks is not None else left > 0:
                if not client.buffer:
                    self._sends_by = monotonic() + limits.body_seconds
                    self._arm(link)
                    more = await client.more()
                    self._sends_by = math.inf
                    if not more:
                        self._cut_off()
                if chunks is not None:
                    # Fed before it is sent: what breaks the rules never reaches an instance whole.
                    count = chunks.feed(client.buffer)
                else:
                    count = min(left, len(client.buffer))
                    left -= count
                link.write(client.take(count))
                self._arm(link)  # with each piece: an instance that takes them slowly is not dead
                if link.stuck and not await link.flush():
                    return  # whoever reads the answer finds out why
            self._asked = monotonic()
        except Malformed as fault:
            self._fault = fault
            link.abort()

    def _cut_off(self) -> NoReturn:
        status = 408 if self._client.expired else 400
        raise Malformed(status, "The request's body did not arrive whole.")

    async def _next_head(self, link: Link) -> Response | None:
        """Return the next head, or ``None`` when the connection ended before it was whole."""
        scanned = 0
        try:
            while (end := wire.head_end(link.buffer, scanned)) < 0:
                scanned = len(link.buffer)
                if not await self._more(link):
                    return None
            return wire.parse_response(link.take(end), self._request.method)
        except Malformed:
            raise _Failed("protocol") from None

    async def _more(self, link: Link) -> bool:
        """Wait for the instance; raise when the client is the one that is gone, or for silence."""
        uploading = self._upload is not None and not self._upload.done()
        if not uploading:
            self._arm(link)
        more = await link.more()
        if more:
            return True
        if self._fault is not None or self._client.lost:
            raise _ClientGone
        if link.expired:
            raise _Failed("timeout")
        return False

    async def _relay(self, link: Link, response: Response) -> None:
        """Send the answer to the client as it arrives."""
        body = response.body
        chunk = body.until_close and self._request.minor > 0
        if body.until_close and not chunk:
            self._keep = False
        if body.chunked and not self._request.minor:
            raise _Failed("protocol")  # a chunked answer to HTTP/1.0
        if self._upload is not None and not self._upload.done():
            self._keep = False  # answered before all was asked: the rest is in the way
        self._keep = self._keep and not self._closing()
        head = wire.response_head(response, close=not self._keep, chunk=chunk)
        await self._relay_body(link, body, head, chunk=chunk)

    async def _relay_body(self, link: Link, body: Framing, head: bytes, *, chunk: bool) -> None:
        self._begun = True
        left = body.length
        chunks = Chunked() if body.chunked else None
        pending, first = head, True
        while True:
            if chunks is not None:
                try:
                    count = chunks.feed(link.buffer)
                except Malformed:
                    raise _Failed("protocol") from None
                done = chunks.done
            elif body.until_close:
                count, done = len(link.buffer), link.ended
            else:
                count = min(left, len(link.buffer))
                left -= count
                done = left == 0
            data = link.take(count) if count else b""
            if chunk and data:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            if chunk and done and not link.lost:
                data += b"0\r\n\r\n"
            pending += data
            if pending:
                await self._deliver(link, pending)
                pending = b""
            if done and body.until_close and link.lost:
                raise _Failed("reset")  # reset, not ended: what arrived is not all
            if done:
                return
            if first:
                first = False
                link.hurry()
            if not await self._follows(link) and not (body.until_close and not link.lost):
                raise _Failed("reset")

    async def _follows(self, link: Link) -> bool:
        # What arrived while the client took its time may be the last: then nothing wakes us.
        return bool(link.buffer) or await self._more(link)

    async def _deliver(self, link: Link, data: bytes) -> None:
        client = self._client
        client.write(data)
        if client.stuck:
            self._takes_by = monotonic() + self._limits.body_seconds
            self._arm(link)
            taken = await client.flush()
            self._takes_by = math.inf
            self._arm(link)
            if not taken:
                raise _ClientGone
        if client.lost:
            raise _ClientGone

    def _arm(self, link: Link) -> None:
        """Set both deadlines: the client's nearest, or the instance's while nobody waits for it."""
        nearest = self._client.deadline = min(self._sends_by, self._takes_by)
        link.deadline = (
            monotonic() + self._limits.response_seconds if nearest == math.inf else math.inf
        )

    # --- afterwards ---

    def _settle(self, response: Response, now: float) -> bool:
        link = self._link
        uploaded = self._upload is None or self._upload.done()
        if link is not None and (
            response.keep_alive
            and self._request.minor
            and uploaded
            and not link.buffer
            and not link.ended
        ):
            link.deadline = math.inf
            link.resume()  # the last bytes may have come while the client took its time
            self._busy.discard(link)
            self._backend.release(link, now)
            self._link = None
        return self._keep and uploaded and not self._client.lost

    def _refuse(self, reason: str) -> bool:
        """Answer for the instance, or cut the answer that it began."""
        if self._begun:
            self._client.abort()
            return False
        status, sentence = _SENTENCES[reason]
        fields = [f"X-Request-Id: {self._identifier.decode()}"]
        head = self._request.method == b"HEAD"
        self._client.write(wire.plain(status, sentence, fields=fields, head=head))
        return False


_SENTENCES = {
    "connect": (502, "The instance that this request was given to does not accept connections."),
    "reset": (502, "The instance that this request was given to broke off."),
    "protocol": (502, "The instance that this request was given to answered something else."),
    "timeout": (504, "The instance that this request was given to did not answer in time."),
}
