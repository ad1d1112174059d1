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
from sluiceway.migrations.statements import BETWEEN, cut, spans
from sluiceway.record import replace

__all__ = ["linked"]

_PART = r'(?:[\w$]+|"[^"]+"|`[^`]+`|\[[^\]]+\])'
_BETWEEN = BETWEEN.replace("*+", "{0,1000}+")
"""Each comment is looked at no further: there may be thousands that do not end."""
_MAKES = re.compile(
    rf"(?is)\b(create|alter|drop)\b[^;]{{0,80}}?\b(function|procedure|proc|routine|domain){_BETWEEN}++"
    rf"(?:if\s+(?:not\s+)?exists{_BETWEEN}++)?({_PART}(?:{_BETWEEN}*+\.{_BETWEEN}*+{_PART})*)"
)
_DOMAIN = re.compile(rf"(?i)\b(?:create|alter|drop){_BETWEEN}++domain$")
_HEAD = 400
"""Characters in which a statement has said what it makes, comments before it included."""
_HARMS = re.compile(
    r"(?i)\b(?:drop|truncate|alter|rename|sp_rename|exec|prepare|dblink\w*"
    r"|execute(?!\s+(?:function|procedure)\b))\b"
)
"""Words without which no function does anything that is asked about."""
_PLAIN = re.compile(r"(?is)create(?:\s+or\s+(?:replace|alter))?\s+\w+|(?:alter|drop)\s+\w+")
"""A statement that makes one or takes it away and says nothing before what it is."""
_WORD = re.compile(r"\w+")
_GIVES = re.compile(r"\b(?:add|type|domain)\b")
_CALLS = re.compile(r"\b(?:call|exec|execute)\b")


def linked(scripts: Sequence[Script], dialect: Dialect) -> tuple[Script, ...]:
    """Return the scripts, each with the statements of earlier ones that it may need (:attr:`Script.before`)."""
    known = _Known(dialect)
    found = []
    for script in scripts:
        lower = script.text.lower()
        before = tuple(known.needed(lower))
        found.append(replace(script, before=before) if before else script)
        if _may_make(lower):
            known.note(script)
    return tuple(found)


def _may_make(lower: str) -> bool:
    # To look for a text is quicker than any pattern, and most make none.
    return "function" in lower or "proc" in lower or "routine" in lower or "domain" in lower


class _Known:
    """Functions that may do harm, and domains, each with the statements that made it what it is."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._functions: dict[str, list[str]] = {}
        self._domains: dict[str, list[str]] = {}
        self._bases: dict[str, dict[str, None]] = {}
        self._derived: dict[str, list[str]] = {}
        """What each of them is made of, and what is made of it."""
        self._demanding: set[str] = set()
        """Domains that may take no NULL: of the others nothing has to be known."""

    def needed(self, lower: str) -> Iterable[str]:
        """Return the statements that a text, in lower case, may need, in their order."""
        functions = [name for name in self._functions if name in lower]
        domains = sorted(name for name in self._demanding if name in lower)
        found: dict[str, None] = {}
        if functions:
            run = _runs(functions, lower)
            found.update((each, None) for name in run for each in self._functions[name])
        # Only what is altered is older than the text, and another domain may be made of one.
        if domains and ("alter" in lower or "domain" in lower) and _GIVES.search(lower):
            words = set(_WORD.findall(lower))
            given = [name for name in domains if name in words]
            found.update((each, None) for name in given for each in self._made_of(name))
        return found

    def _made_of(self, name: str) -> list[str]:
        """Return the statements about a domain, those about the domains that it is made of first."""
        done: dict[str, None] = {}
        begun: set[str] = set()
        waiting = [name]
        while waiting:
            other = waiting[-1]
            if other in begun:
                done.setdefault(waiting.pop())
                continue
            begun.add(other)
            waiting += [each for each in self._bases[other] if each not in begun]
        return [each for other in done for each in self._domains[other]]

    def note(self, script: Script) -> None:
        """Remember what a script makes."""
        # Elsewhere a statement may begin in the midst of what looks like one.
        if self._dialect is Dialect.POSTGRES and not self._matters(script.text):
            return
        places = script.spans if script.spans is not None else spans(script.text, self._dialect)
        for begin, end in places:
            statement = script.text[begin:end]
            if not _may_make(statement[:_HEAD].lower()):
                continue
            made = _MAKES.search(statement, 0, _HEAD)
            name = next(_last(made[3]), "") if made is not None else ""
            if made is None or not name:
                continue
            if made[2].lower() == "domain":
                # It may be the name of a column.
                if _DOMAIN.search(statement[made.start() : made.end(2)]):
                    self._domain(name, statement)
            else:
                self._function(name, statement, created=made[1].lower() == "create")

    def _matters(self, text: str) -> bool:
        """Say whether a text may make one of these, without telling all its statements apart."""
        for made in _MAKES.finditer(text):
            if made[2].lower() == "domain" or not _PLAIN.fullmatch(text, made.start(), made.end(2)):
                return True
            if not self._functions and not _HARMS.search(text, made.start(3)):
                continue
            _, end, _ = next(cut(text, self._dialect, start=made.start()))
            held = text[made.start(3) : end]
            if _HARMS.search(held):
                return True
            if self._functions and any(name in held.lower() for name in self._functions):
                return True
        return False

    def _domain(self, name: str, statement: str) -> None:
        words = dict.fromkeys(_WORD.findall(statement.lower()))
        self._domains.setdefault(name, []).append(statement)
        bases = self._bases.setdefault(name, {})
        for base in words:
            if base in self._domains and base != name:
                bases[base] = None
                self._derived.setdefault(base, []).append(name)
        demands = "null" in words or not self._demanding.isdisjoint(bases)
        waiting = [name] if demands else []
        while waiting:
            other = waiting.pop()
            if other not in self._demanding:
                self._demanding.add(other)
                # What is made of one that takes no NULL takes none either.
                waiting += self._derived.get(other, ())

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


def _runs(names: Iterable[str], lower: str) -> list[str]:
    """Return which of these functions a text, in lower case, may run."""
    # Behind one of those words it may stand without brackets.
    end = r"\b" if _CALLS.search(lower) else rf"\b[\"`\]]?{_BETWEEN}*+\("
    return [name for name in names if re.search(rf"\b{re.escape(name)}{end}", lower)]
