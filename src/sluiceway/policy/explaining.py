"""Why a gate decided as it did: the rule, the facts it read, and the smallest change that flips it.

Every change that is told of was evaluated, first by the rules and then by the whole judgement
(schema, waivers); what does not hold there is not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import combinations, islice, product
from typing import Any, cast

from sluiceway.errors import SluicewayError
from sluiceway.model import Decision, Finding, Level
from sluiceway.policy.answered import Answered
from sluiceway.policy.candidates import Candidates
from sluiceway.policy.check import RuleDocument, rule_documents
from sluiceway.policy.decide import decide
from sluiceway.policy.engine import Bundle, PolicyEngine, PolicyWorkbench
from sluiceway.policy.facts import MISSING, Place, concrete, look, outermost
from sluiceway.policy.reading import Reader
from sluiceway.policy.schema import schema_problems
from sluiceway.policy.seen import Reading
from sluiceway.policy.tree import rule_rows, rule_spans
from sluiceway.policy.trial import Change, Trials, changed
from sluiceway.record import Record

__all__ = ["Explained", "Explanation", "Fact", "Flip", "Needed", "explain"]

_SHOWN = 4
"""Flips told for one finding, each by another fact."""
_PAIR_FACTS = 16
_PAIR_VALUES = 6
_PAIRS = 1500
_TOGETHER = 64
"""Combinations of the findings' own changes."""
_NEVER = frozenset({("input", "gate"), ("input", "run"), ("input", "service")})
"""Naming the input, not describing it."""
_NOW: Place = ("input", "now")
_LAST: tuple[Place, ...] = (
    _NOW,
    ("input", "image", "digest"),
    ("input", "source"),
    ("input", "target"),
)
"""Changing these is asking another question; tried when nothing else flips."""


class Fact(Record):
    """One value that a rule read."""

    place: Place
    value: Any
    """``MISSING`` when there is none."""
    decides: bool
    """Without it this finding would not be there, or would be another."""


class Flip(Record):
    """A change of facts that lifts a finding, evaluated."""

    changes: tuple[Change, ...]
    allow: bool
    """Whether the gate would allow then."""
    left: tuple[str, ...]
    """Codes that would still deny."""


class Explained(Record):
    """One finding and where it comes from."""

    finding: Finding
    document: RuleDocument | None
    """The rule with its METADATA; ``None`` when no rule found this (the input, the engine)."""
    facts: tuple[Fact, ...] = ()
    flips: tuple[Flip, ...] = ()
    waivable: bool = False
    """The policies let a waiver that counts excuse it."""


class Needed(Record):
    """A fact without which an allowed gate would refuse, evaluated."""

    place: Place
    codes: tuple[str, ...]
    schema: bool
    """The schema demands it, so that not even a rule is asked."""


class Explanation(Record):
    """A decision, explained."""

    decision: Decision
    findings: tuple[Explained, ...]
    whole: Flip | None
    """Changes that together make the gate allow, when several findings deny."""
    needed: tuple[Needed, ...]
    """For a decision that allows."""
    evaluated: int
    """How many changed inputs were judged on the way."""


def explain(
    engine: PolicyWorkbench,
    bundle: Bundle,
    gate: str,
    document: Mapping[str, Any],
    *,
    now: datetime,
    others: Sequence[Mapping[str, Any]] = (),
) -> Explanation:
    """Judge *document* and explain the decision.

    Args:
        engine: Judges, and parses the rules.
        bundle: The policies, without their tests.
        gate: The gate's name.
        document: Its input.
        now: The moment of the decision.
        others: Inputs of other decisions of this gate, the newest first; values to try come from
            them as well.

    Raises:
        EngineError: When the rules cannot be parsed. What the judgement itself refuses is a
            decision like any other.
    """
    search = _Search(engine, bundle, gate, document, now, tuple(others))
    decision = search.decision
    told = tuple(search.explained(finding) for finding in decision.findings)
    refusing = [each for each in told if _denies(each.finding)]
    return Explanation(
        decision=decision,
        findings=told,
        whole=search.together(refusing) if len(refusing) > 1 else None,
        needed=tuple(search.needed()) if decision.allow else (),
        evaluated=search.trials.evaluated,
    )


