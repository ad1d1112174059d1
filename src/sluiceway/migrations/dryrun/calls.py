"""Recorded statements as a file, and as the transactions that they were: pure.

A file is JSON lines. The first says what it is; each further one is a statement::

    {"format": "sluiceway-statements/1", "release": "1.4.0"}
    {"session": 1, "sql": "INSERT INTO trades (id) VALUES ($1)", "parameters": [{"value": "t1"}]}

Only ``sql`` must be there, so that such a file can be written by hand.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sluiceway.errors import UsageError
from sluiceway.migrations.dryrun.records import Call, Parameter, Unit

__all__ = ["FORMAT", "control", "parse_calls", "read_calls", "to_lines", "units", "write_calls"]

FORMAT = "sluiceway-statements/1"
_KEYS = {"sql", "session", "parameters", "simple", "ok", "sqlstate"}
_PARAMETER_KEYS = {"value", "base64", "binary", "type"}
_COMMENT = re.compile(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)++", re.DOTALL)
_CONTROL = re.compile(
    r"""\A(?:
        (?P<begin>BEGIN(?:\s+(?:WORK|TRANSACTION))?|START\s+TRANSACTION)\b(?!\s*ATOMIC)
      | (?P<to>ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO)\b
      | (?P<commit>COMMIT|END)\b(?!\s+PREPARED)
      | (?P<rollback>ROLLBACK|ABORT)\b(?!\s+PREPARED)
      | (?P<savepoint>SAVEPOINT|RELEASE)\b
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def control(sql: str) -> str:
    """Return what *sql* does to its transaction.

    ``begin``, ``commit``, ``rollback``, ``savepoint`` (RELEASE and ROLLBACK TO as well), or ``""``,
    also when other statements stand behind it.
    """
    text = _COMMENT.sub("", sql, count=1)
    found = _CONTROL.match(text)
    if found is None or text[found.end() :].partition(";")[2].strip(" \t\r\n;"):
        return ""
    word = found.lastgroup or ""
    return "savepoint" if word == "to" else word


def units(calls: Iterable[Call]) -> tuple[Unit, ...]:
    """Return the transactions in the order in which they ended.

    Sessions that ran beside each other are put one behind the other: what was committed first comes
    first, so that a transaction finds what it found. BEGIN, COMMIT and ROLLBACK are left out.
    """
    found: list[Unit] = []
    open_: dict[int, list[Call]] = {}
    for call in calls:
        word = control(call.sql)
        if word == "begin":
            open_.setdefault(call.session, [])
        elif word in {"commit", "rollback"}:
            inside = open_.pop(call.session, [])
            if inside:
                undone = word == "rollback" or any(not each.ok for each in _unsaved(inside))
                found.append(Unit(calls=tuple(inside), rolled_back=undone))
        elif call.session in open_:
            open_[call.session].append(call)
        else:
            found.append(Unit(calls=(call,)))
    found += [Unit(calls=tuple(rest), rolled_back=True) for rest in open_.values() if rest]
    return tuple(found)


def _unsaved(calls: Sequence[Call]) -> Sequence[Call]:
    """Return the calls whose failure ends the transaction: those that no savepoint guards."""
    return () if any(control(each.sql) == "savepoint" for each in calls) else calls


def read_calls(path: Path) -> tuple[Call, ...]:
    """Read a file of recorded statements.

    Raises:
        UsageError: ``migration.statements``: not there, or not such a file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(str(path), 0, getattr(error, "strerror", None) or str(error)) from error
    return parse_calls(text, str(path))


def parse_calls(text: str, where: str) -> tuple[Call, ...]:
    """Return the statements in *text*, a file's content; *where* is for messages."""
    calls: list[Call] = []
    # Not str.splitlines: JSON may hold U+2028 and the like inside its strings.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _unusable(where, number, f"it is no JSON ({error})") from error
        if not isinstance(document, dict):
            raise _unusable(where, number, "it is no object")
        if "format" in document:
            if document["format"] != FORMAT:
                raise _unusable(where, number, f"its format is {document['format']!r}")
            continue
        calls.append(_call(document, where, number))
    return tuple(calls)


def _call(document: dict[str, Any], where: str, number: int) -> Call:
    unknown = sorted(set(document) - _KEYS)
    if unknown:
        raise _unusable(where, number, f"it has the unknown key {unknown[0]!r}")
    bound = document.get("parameters", [])
    if not isinstance(bound, list):
        raise _unusable(where, number, "its 'parameters' are no list")
    call = Call(
        sql=document.get("sql", ""),
        session=document.get("session", 0),
        parameters=tuple(_parameter(each, where, number) for each in bound),
        simple=document.get("simple", False),
        ok=document.get("ok", True),
        sqlstate=document.get("sqlstate", ""),
    )
    wrong = [
        name
        for name, kind in (("sql", str), ("simple", bool), ("ok", bool), ("sqlstate", str))
        if type(getattr(call, name)) is not kind
    ]
    if type(call.session) is not int:
        wrong.append("session")
    if wrong or not call.sql.strip() or "\0" in call.sql:
        raise _unusable(where, number, f"its {wrong[0] if wrong else 'sql'!r} cannot be used")
    return call


def _parameter(document: Any, where: str, number: int) -> Parameter:
    if document is None or isinstance(document, str):
        document = {"value": document}
    if not isinstance(document, dict) or set(document) - _PARAMETER_KEYS:
        raise _unusable(where, number, "a parameter is neither text, null nor an object")
    kind, binary = document.get("type", 0), document.get("binary", False)
    value: bytes | None = None
    try:
        if document.get("base64") is not None:
            value = base64.b64decode(document["base64"], validate=True)
        elif document.get("value") is not None:
            value = document["value"].encode()
    except (AttributeError, TypeError, ValueError, binascii.Error) as error:
        raise _unusable(where, number, "a parameter's value cannot be read") from error
    if type(kind) is not int or type(binary) is not bool or (value and not binary and 0 in value):
        raise _unusable(where, number, "a parameter cannot be used")
    return Parameter(value=value, binary=binary, type=kind)


def to_lines(calls: Iterable[Call], release: str = "") -> str:
    """Return a file's content."""
    header = {"format": FORMAT, **({"release": release} if release else {})}
    lines = [header, *(_document(call) for call in calls)]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _document(call: Call) -> dict[str, Any]:
    document: dict[str, Any] = {"session": call.session, "sql": call.sql}
    if call.parameters:
        document["parameters"] = [_value(each) for each in call.parameters]
    if call.simple:
        document["simple"] = True
    if not call.ok:
        document |= {"ok": False, "sqlstate": call.sqlstate}
    return document


def _value(parameter: Parameter) -> dict[str, Any]:
    document: dict[str, Any] = {}
    text = None if parameter.value is None or parameter.binary else _text(parameter.value)
    if text is None and parameter.value is not None:
        document["base64"] = base64.b64encode(parameter.value).decode()
    else:
        document["value"] = text
    if parameter.binary:
        document["binary"] = True
    if parameter.type:
        document["type"] = parameter.type
    return document


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def write_calls(path: Path, calls: Iterable[Call], release: str = "") -> None:
    """Write recorded statements, readable by their owner only: values may be personal data.

    Raises:
        UsageError: ``migration.statements``: the file cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
            stream.write(to_lines(calls, release))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}",
            remedy="Name another file with --out.",
            code="migration.statements",
        ) from error


def _unusable(where: str, number: int, why: str) -> UsageError:
    at = f"{where}:{number}" if number else where
    return UsageError(
        f"{at} is not a recorded statement: {why}" if number else f"{at} cannot be read: {why}",
        remedy="Make such a file with `invoke migrations.record`; docs/migrations-dry-run.md shows "
        "its format.",
        code="migration.statements",
    )
