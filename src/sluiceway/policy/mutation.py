"""Small damages to policies, each of which some test should notice.

A damage is made in the text, at one place, so that METADATA and everything else stays: a rule taken
out, a comparison turned round, a ``not`` dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sluiceway.policy.engine import Bundle, EngineError, PolicyWorkbench
from sluiceway.policy.tree import package, rule_name, rule_spans

__all__ = ["Mutant", "mutants", "survivors"]

_TESTS = "_test.rego"
_PACKAGE = "sluiceway_mutation"
_NAMED = re.compile(r"\bdata\.([a-z_]+)(?:\.([a-z_]+))?")
_QUIET = re.compile(r'#[^\n]*|"(?:\\.|[^"\\\n])*"|`[^`]*`')
_DAMAGES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<= )==(?= )"), "!="),
    (re.compile(r"(?<= )!=(?= )"), "=="),
    (re.compile(r"(?<= )>=(?= )"), ">"),
    (re.compile(r"(?<= )<=(?= )"), "<"),
    (re.compile(r"(?<= )>(?= )"), ">="),
    (re.compile(r"(?<= )<(?= )"), "<="),
    (re.compile(r"\bnot (?=\w)"), ""),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One damaged file."""

    file: str
    row: int
    damage: str
    """``rule removed``, ``== became !=``, ``not dropped``."""
    line: str
    """The row as it was, without its indentation."""
    source: str

    def __str__(self) -> str:
        return f"{self.file}:{self.row}: {self.damage}: {self.line}"


def mutants(engine: PolicyWorkbench, bundle: Bundle) -> Iterator[Mutant]:
    """Yield every damage to the policies of *bundle*, their tests aside, in file order."""
    for file, module in sorted(engine.parse(bundle.modules).items()):
        if file.endswith(_TESTS) or not module.tree:
            continue
        source = bundle.modules[file]
        lines = source.splitlines()
        spans = rule_spans(source, module.tree) or []
        names = [rule_name(rule) for rule in module.tree.get("rules") or []]
        for (start, end), name in zip(spans, names, strict=True):
            yield Mutant(
                file=file,
                row=start,
                damage="rule removed",
                line=lines[start - 1].strip(),
                source=_without(lines, start, end, only=names.count(name) == 1),
            )
        yield from _turned(file, source)


def _without(lines: list[str], start: int, end: int, *, only: bool) -> str:
    """Return the file without one rule; the last of its name leaves one that never holds."""
    left = [*lines]
    left[start - 1 : end] = [""] * (end - start + 1)
    if only:
        first = lines[start - 1].removeprefix("default ")
        head = re.split(r" (?::=|if|contains)", first)[0]
        kept = f"{head} contains 1 if false" if " contains " in first else f"{head} if false"
        left[start - 1] = kept
    return "\n".join(left) + "\n"


def _turned(file: str, source: str) -> Iterator[Mutant]:
    shown = _QUIET.sub(lambda match: re.sub(r"[^\n]", "~", match[0]), source)
    lines = source.splitlines()
    for pattern, instead in _DAMAGES:
        for match in pattern.finditer(shown):
            row = source.count("\n", 0, match.start()) + 1
            before = match[0].strip()
            yield Mutant(
                file=file,
                row=row,
                damage=f"{before} became {instead}" if instead else f"{before} dropped",
                line=lines[row - 1].strip(),
                source=source[: match.start()] + instead + source[match.end() :],
            )


