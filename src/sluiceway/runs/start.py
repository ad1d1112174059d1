"""Begin a run, or take over one that was left behind. Whoever acts holds the lease."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from sluiceway import events
from sluiceway.errors import Busy, ExitCode, NeedsPerson, SluicewayError, UsageError
from sluiceway.ledger import Lease
from sluiceway.model import CanaryLimits, rfc3339, to_json
from sluiceway.runs.context import RunContext, ending_of, holder, holder_is_gone
from sluiceway.runs.durable import Left, Runtime, database_words, running
from sluiceway.runs.ids import new_run_id
from sluiceway.workbench import Workbench

__all__ = ["begin", "leftovers", "resume"]

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_END_SEEN_SECONDS = 0.1
"""How often it is looked whether a run that was taken over has ended; its end is told by nobody."""


def begin(
    bench: Workbench,
    workflow: str,
    *,
    target: str,
    source: str = "",
    digest: str = "",
    reason: str = "",
    limits: CanaryLimits | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Run *workflow* for *target* to its end and return its outcome (see ``docs/contract.md``).

    With *force* a release is built again although its source was built before.

    Raises:
        Busy: Somebody else acts on this route now.
        NeedsPerson: A run was left unfinished here; it has to be resumed first.
    """
    run = new_run_id(workflow)
    if limits is None:
        limits = bench.config.limits_of(target)
    request = {
        "run": run,
        "workflow": workflow,
        "service": bench.config.service,
        "lease": lease_name(bench, target),
        "source": source,
        "target": target,
        "digest": digest,
        "reason": reason,
        "limits": to_json(limits),
        "asked_at": rfc3339(datetime.now(UTC)),
        "force": force,
    }
    with _leased(bench, request) as lease, running(bench.project.state) as runtime:
        _nothing_left(runtime, request)
        return _carry(bench, runtime, lease, request, taken_over=False)


def resume(bench: Workbench, run: str) -> dict[str, Any]:
    """Take *run* over and end it properly. A run whose lease is in force is left alone."""
    with running(bench.project.state) as runtime:
        left = runtime.find(run)
        if left is None:
            raise UsageError(
                f"run {run} has ended",
                remedy=f"See `invoke history --run {run}`.",
                code="run.ended",
            )
        request = dict(left.request)
        if request.get("service") != bench.config.service:
            raise UsageError(
                f"run {run} belongs to service {request.get('service')!r}",
                remedy="Resume it from that service's folder.",
                code="run.foreign",
            )
        with _leased(bench, request) as lease:
            _write_down_who(bench, request, lease[0])
            return _carry(bench, runtime, lease, request, taken_over=True)


def _write_down_who(bench: Workbench, request: Mapping[str, Any], lease: Lease) -> None:
    """Keep who takes the run over, signed; whoever cannot be identified takes over nothing."""
    from sluiceway.gates import statements

    document = statements.statement(
        statements.REQUEST,
        service=bench.config.service,
        digest="sha256:" + "0" * 64,  # about the run, whatever its image
        predicate={"resume": request["run"], "at": rfc3339(datetime.now(UTC))},
    )
    actor, signature = statements.signed(bench, document)
    bench.ledger.append(
        "resumed",
        key=f"{request['run']}:resumed:{lease.token}",
        run=request["run"],
        service=bench.config.service,
        environment=request["target"],
        actor=actor.name,
        body={"actor": to_json(actor), "request": document, "signature": signature},
    )


def leftovers(bench: Workbench) -> tuple[tuple[Left, str], ...]:
    """Return this service's unfinished runs, each with who is carrying it now (``""``: nobody)."""
    with running(bench.project.state) as runtime:
        found = runtime.left_behind()
    ours = [left for left in found if left.request.get("service") == bench.config.service]
    return tuple((left, _carrier(bench, left)) for left in ours)


def lease_name(bench: Workbench, target: str) -> str:
    """Return what a run on *target* has to hold: environments that share a route share a lease."""
    names = {environment.name: environment.route for environment in bench.config.environments}
    return f"{bench.config.service}/{names.get(target, target)}"


def _carrier(bench: Workbench, left: Left) -> str:
    lease = bench.ledger.lease(str(left.request.get("lease", "")))
    if lease is None or lease.run != left.run or holder_is_gone(lease.holder):
        return ""
    return lease.holder


