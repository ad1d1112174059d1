"""Many damages to a package in one compilation, of which each evaluation chooses one.

Compiling policies costs more than asking their tests. So every damaged rule is written beside the
one that it was, and a condition in front of each says in which evaluations it holds: mutant schemata
(R. H. Untch, A. J. Offutt, M. J. Harrold, "Mutation analysis using mutant schemata", ISSTA 1993).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sluiceway.policy.engine import Bundle, Parsed
from sluiceway.policy.mutants import REMOVED, Mutant
from sluiceway.policy.tree import rule_spans
from sluiceway.record import Record

__all__ = ["CHOICES", "Schemata", "schemata"]

CHOICES = "sluiceway_mutant"
"""Where below ``data`` it stands which damage is in force."""
_PLACE = re.compile(r"(\S+\.rego):(\d+)")
_UNREAD = re.compile(r'#[^\n]*|"(?:\\.|[^"\\\n])*"|`[^`]*`')
_BODY = re.compile(r"\bif\s+(\{)?")
_ELSE = re.compile(r"\belse\b")


class Schemata(Record):
    """A bundle with damages in it; none of them is in force by itself."""

    bundle: Bundle
    choices: Mapping[Mutant, tuple[str, int]]
    """A damage to the rule that it is in and its number there; damages that are not in it lack."""
    rows: Mapping[tuple[str, int], Mutant]
    """File and row to the damage that is written there."""

    def chosen(self, mutant: Mutant | None) -> dict[str, int]:
        """Return what ``data.sluiceway_mutant`` has to be for one damage, or for none."""
        none = dict.fromkeys((rule for rule, _ in self.choices.values()), 0)
        return none if mutant is None else {**none, **dict([self.choices[mutant]])}

    def named_in(self, message: str) -> frozenset[Mutant]:
        """Return the damages that a compiler's message is about."""
        places = ((file, int(row)) for file, row in _PLACE.findall(message))
        return frozenset(self.rows[place] for place in places if place in self.rows)


def schemata(bundle: Bundle, parsed: Mapping[str, Parsed], damaged: Sequence[Mutant]) -> Schemata:
    """Return *bundle* with each of *damaged* that is not to a rule of ``default``.

    There can be but one of those.
    """
    by_file: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in damaged:
        by_file[mutant.file].append(mutant)
    choices: dict[Mutant, tuple[str, int]] = {}
    rows: dict[tuple[str, int], Mutant] = {}
    modules = dict(bundle.modules)
    for file, here in by_file.items():
        source = modules[file].splitlines()
        written: list[str] = []
        done = 0
        for start, end in rule_spans(modules[file], parsed[file].tree) or []:
            text = "\n".join(source[start - 1 : end])
            mine = [mutant for mutant in here if start <= mutant.row <= end]
            if not mine or text.startswith("default "):
                continue
            rule = f"r{len(choices)}"
            comment = _comment_above(source, start)
            written += [*source[done : start - 1], *_when(text, rule, 0)]
            done = end
            for number, mutant in enumerate(mine, 1):
                choices[mutant] = (rule, number)
                if mutant.damage != REMOVED:
                    changed = "\n".join(mutant.source.splitlines()[start - 1 : end])
                    first = len(written)
                    written += [*comment, *_when(changed, rule, number)]
                    rows |= {(file, row): mutant for row in range(first + 1, len(written) + 1)}
        modules[file] = "\n".join([*written, *source[done:]]) + "\n"
    found = Schemata(bundle=bundle, choices=choices, rows=rows)
    data = {**bundle.data, CHOICES: found.chosen(None)}
    return replace(found, bundle=replace(bundle, modules=modules, data=data))


def _when(text: str, rule: str, number: int) -> list[str]:
    """Return the rows of a rule each branch of which holds only while *number* is chosen for it."""
    guard = f"data.{CHOICES}.{rule} == {number}"
    starts = [0, *(match.start() for match in _ELSE.finditer(_readable(text)))]
    branches = [text[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]
    return " ".join(_guarded(branch.rstrip(), guard) for branch in branches).split("\n")


def _guarded(branch: str, guard: str) -> str:
    readable = _readable(branch)
    body = _BODY.search(readable)
    if body is None:
        return f"{branch[: len(readable.rstrip())]} if {guard}"
    before, behind = branch[: body.end()], branch[body.end() :]
    if body[1]:
        return f"{before}\n\t{guard}\n{behind}"
    return f"{before}{{\n\t{guard}\n\t{behind}\n}}"


def _readable(text: str) -> str:
    """Return *text* with as many spaces in place of every comment, and dots in place of texts."""

    def instead(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " " if match[0].startswith("#") else ".", match[0])

    return _UNREAD.sub(instead, text)


def _comment_above(lines: Sequence[str], row: int) -> list[str]:
    """Return the comment that ends above *row*: its METADATA, which the rule may read."""
    start = row - 1
    while start > 0 and lines[start - 1].startswith("#"):
        start -= 1
    return list(lines[start : row - 1])
