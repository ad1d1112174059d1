"""Java properties as ``magiconair/properties`` reads them."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["parse"]

_ESCAPES = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_REFERENCE = re.compile(r"\$\{([^}]*)(\}?)")
_BLANK = " \f\t"


def parse(text: str) -> Any:
    """Return every key with its text; ``${...}`` is left as it stands.

    Raises:
        ValueError: For a wrong escape, or a reference that has no end or leads to itself.
    """
    found: dict[str, str] = {}
    for line in _lines(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")):
        key, rest = _key(line)
        found[key] = _unescaped(rest)
    checked: set[str] = set()
    for key in found:
        _check(key, found, (key,), checked)
    return found


def _lines(text: str) -> list[str]:
    made: list[str] = []
    begun = ""
    for raw in text.split("\n"):
        line = raw.lstrip(_BLANK)
        if not begun and (not line or line[0] in "#!"):
            continue
        slashes = len(line) - len(line.rstrip("\\"))
        if slashes % 2:
            begun += line[:-1]
            continue
        made.append(begun + line)
        begun = ""
    if begun:
        msg = "it ends behind a backslash"
        raise ValueError(msg)
    return made


def _key(line: str) -> tuple[str, str]:
    end = 0
    while end < len(line) and line[end] not in f"{_BLANK}=:":
        end += 2 if line[end] == "\\" else 1
    key, rest = line[:end], line[end:].lstrip(_BLANK)
    if rest[:1] in {"=", ":"}:
        rest = rest[1:].lstrip(_BLANK)
    return _unescaped(key), rest


def _unescaped(text: str) -> str:
    made = ""
    index = 0
    while index < len(text):
        character = text[index]
        if character != "\\" or index + 1 == len(text):
            made += character
            index += 1
            continue
        mark = text[index + 1]
        if mark == "u":
            digits = text[index + 2 : index + 6]
            if not re.fullmatch("[0-9a-fA-F]{4}", digits):
                msg = "invalid unicode literal"
                raise ValueError(msg)
            made += chr(int(digits, 16))
            index += 6
        else:
            made += _ESCAPES.get(mark, mark)
            index += 2
    return made


def _check(key: str, found: dict[str, str], path: tuple[str, ...], checked: set[str]) -> None:
    if key in checked:  # once is enough, and keys may double with every line
        return
    for reference in _REFERENCE.finditer(found.get(key, "")):
        if not reference[2]:
            msg = f"malformed expression in the value of {key!r}"
            raise ValueError(msg)
        if reference[1] in path:
            msg = f"circular reference in the value of {path[0]!r}"
            raise ValueError(msg)
        _check(reference[1], found, (*path, reference[1]), checked)
    checked.add(key)
