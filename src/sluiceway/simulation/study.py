"""What a rule would make of a service's canaries: many runs of nothing wrong, and of each fault.

Every run goes through the pure functions that judge a real canary
(:mod:`~sluiceway.simulation.runs`); only the traffic is drawn.
"""

from __future__ import annotations

import math
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from sluiceway.analysis import Tick, rules
from sluiceway.model import CanaryLimits
from sluiceway.record import Record
from sluiceway.simulation.drawing import TICK_SECONDS, draw
from sluiceway.simulation.faults import FAULTS, HEALTHY, Fault
from sluiceway.simulation.runs import Decide, Run, follow, tick_of
from sluiceway.simulation.weather import WEATHERS, Cell

__all__ = ["Study", "advice", "interval", "scenario", "simulated"]

_AT_ONCE = 25
_WORTH_A_PROCESS = 100
"""Runs below which starting other processes takes longer than they would save."""
_Z95 = 1.96
_MOST = 50.0
"""Percent: a canary that takes half of the traffic is no canary any more."""


class Study(Record):
    """What is simulated."""

    limits: CanaryLimits
    weather: str = "base"
    rps: float = 50.0
    error_percent: float = 1.0
    faults: tuple[str, ...] = ()
    runs: int = 200
    """Of a healthy canary; of each fault half as many."""
    seed: int = 1

    @property
    def ticks(self) -> int:
        """Until every step must have ended."""
        longest = max(self.limits.deadline_seconds, self.limits.duration_seconds)
        return math.ceil(longest * len(self.limits.weights) / TICK_SECONDS)

    @property
    def scenarios(self) -> tuple[Fault, ...]:
        """Nothing wrong, and each fault."""
        return (HEALTHY, *(FAULTS[name] for name in self.faults))

    def cell(self, weight: float) -> Cell:
        """Return the service's traffic with the canary at *weight* percent."""
        return Cell(rps=self.rps, error_percent=self.error_percent, weight=weight)


