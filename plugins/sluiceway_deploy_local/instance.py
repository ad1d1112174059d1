"""One running instance of one digest: started, watched until ready, drained and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway import process
from sluiceway.errors import ActionFailed
from sluiceway.model import parse_time, rfc3339
from sluiceway_deploy_local import processes
from sluiceway_deploy_local.counters import Counters
from sluiceway_deploy_local.health import probe
from sluiceway_deploy_local.processes import Identity
from sluiceway_deploy_local.program import Program
from sluiceway_deploy_local.table import HOST, Backend

__all__ = ["Instance", "Starter"]

_READY_IN_A_ROW = 2
_PROBE_SECONDS = 1.0
_PAUSE_SECONDS = 0.05
_PORT_ATTEMPTS = 3

Check = Callable[[], None]
"""Raises when the work in hand is no longer wanted."""


class Instance:
    """A process of ours and its backend.

    Args:
        name: Its id, also in the process's environment.
        program: What it runs.
        port: Where it listens.
        counters: What its requests are counted in.
        log: What it prints.
    """

    def __init__(
        self, name: str, program: Program, port: int, counters: Counters, log: Path
    ) -> None:
        self.name = name
        self.program = program
        self.backend = Backend(port, counters)
        self.log = log
        self.since = datetime.now(UTC)
        self.identity: Identity | None = None
        self.restarts = 0
        """How often a stable one was started again after it had ended by itself."""
        self.leaving = False
        """It is being ended on purpose."""
        self.gone = asyncio.Event()
        self.seen: tuple[bool, str] | None = None
        """What it last answered when its health was asked; ``None``: never yet."""
        self._child: subprocess.Popen[bytes] | None = None
        self._unwatch: Callable[[], None] | None = None
        self._on_exit: Callable[[Instance], None] | None = None

    def report(self) -> dict[str, Any]:
        """Return what can be said of it without asking it."""
        return {
            "digest": self.program.digest,
            "alive": self.alive,
            "url": f"http://{HOST}:{self.port}" if self.alive else "",
            "since": rfc3339(self.since),
            "restarts": self.restarts,
            "drain_seconds": self.program.drain_seconds,
            "log": str(self.log),
            **self.backend.counters.report(),
        }

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return self.backend.port

    @property
    def port_file(self) -> Path:
        """Where a program that keeps something says at which port that is reached."""
        return self.log.with_suffix(".port")

    @property
    def alive(self) -> bool:
        """Its process runs."""
        return self.identity is not None and not self.gone.is_set()

    def attach(
        self,
        identity: Identity,
        child: subprocess.Popen[bytes] | None,
        on_exit: Callable[[Instance], None],
    ) -> None:
        """Take over a process, just started (*child*) or found again."""
        self.identity = identity
        self._child = child
        self._on_exit = on_exit
        self._unwatch = processes.watch(identity, self._ended)

    async def ready(self, check: Check) -> str:
        """Wait until it is healthy twice in a row; return ``""`` or what it lacked."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.program.ready_seconds
        row, detail = 0, ""
        while row < _READY_IN_A_ROW:
            check()
            if not self.alive:
                return f"it ended{self._code()} before it was ready"
            left = deadline - loop.time()
            # A question cut short would only hide what the last whole one was answered.
            if left <= (_PAUSE_SECONDS if detail else 0):
                waited = f"{self.program.ready_seconds:g} s"
                return f"it was not ready within {waited} ({detail or 'it was not asked'})"
            if self.program.keeps and not self.port:
                self.backend.port = _port_in(self.port_file)
            healthy, detail = (
                await probe(self.port, self.program.health_path, min(_PROBE_SECONDS, left))
                if self.port
                else (False, "it is not reached anywhere yet")
            )
            row = row + 1 if healthy else 0
            if row < _READY_IN_A_ROW:
                await asyncio.sleep(_PAUSE_SECONDS)
        self.seen = healthy, detail
        return ""

    async def healthy(self, path: str = "", seconds: float = _PROBE_SECONDS) -> tuple[bool, str]:
        """Ask its health once."""
        if not self.alive:
            return False, f"the process ended{self._code()}"
        self.seen = await probe(self.port, path or self.program.health_path, seconds)
        return self.seen

    async def last_seen(self) -> tuple[bool, str]:
        """Return what it last answered; ask only one that is gone or never was asked.

        For whoever moves traffic away from an instance that hangs: its answer is not waited for.
        """
        if self.seen is None or not self.alive:
            return await self.healthy()
        return self.seen

    async def leave(self, stop_seconds: float) -> bool:
        """Wait for its requests in flight, then end it; ``False`` when requests were cut.

        The table must not name it any more.
        """
        quiet = await self.backend.quiet(self.program.drain_seconds)
        await self.end(stop_seconds)
        return quiet

    async def end(self, stop_seconds: float) -> None:
        """End it now: SIGTERM, and SIGKILL after *stop_seconds*."""
        self.leaving = True
        self.backend.close()
        if self.identity is not None:
            await processes.end(self.identity, stop_seconds)
            if not processes.lives(self.identity):
                self._ended()

    def to_json(self) -> dict[str, Any]:
        """Return what a later supervisor needs to find it again."""
        return {
            "name": self.name,
            "program": self.program.to_json(),
            "port": self.port,
            "identity": list(self.identity) if self.identity else None,
            "log": str(self.log),
            "since": rfc3339(self.since),
            "restarts": self.restarts,
            "counters": self.backend.counters.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> tuple[Instance, Identity | None]:
        """Return an instance without its process, and the identity that this had."""
        instance = cls(
            data["name"],
            Program.from_json(data["program"]),
            data["port"],
            Counters.from_json(data["counters"]),
            Path(data["log"]),
        )
        instance.since = parse_time(data["since"])
        instance.restarts = data["restarts"]
        identity = data["identity"]
        return instance, (int(identity[0]), float(identity[1])) if identity else None

    def _ended(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self.gone.is_set():
            return
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                # What it left in its group. Not yet waited for, its pid can be nobody else's.
                os.killpg(self._child.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(0.5)  # it has ended: this only takes its code
        self.gone.set()
        self.backend.close()
        if self.program.keeps:
            self.port_file.unlink(missing_ok=True)
        if self._on_exit is not None:
            self._on_exit(self)

    def _code(self) -> str:
        code = self._child.returncode if self._child is not None else None
        if code is None:
            return ""
        return f" by signal {-code}" if code < 0 else f" with code {code}"


@dataclass(kw_only=True)
class Starter:
    """What starting needs to know and to tell. One per supervisor."""

    logs: Path
    stop_seconds: float
    on_exit: Callable[[Instance], None]
    record: Callable[[], Awaitable[None]]
    """Writes the state file: before and after a process comes into being, and at every change."""
    record_soon: Callable[[], None]
    """The same, for where nothing can be awaited."""
    note: Callable[..., None]
    """Told what happened: a kind, and details by name."""
    pending: dict[str, Instance]
    """Instances that are in no slot yet; they are in the state file."""

    async def start(
        self,
        program: Program,
        inherited: Mapping[str, str],
        route: str,
        check: Check,
        counters: Counters | None = None,
    ) -> Instance:
        """Start *program* and wait until it is ready.

        Args:
            program: What to run.
            inherited: What of the caller's environment it is given.
            route: For the log's name.
            check: Called often; what it raises ends the attempt.
            counters: To go on with, for a restart.

        Raises:
            ActionFailed: ``deploy.unhealthy`` with the end of its log; the process is gone.
        """
        for left in reversed(range(_PORT_ATTEMPTS)):
            instance = await self._launch(program, inherited, route, counters or Counters())
            try:
                lack = await instance.ready(check)
                lost = await self._port_lost(instance)
                if not lack and not lost:
                    return instance
            except BaseException:
                await self.discard(instance)
                raise
            await self.discard(instance)
            if not (lost and left):
                lack = lack or "another program answered at its port"
                raise _unhealthy(program, lack, instance.log)
        msg = "the last attempt returns or raises"
        raise AssertionError(msg)

    async def _launch(
        self, program: Program, inherited: Mapping[str, str], route: str, counters: Counters
    ) -> Instance:
        name = uuid.uuid4().hex[:12]
        log = self.logs / f"{route}-{program.digest.removeprefix('sha256:')[:12]}-{name}.log"
        instance = Instance(name, program, 0 if program.keeps else _free_port(), counters, log)
        self.pending[name] = instance
        await self.record()
        environment = program.environment(inherited, instance.port, name)
        if program.keeps:
            environment["SLUICEWAY_PORT_FILE"] = str(instance.port_file)
        try:
            child = await asyncio.to_thread(
                process.spawn,
                program.argv,
                cwd=Path(program.cwd),
                log=log,
                env=environment,
            )
        except ActionFailed:
            del self.pending[name]
            await self.record()
            raise
        identity = processes.identify(child.pid)
        # Unreaped until we wait for it, so the pid is its own even when it has ended already.
        instance.attach(identity or (child.pid, 0.0), child, self.on_exit)
        await self.record()
        return instance

    async def _port_lost(self, instance: Instance) -> bool:
        """Say whether another program took the port between its choice and its use."""
        if instance.program.keeps:
            return False  # whoever publishes it chose the port and held it from then on
        if instance.alive:
            identity = instance.identity
            return identity is not None and (
                await asyncio.to_thread(processes.listens, identity, instance.port) is False
                and _taken(instance.port)
            )
        return _taken(instance.port)

    async def discard(self, instance: Instance) -> None:
        """End an instance that is in no slot."""
        await asyncio.shield(instance.end(self.stop_seconds))
        self.pending.pop(instance.name, None)
        await self.record()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe_socket:
        probe_socket.bind((HOST, 0))
        return int(probe_socket.getsockname()[1])


def _port_in(path: Path) -> int:
    """Return the port that *path* names, or 0 for as long as there is no such file."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _taken(port: int) -> bool:
    """Say whether something listens on *port*."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(0.2)
        return attempt.connect_ex((HOST, port)) == 0


def _unhealthy(program: Program, lack: str, log: Path) -> ActionFailed:
    printed = processes.tail(log)
    return ActionFailed(
        f"{program.digest} did not become healthy: {lack}",
        means="It was stopped again; what served before still serves."
        + (f" The end of its log:\n{printed}" if printed else " It printed nothing."),
        remedy=f"Read {log}; it must listen {'' if program.keeps else 'on 127.0.0.1 '}at the port in "
        f"PORT and answer {program.health_path} with 2xx.",
        code="deploy.unhealthy",
    )
