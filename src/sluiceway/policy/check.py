"""Checking policies before they judge anything: what OPA's parser and compiler say, and our rules.

Works on any engine that is a :class:`~sluiceway.policy.PolicyWorkbench`; metadata is read by the
engine's own YAML, so that nothing here understands a part of Rego in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sluiceway.config.settings import nearest
from sluiceway.policy.builtins import FORBIDDEN, find_forbidden
from sluiceway.policy.engine import Bundle, EngineError, Parsed, PolicyWorkbench
from sluiceway.policy.idle import idle_problems
from sluiceway.policy.tree import (
    aliases,
    calls,
    metadata_text,
    package,
    references,
    row_of,
    rule_name,
    rule_rows,
    walk,
)
from sluiceway.record import Record

__all__ = ["Problem", "RuleDocument", "check_bundle", "rule_documents"]

_PLACE = re.compile(r"(?P<file>[^\s:]+\.rego):(?P<row>\d+)(?::\d+)?: (?P<message>.*)")
_JUDGING = re.compile(r"(deny|violation|warn)(_[a-zA-Z0-9]+)*")
_RATED = "finding"
"""A set of this name is a rule whose level is data; deny and warn only collect what it found."""
_CODE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+")
_TESTS = "_test.rego"
_OF_CODES = (("lib", "waivable"), ("waiver", "narrow"))
"""Where data lists codes of findings."""
_METADATA = Bundle(
    modules={
        "sluiceway/metadata.rego": """package sluiceway.metadata

values := [value | some text in input.texts; value := read(text)]

