"""``.gitignore`` and ``.dockerignore``: a list of one list of entries."""

from __future__ import annotations

from typing import Any

__all__ = ["parse"]


def parse(text: str) -> Any:
    """Return every line as ``{"Kind", "Value", "Original"}``."""
    return [[_entry(line) for line in text.split("\n")]]


def _entry(line: str) -> dict[str, str]:
    stripped = line.rstrip(" ")
    if stripped.endswith("\\") and stripped != line:
        stripped += " "
    if not stripped:
        kind, value = "Empty", line
    elif line.startswith("#"):
        kind, value = "Comment", stripped[1:].strip()
    elif line.startswith("!"):
        kind, value = "NegatedPath", _unescaped(stripped[1:])
    else:
        kind, value = "Path", _unescaped(stripped)
    return {"Kind": kind, "Value": value, "Original": line}


def _unescaped(text: str) -> str:
    """Drop backslashes; of two, the second stays."""
    return "\\".join(part.replace("\\", "") for part in text.split("\\\\"))