class _Search:
    """What is known about one decision while it is explained."""

    def __init__(
        self,
        engine: PolicyWorkbench,
        bundle: Bundle,
        gate: str,
        document: Mapping[str, Any],
        now: datetime,
        others: tuple[Mapping[str, Any], ...],
    ) -> None:
        self._engine, self._bundle, self._gate = engine, bundle, gate
        self._document, self._now = document, now
        self._others = others
        self._roots = {"input": document, "data": bundle.data}
        self._schema = bundle.schemas.get(gate, {})
        self._parsed = engine.parse(bundle.modules)
        self._trees = {name: each.tree for name, each in self._parsed.items() if each.tree}
        self._reader = Reader(list(self._trees.values()))
        self._documents = rule_documents(engine, bundle, self._parsed)
        self.trials = Trials(engine, bundle, gate, document)
        self._base: Any = None
        self.decision = self.judged(())

    def judged(self, changes: Sequence[Change], value: Any = None) -> Decision:
        """Return the whole judgement with *changes* made.

        *value* is what the rules were found to say to them, so that it is not asked again.
        """
        document, data = changed(self._document, self._bundle.data, changes)
        bundle, engine = self._bundle, cast("PolicyEngine", self._engine)
        if any(change.place[0] == "data" for change in changes):
            bundle = replace(bundle, data=data)
        if value is not None:
            engine = Answered(engine.name, value)
        return decide(engine, bundle, self._gate, document, now=self._now)

    def base(self) -> Any:
        """Return what the rules alone say to the input as it is."""
        if self._base is None:
            self._base = self.trials.judge([()])[0]
        return self._base

    # -- one finding ---------------------------------------------------------------------------

    def explained(self, finding: Finding) -> Explained:
        """Return where *finding* comes from and what would lift it."""
        found = self._rule_of(finding)
        if found is None:
            return Explained(finding=finding, document=None)
        document, reading = found
        facts = self._facts(finding, reading)
        if not _denies(finding):
            return Explained(finding=finding, document=document, facts=facts)
        flips = self._flips(finding, reading, [fact.place for fact in facts])
        return Explained(
            finding=finding,
            document=document,
            facts=facts,
            flips=flips,
            waivable=self._waivable(finding),
        )

    def _rule_of(self, finding: Finding) -> tuple[RuleDocument, Reading] | None:
        """Return the rule that found this: the one without which it is gone."""
        known = self._reader.named(self._gate, "decision").rules if self._has_gate() else ()
        possible = [
            each
            for each in self._documents
            if _code(each) == finding.code and (each.package, each.rule) in known
        ]
        for each in possible:
            if len(possible) > 1 and self._finds_without(each, finding):
                continue
            rule = self._rule_at(each)
            if rule is not None:
                return each, self._reader.rule(each.package, rule)
        return None

    def _has_gate(self) -> bool:
        return "decision" in self._reader.names(self._gate)

    def _rule_at(self, document: RuleDocument) -> Mapping[str, Any] | None:
        tree, source = self._trees[document.file], self._bundle.modules[document.file]
        rows = rule_rows(source, tree) or []
        rules = tree.get("rules") or []
        return next((r for r, row in zip(rules, rows, strict=False) if row == document.row), None)

    def _finds_without(self, document: RuleDocument, finding: Finding) -> bool:
        """Say whether *finding* is still found when this rule is taken out."""
        source = self._bundle.modules[document.file]
        lines = source.splitlines()
        spans = rule_spans(source, self._trees[document.file]) or []
        for start, end in spans:
            if start == document.row:
                lines[start - 1 : end] = [""] * (end - start + 1)
        modules = {**self._bundle.modules, document.file: "\n".join(lines) + "\n"}
        without = replace(self._bundle, modules=modules)
        try:
            value = self._engine.evaluate(without, f"{self._gate}.decision", self._document)
        except SluicewayError:
            return False  # it cannot be taken out, so it is needed
        return (finding.code, finding.message) in _found(value, str(finding.level))

    def _facts(self, finding: Finding, reading: Reading) -> tuple[Fact, ...]:
        places = outermost(
            (place for path in reading.judged for place in concrete(path, self._roots)),
            self._roots,
        )
        values = [look(self._roots, place) for place in places]
        taken = [
            (Change(place, value, MISSING),)
            for place, value in zip(places, values, strict=True)
            if value is not MISSING and _replaceable(place)
        ]
        answers = dict(
            zip([case[0].place for case in taken], self.trials.judge(taken), strict=True)
        )
        told = _said(finding, self.base())
        return tuple(
            Fact(
                place=place,
                value=value,
                decides=answers.get(place) is not None and told != _said(finding, answers[place]),
            )
            for place, value in zip(places, values, strict=True)
        )

    def _waivable(self, finding: Finding) -> bool:
        """Say whether the policies let a waiver excuse *finding*."""
        entries = (self.base() or {}).get(str(finding.level), ())
        mine = [
            each
            for each in entries
            if isinstance(each, Mapping) and each.get("code") == finding.code
        ]
        return bool(mine) and all(each.get("waivable", True) is True for each in mine)

    # -- flips -----------------------------------------------------------------------------------

    def _flips(
        self, finding: Finding, reading: Reading, places: Sequence[Place]
    ) -> tuple[Flip, ...]:
        candidates = Candidates(
            reading,
            self._reader.named(self._gate, "decision"),
            self._roots,
            self._schema,
            self._others,
        )
        usable = [place for place in _changeable(places, self._roots) if place not in _NEVER]
        likely = [place for place in usable if place not in _LAST]
        last = [place for place in usable if place in _LAST]
        for tried in ([*likely, *({_NOW} & set(last))], last):
            options = {place: candidates.of(place) for place in tried}
            if tried is not last and _NOW in options:
                options[_NOW] = _later(options[_NOW], self._roots)
            singles = [
                (Change(place, look(self._roots, place), value),)
                for place, values in options.items()
                for value in values
            ]
            flips = self._first_of_each(finding, singles)
            if not flips:
                flips = self._first_of_each(finding, list(self._pairs(options)), 1)
            if flips:
                return tuple(flips)
        return ()

    def _pairs(self, options: Mapping[Place, Sequence[Any]]) -> Iterator[tuple[Change, ...]]:
        number = 0
        few = [(place, values) for place, values in options.items() if values][:_PAIR_FACTS]
        for (one, ones), (two, twos) in combinations(few, 2):
            if one == two[: len(one)] or two == one[: len(two)]:
                continue
            for value in ones[:_PAIR_VALUES]:
                for other in twos[:_PAIR_VALUES]:
                    number += 1
                    if number > _PAIRS:
                        return
                    yield (
                        Change(one, look(self._roots, one), value),
                        Change(two, look(self._roots, two), other),
                    )

    def _first_of_each(
        self, finding: Finding, cases: Sequence[tuple[Change, ...]], most: int = _SHOWN
    ) -> list[Flip]:
        """Return verified flips, one for each set of facts, those that allow first."""
        before = _denials(self.base())
        told: dict[tuple[Place, ...], Flip] = {}
        for case, value in zip(cases, self.trials.judge(cases), strict=True):
            where = tuple(change.place for change in case)
            if where in told or not _lifts(finding, before, value):
                continue
            flip = self._verified(finding, case, value)
            if flip:
                told[where] = flip
            if len(told) >= 2 * most:
                break
        return sorted(told.values(), key=_nearest)[:most]

    def _verified(self, finding: Finding, case: tuple[Change, ...], value: Any) -> Flip | None:
        """Return the flip when the whole judgement, schema and waivers included, says so too."""
        decision = self.judged(case, value=value)
        left = [each.code for each in decision.findings if _denies(each)]
        was = [each.code for each in self.decision.findings if _denies(each)]
        if left.count(finding.code) >= was.count(finding.code) or set(left) - set(was):
            return None
        return Flip(changes=case, allow=decision.allow, left=tuple(dict.fromkeys(left)))

    def together(self, refusing: Sequence[Explained]) -> Flip | None:
        """Return one change of each finding, taken together, with which the gate allows."""
        if not all(each.flips for each in refusing):
            return None
        asked: list[tuple[Change, ...]] = []
        for chosen in islice(product(*(each.flips for each in refusing)), _TOGETHER):
            changes: dict[Place, Change] = {}
            for flip in chosen:
                for change in flip.changes:
                    changes.setdefault(change.place, change)
            asked.append(tuple(changes.values()))
        for case, value in zip(asked, self.trials.judge(asked), strict=True):
            if value is not None and self.judged(case, value=value).allow:
                return Flip(changes=case, allow=True, left=())
        return None

    # -- allowed -----------------------------------------------------------------------------------

    def needed(self) -> Iterator[Needed]:
        """Yield facts of the input without which the rules would refuse, outermost only."""
        if not self._has_gate():
            return
        reading = self._reader.named(self._gate, "decision")
        every = {
            place[:length]
            for path in reading.judged
            for place in concrete(path, self._roots)
            for length in range(2, len(place) + 1)
            if place[0] == "input" and look(self._roots, place) is not MISSING
        }
        places = sorted(every - _NEVER, key=lambda place: (len(place), str(place)))
        cases = [(Change(place, look(self._roots, place), MISSING),) for place in places]
        told: dict[Place, set[str]] = {}
        for place, case, value in zip(places, cases, self.trials.judge(cases), strict=True):
            codes = set(_denials(value)) - {""}
            above = [known for known in told if place[: len(known)] == known]
            if not codes or any(codes <= told[known] for known in above):
                continue
            schema = bool(schema_problems(self._schema, changed(self._document, {}, case)[0]))
            if not schema:
                told[place] = codes
            yield Needed(place=place, codes=tuple(sorted(codes)), schema=schema)


