"""Folders of the tools: whose a file is, in which order it runs, and whether it runs forward.

A file is left out only when the tool that the names tell has a rule for it *and* its forward half is
there too: ``V7__drop_down_payments.sql``, ``countdown.sql`` and a lone ``x_down.sql`` are judged.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from operator import attrgetter

from sluiceway.migrations.layouts.tools import LAYOUTS, Folders, Peek, Place, natural
from sluiceway.migrations.records import Dialect
from sluiceway.record import replace

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
    if alone:
        found = [replace(place, skip="") for place in found]
    else:
        variants = _Variants(folders, dialect)
        for at, place in enumerate(found) if variants else ():
            if not place.skip and (why := variants.why(place.path)):
                found[at] = replace(place, skip=why)
    return sorted(found, key=_ORDER)


_ORDER = attrgetter("layout", "key")


_SQL = re.compile(
    r"(?i)\.(?:sql|pgsql|psql|mysql|ddl)(?:\.(?:tmpl|tpl|template|gotmpl|j2|jinja2?|erb|tera|hbs|in))?\Z"
)


def is_sql(path: str) -> bool:
    """Tell by its name whether a file holds SQL, or a template of it."""
    return path.endswith(".sql") or _SQL.search(path) is not None


_POP = re.compile(r"\d+_[^.]+\.(\w+)\.(?:up|down)\.sql\Z")
_POP_ENDS = (".up.sql", ".down.sql")


class _Variants:
    """Files for other databases, where this database's own variant stands beside them.

    ``postgres/`` beside ``mysql/``, ``x.postgres.up.sql`` beside ``x.mysql.up.sql``.
    """

    def __init__(self, folders: Mapping[str, set[str]], dialect: Dialect) -> None:
        self.dialect = dialect
        self.of_folder: dict[str, str] = {}
        ours = {name for name, dialects in _DIALECTS.items() if dialect in dialects}
        with_ours = {
            "/".join(parts[:at])
            for parts in (folder.split("/") for folder in folders)
            for at, part in enumerate(parts)
            if part.lower() in ours
        }
        for folder in folders:
            parts = folder.split("/")
            for at, part in enumerate(parts):
                if self.other(part) and "/".join(parts[:at]) in with_ours:
                    self.of_folder[folder] = part
        self.named = {
            folder
            for folder, names in folders.items()
            if any(
                name.endswith(_POP_ENDS)
                and (match := _POP.match(name))
                and match[1].lower() in ours
                for name in names
            )
        }

    def __bool__(self) -> bool:
        """Whether there may be any."""
        return bool(self.of_folder or self.named)

    def other(self, word: str) -> bool:
        dialects = _DIALECTS.get(word.lower())
        return dialects is not None and self.dialect not in dialects

    def why(self, path: str) -> str:
        """Return why a file is another database's variant; or nothing."""
        folder, _, name = path.rpartition("/")
        if folder in self.of_folder:
            return f"the variant for {self.of_folder[folder]}"
        if folder in self.named and (match := _POP.match(name)) and self.other(match[1]):
            return f"the variant for {match[1]}"
        return ""
