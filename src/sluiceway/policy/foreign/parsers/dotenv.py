"""Environment files as ``gotenv`` reads them, but for the environment.

``$NAME`` is the file's own variable: what this process was started with is no business of a
policy, and would make the same file mean something else tomorrow.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["parse"]

_LINE = re.compile(
    r"\s*(?:export\s+)?([\w.]+)(?:\s*=\s*|:\s+?)('(?:\\'|[^'])*'|\"(?:\\\"|[^\"])*\"|[^#\n]+)?"
    r"\s*(?:\s*#.*)?",
    re.ASCII,
)
_VARIABLE = re.compile(r"(\\)?(\$)(\{?([A-Z0-9_]+)?\}?)")
_NAME = re.compile(r"\$\{?([A-Z0-9_]+)\}?")
_ESCAPED = re.compile(r"\\([^$])")
_LARGEST = 1 << 20
"""Characters of all variables that are written out: each line could double the one before."""
_ENDS = re.compile("\r\n|\r|\n")


def parse(text: str) -> Any:
    """Return every variable with its text.

    Raises:
        ValueError: For a line that has no meaning.
    """
    found: dict[str, str] = {}
    written = _Written(found)
    lines = iter(_ENDS.split(text.removeprefix("\ufeff")))
    for raw in lines:
        line = raw.strip()
        if not line or line[0] == "#":
            continue
        quote = _unclosed(line)
        while quote:
            following = next(lines, None)
            if following is None:
                msg = "missing quotes"
                raise ValueError(msg)
            line += f"\n{following}"
            close = following.rfind(quote)
            if close >= 0 and not (close > 0 and following[close - 1] == "\\"):
                quote = ""
        _add(line, found, written)
    return found


def _unclosed(line: str) -> str:
    """Return the quotation mark that this line opens and leaves open."""
    split = line.find("=") if "=" in line else line.find(":")
    if not 0 < split < len(line) - 1:
        return ""
    value = line[split + 1 :].strip()
    if value[:1] not in {'"', "'"}:
        return ""
    close = value[1:].strip().rfind(value[0])
    return "" if close >= 0 and value[close] != "\\" else value[0]


def _add(line: str, found: dict[str, str], written: _Written) -> None:
    match = _LINE.fullmatch(line)
    if match is None:
        words = line.split(" ", 1)
        if words[0].startswith("export") and len(words) > 1 and words[1] not in found:
            msg = f"line `{line}` has an unset variable"
            raise ValueError(msg)
        msg = f"line `{line}` doesn't match format"
        raise ValueError(msg)
    value = (match[2] or "").strip()
    double = len(value) > 1 and value[0] == value[-1] == '"'
    single = len(value) > 1 and value[0] == value[-1] == "'"
    if double or single:
        value = value[1:-1]
    if double:
        value = value.replace("\\n", "\n").replace("\\r", "\r")
        value = _ESCAPED.sub(r"\1", value)
    if not single:
        value = _VARIABLE.sub(written.variable, value)
    found[match[1].strip()] = value


class _Written:
    def __init__(self, found: dict[str, str]) -> None:
        self._found = found
        self._left = _LARGEST

    def variable(self, place: re.Match[str]) -> str:
        """Return what stands in the place of a variable."""
        text = place[0]
        if text[0] == "\\":
            return text[1:]
        name = _NAME.match(text)
        value = self._found.get(name[1], "") if name else text
        self._left -= len(value)
        if self._left < 0:
            msg = f"its variables have more than {_LARGEST} characters when they are written out"
            raise ValueError(msg)
        return value
