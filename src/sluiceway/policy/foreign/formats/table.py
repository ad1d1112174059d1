"""A table with lines around its cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from sluiceway.policy.foreign.results import Checked

__all__ = ["written"]

_HEADER = ("RESULT", "FILE", "NAMESPACE", "MESSAGE")
_TAB = 8
_FLAGS = frozenset(map(chr, range(0x1F1E6, 0x1F200)))
"""The letters that make up a country's flag."""
_PAINT = re.compile("\x1b\\[[0-9;]*[A-Za-z]")


def written(results: Sequence[Checked]) -> str:
    """Return the table; nothing at all when there is no row."""
    rows = [[_lines(cell) for cell in row] for each in results for row in _rows(each)]
    if not rows:
        return ""
    widths = [
        max(_width(line) for line in [title, *(text for row in rows for text in row[column])])
        for column, title in enumerate(_HEADER)
    ]
    made = [
        _rule("┌┬┐", widths),
        _line([_centred(*pair) for pair in zip(_HEADER, widths, strict=True)]),
    ]
    made.append(_rule("├┼┤", widths))
    for row in rows:
        for index in range(max(len(cell) for cell in row)):
            texts = [cell[index] if index < len(cell) else "" for cell in row]
            pairs = zip(texts, widths, strict=True)
            made.append(_line([text + " " * (width - _width(text)) for text, width in pairs]))
    made.append(_rule("└┴┘", widths))
    return "".join(f"{line}\n" for line in made)


def _rows(result: Checked) -> Iterator[tuple[str, str, str, str]]:
    for kind, messages in (
        ("success", ["SUCCESS"] * result.successes),
        ("exception", [found.message for found in result.exceptions]),
        ("warning", [found.message for found in result.warnings]),
        ("skipped", [found.message for found in result.skipped]),
        ("failure", [found.message for found in result.failures]),
    ):
        for message in messages:
            yield kind, result.file, result.namespace, message


def _lines(text: str) -> list[str]:
    """Return a cell's lines: without blanks around the text, without empty lines.

    Blanks that end a line within the text stay: the column is as wide as they make it.
    """
    found = [line.replace("\t", " " * _TAB) for line in text.strip().split("\n")]
    return [line for line in found if line.strip()] or [""]


def _width(text: str) -> int:
    """Return how many columns *text* takes."""
    return sum(
        0
        if unicodedata.category(each) in {"Mn", "Me", "Cf", "Cc", "Zl", "Zp"}
        else 2
        if unicodedata.east_asian_width(each) in "WF" or each in _FLAGS
        else 1
        for each in _PAINT.sub("", text)
    )


def _centred(text: str, width: int) -> str:
    left = (width - len(text)) // 2
    return " " * left + text + " " * (width - len(text) - left)


def _line(cells: Sequence[str]) -> str:
    return "│" + "│".join(f" {cell} " for cell in cells) + "│"


def _rule(corners: str, widths: Sequence[int]) -> str:
    return corners[0] + corners[1].join("─" * (width + 2) for width in widths) + corners[2]
