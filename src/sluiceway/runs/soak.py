"""A switch under watch: look, have the gate ``canary`` decide, renew the lease or go back.

There is no stable side any more: the slot has all of the traffic, so the mission's limits count by
themselves. Every look is a remembered step, so counters survive ``kill -9``; a soak that was broken
for longer than the switch's lease ends in a switch back, because nobody looked.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluiceway import analysis, events
from sluiceway.analysis import Watch
from sluiceway.errors import ActionFailed
from sluiceway.gates.canary import Step, needed, sentence
from sluiceway.model import (
    Environment,
    Image,
    Observation,
    Traffic,
    rfc3339,
    to_json,
)
from sluiceway.runs import blue_green, canary
from sluiceway.runs.blue_green import Plan
from sluiceway.runs.context import RunContext
from sluiceway.runs.looking import (
    SHOWN,
    Looking,
    called,
    detected,
    unwatched,
)

__all__ = ["Soak", "about_slot"]

_ALL = 100.0
_THE_CANARY = re.compile(r"\bthe canary\b")
_CANARYS = re.compile(r"\bcanary (requests|answers)\b")


class Soak(Looking):
    """What every look of one soak has in common.

    Args:
        context: The run.
        request: What was asked for; ``limits`` are the soak's.
        planned: Which slot is switched to.
        image: What is in it.
        asked: Who asks, and the signed request.
    """

    def __init__(
        self,
        context: RunContext,
        request: Mapping[str, Any],
        planned: Plan,
        image: Image,
        asked: Mapping[str, Any],
    ) -> None:
        super().__init__(context, request, image, asked)
        self.planned = planned

    def watch(self) -> dict[str, Any]:
        """Switch, and look until the gate ``canary`` says that it is over.

        Returns the last look: ``verdict`` and ``outcome`` (the gate's words), ``code`` and ``codes``
        (why), ``status``, ``reason``, ``watch``, ``evidence``, ``decision``, ``started_at``, ``at``,
        ``decided_at``, ``detected_at``, ``weight``, ``number`` and ``ended``.
        """
        last = self.context.step("blue-green.switch", self.begin)
        number = 0
        while not last["ended"]:
            number += 1

            def look(number: int = number, before: Mapping[str, Any] = last) -> dict[str, Any]:
                return self.tick(before, number)

            last = self.context.step(f"blue-green.look.{number}", look)
        return dict(last)

    def begin(self) -> dict[str, Any]:
        """Give the slot everything, read it back, and take the first look."""
        traffic = blue_green.switch(
            self.context, self.environment, self.planned.slot, settled=False
        )
        events.emit(
            "canary.started",
            environment=_title(self.environment, self.planned),
            image=str(self.image),
            limits=to_json(self.limits),
            traffic=to_json(traffic),
        )
        now = rfc3339(datetime.now(UTC))
        fresh: dict[str, Any] = {
            "verdict": "",
            "codes": [],
            "decision": None,
            "unjudged": 0,
            "started_at": now,
        }
        return self._look(Watch(), fresh, 0)

    def tick(self, before: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Wait for the next moment to look, and look."""
        # Where the switch is no longer in force the next look says so, at once.
        blind = self.wait_for(before, number, self._renewed)
        if blind > self.context.seconds:
            return self._unwatched(before, number, blind)
        return self._look(Watch.from_json(before["watch"]), before, number)

    def _look(self, state: Watch, before: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Look first, and renew the switch only while it goes on: what went back stays back."""
        weight = 0.0
        observation: Observation | None = None
        try:
            observation = canary.observe(self.bench, self.environment, self.limits)
            weight = observation.weight
            state = analysis.advance(state, observation, self.limits)
        except ActionFailed as error:
            if error.code == "fence.stale":
                raise
            state = analysis.miss(state, time.monotonic(), error.what, self.limits)
        found = {
            "started_at": before["started_at"],
            "at": rfc3339(datetime.now(UTC)),
            "step": {"index": 0, "count": 1, "weight": _ALL},
            "weight": weight,
            "number": number,
            "watch": state.to_json(),
            **self._judged(state, before, number),
        }
        if not found["ended"] and weight >= _ALL:
            self._renewed()
        events.emit(
            "canary.tick",
            environment=_title(self.environment, self.planned),
            limits=to_json(self.limits),
            observation=to_json(observation),
            elapsed=state.seconds,
            remaining=max(self.limits.duration_seconds - state.seconds, 0.0),
            **{key: value for key, value in found.items() if key in SHOWN},
        )
        return found

    def _judged(self, state: Watch, before: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Ask the gate, and write its decision down when it is another one or the last."""
        now = datetime.now(UTC)
        judged = self.ask(state, Step(weight=_ALL), now)
        call = called(judged.decision, state, self.limits.consecutive, before["unjudged"])
        ended = call["verdict"] in ("promote", "rollback")
        decision = before["decision"]
        if ended or (call["verdict"], call["codes"]) != (before["verdict"], before["codes"]):
            decision = self.keep(judged, f"soak:{number}")
        evidence = judged.document["watch"]
        return {
            **call,
            "ended": ended,
            "reason": about_slot(sentence(call["messages"]), self.planned.slot),
            "evidence": evidence,
            "needed": needed(self.policies, self.limits),
            "decision": decision,
            "decided_at": rfc3339(now),
            "detected_at": rfc3339(detected(call["codes"], evidence, now)),
        }

    def _unwatched(self, before: Mapping[str, Any], number: int, seconds: float) -> dict[str, Any]:
        reason = (
            f"nobody watched {self.planned.slot} for {seconds:.0f} s; the traffic went back by "
            "itself meanwhile"
        )
        found = unwatched(before, number, reason)
        return {**found, "at": found["decided_at"]}

    def _renewed(self) -> bool:
        """Renew the switch when it is still in force; say whether it is."""
        try:
            traffic: Traffic = self.bench.plugins.one(
                "sluiceway_traffic", environment=self.environment
            )
            if traffic.live is None or traffic.live.name != self.planned.slot:
                return False
            blue_green.switch(self.context, self.environment, self.planned.slot, settled=False)
        except ActionFailed as error:
            if error.code == "fence.stale":
                raise
            return False  # the next look sees what became of it
        return True


def about_slot(text: str, slot: str) -> str:
    """Return what the gate ``canary`` says, with the name of the slot that was switched to.

    The gate is the same for both, and its words are about a canary: there is none after a switch.
    """
    text = _CANARYS.sub(rf"\1 of {slot}", text)
    return _THE_CANARY.sub(slot, text)


def _title(environment: Environment, planned: Plan) -> str:
    return f"{environment.name}, soak of {planned.slot}"
