"""What earlier files of a folder have made that a migration may run, or that decides about its columns. Pure.

Each migration is judged alone, because what an earlier one has made is old by the time a later one runs.
But a function with a DROP TABLE in it may be made by one file and called by the next, or fired by what that
does to the rows of a table, and a domain that takes no NULL demands a value of every column that a later
file adds. So a file that names such a one is read with the statements that have made it.
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
    rf"(?is)\b(create|alter|drop)\b.{{0,80}}?\b(function|procedure|proc|routine|domain){_BETWEEN}++"
    rf"(?:if\s+(?:not\s+)?exists{_BETWEEN}++)?({_PART}(?:{_BETWEEN}*+\.{_BETWEEN}*+{_PART})*)"
)
_VERB = re.compile(r"[cad](?:(?<=\bc)reate|(?<=\ba)lter|(?<=\bd)rop)\b")
_KINDS = ("function", "procedure", "proc", "routine", "domain")
_NEAR = len("create") + 80
"""Characters before what is made in which it is said that it is."""
_DOMAIN = re.compile(rf"(?i)\b(?:create|alter|drop){_BETWEEN}++domain$")
_HEAD = 400
"""Characters in which a statement has said what it makes, comments in it included."""
_HARMS = re.compile(
    r"\b(?:drop|truncate|alter|rename|sp_rename|exec|prepare|dblink\w*"
    r"|execute(?!\s+(?:function|procedure)\b))\b"
)
"""Words, in lower case, without which no function does anything that is asked about."""
_PARTS = ("drop", "truncate", "alter", "rename", "exec", "prepare", "dblink")
_PLAIN = re.compile(r"(?is)create(?:\s+or\s+(?:replace|alter))?\s+\w+|(?:alter|drop)\s+\w+")
"""A statement that makes one or takes it away and says nothing before what it is."""
_TRIGGER = re.compile(r"(?i)create\s+(?:or\s+(?:replace|alter)\s+)?(?:constraint\s+)?trigger\s")
"""A statement that only names the function behind its EXECUTE FUNCTION."""
_NAME = rf"{_PART}(?:{_BETWEEN}*+\.{_BETWEEN}*+{_PART})*+"
_HANGS = re.compile(
    rf"(?is)create{_BETWEEN}++(?:or{_BETWEEN}++replace{_BETWEEN}++)?(?:constraint{_BETWEEN}++)?"
    rf"trigger{_BETWEEN}++{_PART}{_BETWEEN}++[^;]{{0,400}}?\bon{_BETWEEN}++({_NAME}){_BETWEEN}++"
    rf"[^;]{{0,600}}?\bexecute{_BETWEEN}++(?:function|procedure){_BETWEEN}++({_NAME})"
)
"""A trigger of PostgreSQL: its table and its function."""
_HOLDS = re.compile(
    rf"(?is)create{_BETWEEN}++(?:or{_BETWEEN}++(?:replace|alter){_BETWEEN}++)?"
    rf"(?:(?:non)?editionable{_BETWEEN}++)?trigger{_BETWEEN}++{_NAME}{_BETWEEN}++.{{0,400}}?"
    rf"\bon{_BETWEEN}++({_NAME})"
)
"""A trigger that holds itself what it does, as those of other servers: its table."""
_APART = 1100
"""Characters that a comment between CREATE and TRIGGER may take."""
_ONLY = rf"{_BETWEEN}++(?:only{_BETWEEN}++)?({_NAME})"
_ROWS = {
    "insert": re.compile(rf"(?:{_BETWEEN}++into\b)?+{_ONLY}"),
    "merge": re.compile(rf"(?:{_BETWEEN}++into\b)?+{_ONLY}"),
    "delete": re.compile(rf"(?:{_BETWEEN}++from\b)?+{_ONLY}"),
    "truncate": re.compile(rf"(?:{_BETWEEN}++table\b)?+{_ONLY}"),
    "update": re.compile(_ONLY),
    "copy": re.compile(_ONLY),
}
"""What changes rows, in lower case: its word, and what follows up to the table's name."""
_WORD = re.compile(r"\w+")
_GIVES = ("add", "type", "domain")
_CALLS = ("call", "exec", "execute")
_OPENS = re.compile(rf"[\"`\]]?{_BETWEEN}*+\(")


