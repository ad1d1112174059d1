"""What other tools would count of the same ticks, with their settings as they come.

For comparison: a canary may be judged by the rule of Flagger, of Argo Rollouts or of Kayenta's
judge, given the same limits, one check for each look, and a window of one minute. These are rules
written again after the tools' own code and documents, not the tools: readiness and weights are not
part of them.

* **Flagger** counts failed checks in all; a good one between them takes nothing back. A check
  without requests has failed (``pkg/controller/scheduler.go``).
* **Argo Rollouts** counts failed measurements for each metric, and is over with one more than its
  ``failureLimit`` (``analysis/analysis.go``). A measurement without requests is an error; more than
  four in a row end it.
* **Kayenta** compares the series of both sides once, at the end: a Mann-Whitney test for each
  metric with a tolerance of a quarter (``NetflixACAJudge``, ``MannWhitneyClassifier``); the score is
  the share of metrics that pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.analysis.counters import Counters
from sluiceway.model import CanaryLimits
from sluiceway.record import Record

__all__ = ["PEERS", "Point", "counted", "noted"]

PEERS = ("flagger", "argo", "kayenta")
_WINDOW_SECONDS = 60.0
_TOLERANCE = 0.25
_NORMAL_98 = 2.3263478740408408
"""Quantile of the normal distribution that leaves one hundredth above it: 98 % on two sides."""
_NO_DATA_SHARE = 0.5


class Point(Record):
    """One tick, as much of it as these rules read."""

    at: float
    """Watched seconds."""
    requests: int
    errors: int
    answered: int
    slow: int
    """Answers over the limit of the p99."""
    p99: float | None
    stable_rate: float | None
    stable_p99: float | None


def noted(
    series: tuple[Point, ...],
    at: float,
    canary: Counters,
    stable: Counters | None,
    limits: CanaryLimits,
) -> tuple[Point, ...]:
    """Return *series* after one tick; always empty where no rule reads it."""
    if limits.rule not in PEERS:
        return ()
    point = Point(
        at=at,
        requests=canary.requests,
        errors=min(canary.errors, canary.requests),
        answered=canary.answered,
        slow=canary.slower_than(limits.latency_p99_threshold_ms),
        p99=canary.p99,
        stable_rate=stable.error_rate if stable else None,
        stable_p99=stable.p99 if stable else None,
    )
    return (*series, point)


def counted(series: Sequence[Point], limits: CanaryLimits, *, over: bool) -> dict[str, Any]:
    """Return what the rule that *limits* name reads; nothing for any other rule.

    ``{"flagger": {"checks", "failed"}}``, ``{"argo": {"measurements", "failed", "errors_in_a_row"}}``
    (the worse of its two metrics) or ``{"kayenta": {"points", "score"}}``, whose score, from 0 to
    100, is ``null`` until the watch is *over*.
    """
    if limits.rule == "flagger":
        return {"flagger": _flagger(_checks(series, limits))}
    if limits.rule == "argo":
        return {"argo": _argo(_checks(series, limits))}
    if limits.rule == "kayenta":
        score = _score(series) if over else None
        return {"kayenta": {"points": len(series), "score": score}}
    return {}


_Check = tuple[bool | None, bool | None]
"""Whether the error rate and the p99 of one window are good; ``None`` without data."""


def _checks(series: Sequence[Point], limits: CanaryLimits) -> list[_Check]:
    found, first = [], 0
    requests = errors = answered = slow = 0
    for point in series:
        requests, errors = requests + point.requests, errors + point.errors
        answered, slow = answered + point.answered, slow + point.slow
        while series[first].at <= point.at - _WINDOW_SECONDS:
            old, first = series[first], first + 1
            requests, errors = requests - old.requests, errors - old.errors
            answered, slow = answered - old.answered, slow - old.slow
        rated = 100.0 * errors <= limits.error_rate_threshold * requests if requests else None
        # The request of rank ceil(0.99 n) is not slow.
        timed = answered - slow >= -(-99 * answered // 100) if answered else None
        found.append((rated, timed))
    return found


def _flagger(checks: Sequence[_Check]) -> Mapping[str, int]:
    failed = sum(not (rated and timed) for rated, timed in checks)
    return {"checks": len(checks), "failed": failed}


def _argo(checks: Sequence[_Check]) -> Mapping[str, int]:
    failed, blind = 0, 0
    for metric in (0, 1):
        answers = [check[metric] for check in checks]
        failed = max(failed, sum(answer is False for answer in answers))
        in_a_row = 0
        for answer in reversed(answers):
            if answer is not None:
                break
            in_a_row += 1
        blind = max(blind, in_a_row)
    return {"measurements": len(checks), "failed": failed, "errors_in_a_row": blind}


def _score(series: Sequence[Point]) -> float:
    metrics = (
        (
            [100.0 * each.errors / each.requests for each in series if each.requests],
            [each.stable_rate for each in series if each.stable_rate is not None],
        ),
        (
            [each.p99 for each in series if each.p99 is not None],
            [each.stable_p99 for each in series if each.stable_p99 is not None],
        ),
    )
    known = [(here, there) for here, there in metrics if here and there]
    if len(metrics) - len(known) >= _NO_DATA_SHARE * len(metrics):
        return 0.0
    return 100.0 * sum(not _is_high(here, there) for here, there in known) / len(known)


def _is_high(here: Sequence[float], there: Sequence[float]) -> bool:
    """Say whether the canary's values lie above stable's by more than is tolerated."""
    # A p99 beyond every bucket is as far away as a float goes, and still a number.
    here, there = ([min(each, 1e9) for each in side] for side in (here, there))
    if here == there or sum(here) / len(here) < sum(there) / len(there):
        return False
    shifts = sorted(a - b for a in here for b in there)
    pairs = len(shifts)
    middle = (shifts[(pairs - 1) // 2] + shifts[pairs // 2]) / 2.0
    spread = math.sqrt(pairs * (len(here) + len(there) + 1) / 12.0)
    rank = round(pairs / 2.0 - _NORMAL_98 * spread)
    lowest = shifts[max(rank, 1) - 1]
    return lowest > _TOLERANCE * abs(middle)
