"""Asking an engine about many inputs at once, and judging each by the answer it got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sluiceway.policy.engine import Bundle, EngineError, PolicyEngine

__all__ = ["Answered", "ask_together"]

_BATCH = 50
_PACKAGE = "sluiceway_together"


class Answered:
    """An engine that gives the answer that the real one gave.

    Args:
        name: The real engine's name, which stands in decisions.
        value: The value of the decision; ``None`` when it is undefined.
    """

    version = ""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self._value = value

    def evaluate(self, bundle: Bundle, path: str, document: Mapping[str, Any]) -> Any:
        """Return the known value."""
        del bundle, path, document
        return self._value

    def close(self) -> None:
        """Nothing is held."""


def ask_together(
    engine: PolicyEngine, bundle: Bundle, gate: str, documents: Sequence[Mapping[str, Any]]
) -> list[PolicyEngine]:
    """Return for each input an engine that knows ``data.<gate>.decision`` for it.

    Many inputs travel in one question, which halves what each costs. Where one of them makes the
    evaluation fail, its batch is left to *engine* itself, one by one, so that each failure stays
    with its own input.
    """
    source = (
        f"package {_PACKAGE}\n\nvalues[index] := value if {{\n"
        '\tsome place, document in input.documents\n\tindex := sprintf("%d", [place])\n'
        f"\tvalue := data.{gate}.decision with input as document\n}}\n"
    )
    asking = replace(bundle, modules={**bundle.modules, f"{_PACKAGE}.rego": source})
    answered: list[PolicyEngine] = []
    for start in range(0, len(documents), _BATCH):
        part = [dict(each) for each in documents[start : start + _BATCH]]
        try:
            found = engine.evaluate(asking, f"{_PACKAGE}.values", {"documents": part})
        except EngineError:
            answered += [engine] * len(part)
            continue
        values = found or {}
        answered += [Answered(engine.name, values.get(str(index))) for index in range(len(part))]
    return answered