def linked(scripts: Sequence[Script], dialect: Dialect) -> tuple[Script, ...]:
    """Return the scripts, each with the statements of earlier ones that it may need (:attr:`Script.before`)."""
    known = _Known(dialect)
    found = []
    for script in scripts:
        lower = script.text.lower()
        before = tuple(known.needed(lower))
        found.append(replace(script, before=before) if before else script)
        hangs = "trigger" in lower
        if _may_make(lower) or (hangs and dialect is not Dialect.POSTGRES):
            known.note(script, lower)
        if hangs and dialect is Dialect.POSTGRES:
            known.hang(script.text, lower)
    return tuple(found)


def _harms(lower: str) -> bool:
    """Say whether a text, in lower case, holds a word of what may do harm."""
    return any(part in lower for part in _PARTS) and _HARMS.search(lower) is not None


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
        self._hung: dict[str, dict[str, list[tuple[str, int]]]] = {}
        """Of a function the tables on which triggers that run it are hung, and where that stands: text and place."""
        self._holding: dict[str, list[str]] = {}
        """Of a table what makes the triggers on it that hold themselves what they do."""
        self._demanding: set[str] = set()
        """Domains that may take no NULL: of the others nothing has to be known."""

    def needed(self, lower: str) -> Iterable[str]:
        """Return the statements that a text, in lower case, may need, in their order."""
        functions = [name for name in self._functions if name in lower]
        found: dict[str, None] = {}
        if functions:
            run = _runs(functions, lower)
            found.update((each, None) for name in run for each in self._functions[name])
        found.update((each, None) for each in self._fired(lower))
        # Only what is altered is older than the text, and another domain may be made of one.
        alters = self._demanding and ("alter" in lower or "domain" in lower)
        if alters and any(_stands(word, lower) for word in _GIVES):
            given = sorted(name for name in self._demanding if _stands(name, lower))
            found.update((each, None) for name in given for each in self._made_of(name))
        return found

    def _fired(self, lower: str) -> Iterator[str]:
        """Yield the statements about functions that may do harm and that a change of rows fires."""
        hung = [name for name in self._hung if name in self._functions]
        changed = set(_changed(lower)) if hung or self._holding else set()
        for table in changed:
            yield from self._holding.get(table, ())
        for name in hung if changed else ():
            fired = [table for table in self._hung[name] if table in changed]
            if fired:
                yield from self._functions[name]
            for text, start in (each for table in fired for each in self._hung[name][table]):
                _, end, _ = next(cut(text, self._dialect, start=start))
                yield text[start:end]

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

    def note(self, script: Script, lower: str) -> None:
        """Remember what a script makes. *lower* is its text in lower case."""
        # Elsewhere a statement may begin in the midst of what looks like one.
        if self._dialect is Dialect.POSTGRES and not self._matters(script.text, lower):
            return
        places = script.spans if script.spans is not None else spans(script.text, self._dialect)
        for begin, end in places:
            statement = script.text[begin:end]
            if self._dialect is not Dialect.POSTGRES and (held := _HOLDS.match(statement)):
                self._trigger(held[1], statement)
                continue
            made = _made(statement)
            name = next(_last(made[3]), "") if made is not None else ""
            if made is None or not name:
                continue
            if made[2].lower() == "domain":
                # It may be the name of a column.
                if _DOMAIN.search(statement[made.start() : made.end(2)]):
                    self._domain(name, statement)
            else:
                body = statement[: made.start()] + " " + statement[made.end() :]
                self._function(name, statement, body, created=made[1].lower() == "create")

    def _trigger(self, table: str, statement: str) -> None:
        lower = statement.lower()
        if not _harms(lower):
            return
        words = _WORD.findall(lower)
        before = [
            each for name in words if name in self._functions for each in self._functions[name]
        ]
        for name in _last(table):
            self._holding.setdefault(name, []).extend([*before, statement])

    def hang(self, text: str, lower: str) -> None:
        """Remember which triggers a text hangs on tables. *lower* is it in lower case."""
        for hung in _hanging(text, lower):
            for table, function in zip(_last(hung[1]), _last(hung[2]), strict=False):
                tables = self._hung.setdefault(function, {})
                tables.setdefault(table, []).append((text, hung.start()))

    def _matters(self, text: str, lower: str) -> bool:
        """Say whether a text may make one of these, without telling all its statements apart."""
        if len(lower) != len(text):
            return True  # places in the one are not places in the other
        if not self._functions and "domain" not in lower and not _harms(lower):
            return False
        for at, kind in ((at, each) for each in _KINDS for at in _places(each, lower)):
            verbs = [
                verb.start()
                for verb in _VERB.finditer(lower, _begin(lower, at), at)
                if not _TRIGGER.match(lower, verb.start())
            ]
            if not verbs:
                continue
            if kind == "domain" or not _PLAIN.fullmatch(lower, verbs[0], at + len(kind)):
                return True
            _, end, _ = next(cut(text, self._dialect, start=verbs[0]))
            held = lower[at + len(kind) : end]
            if _harms(held) or any(name in held for name in self._functions):
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

    def _function(self, name: str, statement: str, body: str, *, created: bool) -> None:
        words = _WORD.findall(statement.lower())
        inside = [*dict.fromkeys(each for each in words if each in self._functions)]
        if name not in self._functions and not (created and (inside or _harms(body.lower()))):
            return
        before = [each for other in inside for each in self._functions[other]]
        self._functions[name] = [
            *dict.fromkeys([*before, *self._functions.get(name, ())]),
            statement,
        ]
        if not created and "rename" in words:
            # What it is renamed to is the same function.
            self._functions.setdefault(words[-1], self._functions[name])