def simulated(
    study: Study, decide: Decide | None = None, *, workers: int = 1
) -> Iterator[dict[str, Any]]:
    """Yield each scenario's numbers (:func:`scenario`), nothing wrong first.

    Args:
        study: What is simulated.
        decide: The gate. ``None``: the pure twin of the bundled rules, which may be asked in
            several processes at once.
        workers: So many processes.
    """
    chunks = {
        fault.name: [
            (number, part, min(_AT_ONCE, runs - part * _AT_ONCE))
            for part in range(math.ceil(runs / _AT_ONCE))
        ]
        for number, fault in enumerate(study.scenarios)
        for runs in [study.runs if fault is HEALTHY else max(1, study.runs // 2)]
    }
    if decide is not None or workers < 2 or study.runs < _WORTH_A_PROCESS:  # noqa: PLR2004 - several
        one = partial(_chunk, study, decide or rules.decide)
        for fault in study.scenarios:
            parts = [one(chunk) for chunk in chunks[fault.name]]
            yield scenario(study, fault, [run for part in parts for run in part])
        return
    # spawn: a copy of a process with threads may hold a lock that nobody lets go.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        asked = {
            name: [pool.submit(_chunk, study, rules.decide, chunk) for chunk in found]
            for name, found in chunks.items()
        }
        for fault in study.scenarios:
            runs = [run for future in asked[fault.name] for run in future.result()]
            yield scenario(study, fault, runs)


def _chunk(study: Study, decide: Decide, chunk: tuple[int, int, int]) -> list[Run]:
    number, part, runs = chunk
    drawn = {
        weight: list(
            draw(
                WEATHERS[study.weather],
                study.cell(weight),
                study.scenarios[number],
                runs=runs,
                ticks=study.ticks,
                seed=[study.seed, number, part],
            )
        )
        for weight in set(study.limits.weights)
    }

    def traffic(run: int, weight: float, number: int) -> Tick:
        return tick_of(drawn[weight][number], run)

    return [follow(partial(traffic, run), study.ticks, study.limits, decide) for run in range(runs)]


def scenario(study: Study, fault: Fault, runs: Sequence[Run]) -> dict[str, Any]:
    """Return one scenario's numbers as plain JSON data.

    ``{"name", "words", "runs", "rolled_back", "given_up", "promoted": {"count", "share", "low",
    "high"}, "promoted_at_once": share promoted when the (last) step's duration was over, "median",
    "p90": seconds to the rollback, null for never, "codes": code to runs that ended with it,
    "curve": {"seconds", "rolled_back", "given_up", "promoted", "worse", "safe"}}``. Given up: taken
    back because there was not enough evidence by the deadline. Shares have 95 % intervals; the
    curve's shares are of all runs, its evidence is the median run's.
    """
    kinds = [_kind(run) for run in runs]
    rollbacks = [
        run.seconds if kind == "rolled_back" else math.inf
        for run, kind in zip(runs, kinds, strict=True)
    ]
    seconds = [(tick + 1) * TICK_SECONDS for tick in range(study.ticks)]
    soon = study.limits.duration_seconds * len(study.limits.weights)

    def upto(kind: str) -> list[float]:
        ends = [run.seconds for run, each in zip(runs, kinds, strict=True) if each == kind]
        return [round(sum(end <= now for end in ends) / len(runs), 6) for now in seconds]

    return {
        "name": fault.name,
        "words": fault.words,
        "runs": len(runs),
        **{
            kind: _counted(kinds.count(kind), len(runs))
            for kind in ("rolled_back", "given_up", "promoted")
        },
        "promoted_at_once": round(
            sum(
                kind == "promoted" and run.seconds <= soon
                for run, kind in zip(runs, kinds, strict=True)
            )
            / len(runs),
            6,
        ),
        "median": _quantile(rollbacks, 0.5),
        "p90": _quantile(rollbacks, 0.9),
        "codes": dict(sorted(Counter(code for run in runs for code in run.last.codes).items())),
        "curve": {
            "seconds": seconds,
            **{kind: upto(kind) for kind in ("rolled_back", "given_up", "promoted")},
            "worse": _middle(runs, study.ticks, lambda run, at: run.looks[at].worse),
            "safe": _middle(runs, study.ticks, lambda run, at: run.looks[at].safe),
        },
    }


def _kind(run: Run) -> str:
    return {"pass": "promoted", "fail": "rolled_back", "running": "running"}.get(
        run.outcome, "given_up"
    )


def _middle(runs: Sequence[Run], ticks: int, value: Callable[[Run, int], float]) -> list[float]:
    """Return the median by tick; a run that has ended stays as it was."""
    return [
        float(
            f"{sorted(value(run, min(tick, len(run.looks) - 1)) for run in runs)[len(runs) // 2]:.6g}"
        )
        for tick in range(ticks)
    ]


def _quantile(times: Sequence[float], share: float) -> float | None:
    found = sorted(times)[max(0, math.ceil(share * len(times)) - 1)]
    return None if math.isinf(found) else found


def _counted(count: int, runs: int) -> dict[str, Any]:
    low, high = interval(count, runs)
    return {
        "count": count,
        "share": round(count / runs, 6),
        "low": round(low, 6),
        "high": round(high, 6),
    }


def interval(count: int, runs: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share that was *count* of *runs*."""
    share, wide = count / runs, _Z95**2 / runs
    middle = (share + wide / 2.0) / (1.0 + wide)
    reach = _Z95 / (1.0 + wide) * math.sqrt(share * (1.0 - share) / runs + wide / (4.0 * runs))
    # Rounding must not leave the share itself outside.
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))


def advice(study: Study, healthy: dict[str, Any]) -> list[str]:
    """Return what to change, one sentence each: where healthy canaries are not certified in time,
    and where too many of them are rolled back.
    """
    found = []
    if healthy["rolled_back"]["low"] > _ACCEPTABLE:
        remedy = (
            'where stable\'s own instances differ that much, set profile = "noisy"'
            if study.limits.rule == "sequential" and study.limits.profile == "default"
            else 'rule = "sequential" compares with stable instead'
            if study.limits.rule != "sequential"
            else "lower the weight, or warm the canary up before it gets traffic"
        )
        found.append(
            f"{100 * healthy['rolled_back']['share']:.1f} % of healthy canaries are rolled back: "
            f"{remedy}."
        )
    if study.limits.rule == "sequential" and healthy["promoted_at_once"] < _ENOUGH:
        found.append(_more_traffic(study, healthy))
    return found


_ACCEPTABLE, _ENOUGH = 0.01, 0.8
_SPREAD = 2.3
"""What a certificate takes beyond its mean, so that four of five healthy canaries have theirs."""


def _more_traffic(study: Study, healthy: dict[str, Any]) -> str:
    rate, margin = study.error_percent / 100.0, 0.02
    # Nats that one healthy request is worth against "two points more", at its best bet.
    worth = margin - rate * math.log1p(margin / rate) if rate else margin
    requests = _SPREAD * math.log(20.0) / worth
    limits = study.limits
    seconds = limits.duration_seconds
    weight = limits.weights[-1]
    needed = 100.0 * requests / (study.rps * seconds)
    lead = (
        f"{100 * healthy['promoted_at_once']:.0f} % of healthy canaries are shown to be safe after "
        f"{seconds / 60:g} min: it takes about {requests:.0f} canary requests, and {weight:g} % of "
        f"{study.rps:g} rps are {study.rps * weight / 100.0 * seconds:.0f}. Information grows with "
        "canary requests: "
    )
    if needed <= weight:
        return lead + "give it some minutes more (health_timeout_minutes, deadline_minutes)."
    if needed <= _MOST:
        return lead + f"raise traffic_percent to {math.ceil(needed):g}."
    longer = math.ceil(requests / (study.rps * _MOST / 100.0) / 60.0)
    return (
        lead + f"with traffic_percent = {_MOST:g} it takes {longer} min (health_timeout_minutes)."
    )
