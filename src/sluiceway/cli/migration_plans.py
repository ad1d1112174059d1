"""Commands of a database's life: migrations.plan, migrations.status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sluiceway.migrations.plans import Known, Plan
    from sluiceway.migrations.reading import Reading

__all__ = ["plan", "status"]


@command(
    help={
        "change": "CHANGE TARGET [MORE...], for example rename-column payments.amount amount_cents.",
        "folder": "The migrations (default: [migrations] folder, or migrations).",
        "type_": "The type of the new column; that of the old one when left out.",
        "name": "change-type: what the new column is called.",
        "default": "not-null: the expression that fills rows without a value.",
        "fill": "NEW=EXPRESSION that fills a new column from the old one; may be repeated.",
        "write": "Write the migrations below this folder, a folder for each release.",
        "step": "With --write: only this release's, right into the folder.",
    },
    repeated=("fill",),
    words="change",
)
def plan(
    shell: Shell,
    *,
    change: Sequence[str] = (),
    folder: str = "",
    type_: str = "",
    name: str = "",
    default: str = "",
    fill: Sequence[str] = (),
    write: str = "",
    step: str = "",
) -> ExitCode:
    """Write the releases by which a breaking change of a table breaks nobody."""
    from sluiceway.migrations import plans
    from sluiceway.migrations.plans.files import markdown

    if not change:
        raise UsageError(
            "which change shall be planned?",
            means="\n".join(f"{word} {rest}" for word, rest in plans.CHANGES.items()),
            remedy="invoke migrations.plan rename-column payments.amount amount_cents",
            code="migrations.plan",
        )
    _check_step(write, step)
    reading = _reading(shell, folder)
    known = _known(shell, reading, change, type_)
    made = plans.plan(change[0], change[1:], known, default=default, fills=_fills(fill), name=name)
    written = _write(made, reading, write, step)
    document = {"plan": made.to_json(), "written": written}
    shell.result(document, lambda console: console.verbatim(markdown(made)))
    for path in written:
        shell.console.note(f"wrote {path}")
    return ExitCode.DONE


@command
def status(shell: Shell) -> ExitCode:
    """Show which migrations each environment has, what is new for the next, and who still reads what."""
    from sluiceway.runs.migration_standing import standing

    bench = shell.bench
    if bench.config.migrations is None:
        raise UsageError(
            f"{bench.config.path.name} declares no [migrations]",
            means="So the service has no database, and nothing is asked about one.",
            remedy='Add [migrations] with folder = "..." to it.',
            code="migrations.undeclared",
        )
    rows = standing(bench)
    shell.result(
        {"service": bench.config.service, "environments": rows},
        lambda console: console.migrations_standing(bench.config.service, rows),
    )
    return ExitCode.DONE


def _reading(shell: Shell, folder: str) -> Reading | None:
    """Read the folder of migrations; nothing where none is there and none was named."""
    from sluiceway.migrations import reading
    from sluiceway.migrations.records import Dialect

    bench = shell.bench_or_none
    settings = bench.config.migrations if bench is not None else None
    if settings is not None and settings.dialect is not Dialect.POSTGRES:
        raise UsageError(
            f"the plan's SQL is PostgreSQL's, and [migrations] dialect is {settings.dialect}",
            means="What locks and what does not differs too much from one server to another.",
            remedy="Take the order of the steps from docs/migrations-lifecycle.md.",
            code="migrations.plan",
        )
    if folder:
        return reading.read(Path(folder), Dialect.POSTGRES)
    usual = settings.folder if settings is not None else Path("migrations")
    layout = settings.layout if settings is not None else "auto"
    return reading.read(usual, Dialect.POSTGRES, layout=layout) if usual.is_dir() else None


def _known(shell: Shell, reading: Reading | None, change: Sequence[str], given: str) -> Known:
    from dataclasses import replace

    from sluiceway.migrations.plans import Known, target_of
    from sluiceway.migrations.plans.schema import known_of
    from sluiceway.migrations.records import Dialect

    known = Known()
    if reading is not None and len(change) > 1:
        bench = shell.bench_or_bare
        parser = bench.plugins.maybe("sluiceway_sql_parser", dialect=Dialect.POSTGRES)
        if parser is not None:
            target = target_of(change[1], change[0])
            known = known_of(reading.scripts, parser, Dialect.POSTGRES, target)
    return replace(known, type=given) if given else known


def _fills(texts: Sequence[str]) -> dict[str, str]:
    fills = {}
    for text in texts:
        name, equals, expression = text.partition("=")
        if not (name.strip() and equals and expression.strip()):
            raise UsageError(
                f"--fill is {text!r}, which is not NEW=EXPRESSION", code="migrations.plan"
            )
        fills[name.strip()] = expression.strip()
    return fills


def _check_step(write: str, step: str) -> None:
    if step and not (write and step.isdigit()):
        raise UsageError(
            f"--step is {step!r}; it is the number of a release, and goes with --write",
            remedy="For example --write=migrations --step=1",
            code="migrations.plan",
        )


def _write(made: Plan, reading: Reading | None, write: str, step: str) -> list[str]:
    """Write the files and return their paths; nothing that is there is written over."""
    from sluiceway.migrations.plans.files import files_of, markdown

    if not write:
        return []
    if step and not 1 <= int(step) <= len(made.steps):
        raise UsageError(
            f"--step is {step}, and the plan has {len(made.steps)} releases", code="migrations.plan"
        )
    root = Path(write)
    layout = reading.layout if reading is not None else "plain"
    names = [script.name for script in reading.scripts] if reading is not None else []
    files: list[tuple[Path, str]] = []
    for number, each in enumerate(made.steps, 1):
        if step and number != int(step):
            continue
        below = root if step else root / str(number)
        drafted = files_of(each, layout, names, datetime.now(UTC))
        files += [(below / path, text) for path, text in drafted]
        names += [path for path, _ in drafted if path.endswith(".sql")]
    if not step:
        files.append((root / "plan.md", markdown(made)))
    there = [path for path, _ in files if path.exists()]
    if there:
        raise UsageError(
            f"{there[0]} is there already",
            means="Nothing was written.",
            remedy="Name another folder with --write, or move what is there.",
            code="migrations.plan",
        )
    try:
        for path, text in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write below {root}: {error.strerror}", code="migrations.plan"
        ) from error
    return [str(path) for path, _ in files]
