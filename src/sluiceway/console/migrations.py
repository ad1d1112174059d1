"""What migrations would break: where, the statement, why, and the safe way for this statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sluiceway.console.document import read
from sluiceway.console.page import Block, Line, Tone
from sluiceway.console.scans import inert
from sluiceway.console.text import moment
from sluiceway.words import counted

__all__ = ["migrations_page"]

_WORDS = {
    "deny": ("blocked", Tone.BAD),
    "warn": ("warning", Tone.WARN),
    "advice": ("advice", Tone.DIM),
}
_LONG = 72
"""Characters of a line of SQL that no usual terminal wraps, indented as it is."""
_MOST_SKIPPED = 5
_MOST_ADVICE = 20
"""Pieces of advice that are shown; the JSON has all."""


def migrations_page(document: Any) -> list[Block]:
    """Return the JSON of `migrations.check` as a page."""
    document = read(document)
    page: list[Block] = []
    for finding in document["findings"]:
        page += _finding(finding)
    advice = document["advice"]
    if advice:
        page += [Line.of("Advice (decides nothing; --no-advice leaves it out)", Tone.STRONG)]
        page += [Line.of("")]
        for finding in advice[:_MOST_ADVICE]:
            page += _finding(finding)
        if len(advice) > _MOST_ADVICE:
            more = len(advice) - _MOST_ADVICE
            page += [Line.of(f"And {more} more; --json has all.", Tone.DIM), Line.of("")]
    page += _left_out(document["skipped"])
    page += [
        Line.of(f"The approval {code} matches no statement of these files any more.", Tone.WARN)
        for code in document["unused_approvals"]
    ]
    return [*page, *_headline(document)]


def _finding(finding: Mapping[str, Any]) -> list[Block]:
    word, tone = _WORDS[finding["level"]]
    waived = finding["waived"]
    if waived:
        word, tone = "approved", Tone.GOOD
    place = f"{finding['file']}:{finding['line']}: " if finding["file"] else ""
    advice, *sql = finding["solution"].split("\n")
    page: list[Block] = [Line.of(inert(f"{place}{word}: {finding['code']}"), tone)]
    if finding["statement"]:
        page.append(Line.of(inert(finding["statement"]), Tone.STRONG, indent=4))
    page.append(Line.of(inert(finding["message"]), indent=2))
    if waived:
        said = f"Approved by {waived['owner']} until {moment(waived['expires'])} UTC: "
        return [*page, Line.of(inert(said + waived["reason"]), indent=2), Line.of("")]
    page.append(Line.of(inert(advice), indent=2))
    page += [Line.of(inert(text), Tone.DIM, indent=4) for line in sql for text in _pasteable(line)]
    return [*page, Line.of("")]


def _pasteable(line: str) -> list[str]:
    """Return *line* with its comment before it if it is long: a wrapped comment would be run."""
    statement, mark, comment = line.partition("; -- ")
    if len(line) <= _LONG or not mark:
        return [line]
    return [f"-- {comment}", f"{statement};"]


def _left_out(skipped: list[Mapping[str, str]]) -> Iterable[Block]:
    for each in skipped[:_MOST_SKIPPED]:
        yield Line.of(inert(f"Not judged: {each['path']} ({each['why']})"), Tone.DIM)
    if len(skipped) > _MOST_SKIPPED:
        more = counted(len(skipped) - _MOST_SKIPPED, "more file")
        yield Line.of(f"Not judged: {more}; --json lists them.", Tone.DIM)


def _headline(document: Mapping[str, Any]) -> list[Block]:
    findings = document["findings"]
    levels = [each["level"] for each in findings if not each["waived"]]
    said = ", ".join(
        text
        for number, text in (
            (levels.count("deny"), f"{levels.count('deny')} blocked"),
            (levels.count("warn"), counted(levels.count("warn"), "warning")),
            (len(findings) - len(levels), f"{len(findings) - len(levels)} approved"),
        )
        if number
    )
    where = f"{counted(document['files'], 'file')}, {counted(document['statements'], 'statement')}"
    by = document["dialect_from"]
    spoken = f"{document['dialect']} ({by or 'nothing says otherwise; --dialect does'})"
    tone = Tone.GOOD if document["decision"]["allow"] else Tone.BAD
    verdict = "passed" if document["decision"]["allow"] else "blocked"
    since = document.get("since")
    return [
        Line.of(f"{verdict}: {said or 'nothing to say'}", tone),
        Line.of(inert(f"{where}, {spoken}"), Tone.DIM),
        *([Line.of(inert(_since(since)), Tone.DIM)] if since else []),
    ]


def _since(since: Mapping[str, Any]) -> str:
    if not since["digest"]:
        return f"nothing runs in {since['environment']}, so every migration is new there"
    if since["problem"]:
        return f"nobody can tell what has run in {since['environment']}: {since['problem']}"
    new = ", ".join(since["new"]) or "nothing"
    return f"new since {since['release']}, which runs in {since['environment']}: {new}"