@contextmanager
def _leased(bench: Workbench, request: Mapping[str, Any]) -> Iterator[tuple[Lease, float]]:
    seconds = bench.config.lease_seconds
    name = request["lease"]
    held = bench.ledger.lease(name)
    if held is not None and holder_is_gone(held.holder):
        bench.ledger.release(held)  # its process is dead: nobody can act under it any more
    try:
        lease = bench.ledger.acquire(name, run=request["run"], holder=holder(), seconds=seconds)
    except Busy as error:
        raise _busy(error, held) from error
    try:
        yield lease, seconds
    finally:
        try:
            bench.ledger.release(lease)
        except SluicewayError as error:
            # It runs out by itself, and how the run ended must not be lost over it.
            events.emit("lease.unrenewed", run=request["run"], reason=error.what)


def _busy(error: Busy, held: Lease | None) -> Busy:
    """Say whom one can wait for or, in a hurry, how the run that is in the way ends."""
    if held is None:  # it came between two looks
        return error
    return Busy(
        f"{held.name} is held by run {held.run} ({held.holder})",
        means="Two runs never act on one environment at once. Nothing changed.",
        remedy="`invoke status` shows how far it is. It need not be waited for: "
        f"{ending_of(held.holder)} ends it. What it has changed is undone first: a canary's traffic "
        "goes back to the stable release at once, and its tag with it.",
        code=error.code,
    )


def _nothing_left(runtime: Runtime, request: Mapping[str, Any]) -> None:
    for left in runtime.left_behind():
        if left.request.get("lease") == request["lease"]:
            raise NeedsPerson(
                f"run {left.run} was left unfinished on {request['lease']}",
                means="It was cut off half-way; a new run would build on a state that nobody has "
                "confirmed.",
                remedy=f"Run `invoke resume --run={left.run}` first; it ends that run properly.",
                code="run.unfinished",
            )


def _carry(
    bench: Workbench,
    runtime: Runtime,
    leased: tuple[Lease, float],
    request: dict[str, Any],
    *,
    taken_over: bool,
) -> dict[str, Any]:
    from sluiceway.runs.workflows import WORKFLOWS

    lease, seconds = leased
    run = request["run"]
    context = RunContext(run, bench, lease, seconds, taken_over=taken_over)
    events.emit("run.started", run=run, request=request, taken_over=taken_over)
    with context.entered(), _interruptible(context) as asked:
        if taken_over:
            handle = runtime.take_over(run)
        else:
            handle = runtime.start(WORKFLOWS[request["workflow"]], run, request)
        try:
            outcome: dict[str, Any] = _awaited(handle)
        except Exception as error:
            raise NeedsPerson(
                f"how run {run} ended is not known: {type(error).__name__}: {database_words(error)}",
                means="It may have changed what it was asked to change. The weight of a canary and a "
                "switch that is not settled go back by themselves when their lease ends.",
                remedy="Mend what is said there (make room on a full disk), then run "
                f"`invoke resume --run={run}`: it ends the run properly. `invoke status` says what is where.",
                code="run.unknown-end",
            ) from error
    events.emit("run.ended", run=run, outcome=outcome)
    # It may have come too late to stop this run; whoever has more to do should not begin it.
    return {**outcome, "stop_requested": True} if asked else outcome


def _awaited(handle: Any) -> Any:
    """Wait for the run in a thread, so that this one wakes up to handle signals.

    The kernel may hand a signal to any thread; Python runs its handler in the main thread, and not
    while that one is blocked.
    """
    ended: Future[Any] = Future()

    def wait() -> None:
        try:
            ended.set_result(handle.get_result(polling_interval_sec=_END_SEEN_SECONDS))
        except BaseException as error:  # noqa: BLE001 - it is raised again below, where it belongs
            ended.set_exception(error)

    threading.Thread(target=wait, daemon=True).start()
    while not ended.done():
        with suppress(TimeoutError):
            ended.exception(timeout=0.1)
    return ended.result()


@contextmanager
def _interruptible(context: RunContext) -> Iterator[list[int]]:
    """Let the first Ctrl-C undo and end the run; the second leaves it to its leases, at once.

    Yields the list of signals that came.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def stop(number: int, _frame: object) -> None:
        if asked:
            os._exit(ExitCode.INTERRUPTED)
        asked.append(number)
        events.emit("run.stopping", run=context.run)
        context.stop(f"run {context.run} was interrupted")

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
