"""A canary under watch: look, have the gate ``canary`` decide, act on what it says, look again.

A look renews the weight's lease, reads both sides' counters, polls the canary's health and folds
what it saw into the watch; the gate decides from the watch's evidence. Every look is a remembered
step, so counters survive ``kill -9``; a watch that was broken for longer than the weight's lease
ends in a rollback, because nobody looked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sluiceway import analysis, events
from sluiceway.analysis import Watch
from sluiceway.errors import ActionFailed
from sluiceway.gates.canary import Step, needed, sentence
from sluiceway.model import (
    Image,
    Observation,
    Strategy,
    parse_time,
    rfc3339,
    to_json,
)
from sluiceway.runs import canary, promote
from sluiceway.runs.context import RunContext
from sluiceway.runs.looking import (
    PASSED,
    SHOWN,
    Looking,
    called,
    detected,
    unwatched,
)
from sluiceway.runs.telling import UNDER_WAY

__all__ = ["PASSED", "watch"]

_WORDS = {
    "continue": "Watching",
    "extend": "Watching on",
    "hold": "Held",
    "promote": "Passed",
    "rollback": "Roll back",
}


def watch(
    context: RunContext, request: Mapping[str, Any], image: Image, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the canary its weight and look until there is a verdict.

    Returns:
        The last look: ``verdict`` and ``outcome`` (the gate's words), ``code`` and ``codes`` (why),
        ``status``, ``reason`` (one sentence that names the rule), ``watch`` and ``evidence``,
        ``step`` and ``steps`` (each weight that was reached, and when), ``decision``,
        ``started_at``, ``at``, ``decided_at``, ``detected_at``, ``weight``, ``number`` and ``ended``.
    """
    watcher = _Watcher(context, request, image, asked)
    last = context.step("canary.begin", watcher.begin)
    number = 0
    while not last["ended"]:
        number += 1

        def look(number: int = number, before: Mapping[str, Any] = last) -> dict[str, Any]:
            return watcher.tick(before, number)

        before, last = last, context.step(f"canary.tick.{number}", look)
        if notable(before, last):

            def tell(seen: Mapping[str, Any] = last) -> dict[str, Any]:
                return watcher.tell(seen)

            context.step(f"canary.tell.{number}", tell)
    return dict(last)


