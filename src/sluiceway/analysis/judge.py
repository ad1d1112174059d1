"""The rules: what a watch comes to. Deciding is apart from looking: no number is read or changed here.

Failed at once: the canary has crashed or was restarted, its weight is not the one that was set,
or its counters contradict what was read before.
Failed after ``limits.consecutive`` bad answers in a row, each stream with its own streak: the
health poll, the error rate, the p99. A check of the last two measures the window since the last
*measured* check; a window with too few requests is no measurement, stays open, and leaves the
streak as it is.
At the end of ``limits.duration_seconds`` a watch passes only on evidence.
"""

from __future__ import annotations

from dataclasses import replace

from sluiceway.analysis.outcome import Outcome, Verdict
from sluiceway.analysis.watch import Watch
from sluiceway.model import CanaryLimits

__all__ = ["UNSETTLED_SHARE", "judge"]

UNSETTLED_SHARE = 0.4
"""A watch does not pass when this share of a stream's answers (and at least ``consecutive`` of
them) were bad: a canary that fails every second check never fails three in a row."""


def judge(watch: Watch, limits: CanaryLimits) -> Watch:
    """Return *watch* with its verdict. What has ended stays ended."""
    if watch.verdict.ended:
        return watch
    found = _streaks(watch, limits)
    if found is None and watch.seconds >= limits.duration_seconds:
        found = _end(watch, limits)
    return watch if found is None else replace(watch, verdict=found)


def _streaks(watch: Watch, limits: CanaryLimits) -> Verdict | None:
    needed = limits.consecutive
    if watch.health.streak >= needed:
        detail = f" ({watch.health.detail})" if watch.health.detail else ""
        return _fail("canary.health", f"{watch.health.streak} health polls in a row failed{detail}")
    if watch.errors.streak >= needed:
        return _fail(
            "canary.error-rate",
            f"the error rate was over {limits.error_rate_threshold:g} % "
            f"at {watch.errors.streak} checks in a row",
        )
    if watch.latency.streak >= needed:
        return _fail(
            "canary.latency",
            f"the p99 was over {limits.latency_p99_threshold_ms:g} ms "
            f"at {watch.latency.streak} checks in a row",
        )
    if watch.sight.streak >= needed:
        return Verdict(
            outcome=Outcome.ERROR,
            code="canary.unseen",
            reason=f"{watch.sight.streak} looks in a row could not be made: {watch.sight.detail}",
        )
    return None


def _fail(code: str, reason: str) -> Verdict:
    return Verdict(outcome=Outcome.FAIL, code=code, reason=reason)


def _end(watch: Watch, limits: CanaryLimits) -> Verdict:
    """Judge a watch whose time is over; the first thing that is missing names the outcome."""
    return (
        _nothing_seen(watch, limits)
        or _bad_ending(watch)
        or _too_little(watch, limits)
        or _unsettled(watch, limits)
        or Verdict(
            outcome=Outcome.PASS,
            code="canary.passed",
            reason=f"{watch.errors.measured} checks of the error rate and "
            f"{watch.latency.measured} of the p99 held, and {watch.health.measured} health polls",
        )
    )


def _no_data(reason: str) -> Verdict:
    return Verdict(outcome=Outcome.NO_DATA, code="canary.no-data", reason=reason)


def _unsure(reason: str) -> Verdict:
    return Verdict(outcome=Outcome.INCONCLUSIVE, code="canary.unsettled", reason=reason)


def _nothing_seen(watch: Watch, limits: CanaryLimits) -> Verdict | None:
    if watch.sight.streak:
        return Verdict(
            outcome=Outcome.ERROR,
            code="canary.unseen",
            reason=f"the last look could not be made: {watch.sight.detail}",
        )
    if watch.canary is None:
        return _no_data("the canary's counters could never be read")
    if not watch.errors.measured:
        return _no_data(
            f"the error rate was never measured: {watch.requests} canary requests, "
            f"{limits.minimum_check_requests} make a check"
        )
    return None


def _bad_ending(watch: Watch) -> Verdict | None:
    for stream, what in (
        (watch.health, "the last health poll failed"),
        (watch.errors, "the error rate was over its limit at the last check"),
        (watch.latency, "the p99 was over its limit at the last check"),
    ):
        if stream.streak:
            return _unsure(f"the time was over when {what}")
    return None


def _too_little(watch: Watch, limits: CanaryLimits) -> Verdict | None:
    if not watch.latency.measured:
        answered = watch.canary.total.answered if watch.canary else 0
        return _no_data(
            f"the p99 was never measured: {answered} canary answers, "
            f"{limits.minimum_check_requests} make a check"
        )
    if watch.good_requests < limits.minimum_requests:
        return _no_data(
            f"{watch.good_requests} of {watch.requests} canary requests were good, "
            f"{limits.minimum_requests} good ones are needed"
        )
    if not watch.health.measured:
        return _no_data("the canary's health was never polled")
    return None


def _unsettled(watch: Watch, limits: CanaryLimits) -> Verdict | None:
    for stream, what in (
        (watch.sight, "looks could not be made"),
        (watch.health, "health polls failed"),
        (watch.errors, "checks of the error rate were over the limit"),
        (watch.latency, "checks of the p99 were over the limit"),
    ):
        if stream.over >= max(limits.consecutive, UNSETTLED_SHARE * stream.measured):
            return _unsure(
                f"{stream.over} of {stream.measured} {what}, though never enough in a row"
            )
    # Too few requests for a check, but enough bad ones among them to not look away.
    unfinished = watch.windows(watch.error_marks)
    if (
        unfinished is not None
        and unfinished[0].errors >= limits.consecutive
        and (unfinished[0].error_rate or 100.0) > limits.error_rate_threshold
    ):
        errors, requests = unfinished[0].errors, unfinished[0].requests
        return _unsure(f"{errors} of the last {requests} canary requests ended in errors")
    unfinished = watch.windows(watch.latency_marks)
    if unfinished is not None:
        slow = unfinished[0].slower_than(limits.latency_p99_threshold_ms)
        if slow >= limits.consecutive:
            return _unsure(
                f"{slow} of the last {unfinished[0].answered} canary answers took more than "
                f"{limits.latency_p99_threshold_ms:g} ms"
            )
    return None
