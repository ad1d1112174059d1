"""A throw-away PostgreSQL database: what a migration does in it, and what old statements find."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace

from sluiceway.errors import ActionFailed
from sluiceway.migrations.dryrun.calls import control
from sluiceway.migrations.dryrun.records import (
    Applied,
    Attempt,
    Call,
    Catalogue,
    Failure,
    Step,
    Unit,
)
from sluiceway.migrations.dryrun.words import shortened, strongest
from sluiceway.migrations.records import Dialect, Maybe
from sluiceway.migrations.statements import spans
from sluiceway.record import Record
from sluiceway_database_url.queries import CATALOGUE, DEFERRABLE, LOCKS, RELATIONS, SEQUENCES
from sluiceway_database_url.wire import Answer, Target, Wire

__all__ = ["Database"]

_NOT_IN_TRANSACTION = frozenset({"25001", "2D000"})
"""active_sql_transaction (CONCURRENTLY, VACUUM, ...), invalid_transaction_termination (a procedure
that commits)."""
_CALL_MILLISECONDS = 20_000
_BEYOND = re.compile(
    r"\b(?:CREATE|ALTER|DROP|COMMENT\s+ON)\s+"
    r"(?:ROLE|USER(?!\s+MAPPING)|GROUP|DATABASE|TABLESPACE|SUBSCRIPTION)\b"
    r"|\bALTER\s+SYSTEM\b|\b(?:REASSIGN|DROP)\s+OWNED\b"
    r"|\bGRANT\b(?:(?!\bON\b)[^;'])*\bTO\b|\bREVOKE\b(?:(?!\bON\b)[^;'])*\bFROM\b"
    r"|\bCOPY\b[^;]*\b(?:FROM|TO)\s+(?:PROGRAM\b|E?'|\$)"
    r"|\bdblink\w*\s*\(|\bpg_(?:terminate|cancel)_backend\s*\(|\blo_(?:ex|im)port\s*\(",
    re.IGNORECASE,
)
"""What does not stay in its database."""
_TWO_PHASES = re.compile(
    r"\b(?:PREPARE\s+TRANSACTION|(?:COMMIT|ROLLBACK)\s+PREPARED)\b", re.IGNORECASE
)
_ENDS = Failure(sqlstate="25000", message="it ends its transaction among other things: not tried")


class _Relation(Record, kw_only=False):
    name: str
    kind: str
    file: str
    scans: int


_Relations = dict[str, _Relation]


class Database:
    """See :class:`sluiceway.migrations.dryrun.records.ScratchDatabase`.

    Args:
        name: Its name on the server.
        target: Where it is, and as whom.
        alone: The server is ours, and what reaches beyond this database harms nobody.
    """

    def __init__(self, name: str, target: Target, *, alone: bool) -> None:
        self.name = name
        self._target = target
        self._alone = alone
        self._wire: Wire | None = None
        self._old: frozenset[str] | None = None

    @property
    def url(self) -> str:
        """For programs. Holds the password."""
        return self._target.url

    def release(self) -> None:
        """Close the connection: a database can be copied or dropped only when nobody is in it."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _open(self) -> Wire:
        if self._wire is None:
            self._wire = _verified(Wire(self._target), self.name)
        return self._wire

    def catalogue(self) -> Catalogue:
        """Return every object that is not the server's own."""
        values = self._open().must(CATALOGUE).values
        return {(kind or "", name or ""): text or "" for kind, name, text in values}

    # --- applying a migration ---

    def apply(
        self, steps: Sequence[Step], in_transaction: Maybe, *, trace: bool
    ) -> tuple[Applied, ...]:
        """Run one file's statements as its tool would, up to the first that fails."""
        if not self._alone:
            for step in steps:
                _keep_inside(step.sql, f"{step.file}:{step.line}")
        wire = self._open()
        if trace and self._old is None:
            self._old = frozenset(_relations(wire))
        whole = in_transaction is Maybe.YES
        if whole:
            wire.must("BEGIN")
        applied: list[Applied] = []
        for step in steps:
            applied.append(
                _traced(wire, step, self._old or frozenset(), whole=whole)
                if trace
                else _plain(wire, step)
            )
            if applied[-1].failure is not None:
                break
        else:
            if whole and wire.in_transaction:
                failure = wire.run("COMMIT").failure  # constraints that were deferred speak here
                if failure is not None and applied:
                    applied[-1] = replace(applied[-1], failure=failure)
        if wire.in_transaction:  # failed, or a BEGIN of the file that nothing ended
            wire.must("ROLLBACK")
        wire.must("DISCARD ALL")
        return tuple(applied)

    # --- running recorded statements ---

    def attempt(self, units: Sequence[Unit]) -> tuple[Attempt, ...]:
        """Run recorded statements in order, each so that its failure hinders no other."""
        if not self._alone:
            for number, unit in enumerate(units, 1):
                for call in unit.calls:
                    _keep_inside(call.sql, f"recorded transaction {number}")
        wire = self._open()
        deferred = wire.must(DEFERRABLE).values[0][0] != "0"
        sequences = _sequences(wire)
        wire.must(f"BEGIN; SET LOCAL statement_timeout = {_CALL_MILLISECONDS}")
        found: list[Attempt] = []
        for unit in units:
            found += _attempted(wire, unit, deferred=deferred)
        wire.must("ROLLBACK")
        wire.must("DISCARD ALL")
        _set_back(wire, sequences)
        return tuple(found)


