"""Grype's database on disk, schema 6: how old, which digest, and what it knows about.

Source: grype's ``grype/db/v6`` (``models.go``, ``db.go``, ``data.go``).
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway.model import Project, rfc3339
from sluiceway.record import Record
from sluiceway.scanning import Package, ReportError

__all__ = ["Cache", "Database", "locate", "read"]

SCHEMA = 6
_FILE = "vulnerability.db"
_LANGUAGES = {
    "cargo": "rust-crate",
    "composer": "php-composer",
    "gem": "gem",
    "golang": "go-module",
    "hex": "hex",
    "maven": "java-archive",
    "npm": "npm",
    "nuget": "dotnet",
    "pub": "dart-pub",
    "pypi": "python",
    "swift": "swift",
}
_SYSTEMS = {"alpine": 2, "debian": 1, "ubuntu": 2}
"""Parts of a release that tell it apart: Debian 12, Alpine 3.19."""
_KNOWN_SYSTEMS = """
    SELECT DISTINCT s.name, s.major_version, s.minor_version, p.name
    FROM affected_package_handles AS a
    JOIN operating_systems AS s ON s.id = a.operating_system_id
    JOIN packages AS p ON p.id = a.package_id
    WHERE lower(s.name) IN ('alpine', 'debian', 'ubuntu')
"""
_KNOWN_LANGUAGES = """
    SELECT DISTINCT p.ecosystem
    FROM affected_package_handles AS a JOIN packages AS p ON p.id = a.package_id
    WHERE a.operating_system_id IS NULL
"""


class Cache(Record):
    """The folder of grype's databases. It need not be there."""

    folder: Path
    uri: str
    """As it was named, for records that others read: never this machine's absolute path."""


class Database(Record):
    """What is known about the database before it is asked."""

    uri: str
    digest: str
    advisories: int
    built: datetime
    languages: frozenset[str]
    systems: dict[str, frozenset[str]]
    """``debian 12`` to the names of the (source) packages that advisories are about."""

    def facts(self) -> dict[str, Any]:
        """Return it as :attr:`sluiceway.model.Scan.database` has it."""
        return {
            "uri": self.uri,
            "digest": self.digest,
            "advisories": self.advisories,
            "newest": rfc3339(self.built),
            "ecosystems": sorted({*self.languages, *self.systems}),
        }

    def knows(self, package: Package) -> bool:
        """Say whether *package* has a version and any advisory is filed where it is looked up.

        Debian's, Ubuntu's and Alpine's advisories are about source packages: where nothing names
        that and none is filed under the package's own name, nobody can say.
        """
        if not package.version:
            return False
        if package.type in _LANGUAGES:
            return _LANGUAGES[package.type] in self.languages
        system, _, release = package.qualifiers.get("distro", "").partition("-")
        if package.type not in {"apk", "deb"} or system not in _SYSTEMS or not release:
            return False
        parts = release.split(".")[: _SYSTEMS[system]]
        names = self.systems.get(f"{system} {'.'.join(parts)}", frozenset())
        return bool(names) and (
            bool(package.qualifiers.get("upstream")) or package.name.casefold() in names
        )


def locate(project: Project, cache: str) -> Cache:
    """Return grype's folder: the setting, ``GRYPE_DB_CACHE_DIR``, or where grype keeps it."""
    if cache:
        return Cache(folder=project.root / cache, uri=cache)
    for variable, below in (("GRYPE_DB_CACHE_DIR", ""), ("XDG_CACHE_HOME", "grype/db")):
        if named := project.environ.get(variable):
            return Cache(folder=project.root / named / below, uri=f"${variable}")
    home = project.environ.get("HOME", "")
    folder = Path(home or "/nonexistent") / ".cache" / "grype" / "db"
    return Cache(folder=folder, uri="~/.cache/grype/db")


def read(cache: Cache, *, digested: bool = True) -> Database | None:
    """Return what is known about the database in *cache*; ``None`` when there is none.

    The digest needs the whole file (more than a gigabyte) and is left empty unless *digested*.

    Raises:
        ReportError: It is there and cannot be used; the message is a clause about it.
    """
    path = cache.folder / str(SCHEMA) / _FILE
    try:
        if not path.is_file():
            return None
        digest = ""
        if digested:
            with path.open("rb") as source:
                digest = f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as opened:
            built, model = opened.execute(
                "SELECT build_timestamp, model FROM db_metadata"
            ).fetchone() or (None, None)
            if model != SCHEMA:
                msg = f"its database has schema {model!r}, and only {SCHEMA} is known"
                raise ReportError(msg)
            (advisories,) = opened.execute("SELECT count(*) FROM vulnerability_handles").fetchone()
            languages = {str(row[0]) for row in opened.execute(_KNOWN_LANGUAGES)}
            systems: dict[str, set[str]] = {}
            for name, major, minor, package in opened.execute(_KNOWN_SYSTEMS):
                key = f"{str(name).casefold()} {'.'.join(part for part in (major, minor) if part)}"
                systems.setdefault(key, set()).add(str(package).casefold())
    except OSError as error:
        msg = f"its database cannot be read: {error.strerror}"
        raise ReportError(msg) from error
    except sqlite3.Error as error:
        msg = f"its database cannot be used: {error}"
        raise ReportError(msg) from error
    return Database(
        uri=cache.uri,
        digest=digest,
        advisories=int(advisories),
        built=_moment(built),
        languages=frozenset(languages),
        systems={key: frozenset(names) for key, names in systems.items()},
    )


def _moment(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        msg = "its database does not say when it was built"
        raise ReportError(msg) from error
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
