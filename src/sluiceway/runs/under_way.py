"""Which runs have not ended: who carries each, how far it is, and how to end it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.ledger import Lease
from sluiceway.model import parse_time, rfc3339
from sluiceway.runs.context import ending_of, holder_is_gone
from sluiceway.runs.recorded import Recorded, unfinished
from sluiceway.workbench import Workbench

__all__ = ["row", "rows"]

_LOOKS = ("canary.begin", "canary.tick.", "blue-green.switch", "blue-green.look.")


def rows(bench: Workbench) -> list[dict[str, Any]]:
    """Return one :func:`row` for each run of the service that has not ended, the oldest first.

    Raises:
        ActionFailed: ``runs.unreadable``.
    """
    found = unfinished(bench.project.state, bench.config.service)
    return [row(each, bench.ledger.lease(str(each.request.get("lease", "")))) for each in found]


def row(kept: Recorded, lease: Lease | None) -> dict[str, Any]:
    """Say how *kept*, which has not ended, stands; pure but for a look at the holder's process.

    Args:
        kept: The run.
        lease: What is in force where the run acts, whoever holds it.

    Returns:
        ``{"run", "workflow", "source", "target", "started", "carried_by", "end", "look"}``:
        *carried_by* is empty when nobody carries it, *end* what ends it: the command that takes it
        over, or how its process is told to undo it. *look* is ``None`` where nothing is watched,
        or ``{"at", "seconds", "of_seconds", "weight", "verdict", "reason"}`` of the newest look.
    """
    carried = ""
    if lease is not None and lease.run == kept.run and not holder_is_gone(lease.holder):
        carried = lease.holder
    return {
        "run": kept.run,
        "workflow": kept.workflow,
        "source": kept.request.get("source", ""),
        "target": kept.request.get("target", ""),
        "started": rfc3339(kept.started) if kept.started else None,
        "carried_by": carried,
        "end": ending_of(carried) if carried else f"`invoke resume --run={kept.run}`",
        "look": _look(kept),
    }


def _look(kept: Recorded) -> dict[str, Any] | None:
    looks: list[Mapping[str, Any]] = [
        step.value
        for step in kept.steps
        if step.name.startswith(_LOOKS) and isinstance(step.value, Mapping)
    ]
    if not looks:
        return None
    last = looks[-1]
    at, since = parse_time(last["at"]), parse_time(last["started_at"])
    return {
        "at": last["at"],
        "seconds": round((at - since).total_seconds(), 1),
        "of_seconds": kept.request["limits"]["duration_seconds"],
        "weight": last["weight"],
        "verdict": last["verdict"],
        "reason": last["reason"],
    }
