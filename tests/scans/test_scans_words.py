"""What strangers wrote is one line, and what would obey or hide is not in it."""

from __future__ import annotations

import sys
import unicodedata

from sluiceway.scans.words import one_line


def test_of_all_characters_controls_and_what_cannot_be_seen_are_taken_out() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        kind = unicodedata.category(character)
        if kind in {"Cf", "Cs"}:
            wanted = "ab"
        elif kind in {"Cc", "Zl", "Zp"} or character.isspace():
            wanted = "a b"
        else:
            wanted = f"a{character}b"
        assert one_line(f"a{character}b") == wanted


def test_a_long_line_is_cut_and_says_so() -> None:
    assert one_line("a" * 1000) == "a" * 1000
    assert one_line("a" * 1001) == "a" * 999 + "…"
    assert one_line("ab  c\nd", limit=6) == "ab c d"
    assert one_line("ab  c\nde", limit=6) == "ab c …"
