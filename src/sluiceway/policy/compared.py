"""What a failing test compared: both sides of the comparison that did not hold, evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sluiceway.policy import unparse
from sluiceway.policy.engine import Bundle, EngineError, PolicyEngine
from sluiceway.policy.tree import package, rule_name

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
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
    engine: PolicyEngine, bundle: Bundle, file: str, tree: Mapping[str, Any], rule: str
) -> Compared | None:
    """Return the first comparison of a failing test that does not hold.

    ``None`` when what fails is no comparison (a bare condition, a ``not``, an ``every``) or when
    several rules have this name; the line alone has to do then.

    Args:
        engine: Evaluates both sides.
        bundle: The policies with their tests.
        file: The test's file.
        tree: Its syntax tree.
        rule: The test's name without its package.
    """
    rules = [each for each in tree.get("rules") or [] if rule_name(each) == rule]
    if len(rules) != 1:
        return None
    try:
        return _first(engine, bundle, file, tree, rules[0].get("body") or [])
    except (EngineError, ValueError):
        return None


def _first(
    engine: PolicyEngine,
    bundle: Bundle,
    file: str,
    tree: Mapping[str, Any],
    body: Sequence[Mapping[str, Any]],
) -> Compared | None:
    lines: list[str] = []
    for index, each in enumerate(body):
        prefix = "".join(f"{unparse.expression(before)}\n\t" for before in body[:index])
        lines.append(f"{_PROBE}_holds_{index} if {{\n\t{prefix}{unparse.expression(each)}\n}}\n")
        sides = _sides(each)
        for name, side in zip(("left", "right"), sides or (), strict=False):
            asked = unparse.term(side) + _with(each)
            lines.append(
                f"{_PROBE}_{name}_{index} := [value] if {{\n\t{prefix}value := {asked}\n}}\n"
            )
    imports = "".join(_import(entry) for entry in tree.get("imports") or [])
    where = package(tree)
    source = f"package {where}\n\n{imports}\n" + "\n".join(lines)
    probe = file.replace("_test.rego", "_probe_test.rego")
    probed = replace(bundle, modules={**bundle.modules, probe: source}, origin="a probe")
    for index, each in enumerate(body):
        if engine.evaluate(probed, f"{where}.{_PROBE}_holds_{index}", {}) is True:
            continue
        sides = _sides(each)
        if sides is None:
            return None
        left, right = (
            engine.evaluate(probed, f"{where}.{_PROBE}_{name}_{index}", {})
            for name in ("left", "right")
        )
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
