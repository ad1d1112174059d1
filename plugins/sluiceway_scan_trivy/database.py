"""Trivy's database on disk: where, how old, which digest, and what it knows about.

Source: trivy's documentation, "Databases" and "Air-gapped environments"; trivy-db's
``pkg/vulnsrc/bucket`` (names of buckets) and ``pkg/metadata``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sluiceway.model import Project, parse_time, rfc3339
from sluiceway.record import Record
from sluiceway.scanning import Package, ReportError
from sluiceway_scan_trivy.bolt import bucket_sizes

__all__ = ["Cache", "Database", "locate", "read"]

SCHEMA = 2
_ADVISORIES = "vulnerability"
_LANGUAGES = {
    "cargo": "cargo",
    "cocoapods": "cocoapods",
    "composer": "composer",
    "conan": "conan",
    "gem": "rubygems",
    "golang": "go",
    "hex": "erlang",
    "maven": "maven",
    "npm": "npm",
    "nuget": "nuget",
    "pub": "pub",
    "pypi": "pip",
    "swift": "swift",
}
_SYSTEMS = {"alpine": 2, "debian": 1, "ubuntu": 2}
"""Parts of a release that name its bucket: ``debian 12``, ``alpine 3.19``."""


class Cache(Record):
    """Trivy's cache folder. It need not be there."""

    folder: Path
    uri: str
    """As it was named, for records that others read: never this machine's absolute path."""


class Database(Record):
    """What is known about the database before it is asked."""

    uri: str
    digest: str
    advisories: int
    updated: datetime
    buckets: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return it as :attr:`sluiceway.model.Scan.database` has it."""
        known = {name.partition("::")[0] for name in self.buckets}
        return {
            "uri": self.uri,
            "digest": self.digest,
            "advisories": self.advisories,
            "newest": rfc3339(self.updated),
            "ecosystems": sorted(known - {_ADVISORIES, "data-source", "trivy"}),
        }

    def knows(self, package: Package) -> bool:
        """Say whether any advisory is filed where *package* would be looked up.

        Known of languages, Debian, Ubuntu and Alpine. Of other systems nobody can say from
        outside, so the answer is no.
        """
        if package.type in _LANGUAGES:
            prefix = f"{_LANGUAGES[package.type]}::"
            return any(name.startswith(prefix) for name in self.buckets)
        system, _, release = package.qualifiers.get("distro", "").partition("-")
        if package.type not in {"apk", "deb"} or system not in _SYSTEMS or not release:
            return False
        parts = release.split(".")[: _SYSTEMS[system]]
        return f"{system} {'.'.join(parts)}" in self.buckets


def locate(project: Project, cache: str) -> Cache:
    """Return trivy's cache folder: the setting, ``TRIVY_CACHE_DIR``, or where trivy keeps it."""
    if cache:
        return Cache(folder=project.root / cache, uri=cache)
    for variable, below in (("TRIVY_CACHE_DIR", ""), ("XDG_CACHE_HOME", "trivy")):
        if named := project.environ.get(variable):
            return Cache(folder=project.root / named / below, uri=f"${variable}")
    home = project.environ.get("HOME", "")
    return Cache(folder=Path(home or "/nonexistent") / ".cache" / "trivy", uri="~/.cache/trivy")


def read(cache: Cache, *, digested: bool = True) -> Database | None:
    """Return what is known about the database in *cache*; ``None`` when there is none.

    The digest needs the whole file (some hundred megabytes) and is left empty unless *digested*.

    Raises:
        ReportError: It is there and cannot be used; the message is a clause about it.
    """
    path, described = cache.folder / "db" / "trivy.db", cache.folder / "db" / "metadata.json"
    try:
        if not path.is_file() and not described.is_file():
            return None
        metadata = json.loads(described.read_bytes())
        updated = _updated(metadata)
        buckets, advisories = bucket_sizes(path, _ADVISORIES)
        digest = ""
        if digested:
            with path.open("rb") as source:
                digest = f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"
    except OSError as error:
        name = Path(str(error.filename or path)).name
        msg = f"its database cannot be read: {name}: {error.strerror}"
        raise ReportError(msg) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        msg = f"its database cannot be used: {error}"
        raise ReportError(msg) from error
    return Database(
        uri=cache.uri,
        digest=digest,
        advisories=advisories,
        updated=updated,
        buckets=buckets,
    )


def _updated(metadata: Mapping[str, Any]) -> datetime:
    if not isinstance(metadata, dict) or metadata.get("Version") != SCHEMA:
        msg = f"its metadata.json is not of version {SCHEMA}"
        raise ValueError(msg)
    try:
        return parse_time(str(metadata.get("UpdatedAt")))
    except ValueError as error:
        msg = "its metadata.json does not say when it was updated"
        raise ValueError(msg) from error
