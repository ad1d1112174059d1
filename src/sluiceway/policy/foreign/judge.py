"""Judging files by foreign policies: conftest's rules, evaluated by our engine.

The source of every rule here is conftest's own (``policy/engine.go`` and ``runner/test.go``,
v0.70): which rules judge, how exceptions take results away, and what counts as a success.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluiceway.errors import UsageError
from sluiceway.policy.engine import Bundle, EngineError, Parsed, VisitingEngine
from sluiceway.policy.foreign.asking import Asked, Asker
from sluiceway.policy.foreign.functions import with_folders
from sluiceway.policy.foreign.inputs import COMBINED, combine, documents
from sluiceway.policy.foreign.numbers import Literal, go_json, policy_text
from sluiceway.policy.foreign.results import Checked, Finding, Location
from sluiceway.policy.foreign.rules import (
    Namespace,
    chosen,
    exception_of,
    namespaces,
    refuse_bare_if,
    warns,
)

__all__ = ["Judged", "judge", "parsed_or_refused"]

_V0 = (
    "`if` keyword is required before rule body",
    "`contains` keyword is required for partial set rules",
    "var cannot be used for rule name",
    "no longer supported",
)
"""What OPA's parser says about Rego v0."""


@dataclass(slots=True, kw_only=True)
class Judged:
    """What all files and namespaces yielded."""

    results: list[Checked] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What conftest passes over in silence and a reader should know."""
    rules: int = 0
    """How many rules judged, over all namespaces."""


def judge(
    engine: VisitingEngine,
    bundle: Bundle,
    contents: Mapping[str, Any],
    *,
    wanted: Sequence[str] = ("main",),
    every: bool = False,
    combined: bool = False,
    also: Collection[str] = (),
    lenient: bool = False,
) -> Judged:
    """Judge every file by every chosen namespace.

    Args:
        engine: Evaluates.
        bundle: The policies, by :func:`~sluiceway.policy.foreign.sources.load_foreign`.
        contents: File to its content, by :func:`~sluiceway.policy.foreign.inputs.read_files`.
        wanted: Namespaces, or patterns of them.
        every: Judge by all namespaces.
        combined: Judge all files together, as one input.
        also: Built-ins that are allowed beyond a gate's.
        lenient: Take the error of a built-in for undefined, as conftest does; a note says so.

    Raises:
        UsageError: ``policy.v0``, ``policy.shape``, ``policy.namespace``.
        EngineError: When an evaluation fails.
    """
    parsed = parsed_or_refused(engine, bundle)
    refuse_bare_if(parsed, bundle.modules)
    known = namespaces(parsed)
    asker = Asker(engine=engine, bundle=with_folders(bundle), also=also, lenient=lenient)
    asker.compile()
    judged = Judged()
    for name in chosen(list(known), wanted, every=every):
        space = known.get(name) or Namespace(name=name)
        judged.rules += len(space.rules)
        if not space.rules:
            judged.notes.append(f"no rule judges in the namespace {name}")
        one = _Judge(asker, space, judged.notes)
        if combined:
            judged.results.append(one.check(COMBINED, [combine(contents)]))
        else:
            judged.results += [
                one.check(file, documents(content)) for file, content in contents.items()
            ]
    judged.notes = list(dict.fromkeys(judged.notes))
    return judged


def parsed_or_refused(engine: VisitingEngine, bundle: Bundle) -> Mapping[str, Parsed]:
    """Return the trees of all modules.

    Raises:
        UsageError: ``policy.v0`` when the policies are written in Rego v0.
        EngineError: ``policy.syntax`` for any other module that does not parse.
    """
    parsed = engine.parse(bundle.modules)
    for _, module in sorted(parsed.items()):
        if not module.error:
            continue
        if any(words in module.error for words in _V0):
            raise UsageError(
                f"the policies in {bundle.origin} are written in Rego v0: {module.error}",
                means="Nothing was judged: read as v1 they would mean something else.",
                remedy=f"See what would change: invoke policy.upgrade {bundle.origin}"
                " - and add --write to change it.",
                code="policy.v0",
            )
        raise EngineError(
            module.error,
            means="Nothing was judged.",
            remedy="Correct it at the place named.",
            code="policy.syntax",
        )
    return parsed


class _Judge:
    """The rules of one namespace."""

    def __init__(self, asker: Asker, space: Namespace, notes: list[str]) -> None:
        self._asker = asker
        self._space = space
        self._notes = notes
        self._base = "data" + ("" if space.name.startswith("[") else ".") + space.name
        self._terms = {
            name: term
            for index, rule in enumerate(space.rules)
            for name, term in self._parts(index, rule).items()
        }

    def check(self, file: str, inputs: Sequence[Any]) -> Checked:
        """Return what the rules say about each of *inputs*, together."""
        found = [self._one(file, each) for each in inputs]
        return Checked(
            file=file,
            namespace=self._space.name,
            successes=sum(each.successes for each in found),
            warnings=tuple(item for each in found for item in each.warnings),
            failures=tuple(item for each in found for item in each.failures),
            exceptions=tuple(item for each in found for item in each.exceptions),
            printed=tuple(item for each in found for item in each.printed),
        )

    def _parts(self, index: int, rule: str) -> dict[str, str]:
        given = "d := input.document; f := input.file"
        modifiers = "with input as d with data.conftest.file as f"
        return {
            f"e{index}": f"[true | {given}; {self._excepted(rule)} {modifiers}]",
            f"r{index}": f"[json.marshal(v) | {given}; v := {self._base}.{rule} {modifiers}]",
        }

    def _excepted(self, rule: str) -> str:
        return f'{self._base}.exception[_][_] == "{exception_of(rule)}"'

    def _one(self, file: str, document: Any) -> Checked:
        answer = self._answer(file, document)
        bindings = answer.values
        if answer.error:
            self._notes.append(f"{file}: taken for undefined, as conftest does: {answer.error}")
        failures: list[Finding] = []
        warnings: list[Finding] = []
        exceptions: list[Finding] = []
        passed = 0
        for index, rule in enumerate(self._space.rules):
            excepted = [Finding(message=self._excepted(rule)) for _ in bindings[f"e{index}"]]
            exceptions += excepted
            for text in bindings[f"r{index}"]:
                value = json.loads(text, parse_int=Literal, parse_float=Literal)
                for finding in self._findings(rule, value):
                    if excepted:
                        continue
                    if finding is None or not finding.message:
                        passed += 1
                    else:
                        (warnings if warns(rule) else failures).append(finding)
        reported = len(failures) + len(warnings) + len(exceptions) + passed
        return Checked(
            file=file,
            namespace=self._space.name,
            successes=passed + max(self._space.bodies - reported, 0),
            warnings=tuple(warnings),
            failures=tuple(failures),
            exceptions=tuple(exceptions),
            printed=answer.printed,
        )

    def _answer(self, file: str, document: Any) -> Asked:
        if not self._terms:
            return Asked(values={})
        whole = os.path.abspath(file)  # noqa: PTH100 - a link stays the name that was given
        place = {"name": os.path.basename(whole), "dir": os.path.dirname(whole)}  # noqa: PTH119, PTH120
        try:
            text = policy_text({"document": document, "file": place})
        except RecursionError as error:
            raise UsageError(
                f"{file} is nested too deep",
                means="Nothing was judged.",
                remedy="Make it less deep, or leave it out with --ignore.",
                code="policy.input",
            ) from error
        return self._asker.ask(self._terms, text)

    def _findings(self, rule: str, value: Any) -> list[Finding | None]:
        """Return the messages of a rule's value; ``None`` is a result that passed."""
        query = f"{self._base}.{rule}"
        if not isinstance(value, list):
            self._notes.append(
                f"{query} is {_kind(value)}, not a set: conftest counts that as passed"
            )
            return [None]
        if not value:
            return [None]
        found: list[Finding | None] = []
        for item in value:
            if isinstance(item, str):
                found.append(Finding(message=item, metadata={"query": query}))
            elif isinstance(item, dict):
                found.append(_of_object(item, query))
            else:
                self._notes.append(
                    f"{query} has {_kind(item)} where a message is due: conftest passes over it"
                )
        return found


def _of_object(item: Mapping[str, Any], query: str) -> Finding:
    message = item.get("msg")
    if not isinstance(message, str):
        raise UsageError(
            f"{query} yields an object without a `msg` that is a text: {go_json(item)[:200]}",
            means="Nobody could be told what is wrong, so nothing was judged.",
            remedy="Give the object a msg.",
            code="policy.shape",
        )
    metadata = {key: value for key, value in item.items() if key not in {"msg", "_loc"}}
    return Finding(
        message=message,
        location=_location(item.get("_loc")),
        metadata={**metadata, "query": query},
    )


def _location(value: Any) -> Location | None:
    if not isinstance(value, dict):
        return None
    file, line = value.get("file"), value.get("line")
    place = Location(
        file=file if isinstance(file, str) else "",
        line=line.text if isinstance(line, Literal) else "",
    )
    return place if place.file or place.line else None


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if value is None:
        return "null"
    names = {dict: "an object", str: "a text", list: "a list"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")
