"""What other parameters would have made of a canary that really ran, from its recorded looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sluiceway.analysis import Counters, Tick, Watch
from sluiceway.analysis.watch import Stream, Tally
from sluiceway.errors import UsageError
from sluiceway.model import CanaryLimits
from sluiceway.simulation.runs import Decide, Run, follow

__all__ = ["recorded_ticks", "replayed"]


def recorded_ticks(run: str, looks: Sequence[Mapping[str, Any]]) -> list[Tick]:
    """Return what both sides did between the looks of a canary.

    Args:
        run: Its name, for errors.
        looks: What its steps ``canary.begin`` and ``canary.tick.N`` returned, in order; each has
            the ``watch`` after it.

    Raises:
        UsageError: ``simulate.no-looks``.
        ActionFailed: ``canary.state``: a watch cannot be read.
    """
    watches = [Watch.from_json(look["watch"]) for look in looks if "watch" in look]
    ticks: list[Tick] = []
    for before, after in pairwise(watches):
        if after.looks == before.looks or after.seconds <= before.seconds:
            continue
        canary = _window(before.canary, after.canary)
        history = None
        if not ticks and after.stable is not None:
            history = after.stable.first
        ticks.append(
            Tick(
                seconds=after.seconds - before.seconds,
                canary=canary or Counters(),
                stable=_window(before.stable, after.stable),
                healthy=_polled(before.health, after.health),
                history=history,
            )
        )
    if not ticks:
        raise UsageError(
            f"run {run} has no recorded looks at a canary",
            means="There is nothing to decide again.",
            remedy="`invoke history` lists runs; name one that watched a canary.",
            code="simulate.no-looks",
        )
    return ticks


def _window(before: Tally | None, after: Tally | None) -> Counters | None:
    """Return what came between two readings of one side; ``None`` where they cannot be compared."""
    if after is None:
        return None
    if before is None or before.digest != after.digest:
        return after.total
    try:
        return after.last.since(before.last)
    except ValueError:
        return None


def _polled(before: Stream, after: Stream) -> bool | None:
    if after.measured == before.measured:
        return None
    return after.over == before.over


def replayed(
    run: str,
    looks: Sequence[Mapping[str, Any]],
    limits: CanaryLimits,
    decide: Decide,
) -> dict[str, Any]:
    """Return what *decide* makes of the recorded looks under *limits*, as plain JSON data.

    ``{"run", "recorded": {"outcome", "seconds"}, "decided": {"outcome", "seconds"}, "looks":
    [{"seconds", "weight", "verdict", "outcome", "codes", "worse", "beyond", "safe"}], "notes"}``.
    """
    ticks = recorded_ticks(run, looks)
    found: Run = follow(lambda _, number: ticks[number], len(ticks), limits, decide)
    last = looks[-1]
    notes = []
    if found.outcome == "running":
        notes.append("The record ends before this would have been decided.")
    if len(limits.weights) > 1:
        notes.append("The recorded traffic is that of the recorded weights.")
    return {
        "run": run,
        "recorded": {
            "outcome": str(last.get("outcome", "")),
            "seconds": Watch.from_json(last["watch"]).seconds,
        },
        "decided": {"outcome": found.outcome, "seconds": found.seconds},
        "looks": [
            {
                "seconds": look.seconds,
                "weight": look.weight,
                "verdict": look.verdict,
                "outcome": look.outcome,
                "codes": list(look.codes),
                "worse": look.worse,
                "beyond": look.beyond,
                "safe": look.safe,
            }
            for look in found.looks
        ],
        "notes": notes,
    }
