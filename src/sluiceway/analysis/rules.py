"""The bundled rules of the gate ``canary`` once more, in Python: for simulations alone.

A real canary is decided by the policies (``policies/canary``), which a site may change. To know what
the bundled ones do in a hundred thousand simulated canaries, asking an engine each time is too slow;
a test holds both to the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sluiceway.analysis.peers import PEERS
from sluiceway.record import Record

__all__ = ["SETTINGS", "Call", "decide"]

SETTINGS: Mapping[str, Any] = {
    "keys": {"worse": 100, "beyond": 20, "corroborate": 10, "certify": 20},
    "minimum_good_requests": 30,
    "sick_seconds": 120,
    "unsettled_share": 0.4,
    "flagger": {"threshold": 3},
    "argo": {"failure_limit": 3, "consecutive_error_limit": 4},
    "kayenta": {"pass": 95},
}
"""As ``policies/canary/data.json``."""

_MISSION, _SEQUENTIAL = "mission", "sequential"
_CHECKED = {"error_rate": "errors", "latency_p99": "latency"}
_LIMITS = {"error_rate": "error_rate_threshold", "latency_p99": "latency_p99_threshold_ms"}
_CODES = {
    "health": "canary.health",
    "error_rate": "canary.error-rate",
    "latency_p99": "canary.latency",
}
_OUTCOMES = {
    "canary.no-data": "no-data",
    "canary.rule": "error",
    "canary.uncertified": "inconclusive",
    "canary.unseen": "error",
    "canary.unsettled": "inconclusive",
}
_EVERYTHING = 100  # percent
_FEWEST = 2
"""One bad check is a blip, however long ago the last good one was."""
_WORST = ("fail", "error", "no-data", "inconclusive")


class Call(Record):
    """What a rule says of one look."""

    verdict: str
    """``continue``, ``extend``, ``promote``, ``rollback`` or ``hold``."""
    outcome: str
    codes: frozenset[str]
    """Of the findings that deny; none with ``promote``."""


def decide(document: Mapping[str, Any], settings: Mapping[str, Any] = SETTINGS) -> Call:
    """Return what the bundled rules say of a gate's input.

    Args:
        document: The input of the gate ``canary``; read are ``parameters``, ``step`` and ``watch``
            (:func:`sluiceway.analysis.evidence`).
        settings: The numbers of ``data.canary``.
    """
    look = _Look(document["parameters"], document["step"], document["watch"], settings)
    against = frozenset(look.against())
    if against:
        return _call("rollback", against)
    if look.extendable and any(look.sick(lasting=False)):
        return _call("hold", frozenset({"canary.sick"}))
    if not look.over:
        return _call("continue", frozenset({"canary.watching"}))
    lacking = frozenset(look.lacking())
    if lacking:
        return _call("extend" if look.extendable else "rollback", lacking)
    last = look.step["index"] >= look.step["count"] - 1
    return Call(verdict="promote", outcome="pass" if last else "running", codes=lacking)


def _call(verdict: str, codes: frozenset[str]) -> Call:
    if verdict != "rollback":
        return Call(verdict=verdict, outcome="running", codes=codes)
    outcomes = {_OUTCOMES.get(code, "fail") for code in codes}
    outcome = next(each for each in _WORST if each in outcomes)
    return Call(verdict=verdict, outcome=outcome, codes=codes)


class _Look(Record, kw_only=False):
    parameters: Mapping[str, Any]
    step: Mapping[str, Any]
    watch: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def rule(self) -> str:
        return str(self.parameters["rule"])

    @property
    def limited(self) -> bool:
        return self.rule in {_MISSION, _SEQUENTIAL}

    @property
    def over(self) -> bool:
        return bool(self.watch["step_seconds"] >= self.parameters["duration_seconds"])

    @property
    def extendable(self) -> bool:
        early = self.watch["step_seconds"] < self.parameters["deadline_seconds"]
        return self.rule == _SEQUENTIAL and bool(early)

    @property
    def alone(self) -> bool:
        everything = self.step["weight"] >= _EVERYTHING
        return self.watch["totals"]["stable"] is None and bool(everything)

    def breached(self, stream: str) -> bool:
        streak = self.watch["streams"][stream]["streak"]
        return self.limited and bool(streak >= self.parameters["consecutive"])

    def counts(self, stream: str) -> bool:
        """A broken limit counts when the comparison agrees, or where there is none."""
        return (
            self.rule == _MISSION
            or self.parameters["limits"] == "literal"
            or not self.watch["stable_observed"]
            or self.watch["streams"][stream]["stable"] is None
            or self._agreed(stream)
        )

    def broken(self, stream: str) -> bool:
        return (self.breached(stream) and self.counts(stream)) or self._outlasted(stream)

    def _outlasted(self, stream: str) -> bool:
        """Asked seldom, it is over the limit for as long as all the checks would have taken."""
        answers, needed = self.watch["streams"][stream], self.parameters["consecutive"]
        return (
            self.rule == _SEQUENTIAL
            and self.parameters["limits"] != "literal"
            and bool(self.watch["stable_observed"])
            and bool(answers["streak"] >= max(_FEWEST, needed / 2))
            and bool(answers["streak_seconds"] >= needed * self.parameters["interval_seconds"])
            and self._agreed(stream)
        )

    def _agreed(self, stream: str) -> bool:
        beyond = self.watch["sequential"]["beyond"][_CHECKED[stream]]
        return bool(beyond >= self.settings["keys"]["corroborate"])

    def sick(self, *, lasting: bool) -> Iterator[str]:
        for stream in _CHECKED:
            broken = self.breached(stream) and not self.counts(stream)
            if broken and self._lasting(stream) == lasting:
                yield "canary.sick"

    def _lasting(self, stream: str) -> bool:
        answers, streak = self.watch["streams"][stream], self.watch["streams"][stream]["streak"]
        since = streak - self.parameters["consecutive"]
        shared = float(answers["stable"]) > self.parameters[_LIMITS[stream]]
        long = answers["streak_seconds"] * since >= self.settings["sick_seconds"] * streak
        return shared and bool(long)

    def against(self) -> Iterator[str]:
        """Yield the codes that roll back now."""
        if not self.limited and self.rule not in self.watch["peers"]:
            yield "canary.rule"
        if self.watch["at_once"] is not None:
            yield self.watch["at_once"]["code"]
        if self.watch["streams"]["sight"]["streak"] >= self.parameters["consecutive"]:
            yield "canary.unseen"
        for stream, code in _CODES.items():
            if self.broken(stream) if stream in _CHECKED else self.breached(stream):
                yield code
        yield from self.sick(lasting=True)
        found = self.watch["sequential"]
        if (
            self.rule == _SEQUENTIAL
            and found["worse"]["together"] >= self.settings["keys"]["worse"]
            and found["beyond"]["together"] >= self.settings["keys"]["beyond"]
        ):
            yield "canary.worse"
        if self.rule in PEERS and self.rule in self.watch["peers"] and _PEERS[self.rule](self):
            yield f"canary.{self.rule}"

    def lacking(self) -> Iterator[str]:
        """Yield the codes of what is missing to promote when the time is over."""
        streams, samples = self.watch["streams"], self.watch["samples"]
        if streams["sight"]["streak"] > 0:
            yield "canary.unseen"
        needed = self.parameters["minimum_requests"]
        if self.rule != _MISSION:
            needed = max(needed, self.settings["minimum_good_requests"])
        if (
            self.watch["totals"]["canary"] is None
            or any(
                not streams[name]["measured"] or streams[name]["canary"] is None
                for name in _CHECKED
            )
            or samples["good"] < needed
            or not streams["health"]["measured"]
        ):
            yield "canary.no-data"
        if self.limited and self._unsettled():
            yield "canary.unsettled"
        if self.rule == _SEQUENTIAL and not self.alone:
            safe, key = self.watch["sequential"]["safe"], self.settings["keys"]["certify"]
            certified = safe["errors"] >= key and safe["latency"] >= key
            if self.watch["totals"]["stable"] is None or not certified:
                yield "canary.uncertified"

    def _unsettled(self) -> bool:
        streams, least = self.watch["streams"], self.parameters["consecutive"]
        errors, slow = self.watch["unfinished"]["errors"], self.watch["unfinished"]["latency"]
        share = self.settings["unsettled_share"]
        return (
            any(
                streams[name]["streak"] > 0
                and (name not in _CHECKED or self.counts(name) or self.breached(name))
                for name in _CODES
            )
            or any(
                each["over"] >= least and each["over"] >= share * each["measured"]
                for each in streams.values()
            )
            or (
                errors["errors"] >= least
                and errors["errors"] * 100
                > self.parameters["error_rate_threshold"] * errors["requests"]
            )
            or slow["slow"] >= least
        )


def _flagger(look: _Look) -> bool:
    return bool(look.watch["peers"]["flagger"]["failed"] >= look.settings["flagger"]["threshold"])


def _argo(look: _Look) -> bool:
    seen, allowed = look.watch["peers"]["argo"], look.settings["argo"]
    return bool(
        seen["failed"] > allowed["failure_limit"]
        or seen["errors_in_a_row"] > allowed["consecutive_error_limit"]
    )


def _kayenta(look: _Look) -> bool:
    score = look.watch["peers"]["kayenta"]["score"]
    return look.over and (score is None or score < look.settings["kayenta"]["pass"])


_PEERS: Mapping[str, Callable[[_Look], bool]] = {
    "flagger": _flagger,
    "argo": _argo,
    "kayenta": _kayenta,
}
