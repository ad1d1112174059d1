"""Durable execution on DBOS Transact: start a run, find the ones left behind, take one over.

Each process has its own executor id, so starting a second process never re-executes the first
one's live run; a run is taken over by ``resume`` only, when its lease has run out.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos._serialization import Serializer

from sluiceway.errors import ActionFailed, UsageError
from sluiceway.record import Record
from sluiceway.runs.sqlite import teach_where_needed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JSON", "Left", "Runtime", "database_words", "running"]

_APPLICATION_VERSION = "1"
"""Fixed: every process may take over any run (a changed workflow gets a new name instead)."""
_LEFT_BEHIND = ("PENDING", "ENQUEUED")


class _Json(Serializer):
    """JSON instead of pickle: reading a shared database must never run somebody's code."""

    def serialize(self, data: Any) -> str:
        if isinstance(data, BaseException):
            data = {"__error__": f"{type(data).__name__}: {data}"}
        return json.dumps(data, allow_nan=False)

    def deserialize(self, serialized_data: str) -> Any:
        data = json.loads(serialized_data)
        if isinstance(data, dict) and "__error__" in data:
            return RuntimeError(data["__error__"])
        return data

    def name(self) -> str:
        return "sluiceway_json"


JSON = _Json()
"""How everything of a run is stored."""


class Left(Record):
    """A run that nobody finished."""

    run: str
    workflow: str
    request: Mapping[str, Any]
    started: datetime


class Runtime:
    """A launched DBOS in this process."""

    def __init__(self, executor: str, state: Path) -> None:
        self._queue = f"takeover-{executor}"
        self._path = state / "runs.db"

    def start(
        self,
        workflow: Callable[[dict[str, Any]], dict[str, Any]],
        run: str,
        request: dict[str, Any],
    ) -> Any:
        """Start *workflow* as *run* in a thread and return its handle."""
        with self._readable(), SetWorkflowID(run):
            return DBOS.start_workflow(workflow, request)

    def take_over(self, run: str) -> Any:
        """Continue *run* in this process, and in no other, from its first unfinished step."""
        with self._readable():
            DBOS.register_queue(self._queue, polling_interval_sec=0.05, on_conflict="always_update")
            return DBOS.resume_workflow(run, queue_name=self._queue)

    def left_behind(self) -> tuple[Left, ...]:
        """Return the runs that are not finished, live ones included, oldest first."""
        with self._readable():
            found = DBOS.list_workflows(status=list(_LEFT_BEHIND), load_input=True)
            return tuple(_left(status) for status in found)

    def find(self, run: str) -> Left | None:
        """Return *run* if it is not finished. An unknown run is a :class:`UsageError`."""
        with self._readable():
            for status in DBOS.list_workflows(workflow_ids=[run]):
                return _left(status) if status.status in _LEFT_BEHIND else None
        raise UsageError(
            f"there is no run {run!r}",
            remedy="`invoke status` names every run that was cut off, and `invoke resume` ends them all.",
            code="run.unknown",
        )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise _unreadable(self._path, error) from error


@contextmanager
def running(state: Path) -> Iterator[Runtime]:
    """Launch DBOS on the state folder's ``runs.db`` for the duration of the block."""
    from sluiceway.runs import workflows  # noqa: F401 - registers the workflows by name

    executor = secrets.token_hex(8)
    # DBOS writes to the stderr of its first launch; what a person should see goes through events.
    logging.getLogger("dbos").handlers = [logging.NullHandler()]
    config: DBOSConfig = {
        "name": "sluiceway",
        "system_database_url": f"sqlite:///{state / 'runs.db'}",
        "executor_id": executor,
        "application_version": _APPLICATION_VERSION,
        "serializer": JSON,
        "log_level": "CRITICAL",
        "console_log_level": "CRITICAL",
        "notification_listener_polling_interval_sec": 0.05,
    }
    runtime = Runtime(executor, state)
    teach_where_needed()
    try:
        DBOS(config=config)
        DBOS.listen_queues([runtime._queue])  # noqa: SLF001 - one thing in two halves
        DBOS.launch()
    except Exception as error:
        DBOS.destroy()
        raise _unreadable(state / "runs.db", error) from error
    try:
        yield runtime
    finally:
        DBOS.destroy()


def database_words(error: Exception) -> str:
    """Return what the database said, without the statement and its values, which say nothing to people."""
    return str(getattr(error, "orig", None) or error)


def _unreadable(path: Path, error: Exception) -> ActionFailed:
    return ActionFailed(
        f"the runs in {path} cannot be opened: {database_words(error)}",
        means="A run that could not survive being killed is not begun.",
        remedy="Check that the folder is writable and the file is not damaged; restore it from a "
        "backup. Where there is none, see with `invoke status` that no canary has traffic, then move "
        "the file away: runs that were cut off can no longer be resumed.",
        code="runs.unreadable",
    )


def _left(status: Any) -> Left:
    arguments = (status.input or {}).get("args") or [{}]
    created = datetime.fromtimestamp((status.created_at or 0) / 1000, UTC)
    return Left(
        run=status.workflow_id,
        workflow=status.name,
        request=arguments[0] if isinstance(arguments[0], dict) else {},
        started=created,
    )
