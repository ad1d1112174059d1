"""From what happened to an answer: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sluiceway.migrations.dryrun.catalogue import described, difference
from sluiceway.migrations.dryrun.records import Applied, Attempt, Change, Failure, TableSize
from sluiceway.migrations.dryrun.trial import Trial
from sluiceway.migrations.dryrun.words import blocks, breaks, missing, short_mode, shortened, size
from sluiceway.model.decision import Level
from sluiceway.record import Record

__all__ = ["Finding", "Outcome", "Report", "Rule", "judge"]

_MANY_ROWS = 100_000
_MANY_BYTES = 1_000_000_000
"""From here on a table that is read or written whole under a lock is worth a warning."""


class Outcome(StrEnum):
    """What a dry run says."""

    PASS = "pass"  # noqa: S105 - a word, not a secret
    BROKEN = "broken"
    """The new files do not apply, or a release's statements fail on the new schema."""
    UNSURE = "unsure"
    """Something that was to be tried could not be."""


class Rule(Record):
    """What the static gate found, as far as a dry run can say something about it."""

    code: str
    level: str
    file: str
    line: int
    table: str = ""
    approval: str = ""
    """What an approval of this one statement names: ``migration.drop-table/sha256:...``."""


class Finding(Record):
    """One thing that a person should know."""

    code: str
    level: Level
    message: str
    solution: str = ""
    file: str = ""
    line: int = 0
    statement: str = ""
    """The recorded statement, or that of the migration, shortened."""
    sqlstate: str = ""
    times: int = 1


class Report(Record):
    """The answer."""

    outcome: Outcome
    trial: Trial
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    """Where the static rules and the dry run differ, and what was not tried."""
    sizes: Mapping[str, TableSize]

    @property
    def debatable(self) -> bool:
        """Whether the static rules may well say something else, so that it is worth asking them.

        They refuse what takes away or alters, and columns that an INSERT has to fill. To ask them
        takes longer than a dry run.
        """
        return (
            self.outcome is Outcome.BROKEN
            or any(each.emptied for each in self.trial.applied)
            or any(
                change.before is not None
                or (change.kind == "column" and "not null" in (change.after or ""))
                for change in self.changes
            )
        )

    def document(self) -> dict[str, Any]:
        """Return the JSON of the command."""
        trial = self.trial
        return {
            "outcome": self.outcome,
            "server": {"plugin": trial.server, "version": trial.version},
            "history": trial.history,
            "new": list(trial.new),
            "statements": [_applied(each, self.sizes) for each in trial.applied],
            "changes": [
                {
                    "kind": change.kind,
                    "name": change.name,
                    "before": change.before,
                    "after": change.after,
                    "lines": described(change),
                }
                for change in self.changes
            ],
            "old_release": _tally(trial.old, trial.old_on_new),
            "new_release": _tally(trial.new_on_new, trial.new_on_new or ()),
            "findings": [
                {name: value for name in _FIELDS if (value := getattr(finding, name)) != ""}
                for finding in self.findings
            ],
            "notes": list(self.notes),
        }


_FIELDS = ("code", "level", "message", "solution", "file", "line", "statement", "sqlstate", "times")


def judge(
    trial: Trial,
    *,
    sizes: Mapping[str, TableSize] | None = None,
    rules: Sequence[Rule] | None = None,
) -> Report:
    """Judge what happened.

    Args:
        trial: All of it.
        sizes: Tables where it matters, by dotted name (``public`` left out).
        rules: What the static gate says about the new files; ``None``: it was not asked.
    """
    sizes = sizes or {}
    findings = [*_applying(trial), *_old(trial), *_new(trial), *_locks(trial, sizes)]
    unsure = any(each.code == "dry-run.unsure" for each in findings)
    broken = any(each.level is Level.DENY and each.code != "dry-run.unsure" for each in findings)
    outcome = Outcome.BROKEN if broken else Outcome.UNSURE if unsure else Outcome.PASS
    return Report(
        outcome=outcome,
        trial=trial,
        findings=tuple(sorted(findings, key=lambda each: each.level is not Level.DENY)),
        changes=difference(trial.before, trial.after),
        notes=tuple(_notes(trial, outcome, sizes, rules)),
        sizes=sizes,
    )


def _said(failure: Failure) -> str:
    detail = f" ({failure.detail})" if failure.detail else ""
    return f"{failure.sqlstate} {failure.message}{detail}"


