"""What stands in policies without effect: rules nobody reaches, data nobody reads, tests of nothing.

A misspelt key in a site's data, or a denial that is no part of its gate's decision, refuses
nothing and says nothing. Only what OPA's compiler cannot know is looked for here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sluiceway.config.settings import nearest
from sluiceway.policy.engine import Bundle
from sluiceway.policy.fragile import fragile_words
from sluiceway.policy.reading import Reader
from sluiceway.policy.seen import Keyed, Path, Reading, Seen, shown_path
from sluiceway.policy.shapes import could_be, impossible_step, shapes
from sluiceway.policy.tree import FINDING_SETS, metadata_text, package, rule_name, rule_rows

__all__ = ["idle_problems"]

_CONFTEST = re.compile(r"(deny|violation|warn)(_[a-zA-Z0-9]+)*|exception")
_ENTRYPOINT = re.compile(r"^entrypoint: true\s*$", re.MULTILINE)
_SIDES = frozenset({"equal", "eq", "in"})

Found = tuple[str, int, str, str]
"""File, row, code and message."""


def idle_problems(bundle: Bundle, trees: Mapping[str, Mapping[str, Any]]) -> Iterator[Found]:
    """Yield what has no effect in *bundle*.

    Args:
        bundle: The policies.
        trees: File to syntax tree, tests aside.
    """
    reader = Reader(list(trees.values()))
    gates = {
        gate: reader.named(gate, "decision") for gate in bundle.schemas if _decides(reader, gate)
    }
    if not gates:
        return
    others = [
        reader.named(where, name)
        for where, name in reader.rules()
        if where not in bundle.schemas and _CONFTEST.fullmatch(name)
    ]
    asked = [reader.named(*rule) for rule in _entrypoints(bundle, trees)]
    readings = [*gates.values(), *others, *asked]
    yield from _dead_rules(bundle, trees, reader, readings)
    yield from _unjoined(bundle, trees, gates, readings)
    yield from _unused_data(bundle, readings)
    yield from _fragile(bundle, trees, reader, gates)
    yield from _impossible_input(bundle, trees, gates)
    yield from _impossible_values(bundle, trees, gates)


def _decides(reader: Reader, gate: str) -> bool:
    return "decision" in reader.names(gate)


def _entrypoints(
    bundle: Bundle, trees: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield package and name of rules that are asked for by name, as their METADATA says."""
    for file, tree in trees.items():
        source, rules = bundle.modules[file], tree.get("rules") or []
        for rule, row in zip(rules, rule_rows(source, tree) or [], strict=False):
            if _ENTRYPOINT.search(metadata_text(source, row)):
                yield package(tree), rule_name(rule)


def _dead_rules(
    bundle: Bundle,
    trees: Mapping[str, Mapping[str, Any]],
    reader: Reader,
    readings: Iterable[Reading],
) -> Iterator[Found]:
    reached = {rule for reading in readings for rule in reading.rules}
    dead = set(reader.rules()) - reached
    for file, tree in trees.items():
        rules = tree.get("rules") or []
        for rule, row in zip(rules, rule_rows(bundle.modules[file], tree) or [], strict=False):
            where, name = package(tree), rule_name(rule)
            if (where, name) in dead:
                dead.discard((where, name))
                message = f"no gate's decision reaches {where}.{name}, so it has no effect"
                yield file, row, "policy.dead-rule", message


def _unjoined(
    bundle: Bundle,
    trees: Mapping[str, Mapping[str, Any]],
    gates: Mapping[str, Reading],
    readings: Iterable[Reading],
) -> Iterator[Found]:
    """Yield sets of findings that a gate's decision leaves out, though something else reaches them.

    A gate's decision has every set of its own package, and of each other package from which it takes
    what denies (or warns) all that denies (or warns) there.
    """
    alive = {rule for reading in readings for rule in reading.rules}
    for file, tree in trees.items():
        where, rules = package(tree), tree.get("rules") or []
        for rule, row in zip(rules, rule_rows(bundle.modules[file], tree) or [], strict=False):
            name = rule_name(rule)
            for does, sets in FINDING_SETS.items():
                if (where, name) not in alive or not sets.fullmatch(name):
                    continue
                for gate, reading in gates.items():
                    beside = {each for place, each in reading.rules if place == where}
                    taken = where == gate or any(map(sets.fullmatch, beside))
                    if taken and name not in beside:
                        message = (
                            f"the decision of gate {gate} does not join {where}.{name}, so nothing "
                            f"in it {does} there"
                        )
                        yield file, row, "policy.unjoined", message


def _fragile(
    bundle: Bundle,
    trees: Mapping[str, Mapping[str, Any]],
    reader: Reader,
    gates: Mapping[str, Reading],
) -> Iterator[Found]:
    for file, row, lacking in fragile_words(bundle, trees, reader, gates):
        message = (
            f"nothing is found when {lacking} is missing, which the words need and no condition does: "
            "give it a default (object.get, or lib.value in the bundled policies), or ask for it"
        )
        yield file, row, "policy.fragile", message


