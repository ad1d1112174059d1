"""Commands about database migrations."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.command import Shell, command
from sluiceway.cli.scan_formats import FORMAT_HELP, chosen_format
from sluiceway.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sluiceway.migrations.judging import Judged
    from sluiceway.migrations.records import Dialect
    from sluiceway.workbench import Workbench

__all__ = ["check"]


@command(
    help={
        "path": "Files and folders of migrations; the project's folder when left out.",
        "dialect": "Whose SQL it is: postgres, mysql, sqlite, tsql, ...",
        "layout": "Whose tool's folder it is; found out from the files when left out.",
        "format": FORMAT_HELP,
        "strict": "Let two grammars read every statement, and block what they read differently.",
        "advice": "Leave out the rules that only advise.",
        "since": "Judge only what is new since what runs in this environment, as a promotion would.",
        "cache": "Find out again what an earlier check has found out about the same files.",
    },
    words="path",
)
def check(
    shell: Shell,
    path: Sequence[str] = (),
    dialect: str = "",
    layout: str = "",
    format: str = "",  # noqa: A002 - the flag's name
    strict: bool = False,  # noqa: FBT001, FBT002 - an option of the command line
    advice: bool = True,  # noqa: FBT001, FBT002 - an option of the command line
    since: str = "",
    cache: bool = True,  # noqa: FBT001, FBT002 - an option of the command line
) -> ExitCode:
    """Say what migrations would break: exit 3 when one is blocked, 5 when it could not be judged."""
    chosen = chosen_format(shell, format, "migrations.format")
    from sluiceway.migrations import checking, kept

    if since:
        if path or dialect or layout or strict:
            raise UsageError(
                "--since takes no path, --dialect, --layout or --strict",
                means="It compares the migrations that [migrations] declares with those of a release.",
                remedy=f"invoke migrations.check --since={since}",
                code="migrations.since",
            )
        return _since(shell, chosen, since, advice=advice)
    bench = shell.bench_or_bare
    paths = _paths(bench, path)
    spoken, why = _dialect(bench, paths, dialect)
    judged = checking.check(
        bench,
        [_there(each) for each in paths],
        spoken,
        now=datetime.now(UTC),
        layout=layout or _configured(bench, "layout") or "auto",
        strict=strict,
        advice=advice,
        cache=kept.folder_of(bench.environ) if cache and kept.at_the_desk(bench.environ) else None,
    )
    _remember(bench, judged)
    _show(shell, chosen, judged, why)
    return _ended(judged)


def _since(shell: Shell, chosen: str, environment: str, *, advice: bool) -> ExitCode:
    from sluiceway.runs import migrations_here

    bench = shell.bench
    found = migrations_here.since(bench, environment, now=datetime.now(UTC), advice=advice)
    _remember(bench, found.judged)
    why = f"[migrations] in {bench.config.path.name}"
    _show(shell, chosen, found.judged, why, since=found.to_json())
    return _ended(found.judged)


def _ended(judged: Judged) -> ExitCode:
    if judged.decision.allow:
        return ExitCode.DONE
    return ExitCode.REFUSED if judged.judged else ExitCode.UNABLE


def _show(
    shell: Shell, chosen: str, judged: Judged, why: str, since: Mapping[str, Any] | None = None
) -> None:
    from sluiceway.migrations import judging

    if chosen == "sarif":
        from sluiceway.migrations import reports

        shell.console.result(reports.sarif_log(judged))
    elif chosen == "github":
        from sluiceway.migrations import reports

        lines = reports.workflow_commands(judged)
        shell.console.verbatim("".join(f"{line}\n" for line in lines))
    else:
        document = {
            "decision": judged.decision,
            "files": judged.read.files,
            "statements": judged.read.statements,
            "dialect": judged.read.dialect.value,
            "dialect_from": why,
            "layout": judged.read.layout,
            "findings": [
                judging.finding_json(each) for each in judging.in_order(judged.decision.findings)
            ],
            "advice": [
                judging.finding_json(each) for each in judging.in_order(judged.decision.advice)
            ],
            "skipped": list(judged.read.skipped),
            "unused_approvals": list(judged.unused),
        }
        if since is not None:
            document["since"] = since
        shell.result(document, lambda console: console.migrations(document))


def _paths(bench: Workbench, given: Sequence[str]) -> list[Path]:
    if not all(given):
        raise UsageError(
            "one of the paths is empty",
            means="Nothing was judged; as the current folder it would say yes to something else.",
            remedy="See whether a variable is set where the command is written.",
            code="migrations.none",
        )
    if given:
        return [Path(each) for each in given]
    folder = _configured(bench, "folder")
    if folder is None:
        raise UsageError(
            "no file or folder of migrations is named",
            remedy="Name one: invoke migrations.check PATH, or set folder in [migrations] of "
            "sluiceway.toml.",
            code="migrations.none",
        )
    return [Path(os.path.relpath(folder))]


def _configured(bench: Workbench, key: str) -> Any:
    settings = bench.config.migrations
    return getattr(settings, key, None)


def _dialect(bench: Workbench, paths: Sequence[Path], word: str) -> tuple[Dialect, str]:
    """Return the dialect and who says so."""
    from sluiceway.migrations.dialects import hinted, named
    from sluiceway.migrations.records import Dialect

    if word:
        return named(word), "--dialect"
    found = _configured(bench, "dialect")
    if found is not None:
        return found, f"[migrations] in {bench.config.path.name}"
    for path in paths:
        hint = hinted(path)
        if hint is not None:
            return hint
    return Dialect.POSTGRES, ""


def _there(path: Path) -> Path:
    """Return *path*, or name the nearest that is there.

    Raises:
        UsageError: ``migrations.not-found``.
    """
    if path.exists():
        return path
    from sluiceway.config.settings import nearest

    here = path.parent if path.parent.is_dir() else Path()
    guess = nearest(path.name, [each.name for each in here.iterdir()])
    raise UsageError(
        f"there is no migration at {path}",
        means="Nothing was judged.",
        remedy=f"Did you mean {here / guess}?" if guess else "Name a file or folder that is there.",
        code="migrations.not-found",
    )


def _remember(bench: Workbench, judged: Judged) -> None:
    """Keep which statements were refused, so that `waive` can be given the beginning of a hash."""
    from sluiceway.migrations import seen

    if bench.config.path.is_file():
        seen.remember(bench.project.state, judged.decision)