def notable(before: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Say whether people should hear of a look: a new weight or another verdict.

    How a watch ends they hear when that has taken effect.
    """
    if seen["ended"]:
        return False
    now, then = ((look["verdict"], look["step"]["index"]) for look in (seen, before))
    # After a new weight it says "continue" again, which is no news.
    return now != then and (before["verdict"], seen["verdict"]) != ("promote", "continue")


class _Watcher(Looking):
    """A canary under watch."""

    def begin(self) -> dict[str, Any]:
        """Set the first weight, read it back, and take the first look."""
        step = self._step(0)
        traffic = canary.weigh(self.bench, self.environment, step["weight"], self.context.fence)
        now = rfc3339(datetime.now(UTC))
        events.emit(
            "canary.started",
            environment=self.environment.name,
            image=str(self.image),
            limits=to_json(self.limits),
            traffic=to_json(traffic),
        )
        fresh = {
            "verdict": "",
            "codes": [],
            "decision": None,
            "unjudged": 0,
            "started_at": now,
            "at": now,
            "step": step,
            "steps": [{"weight": step["weight"], "at": now}],
        }
        return self._look(Watch(), fresh, 0)

    def tick(self, before: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Wait for the next moment to look, and look."""

        def renew() -> bool:
            self._weigh(before["step"])
            return True

        blind = self.wait_for(before, number, renew)
        if blind > self.context.seconds:
            reason = (
                f"nobody watched the canary for {blind:.0f} s; its weight returned to 0 by itself "
                "meanwhile"
            )
            return unwatched(before, number, reason)
        return self._look(Watch.from_json(before["watch"]), before, number)

    def tell(self, seen: Mapping[str, Any]) -> dict[str, Any]:
        """Say what has changed; whoever does not listen is not waited for."""
        raised = seen["verdict"] == "promote"
        target, weight = self.request["target"], seen["step"]["weight"]
        return promote.notify(
            self.bench,
            "canary.step" if raised else "canary.verdict",
            self.request,
            digest=self.image.digest,
            summary=f"{target} goes on to {weight:g} %"
            if raised
            else f"{target} at {weight:g} %: {seen['verdict']}",
            actor=self.asked["actor"]["name"],
            reason=seen["reason"],
            facts={
                key: seen[key]
                for key in ("verdict", "outcome", "codes", "step", "number", "evidence")
            },
            patience=UNDER_WAY,
        )

    # -- one look ----------------------------------------------------------------------------------

    def _look(self, state: Watch, before: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Renew the weight, read both sides, fold, have it judged, and go on where it says so."""
        step, weight = before["step"], 0.0
        observation: Observation | None = None
        limits = replace(self.limits, traffic_percent=step["weight"])
        try:
            traffic = self._weigh(step)
            weight = canary.weight_of(traffic)
            if traffic.serving(Strategy.REPLACE) is None:
                # A first release: there is nothing to share the traffic with, so it has all of it.
                step = {"index": 0, "count": 1, "weight": 100.0}
                limits = replace(limits, traffic_percent=100.0)
            observation = canary.observe(self.bench, self.environment, self.limits)
            state = analysis.advance(state, observation, limits)
        except ActionFailed as error:
            if error.code == "fence.stale":
                raise
            state = analysis.miss(state, time.monotonic(), error.what, limits)
        found = {
            "started_at": before["started_at"],
            "at": rfc3339(datetime.now(UTC)),
            "step": step,
            "steps": before["steps"],
            "weight": weight,
            "number": number,
            **self._judged(state, step, before, number),
        }
        if found["verdict"] == "promote" and not found["ended"]:
            step, weight = self._raise(step)
            state = analysis.stepped(state)
            reached = {"weight": step["weight"], "at": rfc3339(datetime.now(UTC))}
            found |= {"step": step, "weight": weight, "steps": [*before["steps"], reached]}
        found["watch"] = state.to_json()
        elapsed = (parse_time(found["at"]) - parse_time(before["started_at"])).total_seconds()
        events.emit(
            "canary.tick",
            environment=self.environment.name,
            limits=to_json(limits),
            observation=to_json(observation),
            elapsed=elapsed,
            remaining=max(self.limits.duration_seconds - state.step_seconds, 0.0),
            **{key: found[key] for key in SHOWN},
        )
        return found

    def _judged(
        self, state: Watch, step: Mapping[str, Any], before: Mapping[str, Any], number: int
    ) -> dict[str, Any]:
        """Ask the gate, write its decision down when it is another one, and say it in words."""
        now = datetime.now(UTC)
        judged = self.ask(state, Step(**step), now)
        call = called(judged.decision, state, self.limits.consecutive, before["unjudged"])
        evidence = judged.document["watch"]
        last = step["index"] + 1 >= step["count"]
        ended = call["verdict"] == "rollback" or (call["verdict"] == "promote" and last)
        changed = (call["verdict"], call["codes"]) != (before["verdict"], before["codes"])
        decision = before["decision"]
        if changed or ended:
            decision = self.keep(judged, f"canary:{number}")
        return {
            **call,
            "ended": ended,
            "reason": f"{_WORDS[call['verdict']]}: {sentence(call['messages'])}",
            "evidence": evidence,
            "needed": needed(self.policies, self.limits),
            "decision": decision,
            "decided_at": rfc3339(now),
            "detected_at": rfc3339(detected(call["codes"], evidence, now)),
        }

    def _raise(self, step: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        following = self._step(step["index"] + 1)
        traffic = canary.raised(
            self.bench, self.environment, following["weight"], self.context.fence
        )
        return following, canary.weight_of(traffic)

    def _step(self, index: int) -> dict[str, Any]:
        weights = self.limits.weights
        return {"index": index, "count": len(weights), "weight": weights[index]}

    def _weigh(self, step: Mapping[str, Any]) -> Any:
        return canary.weigh(self.bench, self.environment, step["weight"], self.context.fence)
