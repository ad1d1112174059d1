"""Running the tests of foreign policies, as ``conftest verify`` does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sluiceway.policy.engine import Bundle, EngineError, Parsed, VisitingEngine
from sluiceway.policy.foreign.asking import Asker
from sluiceway.policy.foreign.functions import with_folders
from sluiceway.policy.foreign.judge import Judged, parsed_or_refused
from sluiceway.policy.foreign.results import Checked, Finding
from sluiceway.policy.foreign.rules import chosen, package_name
from sluiceway.policy.tokens import tokens
from sluiceway.record import Record

__all__ = ["verify"]

_BATCH = 50
"""Tests asked together, at least: every query is compiled anew, with all modules. So where there are
more modules, more are asked at once; where one ends in an error, the halves are asked by themselves."""
_TEST = "test_"
_TODO = "todo_test_"


class _Test(Record):
    file: str
    space: str
    base: str
    """The package as a reference: ``data.main``."""
    word: str
    """The rule's name."""
    again: int
    """How many tests of the same name came before."""

    @property
    def skipped(self) -> bool:
        return self.word.startswith(_TODO)

    @property
    def path(self) -> str:
        """Where it is evaluated."""
        return f"{self.base}.{self.word}" + (f"__{self.again:02d}" if self.again else "")

    @property
    def name(self) -> str:
        """How it is called in what is printed."""
        return f"{self.base}.{self.word}" + (f"#{self.again:02d}" if self.again else "")


def verify(
    engine: VisitingEngine,
    bundle: Bundle,
    *,
    wanted: Sequence[str] = (),
    only: str = "",
    also: Collection[str] = (),
    lenient: bool = False,
) -> Judged:
    """Run every ``test_`` rule of every module; ``todo_test_`` rules are skipped.

    Rules of one name are tests of their own, numbered ``#01`` from the second on, as OPA has it.

    Args:
        engine: Evaluates.
        bundle: The policies, by :func:`~sluiceway.policy.foreign.sources.load_foreign`.
        wanted: Namespaces or patterns of them; all when empty.
        only: Only tests whose dotted name contains this.
        also: Built-ins that are allowed beyond a gate's.
        lenient: Take the error of a built-in for undefined, as conftest does; a note says so.

    Raises:
        UsageError: ``policy.v0``, ``policy.namespace``.
        EngineError: When the policies do not compile.
    """
    parsed = parsed_or_refused(engine, bundle)
    every = list(_tests(parsed))
    bundle = with_folders(replace(bundle, modules=_apart(bundle.modules, every)))
    names = sorted({each.space for each in every})
    kept = set(chosen(names, wanted)) if wanted else set(names)
    tests = [each for each in every if each.space in kept and only in each.name]
    asked = [each.path for each in tests if not each.skipped]
    asker = Asker(engine=engine, bundle=bundle, also=also, lenient=lenient)
    asker.compile()
    judged = Judged(rules=len(asked))
    values: dict[str, Any] = {}
    size = max(_BATCH, len(bundle.modules))
    for start in range(0, len(asked), size):
        values |= _values(asker, asked[start : start + size], judged.notes)
    for test in tests:
        value = values.get(test.path)
        if isinstance(value, EngineError):
            judged.notes.append(f"{test.name}: {value.what}")
        judged.results.append(_checked(test, value))
    return judged


def _tests(parsed: Mapping[str, Parsed]) -> Iterator[_Test]:
    seen: dict[str, int] = {}
    for file, module in sorted(parsed.items()):
        space = package_name(module.tree)
        base = "data" + ("" if space.startswith("[") else ".") + space
        for rule in module.tree.get("rules") or []:
            head = rule["head"]
            word = str(head.get("name") or (head.get("ref") or [{}])[0].get("value"))
            if word.startswith((_TEST, _TODO)):
                path = f"{base}.{word}"
                again = seen.get(path, 0) if word.startswith(_TEST) else 0
                seen[path] = again + 1
                yield _Test(file=file, space=space, base=base, word=word, again=again)


def _apart(modules: Mapping[str, str], tests: Sequence[_Test]) -> dict[str, str]:
    """Return the modules with a name of its own for every further test of one name."""
    changed = dict(modules)
    for file in {test.file for test in tests if test.again}:
        heads: dict[str, list[str]] = {}
        for test in tests:
            if test.file == file and test.word.startswith(_TEST):
                heads.setdefault(test.word, []).append(test.path.rpartition(".")[2])
        changed[file] = _renamed(modules[file], heads)
    return changed


def _renamed(source: str, heads: Mapping[str, list[str]]) -> str:
    made = ""
    depth = 0
    fresh = True
    for token in tokens(source):
        text = token.text
        if depth == 0 and fresh and heads.get(text):
            text = heads[text].pop(0)
        depth += (token.text in "([{") - (token.text in ")]}") if token.kind == "mark" else 0
        fresh = token.kind == "newline" or (fresh and token.kind == "space")
        made += text
    return made


def _values(asker: Asker, paths: Sequence[str], notes: list[str]) -> dict[str, Any]:
    """Return each test's values, or the error of its evaluation."""
    terms = {f"t{index}": f"[v | v := {path}]" for index, path in enumerate(paths)}
    try:
        # No input at all, which is something else than `null`: tests bring their own.
        asked = asker.ask(terms, "")
    except EngineError as error:
        if len(paths) == 1:
            return {paths[0]: error}
        half = len(paths) // 2
        return {**_values(asker, paths[:half], notes), **_values(asker, paths[half:], notes)}
    if asked.error:
        notes.append(f"taken for undefined, as conftest does: {asked.error}")
    return {path: asked.values[name] for name, path in zip(terms, paths, strict=True)}


def _checked(test: _Test, value: Any) -> Checked:
    said = (Finding(message=test.name),)
    if test.skipped:
        return Checked(file=test.file, namespace="", skipped=said)
    if isinstance(value, list) and len(value) == 1 and _holds(value[0]):
        return Checked(file=test.file, namespace="", successes=1)
    return Checked(file=test.file, namespace="", failures=said)


def _holds(value: Any) -> bool:
    """Whether a test, or every case of a table of tests, is true."""
    if isinstance(value, dict) and value:
        return all(_holds(each) for each in value.values())
    return value is True
