"""The plain request, without a task's wake-up: forwarded and answered where its bytes arrive.

Most requests are alike: the whole of one arrives at once, a pooled connection to its instance stands
ready, and the whole answer arrives at once. For these two callbacks do what :class:`Exchange` does in
a coroutine, for about half of the CPU. Everything else is left to the coroutine, which waits beside:

* Before a request is begun, by touching nothing. Its bytes are still in the client's buffer, and who
  finds them there reads them from the start: what is incomplete, pipelined, chunked, long, malformed
  (and so is refused in one place only), HTTP/1.0, or the connection's last.
* After that, by an :class:`Exchange` that goes on from what has been done: there was no pooled
  connection, or what the instance sent is anything but a whole, plain answer - a part of one, an end,
  silence, an interim answer, nonsense. Its bytes are still in the connection's buffer.

So every refusal, failure, time-out and second try has one place, and the fast path decides only what
the coroutine would decide on the same bytes: it parses with the same functions, takes the same turn,
and counts with the same clock. That the two cannot be told apart is tested
(``tests/plugins/test_deploy_local_fastpath.py``).
"""

from __future__ import annotations

import math
from time import monotonic
from typing import TYPE_CHECKING

from sluiceway_deploy_local.exchange import Exchange, Sent, fresh_identifier
from sluiceway_deploy_local.link import Link
from sluiceway_deploy_local.plain import PlainAnswers, PlainRequests
from sluiceway_deploy_local.table import Backend

if TYPE_CHECKING:
    from sluiceway_deploy_local.frontend import Frontend

__all__ = ["FastPath"]


class FastPath:
    """Serves the plain requests of one client's connection.

    Args:
        frontend: Whose table, limits and end decide.
        client: The client's connection.
        address: The client's address for ``X-Forwarded-For``.
        busy: Connections to instances that are in use; whoever sweeps looks at their deadlines.
        waiting: Clients between two requests.
    """

    __slots__ = (
        "_address",
        "_answers",
        "_asked",
        "_backend",
        "_begun",
        "_busy",
        "_client",
        "_frontend",
        "_identifier",
        "_link",
        "_requests",
        "_waiting",
        "_working",
    )

    def __init__(
        self,
        frontend: Frontend,
        client: Link,
        address: bytes,
        *,
        busy: set[Link],
        waiting: set[Link],
    ) -> None:
        self._frontend = frontend
        self._client = client
        self._address = address
        self._busy = busy
        self._waiting = waiting
        self._requests = PlainRequests(address)
        self._answers = PlainAnswers()
        self._begun: Exchange | None = None
        self._working = False
        # Of the request that is with its instance, while it is:
        self._backend: Backend
        self._link: Link
        self._identifier: bytes
        self._asked: float

    async def serve(self) -> Exchange | None:
        """Serve until something is left to the caller; return it when it has been begun.

        ``None`` is returned when there is something in the client's buffer, or nothing will come.
        """
        client = self._client
        if self._frontend.fast_path:
            client.listener = self._client_stirred
        self._park(monotonic())
        try:
            await client.more()
        except BaseException:  # cancelled, maybe in the middle of an exchange
            if self._working:
                self._hand_over()
            if self._begun is not None:
                self._begun.close()
            raise
        finally:
            client.listener = None
            self._waiting.discard(client)
        begun, self._begun = self._begun, None
        return begun

    # --- what connections call ---

    def _client_stirred(self) -> None:
        """Begin what has arrived, or leave it; while a request is in work, look only for a loss."""
        if not self._working:
            if not self._forward():
                self._leave()
        elif self._client.lost:
            self._hand_over()

    def _link_stirred(self) -> None:
        """Pass on a whole answer, count it, and be ready for the next request; or hand over."""
        client, link, backend, answers = self._client, self._link, self._backend, self._answers
        data = bytes(link.buffer)
        end = answers.read(data, self._requests.method)
        if not end or self._frontend.closing or client.pending:
            self._hand_over()
            return
        client.write(answers.shown + data[end:])
        now = monotonic()
        backend.counters.answered(answers.status, int((now - self._asked) * 1e6))
        self._working = False
        link.listener = None
        link.buffer.clear()
        link.deadline = math.inf
        self._busy.discard(link)
        backend.release(link, now)
        backend.leave()
        client.overlook_empty_line()
        self._park(now)
        if client.buffer or client.ended:
            self._leave()

    # --- how a request goes ---

    def _forward(self) -> bool:
        """Begin the request that fills the client's buffer; ``False``: not one for the fast path."""
        client, frontend, requests = self._client, self._frontend, self._requests
        data = bytes(client.buffer)
        end = requests.read(data, frontend.limits.body_bytes)
        if not end or frontend.closing:
            return False
        backend = frontend.choose(requests.fields)
        if backend is None:
            return False
        backend.enter()  # begun: it is this backend's from here on, whoever goes on with it
        self._backend = backend
        client.deadline = math.inf
        self._asked = now = monotonic()
        link = backend.pooled(now)
        if link is None:
            client.take(end)
            self._begin(None)
            return True
        client.buffer.clear()
        self._waiting.discard(client)
        self._working, self._link = True, link
        self._identifier = requests.identifier or fresh_identifier()
        self._busy.add(link)
        link.deadline = now + frontend.limits.response_seconds
        link.listener = self._link_stirred
        link.write(requests.head(self._identifier) + data[end:])
        return True

    def _hand_over(self) -> None:
        """Let the coroutine go on with a request that is with its instance."""
        self._working = False
        self._link.listener = None
        self._begin(Sent(self._link, self._asked, self._identifier))

    def _begin(self, sent: Sent | None) -> None:
        self._begun = Exchange(
            self._client,
            self._requests.request,
            self._backend,
            self._frontend.limits,
            self._address,
            busy=self._busy,
            closing=self._frontend.is_closing,
            sent=sent,
        )
        self._leave()

    def _leave(self) -> None:
        """Wake the coroutine, and do nothing more until it calls :meth:`serve` again."""
        self._client.listener = None
        self._waiting.discard(self._client)
        self._client.wake()

    def _park(self, now: float) -> None:
        self._client.deadline = now + self._frontend.limits.idle_seconds
        self._waiting.add(self._client)