read(text) := yaml.unmarshal(text) if {
	yaml.is_valid(text)
} else := null
"""
    },
    data={},
    digest="",
    origin="sluiceway",
)


class Problem(Record, order=True):
    """One thing that is wrong with a policy file."""

    file: str
    row: int
    """1-based."""
    col: int
    """1-based; 1 when only the row is known."""
    code: str
    """``policy.syntax``, ``policy.recursion``, ``policy.forbidden``, ``policy.metadata``,
    ``policy.entrypoint``, ``policy.package``, ``policy.shape``, ``policy.negation``,
    ``policy.layout``, ``policy.dead-rule``, ``policy.unjoined``, ``policy.fragile``,
    ``policy.unused-data``, ``policy.input`` or ``policy.value``."""
    message: str


class RuleDocument(Record):
    """One rule that denies or warns (or either: ``finding``), with what its METADATA says about it."""

    package: str
    rule: str
    file: str
    row: int
    metadata: Mapping[str, Any]
    """The YAML of its METADATA; empty when it has none that can be read."""


def check_bundle(engine: PolicyWorkbench, bundle: Bundle) -> list[Problem]:
    """Return everything that is wrong with *bundle*, sorted by place.

    Args:
        engine: Parses, compiles and reads YAML.
        bundle: Load it with ``tests=True`` to check the tests as well.

    Raises:
        EngineError: When the engine itself fails (time-out, crash), not for what it says.
    """
    parsed = engine.parse(bundle.modules)
    problems = [
        problem
        for name, module in sorted(parsed.items())
        if module.error
        for problem in _syntax_problems(name, module.error)
    ]
    torn = bool(problems)  # what a module that cannot be read defines, nobody knows
    for use in find_forbidden(parsed, bundle.modules):
        if torn and use.name not in FORBIDDEN:
            continue
        message = f"{use.name} {use.reason}"
        problems.append(_problem(use.file, use.row, "policy.forbidden", message))
    if not problems:
        problems += _compile_problems(engine, bundle)
    good = {name: module.tree for name, module in sorted(parsed.items()) if module.tree}
    for name, tree in good.items():
        source = bundle.modules[name]
        problems += _layout_problems(name, source, tree)
        problems += _shape_problems(name, source, tree)
        problems += _negation_problems(name, source, tree)
    problems += _entrypoint_problems(bundle, good)
    policies = {name: tree for name, tree in good.items() if not name.endswith(_TESTS)}
    problems += [_problem(*found) for found in idle_problems(bundle, policies)]
    documents = rule_documents(engine, bundle, parsed)
    for document in documents:
        problems += _metadata_problems(document)
    problems += _code_problems(bundle, documents)
    return sorted(set(problems))


def rule_documents(
    engine: PolicyWorkbench, bundle: Bundle, parsed: Mapping[str, Parsed] | None = None
) -> list[RuleDocument]:
    """Return every rule that denies or warns, tests' aside, with its METADATA, in file order.

    Left out are those that only collect what rules of another name in their package found
    (``custom.collects: finding``): code and solution stand there.
    """
    parsed = engine.parse(bundle.modules) if parsed is None else parsed
    found: list[tuple[str, int, str, str]] = []
    texts: list[str] = []
    for name, module in sorted(parsed.items()):
        if name.endswith(_TESTS) or not module.tree:
            continue
        source = bundle.modules[name]
        rules = module.tree.get("rules") or []
        for rule, row in zip(rules, rule_rows(source, module.tree) or [], strict=False):
            if (_judges(rule) or _is_rated(rule)) and not rule.get("default"):
                found.append((name, row, package(module.tree), rule_name(rule)))
                texts.append(metadata_text(source, row))
    values = engine.evaluate(_METADATA, "sluiceway.metadata.values", {"texts": texts})
    return [
        RuleDocument(
            package=where,
            rule=rule,
            file=name,
            row=row,
            metadata=value if isinstance(value, Mapping) else {},
        )
        for (name, row, where, rule), value in zip(found, values, strict=True)
        if not _collects(value)
    ]


def _judges(rule: Mapping[str, Any]) -> bool:
    return _JUDGING.fullmatch(rule_name(rule)) is not None


def _is_rated(rule: Mapping[str, Any]) -> bool:
    return rule_name(rule) == _RATED and _is_set(rule)


def _is_set(rule: Mapping[str, Any]) -> bool:
    return "key" in rule["head"] and "value" not in rule["head"]


def _collects(metadata: Any) -> bool:
    custom = metadata.get("custom") if isinstance(metadata, Mapping) else None
    return isinstance(custom, Mapping) and custom.get("collects") == _RATED


def _problem(file: str, row: int, code: str, message: str) -> Problem:
    return Problem(file=file, row=row, col=1, code=code, message=message)


def _syntax_problems(file: str, text: str, code: str = "policy.syntax") -> Iterator[Problem]:
    """Yield the problems of a message of OPA: ``file:row: message``, perhaps with a drawing.

    The drawing's last line is a caret under the column, behind one tab.
    """
    found: list[Problem] = []
    for line in text.splitlines():
        match = _PLACE.search(line)
        if match:
            problem = _problem(match["file"], int(match["row"]), code, match["message"].strip())
            found.append(problem)
        elif found and line.strip() == "^":
            found[-1] = replace(found[-1], col=max(len(line.rstrip()) - 1, 1))
    yield from found or [_problem(file, 1, code, text.strip())]


def _compile_problems(engine: PolicyWorkbench, bundle: Bundle) -> Iterator[Problem]:
    try:
        engine.compile(bundle)
    except EngineError as error:
        if error.code not in {"policy.syntax", "policy.recursion"}:
            raise
        yield from _syntax_problems(min(bundle.modules), error.what, error.code)


def _layout_problems(name: str, source: str, tree: Mapping[str, Any]) -> Iterator[Problem]:
    """The folder is the package, or a rule of the package above, so that one finds it by its name."""
    parts = name.split("/")[:-1]
    folders = [".".join(parts[:length]) for length in (len(parts), len(parts) - 1) if length > 0]
    named = package(tree)
    plain = named.removesuffix("_test") if name.endswith(_TESTS) else named
    if folders and not {named, plain} & set(folders):
        message = (
            f"package {named} is in the folder of {folders[0]}; a folder is a package, or holds a "
            "rule of the package of the folder above"
        )
        yield _problem(name, row_of(source, "package"), "policy.package", message)
    if rule_rows(source, tree) is None:
        message = "rules do not begin at the left margin, so they cannot be told apart; use opa fmt"
        yield _problem(name, 1, "policy.layout", message)


def _shape_problems(name: str, source: str, tree: Mapping[str, Any]) -> Iterator[Problem]:
    """A deny that is not a set is no deny to conftest, which counts it as passed."""
    rules = tree.get("rules") or []
    for rule, row in zip(rules, rule_rows(source, tree) or [], strict=False):
        if _judges(rule) and not _is_set(rule):
            message = f"{rule_name(rule)} is not a set; write `{rule_name(rule)} contains ... if`"
            yield _problem(name, row, "policy.shape", message)


def _negation_problems(name: str, source: str, tree: Mapping[str, Any]) -> Iterator[Problem]:
    """OPA evaluates arguments before the negation: an undefined one makes ``not f(x)`` undefined.

    See open-policy-agent/opa, issue 7558. A helper rule in between is decided as a whole.
    """
    heads = frozenset({"input", "data", *aliases(tree)})
    for node in walk(tree):
        if not node.get("negated"):
            continue
        for called, arguments in calls({"terms": node["terms"]} | _symbols(node)):
            deep = [each for argument in arguments for each in references(argument, heads)]
            if deep:
                shown = "in" if called.startswith("internal.member") else called
                message = (
                    f"`not` before `{shown}` is undefined, and not true, when {deep[0]} is "
                    "undefined; put the condition into a rule of its own and negate that"
                )
                yield _problem(name, row_of(source, deep[0]), "policy.negation", message)


def _symbols(node: Mapping[str, Any]) -> dict[str, Any]:
    terms = node["terms"]
    return {"inner": terms["symbols"]} if isinstance(terms, Mapping) and "symbols" in terms else {}


def _entrypoint_problems(
    bundle: Bundle, trees: Mapping[str, Mapping[str, Any]]
) -> Iterator[Problem]:
    """Every gate has a schema and one decision, and something in it that can deny."""
    rules: dict[str, set[str]] = {}
    deciding: dict[str, list[tuple[str, int, Mapping[str, Any]]]] = {}
    for name, tree in sorted(trees.items()):
        if not name.endswith(_TESTS):
            names = rules.setdefault(package(tree), set())
            found = tree.get("rules") or []
            rows = rule_rows(bundle.modules[name], tree) or [1] * len(found)
            for rule, row in zip(found, rows, strict=False):
                names.add(rule_name(rule))
                if rule_name(rule) == "decision":
                    deciding.setdefault(package(tree), []).append((name, row, rule))
    for gate in sorted(bundle.schemas):
        here = rules.get(gate, set())
        if "decision" not in here:
            message = f"gate {gate} has a schema, but package {gate} has no rule decision"
            yield _problem(f"schemas/{gate}/input.json", 1, "policy.entrypoint", message)
        elif not any(re.fullmatch(r"(deny|violation)(_\w+)?", rule) for rule in here):
            message = f"package {gate} has no rule that denies"
            yield _problem(f"schemas/{gate}/input.json", 1, "policy.entrypoint", message)
    for gate, places in sorted(deciding.items()):
        if bundle.schemas:
            yield from _decision_problems(gate, places, known=gate in bundle.schemas)


def _decision_problems(
    gate: str, places: Sequence[tuple[str, int, Mapping[str, Any]]], *, known: bool
) -> Iterator[Problem]:
    """What is refused at every decision, and what would decide where nothing else did."""
    own = [place for place in places if not place[2].get("default")]
    if not known:
        message = f"package {gate} has a decision, and there is no schemas/{gate}/input.json for it"
        yield _problem(*places[0][:2], "policy.entrypoint", message)
    for file, row, _ in (place for place in places if place[2].get("default")):
        message = (
            f"where decision of package {gate} is undefined the gate has to refuse, and this default "
            "would decide instead"
        )
        yield _problem(file, row, "policy.entrypoint", message)
    if any(_holds_always(rule) for _, _, rule in own):
        for file, row, _ in own[1:]:
            message = f"decision of package {gate} stands in {own[0][0]}:{own[0][1]} already"
            yield _problem(file, row, "policy.entrypoint", message)


def _holds_always(rule: Mapping[str, Any]) -> bool:
    body = rule.get("body") or []
    return [each.get("terms") for each in body] == [{"type": "boolean", "value": True}]


def _code_problems(bundle: Bundle, documents: Sequence[RuleDocument]) -> Iterator[Problem]:
    """A code that is misspelt in the data about codes means none: what was to be narrow is not."""
    codes = {code for each in documents if isinstance(code := _custom(each).get("code"), str)}
    for place in _OF_CODES if bundle.schemas else ():
        value: Any = bundle.data
        for step in place:
            value = value.get(step) if isinstance(value, Mapping) else None
        for word in value if isinstance(value, list) else ():
            if isinstance(word, str) and word not in codes:
                guess = nearest(word, sorted(codes))
                message = f"data.{'.'.join(place)} names {word!r}, and no rule has that code" + (
                    f"; did you mean {guess}?" if guess else ""
                )
                yield _problem("data", 1, "policy.unused-data", message)


def _custom(document: RuleDocument) -> Mapping[str, Any]:
    custom = document.metadata.get("custom")
    return custom if isinstance(custom, Mapping) else {}


def _metadata_problems(document: RuleDocument) -> Iterator[Problem]:
    custom = _custom(document)
    texts = {
        "title": document.metadata.get("title"),
        "description": document.metadata.get("description"),
        "custom.code": custom.get("code"),
        "custom.solution": custom.get("solution"),
    }
    for key, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            message = f"{document.rule} has no {key} in its METADATA"
            yield _problem(document.file, document.row, "policy.metadata", message)
    code = texts["custom.code"]
    if isinstance(code, str) and code and not _CODE.fullmatch(code):
        message = f"the code {code!r} is not of the form gate.reason"
        yield _problem(document.file, document.row, "policy.metadata", message)
