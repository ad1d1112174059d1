"""Asking the engine for values of foreign policies, with built-in errors as errors or as undefined."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from sluiceway.policy.engine import Bundle, EngineError, VisitingEngine
from sluiceway.policy.foreign.functions import UnansweredError, lent
from sluiceway.record import Record, field

__all__ = ["Asked", "Asker"]

_AT_FILE = re.compile(r"(?:conftest\.(?:at|bare)\.(\w+): )+")
"""The name under which a function is lent that reads files, as often as it is said."""
_HANDED = "sluiceway.handed"
"""A function that is lent to a query for its values: see :meth:`Asker.ask`."""


class Asked(Record):
    """What a query yielded."""

    values: Mapping[str, Any]
    """Name to value."""
    printed: tuple[str, ...] = ()
    """What ``print`` said; nothing after an error, with which the engine keeps it to itself."""
    error: str = ""
    """The error of a built-in that was taken for undefined; of several, the first."""


class Asker(Record):
    """One bundle and how it is asked."""

    engine: VisitingEngine
    bundle: Bundle
    also: Collection[str] = ()
    """Built-ins that are allowed beyond a gate's."""
    lenient: bool = False
    """Whether an error of a built-in is undefined, as conftest has it, and not an error."""
    _seen: list[Any] = field(default_factory=list)

    def compile(self) -> None:
        """Raise :class:`EngineError` for what does not compile."""
        self._answer("true", "")

    def ask(self, values: Mapping[str, str], text: str) -> Asked:
        """Return the values of Rego terms, by names, with the JSON *text* as input.

        The engine ends with the error of any built-in, but not before the query is evaluated to its
        end with it as undefined. So a lenient query hands its values over before it ends.

        Raises:
            EngineError: When the evaluation fails.
            UnansweredError: When a function of conftest's cannot answer as conftest's would.
        """
        query = "; ".join(f"{name} := {term}" for name, term in values.items())
        if not self.lenient:
            answer = self._answer(query, text)
            return Asked(values=answer.found[0], printed=answer.printed)
        named = ", ".join(f'"{name}": {name}' for name in values)
        self._seen.clear()
        try:
            answer = self._answer(f"{query}; {_HANDED}({{{named}}})", text)
        except EngineError as error:
            if error.code != "policy.builtin":
                raise
            if not self._seen:  # the engine names the error of a built-in before any other
                raise EngineError(
                    f"the evaluation failed; what is known is this error before: {error.what}",
                    means="Nothing was judged.",
                    remedy="Correct the error that is known, and see what is said then.",
                    code="policy.evaluation",
                ) from error
            return Asked(values=self._seen[-1], error=error.what)
        return Asked(values=answer.found[0], printed=answer.printed)

    def _answer(self, query: str, text: str) -> Any:
        unanswered: list[UnansweredError] = []
        functions = {**lent(unanswered), **({_HANDED: self._handed} if self.lenient else {})}
        try:
            answer = self.engine.ask(self.bundle, query, text, also=self.also, lent=functions)
        except EngineError as error:
            raise (unanswered[0] if unanswered else _told(error)) from error
        if unanswered:
            raise unanswered[0]
        return answer

    def _handed(self, values: Any) -> bool:
        self._seen.append(values)
        return True


def _told(error: EngineError) -> EngineError:
    """Return *error* as whoever has no gate should read it."""
    remedy = error.remedy
    if error.code == "policy.builtin":
        remedy = "Guard the built-in against such a value; or take the error for undefined, as"
        remedy += " conftest does, with --ignore-builtin-errors."
    if error.code == "policy.forbidden":
        remedy += " What asks the clock or chance can be allowed: --allow-builtins=NAME."
    what = _AT_FILE.sub(r"\1: ", error.what)
    return EngineError(what, means="Nothing was judged.", remedy=remedy, code=error.code)
