"""Who serves: backends with their counters, and the table that says whose turn it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from sluiceway_deploy_local.counters import Counters
from sluiceway_deploy_local.link import Link

__all__ = ["Backend", "Table", "shares"]

HOST = "127.0.0.1"
_IDLE_SECONDS = 1.0
"""A pooled connection older than this is not used again: shorter than any server's keep-alive."""
_CONNECT_SECONDS = 5.0
_UNITS_PER_PERCENT = 1000


class Backend:
    """One process's port: its pooled connections, its requests in flight, its counters.

    Args:
        port: Where the process listens on loopback.
        counters: What it counts into.
    """

    def __init__(self, port: int, counters: Counters) -> None:
        self.port = port
        self.counters = counters
        self.in_flight = 0
        self._idle: list[Link] = []
        self._quiet = asyncio.Event()
        self._quiet.set()

    def enter(self) -> None:
        """Bind one request to this backend."""
        self.in_flight += 1
        self._quiet.clear()

    def leave(self) -> None:
        """End what :meth:`enter` began."""
        self.in_flight -= 1
        if self.in_flight == 0:
            self._quiet.set()

    async def quiet(self, seconds: float) -> bool:
        """Wait until no request is in flight; ``False`` when some still are after *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return True

    def pooled(self, now: float) -> Link | None:
        """Return a connection that was used before and still stands, newest first."""
        horizon = now - _IDLE_SECONDS
        while self._idle:
            link = self._idle.pop()
            if not link.ended and not link.buffer and link.idle_since > horizon:
                return link
            link.close()
        return None

    async def connect(self) -> Link:
        """Return a new connection; ``OSError`` (also for a time-out) when there is none."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, link = await loop.create_connection(Link, HOST, self.port)
        return link

    def release(self, link: Link, now: float) -> None:
        """Keep *link* for the next request."""
        link.idle_since = now
        self._idle.append(link)

    def sweep(self, now: float) -> None:
        """Close pooled connections that are too old or that the process has closed."""
        kept = []
        for link in self._idle:
            if link.ended or link.idle_since <= now - _IDLE_SECONDS:
                link.close()
            else:
                kept.append(link)
        self._idle = kept

    def close(self) -> None:
        """Close every pooled connection."""
        for link in self._idle:
            link.close()
        self._idle.clear()


@dataclass(frozen=True, slots=True)
class Table:
    """Smooth weighted round robin over backends: 95/5 gives the second exactly every 20th.

    Replaced as a whole by assignment; a request asks once and stays with its answer.
    Source: the algorithm of nginx's ``ngx_http_upstream_round_robin.c``.
    """

    shares: tuple[tuple[Backend, int], ...] = ()
    """Backend and weight in thousandths of a percent; only weights above 0."""
    _current: list[int] = field(default_factory=list, compare=False)

    def __post_init__(self) -> None:
        self._current.extend(0 for _ in self.shares)

    def pick(self, place: float | None = None) -> Backend | None:
        """Return whose turn it is, or ``None`` when nobody serves.

        Args:
            place: Of a client that stays on one side, from 0 to below 1: no turn is taken then.
                The last backend has the lowest places, so a canary that grows only gains clients.
        """
        shares, current = self.shares, self._current
        if len(shares) < 2:  # noqa: PLR2004 - one or none: nothing to choose
            return shares[0][0] if shares else None
        if place is not None:
            left = place * sum(weight for _, weight in shares)
            for backend, weight in reversed(shares):
                left -= weight
                if left < 0:
                    return backend
            return shares[0][0]
        total, best = 0, 0
        for index, (_, weight) in enumerate(shares):
            total += weight
            current[index] += weight
            if current[index] > current[best]:
                best = index
        current[best] -= total
        return shares[best][0]


def shares(
    stable: Backend | None, canary: Backend | None, weight: float
) -> tuple[tuple[Backend, int], ...]:
    """Return what a table holds when the canary has *weight* percent.

    Without a stable one the canary takes everything at any weight above 0, and nothing at 0.
    """
    units = round(weight * _UNITS_PER_PERCENT)
    if canary is None or units <= 0:
        return ((stable, 100 * _UNITS_PER_PERCENT),) if stable is not None else ()
    if stable is None:
        return ((canary, 100 * _UNITS_PER_PERCENT),)
    rest = 100 * _UNITS_PER_PERCENT - units
    return ((stable, rest), (canary, units)) if rest > 0 else ((canary, units),)
