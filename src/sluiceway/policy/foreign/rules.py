"""Which rules of foreign policies judge, found in the trees that OPA's parser gives."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluiceway.errors import UsageError
from sluiceway.policy.engine import Parsed
from sluiceway.policy.tree import row_of

__all__ = ["Namespace", "chosen", "exception_of", "namespaces", "refuse_bare_if", "warns"]

_FAILS = re.compile(r"(deny|violation)(_[a-zA-Z0-9]+)*")
_WARNS = re.compile(r"warn(_[a-zA-Z0-9]+)*")
_WORD = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_PREFIXES = ("violation_", "deny_", "warn_")


@dataclass(slots=True, kw_only=True)
class Namespace:
    """One package."""

    name: str
    """Its path without ``data``: ``main.gke``."""
    rules: list[str] = field(default_factory=list)
    """Names of rules that judge, each once, in the order of files and lines."""
    bodies: int = 0
    """How many rules have one of these names: what conftest counts as tests."""


def namespaces(parsed: Mapping[str, Parsed]) -> dict[str, Namespace]:
    """Return every package by its name, in the order of file names.

    conftest meets files in no order at all; here two runs say the same in the same order.
    """
    found: dict[str, Namespace] = {}
    for _, module in sorted(parsed.items()):
        if not module.tree:
            continue
        name = package_name(module.tree)
        space = found.setdefault(name, Namespace(name=name))
        for rule in module.tree.get("rules") or []:
            head = str(rule["head"].get("name") or "")
            if _FAILS.fullmatch(head) or _WARNS.fullmatch(head):
                space.bodies += 1
                if head not in space.rules:
                    space.rules.append(head)
    return found


def package_name(tree: Mapping[str, Any]) -> str:
    """Return the package as OPA writes it: ``a.b``, and ``a["b-c"]`` for what is no word."""
    name = ""
    for part in tree["package"]["path"][1:]:
        text = str(part["value"])
        if _WORD.fullmatch(text):
            name += f".{text}" if name else text
        else:
            name += f"[{json.dumps(text, ensure_ascii=False)}]"
    return name


def chosen(known: Sequence[str], wanted: Sequence[str], *, every: bool = False) -> list[str]:
    """Return the namespaces to judge by.

    With a ``*``, ``?`` or ``[`` among *wanted*, all of them are patterns over the whole name and
    only known namespaces are returned; without one they are taken as they are.

    Raises:
        UsageError: ``policy.namespace`` for a pattern that is none.
    """
    if every:
        return list(known)
    if not any(mark in each for each in wanted for mark in "*?["):
        return list(wanted)
    patterns = [_pattern(each) for each in wanted]
    return [each for each in known if any(pattern.fullmatch(each) for pattern in patterns)]


def _pattern(text: str) -> re.Pattern[str]:
    """Return Go's ``path.Match`` pattern as a regular expression; ``*`` and ``?`` stop at ``/``."""
    made = ""
    rest = text
    try:
        while rest:
            character, rest = rest[0], rest[1:]
            if character == "*":
                made += "[^/]*"
            elif character == "?":
                made += "[^/]"
            elif character == "[":
                sign = "^" if rest.startswith("^") else ""
                ranges, rest = _ranges(rest.removeprefix("^"))
                made += f"[{sign}{ranges}]" if ranges else "." if sign else "(?!)"
            elif character == "\\":
                made, rest = made + re.escape(rest[0]), rest[1:]
            else:
                made += re.escape(character)
    except (IndexError, ValueError) as error:
        raise UsageError(
            f"the namespace pattern {text!r} has a [ or \\ that is not completed",
            remedy="For example --namespace 'main.*'.",
            code="policy.namespace",
        ) from error
    return re.compile(made, re.DOTALL)


def _ranges(rest: str) -> tuple[str, str]:
    """Return what stands up to the ``]`` as a regular expression has it, and what is behind that.

    Raises:
        IndexError, ValueError: When a character or the ``]`` is missing.
    """
    made = ""
    first = True
    while first or rest[0] != "]":
        low, rest = _ranged(rest)
        high = low
        if rest[0] == "-":
            high, rest = _ranged(rest[1:])
        made += f"{re.escape(low)}-{re.escape(high)}" if low <= high else ""
        first = False
    return made, rest[1:]


def _ranged(rest: str) -> tuple[str, str]:
    if rest[0] in "-]":
        msg = "a character is due"
        raise ValueError(msg)
    escaped = rest[0] == "\\"
    return rest[escaped], rest[escaped + 1 :]


def warns(rule: str) -> bool:
    """Whether the rule's messages are warnings; otherwise they are failures."""
    return _WARNS.fullmatch(rule) is not None


def exception_of(rule: str) -> str:
    """Return the name by which an ``exception`` rule means *rule*: without the prefix."""
    if rule in {"violation", "deny", "warn"}:
        return ""
    for prefix in _PREFIXES:
        rule = rule.removeprefix(prefix)
    return rule


def refuse_bare_if(parsed: Mapping[str, Parsed], sources: Mapping[str, str]) -> None:
    """Raise :class:`UsageError` for ``deny[msg] if``, which in Rego v1 means something else."""
    for name, module in sorted(parsed.items()):
        for rule in module.tree.get("rules") or []:
            head = rule["head"]
            first = str((head.get("ref") or [{}])[0].get("value", ""))
            value = head.get("value") or {}
            judging = _FAILS.fullmatch(first) or _WARNS.fullmatch(first)
            if head.get("name") or not judging or value.get("value") is not True:
                continue
            raise UsageError(
                f"{name}:{row_of(sources[name], first)}: the rule {first} uses `if` without"
                " `contains`",
                means="In Rego v1 that is a map or a boolean, whose messages nobody would see.",
                remedy=f"Write `{first} contains msg if {{ ... }}`.",
                code="policy.shape",
            )
