"""Judging again what was judged before: what a change of the policies would have changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sluiceway.model import Decision, canonical, to_json
from sluiceway.policy.answered import ask_together
from sluiceway.policy.decide import decide
from sluiceway.policy.engine import Bundle, PolicyEngine
from sluiceway.record import Record

__all__ = ["Outcome", "Recorded", "Replayed", "replay"]

_NOT_JUDGED = "policy."


class Outcome(StrEnum):
    """What became of one recorded decision."""

    SAME = "same"
    WORDS = "words"
    """The same codes in other words."""
    FINDINGS = "findings"
    """Allowed or refused as before, for other reasons or with other warnings."""
    DENIES = "allow-to-deny"
    ALLOWS = "deny-to-allow"
    UNFIT = "input-unfit"
    """Its input is not what the schema asks for now, so no rule was asked."""
    UNJUDGED = "not-judged"
    """The engine could not evaluate it."""


class Recorded(Record):
    """One decision as the ledger has it."""

    seq: int
    """Its number in the ledger."""
    run: str
    environment: str
    at: datetime
    decision: Mapping[str, Any]
    """JSON of a :class:`~sluiceway.model.Decision`."""
    document: Mapping[str, Any]
    """The input that it was made from."""


class Replayed(Record):
    """One recorded decision and what would be decided now."""

    recorded: Recorded
    decision: Decision
    outcome: Outcome
    appeared: tuple[str, ...]
    """Codes that only the new decision has."""
    vanished: tuple[str, ...]
    """Codes that only the recorded one has."""

    @property
    def identical(self) -> bool:
        """The new decision is the recorded one, byte for byte."""
        return canonical(self.decision) == canonical(self.recorded.decision)

    @property
    def changed(self) -> bool:
        """Something other than wording changed."""
        return self.outcome not in {Outcome.SAME, Outcome.WORDS}


def replay(
    engine: PolicyEngine, bundle: Bundle, records: Iterable[Recorded]
) -> tuple[Replayed, ...]:
    """Judge every record's input (its waivers included) by *bundle*, at its own moment.

    So nothing but the policies (with their data and schemas) differs from what was; judged by the
    recorded policies, a record gives the recorded decision byte for byte.
    """
    known = tuple(records)
    engines: dict[int, PolicyEngine] = {}
    for gate in sorted({str(record.decision["gate"]) for record in known} & bundle.schemas.keys()):
        mine = [place for place, each in enumerate(known) if each.decision["gate"] == gate]
        documents = [known[place].document for place in mine]
        answers = ask_together(engine, bundle, gate, documents)
        engines |= dict(zip(mine, answers, strict=True))
    return tuple(
        _again(engines.get(place, engine), bundle, record) for place, record in enumerate(known)
    )


def _again(engine: PolicyEngine, bundle: Bundle, record: Recorded) -> Replayed:
    decision = decide(
        engine,
        bundle,
        str(record.decision["gate"]),
        record.document,
        now=record.at,
    )
    was, now = record.decision.get("findings", ()), to_json(decision)["findings"]
    before, after = _codes(was), _codes(now)
    return Replayed(
        recorded=record,
        decision=decision,
        outcome=_outcome(record.decision, decision, was, now),
        appeared=tuple(sorted(set(after) - set(before))),
        vanished=tuple(sorted(set(before) - set(after))),
    )


def _outcome(
    recorded: Mapping[str, Any],
    decision: Decision,
    was: Sequence[Mapping[str, Any]],
    now: Sequence[Mapping[str, Any]],
) -> Outcome:
    known = {finding["code"] for finding in was}
    new = {finding["code"] for finding in now} - known
    if any(code.startswith(_NOT_JUDGED) for code in new):
        return Outcome.UNJUDGED
    if any(code.startswith("input.") for code in new):
        return Outcome.UNFIT
    if decision.allow != recorded["allow"]:
        return Outcome.ALLOWS if decision.allow else Outcome.DENIES
    if sorted(_weighed(was)) != sorted(_weighed(now)):
        return Outcome.FINDINGS
    return Outcome.SAME if list(was) == list(now) else Outcome.WORDS


def _codes(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(finding["code"]) for finding in findings]


def _weighed(findings: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, bool]]:
    return [
        (str(each["code"]), str(each["level"]), each.get("waived") is not None) for each in findings
    ]
