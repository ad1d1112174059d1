"""INI as ``go-ini`` reads it with its default options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["parse"]

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_TRUE = frozenset({"t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"f", "F", "FALSE", "false", "False"})
_COMMENT = re.compile("[#;]")


def parse(text: str) -> Any:
    """Return sections, each with its keys; numbers and booleans are values.

    Keys outside any section are left out, as conftest does.

    Raises:
        ValueError: For a line that is neither.
    """
    sections: dict[str, dict[str, Any]] = {}
    keys: dict[str, Any] = {}
    lines = iter(text.removeprefix("\ufeff").split("\n"))
    count = 0
    for raw in lines:
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            close = line.rfind("]")
            if close < 0:
                msg = f"unclosed section: {line}"
                raise ValueError(msg)
            name = line[1:close]
            keys = {} if name == "DEFAULT" else sections.setdefault(name, {})
            count = 0
            continue
        name, rest = _split(line)
        if name == "-":
            count += 1
            name = f"#{count}"
        keys[name] = _typed(_value(rest, lines))
    return sections


def _split(line: str) -> tuple[str, str]:
    quote = next((each for each in ('"""', '"', "`") if line.startswith(each)), "")
    if quote:
        close = line.find(quote, len(quote))
        if close < 0:
            msg = f"missing closing key quote: {line}"
            raise ValueError(msg)
        found = re.search("[=:]", line[close + len(quote) :])
        if found:
            rest = line[close + len(quote) + found.end() :]
            return line[len(quote) : close].strip(), rest
    else:
        found = re.search("[=:]", line)
        if found and found.start() == 0:
            msg = f"empty key name: {line}"
            raise ValueError(msg)
        if found:
            return line[: found.start()].strip(), line[found.end() :]
    msg = f"key-value delimiter not found: {line}"
    raise ValueError(msg)


def _value(rest: str, lines: Iterator[str]) -> str:
    line = rest.lstrip()
    quote = next((each for each in ('"""', "`") if line.startswith(each)), "")
    if quote and (quote == "`" or len(line) > len(quote)):
        close = line.rfind(quote, len(quote))
        return line[len(quote) : close] if close >= 0 else _quoted(line[len(quote) :], quote, lines)
    line = line.strip()
    if line.endswith("\\"):
        return _continued(line[:-1], lines)
    comment = _COMMENT.search(line)
    if comment:
        line = line[: comment.start()].strip()
    for mark in "'\"":
        if len(line) > 1 and line[0] == mark == line[-1] and line.find(mark, 1) == len(line) - 1:
            return line[1:-1]
    return line


def _quoted(begun: str, quote: str, lines: Iterator[str]) -> str:
    value = f"{begun}\n"
    for line in lines:
        close = line.rfind(quote)
        if close >= 0:
            return value + line[:close]
        value += f"{line}\n"
    msg = f"missing closing key quote of {begun!r}"
    raise ValueError(msg)


def _continued(value: str, lines: Iterator[str]) -> str:
    for line in lines:
        if not line.strip():
            break
        value += line.strip()
        if not value.endswith("\\"):
            break
        value = value[:-1]
    return value


def _typed(value: str) -> Any:
    if _NUMBER.fullmatch(value):
        number = float(value)
        return number if abs(number) != float("inf") else value
    return value in _TRUE if value in _TRUE | _FALSE else value
