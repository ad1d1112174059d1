"""The registry's folder: blobs by digest, manifests, tags, and each tag's history.

::

    registry.json                         the folder's id
    blobs/sha256/ab/abcd...               bytes by digest, shared by all repositories
    repositories/<name>/_blobs/<hex>      the repository holds this blob (empty file)
                        _manifests/<hex>  ... and this manifest (its media type)
                        _referrers/<subject hex>/<hex>    when it came, nanoseconds since 1970
                        _tags/<tag>       the digest that the tag names
                        _history/<tag>    one JSON line for every move
                        _uploads/<id>     bytes of an upload that has not ended

A file appears under its final name complete and synced, or not at all, so that the folder is
right after a ``kill -9`` at any moment. Writers of one repository, in whatever process, take
turns by a file lock. Nothing from a request becomes a path before it has matched a grammar that
has no way to leave its folder: a component of a name cannot begin with ``_`` or ``.``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import Descriptor, Manifest, digest_of, rfc3339
from sluiceway.oci.documents import (
    blobs_of,
    children_of,
    describe,
    document_of,
    is_distributable,
    subject_of,
)
from sluiceway.oci.layout import replacing
from sluiceway.record import Record
from sluiceway_registry_folder.faults import Fault, unknown_blob, unknown_manifest

__all__ = ["DIGEST", "NAME", "TAG", "RepositoryStore", "Store", "TagMove"]

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
NAME = rf"{_COMPONENT}(?:/{_COMPONENT})*"
DIGEST = r"sha256:[0-9a-f]{64}"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
_LONGEST_NAME = 200
_FORMAT = 1
_LOCK = "start.lock"


class TagMove(Record):
    """One line of a tag's history."""

    time: str
    """RFC 3339, UTC."""
    digest: str
    """What the tag named from then on; empty when it was deleted."""


