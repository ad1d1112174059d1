"""Bytes to text, without a guess: an encoding that a file does not show is a problem."""

from __future__ import annotations

from sluiceway.migrations.records import Problem

__all__ = ["decode"]

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8 = b"\xef\xbb\xbf"


def decode(data: bytes) -> tuple[str, list[Problem]]:
    """Return the text of *data* and what is wrong with it.

    UTF-8 with or without a byte order mark, and UTF-16 with one. Anything else is a problem; its text
    is then what can be read of it as UTF-8, so that what is plainly there is judged too. A byte order
    mark and NUL bytes are spaces in the text, which keeps every character where it stands.
    """
    problems: list[Problem] = []
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "replace")
        problems.append(
            Problem(
                line=before.count("\n") + 1,
                what=f"not {encoding.upper()}: byte {error.start} cannot be decoded; "
                "save the file as UTF-8",
            )
        )
        text = data.decode(encoding, "replace")
    if encoding == "utf-16":
        text = " " + text  # Python's codec drops the mark
    elif data.startswith(_UTF8):
        text = " " + text[1:]
    if "\0" in text:
        problems.append(
            Problem(
                line=text.count("\n", 0, text.index("\0")) + 1,
                what="a NUL character: servers and tools read on behind it, or stop there, or refuse; "
                "save the file as UTF-8 without it",
            )
        )
        text = text.replace("\0", " ")
    return text, problems
