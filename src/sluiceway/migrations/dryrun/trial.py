"""Doing a dry run: which database is made when, and what is run in it. Decides nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from sluiceway.errors import ActionFailed
from sluiceway.migrations.dryrun.calls import units
from sluiceway.migrations.dryrun.records import (
    Applied,
    Attempt,
    Call,
    Catalogue,
    ScratchDatabase,
    ScratchServer,
    Step,
)
from sluiceway.migrations.dryrun.words import missing
from sluiceway.migrations.records import Maybe, Script, Span
from sluiceway.record import Record

__all__ = ["Cut", "Trial", "dry_run", "replayed", "steps"]

_VERSION = "1"
"""Of how a history is replayed; a kept database of another one is not used."""

Cut = Callable[[str], Sequence[Span]]
"""Finds the statements in a text (``sluiceway.migrations.statements.spans`` for one dialect)."""


class Trial(Record):
    """Everything that happened."""

    server: str
    """The plugin's name."""
    version: str
    history: int
    """How many files were there before the new ones."""
    new: tuple[str, ...]
    """The new files."""
    applied: tuple[Applied, ...]
    """Statements of the new files, up to the first that failed."""
    before: Catalogue
    after: Catalogue
    old: tuple[Attempt, ...] | None = None
    """The old release's statements on the old schema; ``None``: none were given."""
    old_on_new: tuple[Attempt, ...] = ()
    """The same on the new schema, in the same order; empty when it could not be made."""
    new_on_new: tuple[Attempt, ...] | None = None

    @property
    def whole(self) -> bool:
        """Whether every new statement could be applied."""
        return all(each.failure is None for each in self.applied)


def steps(script: Script, cut: Cut) -> tuple[Step, ...]:
    """Return the statements of *script*; raise when it holds what could not be read.

    Raises:
        ActionFailed: ``dry-run.unreadable``.
    """
    for problem in script.problems:
        raise ActionFailed(
            f"{script.path}:{problem.line} cannot be read: {problem.what}",
            means="What the server would be given is not known, so nothing was tried.",
            remedy="Correct the file.",
            code="dry-run.unreadable",
        )
    spans = cut(script.text) if script.spans is None else script.spans
    return tuple(
        Step(
            file=script.path,
            line=script.line(begin + _blank(script.text[begin:end])),
            sql=script.text[begin:end].strip(),
        )
        for begin, end in spans
        if script.text[begin:end].strip(" \t\r\n;")
    )


def _blank(text: str) -> int:
    return len(text) - len(text.lstrip())


def replayed(server: ScratchServer, history: Sequence[Script], cut: Cut) -> ScratchDatabase:
    """Return a database with *history*, only to be copied.

    Raises:
        ActionFailed: ``dry-run.history`` or ``dry-run.extension``: a file of it fails.
    """
    key = _key(server.version, history)
    kept = server.kept(key)
    if kept is not None:
        return kept
    database = server.create()
    try:
        for script in history:
            _must(database.apply(steps(script, cut), script.in_transaction, trace=False), server)
        return server.keep(database, key)
    except BaseException:
        server.drop(database)
        raise


def _key(version: str, history: Iterable[Script]) -> str:
    facts = [
        [script.path, script.text, script.in_transaction, list(script.spans or ())]
        for script in history
    ]
    return hashlib.sha256(json.dumps([_VERSION, version, facts]).encode()).hexdigest()


def _must(applied: Iterable[Applied], server: ScratchServer, what: str = "history") -> None:
    for each in applied:
        if each.failure is not None:
            raise _failed(each, server, what)


def _failed(applied: Applied, server: ScratchServer, what: str) -> ActionFailed:
    failure, step = applied.failure, applied.step
    if failure is None:
        raise AssertionError(step)
    line = step.line + step.sql.count("\n", 0, max(failure.position - 1, 0))
    said = f"{failure.sqlstate} {failure.message}"
    if failure.detail:
        said += f" ({failure.detail})"
    lacks = missing(failure, server.version)
    return ActionFailed(
        f"{step.file}:{line}: {said}",
        means=f"The {what} could not be replayed on {server.version}, so nothing was judged.",
        remedy=lacks
        or "If the server is older or newer than yours, choose another (plugins database-url and "
        "database-embedded); otherwise look whether files are missing or in another order.",
        code="dry-run.missing" if lacks else f"dry-run.{what}",
    )


def dry_run(
    server: ScratchServer,
    history: Sequence[Script],
    new: Sequence[Script],
    cut: Cut,
    *,
    seed: Sequence[Script] = (),
    old: Sequence[Call] | None = None,
    fresh: Sequence[Call] | None = None,
) -> Trial:
    """Replay *history*, apply *new*, and run recorded statements before and after.

    Args:
        server: Where; the caller closes it.
        history: What is applied already, in order.
        new: What a release adds, in order.
        cut: Finds statements in a text.
        seed: Rows that are there when the new files come.
        old: What the release before does, as recorded.
        fresh: What the new release does, as recorded.

    Raises:
        ActionFailed: The history or the seed fails, or the server does. That the new files fail is
            part of the answer.
    """
    news = [(script, steps(script, cut)) for script in new]
    base = replayed(server, history, cut)
    database = server.create(base)
    try:
        for script in seed:
            _must(database.apply(steps(script, cut), Maybe.YES, trace=False), server, "seed")
        tried = None if old is None else units(old)
        before = None if tried is None else database.attempt(tried)
        old_catalogue = database.catalogue()
        trial = Trial(
            server=server.name,
            version=server.version,
            history=len(history),
            new=tuple(script.path for script in new),
            applied=_applied(database, news),
            before=old_catalogue,
            after=database.catalogue(),
            old=before,
        )
        if not trial.whole:
            return trial
        return replace(
            trial,
            old_on_new=() if tried is None else database.attempt(tried),
            new_on_new=None if fresh is None else database.attempt(units(fresh)),
        )
    finally:
        server.drop(database)


def _applied(
    database: ScratchDatabase, news: Iterable[tuple[Script, Sequence[Step]]]
) -> tuple[Applied, ...]:
    applied: list[Applied] = []
    for script, statements in news:
        applied += database.apply(statements, script.in_transaction, trace=True)
        if any(each.failure is not None for each in applied):
            break
    return tuple(applied)
