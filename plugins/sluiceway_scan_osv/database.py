"""Advisories on disk, in the layout of osv-scanner's offline database.

``<folder>/<Ecosystem>/all.zip``, the same below ``osv-scanner/`` or ``osv-scalibr/`` (where older
and newer releases of that tool keep it), or plain ``.json`` files beside or instead of the archive.
Nothing is fetched. Source: osv-scanner's documentation, "Offline mode".
"""

from __future__ import annotations

import hashlib
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ActionFailed
from sluiceway.model import Project, digest_of, parse_time, rfc3339
from sluiceway_scan_osv.matching import names_of

__all__ = ["PLUGIN", "VARIABLE", "Database", "Location", "ecosystems_in", "locate", "read"]

PLUGIN = "scan-osv"
VARIABLE = "OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY"
_BELOW = ("osv-scalibr", "osv-scanner", "")
_ARCHIVE = "all.zip"
_UNZIPPING = (
    EOFError,
    OSError,
    RuntimeError,  # a password is needed; NotImplementedError: a method that is not known
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_LARGEST = 64 << 20  # bytes of one record; the largest real ones have a few MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the advisories should be. The folder need not be there."""

    folder: Path
    uri: str
    """As it was configured, for records that others read: never this machine's absolute path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """What was read of some ecosystems."""

    digest: str
    """``sha256:<hex>`` over ecosystem, file name and content of every record: an archive and the
    same records unpacked have the same one. Empty when nothing was read."""
    counts: Mapping[str, int]
    """Ecosystem to advisories, each id once, withdrawn ones too."""
    newest: datetime | None
    """The latest ``modified``."""
    records: Mapping[tuple[str, str], tuple[Mapping[str, Any], ...]]
    """(ecosystem, normalised name) to the records about it, for the names asked for."""

    def facts(self, uri: str) -> dict[str, Any]:
        """Return it as :attr:`sluiceway.model.Scan.database` has it."""
        return {
            "uri": uri,
            "digest": self.digest,
            "advisories": sum(self.counts.values()),
            "newest": None if self.newest is None else rfc3339(self.newest),
            "ecosystems": sorted(name for name, count in self.counts.items() if count),
        }


def locate(project: Project, settings: Mapping[str, Any]) -> Location | None:
    """Return where the advisories should be, or ``None`` when nobody said.

    The setting ``database`` (relative to ``sluiceway.toml``) comes before the environment.

    Raises:
        ConfigurationError: For a setting that is unknown or of the wrong type.
    """
    text = take(settings, PLUGIN, {"database": ""})["database"]
    if text:
        return Location(folder=project.root / text, uri=text)
    variable = project.environ.get(VARIABLE, "")
    if variable:
        return Location(folder=project.root / variable, uri=f"${VARIABLE}")
    return None


def ecosystems_in(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return ecosystem to the folders that hold its advisories, sorted by name.

    Raises:
        ActionFailed: A folder cannot be listed.
    """
    found: dict[str, list[Path]] = {}
    try:
        for below in _BELOW:
            place = folder / below
            for path in sorted(place.iterdir()) if place.is_dir() else ():
                holds = path.is_dir() and path.name not in _BELOW
                if holds and ((path / _ARCHIVE).is_file() or _loose(path)):
                    found.setdefault(path.name, []).append(path)
    except OSError as error:
        name = Path(str(error.filename or folder)).name
        raise _unreadable(name, error.strerror or "it cannot be listed") from error
    return {name: tuple(found[name]) for name in sorted(found)}


def read(
    folders: Mapping[str, tuple[Path, ...]], wanted: Mapping[str, AbstractSet[str]]
) -> Database:
    """Read every record of the *wanted* ecosystems; keep those about the *wanted* names.

    Args:
        folders: From :func:`ecosystems_in`.
        wanted: Ecosystem to normalised package names.

    Raises:
        ActionFailed: ``scan.database`` when a record or an archive cannot be read or is not in
            OSV's form. Leaving it out might leave out the advisory that matters.
    """
    lines: set[str] = set()
    counts: dict[str, int] = {}
    newest: datetime | None = None
    kept: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for ecosystem in sorted(set(folders) & set(wanted)):
        seen: set[str] = set()
        for label, name, body in _bodies(ecosystem, folders[ecosystem]):
            record, modified, about = _record(label, body)
            digest = hashlib.sha256(body).hexdigest()
            lines.add(f"{ecosystem}\0{name}\0{digest}\n")
            seen.add(record["id"])
            newest = modified if newest is None else max(newest, modified)
            for key in about:
                if key[1] in wanted.get(key[0], ()):
                    kept.setdefault(key, {})[digest] = record
        counts[ecosystem] = len(seen)
    return Database(
        digest=digest_of("".join(sorted(lines)).encode()) if lines else "",
        counts=counts,
        newest=newest,
        records={key: tuple(found.values()) for key, found in kept.items()},
    )


def _bodies(ecosystem: str, places: tuple[Path, ...]) -> Iterator[tuple[str, str, bytes]]:
    """Yield (label for messages, file name, bytes) of every record."""
    for place in places:
        archive, label = place / _ARCHIVE, f"{ecosystem}/{_ARCHIVE}"
        try:
            if archive.is_file():
                with zipfile.ZipFile(archive) as opened:
                    for entry in opened.infolist():
                        if entry.filename.endswith(".json"):
                            label = f"{ecosystem}/{_ARCHIVE}:{entry.filename}"
                            _check_size(label, entry.file_size)
                            yield label, entry.filename, opened.read(entry)
            for path in _loose(place):
                label = f"{ecosystem}/{path.name}"
                _check_size(label, path.stat().st_size)
                yield label, path.name, path.read_bytes()
        except _UNZIPPING as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise _unreadable(label, reason or type(error).__name__) from error


def _loose(place: Path) -> list[Path]:
    """Return the ``.json`` files of one folder. ``glob`` would pass over one it may not list."""
    return sorted(path for path in place.iterdir() if path.suffix == ".json")


def _record(
    label: str, body: bytes
) -> tuple[dict[str, Any], datetime, tuple[tuple[str, str], ...]]:
    try:
        record = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(label, "it is not JSON") from error
    if not isinstance(record, dict) or not isinstance(record.get("id"), str) or not record["id"]:
        raise _unreadable(label, "it has no 'id', so it is no OSV record")
    try:
        modified = parse_time(str(record.get("modified")))
    except ValueError as error:
        raise _unreadable(label, "its 'modified' is no RFC 3339 moment") from error
    try:
        return record, modified, tuple(names_of(record))
    except ValueError as error:
        raise _unreadable(label, f"it {error}") from error


def _check_size(label: str, size: int) -> None:
    if size > _LARGEST:
        raise _unreadable(label, f"it has {size} bytes, and no advisory is that large")


def _unreadable(label: str, reason: str) -> ActionFailed:
    return ActionFailed(
        f"the advisory database cannot be used: {label}: {reason}",
        means="An advisory that cannot be read might be the one that matters: nothing was scanned.",
        remedy="Fetch the database again, or take the file out, and run `invoke scan` again.",
        code="scan.database",
    )