def _nearest(flip: Flip) -> tuple[int, bool, bool]:
    """Few facts first; of these what allows, and what happened before what was set."""
    of_data = any(change.place[0] == "data" for change in flip.changes)
    return len(flip.changes), not flip.allow, of_data


def _denies(finding: Finding) -> bool:
    return finding.level is Level.DENY and finding.waived is None


def _later(moments: Sequence[Any], roots: Mapping[str, Any]) -> list[Any]:
    """Return those of *moments* that are still to come: waiting is something that one can do."""
    now = look(roots, _NOW)
    return [each for each in moments if isinstance(each, str) and each > str(now)]


def _code(document: RuleDocument) -> str:
    custom = document.metadata.get("custom")
    return str(custom.get("code", "")) if isinstance(custom, Mapping) else ""


def _found(value: Any, level: str) -> set[tuple[str, str]]:
    entries = value.get(level) if isinstance(value, Mapping) else None
    return {
        (str(each.get("code")), str(each.get("msg")))
        for each in entries or []
        if isinstance(each, Mapping)
    }


def _said(finding: Finding, value: Any) -> set[str]:
    """Return the messages under this finding's code and level."""
    return {msg for code, msg in _found(value, str(finding.level)) if code == finding.code}


def _denials(value: Any) -> dict[str, int]:
    """Return how many denials of each code there are; a value that is none counts as its own."""
    if not isinstance(value, Mapping):
        return {"": 1}
    counts: dict[str, int] = {}
    for code, _ in _found(value, "deny"):
        counts[code] = counts.get(code, 0) + 1
    return counts


def _lifts(finding: Finding, before: Mapping[str, int], value: Any) -> bool:
    after = _denials(value)
    fewer = after.get(finding.code, 0) < before.get(finding.code, 0)
    return fewer and after.keys() <= before.keys()


def _replaceable(place: Place) -> bool:
    """Rego's ``with`` reaches into objects of data, not into its lists."""
    return place[0] == "input" or all(isinstance(part, str) for part in place)


def _changeable(places: Sequence[Place], roots: Mapping[str, Any]) -> list[Place]:
    """Return what may be changed: the places, the lists and objects that hold them, their gaps."""
    found: dict[Place, None] = {}
    for place in places:
        whole = place if _replaceable(place) else _above_numbers(place)
        found.setdefault(whole, None)
    for place in places:
        for length in range(len(place) - 1, 1, -1):
            if isinstance(look(roots, place[:length]), list):
                found.setdefault(place[:length], None)
    return [place for place in found if len(place) > 1]


def _above_numbers(place: Place) -> Place:
    for index, part in enumerate(place):
        if not isinstance(part, str):
            return place[:index]
    return place
