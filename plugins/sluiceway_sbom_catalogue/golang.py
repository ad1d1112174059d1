"""What a program built by Go says about itself: its modules, as the linker wrote them down.

Source: Go's ``debug/buildinfo`` (``buildinfo.go``, the format since Go 1.18) and
``runtime/debug`` (``mod.go``, ``ParseBuildInfo``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

__all__ = ["PREFIX", "SMALLEST", "build_information", "lists_modules", "modules"]

SMALLEST = 256 << 10
"""Bytes; the smallest program that Go links is over a megabyte."""
PREFIX = b"\x7fGo\n"
"""What build information begins with here, so that it is told apart from a file's own text."""

_MAGIC = b"\xff Go buildinf:"
_ALIGN, _HEADER = 16, 32
_INLINE = 0x2
_LONGEST = 4 << 20
_PIECE = 1 << 20
_SENTINEL = 16
"""Bytes before and after the list of modules, so that it can be found in memory."""


def build_information(source: IO[bytes]) -> bytes | None:
    """Return the build information in an executable, as text; ``None`` when it has none.

    Behind :data:`PREFIX` the first line is Go's version; what follows is as ``go version -m`` shows
    it. Of a program of an older Go (before 1.18), whose information is behind pointers, there is
    nothing but the prefix.
    """
    if source.read(4) != b"\x7fELF":
        return None
    at, window, seen = 4, b"", False
    while piece := source.read(_PIECE):
        window += piece
        found = window.find(_MAGIC)
        while found >= 0:
            if (at + found) % _ALIGN == 0:
                seen = True
                rest = window[found:]
                rest += source.read(max(0, _LONGEST - len(rest)))
                told = _told(rest)
                if told is not None:
                    return told
                # The magic is also a constant of programs that look for it: look further, in what
                # was read already.
                at, window = at + found, rest
                found = 0
            found = window.find(_MAGIC, found + 1)
        kept = len(_MAGIC) - 1
        at, window = at + len(window) - min(kept, len(window)), window[-kept:]
    return PREFIX if seen else None


def modules(information: bytes) -> Iterator[tuple[str, str]]:
    """Yield (path, version) of the program's own module, of each it is made of, and ``stdlib``.

    A module that was replaced is the one that replaces it; one without a version has ``""``.
    """
    text = information.removeprefix(PREFIX).decode(errors="replace")
    head, *lines = text.split("\n")
    version = re.match(r"go(\d+(?:\.\d+)*(?:(?:rc|beta)\d+)?)", head)
    if version:
        yield "stdlib", version[1]
    found: list[tuple[str, str]] = []
    for line in lines:
        kind, *fields = line.split("\t")
        if kind in {"mod", "dep"} and fields:
            found.append((fields[0], fields[1] if len(fields) > 1 else ""))
        elif kind == "=>" and fields and found:
            found[-1] = (fields[0], fields[1] if len(fields) > 1 else "")
    for path, said in found:
        yield path, "" if said == "(devel)" else said


def lists_modules(information: bytes) -> bool:
    """Say whether the modules are listed: not before Go 1.18, nor when built without modules."""
    return re.search(rb"^(mod|dep)\t", information, re.MULTILINE) is not None


def _told(data: bytes) -> bytes | None:
    """Return the information at the beginning of *data*, or ``None`` when it is not there."""
    if len(data) < _HEADER or not data[15] & _INLINE:
        return None
    version, at = _text(data, _HEADER)
    if not version.startswith(b"go") and not version.startswith(b"devel"):
        return None
    listed, _ = _text(data, at)
    inner = listed[_SENTINEL:-_SENTINEL] if len(listed) >= 2 * _SENTINEL + 1 else b""
    return PREFIX + version + b"\n" + inner


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the text at *at*, which has its length before it (a varint), and where it ends."""
    length = shift = 0
    while at < len(data) and shift < 35:  # noqa: PLR2004 - five bytes hold any sensible length
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (data[at : at + length], at + length) if at + length <= len(data) else (b"", at)
    return b"", at
