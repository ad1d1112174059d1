"""Running the tests that stand beside the policies, and counting the lines that they reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sluiceway.policy.bundle import Source, load_bundle
from sluiceway.policy.compared import Compared, compare
from sluiceway.policy.engine import Bundle, EngineError, Parsed, PolicyWorkbench, RuleResult
from sluiceway.policy.tree import package, rule_name
from sluiceway.record import Record, field

__all__ = ["FileCoverage", "TestReport", "run_tests"]

_TESTS = "_test.rego"
_COMPARED = 10
"""Failing tests whose comparison is looked into: more is not read by anybody."""


class FileCoverage(Record):
    """Rows of one policy file with an expression, by whether a test reached it."""

    covered: frozenset[int]
    missed: frozenset[int]

    @property
    def percent(self) -> float:
        """Covered rows of a hundred; a file without expressions is covered."""
        rows = len(self.covered) + len(self.missed)
        return 100.0 * len(self.covered) / rows if rows else 100.0


class TestReport(Record):
    """What the tests said."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    results: tuple[RuleResult, ...]
    skipped: tuple[str, ...]
    """Rules named ``todo_...``."""
    coverage: Mapping[str, FileCoverage]
    """Policy file (tests aside) to its coverage."""
    compared: Mapping[str, Compared] = field(default_factory=dict)
    """Failing test to both sides of the comparison that did not hold, where that is what failed."""

    @property
    def passed(self) -> int:
        """How many tests passed."""
        return sum(result.passed for result in self.results)

    @property
    def failed(self) -> tuple[RuleResult, ...]:
        """Tests that were evaluated and are not true."""
        return tuple(each for each in self.results if not each.passed and not each.error)

    @property
    def errors(self) -> tuple[RuleResult, ...]:
        """Tests that could not be evaluated."""
        return tuple(each for each in self.results if each.error)

    @property
    def percent(self) -> float:
        """Covered rows of a hundred over all policy files."""
        covered = sum(len(each.covered) for each in self.coverage.values())
        missed = sum(len(each.missed) for each in self.coverage.values())
        return 100.0 * covered / (covered + missed) if covered + missed else 100.0

    @property
    def ok(self) -> bool:
        """Whether there are tests and every one of them passed."""
        return bool(self.results) and self.passed == len(self.results)


def run_tests(
    engine_factory: Callable[[], PolicyWorkbench | None],
    roots: Sequence[Source],
    *,
    only: str = "",
) -> TestReport:
    """Run every ``test_`` rule of every ``*_test.rego`` below *roots*.

    They are about the rules, so the data is what stands beside them: a site's own would fail those
    that expect another number.

    Args:
        engine_factory: Makes the engine; it is closed at the end.
        roots: Folders of policies, as for :func:`~sluiceway.policy.load_bundle`.
        only: Run only tests whose dotted name contains this.

    Raises:
        EngineError: When there is no engine, or the policies do not compile.
        ConfigurationError: When the folders cannot be read.
    """
    engine = engine_factory()
    if engine is None:
        raise EngineError(
            "there is no policy engine on this machine",
            means="Policies can be neither tested nor used.",
            remedy="Install the embedded one: invoke policy.engine --install",
            code="policy.engine-missing",
        )
    try:
        return _run(engine, load_bundle(roots, tests=True), only)
    finally:
        engine.close()


def _run(engine: PolicyWorkbench, bundle: Bundle, only: str) -> TestReport:
    tests: list[str] = []
    skipped: list[str] = []
    parsed = engine.parse(bundle.modules)
    for name, module in sorted(parsed.items()):
        if not name.endswith(_TESTS) or not module.tree:
            continue  # what does not parse is refused when the bundle is compiled
        for rule in module.tree.get("rules") or []:
            path = f"{package(module.tree)}.{rule_name(rule)}"
            if only in path and rule_name(rule).startswith("test_"):
                tests.append(path)
            elif only in path and rule_name(rule).startswith("todo_"):
                skipped.append(path)
    engine.compile(bundle)
    run = engine.run(bundle, list(dict.fromkeys(tests)))
    files = {name for name in bundle.modules if not name.endswith(_TESTS)}
    results = tuple(
        replace(each, failed_at=_as_written(bundle.modules, each.failed_at)) for each in run.results
    )
    return TestReport(
        results=results,
        skipped=tuple(skipped),
        coverage={
            name: FileCoverage(
                covered=run.covered.get(name, frozenset()), missed=run.missed.get(name, frozenset())
            )
            for name in sorted(files)
        },
        compared=_compared(engine, bundle, parsed, results),
    )


def _as_written(modules: Mapping[str, str], failed_at: str) -> str:
    """Return ``file:row: expression``, or ``file:row: line`` where nobody wrote that expression.

    The engine tells it as its compiler rewrote it: an ``every`` or a nested call is then a row of
    assignments to names of the compiler's own.
    """
    file, _, rest = failed_at.partition(":")
    row, _, expression = rest.partition(":")
    lines = modules.get(file, "").splitlines()
    if "__local" not in expression or not row.isdecimal() or not 0 < int(row) <= len(lines):
        return failed_at
    return f"{file}:{row}: {lines[int(row) - 1].strip()}"


def _compared(
    engine: PolicyWorkbench,
    bundle: Bundle,
    parsed: Mapping[str, Parsed],
    results: Sequence[RuleResult],
) -> dict[str, Compared]:
    """Return what the first failing tests compared; after many, the reason is another."""
    failing = []
    for result in [each for each in results if not each.passed and not each.error][:_COMPARED]:
        where, _, rule = result.rule.rpartition(".")
        for name, module in sorted(parsed.items()):
            if name.endswith(_TESTS) and module.tree and package(module.tree) == where:
                failing.append((name, module.tree, rule))
    return compare(engine, bundle, failing)