class Store:
    """One folder of repositories. Any number of threads and processes may use it at once."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self.id = identity

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open the store in *folder*, making it when it is not there yet.

        Raises:
            ActionFailed: ``registry.folder``: it cannot be written, or is something else's.
        """
        mark = folder / "registry.json"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not mark.exists():
                _begin(folder, mark)
            document = json.loads(mark.read_bytes())
        except (OSError, ValueError) as error:
            raise _unusable(folder, str(error)) from error
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise _unusable(folder, f"its {mark.name} is of another format")
        return cls(folder, str(document.get("id", "")))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only process that starts a server of this folder, or says that one has ended."""
        with _held(self.folder / _LOCK):
            yield

    def repositories(self) -> list[str]:
        """Return the names of all repositories that hold a manifest, sorted."""
        root = self.folder / "repositories"
        found = [
            str(path.parent.relative_to(root))
            for path in root.rglob("_manifests")
            if next(path.iterdir(), None) is not None
        ]
        return sorted(found)

    def repository(self, name: str) -> RepositoryStore:
        """Return the repository *name*, which need not exist yet."""
        if len(name) > _LONGEST_NAME or not re.fullmatch(NAME, name):
            raise Fault(400, "NAME_INVALID", f"{name[:_LONGEST_NAME]!r} is not a repository's name")
        return RepositoryStore(self, name)

    def blob_path(self, digest: str) -> Path:
        """Return where the bytes of *digest* are (or would be)."""
        name = _hex(digest)
        return self.folder / "blobs" / "sha256" / name[:2] / name

    def put(self, body: bytes) -> str:
        """Store *body* by digest and return the digest."""
        digest = digest_of(body)
        path = self.blob_path(digest)
        if not path.exists():
            _write(path, body)
        return digest


class RepositoryStore:
    """One repository of a :class:`Store`."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.folder = store.folder / "repositories" / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer of this repository's names, among threads and processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _held(self.folder / "_lock"):
            yield

    # --- blobs ---

    def blob(self, digest: str) -> Path:
        """Return the file of a blob that this repository holds; raise a 404 :class:`Fault`."""
        path = self.store.blob_path(digest)
        if not (self.folder / "_blobs" / _hex(digest)).exists() or not path.exists():
            raise unknown_blob(digest)
        return path

    def has_blob(self, digest: str) -> bool:
        """Say whether this repository holds the blob."""
        with contextlib.suppress(Fault):
            self.blob(digest)
            return True
        return False

    def link_blob(self, digest: str) -> None:
        """Let this repository hold a blob whose bytes are in the store."""
        mark = self.folder / "_blobs" / _hex(digest)
        if not mark.exists():
            _write(mark, b"")

    def delete_blob(self, digest: str) -> None:
        """Let go of a blob; its bytes stay for other repositories."""
        with self.locked():
            self.blob(digest)
            (self.folder / "_blobs" / _hex(digest)).unlink(missing_ok=True)

    # --- manifests and tags ---

    def manifest(self, reference: str) -> Manifest:
        """Return the manifest of a tag or digest; raise a 404 :class:`Fault`."""
        digest = reference if ":" in reference else self.tagged(reference)
        if digest is None:
            raise unknown_manifest(reference)
        try:
            media_type = (self.folder / "_manifests" / _hex(digest)).read_text()
            body = self.store.blob_path(digest).read_bytes()
        except FileNotFoundError:
            raise unknown_manifest(reference) from None
        return Manifest(body=body, media_type=media_type, digest=digest)

    def put_manifest(self, reference: str, manifest: Manifest) -> str:
        """Store *manifest* under a tag or its digest; return its subject's digest, or ``""``.

        Raises:
            Fault: It is no manifest, or names what the repository does not hold.
        """
        try:
            document = document_of(manifest)
        except ActionFailed as error:
            raise Fault(400, "MANIFEST_INVALID", error.what) from error
        if ":" in reference and reference != manifest.digest:
            raise Fault(400, "DIGEST_INVALID", f"the manifest's digest is {manifest.digest}")
        subject = subject_of(document)
        with self.locked():
            self._check_complete(document)
            self.store.put(manifest.body)
            name = _hex(manifest.digest)
            if subject is not None:
                mark = self.folder / "_referrers" / _hex(subject.digest) / name
                if not mark.exists():  # storing it again does not make it younger
                    _write(mark, str(time.time_ns()).encode())
            _write(self.folder / "_manifests" / name, manifest.media_type.encode())
            if ":" not in reference:
                self._move(reference, manifest.digest)
        return subject.digest if subject is not None else ""

    def delete_manifest(self, digest: str) -> None:
        """Remove a manifest and every tag that names it."""
        with self.locked():
            document = document_of(self.manifest(digest))
            for tag in self.tags():
                if self.tagged(tag) == digest:
                    self._move(tag, "")
            subject = subject_of(document)
            (self.folder / "_manifests" / _hex(digest)).unlink(missing_ok=True)
            if subject is not None:
                mark = self.folder / "_referrers" / _hex(subject.digest) / _hex(digest)
                mark.unlink(missing_ok=True)

    def delete_tag(self, tag: str) -> None:
        """Remove a tag and nothing else; raise a 404 :class:`Fault` when there is none."""
        with self.locked():
            if self.tagged(tag) is None:
                raise unknown_manifest(tag)
            self._move(tag, "")

    def tagged(self, tag: str) -> str | None:
        """Return the digest that *tag* names."""
        try:
            return (self.folder / "_tags" / _tag(tag)).read_text()
        except FileNotFoundError:
            return None

    def tags(self) -> list[str]:
        """Return all tags, sorted; raise a 404 :class:`Fault` for a repository without manifests."""
        if not (self.folder / "_manifests").is_dir():
            raise Fault(404, "NAME_UNKNOWN", f"there is no repository {self.name}")
        return _names(self.folder / "_tags")

    def history(self, tag: str) -> list[TagMove]:
        """Return what *tag* named, oldest first; a line cut short by a crash is left out."""
        try:
            lines = (self.folder / "_history" / _tag(tag)).read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        moves: list[TagMove] = []
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                moves.append(TagMove(time=str(entry["time"]), digest=str(entry["digest"])))
        return moves

    def referrers(self, digest: str) -> list[Descriptor]:
        """Return descriptors of all manifests whose subject is *digest*, oldest first."""
        folder = self.folder / "_referrers" / _hex(digest)
        marks = [(folder / name, name) for name in _names(folder)]
        found: list[tuple[int, str, Descriptor]] = []
        for path, name in marks:
            # A crash may have left the mark without its manifest: then there is none.
            with contextlib.suppress(Fault, FileNotFoundError):
                descriptor = describe(self.manifest(f"sha256:{name}"))
                found.append((int(path.read_text()), name, descriptor))
        return [descriptor for _, _, descriptor in sorted(found, key=lambda item: item[:2])]

    # --- below ---

    def _check_complete(self, document: dict[str, Any]) -> None:
        for child in children_of(document):
            if not (self.folder / "_manifests" / _hex(child.digest)).exists():
                raise Fault(404, "MANIFEST_BLOB_UNKNOWN", f"manifest {child.digest} is not here")
        for blob in blobs_of(document):
            if not is_distributable(blob):
                continue
            if not self.has_blob(blob.digest):
                raise Fault(404, "MANIFEST_BLOB_UNKNOWN", f"blob {blob.digest} is not here")
            size = self.store.blob_path(blob.digest).stat().st_size
            if size != blob.size:
                raise Fault(400, "MANIFEST_INVALID", f"blob {blob.digest} has {size} bytes")

    def _move(self, tag: str, digest: str) -> None:
        """Point *tag* at *digest* (or nowhere) and note it. The caller holds the lock."""
        path = self.folder / "_tags" / _tag(tag)
        current = self.tagged(tag) or ""
        last = next((move.digest for move in reversed(self.history(tag))), "")
        if current != last:
            # A crash came between a move and its line: the line is added now.
            moment = datetime.fromtimestamp(path.stat().st_mtime, UTC) if current else None
            self._note(tag, current, moment)
        if current == digest:
            return
        if digest:
            _write(path, digest.encode())
        else:
            path.unlink(missing_ok=True)
            _sync(path.parent)
        self._note(tag, digest)

    def _note(self, tag: str, digest: str, moment: datetime | None = None) -> None:
        path = self.folder / "_history" / _tag(tag)
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = {"time": rfc3339(moment or datetime.now(UTC)), "digest": digest}
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "r+b") as sink:
            size = sink.seek(0, os.SEEK_END)
            if size and os.pread(sink.fileno(), 1, size - 1) != b"\n":
                sink.write(b"\n")  # close a line that a crash cut short
            sink.write(json.dumps(entry).encode() + b"\n")
            sink.flush()
            os.fsync(sink.fileno())


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _begin(folder: Path, mark: Path) -> None:
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".tmp-")}
    if names - {_LOCK} and not mark.exists():  # looked at after the listing: another may begin too
        raise _unusable(folder, "it holds something else")
    fresh = folder / f".tmp-{uuid.uuid4()}"
    fresh.write_text(json.dumps({"format": _FORMAT, "id": str(uuid.uuid4())}))
    try:
        # Linking fails where renaming would replace: of two that begin at once, one wins.
        mark.hardlink_to(fresh)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    (folder / "repositories").mkdir(exist_ok=True)


def _unusable(folder: Path, reason: str) -> ActionFailed:
    return ActionFailed(
        f"{folder} cannot hold a registry: {reason}",
        remedy="Name another `folder` in [plugins.registry-folder], or make this one writable.",
        code="registry.folder",
    )


def _hex(digest: str) -> str:
    if not re.fullmatch(DIGEST, digest):
        raise Fault(400, "DIGEST_INVALID", "a digest here is sha256: and 64 hexadecimal digits")
    return digest.removeprefix("sha256:")


def _tag(tag: str) -> str:
    if not re.fullmatch(TAG, tag):
        raise Fault(400, "MANIFEST_INVALID", "that is neither a tag nor a digest")
    return tag


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".tmp-"))
    except FileNotFoundError:
        return []


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as sink:
        sink.write(body)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
