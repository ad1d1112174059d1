"""One look at a release that is being watched: asking the gate, and keeping what it said.

A canary (:mod:`sluiceway.runs.watching`) and the soak of a switch (:mod:`sluiceway.runs.soak`) differ
in what they renew, in when they end and in what they call it; what a look asks is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from sluiceway import policy
from sluiceway.analysis import Watch
from sluiceway.errors import SluicewayError
from sluiceway.gates.canary import Step, canary_input
from sluiceway.gates.decide import Judged
from sluiceway.model import Actor, Decision, Image, Level, Status, parse_time, rfc3339
from sluiceway.runs import promote
from sluiceway.runs.context import RunContext
from sluiceway.runs.deciding import keep_decision

__all__ = ["PASSED", "SHOWN", "Looking", "called", "detected", "unwatched"]

PASSED = "pass"
"""The outcome of a watch after which the release goes on."""
SHOWN = (
    "code",
    "codes",
    "decision",
    "ended",
    "evidence",
    "needed",
    "number",
    "outcome",
    "reason",
    "step",
    "verdict",
    "watch",
    "weight",
)
"""What of a look its event carries."""
_FIRST = "canary.worse"
"""Of several codes the one that is named: both sides were compared, which says most."""
_STREAMS = {
    "canary.error-rate": "error_rate",
    "canary.health": "health",
    "canary.latency": "latency_p99",
    "canary.unseen": "sight",
}
"""Codes that a streak decides, with its name in the evidence."""
_STATUS = {
    PASSED: Status.OK,
    "fail": Status.FAILED,
    "no-data": Status.NO_DATA,
    "error": Status.ERROR,
}


class Looking:
    """What every look of one watch has in common.

    Args:
        context: The run.
        request: What was asked for, with the limits.
        image: What is watched.
        asked: Who asks, and the signed request.
    """

    def __init__(
        self,
        context: RunContext,
        request: Mapping[str, Any],
        image: Image,
        asked: Mapping[str, Any],
    ) -> None:
        self.context = context
        self.bench = context.bench
        self.request = request
        self.image = image
        self.asked = asked
        self.environment = context.bench.config.environment(request["target"])
        self.limits = promote.limits_of(request)

    def wait_for(self, before: Mapping[str, Any], number: int, renew: Callable[[], bool]) -> float:
        """Wait until look *number* is due, and return for how many seconds nobody had watched.

        More than the lease lasts ends the wait, and *renew* is not called after it: whoever was stopped
        meanwhile (SIGSTOP, a closed laptop) wakes up here, and must not give a release traffic again
        that it had lost because nobody looked.

        Args:
            before: The look before.
            number: The look that is waited for.
            renew: Called where the lease is shorter than the interval; False ends the wait.
        """
        seconds, interval = self.context.seconds, self.limits.interval_seconds
        blind = _unwatched_seconds(before)
        due = parse_time(before["started_at"]).timestamp() + number * interval
        woke = time.time()
        while (left := due - time.time()) > 0 and blind <= seconds:
            self.context.wait(min(left, seconds / 3))
            blind = max(blind, time.time() - woke)
            if left > seconds / 3 and blind <= seconds and not renew():
                break
            woke = time.time()
        return blind

    @cached_property
    def policies(self) -> policy.Bundle | SluicewayError:
        """One watch is judged by one set of rules, also while a registry is out of reach."""
        return self.bench.bundle()

    def ask(self, state: Watch, step: Step, now: datetime) -> Judged:
        """Have the gate ``canary`` judge what was seen until *now*."""
        document = canary_input(
            service=self.bench.config.service,
            rehearsal=self.bench.config.rehearsal,
            watch=state,
            limits=self.limits,
            step=step,
            image=self.image,
            environment=self.environment.name,
            actor=Actor(**self.asked["actor"]),
            run=str(self.request["run"]),
            now=now,
        )
        return Judged(
            decision=policy.decide(self.bench.engine, self.policies, "canary", document, now=now),
            document=document,
            bundle=getattr(self.policies, "artifact", ""),
        )

    def keep(self, judged: Judged, of: str) -> dict[str, Any]:
        """Write a decision down, as that *of* one look."""
        return keep_decision(
            self.bench,
            self.request,
            self.image.digest,
            self.asked,
            judged,
            # Whoever takes a run over looks again, and is judged by what it sees.
            attempt=self.context.lease.token if self.context.taken_over else 0,
            of=of,
        )


def called(decision: Decision, state: Watch, consecutive: int, unjudged: int) -> dict[str, Any]:
    """Return what a *decision* of the gate ``canary`` comes to; pure.

    A gate that could not judge (no engine, no rules, a time-out) has no verdict: what is watched is
    held, and taken back when that happened *consecutive* times in a row (*unjudged* before this
    one), or at once when it is broken anyway.

    Returns:
        ``{"verdict", "outcome", "code", "codes", "status", "unjudged", "messages"}``.
    """
    denied = [each for each in decision.findings if each.level is Level.DENY]
    codes = list(dict.fromkeys(each.code for each in denied))
    messages = [each.message for each in denied or decision.advice]
    verdict, outcome = decision.verdict, decision.outcome
    if verdict:
        unjudged = 0
    else:
        unjudged += 1
        over = unjudged >= consecutive or state.ended
        verdict, outcome = ("rollback" if over else "hold"), "error"
        codes = ["canary.unjudged", *codes]
        times = "at this look" if unjudged == 1 else f"at {unjudged} looks in a row"
        broken = [f"{state.at_once.reason}."] if state.at_once is not None else []
        messages = [f"the gate could not judge the canary {times}.", *broken, *messages]
    code = next((each for each in codes if each == _FIRST), codes[0] if codes else "canary.passed")
    return {
        "verdict": verdict,
        "outcome": outcome,
        "code": code,
        "codes": codes,
        "status": _STATUS.get(outcome, Status.INCONCLUSIVE).value,
        "unjudged": unjudged,
        "messages": messages,
    }


def detected(codes: Iterable[str], evidence: Mapping[str, Any], now: datetime) -> datetime:
    """Return since when what *codes* say was seen: where a streak decided, since it began."""
    streams = evidence["streams"]
    seconds = [
        float(streams[_STREAMS[code]]["streak_seconds"]) for code in codes if code in _STREAMS
    ]
    return now - timedelta(seconds=max(seconds, default=0.0))


def _unwatched_seconds(before: Mapping[str, Any]) -> float:
    """Return for how long nobody has looked."""
    return (datetime.now(UTC) - parse_time(before["at"])).total_seconds()


def unwatched(before: Mapping[str, Any], number: int, reason: str) -> dict[str, Any]:
    """Return the look that ends a watch because nobody looked for too long."""
    now = rfc3339(datetime.now(UTC))
    return {
        **before,
        "verdict": "rollback",
        "outcome": "inconclusive",
        "code": "canary.unwatched",
        "codes": ["canary.unwatched"],
        "status": Status.INCONCLUSIVE.value,
        "reason": reason,
        "number": number,
        "decided_at": now,
        "detected_at": now,
        "ended": True,
    }
