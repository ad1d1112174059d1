"""Which damages to policies their tests do not notice."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sluiceway.policy.engine import Bundle, EngineError, Parsed, PolicyWorkbench
from sluiceway.policy.mutants import Mutant, mutants
from sluiceway.policy.schemata import CHOICES, Schemata, schemata
from sluiceway.policy.tree import package, rule_name
from sluiceway.record import Record

__all__ = ["Mutant", "mutants", "survivors"]

_TESTS = "_test.rego"
_PACKAGE = "sluiceway_mutation"
_NAMED = re.compile(r"\bdata\.([a-z_]+)(?:\.([a-z_]+))?")


class _Suite(Record):
    """What is where in a bundle."""

    packages: Mapping[str, str]
    """File to its package; a test's is that of what it tests."""
    tests: Mapping[str, list[str]]
    """Test file to the dotted names of its tests; a file without any lacks."""
    rules: frozenset[tuple[str, str]]
    """Package and name of each rule."""


def survivors(
    engine: PolicyWorkbench, bundle: Bundle, damaged: Sequence[Mutant]
) -> tuple[Mutant, ...]:
    """Return those of *damaged* that no test noticed.

    The tests of the damage's package are asked first, with no more than they need, then all. The
    damages are compiled together (see :mod:`sluiceway.policy.schemata`); what cannot stand beside
    others is compiled by itself, and so is, to be sure of it, what seems to survive.

    Args:
        engine: Runs the tests.
        bundle: The policies with their tests.
        damaged: What :func:`mutants` yields for *bundle*.

    Raises:
        EngineError: When a test fails without any damage (``policy.tests-fail``).
    """
    parsed = engine.parse(bundle.modules)
    suite = _suite(parsed)
    left: list[Mutant] = []
    for own in sorted({suite.packages[mutant.file] for mutant in damaged}):
        mine = [mutant for mutant in damaged if suite.packages[mutant.file] == own]
        files = [file for file in suite.tests if suite.packages[file] == own]
        asking = _Asking(engine, _needed(bundle, own, suite), files, suite)
        left += asking.left(parsed, mine) if files else mine
    everything = _Asking(engine, bundle, list(suite.tests), suite)
    found = set(everything.left_alone(everything.left(parsed, left)))
    return tuple(mutant for mutant in damaged if mutant in found)


def _suite(parsed: Mapping[str, Parsed]) -> _Suite:
    packages: dict[str, str] = {}
    tests: dict[str, list[str]] = {}
    rules: set[tuple[str, str]] = set()
    for file, module in sorted(parsed.items()):
        packages[file] = package(module.tree).removesuffix("_test")
        names = [rule_name(rule) for rule in module.tree.get("rules") or []]
        rules |= {(packages[file], name) for name in names}
        here = [f"{package(module.tree)}.{name}" for name in names if name.startswith("test_")]
        if file.endswith(_TESTS) and here:
            tests[file] = here
    return _Suite(packages=packages, tests=tests, rules=frozenset(rules))


def _folder(file: str) -> str:
    return file.rpartition("/")[0]


def _needed(bundle: Bundle, own: str, suite: _Suite) -> Bundle:
    """Return the files of a package and of those whose rules it names, without the tests of others.

    ``data.promotion.people`` is data: whoever reads it needs no rule of that package.
    """
    wanted, waiting = {own}, [own]
    while waiting:
        here = waiting.pop()
        for file, source in bundle.modules.items():
            if suite.packages[file] == here:
                named = {
                    name.removesuffix("_test")
                    for name, inner in _NAMED.findall(source)
                    if not inner or (name.removesuffix("_test"), inner) in suite.rules
                }
                waiting += sorted(named - wanted)
                wanted |= named
    modules = {
        file: text
        for file, text in bundle.modules.items()
        if suite.packages[file] == own
        or (suite.packages[file] in wanted and file not in suite.tests)
    }
    return replace(bundle, modules=modules)


class _Asking:
    """The tests of some files, over one bundle."""

    def __init__(
        self, engine: PolicyWorkbench, bundle: Bundle, files: Sequence[str], suite: _Suite
    ) -> None:
        self._engine = engine
        self._folders = sorted({_folder(file) for file in files})
        holds = ""
        for folder in self._folders:
            tests = [
                test for file in files if _folder(file) == folder for test in suite.tests[file]
            ]
            conditions = "".join(f"\tdata.{test}\n" for test in tests)
            holds += f'\nholds("{folder}") if {{\n{conditions}}}\n'
        # The tests see nothing of what is asked here.
        source = (
            f"package {_PACKAGE}\n\nmoved if {{\n\tchosen := input.chosen\n"
            "\tsome folder in input.folders\n"
            f"\tnot holds(folder) with input as {{}} with data.{CHOICES} as chosen\n}}\n{holds}"
        )
        self._bundle = replace(bundle, modules={**bundle.modules, "mutation.rego": source})

    def left(self, parsed: Mapping[str, Parsed], damaged: Sequence[Mutant]) -> list[Mutant]:
        """Return those of *damaged* that no test noticed.

        Raises:
            EngineError: When a test fails without any damage.
        """
        together = self._together(parsed, damaged)
        alone = [mutant for mutant in damaged if mutant not in together.choices]
        left = set(self.left_alone(alone))
        for mutant in together.choices:
            if not self._noticed(together.bundle, mutant, together.chosen(mutant)):
                left.add(mutant)
        return [mutant for mutant in damaged if mutant in left]

    def left_alone(self, damaged: Sequence[Mutant]) -> list[Mutant]:
        """Return those of *damaged* that no test noticed, each compiled by itself.

        Raises:
            EngineError: When a test fails without any damage.
        """
        if damaged and self._moved(self._bundle, {}):
            raise EngineError(
                "a test fails already",
                means="Nobody can tell what a damage does.",
                remedy="Run `invoke policy.test`.",
                code="policy.tests-fail",
            )
        left: list[Mutant] = []
        for mutant in damaged:
            modules = {**self._bundle.modules, mutant.file: mutant.source}
            if not self._noticed(replace(self._bundle, modules=modules), mutant, {}):
                left.append(mutant)
        return left

    def _together(self, parsed: Mapping[str, Parsed], damaged: Sequence[Mutant]) -> Schemata:
        """Return as many of *damaged* as compile together, while none of them is chosen.

        Whatever else is wrong is for each damage by itself to show: then there is none in it.
        """
        while True:
            together = schemata(self._bundle, parsed, damaged)
            if not together.choices:
                return together
            refused: Collection[Mutant] = ()
            try:
                if not self._moved(together.bundle, together.chosen(None)):
                    return together
            except EngineError as error:
                refused = together.named_in(error.what)
            damaged = [mutant for mutant in damaged if mutant not in refused] if refused else []

    def _noticed(self, bundle: Bundle, mutant: Mutant, chosen: Mapping[str, int]) -> bool:
        try:
            return self._moved(bundle, chosen, first=_folder(mutant.file))
        except EngineError:
            return True  # it does not compile or end, or a built-in refuses: nobody ships that

    def _moved(self, bundle: Bundle, chosen: Mapping[str, int], *, first: str = "") -> bool:
        """Whether a test fails; those of the folder *first* are asked first."""
        folders = sorted(self._folders, key=lambda folder: folder != first)
        document = {"chosen": dict(chosen), "folders": folders}
        return self._engine.evaluate(bundle, f"{_PACKAGE}.moved", document) is True