def _applying(trial: Trial) -> Iterable[Finding]:
    """The new files do not apply."""
    for applied in trial.applied:
        failure, step = applied.failure, applied.step
        if failure is None:
            continue
        lacks = missing(failure, trial.version)
        sure = breaks(failure) and not lacks
        yield Finding(
            code="dry-run.apply" if sure else "dry-run.unsure",
            level=Level.DENY,
            message=f"the migration fails: {_said(failure)}",
            solution=lacks
            or failure.hint
            or (
                "Correct the statement; nothing after it was tried."
                if sure
                else "Run it again; if it stays so, use another server."
            ),
            file=step.file,
            line=step.line + step.sql.count("\n", 0, max(failure.position - 1, 0)),
            statement=shortened(step.sql),
            sqlstate=failure.sqlstate,
        )


def _old(trial: Trial) -> Iterable[Finding]:
    """The old release's statements on the new schema."""
    if trial.old is None or not trial.whole:
        return
    pairs = [
        (before, after)
        for before, after in zip(trial.old, trial.old_on_new, strict=True)
        if before.failure is None
    ]
    if not pairs:
        yield Finding(
            code="dry-run.unsure",
            level=Level.DENY,
            message=f"none of the old release's {len(trial.old)} recorded statements succeeds on "
            f"the schema before the migration{_first(trial.old)}",
            solution="Record them again from the release that runs now "
            "(`invoke migrations.record`), or give the rows that they need with --seed.",
        )
        return
    broken = list(
        _failed(
            (after for _, after in pairs),
            code="dry-run.old-release",
            whose="the old release",
            solution="During the rollout, and after a rollback, the old release runs on the new "
            "schema. Expand first (new column, table or view beside the old one), and contract in "
            "a later release, when nothing uses it any more.",
        )
    )
    yield from broken
    if broken:
        return  # fewer rows are then what follows from it
    seen: set[str] = set()
    for before, after in pairs:
        if after.failure is None and _poorer(before, after) and before.call.sql not in seen:
            seen.add(before.call.sql)
            yield Finding(
                code="dry-run.answer",
                level=Level.WARN,
                message=f"the old release gets {_answer(after)} from this statement on the new "
                f"schema, and {_answer(before)} on the old one",
                solution="Look whether it can live with that.",
                statement=shortened(before.call.sql),
            )


def _first(attempts: Sequence[Attempt]) -> str:
    failure = next((each.failure for each in attempts if each.failure is not None), None)
    return f"; the first says {_said(failure)}" if failure else ""


def _poorer(before: Attempt, after: Attempt) -> bool:
    return before.rows != after.rows or after.columns < before.columns


def _answer(attempt: Attempt) -> str:
    rows = "no count" if attempt.rows is None else f"{attempt.rows} rows"
    return f"{rows} of {attempt.columns} columns" if attempt.columns else rows


def _new(trial: Trial) -> Iterable[Finding]:
    """The new release's statements on the new schema."""
    if trial.new_on_new is None:
        return
    yield from _failed(
        (each for each in trial.new_on_new if each.call.ok),
        code="dry-run.new-release",
        whose="the new release",
        solution="The migration does not make what the new release needs: complete it, or record "
        "the statements again.",
    )


def _failed(
    attempts: Iterable[Attempt], *, code: str, whose: str, solution: str
) -> Iterable[Finding]:
    grouped: dict[tuple[str, str, str], list[Failure]] = {}
    for attempt in attempts:
        if attempt.failure is not None:
            failure = attempt.failure
            key = (attempt.call.sql, failure.sqlstate, failure.message)
            grouped.setdefault(key, []).append(failure)
    for (sql, sqlstate, _), failures in grouped.items():
        sure = breaks(failures[0])
        yield Finding(
            code=code if sure else "dry-run.unsure",
            level=Level.DENY,
            message=f"{whose}'s statement fails on the new schema: {_said(failures[0])}",
            solution=solution if sure else "Run it again; the server itself had a problem.",
            statement=shortened(sql),
            sqlstate=sqlstate,
            times=len(failures),
        )