def _verified(wire: Wire, name: str) -> Wire:
    """Return *wire* when it leads where it was meant to lead; a pooler may say otherwise.

    Raises:
        ActionFailed: ``database.another``.
    """
    ((current,),) = wire.must("SELECT current_database()").values
    if current != name:
        wire.close()
        raise ActionFailed(
            f"asked for the throw-away database, the server gave {current!r}",
            means="Nothing was done in it.",
            remedy="Give the server's own address, not that of a pooler.",
            code="database.another",
        )
    return wire


def _keep_inside(sql: str, where: str) -> None:
    """Refuse what would change the server for others. Names in texts and comments count too.

    Raises:
        ActionFailed: ``dry-run.beyond``.
    """
    found = _BEYOND.search(sql)
    if found is not None:
        raise ActionFailed(
            f"{where}: {' '.join(found[0].split())} reaches beyond the throw-away database",
            means="On a server that others use too it was not tried.",
            remedy='Let the dry run start a server of its own: choose database = ["embedded"] in '
            "[stages].",
            code="dry-run.beyond",
        )


def _plain(wire: Wire, step: Step) -> Applied:
    answer = wire.run(step.sql)
    return Applied(step=step, rows=answer.rows, traced=False, failure=answer.failure)


def _traced(wire: Wire, step: Step, old: frozenset[str], *, whole: bool) -> Applied:
    """Run a statement in a transaction, its own where there is none, and look what it holds.

    Only the *old* relations count: nobody waits for what the new files themselves have made.
    """
    if control(step.sql):
        return _plain(wire, step)
    own = not whole and not wire.in_transaction
    if own:
        wire.must("BEGIN")
    before = _relations(wire, old)
    answer, milliseconds = _timed(wire, step.sql)
    if answer.failure is not None:
        if not own:
            return Applied(step=step, milliseconds=milliseconds, failure=answer.failure)
        wire.must("ROLLBACK")
        if answer.failure.sqlstate not in _NOT_IN_TRANSACTION:
            return Applied(step=step, milliseconds=milliseconds, failure=answer.failure)
        answer, milliseconds = _timed(wire, step.sql)
        after = _relations(wire) if answer.failure is None else before
        return _seen(step, answer, milliseconds, before, after, None)
    after = _relations(wire)
    held = [(relation or "", mode or "") for relation, mode in wire.must(LOCKS).values]
    if own:
        failure = wire.run("COMMIT").failure
        answer = answer if failure is None else replace(answer, failure=failure)
    return _seen(step, answer, milliseconds, before, after, held)


def _timed(wire: Wire, sql: str) -> tuple[Answer, float]:
    began = time.monotonic()
    answer = wire.run(sql)
    return answer, (time.monotonic() - began) * 1000


