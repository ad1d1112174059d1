"""What the words of a text say that nobody has parsed: what it makes, runs and changes. Pure.

A text is looked for rather than a pattern wherever that will do: a pattern with alternatives is tried at every
character. Each pattern gives up after so many characters, since there may be thousands of places to begin at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sluiceway.migrations.statements import BETWEEN
from sluiceway.record import Record

__all__ = [
    "Made",
    "Making",
    "Trigger",
    "changed",
    "changes",
    "gives_types",
    "hanging",
    "harms",
    "made_in",
    "makings",
    "may_make",
    "runs",
    "stands",
    "trigger_in",
    "words",
]

_PART = r'(?:[\w$]+|"[^"]+"|`[^`]+`|\[[^\]]+\])'
_BETWEEN = BETWEEN.replace("*+", "{0,1000}+")
"""Each comment is looked at no further: there may be thousands that do not end."""
_NAME = rf"{_PART}(?:{_BETWEEN}*+\.{_BETWEEN}*+{_PART})*+"
_WORD = re.compile(r"\w+")
_KINDS = ("function", "procedure", "proc", "routine", "domain")
_MAKES = re.compile(
    rf"(?is)\b(create|alter|drop)\b.{{0,80}}?\b({'|'.join(_KINDS)}){_BETWEEN}++"
    rf"(?:if\s+(?:not\s+)?exists{_BETWEEN}++)?({_NAME})"
)
_HEAD = 400
"""Characters in which a statement has said what it makes, comments in it included."""
_DOMAIN = re.compile(rf"(?i)\b(?:create|alter|drop){_BETWEEN}++domain$")
_VERB = re.compile(r"[cad](?:(?<=\bc)reate|(?<=\ba)lter|(?<=\bd)rop)\b")
_NEAR = len("create") + 80
"""Characters before what is made in which it is said that it is."""
_PLAIN = re.compile(r"create(?:\s+or\s+(?:replace|alter))?\s+\w+|(?:alter|drop)\s+\w+")
_HARMS = re.compile(
    # Extensions have functions that drop: dropgeometrytable, drop_chunks, ...
    r"drop|retention_policy"
    r"|\b(?:truncate|alter|rename|sp_rename|exec|prepare|dblink\w*"
    r"|execute(?!\s+(?:function|procedure)\b))\b"
)
_PARTS = (
    "drop",
    "truncate",
    "alter",
    "rename",
    "exec",
    "prepare",
    "dblink",
    "retention_policy",
)
_GIVES = ("add", "type", "domain")
_CALLS = ("call", "exec", "execute")
_OPENS = re.compile(rf"[\"`\]]?{_BETWEEN}*+\(")
_CREATE = re.compile(r"(?i)\bcreate\b")
_NAMES_ONE = re.compile(r"(?i)create\s+(?:or\s+(?:replace|alter)\s+)?(?:constraint\s+)?trigger\s")
"""A trigger makes no function: it names one, behind its EXECUTE FUNCTION."""
_TRIGGER = re.compile(
    rf"(?is)create{_BETWEEN}++(?:or{_BETWEEN}++(?:replace|alter){_BETWEEN}++)?"
    rf"(?:(?:constraint|editionable|noneditionable){_BETWEEN}++)?trigger{_BETWEEN}++{_NAME}{_BETWEEN}++"
)
_ON = re.compile(rf"(?i)\bon{_BETWEEN}++({_NAME})")
_EXECUTES = re.compile(rf"(?i)\bexecute{_BETWEEN}++(?:function|procedure){_BETWEEN}++({_NAME})")
_WHEN, _DOES = 400, 1000
"""Characters in which a trigger has said on which table it hangs, and which function it executes."""
_TABLE = rf"{_BETWEEN}++(?:only{_BETWEEN}++)?({_NAME})"
_ROWS = {
    "insert": re.compile(rf"(?:{_BETWEEN}++into\b)?+{_TABLE}"),
    "merge": re.compile(rf"(?:{_BETWEEN}++into\b)?+{_TABLE}"),
    "delete": re.compile(rf"(?:{_BETWEEN}++from\b)?+{_TABLE}"),
    "truncate": re.compile(rf"(?:{_BETWEEN}++table\b)?+{_TABLE}"),
    "update": re.compile(_TABLE),
    "copy": re.compile(_TABLE),
}
"""What changes rows, in lower case: its word, and what follows up to the table's name."""


class Made(Record):
    """What a statement makes, changes or takes away."""

    name: str
    """The last part of it, in lower case."""
    domain: bool
    created: bool
    """It is made, and not one that is there changed or dropped."""
    rest: str
    """The statement without the words that say so."""


class Making(Record):
    """Where a text may make, change or drop a function or a domain."""

    start: int
    kind_end: int
    domain: bool
    plain: bool
    """Nothing stands between the words that say so: it is no comment, and begins a statement."""


