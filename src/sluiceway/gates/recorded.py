"""Decisions as the ledger has them, to be explained or judged again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sluiceway.config.settings import nearest
from sluiceway.errors import UsageError
from sluiceway.model import parse_time
from sluiceway.policy.replaying import Recorded
from sluiceway.workbench import Workbench

if TYPE_CHECKING:
    from sluiceway.ledger import Entry

__all__ = ["find", "recorded"]

_LISTED = 5


def recorded(
    bench: Workbench, *, since: datetime | None = None, gate: str = ""
) -> tuple[Recorded, ...]:
    """Return this service's decisions, oldest first.

    Args:
        bench: The project.
        since: Only those made at or after this moment.
        gate: Only this gate's.

    Raises:
        ActionFailed: When the ledger was changed or cannot be read.
    """
    entries = bench.ledger.entries(kinds=("decision",), service=bench.config.service)
    found = (_record(entry) for entry in entries)
    return tuple(
        each
        for each in found
        if (since is None or each.at >= since) and gate in {"", each.decision["gate"]}
    )


def find(bench: Workbench, run: str) -> tuple[Recorded, tuple[Recorded, ...]]:
    """Return the newest decision of *run*, and every decision there is.

    Args:
        bench: The project.
        run: A run's id, the beginning of only one, or ``last``.

    Raises:
        UsageError: When there is none, or when several runs begin like this.
    """
    known = recorded(bench)
    if not known:
        raise UsageError(
            "the ledger has no decision yet",
            means="There is nothing to explain.",
            remedy="Promote something first, or give a file with a gate's input.",
            code="policy.no-record",
        )
    if run == "last":
        return known[-1], known
    runs = list(dict.fromkeys(record.run for record in known))
    matching = [run] if run in runs else [each for each in runs if each.startswith(run)]
    if len(matching) > 1:
        listed = ", ".join(matching[:_LISTED])
        more = f" and {len(matching) - _LISTED} more" if len(matching) > _LISTED else ""
        raise UsageError(
            f"{run!r} is the beginning of {len(matching)} runs: {listed}{more}",
            remedy="Give more of it.",
            code="policy.ambiguous-run",
        )
    if not matching:
        guess = nearest(run, runs)
        raise UsageError(
            f"no decision of a run {run!r} is recorded, and there is no such file",
            remedy=(f"Did you mean {guess}? " if guess else "")
            + "`invoke history` lists runs; `last` is the newest decision.",
            code="policy.no-record",
        )
    return [record for record in known if record.run == matching[0]][-1], known


def _record(entry: Entry) -> Recorded:
    decision: Mapping[str, Any] = entry.body["decision"]
    return Recorded(
        seq=entry.seq,
        run=entry.run,
        environment=entry.environment,
        at=parse_time(str(decision["at"])),
        decision=decision,
        document=entry.body["input"],
    )
