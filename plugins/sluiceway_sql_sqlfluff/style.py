"""``sqlfluff lint``: how SQL is written, never whether it is safe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.migrations.records import Dialect, Remark

__all__ = ["remarks"]


def remarks(files: Sequence[Path], dialect: Dialect | None) -> list[Remark]:
    """Return what sqlfluff's rules say of *files*, in their order.

    The repository's own configuration (``.sqlfluff``, ``pyproject.toml`` and the like, beside each
    file and above) holds; *dialect* is put over it.

    Raises:
        ConfigurationError: ``sql.style``: the configuration cannot be read, or no dialect is said.
    """
    from sqlfluff.core import FluffConfig, Linter
    from sqlfluff.core.errors import SQLBaseError, SQLFluffUserError

    found: list[Remark] = []
    overrides: dict[str, Any] | None = {"dialect": dialect.value} if dialect is not None else None
    for file in files:
        try:
            config = FluffConfig.from_path(str(file.absolute()), overrides=overrides)
            text = file.read_text(encoding="utf-8-sig", errors="replace")
            linted = Linter(config=config).lint_string(text, fname=str(file), config=config)
        except (SQLFluffUserError, SQLBaseError) as error:
            raise ConfigurationError(
                f"sqlfluff cannot lint {file}: {error}",
                remedy="Say the dialect: --dialect=mysql, or dialect = mysql in .sqlfluff.",
                code="sql.style",
            ) from error
        found.extend(
            Remark(
                path=file,
                line=violation.line_no,
                column=violation.line_pos,
                code=violation.rule_code(),
                what=violation.desc(),
            )
            for violation in linted.get_violations()
        )
    return found