class Trigger(Record):
    """A trigger of PostgreSQL, names as the last part of each in lower case."""

    start: int
    table: str
    function: str


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case."""
    return _WORD.findall(text.lower())


def may_make(lower: str) -> bool:
    """Say whether a text, in lower case, holds a word of what :func:`made_in` finds."""
    return "function" in lower or "proc" in lower or "routine" in lower or "domain" in lower


def harms(lower: str) -> bool:
    """Say whether a text, in lower case, holds a word without which no function does any harm."""
    return any(part in lower for part in _PARTS) and _HARMS.search(lower) is not None


def gives_types(lower: str) -> bool:
    """Say whether a text, in lower case, may give a column that is there a type, or a new one to an old table."""
    # Only what is altered is older than the text, and another domain may be made of one.
    alters = "alter" in lower or "domain" in lower
    return alters and any(stands(word, lower) for word in _GIVES)


def made_in(statement: str) -> Made | None:
    """Return which function or domain a statement makes, changes or drops."""
    if not may_make(statement[:_HEAD].lower()):
        return None
    made = _MAKES.search(statement, 0, _HEAD)
    while made is not None and _NAMES_ONE.match(statement, made.start()):
        made = _MAKES.search(statement, made.start() + 1, _HEAD)
    name = _last(made[3]) if made is not None else ""
    if made is None or not name:
        return None
    domain = made[2].lower() == "domain"
    if domain and not _DOMAIN.search(statement[made.start() : made.end(2)]):
        return None  # it may be the name of a column
    return Made(
        name=name,
        domain=domain,
        created=made[1].lower() == "create",
        rest=f"{statement[: made.start()]} {statement[made.end() :]}",
    )


def makings(lower: str) -> Iterator[Making]:
    """Yield where a text, in lower case, may do what :func:`made_in` finds in a statement."""
    for kind in _KINDS:
        for at in _places(kind, lower):
            verbs = [
                verb.start()
                for verb in _VERB.finditer(lower, _begin(lower, at), at)
                if not _NAMES_ONE.match(lower, verb.start())
            ]
            if verbs:
                end = at + len(kind)
                plain = _PLAIN.fullmatch(lower, verbs[0], end) is not None
                yield Making(start=verbs[0], kind_end=end, domain=kind == "domain", plain=plain)


def _begin(lower: str, at: int) -> int:
    """Return where the statement may begin that *at* is in, no further away than is of interest."""
    near = max(0, at - _NEAR)
    end = lower.rfind(";", near, at)
    while end >= 0:
        line = lower[max(near, lower.rfind("\n", near, end) + 1) : end]
        if "--" not in line and lower.rfind("/*", near, end) <= lower.rfind("*/", near, end):
            return end + 1
        end = lower.rfind(";", near, end)  # that one is in a comment
    return near


def hanging(text: str, lower: str) -> Iterator[Trigger]:
    """Yield the triggers of PostgreSQL that a text hangs on tables. *lower* is it in lower case."""
    # Places in the one are not always places in the other.
    same = len(lower) == len(text)
    places = _places("create", lower) if same else (each.start() for each in _CREATE.finditer(text))
    for start in places:
        head = _TRIGGER.match(text, start)
        on = _ON.search(text, head.end(), head.end() + _WHEN) if head is not None else None
        executes = _EXECUTES.search(text, on.end(), on.end() + _DOES) if on is not None else None
        if on is not None and executes is not None:
            yield Trigger(start=start, table=_last(on[1]), function=_last(executes[1]))


def trigger_in(statement: str) -> str | None:
    """Return the table of a trigger that a statement makes, perhaps ``""``; ``None`` where it makes none."""
    head = _TRIGGER.match(statement)
    if head is None:
        return None
    on = _ON.search(statement, head.end(), head.end() + _WHEN)
    return _last(on[1]) if on is not None else ""


def changes(lower: str) -> bool:
    """Say whether a text, in lower case, may change rows of any table."""
    return any(stands(word, lower) for word in _ROWS)


def changed(lower: str) -> Iterator[str]:
    """Yield the tables, each by the last part of its name, of which a text, in lower case, may change rows."""
    for word, behind in _ROWS.items():
        for at in _places(word, lower):
            found = behind.match(lower, at + len(word))
            if found is not None:
                yield _last(found[1])


def runs(names: Sequence[str], lower: str) -> list[str]:
    """Return which of these functions a text, in lower case, may run."""
    # Behind one of those words it may stand without brackets.
    if any(stands(word, lower) for word in _CALLS):
        return [name for name in names if stands(name, lower)]
    return [
        name
        for name in names
        if any(_OPENS.match(lower, at + len(name)) for at in _places(name, lower))
    ]


def stands(word: str, lower: str) -> bool:
    """Say whether a text, in lower case, holds a word."""
    return next(_places(word, lower), -1) >= 0


def _places(word: str, lower: str) -> Iterator[int]:
    """Yield where a word stands in a text in lower case."""
    at = lower.find(word)
    while at >= 0:
        end = at + len(word)
        if not (_in_word(lower[at - 1 : at]) or _in_word(lower[end : end + 1])):
            yield at
        at = lower.find(word, at + 1)


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _last(name: str) -> str:
    """Return the last word of a name, in lower case."""
    return next(reversed(words(name)), "")
