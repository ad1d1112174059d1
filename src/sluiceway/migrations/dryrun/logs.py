"""Recorded statements out of a PostgreSQL server's own log: pure but for reading the file.

For where no recorder can stand between a program and its database. The server has to write every
statement down (``log_statement = all``, or ``log_min_duration_statement = 0``); of the extended protocol it does
so with ``execute NAME: SQL``, and the values in the record's detail. Three formats are read, those of
``log_destination``: ``csvlog``, ``jsonlog`` (15 and newer) and ``stderr`` with the process in its prefix.

Sources: PostgreSQL 18, "Error Reporting and Logging" (20.8) and ``src/backend/tcop/postgres.c``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sluiceway.errors import UsageError
from sluiceway.migrations.dryrun.records import Call, Parameter
from sluiceway.record import Record

__all__ = ["read_log", "statements"]

_LARGEST = 512 << 20
_FIELD = 64 << 20
"""Bytes of one field of a csvlog; the module's own limit is less than one large statement."""
_SAID = re.compile(
    r"\A(?:duration: [0-9.]+ ms  )?(?:(?P<simple>statement)|execute (?P<name>.*?)): (?P<sql>.*)\Z",
    re.DOTALL,
)
_BOUND = re.compile(r"\A[Pp]arameters: (?P<values>.*)\Z", re.DOTALL)
_VALUE = re.compile(r"\$(?P<number>[0-9]+) = (?:(?P<null>NULL)|'(?P<text>(?:[^']|'')*)')(?:, |\Z)")
_CSV = re.compile(r'\d{4}-\d\d-\d\d [0-9:.]+ [A-Za-z0-9+:-]+,("|,)')
_LINE = re.compile(r"\A(?P<prefix>.*?)(?P<severity>[A-Z]+[0-9]?):  (?P<text>.*)\Z", re.DOTALL)
_PROCESS = re.compile(r"\[(\d+)\]")
_SEVERITIES = frozenset({"DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC"})
_FAILED = frozenset({"ERROR", "FATAL", "PANIC"})
_DATABASE, _PID, _SESSION, _SEVERITY, _STATE, _MESSAGE, _DETAIL, _QUERY = (
    2,
    3,
    5,
    11,
    12,
    13,
    14,
    19,
)
"""Columns of a csvlog."""


class LogRecord(Record):
    """One record of a log, of whichever format."""

    line: int
    session: str
    severity: str
    message: str
    detail: str = ""
    state: str = ""
    statement: str = ""
    """During which statement an error was."""
    database: str = ""


def read_log(path: Path, *, database: str = "") -> tuple[Call, ...]:
    """Return the statements that the log at *path* holds, in its order.

    Args:
        path: The file.
        database: Only of this database; empty for all.

    Raises:
        UsageError: ``migration.log``: it cannot be read, or a record of it cannot be understood.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise _unusable(str(path), 0, f"it is larger than {_LARGEST >> 20} MiB")
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise _unusable(str(path), 0, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _unusable(str(path), 0, "it is not UTF-8") from error
    return statements(text, str(path), database=database)


def statements(text: str, where: str, *, database: str = "") -> tuple[Call, ...]:
    """Return the statements in *text*, a log's content; *where* is for messages."""
    calls: list[Call] = []
    last: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for record in _records(text, where, named=bool(database)):
        if database and record.database != database:
            continue
        if record.severity in _FAILED:
            at = last.get(record.session)
            # What does not even parse was never written down as a statement.
            if at is not None and calls[at].sql == record.statement.strip():
                calls[at] = replace(calls[at], ok=False, sqlstate=record.state)
            continue
        said = _SAID.match(record.message) if record.severity == "LOG" else None
        if said is None or (said["name"] or "").startswith("fetch from "):
            continue
        sql = said["sql"].strip()
        if not sql:
            continue
        last[record.session] = len(calls)
        calls.append(
            Call(
                sql=sql,
                session=numbers.setdefault(record.session, len(numbers) + 1),
                parameters=() if said["simple"] else _parameters(record, where),
                simple=bool(said["simple"]),
            )
        )
    return tuple(calls)


