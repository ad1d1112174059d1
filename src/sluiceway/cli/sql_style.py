"""The command about the style of SQL: migrations.lint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode, UsageError

__all__ = ["lint"]


@command(
    help={
        "path": "Files and folders of SQL; the project's folder of migrations when left out.",
        "dialect": "Whose SQL it is; what the linter's own configuration says when left out.",
        "base": "The branch or commit to compare with (default: the main branch).",
        "all_": "Every file, not only those that were changed.",
    },
    words="path",
)
def lint(
    shell: Shell,
    path: Sequence[str] = (),
    dialect: str = "",
    base: str = "",
    *,
    all_: bool = False,
) -> ExitCode:
    """Say what is not in style in the SQL that was changed. It decides nothing: always exit 0."""
    from sluiceway.migrations.changed import changed
    from sluiceway.migrations.records import Dialect

    bench = shell.bench_or_bare
    declared = bench.config.migrations
    paths = [Path(each) for each in path] or ([declared.folder] if declared else [])
    if not paths:
        raise UsageError(
            "no file or folder of SQL is named",
            remedy="Name one: invoke migrations.lint PATH, or set folder in [migrations].",
            code="migrations.none",
        )
    for each in paths:
        if not each.exists():
            raise UsageError(f"there is no {each}", code="migrations.none")
    spoken = declared.dialect if declared else None
    if dialect:
        try:
            spoken = Dialect(dialect)
        except ValueError:
            known = ", ".join(Dialect)
            raise UsageError(
                f"no dialect is called {dialect!r}",
                remedy=f"One of {known}.",
                code="migrations.dialect",
            ) from None
    files = _every(paths) if all_ else changed(paths, base)
    asked = bench.plugins.each("sluiceway_sql_style", files=files, dialect=spoken)
    remarks = [remark for _, answer in asked for remark in answer] if files else []
    document = {"files": [str(file) for file in files], "remarks": remarks}
    shell.result(
        document,
        lambda console: console.verbatim(
            "".join(
                f"{each.path}:{each.line}:{each.column}: {each.code} {each.what}\n"
                for each in remarks
            )
        ),
    )
    shell.console.note(f"files looked at: {len(files)}; remarks: {len(remarks)}")
    return ExitCode.DONE


def _every(paths: Sequence[Path]) -> tuple[Path, ...]:
    found = {
        file
        for path in paths
        for file in (path.rglob("*.[sS][qQ][lL]") if path.is_dir() else (path,))
    }
    return tuple(sorted(found))