def _relations(wire: Wire, only: frozenset[str] | None = None) -> _Relations:
    return {
        oid or "": _Relation(name or "", kind or "", file or "", int(scans or 0))
        for oid, name, kind, file, scans in wire.must(RELATIONS).values
        if only is None or oid in only
    }


def _seen(
    step: Step,
    answer: Answer,
    milliseconds: float,
    before: _Relations,
    after: _Relations,
    held: Sequence[tuple[str, str]] | None,
) -> Applied:
    """Compare. Names are those of before: a table that was dropped or renamed keeps its name."""
    fresh = {
        relation.name
        for oid, relation in before.items()
        if oid in after and relation.kind in "rm" and after[oid].file != relation.file
    }
    read = {
        relation.name
        for oid, relation in before.items()
        if held is not None and oid in after and after[oid].scans > relation.scans
    }
    truncated = answer.tag == "TRUNCATE TABLE"
    return Applied(
        step=step,
        milliseconds=milliseconds,
        rows=answer.rows,
        traced=held is not None,
        locks=strongest((before[oid].name, mode) for oid, mode in held or () if oid in before),
        rewrites=() if truncated else tuple(sorted(fresh)),
        scans=tuple(sorted(read - fresh)),
        emptied=tuple(sorted(fresh)) if truncated else (),
        failure=answer.failure,
    )


def _attempted(wire: Wire, unit: Unit, *, deferred: bool) -> list[Attempt]:
    wire.must("SAVEPOINT sluiceway_unit")
    found: list[Attempt] = []
    for call in unit.calls:
        if control(call.sql):
            if wire.run(call.sql).failure is not None:
                wire.must("ROLLBACK TO SAVEPOINT sluiceway_unit")
            continue
        found.append(Attempt(call=call, failure=_ENDS) if _ends(call) else _called(wire, call))
    undone = unit.rolled_back
    if deferred and not undone and found:
        wire.must("SAVEPOINT sluiceway_call")
        failure_at_end = wire.run("SET CONSTRAINTS ALL IMMEDIATE").failure
        wire.must("ROLLBACK TO SAVEPOINT sluiceway_call")
        if failure_at_end is not None:
            found[-1] = replace(found[-1], failure=found[-1].failure or failure_at_end)
            undone = True
    if undone:
        wire.must("ROLLBACK TO SAVEPOINT sluiceway_unit")
    wire.must("RELEASE SAVEPOINT sluiceway_unit")
    return found


def _ends(call: Call) -> bool:
    """Whether it ends a transaction among other things, and so cannot be undone."""
    if _TWO_PHASES.search(call.sql):
        return True
    if not call.simple or ";" not in call.sql:
        return False
    parts = [call.sql[begin:end] for begin, end in spans(call.sql, Dialect.POSTGRES)]
    return len(parts) > 1 and any(control(part.strip(" ;")) for part in parts)


def _sequences(wire: Wire) -> dict[str, tuple[str, str]]:
    ((query,),) = wire.must(SEQUENCES).values
    found = wire.must(query).values if query else ()
    return {name or "": (last or "", called or "") for name, last, called in found}


def _set_back(wire: Wire, before: dict[str, tuple[str, str]]) -> None:
    """Sequences go on even where everything else is undone."""
    for name, (last, called) in _sequences(wire).items():
        if (last, called) != before[name]:
            quoted = name.replace("'", "''")
            value, was = before[name]
            wire.must(f"SELECT setval('{quoted}', {value}, '{was}')")


def _called(wire: Wire, call: Call) -> Attempt:
    wire.must("SAVEPOINT sluiceway_call")
    answer = wire.run(call.sql) if call.simple else wire.call(call.sql, call.parameters)
    if not wire.in_transaction:
        raise ActionFailed(
            f"a recorded statement has ended the dry run's transaction: {shortened(call.sql)}",
            means="What it did cannot be undone, so nothing was judged.",
            remedy="Take it out of the file of recorded statements.",
            code="dry-run.ended",
        )
    if answer.failure is not None:
        wire.must("ROLLBACK TO SAVEPOINT sluiceway_call")
    wire.must("RELEASE SAVEPOINT sluiceway_call")
    return Attempt(call=call, failure=answer.failure, rows=answer.rows, columns=answer.columns)