def _parameters(record: LogRecord, where: str) -> tuple[Parameter, ...]:
    bound = _BOUND.match(record.detail)
    if bound is None:
        return ()
    values, at = bound["values"], 0
    found: list[Parameter] = []
    while at < len(values):
        value = _VALUE.match(values, at)
        if value is None or int(value["number"]) != len(found) + 1:
            why = f"its values cannot be told apart from {values[at : at + 20]!r} on"
            raise _unusable(where, record.line, why)
        text = None if value["null"] else value["text"].replace("''", "'").encode()
        found.append(Parameter(value=text, binary=False, type=0))
        at = value.end()
    return tuple(found)


# --- formats --------------------------------------------------------------------------------------


def _records(text: str, where: str, *, named: bool) -> Iterator[LogRecord]:
    first = text.lstrip("\ufeff\r\n ")
    if first.startswith("{"):
        return _of_json(text, where)
    if _CSV.match(first):
        return _of_csv(text, where)
    if named:
        why = "only a csvlog or jsonlog says of which database a statement is"
        raise _unusable(where, 0, why)
    return _of_lines(text, where)


def _of_json(text: str, where: str) -> Iterator[LogRecord]:
    # Not str.splitlines: JSON may hold U+2028 and the like inside its strings.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _unusable(where, number, f"it is no JSON ({error})") from error
        if not isinstance(found, dict):
            raise _unusable(where, number, "it is no object")
        yield LogRecord(
            line=number,
            session=str(found.get("session_id") or found.get("pid", "")),
            severity=str(found.get("error_severity", "")),
            message=str(found.get("message", "")),
            detail=str(found.get("detail", "")),
            state=str(found.get("state_code", "")),
            statement=str(found.get("statement", "")),
            database=str(found.get("dbname", "")),
        )


def _of_csv(text: str, where: str) -> Iterator[LogRecord]:
    before = csv.field_size_limit(_FIELD)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        for row in rows:
            if not row:
                continue
            if len(row) <= _QUERY:
                raise _unusable(
                    where, rows.line_num, f"it has {len(row)} columns, a csvlog has more"
                )
            yield LogRecord(
                line=rows.line_num,
                session=row[_SESSION] or row[_PID],
                severity=row[_SEVERITY],
                message=row[_MESSAGE],
                detail=row[_DETAIL],
                state=row[_STATE],
                statement=row[_QUERY],
                database=row[_DATABASE],
            )
    except csv.Error as error:
        raise _unusable(where, rows.line_num, f"it is no CSV ({error})") from error
    finally:
        csv.field_size_limit(before)


def _of_lines(text: str, where: str) -> Iterator[LogRecord]:
    """Return the records of the format ``stderr``: a line each, with further ones of the same record.

    A detail, a hint and the statement of an error follow as lines of their own. Where a text goes on in
    a further line, the server puts a tab before that.
    """
    records: list[LogRecord] = []
    last: dict[str, int] = {}
    for number, line in _joined(text):
        found = _LINE.match(line)
        if found is None:
            continue
        severity = found["severity"]
        base = severity.rstrip("0123456789")
        if base not in _SEVERITIES and severity not in _FURTHER:
            continue
        process = _PROCESS.search(found["prefix"])
        if process is None:
            raise _unusable(
                where, number, "its log_line_prefix does not say the process: it needs [%p]"
            )
        session = process[1]
        if base in _SEVERITIES:
            last[session] = len(records)
            records.append(
                LogRecord(line=number, session=session, severity=base, message=found["text"])
            )
        elif session in last and severity in _KEPT:
            at = last[session]
            changes: dict[str, Any] = {_KEPT[severity]: found["text"]}
            records[at] = replace(records[at], **changes)
    return iter(records)


_FURTHER = frozenset({"DETAIL", "HINT", "STATEMENT", "QUERY", "CONTEXT", "LOCATION", "BACKTRACE"})
_KEPT = {"DETAIL": "detail", "STATEMENT": "statement"}


def _joined(text: str) -> Iterable[tuple[int, str]]:
    whole: list[str] = []
    began = 1
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("\t") and whole:
            whole.append(line[1:])
            continue
        if whole:
            yield began, "\n".join(whole)
        whole, began = ([line] if line else []), number
    if whole:
        yield began, "\n".join(whole)


def _unusable(where: str, number: int, why: str) -> UsageError:
    at = f"{where}:{number}" if number else where
    return UsageError(
        f"{at} is no log that statements can be read from: {why}",
        remedy="docs/migrations-dry-run.md says what the server has to write, and how.",
        code="migration.log",
    )
