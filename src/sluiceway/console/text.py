"""Values as words: cleaned of secrets and of what a terminal would obey, in a person's units."""

from __future__ import annotations

import math
import re
import textwrap
import unicodedata
from datetime import UTC, datetime
from typing import Any

from sluiceway.model import parse_time
from sluiceway.process import redact

__all__ = [
    "NONE",
    "ago",
    "clean",
    "count",
    "duration",
    "milliseconds",
    "moment",
    "percent",
    "short",
    "width_of",
    "wrap",
]

NONE = "-"
"""Shown where there is no value."""

_SHORT = 12
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_OBEYED = re.compile(f"[\0-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff{_BIDI}]")
"""Controls (all of Unicode's category Cc but the end of a line), lone surrogates (Cs), and _BIDI."""


def clean(value: Any) -> str:
    """Return *value* as text without secrets and without anything a terminal would obey.

    What plugins, registries and policies say is a stranger's text: escape sequences could repaint
    the screen, and bidirectional controls could make a refusal read as its opposite.
    """
    text = redact(str(value)).replace("\r\n", "\n").replace("\t", " ")
    text = "\n".join(text.splitlines())
    return _OBEYED.sub("\N{REPLACEMENT CHARACTER}", text)


def width_of(text: str) -> int:
    """Return how many terminal cells *text* (one line) takes."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def wrap(text: str, width: int, *, whole: bool = False) -> list[str]:
    """Return *text* as lines of at most *width* cells; nothing is lost.

    A longer word is broken, or with *whole* it stands alone on a line that is too long: a digest,
    a path or an address can then be copied. (Scripts without spaces are broken in any case.)
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        plain = _wrap_plain(paragraph, width)
        if plain is not None:
            lines += plain
        elif width_of(paragraph) == len(paragraph):
            lines += textwrap.wrap(
                paragraph,
                width,
                break_long_words=not whole,
                break_on_hyphens=False,
                drop_whitespace=True,
            ) or [""]
        else:
            lines += _wrap_wide(paragraph, width)
    return lines


def _wrap_plain(paragraph: str, width: int) -> list[str] | None:
    """Return the lines of words of ASCII with one space between two, as most sentences have them.

    ``None`` for anything else, and where a word is longer than a line.
    """
    if (
        not (paragraph.isascii() and paragraph.isprintable())
        or "  " in paragraph
        or paragraph.strip(" ") != paragraph
    ):
        return None
    lines, start = [], 0
    while len(paragraph) - start > width:
        space = paragraph.rfind(" ", start, start + width + 1)
        if space < 0:
            return None
        lines.append(paragraph[start:space])
        start = space + 1
    return [*lines, paragraph[start:]]


def _wrap_wide(paragraph: str, width: int) -> list[str]:
    lines, line = [], ""
    for character in paragraph:
        if line and width_of(line) + width_of(character) > width:
            lines.append(line)
            line = ""
        line += character
    return [*lines, line]


def short(digest: str) -> str:
    """Return the first twelve hexadecimal digits, enough to tell digests apart by eye."""
    return digest.removeprefix("sha256:")[:_SHORT]


def count(number: float) -> str:
    """Return a count with its thousands apart: ``12,345``."""
    return f"{number:,.0f}"


def percent(value: float | None) -> str:
    """Return a rate in percent; a dash when there is none."""
    return NONE if value is None else f"{value:.1f} %"


def milliseconds(value: float | None) -> str:
    """Return a latency; a dash when there is none."""
    if value is None:
        return NONE
    if math.isinf(value):
        return "beyond"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"  # noqa: PLR2004 - two digits


def duration(seconds: float) -> str:
    """Return a length of time in at most two units: ``0.4 s``, ``2 min 5 s``, ``3 d 4 h``."""
    seconds = max(seconds, 0.0)
    if seconds < 10:  # noqa: PLR2004 - below ten seconds, tenths matter
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {name}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def counted_from(kind: str, code: str) -> str:
    """Return what the time of a rollback counts from: of which *kind*, and why it was (a *code*)."""
    if kind == "by-hand":
        return "the request"
    return "it was stopped" if code == "interrupted" else "the first bad look"


def ago(then: datetime, now: datetime) -> str:
    """Return how long before *now* that was."""
    seconds = (now - then).total_seconds()
    return f"{duration(round(seconds))} ago" if seconds >= 10 else "just now"  # noqa: PLR2004


def moment(value: datetime | str | None) -> str:
    """Return a moment to the minute, in UTC; ``""`` for none."""
    if not value:
        return ""
    then = parse_time(value) if isinstance(value, str) else value.astimezone(UTC)
    return f"{then:%Y-%m-%d %H:%M}"