def survivors(
    engine: PolicyWorkbench, bundle: Bundle, damaged: Sequence[Mutant]
) -> tuple[Mutant, ...]:
    """Return those of *damaged* that no test noticed.

    The tests beside the damage are asked first, then those of its package, with no more than they
    need, and only what survives them is shown to all.

    Args:
        engine: Runs the tests.
        bundle: The policies with their tests.
        damaged: What :func:`mutants` yields for *bundle*.

    Raises:
        EngineError: When a test fails without any damage (``policy.tests-fail``).
    """
    tests: dict[str, list[str]] = {}
    packages: dict[str, str] = {}
    rules: set[tuple[str, str]] = set()
    for file, module in sorted(engine.parse(bundle.modules).items()):
        packages[file] = package(module.tree).removesuffix("_test")
        names = {rule_name(rule) for rule in module.tree.get("rules") or []}
        rules |= {(packages[file], name) for name in names}
        if file.endswith(_TESTS):
            tests[file] = [
                f"{package(module.tree)}.{rule_name(rule)}"
                for rule in module.tree.get("rules") or []
                if rule_name(rule).startswith("test_")
            ]
    asked = {file for file in tests if tests[file]}
    parts: dict[str, Bundle] = {}

    def part(name: str, bundle: Bundle, files: set[str]) -> Bundle:
        """Return the bundle that asks *files*, made and looked at once, when it is first needed."""
        if name not in parts:
            parts[name] = _asking(bundle, files, tests)
            _check_undamaged(engine, parts[name])
        return parts[name]

    found: list[Mutant] = []
    for mutant in damaged:
        folder, own = _folder(mutant.file), packages[mutant.file]
        needed = _needed(bundle, own, packages, asked, rules)
        package_tests = {file for file in asked if packages[file] == own}
        beside = {file for file in package_tests if _folder(file) == folder}
        stages = (
            (f"folder {folder}", needed, beside),
            (f"package {own}", needed, package_tests),
            ("every test", bundle, asked),
        )
        if not any(
            files and _noticed(engine, part(name, source, files), mutant)
            for name, source, files in stages
        ):
            found.append(mutant)
    return tuple(found)


def _folder(file: str) -> str:
    return file.rpartition("/")[0]


def _needed(
    bundle: Bundle,
    own: str,
    packages: Mapping[str, str],
    asked: set[str],
    rules: set[tuple[str, str]],
) -> Bundle:
    """Return the files of a package and of those whose rules it names, without the tests of others.

    ``data.promotion.people`` is data: whoever reads it needs no rule of that package.
    """
    wanted, waiting = {own}, [own]
    while waiting:
        here = waiting.pop()
        for file, source in bundle.modules.items():
            if packages[file] == here:
                named = {
                    name.removesuffix("_test")
                    for name, inner in _NAMED.findall(source)
                    if not inner or (name.removesuffix("_test"), inner) in rules
                }
                waiting += sorted(named - wanted)
                wanted |= named
    modules = {
        file: text
        for file, text in bundle.modules.items()
        if packages[file] == own or (packages[file] in wanted and file not in asked)
    }
    return replace(bundle, modules=modules)


def _asking(bundle: Bundle, files: set[str], tests: Mapping[str, list[str]]) -> Bundle:
    """Return *bundle* with a rule that holds while every test of *files* does."""
    conditions = "".join(f"\tdata.{test}\n" for file in sorted(files) for test in tests[file])
    source = f"package {_PACKAGE}\n\nunmoved if {{\n{conditions}}}\n"
    return replace(bundle, modules={**bundle.modules, "mutation.rego": source})


def _check_undamaged(engine: PolicyWorkbench, bundle: Bundle) -> None:
    if engine.evaluate(bundle, f"{_PACKAGE}.unmoved", {}) is not True:
        raise EngineError(
            "a test fails already",
            means="Nobody can tell what a damage does.",
            remedy="Run `invoke policy.test`.",
            code="policy.tests-fail",
        )


def _noticed(engine: PolicyWorkbench, bundle: Bundle, mutant: Mutant) -> bool:
    damaged = replace(bundle, modules={**bundle.modules, mutant.file: mutant.source})
    try:
        return engine.evaluate(damaged, f"{_PACKAGE}.unmoved", {}) is not True
    except EngineError:
        return True  # it no longer compiles, or a built-in refuses: nobody ships that