def _made(statement: str) -> re.Match[str] | None:
    """Return what says that a statement makes one of these, or takes it away."""
    if not _may_make(statement[:_HEAD].lower()):
        return None
    made = _MAKES.search(statement, 0, _HEAD)
    while made is not None and _TRIGGER.match(statement, made.start()):
        made = _MAKES.search(statement, made.start() + 1, _HEAD)
    return made


def _changed(lower: str) -> Iterator[str]:
    """Yield the tables of which a text, in lower case, may change rows."""
    for word, behind in _ROWS.items():
        for at in _places(word, lower):
            found = behind.match(lower, at + len(word))
            if found is not None:
                yield from _last(found[1])


def _hanging(text: str, lower: str) -> Iterable[re.Match[str]]:
    """Return each CREATE TRIGGER of a text, once."""
    if len(lower) != len(text):
        return _HANGS.finditer(text)  # places in the one are not places in the other
    found = {}
    for at in _places("trigger", lower):
        start = lower.rfind("create", max(0, at - _APART), at)
        while start >= 0 and start not in found:
            hung = _HANGS.match(text, start)
            if hung is not None:
                found[start] = hung
                break
            start = lower.rfind("create", max(0, at - _APART), start)
    return found.values()


def _begin(lower: str, at: int) -> int:
    """Return where the statement may begin that *at* is in, no further away than is of interest."""
    near = max(0, at - _NEAR)
    end = lower.rfind(";", near, at)
    while end >= 0:
        line = lower[lower.rfind("\n", 0, end) + 1 : end]
        if "--" not in line and lower.rfind("/*", near, end) <= lower.rfind("*/", near, end):
            return end + 1
        end = lower.rfind(";", near, end)  # that one is in a comment
    return near


def _last(name: str) -> Iterator[str]:
    """Yield a word of the last part of a name, in lower case."""
    yield from _WORD.findall(name.lower())[-1:]


def _runs(names: Iterable[str], lower: str) -> list[str]:
    """Return which of these functions a text, in lower case, may run."""
    # Behind one of those words it may stand without brackets.
    if any(_stands(word, lower) for word in _CALLS):
        return [name for name in names if _stands(name, lower)]
    return [
        name
        for name in names
        if any(_OPENS.match(lower, at + len(name)) for at in _places(name, lower))
    ]


def _stands(word: str, lower: str) -> bool:
    """Say whether a text, in lower case, holds a word."""
    return next(_places(word, lower), -1) >= 0


def _places(word: str, lower: str) -> Iterator[int]:
    """Yield where a word stands in a text in lower case. A pattern would be tried at every character."""
    at = lower.find(word)
    while at >= 0:
        end = at + len(word)
        if not (_in_word(lower[at - 1 : at]) or _in_word(lower[end : end + 1])):
            yield at
        at = lower.find(word, at + 1)


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
