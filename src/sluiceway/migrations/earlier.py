"""What earlier files of a folder have made that a migration may run, or that decides about its columns. Pure.

Each migration is judged alone, because what an earlier one has made is old by the time a later one runs.
But a function with a DROP TABLE in it may be made by one file and called by the next, and a domain that
takes no NULL demands a value of every column that a later file adds. So a file that names such a one is
read with the statements that have made it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from sluiceway.migrations.records import Dialect, Script
from sluiceway.migrations.statements import spans
from sluiceway.record import replace

__all__ = ["linked"]

_PART = r'(?:[\w$]+|"[^"]+"|`[^`]+`|\[[^\]]+\])'
_MAKES = re.compile(
    r"(?is)\b(create|alter|drop)\b[^;]{0,80}?\b(function|procedure|proc|routine|domain)\s+"
    rf"(?:if\s+(?:not\s+)?exists\s+)?({_PART}(?:\s*\.\s*{_PART})*)"
)
_HEAD = 400
"""Characters in which a statement has said what it makes, comments before it included."""
_MAY = re.compile(r"(?i)\b(?:function|procedure|proc|domain)\b")
_HARMS = re.compile(
    r"(?i)\b(?:drop|truncate|alter|rename|sp_rename|exec|prepare"
    r"|execute(?!\s+(?:function|procedure)\b))\b"
)
"""Words without which no function does anything that is asked about."""
_WORD = re.compile(r"\w+")
_CALLS = frozenset({"call", "exec", "execute"})


def linked(scripts: Sequence[Script], dialect: Dialect) -> tuple[Script, ...]:
    """Return the scripts, each with the statements of earlier ones that it may need (:attr:`Script.before`)."""
    known = _Known(dialect)
    found = []
    for script in scripts:
        before = tuple(known.needed(script.text))
        found.append(replace(script, before=before) if before else script)
        known.note(script)
    return tuple(found)


class _Known:
    """Functions that may do harm, and domains, each with the statements that made it what it is."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._functions: dict[str, list[str]] = {}
        self._domains: dict[str, list[str]] = {}

    def needed(self, text: str) -> Iterable[str]:
        """Return the statements that a text may need, in their order."""
        if not self._functions and not self._domains:
            return ()
        lower = text.lower()
        words = set(_WORD.findall(lower))
        found: dict[str, None] = {}
        for name in self._functions:
            if name in words and (
                words & _CALLS or re.search(rf"\b{re.escape(name)}\b[\"`\]]?\s*\(", lower)
            ):
                found.update(dict.fromkeys(self._functions[name]))
        for name in self._domains:
            if name in words and re.search(
                rf"\b(?:add|type|domain)\b[^;,]*\b{re.escape(name)}\b", lower
            ):
                found.update(dict.fromkeys(self._domains[name]))
        return found

    def note(self, script: Script) -> None:
        """Remember what a script makes."""
        if not _MAY.search(script.text):
            return
        cut = script.spans if script.spans is not None else spans(script.text, self._dialect)
        for begin, end in cut:
            statement = script.text[begin:end]
            made = _MAKES.search(statement, 0, _HEAD)
            name = next(_last(made[3]), "") if made is not None else ""
            if made is None or not name:
                continue
            if made[2].lower() == "domain":
                self._domains.setdefault(name, []).append(statement)
            else:
                self._function(name, statement, created=made[1].lower() == "create")

    def _function(self, name: str, statement: str, *, created: bool) -> None:
        words = _WORD.findall(statement.lower())
        inside = [*dict.fromkeys(each for each in words if each in self._functions)]
        body = _MAKES.sub(" ", statement, count=1)
        if name not in self._functions and not (created and (inside or _HARMS.search(body))):
            return
        before = [each for other in inside for each in self._functions[other]]
        self._functions[name] = [
            *dict.fromkeys([*before, *self._functions.get(name, ())]),
            statement,
        ]
        if not created and "rename" in words:
            # What it is renamed to is the same function.
            self._functions.setdefault(words[-1], self._functions[name])


def _last(name: str) -> Iterator[str]:
    """Yield a word of the last part of a name, in lower case."""
    yield from _WORD.findall(name.lower())[-1:]
