"""A route that may be blue/green: two slots that change places, and the way back while it is tried.

``stable`` is whoever serves, under whichever name; ``idle`` is the other slot. A switch exchanges
the two in one synchronous step. Until it is settled it is leased: a lease that ends, a slot that
ends and a supervisor that was restarted each undo it without being asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import rfc3339
from sluiceway_deploy_local.exchange import Limits
from sluiceway_deploy_local.instance import Instance, Starter
from sluiceway_deploy_local.program import Program
from sluiceway_deploy_local.route import Order, Route

__all__ = ["COLOURS", "SlottedRoute"]

COLOURS = ("blue", "green")
_FIRST, _SECOND = COLOURS


class SlottedRoute(Route):
    """Stable and canary, or blue and green (and a canary), behind one port.

    Args:
        name: The environment whose traffic this is.
        starter: Starts instances, writes the state file, notes what happened.
        limits: The proxy's.
    """

    def __init__(self, name: str, starter: Starter, limits: Limits) -> None:
        super().__init__(name, starter, limits)
        self.idle: Instance | None = None
        self.live = ""
        """The colour of ``stable``; empty where nobody serves yet, and where it is not blue/green."""
        self.tried = ""
        """The colour that the last switch was to, until one is settled."""
        self._back_to: str | None = None
        """Where an unsettled switch came from (``""``: nobody served); ``None``: all is settled."""
        self._switch_lease: asyncio.TimerHandle | None = None

    # --- reading ---

    @property
    def empty(self) -> bool:
        """Nothing is in it, nothing is on its way in or out."""
        return super().empty and self.idle is None

    @property
    def idle_name(self) -> str:
        """The colour of the slot that has no traffic."""
        return _SECOND if self.live == _FIRST else _FIRST

    def instances(self) -> tuple[Instance, ...]:
        """Return everything that runs for this route, also what is being drained."""
        return (*super().instances(), *((self.idle,) if self.idle is not None else ()))

    def named(self) -> list[tuple[str, Instance, float]]:
        """Return the name of each slot, who is in it, and its share in percent."""
        found = [
            (self.live if self.live and slot is self.stable else name, slot, share)
            for name, slot, share in super().named()
        ]
        if self.idle is not None:
            found.append((self.idle_name, self.idle, 0.0))
        return found

    def observed(self) -> tuple[Instance | None, float]:
        """Return the slot that is being tried, or else the one that serves, and its share."""
        wanted = self.tried or self.live
        for name, slot, share in self.named():
            if name == wanted:
                return slot, share
        return None, 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what a later supervisor needs."""
        return {
            **super().to_json(),
            "idle": self.idle.to_json() if self.idle else None,
            "live": self.live,
            "tried": self.tried,
            "back_to": self._back_to,
        }

    # --- changing ---

    async def place_idle(self, program: Program, order: Order) -> tuple[bool, str]:
        """Make *program* the one in the idle slot; return as :meth:`replace` does."""
        async with self._turn(order) as check:
            previous = self.stable.program.digest if self.stable else ""
            for slot in (self.stable, self.idle):
                if slot is not None and slot.program.same(program) and (await slot.healthy())[0]:
                    slot.program = program  # how it is watched may differ
                    return False, previous
            self._all_settled()
            fresh = await self._start(program, check)
            await self._still_wanted(fresh, check)
            try:
                self._all_settled()  # a switch does not wait for its turn
            except ActionFailed:
                await self._starter.discard(fresh)
                raise
            if self.stable is not None and not self.live:
                self.live = _FIRST  # it was deployed by another strategy until now
            old, self.idle = self.idle, fresh
            self.tried = ""
            waits = self._swap([old])
            self._noticed(fresh)
        await self._settled(waits)
        return True, previous

    async def switch(self, slot: str, lease_seconds: float, *, settled: bool) -> None:
        """Give *slot* all of the traffic; see the hook ``sluiceway_switch``. Repeatable.

        Raises:
            ActionFailed: ``deploy.no-slot``: nothing runs in it; nothing changed.
        """
        before = (self.live, self._back_to)
        if slot != self.live:
            fresh = self.idle
            if slot != self.idle_name or fresh is None or not fresh.alive:
                raise ActionFailed(
                    f"nothing runs in the slot {slot} of {self.name}",
                    means="The traffic stays where it is.",
                    remedy=f"Deploy there first: `invoke promote --to={self.name}`.",
                    code="deploy.no-slot",
                )
            came_from = self.live
            settled = settled or slot == self._back_to
            self._exchange(slot)
            self._back_to, self.tried = came_from, slot
        if settled:
            self._settle()
        elif self._back_to is not None:
            self._lease_switch(lease_seconds)
        if before != (self.live, self._back_to):
            self._log("switched", route=self.name, slot=self.live, settled=self._back_to is None)
            await self._record()

    async def drain_idle(self, order: Order) -> None:
        """Take back what is not settled, then end the slot without traffic."""
        self.fence(order)
        if self._back_to is not None:
            self._go_back(f"taken back by run {order.run}")
        async with self._turn(order):
            old, self.idle = self.idle, None
            waits = self._swap([old])
        await self._settled(waits)

    async def replace(self, program: Program, order: Order) -> tuple[bool, str]:
        """Make *program* the only one, by another strategy than blue/green."""
        outcome = await super().replace(program, order)
        idle, self.idle, self.live, self.tried = self.idle, None, "", ""
        self._forget_switch()
        if idle is not None:
            await self._settled(self._swap([idle]))
        return outcome

    async def roll_back(
        self, digest: str, program: Program | None, order: Order
    ) -> tuple[bool, str] | None:
        """Serve *digest* at 100 % first, with what runs if it does; see :class:`Route`."""
        self.fence(order)
        if self._back_to is not None:
            self._go_back(f"rolled back by run {order.run}")
        return await super().roll_back(digest, program, order)

    def exited(self, instance: Instance) -> None:
        """Act on a process of this route that has ended."""
        if instance.leaving:
            return
        if instance is self.idle:
            self._log("idle-exited", route=self.name, slot=self.idle_name)
            self._starter.record_soon()
            return
        way_back = self._back_to == "" or (self.idle is not None and self.idle.alive)
        if instance is self.stable and self._back_to is not None and way_back:
            self._go_back(f"{self.live}-exited")
            return
        super().exited(instance)

    def recover(self, slots: Mapping[str, Instance | None], saved: Mapping[str, Any]) -> None:
        """Take over what a supervisor before this one left: a switch that was tried goes back.

        Args:
            slots: Who is in ``stable``, ``canary`` and ``idle``.
            saved: What :meth:`to_json` returned.
        """
        stable, self.idle = slots["stable"], slots["idle"]
        self.live, self.tried = saved.get("live", ""), saved.get("tried", "")
        back_to = saved.get("back_to")
        if back_to is not None:
            stable, self.idle, self.live = self.idle, stable, back_to
        if self.idle is not None and not self.idle.alive:
            self.idle.gone.set()
        self.adopt(stable, slots["canary"], saved["shed"])
        if back_to is not None:
            self.shed = {"at": rfc3339(datetime.now(UTC)), "reason": "supervisor-restarted"}

    async def close(self, drain_seconds: float, stop_seconds: float) -> list[str]:
        """Answer what is in flight, end every process, free the port; say what was ended."""
        self._forget_switch()
        ended = await super().close(drain_seconds, stop_seconds)
        self.idle = None
        return ended

    # --- how ---

    def _swap(self, leaving: list[Instance | None]) -> list[asyncio.Task[bool]]:
        if self.idle is not None:
            self._starter.pending.pop(self.idle.name, None)
        return super()._swap(leaving)

    def _exchange(self, live: str) -> None:
        """Let the slots change places. Synchronous: no request is between two owners."""
        self.stable, self.idle, self.live = self.idle, self.stable, live
        self._forget_lease()  # a canary's weight was a share of whoever served before
        self._swap([])

    def _settle(self) -> None:
        self._forget_switch()
        self.tried, self.shed = "", None
        canary, stable = self.canary, self.stable
        if (
            canary is not None
            and stable is not None
            and canary.program.digest == stable.program.digest
        ):
            self.canary = None  # it has reached its end: everybody is served by its release
            self._forget_lease()
            self._swap([canary])

    def _lease_switch(self, seconds: float) -> None:
        if self._switch_lease is not None:
            self._switch_lease.cancel()
        reason = f"lease of {seconds:g} s not renewed by run {self.run}"
        loop = asyncio.get_running_loop()
        self._switch_lease = loop.call_later(seconds, self._go_back, reason)

    def _forget_switch(self) -> None:
        if self._switch_lease is not None:
            self._switch_lease.cancel()
            self._switch_lease = None
        self._back_to = None

    def _go_back(self, reason: str) -> None:
        """Undo a switch that is not settled."""
        back_to = self._back_to
        if back_to is None:
            return
        self._forget_switch()
        self._exchange(back_to)
        self.shed = {"at": rfc3339(datetime.now(UTC)), "reason": reason}
        self._log("switched-back", route=self.name, slot=back_to, reason=reason)
        self._starter.record_soon()
        if self.stable is not None and self.stable.gone.is_set():
            super().exited(self.stable)  # it ended while it was idle: now it is needed again

    def _all_settled(self) -> None:
        if self._back_to is not None:
            raise ActionFailed(
                f"{self.live} of {self.name} has the traffic only while run {self.run} looks at it",
                means="The other slot is the way back, so nothing is deployed there. Nothing changed.",
                remedy="Wait for that run, or end it: `invoke resume`.",
                code="deploy.unsettled",
            )
