"""Files beside SQL: migrations written in code, which cannot be judged, and what is none at all."""

from __future__ import annotations

import re

__all__ = ["problem", "telling"]

_NUMBERED = re.compile(r"(?:\d+[_.\-]|[VRBU]\d*[\d._]*__|Version\d+|m\d+_)")
_CODE = re.compile(
    rb"(?m)def upgrade\(|class \w+\(?\w*\.?Migration|operations\s*=|ActiveRecord::Migration"
    rb"|exports\.(?:up|default)|(?:function|const|async)\s+up\b|queryInterface|MigrationInterface"
    rb"|knex\b|\bmigrationBuilder\b|use Ecto\.Migration|extends Migration|extends AbstractMigration"
)
_REMEDIES: dict[str, str] = {
    "django": "save what `python manage.py sqlmigrate APP NAME` prints, and judge that",
    "alembic": "save what `alembic upgrade FROM:TO --sql` prints, and judge that",
    "rails": "set config.active_record.schema_format = :sql; write it as SQL, or judge the SQL that `rails db:migrate` logs on a copy",
    "knex": "save the SQL of `knex.migrate.up` with `debug: true`, or write it as SQL",
    "javascript": "write it as SQL, or save the SQL that its tool prints, and judge that",
    "go": "write it as SQL, or judge the SQL that it runs",
    "java": "write it as SQL, or judge the SQL that it runs",
    "php": "save what `php artisan migrate --pretend` (or Doctrine's `--write-sql`) prints, and judge that",
    "ecto": "save what `mix ecto.migrate --log-migrations-sql` prints, and judge that",
    "efcore": "save what `dotnet ef migrations script FROM TO` prints, and judge that",
    "liquibase": "save what `liquibase update-sql` prints, and judge that",
    "packed": "unpack it",
    "pop": "save the SQL that `soda migrate` runs, and judge that",
}
_SUFFIXES: dict[str, str] = {
    ".py": "python", ".rb": "rails", ".js": "javascript", ".cjs": "javascript", ".mjs": "javascript",
    ".ts": "javascript", ".cts": "javascript", ".mts": "javascript", ".go": "go", ".java": "java",
    ".kt": "java", ".groovy": "java", ".scala": "java", ".php": "php", ".exs": "ecto", ".cs": "efcore",
    ".fizz": "pop", ".rs": "go", ".sh": "go",
}  # fmt: skip
_CHANGELOGS = (".xml", ".yaml", ".yml", ".json", ".groovy")
_OTHER_UP = re.compile(r"\d+_.*\.up\.\w+\Z", re.DOTALL)
_NO_MIGRATION = (".d.ts", "_test.go", ".test.ts", ".test.js", ".spec.ts", ".designer.cs")
_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".tgz", ".7z", ".gpg", ".enc", ".age")


def problem(path: str, data: bytes) -> str:
    """Return why a file that is not SQL has to be refused, or nothing when it is no migration.

    Args:
        path: Its path, with ``/``.
        data: Its bytes.
    """
    name = path.rpartition("/")[2]
    lower = name.lower()
    suffix = lower[lower.rfind(".") :] if "." in lower else ""
    kind = _SUFFIXES.get(suffix, "")
    signs = (
        (lower == "schema.rb", "rails", "schema.rb is Ruby"),
        (suffix in _PACKED and ".sql" in lower, "packed", "it is packed"),
        (
            suffix in _CHANGELOGS and b"databaseChangeLog" in data,
            "liquibase",
            "a changelog that is not SQL",
        ),
        (suffix == ".fizz", "pop", "a migration that is not SQL"),
        (bool(_OTHER_UP.match(name)), "go", f"a migration that is not SQL ({suffix})"),
        (lower.endswith(_NO_MIGRATION), "", ""),
        (
            bool(kind and (_NUMBERED.match(name) or _CODE.search(data))),
            _tool(kind, name, data),
            f"a migration in code ({suffix}), not in SQL",
        ),
    )
    tool, what = next(((tool, what) for there, tool, what in signs if there), ("", ""))
    if not tool:
        return ""
    return f"{what}, and cannot be judged: {_REMEDIES[tool]}"


def _tool(kind: str, name: str, data: bytes) -> str:
    if kind == "python":
        django = re.match(r"\d{4}_", name) and b"alembic" not in data
        return "django" if django else "alembic"
    if kind == "javascript" and (b"knex" in data or b"schema." in data):
        return "knex"
    return kind


def telling(name: str) -> bool:
    """Tell whether the text of a file of this name, which is not SQL, can matter."""
    lower = name.lower()
    return lower.endswith((*_SUFFIXES, *_CHANGELOGS, ".toml", ".conf", ".plan"))
