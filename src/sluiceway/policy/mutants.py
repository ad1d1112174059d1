"""Small damages to policies, each of which some test should notice.

A damage is made in the text, at one place, so that METADATA and everything else stays: a rule taken
out, a comparison turned round, a ``not`` dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sluiceway.policy.engine import Bundle, PolicyWorkbench
from sluiceway.policy.tree import rule_name, rule_spans
from sluiceway.record import Record

__all__ = ["REMOVED", "Mutant", "mutants"]

REMOVED = "rule removed"
_TESTS = "_test.rego"
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


class Mutant(Record):
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
                damage=REMOVED,
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
