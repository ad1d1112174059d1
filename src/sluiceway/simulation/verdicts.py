"""What the bundled rules ``sequential`` and ``mission`` come to, for many runs at once.

The real ones are Rego (``policies/canary``) over :func:`sluiceway.analysis.evidence`; this decides
nothing but simulated canaries. ``benchmarks/canary.py`` judges a sample of its runs by the real
evidence as well, and refuses to write a figure when one verdict differs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sluiceway.model import CanaryLimits
from sluiceway.record import Record
from sluiceway.simulation.drawing import TICK_SECONDS
from sluiceway.simulation.law import Floats
from sluiceway.simulation.series import Bools, Series

__all__ = ["KEYS", "Keys", "Verdicts", "verdicts"]


class Keys(Record):
    """The numbers of ``policies/canary/data.json``."""

    worse: float = 100.0
    beyond: float = 20.0
    corroborate: float = 10.0
    certify: float = 20.0
    sick_seconds: float = 120.0
    unsettled_share: float = 0.4
    minimum_good_requests: float = 30.0


KEYS = Keys()


class Verdicts(Record, kw_only=False):
    """When each run ended, in seconds; infinite where it did not within the simulated time."""

    rolled_back: Floats
    """Because something was found (outcome ``fail``)."""
    promoted: Floats
    given_up: Floats
    """Rolled back because the time was over without enough evidence (``inconclusive``,
    ``no-data``)."""
    held: Floats
    """Seconds for which the weight was held: a limit was broken and nobody could say by whom."""


class _Checks:
    """Checks of one limit: of what came since the last one, once that is enough."""

    def __init__(self, runs: int, minimum: int) -> None:
        self._minimum = max(1, minimum)
        self.requests, self.bad, self.stable, self.stable_bad = (np.zeros(runs) for _ in range(4))
        self.streak, self.over, self.measured = (np.zeros(runs, dtype=np.int64) for _ in range(3))
        self.good_at = np.zeros(runs)
        self.compared: Bools = np.zeros(runs, dtype=bool)
        """Stable had requests in the window of the last check."""
        self.shared: Bools = np.zeros(runs, dtype=bool)
        """Stable was over the limit as well."""

    def add(self, canary: tuple[Floats, Floats], stable: tuple[Floats, Floats]) -> Bools:
        self.requests, self.bad = self.requests + canary[0], self.bad + canary[1]
        self.stable, self.stable_bad = self.stable + stable[0], self.stable_bad + stable[1]
        return self.requests >= self._minimum

    def answered(self, now: float, asked: Bools, over: Bools, shared: Bools) -> None:
        self.measured += asked
        self.over += asked & over
        self.streak = np.where(asked, np.where(over, self.streak + 1, 0), self.streak)
        self.good_at = np.where(asked & ~over, now, self.good_at)
        self.compared = np.where(asked, self.stable > 0, self.compared)
        self.shared = np.where(asked, shared, self.shared)
        for name in ("requests", "bad", "stable", "stable_bad"):
            setattr(self, name, np.where(asked, 0.0, getattr(self, name)))

    def found(
        self, now: float, limits: CanaryLimits, agrees: Bools, literal: Bools, keys: Keys
    ) -> tuple[Bools, Bools]:
        """Return where the limit's break rolls back, and where it holds.

        Args:
            now: Seconds.
            limits: The canary's.
            agrees: The comparison does.
            literal: The limits are taken by themselves.
            keys: The policies' numbers.
        """
        breached, seconds = self.streak >= limits.consecutive, now - self.good_at
        counts = agrees | literal | ~self.compared
        since = self.streak - limits.consecutive
        lasting = self.shared & (seconds * since >= keys.sick_seconds * self.streak)
        outlasted = (
            agrees
            & ~literal
            & (self.streak >= max(2.0, limits.consecutive / 2))
            & (seconds >= limits.consecutive * limits.interval_seconds)
        )
        return breached & (counts | lasting) | outlasted, breached & ~counts & ~lasting


def verdicts(
    series: Series, limits: CanaryLimits, *, keys: Keys = KEYS, profile: str = ""
) -> Verdicts:
    """Return what becomes of each run of *series*.

    Args:
        series: As drawn; its ``slow`` must count what is beyond the limits' p99.
        limits: ``rule`` is ``sequential`` or ``mission``; one step.
        keys: The policies' numbers.
        profile: The evidence to use; the limits' own when left out.
    """
    of, runs = series.of, series.plan.runs
    evidence = profile or limits.profile
    ends = {name: np.full(runs, np.inf) for name in ("rolled_back", "promoted", "given_up")}
    held = np.zeros(runs)
    running: Bools = np.ones(runs, dtype=bool)
    errors, latency = (_Checks(runs, limits.minimum_check_requests) for _ in range(2))
    sick_polls, polls, good = (np.zeros(runs) for _ in range(3))
    sequential = limits.rule == "sequential"
    literal = not sequential or limits.limits == "literal"
    for tick in range(series.plan.ticks):
        now = (tick + 1) * TICK_SECONDS
        requests, bad, stable = (
            of[name][:, tick] for name in ("requests", "errors", "stable.requests")
        )
        asked = errors.add((requests, bad), (stable, of["stable.errors"][:, tick]))
        errors.answered(
            now,
            asked,
            _rate(errors.bad, errors.requests) > limits.error_rate_threshold,
            _rate(errors.stable_bad, errors.stable) > limits.error_rate_threshold,
        )
        asked = latency.add((requests, of["slow"][:, tick]), (stable, of["stable.slow"][:, tick]))
        latency.answered(
            now,
            asked,
            latency.bad > latency.requests - _rank(latency.requests),
            latency.stable_bad > latency.stable - _rank(latency.stable),
        )
        well = of["healthy"][:, tick] > 0
        sick_polls = np.where(well, 0, sick_polls + 1)
        polls = polls + ~well
        good = good + requests - bad

        failed: Bools = sick_polls >= limits.consecutive
        waits: Bools = np.zeros(runs, dtype=bool)
        late = not sequential or now >= limits.deadline_seconds
        telling: list[Bools] = []
        for stream, checks in (("errors", errors), ("latency", latency)):
            agrees = of[f"{evidence}/beyond.{stream}"][:, tick] >= keys.corroborate
            alone = literal | (stable <= 0)
            telling.append(
                (checks.streak > 0)
                & (agrees | alone | ~checks.compared | (checks.streak >= limits.consecutive))
            )
            broken, sick = checks.found(now, limits, agrees, alone, keys)
            failed, waits = failed | broken, waits | (sick & (not late))
        if sequential:
            failed = failed | (
                (of[f"{evidence}/worse.together"][:, tick] >= keys.worse)
                & (of[f"{evidence}/beyond.together"][:, tick] >= keys.beyond)
            )
        _end(ends["rolled_back"], running & failed, now)
        running = running & ~failed
        held = held + TICK_SECONDS * (running & waits)
        if now < limits.duration_seconds:
            continue
        lacking = telling[0] | telling[1]
        lacking = lacking | _unsettled((errors, latency), sick_polls, polls, tick + 1, limits, keys)
        least = limits.minimum_requests
        if sequential:
            safe = np.minimum(
                of[f"{evidence}/safe.errors"][:, tick], of[f"{evidence}/safe.latency"][:, tick]
            )
            lacking = lacking | (safe < keys.certify)
            least = max(least, int(keys.minimum_good_requests))
        lacking = lacking | (good < least) | (errors.measured < 1) | (latency.measured < 1)
        passed = running & ~waits & ~lacking
        _end(ends["promoted"], passed, now)
        given = running & ~waits & lacking & late
        _end(ends["given_up"], given, now)
        running = running & ~passed & ~given
    return Verdicts(held=held, **ends)


def _rate(bad: Floats, requests: Floats) -> Floats:
    percent: Floats = 100.0 * np.minimum(bad, requests) / np.maximum(requests, 1.0)
    return percent


def _rank(answers: Floats) -> Floats:
    rank: Floats = (99.0 * answers + 99.0) // 100.0
    return rank


def _end(ends: Floats, which: Bools, now: float) -> None:
    ends[which] = now


def _unsettled(
    streams: tuple[_Checks, _Checks],
    sick_polls: Floats,
    polls: Floats,
    asked: int,
    limits: CanaryLimits,
    keys: Keys,
) -> npt.NDArray[np.bool_]:
    errors, latency = streams
    found = sick_polls > 0
    for over, measured in (
        (polls, asked),
        (errors.over, errors.measured),
        (latency.over, latency.measured),
    ):
        found = found | ((over >= limits.consecutive) & (over >= keys.unsettled_share * measured))
    found = found | (
        (errors.bad >= limits.consecutive)
        & (errors.bad * 100.0 > limits.error_rate_threshold * errors.requests)
    )
    unsettled: npt.NDArray[np.bool_] = found | (latency.bad >= limits.consecutive)
    return unsettled