def _unused_data(bundle: Bundle, readings: Iterable[Reading]) -> Iterator[Found]:
    paths = {path for reading in readings for path in (*reading.judged, *reading.told)}
    read = [path[1:] for path in paths if path[0] == "data"]
    for place in _unread(bundle.data, (), read):
        beside = {
            path[len(place) - 1]
            for path in read
            if len(path) >= len(place) and _alike(path[: len(place) - 1], place[:-1])
        }
        known = [step for step in beside if isinstance(step, str)]
        guess = nearest(place[-1], known)
        message = f"no rule reads {shown_path(('data', *place))}" + (
            f"; did you mean {guess}?" if guess else ""
        )
        yield "data", 1, "policy.unused-data", message


def _unread(value: Any, place: tuple[str, ...], read: list[Path]) -> Iterator[tuple[str, ...]]:
    """Yield the outermost places of data that no path leads to."""
    here = [path for path in read if _alike(path[: len(place)], place)]
    deeper = [path for path in here if len(path) > len(place)]
    if isinstance(value, Mapping) and (deeper or not place):
        for key in sorted(value):
            yield from _unread(value[key], (*place, key), deeper)
    elif not here:
        yield place


def _alike(path: Path, place: tuple[str, ...]) -> bool:
    return len(path) == len(place) and all(
        isinstance(step, Keyed) or step in {"*", name}
        for step, name in zip(path, place, strict=True)
    )


def _impossible_input(
    bundle: Bundle, trees: Mapping[str, Mapping[str, Any]], gates: Mapping[str, Reading]
) -> Iterator[Found]:
    asked: dict[Path, list[Any]] = {}
    for gate, reading in gates.items():
        for path in (*reading.judged, *reading.told):
            if path[0] == "input":
                step = impossible_step(bundle.schemas[gate], path[1:])
                asked.setdefault(path, []).append(step)
    told: set[Any] = set()
    for path, steps in sorted(asked.items(), key=lambda item: shown_path(item[0])):
        if None in steps or steps[0] in told or not isinstance(steps[0], str):
            continue  # some gate has it; what every gate lacks is told once
        told.add(steps[0])
        file, row = _where(bundle, trees, steps[0])
        names = [name for gate in gates for name in _names(bundle.schemas[gate], path, steps[0])]
        guess = nearest(steps[0], names)
        message = f"{shown_path(path)} is in no gate's schema" + (
            f"; did you mean {guess}?" if guess else ""
        )
        yield file, row, "policy.input", message


def _names(schema: Mapping[str, Any], path: Path, step: str) -> list[str]:
    above = path[1 : path.index(step)]
    return [name for shape in shapes(schema, above) for name in shape.get("properties") or {}]


def _impossible_values(
    bundle: Bundle, trees: Mapping[str, Mapping[str, Any]], gates: Mapping[str, Reading]
) -> Iterator[Found]:
    possible: dict[tuple[str, str], bool] = {}
    for gate, reading in gates.items():
        for comparison in reading.comparisons:
            if comparison.operator not in _SIDES:
                continue
            for mine, other in (
                (comparison.left, comparison.right),
                (comparison.right, comparison.left),
            ):
                for path, value in _constants(mine, other):
                    found = shapes(bundle.schemas[gate], path[1:])
                    key = (shown_path(path), json.dumps(value))
                    fits = value in mine.constants or not found
                    fits = fits or any(could_be(shape, value) for shape in found)
                    possible[key] = possible.get(key, False) or fits
    for (shown, value), fits in sorted(possible.items()):
        if not fits:
            file, row = _where(bundle, trees, json.loads(value))
            message = f"{shown} is compared with {value}, which the schema says it never is"
            yield file, row, "policy.value", message


def _constants(mine: Seen, other: Seen) -> Iterator[tuple[Path, Any]]:
    """Yield paths of one side with constants of the other, where the one side is just a path."""
    if len(mine.facts) != 1 or mine.anything or mine.items is not None:
        return
    if other.facts or other.anything or other.items is not None:
        return
    (path,) = mine.facts
    if path[0] == "input":
        for value in other.constants:
            if isinstance(value, str | bool | int | float) or value is None:
                yield path, value


def _where(bundle: Bundle, trees: Iterable[str], word: Any) -> tuple[str, int]:
    """Return the first place outside of comments where *word* stands."""
    text = word if isinstance(word, str) else json.dumps(word)
    pattern = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")
    for file in sorted(trees):
        for row, line in enumerate(bundle.modules[file].splitlines(), 1):
            if pattern.search(line) and not line.lstrip().startswith("#"):
                return file, row
    return min(bundle.modules), 1
