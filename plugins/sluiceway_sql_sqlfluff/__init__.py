"""sqlfluff's grammars, for every dialect.

sqlfluff parses; what a statement does is read from its tokens (:mod:`.reading`). Its Rust core is
driven directly, a statement at a time (:mod:`.rust`): through its own command it starts too slowly
for a check that runs on every commit, and one statement that does not parse hides the rest of the
file. Where the core is absent its Python API does the same work (:mod:`.api`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sluiceway.config.settings import take
from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.migrations.records import Dialect, Remark, SqlParser
from sluiceway.model import Check, Project


@hookimpl
def sluiceway_sql_parser(project: Project, dialect: Dialect, settings: Settings) -> SqlParser:
    """Return the parser: it reads every dialect."""
    from sluiceway_sql_sqlfluff.parser import parser

    take(settings, "sql-sqlfluff", {})
    return parser()


@hookimpl
def sluiceway_sql_style(
    project: Project, files: Sequence[Path], dialect: Dialect | None, settings: Settings
) -> Sequence[Remark]:
    """Lint the files with sqlfluff's rules and the repository's configuration of them."""
    from sluiceway_sql_sqlfluff.style import remarks

    take(settings, "sql-sqlfluff", {})
    return remarks(files, dialect)


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check] | None:
    """Refuse settings that do not exist."""
    take(settings, "sql-sqlfluff", {})
    return None
