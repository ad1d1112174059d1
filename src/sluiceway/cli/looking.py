"""Commands that look and change nothing: status, history, pipeline, plugins, doctor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode, SluicewayError, UsageError

__all__ = ["doctor", "down", "history", "pipeline", "plugins", "status"]


@command
def status(shell: Shell) -> ExitCode:
    """Show which digest is where, since when, by whom, how it is, and which runs are under way."""
    from sluiceway.cli.board import rows
    from sluiceway.runs import under_way
    from sluiceway.runs.waiver import standing

    bench = shell.bench
    bench.plugins  # noqa: B018 - one that is not there is said once, as everywhere, not of each row
    board = rows(bench)
    waivers = standing(bench, datetime.now(UTC))
    runs = under_way.rows(bench)
    shell.result(
        {
            "service": bench.config.service,
            "repository": bench.config.repository,
            "environments": board,
            "waivers": waivers,
            "runs": runs,
        },
        lambda console: console.board(bench.config.service, board, waivers, runs),
    )
    return ExitCode.DONE


@command(
    help={
        "env": "Only this environment.",
        "digest": "Only this digest.",
        "run": "Only this run.",
        "limit": "At most so many entries, the newest.",
    }
)
def history(
    shell: Shell, env: str = "", digest: str = "", run: str = "", limit: str = "30"
) -> ExitCode:
    """Show what happened, newest first."""
    if not limit.isdigit() or int(limit) < 1:
        raise UsageError(
            f"--limit is {limit!r}, which is no number of entries", remedy="For example --limit=50"
        )
    bench = shell.bench
    if env:
        bench.config.environment(env)
    entries = bench.ledger.entries(
        service=bench.config.service,
        environment=env,
        digest=digest,
        run=run,
        limit=int(limit),
        newest_first=True,
    )
    if (
        run
        and not entries
        and not bench.ledger.entries(service=bench.config.service, run=run, limit=1)
    ):
        raise UsageError(
            f"the ledger of {bench.config.service} has no run {run!r}",
            remedy="`invoke history` without --run names them; one that has just begun is in "
            "`invoke status`.",
            code="run.unknown",
        )
    narrowed = bool(env or digest or run)
    shell.result({"entries": entries}, lambda console: console.history(entries, narrowed=narrowed))
    return ExitCode.DONE


@command
def pipeline(shell: Shell) -> ExitCode:
    """Print the stages in order, the plugin that serves each, and what is in blue and green."""
    from sluiceway.cli.board import slots
    from sluiceway.pipeline import STAGES

    bench = shell.bench
    usable = {found.name: found for found in bench.plugins.found}
    stages = [
        {
            "stage": stage.name,
            "title": stage.title,
            "hooks": list(stage.hooks),
            "plugins": [
                {"name": name, "usable": not usable[name].problem}
                for name in bench.config.stages[stage.kind]
            ],
            "chosen_in": bench.config.origin(f"stages.{stage.kind}"),
        }
        for stage in STAGES
    ]
    path = [environment.name for environment in bench.config.environments]
    environments = slots(bench)
    shell.result(
        {"stages": stages, "path": ["build", *path], "environments": environments},
        lambda console: console.stages(stages, path, environments),
    )
    return ExitCode.DONE


@command
def plugins(shell: Shell) -> ExitCode:
    """List installed plugins: distribution, version, hooks, and why one is not usable here."""
    from sluiceway import plugins as loading
    from sluiceway.model import CheckStatus

    bench = shell.bench
    loaded = loading.load(bench.config, bench.project, strict=False)
    chosen = {name for names in bench.config.stages.values() for name in names}
    rows: list[dict[str, Any]] = []
    for found in loaded.found:
        problem = found.problem
        if not problem and "sluiceway_doctor" in found.hooks:
            problem = _first_failure(loaded, found.name, CheckStatus.FAIL)
        rows.append(
            {
                "name": found.name,
                "distribution": found.distribution,
                "version": found.version,
                "hooks": list(found.hooks),
                "chosen": found.name in chosen,
                "usable": not problem,
                "problem": problem,
            }
        )
    shell.result({"plugins": rows}, lambda console: console.plugins(rows))
    return ExitCode.DONE


@command
def doctor(shell: Shell) -> ExitCode:
    """Check configuration, secrets, tools and reachability; each line with its remedy.

    Exits 5 when something that is needed is not there.
    """
    from sluiceway.cli.doctoring import examine
    from sluiceway.model import CheckStatus

    checks = examine(os.environ)
    failed = any(check.status is CheckStatus.FAIL for check in checks)
    shell.result({"checks": checks, "healthy": not failed}, lambda console: console.checks(checks))
    return ExitCode.UNABLE if failed else ExitCode.DONE


@command
def down(shell: Shell) -> ExitCode:
    """Stop everything that plugins keep running on this machine for this service."""
    plugins = shell.bench.plugins
    stopped: list[str] = []
    failed: list[SluicewayError] = []
    for name in plugins.serving("sluiceway_shutdown"):
        try:
            stopped += plugins.ask(name, "sluiceway_shutdown") or ()
        except SluicewayError as error:  # what the others keep running is stopped all the same
            failed.append(error)
    if not failed:
        shell.result(
            {"stopped": stopped}, lambda console: console.lines(stopped or ["nothing runs"])
        )
        return ExitCode.DONE
    for other in failed[1:]:
        shell.console.error(other.diagnostics())
    code = ExitCode.NEEDS_PERSON if stopped else failed[0].exit_code
    diagnostics = failed[0].diagnostics()
    shell.result(
        {"stopped": stopped, "error": diagnostics, "changed": bool(stopped)},
        lambda console: console.lines(stopped),
    )
    shell.console.error(diagnostics)
    return code


def _first_failure(loaded: Any, name: str, fail: Any) -> str:
    try:
        checks: Sequence[Any] = loaded.ask(name, "sluiceway_doctor") or ()
    except SluicewayError as error:
        return error.what
    return next((check.detail for check in checks if check.status is fail), "")
