"""Placeholders and conditions of templates: Go, Jinja and their like, and ``${...}``.

A placeholder is taken to be a name: whoever fills it in with whole statements runs SQL that nobody
has read. A condition's branches are all judged, and their text is marked as conditional, so that a
table that only one branch makes excuses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sluiceway.migrations.cleaning.edits import Draft, Edit, blanked
from sluiceway.migrations.records import Dialect, Span
from sluiceway.migrations.statements import spans, tokens

__all__ = ["clean"]

_PLACE = re.compile(
    r"\{\{[-~]?\s*/\*(?P<go_comment>.*?)\*/\s*[-~]?\}\}"
    r"|\{\#(?P<comment>[^;]*?)\#\}"
    r"|\{%[-+]?\s*(?P<tag>[^{}]*?)[-+]?%\}"
    r"|\{\{[-~]?(?P<go>[^{}]*?)[-~]?\}\}"
    r"|(?P<shell>\$\{[^{}]*\})",
    re.DOTALL,
)
_OPENING = frozenset({"if", "for", "range", "with", "block", "define", "filter", "unless", "each"})
_MIDDLE = frozenset({"else", "elif", "elseif", "elsif"})
_CLOSING = frozenset({"end", "endif", "endfor", "endblock", "endfilter"})
_FOREIGN = frozenset({"include", "import", "from", "extends", "template", "macro", "call", "raw"})
_SILENT = frozenset({"set", "do", "autoescape", "endautoescape", "break", "continue"})
_ODD = re.compile(r"[;\\`\n]|--|/\*")
_SHELL = re.compile(r"\$\{\s*([\w.:\-]+?)\s*\}")
_SHELL_DEFAULT = re.compile(r"\$\{\s*(\w+):?[-=?+][\w.\-]*\}")
_NO_NAME = re.compile(r"\W+", re.ASCII)
_LONGEST = 63
"""Characters of a name that PostgreSQL keeps; two longer ones could be told as the same."""


@dataclass(frozen=True, slots=True)
class _Tag:
    word: str
    begin: int
    end: int


def clean(draft: Draft, dialect: Dialect) -> None:
    """Put names in the place of placeholders, and spaces over conditions."""
    edits: list[Edit] = []
    tags: list[_Tag] = []
    text = draft.text
    for match in _PLACE.finditer(text):
        begin, end = match.span()
        whole = match[0]
        word = ""
        inner = match["go"] if match["tag"] is None else match["tag"]
        if match["go_comment"] is not None or match["comment"] is not None:
            edits.append((begin, end, blanked(whole)))
            continue
        if inner is not None:
            first = re.match(r"\s*[#/]?([A-Za-z]+)\b(?!\s*\()", inner)
            word = first[1].lower() if first else ""
            if inner.lstrip().startswith("/"):
                word = "end"
        if word in _OPENING | _MIDDLE | _CLOSING and (
            match["tag"] is not None or _is_action(word, inner)
        ):
            tags.append(_Tag(word, begin, end))
            edits.append((begin, end, blanked(whole)))
        elif word in _FOREIGN and (match["tag"] is not None or word == "template"):
            draft.problem(
                begin, f"a template takes in another text ({word}); judge what it renders to"
            )
            edits.append((begin, end, blanked(whole)))
        elif match["tag"] is not None or (inner and ":=" in inner):
            if not word:
                continue  # LIKE '{%' ... '%}': a tag begins with a word
            if word not in _SILENT and ":=" not in (inner or ""):
                draft.problem(
                    begin,
                    f"a tag of a template that is not known ({word}); judge what it renders to",
                )
            edits.append((begin, end, blanked(whole)))
        else:
            edits += _placeholder(draft, match, dialect)
    draft.edit(edits)
    if tags:
        _conditions(draft, tags, dialect)


def _is_action(word: str, inner: str) -> bool:
    """Tell an action of a Go template (``{{ if .X }}``) from a placeholder of that name."""
    rest = inner.strip().removeprefix("#").removeprefix("/")[len(word) :].strip()
    return bool(rest) or word in {"else", "end"}


def _placeholder(draft: Draft, match: re.Match[str], dialect: Dialect) -> list[Edit]:
    text, (begin, end) = draft.text, match.span()
    if match["shell"] is not None:
        if text[begin - 1 : begin] == "$" and begin:
            draft.problem(
                begin,
                "a placeholder inside the mark of a dollar quote: it cannot be told where that ends",
            )
            return []
        found = _SHELL_DEFAULT.fullmatch(match[0]) or _SHELL.fullmatch(match[0])
        if not found:
            if _place(text, begin, dialect) not in {"quoted", "comment"}:
                draft.problem(
                    begin,
                    f"a placeholder that is no name ({match[0][:40]!r}): judge what it becomes",
                )
            return []
        inner = found[1]
    else:
        inner = match["go"]
        if _ODD.search(inner) or not re.search(r"\w", inner):
            where = _place(text, begin, dialect)
            if where == "quoted" or (where == "comment" and not re.search(r"[\\`\n]", inner)):
                return []  # text that happens to look like one
            draft.problem(
                begin,
                f"a placeholder that is no name ({match[0][:40]!r}): judge what it renders to",
            )
            return [(begin, end, blanked(match[0]))]
    return [(begin, end, _name(text, begin, end, inner, dialect))]


def _place(text: str, offset: int, dialect: Dialect) -> str:
    """Return what holds *offset*: ``quoted``, ``comment`` or nothing."""
    inside = (kind for kind, begin, end in tokens(text, dialect) if begin < offset < end)
    return next(inside, "")


def _name(text: str, begin: int, end: int, inner: str, dialect: Dialect) -> str:
    """Return the name for a placeholder, as long as it, joined to what stands beside it."""
    size = end - begin
    before, after = text[begin - 1 : begin] if begin else " ", text[end : end + 1] or " "
    word = _NO_NAME.sub("_", inner.strip()).strip("_")
    name = (("x_" if dialect is Dialect.ORACLE else "_") + word)[: min(size, _LONGEST)]
    joined_before = before.isalnum() or before in "_$"
    joined_after = after.isalnum() or after in "_$"
    if joined_after and not joined_before and before not in "\"'`[":
        return name.rjust(size)
    if joined_before or joined_after or (before in "\"'`[" or after in "\"'`]"):
        return name.ljust(size, "_")
    return name.ljust(size) if after != "." else name.rjust(size)


def _conditions(draft: Draft, tags: list[_Tag], dialect: Dialect) -> None:
    """Check that leaving a branch out changes nothing of how the rest reads; mark the branches."""
    text = draft.text
    lines = [
        (a, b)
        for kind, a, b in tokens(text, dialect)
        if kind == "comment" and text[a : a + 2] != "/*"
    ]
    closed = [
        (a, b)
        for kind, a, b in tokens(text, dialect)
        if kind == "quoted" or text[a : a + 2] == "/*"
    ]
    places = {_inside(lines, tag.begin) for tag in tags}
    statements = spans(text, dialect)
    for tag in tags:
        if _inside(closed, tag.begin) or _inside(statements, tag.begin):
            draft.problem(
                tag.begin,
                "a condition of a template inside a statement, a quote or a comment: without it the "
                "text reads differently; put conditions around whole statements, or judge what it renders to",
            )
            return
    if len(places) > 1:
        draft.problem(
            tags[0].begin,
            "conditions of a template partly inside comments; judge what it renders to",
        )
        return
    depth = start = 0
    for tag in tags:
        if tag.word in _OPENING:
            start = tag.end if not depth else start
            depth += 1
        elif tag.word in _CLOSING and depth:
            depth -= 1
            if not depth:
                draft.conditional.append((start, tag.begin))
        elif not depth:
            break
    if depth or (tags and not draft.conditional):
        draft.problem(tags[-1].begin, "a condition of a template that does not end where it should")


def _inside(places: list[Span], offset: int) -> bool:
    return any(begin < offset < end for begin, end in places)