def _locks(trial: Trial, sizes: Mapping[str, TableSize]) -> Iterable[Finding]:
    """Long work under a lock that others wait for: a warning where the table is known as large."""
    for applied in trial.applied:
        modes = {lock.table: lock.mode for lock in applied.locks}
        for table in sorted({*applied.rewrites, *applied.scans}):
            known, waits = sizes.get(table), blocks(modes.get(table, ""))
            if known is None or not (known.rows >= _MANY_ROWS or known.bytes >= _MANY_BYTES):
                continue
            if table in modes and waits:
                work = "is written anew" if table in applied.rewrites else "is read"
                yield Finding(
                    code="dry-run.lock",
                    level=Level.WARN,
                    message=f"every row of {table} ({size(known)}) {work} under "
                    f"{short_mode(modes[table])}: {waits} wait until it is done",
                    solution="Use the form that does not (CONCURRENTLY, NOT VALID and VALIDATE, a "
                    "new column filled in batches), or take a time without traffic.",
                    file=applied.step.file,
                    line=applied.step.line,
                    statement=shortened(applied.step.sql),
                )


def _notes(
    trial: Trial, outcome: Outcome, sizes: Mapping[str, TableSize], rules: Sequence[Rule] | None
) -> Iterable[str]:
    worked = sum(each.failure is None for each in trial.old or ())
    if trial.old is None:
        yield (
            "The old release was not tried: without its recorded statements (--statements) "
            "nobody knows whether it can run on the new schema."
        )
    elif worked < len(trial.old):
        failed = [each for each in trial.old if each.failure is not None]
        expected = sum(not each.call.ok for each in failed)
        note = (
            f"{len(failed)} of {len(trial.old)} recorded statements fail on the old schema and do "
            f"not count"
        )
        yield note + (
            " (they failed when they were recorded, too)."
            if expected == len(failed)
            else f"{_first([each for each in failed if each.call.ok])}."
        )
    denied = [rule for rule in rules or () if rule.level == Level.DENY]
    if rules is not None and outcome is Outcome.BROKEN and not denied:
        yield "The static rules let this pass; what is broken shows only on a real database."
    for rule in denied:
        yield from _about(rule, outcome, sizes, worked)


def _about(
    rule: Rule, outcome: Outcome, sizes: Mapping[str, TableSize], worked: int
) -> Iterable[str]:
    """Say what the dry run knows about something that the static gate refuses."""
    at = f"{rule.file}:{rule.line}"
    what = f"{rule.code}{f' on {rule.table}' if rule.table else ''}"
    if outcome is not Outcome.PASS or not worked:
        if outcome is Outcome.PASS:
            yield f"{at}: {what} refuses; the dry run cannot excuse it without recorded statements."
        return
    known = sizes.get(rule.table.removeprefix("public."))
    held = (
        " How many rows it holds is not known here (--sizes)."
        if rule.table and known is None
        else ""
        if known is None
        else " It is empty."
        if known.rows == 0
        else f" It holds {size(known)}, which nothing brings back."
    )
    yield (
        f"{at}: {what} refuses, and does no harm here: all {worked} recorded statements of the old "
        f"release work without it.{held} If it is meant, have this one statement approved"
        + (f": `invoke waive {rule.approval} --reason=... --expires=7d`." if rule.approval else ".")
    )


def _applied(applied: Applied, sizes: Mapping[str, TableSize]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "file": applied.step.file,
        "line": applied.step.line,
        "statement": shortened(applied.step.sql),
        "milliseconds": round(applied.milliseconds, 1),
        "rows": applied.rows,
        "traced": applied.traced,
        "locks": [
            {"table": lock.table, "mode": short_mode(lock.mode), "blocks": blocks(lock.mode)}
            for lock in applied.locks
        ],
        "rewrites": list(applied.rewrites),
        "scans": list(applied.scans),
        "truncates": list(applied.emptied),
        "sizes": {
            lock.table: _sized(sizes[lock.table]) for lock in applied.locks if lock.table in sizes
        },
    }
    if applied.failure is not None:
        failure = applied.failure
        document["failure"] = {"sqlstate": failure.sqlstate, "message": failure.message}
    return document


def _tally(before: Sequence[Attempt] | None, after: Sequence[Attempt]) -> dict[str, int] | None:
    if before is None:
        return None
    counted = [
        index
        for index, each in enumerate(before)
        if (each.call.ok if before is after else each.failure is None)
    ]
    return {
        "recorded": len(before),
        "counted": len(counted),
        "broken": sum(
            (failure := after[index].failure) is not None and breaks(failure)
            for index in counted
            if index < len(after)
        ),
    }


def _sized(table: TableSize) -> dict[str, Any]:
    return {"rows": table.rows, "bytes": table.bytes, "text": size(table)}
