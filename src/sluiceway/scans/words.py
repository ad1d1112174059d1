"""What strangers wrote, as one line that says nothing but itself. Pure."""

from __future__ import annotations

import unicodedata

__all__ = ["one_line"]

_LONGEST = 1000


def one_line(text: str, limit: int = _LONGEST) -> str:
    """Return *text* as one line without control, direction or unpaired characters.

    Names of packages and summaries of advisories come from outside; a line break or an escape
    sequence in them could say something of its own wherever they are printed.
    """
    # What is printable has none of them (and most texts are), which is known without looking at each.
    kept = text if text.isprintable() else _harmless(text)
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _harmless(text: str) -> str:
    return "".join(
        " " if unicodedata.category(character) in {"Cc", "Zl", "Zp"} else character
        for character in text
        if unicodedata.category(character) not in {"Cf", "Cs"}
    )
