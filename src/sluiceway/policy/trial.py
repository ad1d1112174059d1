"""Trying changed facts: many small changes of one input, each judged by the rules themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sluiceway.policy.engine import Bundle, EngineError, PolicyEngine
from sluiceway.policy.facts import MISSING, Place, pointer, replaced
from sluiceway.record import Record

__all__ = ["Change", "Trials", "changed"]

_BATCH = 100
_PACKAGE = "sluiceway_trial"


class Change(Record, kw_only=False):
    """One fact with another value."""

    place: Place
    before: Any
    """``MISSING`` when there was none."""
    after: Any
    """``MISSING`` when it is taken away."""


def changed(
    document: Mapping[str, Any], data: Mapping[str, Any], changes: Sequence[Change]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return copies of a gate's input and data with *changes* made."""
    roots: Any = {"input": document, "data": data}
    for change in changes:
        roots = replaced(roots, change.place, change.after)
    return roots["input"], roots["data"]


class Trials:
    """Evaluates one gate's decision for changed facts, many in one question to the engine.

    The input is sent once and changed by ``json.patch`` inside the evaluation; data is replaced by
    Rego's own ``with``. The value is the rules' alone: schema and waivers come later.

    Args:
        engine: Evaluates.
        bundle: The policies.
        gate: The gate.
        document: Its input.
    """

    def __init__(
        self, engine: PolicyEngine, bundle: Bundle, gate: str, document: Mapping[str, Any]
    ) -> None:
        self._engine = engine
        self._bundle = bundle
        self._gate = gate
        self._document = document
        self._bundles: dict[tuple[tuple[Place, ...], ...], Bundle] = {}
        self.evaluated = 0
        """How many changed inputs were judged."""

    def judge(self, cases: Sequence[Sequence[Change]]) -> list[Any]:
        """Return ``data.<gate>.decision`` for each case; ``None`` where it is undefined or fails."""
        answers: list[Any] = [None] * len(cases)
        groups: dict[tuple[Place, ...], list[int]] = {}
        for index, case in enumerate(cases):
            where = tuple(change.place for change in case if change.place[0] == "data")
            groups.setdefault(where, []).append(index)
        bundle = self._with(tuple(groups))
        for number, indices in enumerate(groups.values()):
            for start in range(0, len(indices), _BATCH):
                part = indices[start : start + _BATCH]
                found = self._ask(bundle, number, [cases[index] for index in part])
                for index, answer in zip(part, found, strict=True):
                    answers[index] = answer
        self.evaluated += len(cases)
        return answers

    def _ask(self, bundle: Bundle, number: int, cases: Sequence[Sequence[Change]]) -> list[Any]:
        asked = [
            {
                "patch": [_operation(each) for each in case if each.place[0] == "input"],
                "values": [
                    None if each.after is MISSING else each.after
                    for each in case
                    if each.place[0] == "data"
                ],
            }
            for case in cases
        ]
        question = {"base": self._document, "cases": asked}
        try:
            found = self._engine.evaluate(bundle, f"{_PACKAGE}.values_{number}", question)
        except EngineError:
            if len(cases) == 1:
                return [None]  # a built-in that reports an error refuses, and flips nothing
            half = len(cases) // 2
            return self._ask(bundle, number, cases[:half]) + self._ask(bundle, number, cases[half:])
        return [(found or {}).get(str(index)) for index in range(len(cases))]

    def _with(self, groups: tuple[tuple[Place, ...], ...]) -> Bundle:
        """Return the bundle with one rule for each group of data places, compiled together."""
        if groups not in self._bundles:
            rules = "\n".join(_rule(n, where, self._gate) for n, where in enumerate(groups))
            source = f"package {_PACKAGE}\n\n{rules}"
            modules = {**self._bundle.modules, f"{_PACKAGE}.rego": source}
            self._bundles[groups] = replace(self._bundle, modules=modules, origin="a trial")
        return self._bundles[groups]


def _rule(number: int, where: tuple[Place, ...], gate: str) -> str:
    """Return a rule that judges cases of one group, with the data at *where* replaced."""
    replacing = "".join(f" with {_reference(p)} as value_{n}" for n, p in enumerate(where))
    taking = "".join(f"\n\tvalue_{n} := each.values[{n}]" for n in range(len(where)))
    return (
        f"values_{number}[index] := value if {{\n\tsome place, each in input.cases\n"
        f'\tindex := sprintf("%d", [place]){taking}\n'
        f"\tdocument := json.patch(input.base, each.patch)\n"
        f"\tvalue := data.{gate}.decision with input as document{replacing}\n}}\n"
    )


def _operation(change: Change) -> dict[str, Any]:
    path = pointer(change.place)
    if change.after is MISSING:
        return {"op": "remove", "path": path}
    operation = "add" if change.before is MISSING else "replace"
    return {"op": operation, "path": path, "value": change.after}


def _reference(place: Place) -> str:
    return str(place[0]) + "".join(f"[{json.dumps(part)}]" for part in place[1:])
