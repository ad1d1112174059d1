"""Advisories in OSV's format on disk, read whole or not at all.

``<folder>/<Ecosystem>/all.zip``, as OSV's data dumps have it, or plain ``.json`` files beside or
instead of the archive. Nothing is fetched. Source: the OSV schema 1.7 and OSV's "Data dumps".
"""

from __future__ import annotations

import hashlib
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from pathlib import Path
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import digest_of, parse_time, rfc3339
from sluiceway.record import Record
from sluiceway.scanning.packages import normal_name

__all__ = ["Advisories", "ecosystems_in", "items_in", "names_of", "package_in", "read_advisories"]

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
_RELEASED = frozenset({"Alpine", "Debian", "Ubuntu"})
"""Ecosystems whose advisories are about one release: ``Debian:12``, ``Alpine:v3.19``."""
_LARGEST = 64 << 20  # bytes of one record; the largest real ones have a few MiB


class Advisories(Record):
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
    about: AbstractSet[str]
    """Every ecosystem (with its release) that any record speaks about."""

    def facts(self, uri: str) -> dict[str, Any]:
        """Return it as :attr:`sluiceway.model.Scan.database` has it."""
        return {
            "uri": uri,
            "digest": self.digest,
            "advisories": sum(self.counts.values()),
            "newest": None if self.newest is None else rfc3339(self.newest),
            "ecosystems": sorted(name for name, count in self.counts.items() if count),
        }


def ecosystems_in(folder: Path, below: Sequence[str] = ("",)) -> dict[str, tuple[Path, ...]]:
    """Return ecosystem to the folders that hold its advisories, sorted by name.

    Args:
        folder: Where they are.
        below: The folders in it that hold folders of ecosystems; ``""`` is itself.

    Raises:
        ActionFailed: A folder cannot be listed.
    """
    found: dict[str, list[Path]] = {}
    try:
        for name in below:
            place = folder / name
            for path in sorted(place.iterdir()) if place.is_dir() else ():
                holds = path.is_dir() and path.name not in below
                if holds and ((path / _ARCHIVE).is_file() or _loose(path)):
                    found.setdefault(path.name, []).append(path)
    except OSError as error:
        place = Path(str(error.filename or folder))
        raise _unreadable(place.name, error.strerror or "it cannot be listed") from error
    return {name: tuple(found[name]) for name in sorted(found)}


def read_advisories(
    folders: Mapping[str, tuple[Path, ...]], wanted: Mapping[str, AbstractSet[str]]
) -> Advisories:
    """Read every record of the *wanted* ecosystems; keep those about the *wanted* names.

    Args:
        folders: From :func:`ecosystems_in`.
        wanted: Ecosystem (with its release, if it has any) to normalised package names. For
            ``Debian:12`` both folders ``Debian`` and ``Debian:12`` are read.

    Raises:
        ActionFailed: ``scan.database`` when a record or an archive cannot be read or is not in
            OSV's form. Leaving it out might leave out the advisory that matters.
    """
    lines: set[str] = set()
    counts: dict[str, int] = {}
    newest: datetime | None = None
    ecosystems: set[str] = set()
    kept: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    families = {name.partition(":")[0] for name in wanted}
    for ecosystem in sorted(name for name in folders if name in wanted or name in families):
        seen: set[str] = set()
        for label, name, body in _bodies(ecosystem, folders[ecosystem]):
            record, modified, about = _record(label, body)
            digest = hashlib.sha256(body).hexdigest()
            lines.add(f"{ecosystem}\0{name}\0{digest}\n")
            seen.add(record["id"])
            newest = modified if newest is None else max(newest, modified)
            ecosystems.update(key[0] for key in about)
            for key in about:
                if key[1] in wanted.get(key[0], ()):
                    kept.setdefault(key, {})[digest] = record
        counts[ecosystem] = len(seen)
    return Advisories(
        digest=digest_of("".join(sorted(lines)).encode()) if lines else "",
        counts=counts,
        newest=newest,
        records={key: tuple(found.values()) for key, found in kept.items()},
        about=frozenset(ecosystems),
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


def names_of(record: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield (ecosystem, normalised name) of every package that *record* speaks about."""
    for affected in items_in(record, "affected", dict):
        if affected.get("package") is not None:  # absent where only commits are named
            yield package_in(affected)


def package_in(affected: Mapping[str, Any]) -> tuple[str, str]:
    """Return (ecosystem, normalised name) of one ``affected`` object that names a package.

    The ecosystem keeps its release where the order of versions depends on it (``Debian:12``).

    Raises:
        ValueError: It is not as the schema has it; the message is a clause: ``has ...``.
    """
    package = affected["package"]
    if not isinstance(package, dict) or not all(
        isinstance(package.get(key), str) for key in ("ecosystem", "name")
    ):
        msg = "has an affected package without ecosystem or name"
        raise ValueError(msg)
    # "PyPI:https://..." is an index of one's own, with the same names and the same order.
    family = package["ecosystem"].partition(":")[0]
    ecosystem = package["ecosystem"] if family in _RELEASED else family
    return ecosystem, normal_name(family, package["name"])


def items_in(place: Mapping[str, Any], key: str, kind: type[Any]) -> list[Any]:
    """Return the list at *key* whose items are of *kind*; absent or null is empty.

    Raises:
        ValueError: There is something else; the message is a clause: ``has ...``.
    """
    items = place.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, kind) for item in items):
        msg = f"has {key!r} that is not a list as the OSV schema has it"
        raise ValueError(msg)
    return items
