"""What a policy engine is. Engines are plugins; nothing here knows one by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from sluiceway.errors import ExitCode, SluicewayError
from sluiceway.record import Record, field

__all__ = [
    "Answer",
    "Bundle",
    "EngineError",
    "Parsed",
    "PolicyEngine",
    "PolicyWorkbench",
    "RuleResult",
    "RuleRun",
    "VisitingEngine",
]


class Bundle(Record):
    """A set of Rego modules with their data, named by content."""

    modules: Mapping[str, str]
    """Path relative to the bundle's root to Rego source."""
    data: Mapping[str, Any]
    """The ``data`` document: every data file merged, the site's own last."""
    digest: str
    """``sha256:<hex>`` over modules, data and schemas."""
    origin: str
    """Where it was read, for messages."""
    schemas: Mapping[str, Any] = field(default_factory=dict)
    """Gate name to the JSON Schema (draft 7) of its input."""
    artifact: str = ""
    """``host/path@sha256:<hex>`` of the artifact in a registry that they were pulled as."""


class EngineError(SluicewayError):
    """An evaluation could not be made. Every gate turns this into a refusal with :attr:`code`.

    Codes: ``policy.syntax`` (does not parse or compile), ``policy.recursion`` (a rule depends on
    itself), ``policy.forbidden`` (asks the clock, the network or chance), ``policy.timeout``, ``policy.crashed``, ``policy.builtin`` (a built-in
    reported an error), ``policy.evaluation`` (anything else), ``policy.engine-missing``,
    ``policy.engine-untrusted`` (the engine's own program, or what was written for it, is not what it
    was), ``policy.engine-version``, ``policy.layout`` (modules that an engine could not be given).
    Of engines elsewhere also ``policy.server-unreachable``, ``policy.server-refused``,
    ``policy.server-differs`` (it serves other policies) and ``policy.server-answer``.
    """

    exit_code = ExitCode.UNABLE
    default_code = "policy.evaluation"


class PolicyEngine(Protocol):
    """Evaluates one Rego document of a bundle. May be used by one thread at a time."""

    @property
    def name(self) -> str:
        """``embedded``, ``server``, ..."""

    @property
    def version(self) -> str:
        """The engine's version: ``OPA 1.20.2``."""

    def evaluate(self, bundle: Bundle, path: str, document: Mapping[str, Any]) -> Any:
        """Return the value of ``data.<path>`` with ``input`` = *document*.

        An undefined value is ``None``. Built-in errors are errors. Raises :class:`EngineError`
        within the engine's deadline, whatever the policy does.
        """

    def close(self) -> None:
        """Let go of the worker or the connection. Closing twice is fine."""


class Parsed(Record):
    """One module as the engine's own parser sees it."""

    tree: Mapping[str, Any]
    """OPA's JSON syntax tree, with comments; empty when :attr:`error` is not."""
    error: str = ""
    """The parser's message with ``file:row``; empty when the module parses."""


class RuleResult(Record):
    """What became of one test rule."""

    rule: str
    """Dotted path under ``data``: ``promotion.test_path``."""
    passed: bool
    """Defined and exactly ``true``."""
    error: str = ""
    """The evaluation's error; empty when the rule was evaluated."""
    failed_at: str = ""
    """``file:row: expression`` where a failing rule stopped; empty when not known."""
    printed: tuple[str, ...] = ()
    """What ``print`` calls said, each with ``file:row``."""


class RuleRun(Record):
    """Several rules evaluated one by one, and the lines that they reached."""

    results: tuple[RuleResult, ...]
    covered: Mapping[str, frozenset[int]]
    """Module path to 1-based rows with an expression that was evaluated."""
    missed: Mapping[str, frozenset[int]]
    """Module path to 1-based rows with expressions of which none was evaluated."""


class PolicyWorkbench(PolicyEngine, Protocol):
    """An engine that also serves policy authors: parsing, compiling, running tests."""

    def parse(self, modules: Mapping[str, str]) -> Mapping[str, Parsed]:
        """Parse each module; a module that does not parse carries its error."""

    def compile(self, bundle: Bundle) -> None:
        """Compile the bundle; raises :class:`EngineError` with ``file:row`` when it does not."""

    def run(self, bundle: Bundle, rules: Sequence[str]) -> RuleRun:
        """Evaluate every rule (dotted path under ``data``) with coverage and without input."""


class Answer(Record):
    """What a query yielded."""

    found: tuple[Mapping[str, Any], ...]
    """The bindings of each way in which the query holds."""
    printed: tuple[str, ...]
    """What ``print`` calls said, each with ``file:row``."""


class VisitingEngine(PolicyWorkbench, Protocol):
    """A workbench that also evaluates policies written for other tools, which are no gate."""

    def ask(
        self,
        bundle: Bundle,
        query: str,
        text: str,
        *,
        also: Collection[str] = (),
        lent: Mapping[str, Callable[..., Any]] | None = None,
    ) -> Answer:
        """Answer *query* with the JSON *text* as ``input``, its numbers as they are written.

        Without a text, ``input`` is undefined.

        *also* are built-ins that a gate may not use and this bundle may; *lent* are functions by
        name, with JSON values in and out. Raises :class:`EngineError`.
        """
