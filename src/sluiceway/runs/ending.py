"""How every run ends: with an outcome, written down, whatever happened inside of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dbos import DBOS

from sluiceway.errors import NeedsPerson, SluicewayError
from sluiceway.runs import outcome
from sluiceway.runs.context import RunContext

__all__ = ["durable"]

_Body = Callable[[RunContext, dict[str, Any]], dict[str, Any]]
_Workflow = Callable[[dict[str, Any]], dict[str, Any]]


def durable(name: str, body: _Body) -> _Workflow:
    """Register *body* as the durable workflow *name*, which always ends with an outcome."""

    @DBOS.workflow(name=name)
    def run(request: dict[str, Any]) -> dict[str, Any]:
        context = RunContext.of(request["run"])
        try:
            ended = body(context, request)
        except SluicewayError as error:
            ended = outcome.failed(_named(request), _unfinished(request, error), changed=None)
        except Exception as error:
            if type(error).__module__.startswith("dbos"):
                raise  # how DBOS stops a workflow that somebody else carries
            ended = outcome.failed(_named(request), _defect(request, error))
        try:
            context.step("end", lambda: _end(context, request, ended), shielded=True)
        except SluicewayError as error:
            # The run has ended all the same; that it is not in the history is said, not hidden.
            ended = {**ended, "unrecorded": error.diagnostics()}
        return ended

    return run


def _named(request: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: request[key] for key in ("run", "service", "source", "target")},
        "image": None,
        "decision": None,
        "changed": False,
    }


def _end(context: RunContext, request: dict[str, Any], ended: dict[str, Any]) -> dict[str, Any]:
    entry = context.bench.ledger.append(
        "run",
        key=f"{request['run']}:run",
        run=request["run"],
        service=request["service"],
        environment=request["target"],
        digest=(ended.get("image") or {}).get("digest", ""),
        actor=(ended.get("actor") or {}).get("name", ""),
        body={
            "workflow": request["workflow"],
            "outcome": ended["outcome"],
            "exit_code": ended["exit_code"],
            "error": ended.get("error"),
        },
    )
    return {"seq": entry.seq}


def _unfinished(request: dict[str, Any], error: SluicewayError) -> NeedsPerson:
    """Every error that a workflow expects is handled in it: here something was done, and not all."""
    return NeedsPerson(
        f"run {request['run']} was cut off after it had changed {request['target']}: {error.what}",
        means=f"{request['target']} may serve another digest than the ledger says. {error.means}",
        remedy=f"Look at `invoke status`; promoting or rolling back to the digest that you want in "
        f"{request['target']} writes it down again. {error.remedy}",
        code="run.unfinished-end",
    )


def _defect(request: dict[str, Any], error: Exception) -> NeedsPerson:
    return NeedsPerson(
        f"run {request['run']} met a defect of Sluiceway: {type(error).__name__}: {error}",
        means=f"What it had changed in {request['target']} was not undone. A canary's traffic "
        "returns to the stable release by itself when its lease runs out.",
        remedy=f"Look at `invoke status`; then run `invoke rollback --env={request['target']}`, "
        "and report this.",
        code="run.defect",
    )
