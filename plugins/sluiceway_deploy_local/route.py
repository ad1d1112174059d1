"""One route: where clients ask, who is in its slots, and who may change that.

Everything that changes who serves is one synchronous step between two awaits: the table is swapped
and no request is ever between two owners. What takes long (starting, draining) happens around it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import rfc3339
from sluiceway.record import Record
from sluiceway_deploy_local.exchange import Limits
from sluiceway_deploy_local.frontend import Frontend
from sluiceway_deploy_local.instance import Check, Instance, Starter
from sluiceway_deploy_local.metrics import Sample
from sluiceway_deploy_local.program import Program
from sluiceway_deploy_local.sticky import Sticky
from sluiceway_deploy_local.table import HOST, Table, shares

__all__ = ["Order", "Route"]

_FIRST_BACK_OFF_SECONDS = 0.2
_LAST_BACK_OFF_SECONDS = 30.0
_STEADY_SECONDS = 60.0
_PERCENT = 100.0


class Order(Record):
    """Who asks for a change, and whether it is still wanted."""

    run: str
    token: int
    abandoned: Callable[[], bool]
    """The caller has gone away."""


class Route:
    """Stable and canary behind one port.

    Args:
        name: The environment whose traffic this is.
        starter: Starts instances, writes the state file, notes what happened.
        limits: The proxy's.
    """

    def __init__(self, name: str, starter: Starter, limits: Limits) -> None:
        self.name = name
        self.frontend = Frontend(name, limits)
        self.stable: Instance | None = None
        self.canary: Instance | None = None
        self.inherited: dict[str, str] = {}
        """What services are given of the last caller's environment; never stored."""
        self.token, self.run = 0, ""
        self.users = 0
        """Requests to the supervisor that are about this route at the moment."""
        self.sticky = ""
        """``cookie:NAME`` or ``header:NAME``; see :meth:`stick`."""
        self.shed: dict[str, str] | None = None
        """``{"at", "reason"}``: why the canary's weight returned to 0 without being asked."""
        self._starter = starter
        self._record = starter.record
        self._log = starter.note
        self._lock = asyncio.Lock()
        self._queued = 0
        self._weight = 0.0
        self._lease: asyncio.TimerHandle | None = None
        self._leaving: dict[str, tuple[Instance, asyncio.Task[bool]]] = {}
        self._restarting: asyncio.Task[None] | None = None

    # --- reading ---

    @property
    def empty(self) -> bool:
        """Nothing is in it, nothing is on its way in or out."""
        return not (self.stable or self.canary or self._leaving or self.users)

    @property
    def weight(self) -> float:
        """The canary's share that is in force, in percent."""
        if self.canary is None or not self.canary.alive or self._weight <= 0:
            return 0.0
        return _PERCENT if self.stable is None else self._weight

    def instances(self) -> tuple[Instance, ...]:
        """Return everything that runs for this route, also what is being drained."""
        slots = [slot for slot in (self.stable, self.canary) if slot is not None]
        return (*slots, *(instance for instance, _ in self._leaving.values()))

    def named(self) -> list[tuple[str, Instance, float]]:
        """Return the name of each slot, who is in it, and its share in percent."""
        weight = self.weight
        both = (("stable", self.stable, _PERCENT - weight), ("canary", self.canary, weight))
        return [(name, slot, share) for name, slot, share in both if slot is not None]

    def samples(self) -> list[Sample]:
        """Return what is measured of each slot; what is being drained is in none."""
        return [
            Sample(self.name, name, slot.program.digest, share, slot.backend.counters)
            for name, slot, share in self.named()
        ]

    async def read(self, *, ask: bool = True) -> dict[str, Any]:
        """Return the route as JSON data; each slot's health is asked now, or as last seen."""
        present = self.named()
        answers = await asyncio.gather(
            *(slot.healthy() if ask else slot.last_seen() for _, slot, _ in present)
        )
        return {
            "route": self.name,
            "url": f"http://{HOST}:{self.frontend.port}" if self.frontend.open else "",
            "shed": self.shed,
            "sticky": self.sticky,
            "refused": self.frontend.refused,
            "slots": [
                {
                    "name": name,
                    "weight": weight,
                    "healthy": healthy,
                    "detail": detail,
                    **slot.report(),
                }
                for (name, slot, weight), (healthy, detail) in zip(present, answers, strict=True)
            ],
        }

    def to_json(self) -> dict[str, Any]:
        """Return what a later supervisor needs."""
        return {
            "port": self.frontend.port,
            "weight": self._weight,
            "sticky": self.sticky,
            "shed": self.shed,
            "stable": self.stable.to_json() if self.stable else None,
            "canary": self.canary.to_json() if self.canary else None,
            "leaving": [instance.to_json() for instance, _ in self._leaving.values()],
        }

    # --- changing ---

    def stick(self, said: str) -> None:
        """Keep clients on one side by ``cookie:NAME`` or ``header:NAME``; empty: by nothing."""
        self.sticky = said
        self.frontend.sticky = Sticky.of(said)

    def fence(self, order: Order) -> None:
        """Note who asks; raise ``fence.stale`` when somebody with a higher token has been here."""
        if order.token < self.token:
            raise ActionFailed(
                f"run {order.run} holds token {order.token} of {self.name}, and run {self.run} "
                f"has come with {self.token} since",
                means="Its lease was taken over: acting now would undo the other run's work. "
                "Nothing changed.",
                remedy="See `invoke status`; start again if the change is still wanted.",
                code="fence.stale",
            )
        self.token, self.run = order.token, order.run

    async def replace(self, program: Program, order: Order) -> tuple[bool, str]:
        """Make *program* the stable one; return whether anything changed and the digest before."""
        async with self._turn(order) as check:
            old, canary = self.stable, self.canary
            previous = old.program.digest if old else ""
            if old is not None and old.program.same(program) and (await old.healthy())[0]:
                old.program = program  # how it is watched may differ
                return False, previous
            adopted = canary is not None and canary.program.same(program)
            if canary is not None and adopted and not await canary.ready(check):
                fresh = canary
            else:
                fresh = await self._start(program, check)
            if fresh is not canary:
                await self._still_wanted(fresh, check)
            # A canary of this digest has reached its end, adopted or not.
            graduated = canary if canary and canary.program.digest == program.digest else None
            leaving = [old, graduated if graduated is not fresh else None]
            if graduated is not None and self.canary is graduated:
                self.canary = None
                self._forget_lease()
            self.stable = fresh
            waits = self._swap(leaving)
            self._noticed(fresh)
        await self._settled(waits)
        return True, previous

    async def place(self, program: Program, order: Order) -> tuple[bool, str]:
        """Make *program* the canary with weight 0; return as :meth:`replace` does."""
        async with self._turn(order) as check:
            old = self.canary
            previous = old.program.digest if old else ""
            if old is not None and old.program.same(program) and (await old.healthy())[0]:
                old.program = program
                self._forget_lease()
                self._swap([])
                await self._record()
                return False, previous
            fresh = await self._start(program, check)
            await self._still_wanted(fresh, check)
            self.canary = fresh
            self._forget_lease()
            waits = self._swap([old])
            self._noticed(fresh)
        await self._settled(waits)
        return True, previous

    async def weigh(self, weight: float, lease_seconds: float) -> None:
        """Lease *weight* percent to the canary. A dead canary stays at 0."""
        if self.canary is None:
            if weight > 0:
                raise ActionFailed(
                    f"{self.name} has no canary to give {weight:g} % of its traffic",
                    remedy="Deploy one first: `invoke canary`.",
                    code="deploy.no-canary",
                )
            return
        if not self.canary.alive:
            return
        changed = weight != self._weight or self.shed is not None
        self._forget_lease()
        self._weight = weight
        if weight > 0:
            loop = asyncio.get_running_loop()
            self._lease = loop.call_later(lease_seconds, self._lease_ran_out, lease_seconds)
        self._swap([])
        if changed:
            self._log("weight", route=self.name, weight=self.weight)
            await self._record()

    async def drain(self, order: Order) -> None:
        """Take the canary out of the route; returns when it has ended."""
        self._shed_for(order)
        async with self._turn(order):
            old, self.canary = self.canary, None
            self._forget_lease()
            waits = self._swap([old])
        await self._settled(waits)

    async def roll_back(
        self, digest: str, program: Program | None, order: Order
    ) -> tuple[bool, str] | None:
        """Serve *digest* at 100 % first, with what runs if it does; then remove what is in the way.

        Args:
            digest: What to serve.
            program: What to start when nothing that runs will do.
            order: Who asks.

        Returns:
            As :meth:`replace`, or ``None`` when a program is needed: stable has everything already.
        """
        self._shed_for(order)
        async with self._turn(order) as check:
            old, canary = self.stable, self.canary
            previous = old.program.digest if old else ""
            if old is not None and old.program.digest == digest and (await old.healthy())[0]:
                fresh = old
            elif (
                canary is not None
                and canary.program.digest == digest
                and (await canary.healthy())[0]
            ):
                fresh = canary
            else:
                reclaimed = await self._reclaim(digest)
                if reclaimed is None and program is None:
                    return None
                if reclaimed is not None:
                    fresh = reclaimed
                elif program is not None:
                    fresh = await self._start(program, check)
                    await self._still_wanted(fresh, check)
            if fresh is old and canary is None:
                return False, previous
            self.stable, self.canary = fresh, None
            self._forget_lease()
            waits = self._swap([slot for slot in (old, canary) if slot is not fresh])
            self._noticed(fresh)
        await self._settled(waits)
        return True, previous

    def exited(self, instance: Instance) -> None:
        """Act on a process of this route that has ended."""
        if instance.leaving:
            return
        if instance is self.canary:
            self._shed("canary-exited")
        elif instance is self.stable and self._restarting is None:
            self._log("stable-exited", route=self.name, digest=instance.program.digest)
            self._restarting = asyncio.get_running_loop().create_task(self._restart(instance))

    def adopt(
        self, stable: Instance | None, canary: Instance | None, shed: Mapping[str, str] | None
    ) -> None:
        """Take over what a supervisor before this one left; the canary's weight is 0."""
        self.stable, self.canary = stable, canary
        self.shed = dict(shed) if shed else None
        if canary is not None:
            self.shed = {"at": rfc3339(datetime.now(UTC)), "reason": "supervisor-restarted"}
        self._swap([])
        for slot in (stable, canary):
            if slot is not None and not slot.alive:
                slot.gone.set()
                self.exited(slot)

    async def close(self, drain_seconds: float, stop_seconds: float) -> list[str]:
        """Answer what is in flight, end every process, free the port; say what was ended."""
        if self._restarting is not None:
            self._restarting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._restarting
        self._forget_lease()
        everything = [instance for instance in self.instances() if instance.alive]
        for instance in everything:
            instance.leaving = True
        await self.frontend.close(drain_seconds)
        for _, task in self._leaving.values():
            task.cancel()
        await asyncio.gather(*(instance.end(stop_seconds) for instance in everything))
        self.stable = self.canary = None
        self._leaving.clear()
        self.frontend.table = Table()
        return [
            f"{self.name}: process {instance.identity[0]} of {instance.program.digest[:19]}"
            for instance in everything
            if instance.identity is not None
        ]

    # --- how ---

    def _check(self, order: Order) -> Check:
        def check() -> None:
            if order.token < self.token:
                self.fence(order)
            if order.abandoned():
                raise ActionFailed(
                    f"run {order.run} went away while {self.name} was being changed",
                    means="The new instance was stopped; what served before still serves.",
                    code="deploy.abandoned",
                )

        return check

    async def _start(self, program: Program, check: Check) -> Instance:
        return await self._starter.start(program, self.inherited, self.name, check)

    @asynccontextmanager
    async def _turn(self, order: Order) -> AsyncIterator[Check]:
        """Be the only one who changes the slots; a higher token ends what is under way."""
        self.fence(order)
        self._queued += 1
        try:
            await self._lock.acquire()
        finally:
            self._queued -= 1
        try:
            check = self._check(order)
            check()
            yield check
        finally:
            self._lock.release()

    async def _still_wanted(self, fresh: Instance, check: Check) -> None:
        """End *fresh*, which took a while to start, when nobody wants it any more."""
        try:
            check()
        except ActionFailed:
            await self._starter.discard(fresh)
            raise

    def _swap(self, leaving: list[Instance | None]) -> list[asyncio.Task[bool]]:
        """Put the slots in force and begin to drain what is in none. Synchronous on purpose."""
        stable = self.stable.backend if self.stable else None
        canary = self.canary.backend if self.canary and self.canary.alive else None
        wanted = shares(stable, canary, self._weight)
        if wanted != self.frontend.table.shares:  # else a renewal would begin the round anew
            self.frontend.table = Table(wanted)
        for slot in (self.stable, self.canary):
            if slot is not None:
                self._starter.pending.pop(slot.name, None)
        loop = asyncio.get_running_loop()
        waits = []
        for instance in leaving:
            if instance is not None:
                task = loop.create_task(self._leave(instance))
                self._leaving[instance.name] = (instance, task)
                waits.append(task)
        return waits

    def _noticed(self, fresh: Instance) -> None:
        """Act on an instance that ended between its last check and its place in a slot."""
        if fresh.gone.is_set():
            self.exited(fresh)

    async def _leave(self, instance: Instance) -> bool:
        quiet = await instance.backend.quiet(instance.program.drain_seconds)
        instance.leaving = True  # from here on it cannot be reclaimed
        await instance.end(self._starter.stop_seconds)
        self._leaving.pop(instance.name, None)
        self._log(
            "drained" if quiet else "cut",
            route=self.name,
            digest=instance.program.digest,
            in_flight=instance.backend.in_flight,
        )
        await self._record()
        return quiet

    async def _settled(self, waits: list[asyncio.Task[bool]]) -> None:
        await self._record()
        if waits:
            await asyncio.wait(waits)  # a reclaimed one counts as done

    async def _reclaim(self, digest: str) -> Instance | None:
        """Take back a healthy instance of *digest* that is only being drained."""
        for name, (instance, task) in tuple(self._leaving.items()):
            if instance.program.digest == digest and not instance.leaving:
                healthy, _ = await instance.healthy()
                if healthy and not instance.leaving:
                    task.cancel()
                    del self._leaving[name]
                    return instance
        return None

    def _shed_for(self, order: Order) -> None:
        """Give stable everything at once, before any lock: that is what a way back is about."""
        self.fence(order)
        if self.stable is not None and self.stable.alive and self._weight > 0:
            self._forget_lease()
            self._swap([])

    def _forget_lease(self) -> None:
        if self._lease is not None:
            self._lease.cancel()
            self._lease = None
        self._weight = 0.0
        self.shed = None

    def _lease_ran_out(self, seconds: float) -> None:
        self._shed(f"lease of {seconds:g} s not renewed by run {self.run}")

    def _shed(self, reason: str) -> None:
        self._forget_lease()
        self.shed = {"at": rfc3339(datetime.now(UTC)), "reason": reason}
        self._swap([])
        self._log("shed", route=self.name, reason=reason)
        self._starter.record_soon()

    async def _restart(self, instance: Instance) -> None:
        """Start the stable one again, ever more slowly, for as long as it is the stable one."""
        pause = _FIRST_BACK_OFF_SECONDS
        if (datetime.now(UTC) - instance.since).total_seconds() < _STEADY_SECONDS:
            pause = min(_FIRST_BACK_OFF_SECONDS * 2**instance.restarts, _LAST_BACK_OFF_SECONDS)
        restarts = instance.restarts
        try:
            while self.stable is instance:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LAST_BACK_OFF_SECONDS)
                restarts += 1
                async with self._lock:
                    if self.stable is not instance:
                        return
                    # Whoever comes to change the slots is not kept waiting for this.
                    order = Order(
                        run=self.run, token=self.token, abandoned=lambda: self._queued > 0
                    )
                    try:
                        fresh = await self._starter.start(
                            instance.program,
                            self.inherited,
                            self.name,
                            self._check(order),
                            instance.backend.counters,
                        )
                    except ActionFailed as error:
                        self._log("restart-failed", route=self.name, reason=error.what)
                        continue
                    if self.stable is not instance:  # a switch does not wait for its turn
                        await self._starter.discard(fresh)
                        return
                    fresh.restarts = restarts
                    self.stable = fresh
                    self._swap([])
                    self._log("restarted", route=self.name, digest=fresh.program.digest)
                await self._record()
                return
        finally:
            self._restarting = None
            if self.stable is not None and self.stable is not instance and not self.stable.alive:
                self.exited(self.stable)  # it ended again before this task had
