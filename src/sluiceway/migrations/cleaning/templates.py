"""Placeholders and conditions of templates: Go, Jinja and their like, and ``${...}``.

A placeholder is taken to be a name: whoever fills it in with whole statements runs SQL that nobody
has read. A condition's branches are all judged, and their text is marked as conditional, so that a
table that only one branch makes excuses nothing.
"""

from __future__ import annotations

import re

from sluiceway.migrations.cleaning.edits import Draft, Edit, blanked
from sluiceway.migrations.records import Dialect, Span
from sluiceway.migrations.statements import spans, tokens
from sluiceway.record import Record

__all__ = ["clean"]

_PLACE = re.compile(
    r"\{\{[-~]?\s*/\*(?P<go_comment>.*?)\*/\s*[-~]?\}\}"
    r"|\{\#(?P<comment>[^;]*?)\#\}"
    r"|\{%[-+]?\s*(?P<tag>[^{}]*?)[-+]?%\}"
    r"|\{\{[-~]?(?P<go>[^{}]*?)[-~]?\}\}"
    r"|(?P<shell>\$\{[^{}]*\})",
    re.DOTALL,
)
_KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    (
        "open",
        frozenset({"if", "for", "range", "with", "block", "define", "filter", "unless", "each"}),
    ),
    ("middle", frozenset({"else", "elif", "elseif", "elsif"})),
    ("close", frozenset({"end", "endif", "endfor", "endblock", "endfilter", "endunless"})),
    (
        "foreign",
        frozenset({"include", "import", "from", "extends", "template", "macro", "call", "raw"}),
    ),
    ("silent", frozenset({"set", "do", "autoescape", "endautoescape", "break", "continue"})),
)
_ODD = re.compile(r"[;\\`\n\r]|--|/\*")
_SHELL = re.compile(r"\$\{[ \t]*([\w.:\-]+?)[ \t]*\}")
_SHELL_DEFAULT = re.compile(r"\$\{[ \t]*(\w+):?[-=?+][\w.\-]*\}")
_NO_NAME = re.compile(r"\W+", re.ASCII)
_LONGEST = 63
"""Characters of a name that PostgreSQL keeps; two longer ones could be told as the same."""


class _Tag(Record, kw_only=False):
    kind: str
    """``open``, ``middle``, ``close``."""
    begin: int
    end: int
    text: str


def clean(draft: Draft, dialect: Dialect) -> None:
    """Put names in the place of placeholders, and spaces over conditions."""
    edits: list[Edit] = []
    tags: list[_Tag] = []
    for match in _PLACE.finditer(draft.text):
        begin, end = match.span()
        kind, word = _kind(match)
        if kind == "place":
            edits += _placeholder(draft, match, dialect)
        elif kind in {"open", "middle", "close"}:
            tags.append(_Tag(kind, begin, end, match[0]))
        elif kind in {"foreign", "unknown"}:
            if _place(draft.text, begin, dialect) == "quoted":
                continue  # data that is a template itself
            what = "takes in another text" if kind == "foreign" else "has a tag that is not known"
            draft.problem(begin, f"a template {what} ({word}): judge what it renders to")
        if kind not in {"place", "text"}:
            edits.append((begin, end, blanked(match[0])))
    draft.edit(edits)
    if tags:
        _conditions(draft, tags, dialect)


_WORD = re.compile(r"\s*([#/^>]?)\s*([A-Za-z]\w*)?")


def _kind(match: re.Match[str]) -> tuple[str, str]:
    """Return what a mark of a template is, and its word."""
    if match["shell"] is not None:
        return "place", ""
    if match["go_comment"] is not None or match["comment"] is not None:
        return "comment", ""
    tag = match["tag"]
    inner = match["go"] if tag is None else tag
    found = _WORD.match(inner)
    sign, word = (found[1], found[2] or "") if found else ("", "")
    if sign and tag is None and word:  # Handlebars, Mustache
        return {"/": "close", ">": "foreign"}.get(sign, "open"), word
    rest = inner[found.end() :].strip() if found else ""
    known = next((kind for kind, words in _KINDS if word in words), "")
    if tag is not None:
        # LIKE '{%' ... '%}': a tag begins with a word.
        return (known or "unknown", word) if word else ("text", "")
    if ":=" in inner:
        return "silent", word
    # {{ if .X }} is an action of Go's, {{ if }} and {{ with(1) }} are placeholders.
    acts = known and (word in {"else", "end"} or (bool(rest) and not rest.startswith("(")))
    return (known, word) if acts and known != "silent" else ("place", word)


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
            if where == "quoted" or (where == "comment" and not re.search(r"[\\`\n\r]", inner)):
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
    lines: list[Span] = []
    closed: list[Span] = []
    bodies: list[Span] = []
    for kind, begin, end in tokens(text, dialect):
        if kind in {"quoted", "comment"}:
            one_line = kind == "comment" and text[begin : begin + 2] != "/*"
            code = kind == "quoted" and text[begin] == "$"
            (lines if one_line else bodies if code else closed).append((begin, end))
    tags = _outside(draft, tags, closed)
    if not tags:
        return
    closed += bodies + spans(text, dialect)
    if found := next((tag for tag in tags if _holder(closed, tag.begin)), None):
        draft.problem(
            found.begin,
            "a condition of a template inside a statement, a quote or a comment: without it the text "
            "reads differently; put conditions around whole statements, or judge what it renders to",
        )
        return
    if len({_holder(lines, tag.begin) is None for tag in tags}) > 1:
        draft.problem(
            tags[0].begin,
            "conditions of a template partly inside comments: judge what it renders to",
        )
        return
    depth = start = 0
    for tag in tags:
        if depth:  # each branch for itself: they exclude each other
            draft.conditional.append((start, tag.begin))
        depth += {"open": 1, "close": -1}.get(tag.kind, 0)
        if depth < 0 or (tag.kind == "middle" and not depth):
            break
        start = tag.end
    if depth or not draft.conditional:
        draft.problem(tags[-1].begin, "a condition of a template that does not end where it should")


def _outside(draft: Draft, tags: list[_Tag], closed: list[Span]) -> list[_Tag]:
    """Return the conditions that are not wholly inside one quote or comment.

    Those that are change nothing around them: they are put back, as data (or a comment) that is a
    template itself. If such a string is run, what reads it will not understand it, and say so.
    """
    outside: list[_Tag] = []
    stack: list[list[_Tag]] = []
    for tag in tags:
        if tag.kind == "open" or not stack:
            stack.append([])
        stack[-1].append(tag)
        if tag.kind == "close":
            group = stack.pop()
            places = {_holder(closed, one.begin) for one in group}
            if len(places) == 1 and None not in places and group[0].kind == "open":
                draft.edit((one.begin, one.end, one.text) for one in group)
            else:
                outside += group
    outside += [tag for group in stack for tag in group]
    return sorted(outside, key=lambda tag: tag.begin)


def _holder(places: list[Span], offset: int) -> Span | None:
    return next((place for place in places if place[0] < offset < place[1]), None)
