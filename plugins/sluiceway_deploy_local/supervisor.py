"""The daemon that owns routes and processes, so that the end of a task never stops traffic."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from sluiceway.errors import ActionFailed, SluicewayError
from sluiceway.model import rfc3339
from sluiceway_deploy_local import metrics, processes, state
from sluiceway_deploy_local.images import prune
from sluiceway_deploy_local.instance import Instance, Starter
from sluiceway_deploy_local.logs import note, rotate
from sluiceway_deploy_local.metrics import Scrape
from sluiceway_deploy_local.paths import Folder
from sluiceway_deploy_local.program import Program
from sluiceway_deploy_local.route import Order, Route
from sluiceway_deploy_local.settings import Settings, inherited
from sluiceway_deploy_local.slots import SlottedRoute

__all__ = ["PROTOCOL", "Supervisor", "held", "main"]

PROTOCOL = 2
"""Raised when requests or answers change shape."""

_LINE_BYTES = 4 * 1024 * 1024
_HOUSEKEEPING_SECONDS = 0.5
_STOP_DRAIN_SECONDS = 5.0
_RELISTEN_SECONDS = 0.5
_COLLECT = (20_000, 50, 100)

Document = Mapping[str, Any]


class Supervisor:
    """Everything one project runs on this machine.

    Args:
        folder: Where its state, logs and images are.
        settings: Until a task brings newer ones.
        started: Called once it can be asked.
    """

    def __init__(self, folder: Folder, settings: Settings, started: Callable[[], None]) -> None:
        self.folder = folder
        self._started = started
        self.settings = settings
        self.routes: dict[str, SlottedRoute] = {}
        self._fences: dict[str, tuple[int, str]] = {}
        self._pending: dict[str, Instance] = {}
        self._scrape = Scrape(self._metrics, note)
        self._starter = Starter(
            logs=folder.logs,
            stop_seconds=settings.stop_seconds,
            on_exit=self._exited,
            record=self.record,
            record_soon=lambda: self._background(self.record()),
            note=note,
            pending=self._pending,
        )
        self._saving = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._orders = 0
        self._ended_order = asyncio.Condition()
        self._busy_at = time.monotonic()
        self._operations: dict[str, Callable[[Document, Callable[[], bool]], Any]] = {
            "hello": self._hello,
            "read": self._read,
            "deploy": self._deploy,
            "weigh": self._weigh,
            "switch": self._switch,
            "observe": self._observe,
            "drain": self._drain,
            "rollback": self._rollback,
            "stop": self._stop_all,
        }

    async def run(self) -> None:
        """Recover what a killed supervisor left, then serve until asked to stop or idle."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.set_exception_handler(
            lambda _, context: note(
                "defect", error=f"{context.get('message')}: {context.get('exception')!r}"
            )
        )
        gc.freeze()  # what is here stays; what requests leave behind is looked at less often:
        gc.set_threshold(*_COLLECT)  # a tenth of the proxy's CPU went into looking
        await self._recover()
        path = self.folder.choose_socket()
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._admit, path, limit=_LINE_BYTES)
        path.chmod(0o600)
        self.folder.address.write_text(str(path), encoding="utf-8")
        await self._scrape.listen(self.settings.metrics_port)
        self._started()
        note("started", pid=os.getpid(), socket=str(path))
        keeping = loop.create_task(self._housekeeping())
        await self._stop.wait()
        self.folder.leave_socket(path)  # from here on a task starts another supervisor
        server.close()
        self._scrape.close()
        keeping.cancel()
        await self._others_done(0)
        await self._close_everything()
        note("stopped")

    async def record(self) -> None:
        """Write the state file."""
        async with self._saving:
            for name, route in self.routes.items():
                if route.token:
                    self._fences[name] = (route.token, route.run)
            document = {
                "pid": os.getpid(),
                "settings": self.settings.to_json(),
                "fences": {name: list(fence) for name, fence in self._fences.items()},
                "pending": [instance.to_json() for instance in self._pending.values()],
                "routes": {name: route.to_json() for name, route in self.routes.items()},
            }
            try:
                await asyncio.to_thread(state.save, self.folder.state, document)
            except OSError as error:
                raise ActionFailed(
                    f"cannot write {self.folder.state}: {error.strerror or error}",
                    means="What runs could not be found again after a crash, so nothing is started.",
                    remedy="Make room on that disk, or correct its permissions.",
                    code="deploy.state-unwritable",
                ) from error

    # --- requests ---

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if not line:
                return
            if line.startswith((b"GET ", b"HEAD ")):  # `curl --unix-socket`, for looking
                writer.write(await metrics.asked(reader, self._metrics, line))
                return
            self._orders += 1
            try:
                answer = await self._answer(json.loads(line), reader.at_eof)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
            finally:
                self._orders -= 1
                self._busy_at = time.monotonic()
                async with self._ended_order:
                    self._ended_order.notify_all()
        except (OSError, EOFError, ValueError) as error:
            note("request-failed", reason=str(error))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, request: Document, gone: Callable[[], bool]) -> dict[str, Any]:
        try:
            if request.get("protocol") != PROTOCOL:
                return _refusal(
                    "deploy.supervisor-version",
                    "the supervisor that runs is of another version of Sluiceway",
                    "Stop it with the version that started it, or end it by its pid "
                    f"({os.getpid()}); the next deployment starts a new one.",
                )
            operation = self._operations[request["op"]]
            return {"ok": await operation(request, lambda: gone() or self._stop.is_set())}
        except SluicewayError as error:
            return {"error": error.diagnostics()}
        except Exception as error:  # noqa: BLE001 - the daemon outlives its defects, and says them
            note("defect", error=f"{type(error).__name__}: {error}")
            return _refusal(
                "deploy.supervisor",
                f"the supervisor failed: {type(error).__name__}: {error}",
                f"Report it with {self.folder.logs / 'supervisor.log'}.",
            )

    async def _hello(self, _request: Document, _gone: Callable[[], bool]) -> dict[str, Any]:
        return {"pid": os.getpid(), "protocol": PROTOCOL, "routes": sorted(self.routes)}

    async def _read(self, request: Document, _gone: Callable[[], bool]) -> dict[str, Any] | None:
        route = self.routes.get(request["route"])
        return await route.read() if route is not None else None

    async def _deploy(self, request: Document, gone: Callable[[], bool]) -> dict[str, Any]:
        order, program = _order(request, gone), Program.from_json(request["program"])
        async with self._using(request) as route:
            route.fence(order)
            await self._apply(request, route)
            canary = request["slot"] == "canary"
            if request["sticky"] is not None or not canary:
                route.stick(request["sticky"] or "")
            port = 0 if canary and route.frontend.open else request["port"]
            changes = {"stable": route.replace, "canary": route.place, "idle": route.place_idle}
            move = await route.frontend.listen(port)
            try:
                changed, previous = await changes[request["slot"]](program, order)
            except BaseException:
                move.undo()
                raise
            move.keep()
            running = {item.program.digest for item in self._everything()}
            await asyncio.to_thread(prune, self.folder.images, running)
            return {"changed": changed, "previous": previous, "route": await route.read()}

    async def _rollback(self, request: Document, gone: Callable[[], bool]) -> dict[str, Any]:
        program = Program.from_json(request["program"]) if request["program"] else None
        order = _order(request, gone)
        async with self._using(request) as route:
            route.fence(order)
            await self._apply(request, route)
            # What runs serves nobody where a supervisor before this one could not have its port back.
            if program is not None or (route.named() and not route.frontend.open):
                await route.frontend.listen(0 if route.frontend.open else request["port"])
            outcome = await route.roll_back(request["digest"], program, order)
            if outcome is None:
                return {"needs_program": True}
            return {"changed": outcome[0], "previous": outcome[1], "route": await route.read()}

    async def _weigh(self, request: Document, gone: Callable[[], bool]) -> dict[str, Any] | None:
        async with self._using(request) as route:
            route.fence(_order(request, gone))
            await route.weigh(request["weight"], request["lease_seconds"])
            return await route.read(ask=False)

    async def _switch(self, request: Document, gone: Callable[[], bool]) -> dict[str, Any] | None:
        async with self._using(request) as route:
            route.fence(_order(request, gone))
            await route.switch(
                request["slot"], request["lease_seconds"], settled=request["settled"]
            )
            return await route.read(ask=False)

    async def _observe(self, request: Document, _gone: Callable[[], bool]) -> dict[str, Any] | None:
        route = self.routes.get(request["route"])
        if route is None:
            return None
        tried = request["blue_green"]
        canary, weight = route.observed() if tried else (route.canary, route.weight)
        healthy, detail = False, "there is no canary"
        if canary is not None:
            healthy, detail = await canary.healthy(
                request["health_path"], request["timeout_seconds"]
            )
        # What an observer has seen must not shrink after a crash: written before it is told.
        await self.record()
        return {
            "monotonic": time.monotonic(),
            "at": rfc3339(datetime.now(UTC)),
            "weight": weight,
            "shed": route.shed,
            "healthy": healthy,
            "detail": detail,
            "alive": canary is not None and canary.alive,
            "stable": None if tried else _side(route.stable),
            "canary": _side(canary),
        }

    async def _drain(self, request: Document, _gone: Callable[[], bool]) -> dict[str, Any] | None:
        async with self._using(request) as route:
            # What has begun to drain ends, whether or not somebody waits for it.
            drain = route.drain_idle if request["blue_green"] else route.drain
            await drain(_order(request, lambda: False))
            return await route.read()

    async def _stop_all(self, _request: Document, _gone: Callable[[], bool]) -> list[str]:
        self._stop.set()
        await self._others_done(1)
        stopped = await self._close_everything()
        return [*stopped, f"the supervisor, process {os.getpid()}"]

    async def _others_done(self, left: int) -> None:
        """Wait until at most *left* requests are in work; each sees that it is abandoned."""
        async with self._ended_order:
            await self._ended_order.wait_for(lambda: self._orders <= left)

    # --- routes ---

    def _route(self, request: Document) -> SlottedRoute:
        name = request["route"]
        route = self.routes.get(name)
        if route is None:
            route = SlottedRoute(name, self._starter, self.settings.limits)
            route.token, route.run = self._fences.get(name, (0, ""))
            self.routes[name] = route
        return route

    async def _apply(self, request: Document, route: Route) -> None:
        self.settings = Settings.from_json(request["settings"])
        self._starter.stop_seconds = self.settings.stop_seconds
        for known in self.routes.values():
            known.frontend.limits = self.settings.limits
        route.inherited = dict(request["inherited"])
        await self._scrape.listen(self.settings.metrics_port)

    def _metrics(self) -> str:
        routes = self.routes.values()
        return metrics.render(
            [sample for route in routes for sample in route.samples()],
            {route.name: route.frontend.refused for route in routes},
        )

    @contextlib.asynccontextmanager
    async def _using(self, request: Document) -> AsyncIterator[SlottedRoute]:
        """Work on a route; afterwards close it when nothing is left of it, and write the state."""
        route = self._route(request)
        route.users += 1
        try:
            yield route
        finally:
            route.users -= 1
            if route.empty and self.routes.get(route.name) is route:
                self._fences[route.name] = (route.token, route.run)
                del self.routes[route.name]
                await route.close(_STOP_DRAIN_SECONDS, self.settings.stop_seconds)
            await self.record()

    def _everything(self) -> list[Instance]:
        slots = [item for route in self.routes.values() for item in route.instances()]
        return [*slots, *self._pending.values()]

    def _exited(self, instance: Instance) -> None:
        for route in self.routes.values():
            route.exited(instance)

    async def _close_everything(self) -> list[str]:
        closing = list(self.routes.items())
        ended = await asyncio.gather(
            *(route.close(_STOP_DRAIN_SECONDS, self.settings.stop_seconds) for _, route in closing)
        )
        for instance in tuple(self._pending.values()):
            await self._starter.discard(instance)
        for name, route in closing:
            self._fences[name] = (route.token, route.run)
            self.routes.pop(name, None)
        await self.record()
        return [line for lines in ended for line in lines]

    # --- recovery ---

    async def _recover(self) -> None:
        document = state.load(self.folder.state)
        if not document:
            return
        self.settings = Settings.from_json(document["settings"])
        self._fences = {
            name: (int(fence[0]), str(fence[1])) for name, fence in document["fences"].items()
        }
        orphans = list(document["pending"])
        for name, saved in document["routes"].items():
            orphans += saved["leaving"]
            await self._recover_route(name, saved)
        for saved in orphans:
            await self._end_orphan(saved)
        await self.record()

    async def _recover_route(self, name: str, saved: Document) -> None:
        slots: dict[str, Instance | None] = {}
        for slot in state.SLOTS:
            slots[slot] = None
            if saved.get(slot):
                instance, identity = Instance.from_json(saved[slot])
                if identity is not None and processes.lives(identity):
                    instance.attach(identity, None, self._exited)
                slots[slot] = instance
        if not any(slots.values()):
            return
        route = self._route({"route": name})
        route.inherited = inherited(os.environ, self.settings.pass_environment)
        route.stick(saved.get("sticky", ""))
        route.recover(slots, saved)
        note(
            "recovered",
            route=name,
            **{slot: bool(instance and instance.alive) for slot, instance in slots.items()},
        )
        await self._relisten(route, saved["port"], again=True)

    async def _relisten(self, route: Route, port: int, *, again: bool) -> None:
        try:
            move = await route.frontend.listen(port)
            move.keep()
        except SluicewayError as error:
            if again:
                note("listen-failed", route=route.name, reason=error.what)
                route.frontend.port = port  # where the next supervisor is to listen, too
                self._background(self._keep_listening(route, port))

    async def _keep_listening(self, route: Route, port: int) -> None:
        while True:
            await asyncio.sleep(_RELISTEN_SECONDS)
            if self.routes.get(route.name) is not route or route.frontend.open:
                return
            await self._relisten(route, port, again=False)

    async def _end_orphan(self, saved: Document) -> None:
        instance, identity = Instance.from_json(saved)
        identity = identity or await asyncio.to_thread(processes.find_marked, instance.name)
        if identity is not None and processes.lives(identity):
            note("orphan-ended", pid=identity[0], digest=instance.program.digest)
            await processes.end(identity, self.settings.stop_seconds)

    # --- housekeeping ---

    def _background(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
            if self.routes or self._orders:
                self._busy_at = time.monotonic()
            elif time.monotonic() - self._busy_at > self.settings.idle_exit_seconds:
                note("idle")
                self._stop.set()
                return
            in_use = {instance.log for instance in self._everything()}
            with contextlib.suppress(OSError):  # a full disk must not end the housekeeping
                await asyncio.to_thread(rotate, self.folder.logs, self.settings.log_bytes, in_use)


def main(root: Path, settings: Settings, started: Callable[[], None]) -> int:
    """Run the supervisor of the folder *root*; 0 at once when it has one already.

    Args:
        root: Where its state, logs and images are.
        settings: Until a task brings newer ones.
        started: Called once it can be asked.
    """
    folder = Folder(root)
    folder.make()
    with held(folder.lock) as lock:
        if lock is not None:
            asyncio.run(Supervisor(folder, settings, started).run())
    return 0


@contextlib.contextmanager
def held(path: Path) -> Iterator[TextIO | None]:
    """Hold the lock that each supervisor holds while it lives; ``None`` when somebody else does."""
    with path.open("a", encoding="utf-8") as stream:
        yield stream if _lock(stream) else None


def _lock(stream: TextIO) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _order(request: Document, abandoned: Callable[[], bool]) -> Order:
    fence = request["fence"]
    return Order(run=str(fence["run"]), token=int(fence["token"]), abandoned=abandoned)


def _side(slot: Instance | None) -> dict[str, Any] | None:
    if slot is None:
        return None
    return {"digest": slot.program.digest, **slot.backend.counters.report()}


def _refusal(code: str, what: str, remedy: str) -> dict[str, Any]:
    return {"error": {"code": code, "what": what, "means": "", "remedy": remedy}}
