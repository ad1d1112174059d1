"""What the words of a statement say that no grammar reads: for a person, beside the refusal."""

from __future__ import annotations

import re

from sluiceway.migrations.records import Action, Column, Dialect, Kind, Name
from sluiceway.migrations.statements import tokens

__all__ = ["guesses", "verb_is_harmless"]

# A range of characters up to U+10FFFF would cost a second to compile for either case.
_PART = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_LIST = rf"(?:{_NAME})(?:\s*,\s*(?:ONLY\s+)?{_NAME})*"
_IF = r"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"
_FLAGS = re.IGNORECASE | re.DOTALL

_DROP_TABLE = re.compile(rf"\bDROP\s+(?:FOREIGN\s+)?TABLE\b\s*{_IF}({_LIST})?", _FLAGS)
_DROP_SCHEMA = re.compile(rf"\bDROP\s+(SCHEMA|DATABASE)\b\s*{_IF}({_LIST})?", _FLAGS)
_TRUNCATE = re.compile(rf"\bTRUNCATE\b\s*(?:TABLE\s+)?(?:ONLY\s+)?({_LIST})?", _FLAGS)
_INDEX = re.compile(
    rf"\bCREATE\s+(UNIQUE\s+)?INDEX\s+(CONCURRENTLY\s+)?{_IF}(?:(?!ON\b)({_NAME})\s+)?"
    rf"ON\b\s*(?:ONLY\s+)?({_NAME})?",
    _FLAGS,
)
_ALTER = re.compile(
    rf"\bALTER\s+(?:FOREIGN\s+)?TABLE\b\s*{_IF}(?:ONLY\s+)?({_NAME})?(.*?)(?=;|\bALTER\s+TABLE\b|\Z)",
    _FLAGS,
)
_DROP_COLUMN = re.compile(
    rf"\bDROP\s+(?:COLUMN\s+{_IF}|{_IF}(?!CONSTRAINT\b|DEFAULT\b|NOT\b|IDENTITY\b|EXPRESSION\b|COLUMN\b"
    rf"|INDEX\b|PRIMARY\b|FOREIGN\b|KEY\b|CHECK\b|PARTITION\b|TABLE\b))({_PART})?",
    _FLAGS,
)
_RENAME_COLUMN = re.compile(
    rf"\bRENAME\s+(?:COLUMN\s+)?(?!TO\b|CONSTRAINT\b)({_PART})\s+TO\s+({_PART})", _FLAGS
)
_SET_NOT_NULL = re.compile(rf"\bALTER\s+(?:COLUMN\s+)?({_PART})\s+SET\s+NOT\s+NULL\b", _FLAGS)
_ADD_COLUMN = re.compile(
    rf"\bADD\s+(?:COLUMN\s+)?{_IF}(?!CONSTRAINT\b|CHECK\b|PRIMARY\b|FOREIGN\b|UNIQUE\b|EXCLUDE\b)"
    rf"({_PART})((?:[^,(]|\([^()]*\))*)",
    _FLAGS,
)
_HARMLESS = frozenset(
    {
        "analyze", "call", "comment", "copy", "create", "delete", "explain", "grant", "insert",
        "listen", "lock", "merge", "notify", "refresh", "reindex", "reset", "revoke", "select",
        "set", "show", "update", "values", "with",
    }
)  # fmt: skip

_HARMLESS_TO_ALTER = frozenset(
    {"database", "default", "function", "group", "index", "policy", "procedure", "publication", "role",
     "routine", "sequence", "subscription", "system", "trigger", "user"}
)  # fmt: skip


def _folded(part: str) -> str:
    if part.startswith('"'):
        return part[1:-1].replace('""', '"')
    return part.lower()


def _name(text: str | None) -> Name:
    return tuple(_folded(part) for part in re.findall(_PART, text)) if text else ()


def _names(text: str | None) -> list[Name]:
    if not text:
        return [()]
    pieces = re.findall(rf"(?:ONLY\s+)?({_NAME})", text, _FLAGS)
    return [_name(piece) for piece in pieces]


def _bare(text: str) -> str:
    """Return the text without its comments."""
    pieces = []
    last = 0
    for kind, begin, end in tokens(text, Dialect.POSTGRES):
        if kind == "comment":
            pieces.append(text[last:begin] + " ")
            last = end
    pieces.append(text[last:])
    return "".join(pieces)


def guesses(text: str) -> tuple[Action, ...]:
    """Return the dangerous actions that the words of *text* show, quoted ones included."""
    text = _bare(text)
    found: list[Action] = []
    for match in _DROP_TABLE.finditer(text):
        found.extend(Action(kind=Kind.DROP_TABLE, name=name) for name in _names(match.group(1)))
    for match in _DROP_SCHEMA.finditer(text):
        kind = Kind.DROP_SCHEMA if match.group(1).upper() == "SCHEMA" else Kind.DROP_DATABASE
        cascade = re.search(r"(?i)\bCASCADE\b", text) is not None
        found.extend(
            Action(kind=kind, name=name, cascade=cascade) for name in _names(match.group(2))
        )
    for match in _TRUNCATE.finditer(text):
        found.extend(Action(kind=Kind.TRUNCATE, name=name) for name in _names(match.group(1)))
    for match in _ALTER.finditer(text):
        found.extend(_altered(_name(match.group(1)), match.group(2)))
    for match in _INDEX.finditer(text):
        found.append(  # noqa: PERF401 - a comprehension would hide the fields
            Action(
                kind=Kind.CREATE_INDEX,
                name=_name(match.group(3)),
                table=_name(match.group(4)),
                unique=bool(match.group(1)),
                concurrently=bool(match.group(2)),
            )
        )
    return tuple(found)


def _altered(table: Name, rest: str) -> list[Action]:
    found = [
        Action(kind=Kind.DROP_COLUMN, name=table, column=_folded(match.group(1) or ""))
        for match in _DROP_COLUMN.finditer(rest)
    ]
    found.extend(
        Action(
            kind=Kind.RENAME_COLUMN,
            name=table,
            column=_folded(match.group(1)),
            new_name=(_folded(match.group(2)),),
        )
        for match in _RENAME_COLUMN.finditer(rest)
    )
    found.extend(
        Action(kind=Kind.SET_NOT_NULL, name=table, column=_folded(match.group(1)))
        for match in _SET_NOT_NULL.finditer(rest)
    )
    for match in _ADD_COLUMN.finditer(rest):
        words = match.group(2).upper().split()
        required = ("NOT" in words and "NULL" in words) or "PRIMARY" in words
        if required and "DEFAULT" not in words and "GENERATED" not in words:
            name = _folded(match.group(1))
            found.append(
                Action(
                    kind=Kind.ADD_COLUMN,
                    name=table,
                    column=name,
                    definition=Column(name=name, not_null=True),
                )
            )
    return found


def verb_is_harmless(text: str) -> bool:
    """Say whether a text begins with a verb that nobody asks about."""
    words = re.match(r"\s*([A-Za-z]+)(?:\s+([A-Za-z]+))?\s", _bare(text))
    if words is None:
        return False
    first, second = words.group(1).lower(), (words.group(2) or "").lower()
    return first in _HARMLESS or (first == "alter" and second in _HARMLESS_TO_ALTER)
