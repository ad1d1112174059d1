"""Folders of the tools: whose a file is, in which order it runs, and whether it runs forward.

A file is left out only when the tool that the names tell has a rule for it *and* its forward half is
there too: ``V7__drop_down_payments.sql``, ``countdown.sql`` and a lone ``x_down.sql`` are judged.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from sluiceway.migrations.layouts.tools import LAYOUTS, Folders, Peek, Place, natural
from sluiceway.migrations.records import Dialect

__all__ = ["LAYOUTS", "Place", "is_sql", "natural", "places"]

_DIALECTS: dict[str, frozenset[Dialect]] = {
    **dict.fromkeys(("postgres", "postgresql", "pg", "psql", "pgsql"), frozenset({Dialect.POSTGRES, Dialect.REDSHIFT})),
    **dict.fromkeys(("mysql",), frozenset({Dialect.MYSQL, Dialect.MARIADB})),
    **dict.fromkeys(("mariadb",), frozenset({Dialect.MARIADB, Dialect.MYSQL})),
    **dict.fromkeys(("sqlite", "sqlite3"), frozenset({Dialect.SQLITE})),
    **dict.fromkeys(("mssql", "sqlserver", "tsql"), frozenset({Dialect.TSQL})),
    **dict.fromkeys(("oracle",), frozenset({Dialect.ORACLE})),
    **dict.fromkeys(("cockroach", "cockroachdb", "crdb"), frozenset()),
    **dict.fromkeys(("clickhouse",), frozenset({Dialect.CLICKHOUSE})),
}  # fmt: skip
"""What folders and parts of names are called that hold one database's variant."""


def places(
    paths: list[str], peek: Peek, dialect: Dialect, *, layout: str = "auto", alone: bool = False
) -> list[Place]:
    """Return the place of every SQL file of *paths*, in the order in which they are applied.

    Args:
        paths: Relative, with ``/``: of all files, so that what stands beside a file can tell.
        peek: Gives a file's bytes (journals and settings of the tools).
        dialect: The other databases' variants are left out.
        layout: The tool, when it is known.
        alone: A person named this one file: then it is judged, whatever it is called.
    """
    folders: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, _, name = path.rpartition("/")
        folders[folder].add(name)
    tools = Folders(folders, peek, layout)
    sql = [path for path in paths if is_sql(path) or alone]
    found = [tools.place(path) for path in sql]
    if not alone:
        skips = {path: _variant(path, folders, dialect) for path in sql}
        found = [
            place if place.skip or not skips[place.path] else replace(place, skip=skips[place.path])
            for place in found
        ]
    else:
        found = [replace(place, skip="") for place in found]
    return sorted(found, key=lambda place: (place.layout, place.key))


_SQL = re.compile(
    r"(?i)\.(?:sql|pgsql|psql|mysql|ddl)(?:\.(?:tmpl|tpl|template|gotmpl|j2|jinja2?|erb|tera|hbs|in))?\Z"
)


def is_sql(path: str) -> bool:
    """Tell by its name whether a file holds SQL, or a template of it."""
    return bool(_SQL.search(path))


_POP = re.compile(r"\d+_[^.]+\.(\w+)\.(?:up|down)\.sql\Z")


def _variant(path: str, folders: Mapping[str, set[str]], dialect: Dialect) -> str:
    """Return why a file is another database's variant; or nothing.

    Only where this database's own variant stands beside it: ``postgres/`` beside ``mysql/``,
    ``x.postgres.up.sql`` beside ``x.mysql.up.sql``.
    """
    folder, _, name = path.rpartition("/")
    if match := _POP.match(name):
        ours = _DIALECTS.get(match[1].lower())
        if (
            ours is not None
            and dialect not in ours
            and any(
                (other := _POP.match(beside)) and dialect in _DIALECTS.get(other[1].lower(), ())
                for beside in folders[folder]
            )
        ):
            return f"the variant for {match[1]}"
    parts = folder.split("/")
    for at, part in enumerate(parts):
        ours = _DIALECTS.get(part.lower())
        if ours is None or dialect in ours:
            continue
        before = "/".join(parts[:at])
        prefix = f"{before}/" if before else ""
        if any(
            known.startswith(prefix)
            and dialect in _DIALECTS.get(known[len(prefix) :].partition("/")[0].lower(), ())
            for known in folders
        ):
            return f"the variant for {part}"
    return ""
