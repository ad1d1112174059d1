"""What a failing test compared: both sides of the comparison that did not hold, evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sluiceway.policy import unparse
from sluiceway.policy.engine import Bundle, EngineError, PolicyWorkbench
from sluiceway.policy.tree import package, rule_name
from sluiceway.record import Record

__all__ = ["UNDEFINED", "Compared", "compare"]

_SIGNS = {
    "equal": "==",
    "eq": "=",
    "neq": "!=",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "internal.member_2": "in",
}
_PROBE = "sluiceway_probe"


class _Undefined:
    """The side has no value."""

    def __repr__(self) -> str:
        return "(undefined)"


UNDEFINED = _Undefined()


class Compared(Record):
    """One comparison of a test that does not hold."""

    left: str
    """As it stands in the test."""
    operator: str
    right: str
    actual: Any
    """The left side's value, or :data:`UNDEFINED`."""
    expected: Any
    """The right side's value, or :data:`UNDEFINED`."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON data; a side that is undefined is left out."""
        values = {"actual": self.actual, "expected": self.expected}
        sides = {"left": self.left, "operator": self.operator, "right": self.right}
        known = {key: value for key, value in values.items() if value is not UNDEFINED}
        return {**sides, **known}


def compare(
    engine: PolicyWorkbench, bundle: Bundle, failing: Sequence[tuple[str, Mapping[str, Any], str]]
) -> dict[str, Compared]:
    """Return the first comparison of each failing test that does not hold, by the test's full name.

    A test is left out when what fails is no comparison (a bare condition, a ``not``, an ``every``) or
    when several rules have its name; the line alone has to do then.

    Args:
        engine: Evaluates both sides.
        bundle: The policies with their tests.
        failing: For each test its file, the file's syntax tree, and its name without its package.
    """
    probes = []
    for number, (file, tree, rule) in enumerate(failing):
        bodies = [each.get("body") for each in tree.get("rules") or [] if rule_name(each) == rule]
        if len(bodies) == 1:
            with suppress(ValueError):  # some of it cannot be written again
                probes.append(_probe(file, tree, rule, bodies[0] or [], number))
    found = {}
    for probe, values in _asked(engine, bundle, probes):
        compared = _first(probe, values)
        if compared is not None:
            found[f"{probe.package}.{probe.rule}"] = compared
    return found


class _Probe(Record):
    """A module beside a failing test that asks for each of its lines."""

    package: str
    rule: str
    body: Sequence[Mapping[str, Any]]
    number: int
    """Sets its rules apart from those of other probes in the same package."""
    file: str
    source: str
    rules: tuple[str, ...]
    """Names of the rules in its source."""


def _probe(
    file: str, tree: Mapping[str, Any], rule: str, body: Sequence[Mapping[str, Any]], number: int
) -> _Probe:
    rules: dict[str, str] = {}
    for index, each in enumerate(body):
        prefix = "".join(f"{unparse.expression(before)}\n\t" for before in body[:index])
        rules[_name(number, "holds", index)] = f"if {{\n\t{prefix}{unparse.expression(each)}\n}}"
        for what, side in zip(("left", "right"), _sides(each) or (), strict=False):
            asked = unparse.term(side) + _with(each)
            rules[_name(number, what, index)] = f":= [value] if {{\n\t{prefix}value := {asked}\n}}"
    imports = "".join(_import(entry) for entry in tree.get("imports") or [])
    where = package(tree)
    written = "\n\n".join(f"{name} {text}" for name, text in rules.items())
    return _Probe(
        package=where,
        rule=rule,
        body=body,
        number=number,
        file=file.replace("_test.rego", f"_probe_{number}_test.rego"),
        source=f"package {where}\n\n{imports}\n{written}\n",
        rules=tuple(rules),
    )


def _name(number: int, what: str, index: int) -> str:
    return f"{_PROBE}_{number}_{what}_{index}"


def _asked(
    engine: PolicyWorkbench, bundle: Bundle, probes: Sequence[_Probe]
) -> Iterator[tuple[_Probe, Mapping[str, Any]]]:
    """Yield each probe with the values of its rules, but for those that are undefined.

    Compiling takes most of the time, modules as well as each new query: so all are asked for at once,
    and one by one only when one of them cannot be compiled, or ends in an error.
    """
    rules, names = [], []
    for probe in probes:
        names.append(f"of_{probe.number}")
        rules += [f'{names[-1]}["{rule}"] := data.{probe.package}.{rule}\n' for rule in probe.rules]
    every = ", ".join(names)
    collector = f"package {_PROBE}\n\nall := [{every}]\n\n" + "\n".join(rules)
    modules = {probe.file: probe.source for probe in probes} | {f"{_PROBE}.rego": collector}
    probed = replace(bundle, modules={**bundle.modules, **modules}, origin="a probe")
    try:
        engine.compile(probed)
    except EngineError:
        for probe in probes if len(probes) > 1 else ():
            yield from _asked(engine, bundle, [probe])
        return
    try:
        yield from zip(probes, engine.evaluate(probed, f"{_PROBE}.all", {}), strict=True)
    except EngineError:
        for probe, name in zip(probes, names, strict=True):
            with suppress(EngineError):
                yield probe, engine.evaluate(probed, f"{_PROBE}.{name}", {})


def _first(probe: _Probe, values: Mapping[str, Any]) -> Compared | None:
    def value(what: str, index: int) -> Any:
        return values.get(_name(probe.number, what, index))

    for index, each in enumerate(probe.body):
        if value("holds", index) is True:
            continue
        sides = _sides(each)
        if sides is None:
            return None
        left, right = value("left", index), value("right", index)
        return Compared(
            left=unparse.term(sides[0]),
            operator=_SIGNS[unparse.term(each["terms"][0])],
            right=unparse.term(sides[1]),
            actual=left[0] if left else UNDEFINED,
            expected=right[0] if right else UNDEFINED,
        )
    return None


def _sides(each: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    terms = each["terms"]
    if each.get("negated") or not isinstance(terms, list) or len(terms) != 3:  # noqa: PLR2004 - operator and two sides
        return None
    if unparse.term(terms[0]) not in _SIGNS:
        return None
    return terms[1], terms[2]


def _with(each: Mapping[str, Any]) -> str:
    return "".join(
        f" with {unparse.term(modifier['target'])} as {unparse.term(modifier['value'])}"
        for modifier in each.get("with") or []
    )


def _import(entry: Mapping[str, Any]) -> str:
    path = unparse.term(entry["path"])
    alias = f" as {entry['alias']}" if entry.get("alias") else ""
    return f"import {path}{alias}\n"
