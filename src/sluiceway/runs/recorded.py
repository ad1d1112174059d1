"""What a run left behind: its request, its steps and how it ended. Reads; starts and resumes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.record import Record

__all__ = ["Recorded", "Step", "recorded", "runs_of", "unfinished"]

_NEWEST = 200
"""Runs that are looked through for a name that is not known."""
_UNFINISHED = ("PENDING", "ENQUEUED", "DELAYED")


class Step(Record):
    """One step that was finished."""

    name: str
    value: Any
    """JSON data that it returned; ``None`` when it failed."""
    error: Mapping[str, Any] | None
    """``{"class", "code", "what", "means", "remedy"}`` when it failed."""
    started: datetime | None
    ended: datetime | None


class Recorded(Record):
    """One durable run."""

    run: str
    workflow: str
    request: Mapping[str, Any]
    started: datetime | None
    ended: datetime | None
    """``None`` while it is under way, or when nobody finished it."""
    outcome: Mapping[str, Any] | None
    """What it returned; ``None`` when it has not ended, or not by itself."""
    problem: str
    """Why there is no outcome although it is not under way; empty otherwise."""
    steps: tuple[Step, ...]
    """Finished steps, in order. One that was cut off is not there."""


def recorded(state: Path, run: str) -> Recorded | None:
    """Return what is recorded of *run* in the state folder's ``runs.db``; ``None`` when nothing is.

    Raises:
        ActionFailed: The file is there and cannot be read (code ``runs.unreadable``).
    """
    with _opened(state) as client:
        if client is None:
            return None
        found = client.list_workflows(workflow_ids=[run])
        if not found:
            return None
        return _recorded(found[0], client.list_workflow_steps(run))


def runs_of(state: Path, service: str) -> tuple[str, ...]:
    """Return the ids of *service*'s newest durable runs, the newest first.

    Raises:
        ActionFailed: As :func:`recorded`.
    """
    with _opened(state) as client:
        if client is None:
            return ()
        found = client.list_workflows(sort_desc=True, limit=_NEWEST, load_output=False)
        return tuple(
            status.workflow_id for status in found if _request(status).get("service") == service
        )


def unfinished(state: Path, service: str) -> tuple[Recorded, ...]:
    """Return *service*'s runs that have not ended, the oldest first, with the steps they have done.

    Raises:
        ActionFailed: As :func:`recorded`.
    """
    if not _any_unfinished(state / "runs.db"):
        return ()
    with _opened(state) as client:
        found = client.list_workflows(status=list(_UNFINISHED), load_output=False)
        return tuple(
            _recorded(status, client.list_workflow_steps(status.workflow_id))
            for status in found
            if _request(status).get("service") == service
        )


def _any_unfinished(path: Path) -> bool:
    """Say whether it is worth to open *path*: that takes a second, and mostly nothing is under way."""
    if not path.exists():
        return False
    marks = ", ".join("?" * len(_UNFINISHED))
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            question = f"SELECT 1 FROM workflow_status WHERE status IN ({marks}) LIMIT 1"  # noqa: S608 - question marks
            return file.execute(question, _UNFINISHED).fetchone() is not None
    except sqlite3.Error:
        return True  # whoever opens it properly says why it cannot be read


@contextmanager
def _opened(state: Path) -> Iterator[Any]:
    path = state / "runs.db"
    if not path.exists():
        yield None  # opening it would make an empty one
        return
    from dbos import DBOSClient

    from sluiceway.runs.durable import JSON

    client = None
    try:
        client = DBOSClient(
            system_database_url=f"sqlite:///{path}",
            serializer=JSON,
            lazy=True,
            retry_connection_errors=False,
        )
        yield client
    except Exception as error:
        raise ActionFailed(
            f"the runs in {path} cannot be read: {getattr(error, 'orig', None) or error}",
            means="What the run did step by step is in there.",
            remedy="Check that the file is readable and not damaged. What is in the ledger is still "
            "shown by `invoke history`.",
            code="runs.unreadable",
        ) from error
    finally:
        if client is not None:
            client.destroy()


def _recorded(status: Any, steps: list[Any]) -> Recorded:
    output = status.output
    outcome = output if isinstance(output, dict) and "outcome" in output else None
    over = status.status not in _UNFINISHED
    problem = ""
    if over and outcome is None:
        said = getattr(status, "error", None)
        problem = f"it ended as {status.status}" + (f": {said}" if said else "")
    return Recorded(
        run=status.workflow_id,
        workflow=status.name,
        request=_request(status),
        started=_moment(status.created_at),
        ended=_moment(status.updated_at) if over else None,
        outcome=outcome,
        problem=problem,
        steps=tuple(_step(step) for step in steps if not step["function_name"].startswith("DBOS.")),
    )


def _step(info: Any) -> Step:
    output = info["output"] if isinstance(info["output"], dict) else {}
    error = output.get("error")
    if info["error"] is not None:
        error = {"code": "internal", "what": str(info["error"]), "means": "", "remedy": ""}
    return Step(
        name=info["function_name"],
        value=output.get("value"),
        error=error,
        started=_moment(info["started_at_epoch_ms"]),
        ended=_moment(info["completed_at_epoch_ms"]),
    )


def _request(status: Any) -> Mapping[str, Any]:
    arguments = (status.input or {}).get("args") or [{}]
    return arguments[0] if isinstance(arguments[0], dict) else {}


def _moment(milliseconds: int | None) -> datetime | None:
    return None if not milliseconds else datetime.fromtimestamp(milliseconds / 1000, UTC)
