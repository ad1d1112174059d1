"""Running the tests of foreign policies, as ``conftest verify`` does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sluiceway.policy.engine import Answer, Bundle, EngineError, Parsed, VisitingEngine
from sluiceway.policy.foreign.functions import LENT, with_folders
from sluiceway.policy.foreign.judge import Judged, parsed_or_refused
from sluiceway.policy.foreign.results import Checked, Finding
from sluiceway.policy.foreign.rules import chosen, package_name

__all__ = ["verify"]

_BATCH = 50
"""Tests asked together: every query is compiled anew."""
_Test = tuple[str, str]
"""File and path of a rule: ``policy/a_test.rego``, ``data.main.test_a``."""


def verify(
    engine: VisitingEngine,
    bundle: Bundle,
    *,
    wanted: Sequence[str] = (),
    only: str = "",
    also: Collection[str] = (),
) -> Judged:
    """Run every ``test_`` rule of every module; ``todo_`` rules are skipped.

    Args:
        engine: Evaluates.
        bundle: The policies, by :func:`~sluiceway.policy.foreign.sources.load_foreign`.
        wanted: Namespaces or patterns of them; all when empty.
        only: Only tests whose dotted name contains this.
        also: Built-ins that are allowed beyond a gate's.

    Raises:
        UsageError: ``policy.v0``, ``policy.namespace``.
        EngineError: When the policies do not compile.
    """
    parsed = parsed_or_refused(engine, bundle)
    bundle = with_folders(bundle)
    judged = Judged()
    tests = [each for each in _tests(parsed, wanted) if only in each[1]]
    asked = list(dict.fromkeys(path for _, path in tests if not _skipped(path)))
    if asked:
        engine.ask(bundle, "true", "", also=also, lent=LENT)  # what does not compile says so
    values: dict[str, Any] = {}
    for start in range(0, len(asked), _BATCH):
        values |= _values(engine, bundle, asked[start : start + _BATCH], also)
    seen: dict[tuple[str, str], int] = {}
    for file, path in tests:
        again = seen.get((file, path), 0)
        seen[file, path] = again + 1
        name = f"{path}#{again:02d}" if again else path
        value = values.get(path, ())
        judged.rules += not _skipped(path)
        if isinstance(value, EngineError):
            judged.notes.append(f"{name}: {value.what}")
        judged.results.append(_checked(file, name, value))
    return judged


def _tests(parsed: Mapping[str, Parsed], wanted: Sequence[str]) -> Iterator[_Test]:
    names = sorted({package_name(module.tree) for module in parsed.values()})
    kept = set(chosen(names, wanted)) if wanted else set(names)
    for file, module in sorted(parsed.items()):
        name = package_name(module.tree)
        if name not in kept:
            continue
        base = "data" + ("" if name.startswith("[") else ".") + name
        for rule in module.tree.get("rules") or []:
            word = str(
                rule["head"].get("name") or (rule["head"].get("ref") or [{}])[0].get("value")
            )
            if word.startswith(("test_", "todo_")):
                yield file, f"{base}.{word}"


def _skipped(path: str) -> bool:
    return path.rpartition(".")[2].startswith("todo_")


def _values(
    engine: VisitingEngine, bundle: Bundle, paths: Sequence[str], also: Collection[str]
) -> dict[str, Any]:
    """Return each test's values, or the error of its evaluation."""
    try:
        answer = _asked(engine, bundle, paths, also)
        return {path: answer.found[0][f"t{index}"] for index, path in enumerate(paths)}
    except EngineError as error:
        if len(paths) == 1:
            return {paths[0]: error}
    half = len(paths) // 2
    return {
        **_values(engine, bundle, paths[:half], also),
        **_values(engine, bundle, paths[half:], also),
    }


def _asked(
    engine: VisitingEngine, bundle: Bundle, paths: Sequence[str], also: Collection[str]
) -> Answer:
    query = "; ".join(f"t{index} := [v | v := {path}]" for index, path in enumerate(paths))
    # No input at all, which is something else than `null`: tests bring their own.
    return engine.ask(bundle, query, "", also=also, lent=LENT)


def _checked(file: str, name: str, value: Any) -> Checked:
    said = (Finding(message=name),)
    if _skipped(name.partition("#")[0]):
        return Checked(file=file, namespace="", skipped=said)
    if isinstance(value, list) and len(value) == 1 and _holds(value[0]):
        return Checked(file=file, namespace="", successes=1)
    return Checked(file=file, namespace="", failures=said)


def _holds(value: Any) -> bool:
    """Whether a test, or every case of a table of tests, is true."""
    if isinstance(value, dict) and value:
        return all(_holds(each) for each in value.values())
    return value is True
