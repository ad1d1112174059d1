"""Reading OPA's JSON syntax tree: what a module defines, calls and mentions, and where.

The tree is that of ``ast.Module`` (OPA's ``v1/ast``), as ``rego.parse_module`` gives it: with
comments and their rows, but without the rows of rules, which :func:`rule_rows` finds in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = [
    "FINDING_SETS",
    "aliases",
    "calls",
    "mentions",
    "metadata_text",
    "package",
    "plain_message",
    "references",
    "rule_name",
    "rule_rows",
    "rule_spans",
    "row_of",
    "walk",
]

FINDING_SETS = {
    "denies": re.compile(r"(deny|violation)(_[a-zA-Z0-9]+)*|finding"),
    "warns": re.compile(r"warn(_[a-zA-Z0-9]+)*"),
}
"""What a set of findings does, by its name. One whose levels are data (``finding``) may deny."""
_HEAD = re.compile(r"(default\s+)?([A-Za-z_][A-Za-z0-9_]*)")
_WORDS_AT_THE_MARGIN = frozenset({"package", "import", "else"})


def walk(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every object in the tree, outermost first."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Mapping):
            yield current
            waiting.extend(reversed(list(current.values())))
        elif isinstance(current, list):
            waiting.extend(reversed(current))


def package(tree: Mapping[str, Any]) -> str:
    """Return the module's dotted package without ``data``."""
    return ".".join(str(part["value"]) for part in tree["package"]["path"][1:])


def plain_message(text: str) -> str:
    """Return OPA's message without its drawings, one problem a line, each once."""
    lines = text.splitlines()
    kept = [line.strip() for line in lines if line.strip() and not line.startswith(("\t", " "))]
    return "\n".join(dict.fromkeys(kept)) or text.strip()


def rule_name(rule: Mapping[str, Any]) -> str:
    """Return the first word of a rule's head: ``deny``."""
    return str(rule["head"]["ref"][0]["value"])


def aliases(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return the names that imports bring in, each with its dotted path."""
    found: dict[str, str] = {}
    for entry in tree.get("imports") or []:
        parts = [str(part["value"]) for part in entry["path"]["value"]]
        found[entry.get("alias") or parts[-1]] = ".".join(parts)
    return found


def _dotted(reference: list[Any]) -> list[str]:
    """Return the leading constant parts of a reference."""
    parts: list[str] = []
    for index, part in enumerate(reference):
        if part.get("type") != ("string" if index else "var"):
            break
        parts.append(str(part["value"]))
    return parts


def calls(tree: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the dotted name and the arguments of every call, operators included."""
    for node in walk(tree):
        terms = node.get("value") if node.get("type") == "call" else node.get("terms")
        if isinstance(terms, list) and terms and terms[0].get("type") == "ref":
            yield ".".join(_dotted(terms[0]["value"])), terms[1:]


def mentions(tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield every dotted name that is referred to, and each of its beginnings.

    Bare words are names of built-ins only behind ``with``, where a built-in may be replaced by
    another; elsewhere they are the module's own variables.
    """
    for node in walk(tree):
        if node.get("type") == "ref":
            parts = _dotted(node["value"])
            for length in range(1, len(parts) + 1):
                yield ".".join(parts[:length])
        for modifier in node.get("with") or []:
            for side in ("target", "value"):
                if modifier[side].get("type") == "var":
                    yield str(modifier[side]["value"])


def references(node: Any, heads: frozenset[str]) -> Iterator[str]:
    """Yield dotted references that begin with one of *heads* and go at least one step deeper."""
    for found in walk(node):
        if found.get("type") == "ref":
            parts = _dotted(found["value"])
            if len(found["value"]) > 1 and parts and parts[0] in heads:
                yield ".".join(parts)


def row_of(source: str, name: str) -> int:
    """Return the 1-based row where *name* first stands outside a comment, or 1."""
    pattern = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)")
    for row, line in enumerate(source.splitlines(), 1):
        match = pattern.search(line)
        if match and not line.lstrip().startswith("#"):
            return row
    return 1


def rule_rows(source: str, tree: Mapping[str, Any]) -> list[int] | None:
    """Return the 1-based row of each of the tree's rules, in order.

    Rules begin at the left margin, as ``opa fmt`` leaves them. ``None`` when the words at the
    margin are not the tree's rules in their order, so that nobody reads a wrong row.
    """
    rows: list[int] = []
    names: list[str] = []
    lines = source.splitlines()
    for row in _margin_rows(source):
        match = _HEAD.match(lines[row - 1])
        if match and match[2] not in _WORDS_AT_THE_MARGIN:
            rows.append(row)
            names.append(match[2])
    if names != [rule_name(rule) for rule in tree.get("rules") or []]:
        return None
    return rows


def rule_spans(source: str, tree: Mapping[str, Any]) -> list[tuple[int, int]] | None:
    """Return the first and the last row of each of the tree's rules, in order.

    Comments and empty rows between two rules belong to neither. ``None`` as for
    :func:`rule_rows`.
    """
    starts = rule_rows(source, tree)
    if starts is None:
        return None
    lines = source.splitlines()
    spans: list[tuple[int, int]] = []
    for start, following in zip(starts, [*starts[1:], len(lines) + 1], strict=True):
        end = following - 1
        while end > start and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
            end -= 1
        spans.append((start, end))
    return spans


def _margin_rows(source: str) -> Iterator[int]:
    """Yield rows that begin outside of every bracket, text and comment, with a word."""
    depth = 0
    row = 1
    at_margin = True
    index = 0
    while index < len(source):
        character = source[index]
        if at_margin and depth == 0 and (character.isalpha() or character == "_"):
            yield row
        at_margin = character == "\n"
        step = 1
        if character in "({[":
            depth += 1
        elif character in ")}]":
            depth -= 1
        elif character == "#":
            step = _until(source, index, "\n", escaped=False) - 1
            step = max(step, 1)
        elif character in '"`':
            step = _until(source, index, character, escaped=character == '"')
        row += source.count("\n", index, index + step)
        index += step


def _until(source: str, index: int, end: str, *, escaped: bool) -> int:
    """Return how many characters from *index* to just behind the next *end*."""
    position = index + 1
    while position < len(source):
        if escaped and source[position] == "\\":
            position += 2
            continue
        if source[position] == end:
            return position + 1 - index
        position += 1
    return len(source) - index


def metadata_text(source: str, row: int) -> str:
    """Return the YAML of the METADATA comment that ends right above *row*."""
    lines = source.splitlines()
    found: list[str] = []
    for line in reversed(lines[: row - 1]):
        if not line.startswith("#"):
            break
        if line.strip() == "# METADATA":
            return "\n".join(reversed(found))
        found.append(line[1:].removeprefix(" "))
    return ""
