"""What a run carries: its workbench, its lease, and steps that are remembered across a crash."""

from __future__ import annotations

import os
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sluiceway import errors, events, process
from sluiceway.errors import ActionFailed, Refused, SluicewayError
from sluiceway.ledger import Lease
from sluiceway.model import Fence
from sluiceway.workbench import Workbench

__all__ = ["Interrupted", "RunContext", "StepFailed", "ending_of", "holder", "holder_is_gone"]

_CONTEXTS: dict[str, RunContext] = {}


class Interrupted(ActionFailed):
    """The person stopped the run, or its lease went to somebody else."""

    exit_code = errors.ExitCode.INTERRUPTED
    default_code = "interrupted"


class StepFailed(ActionFailed):
    """A step met a defect of ours; the trace is in the run's record."""

    exit_code = errors.ExitCode.BUG
    default_code = "internal"


class RunContext:
    """One run in this process.

    Args:
        run: The run's id.
        bench: What it works with.
        lease: The lease that it holds; its token is the fence of every effect.
        seconds: How long the lease lasts without renewal.
        taken_over: Somebody else began the run; what was decided then is decided again.
    """

    def __init__(
        self,
        run: str,
        bench: Workbench,
        lease: Lease,
        seconds: float,
        *,
        taken_over: bool = False,
    ) -> None:
        self.run = run
        self.taken_over = taken_over
        self.bench = bench
        self.lease = lease
        self.seconds = seconds
        self._stop = threading.Event()
        self._reason = ""

    @property
    def fence(self) -> Fence:
        """What every effect carries."""
        return Fence(run=self.run, token=self.lease.token, lease_seconds=self.seconds)

    @staticmethod
    def of(run: str) -> RunContext:
        """Return the context of *run* in this process."""
        return _CONTEXTS[run]

    @contextmanager
    def entered(self) -> Iterator[RunContext]:
        """Register the context and keep its lease alive for the duration of the block."""
        _CONTEXTS[self.run] = self
        done = threading.Event()
        keeper = threading.Thread(target=self._keep_lease, args=(done,), daemon=True)
        keeper.start()
        try:
            yield self
        finally:
            done.set()
            keeper.join()
            del _CONTEXTS[self.run]

    def stop(self, reason: str) -> None:
        """Ask the run to end at its next step; what it changed is undone first."""
        self._reason = self._reason or reason
        self._stop.set()

    def wait(self, seconds: float) -> None:
        """Sleep, waking early with :class:`Interrupted` when the run is asked to stop."""
        if self._stop.wait(max(seconds, 0.0)):
            self.check()

    def check(self) -> None:
        """Raise :class:`Interrupted` when the run was asked to stop."""
        if self._stop.is_set():
            raise Interrupted(self._reason, means="What the run had changed is undone.")

    def confirm(self) -> None:
        """Renew the lease, or raise :class:`Interrupted` when somebody else holds it by now.

        A process that was asleep (a closed laptop, SIGSTOP) wakes up here before it can act on
        an environment that another run has taken over: not even to undo.

        Raises:
            ActionFailed: The lease is gone because an older copy of the ledger was put in its place.
        """
        if not self.bench.ledger.renew(self.lease, self.seconds):
            self.bench.ledger.entries(limit=1)  # says so when it went with the newest entries
            raise Interrupted(
                f"run {self.run} lost its lease on {self.lease.name}",
                means="Another run acts there now; this one changes nothing any more.",
                remedy="See `invoke history` for what the other run did.",
                code="lease.lost",
            )

    def step(self, name: str, function: Callable[[], Any], *, shielded: bool = False) -> Any:
        """Do *function* once, whatever happens to the process, and return its JSON result.

        A step that was finished before a crash is not done again: its recorded result (or error)
        is returned. One that was cut off is repeated, so it must be a desired state.

        Args:
            name: The step's name, the same at every execution.
            function: What to do; returns JSON data.
            shielded: Do it even when the run was asked to stop (undoing, telling).
        """
        from dbos import DBOS

        def attempt() -> dict[str, Any]:
            try:
                self.confirm()
                if shielded:
                    return {"value": function()}
                self.check()
                with process.stoppable(self.check):
                    return {"value": function()}
            except SluicewayError as error:
                return {"error": {"class": type(error).__name__, **error.diagnostics()}}
            except Exception as error:  # noqa: BLE001 - a defect must not end the run half-way
                return {
                    "error": {
                        "class": "StepFailed",
                        "code": "internal",
                        "what": f"step {name} met a defect: {type(error).__name__}: {error}",
                        "means": "What the run had changed is undone.",
                        "remedy": "Please report it with the trace that --debug shows.",
                        "trace": traceback.format_exc(),
                    }
                }

        events.emit("step.started", run=self.run, step=name)
        result = DBOS.run_step({"name": name}, attempt)
        events.emit("step.ended", run=self.run, step=name, failed="error" in result)
        if "error" in result:
            if "trace" in result["error"]:
                events.emit("trace", text=result["error"]["trace"])
            raise revive(result["error"])
        return result["value"]

    def _keep_lease(self, done: threading.Event) -> None:
        failures = 0
        while not done.wait(self.seconds / 4):
            try:
                kept = self.bench.ledger.renew(self.lease, self.seconds)
                failures = 0
            except Exception as error:  # noqa: BLE001 - any failure to renew counts the same
                failures += 1
                events.emit("lease.unrenewed", run=self.run, reason=str(error))
                kept = failures < 3  # noqa: PLR2004 - three quarters of the lease have passed
            if not kept:
                self.stop(f"run {self.run} lost its lease on {self.lease.name}")
                return


def revive(error: Mapping[str, str]) -> SluicewayError:
    """Return the exception that a recorded step error stands for."""
    known: dict[str, type[SluicewayError]] = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, SluicewayError)
    }
    known |= {"Interrupted": Interrupted, "StepFailed": StepFailed, "Refused": Refused}
    kind = known.get(error["class"], ActionFailed)
    return kind(error["what"], means=error["means"], remedy=error["remedy"], code=error["code"])


def holder() -> str:
    """Return who this process is: ``host/boot/pid namespace:pid:start``.

    *start* is the kernel's own count of clock ticks since boot, which no change of the time of day
    moves. A recycled pid is somebody else, and so is the same pid in another container.
    """
    return f"{_host()}:{os.getpid()}:{_started(os.getpid())}"


def holder_is_gone(name: str) -> bool:
    """Say whether *name* was surely a process of this very machine that no longer runs.

    Whatever cannot be known counts as alive: then its lease has to run out.
    """
    host, _, rest = name.partition(":")
    pid, _, started = rest.partition(":")
    if host != _host() or "unknown" in name or not pid.isdigit():
        return False
    return _started(int(pid)) != started


def ending_of(name: str) -> str:
    """Say how the live process *name* is told to undo what it has changed, and to end."""
    host, _, rest = name.partition(":")
    pid = rest.partition(":")[0]
    if host == _host() and pid.isdigit():
        return f"Ctrl-C in its terminal, or `kill {pid}` in another one"
    machine = host.partition("/")[0]
    where = f"process {pid} of {machine}" if machine not in {"", "unknown"} else f"process {pid}"
    return f"Ctrl-C in its terminal, or SIGTERM to {where}"


def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return "unknown"
    return f"{socket.gethostname()}/{boot}/{namespace}"


def _started(pid: int) -> str:
    """Return when *pid* started (proc(5), ``stat``, field 22), or ``gone``."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "gone"
    except OSError:
        return "unknown"
    return "gone" if fields[0] in {"Z", "X"} else fields[19]
