"""OCI image layout folders (image-spec 1.1, ``image-layout.md``): read and write."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from sluiceway.errors import ActionFailed
from sluiceway.model import Descriptor, Manifest, check_digest
from sluiceway.oci.documents import (
    children_of,
    descriptor_json,
    document_of,
    sha256,
)
from sluiceway.oci.media_types import (
    IMAGE_INDEX,
    MANIFEST_LIMIT,
    MANIFEST_TYPES,
    OCTET_STREAM,
)

__all__ = ["REF_NAME", "Layout", "file_digest", "replacing"]

REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation that holds a tag in ``index.json``."""

_MARK = {"imageLayoutVersion": "1.0.0"}
_PIECE = 1024 * 1024


class Layout:
    """One image layout folder. Every body read is checked against its digest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> Layout:
        """Make *folder* (which may exist, empty) an image layout without images."""
        if folder.exists() and any(folder.iterdir()):
            raise ActionFailed(
                f"{folder} is not empty, so no image layout can be begun in it",
                remedy="Choose a new folder.",
                code="layout.not-empty",
            )
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        layout = cls(folder)
        layout._write_index(())
        # The mark comes last: a folder with it is a complete layout.
        with replacing(folder / "oci-layout") as sink:
            sink.write(_json(_MARK))
        return layout

    @classmethod
    def open(cls, folder: Path) -> Layout:
        """Open an existing image layout; raise ``ActionFailed`` (``layout.missing``) if it is none."""
        try:
            mark = json.loads((folder / "oci-layout").read_bytes())
        except (OSError, ValueError) as error:
            raise ActionFailed(
                f"{folder} is not an OCI image layout: it has no readable `oci-layout` file",
                code="layout.missing",
            ) from error
        if not isinstance(mark, dict) or mark.get("imageLayoutVersion") != "1.0.0":
            raise ActionFailed(
                f"{folder} is an image layout of a version other than 1.0.0",
                code="layout.missing",
            )
        return cls(folder)

    def images(self) -> tuple[Descriptor, ...]:
        """Return what ``index.json`` lists, in its order."""
        path = self.folder / "index.json"
        body = _read(path, MANIFEST_LIMIT)
        return children_of(
            document_of(Manifest(body=body, media_type=IMAGE_INDEX, digest=sha256(body)))
        )

    def image(self, digest: str | None = None) -> Manifest:
        """Return the manifest with *digest*, or the only one when there is exactly one.

        Raises:
            ActionFailed: ``layout.ambiguous`` when there is not exactly one to choose from, or
                ``layout.tampered``.
        """
        listed = {item.digest: item for item in self.images()}
        if digest is None and len(listed) != 1:
            raise ActionFailed(
                f"the image layout {self.folder} has {len(listed)} images, not one",
                remedy="Name the digest.",
                code="layout.ambiguous",
            )
        if digest is None:
            return self.manifest(next(iter(listed.values())))
        if digest not in listed:
            raise ActionFailed(
                f"the image layout {self.folder} does not list {digest}", code="layout.blob-missing"
            )
        return self.manifest(listed[digest])

    def manifest(self, descriptor: Descriptor) -> Manifest:
        """Return the manifest that *descriptor* describes, checked against it."""
        body = self.blob(descriptor.digest, limit=MANIFEST_LIMIT)
        if len(body) != descriptor.size:
            raise self._tampered(descriptor.digest)
        manifest = Manifest(body=body, media_type=descriptor.media_type, digest=descriptor.digest)
        document_of(manifest)
        return manifest

    def blob_path(self, digest: str) -> Path:
        """Return where the blob with *digest* is (or would be)."""
        return self.folder / "blobs" / "sha256" / check_digest(digest).removeprefix("sha256:")

    def blob(self, digest: str, *, limit: int) -> bytes:
        """Return a blob's bytes, checked; more than *limit* bytes is an ``ActionFailed``."""
        body = _read(self.blob_path(digest), limit)
        if sha256(body) != digest:
            raise self._tampered(digest)
        return body

    def write_blob(self, content: bytes | Path, media_type: str = OCTET_STREAM) -> Descriptor:
        """Store bytes or a copy of a file, and return its descriptor."""
        digest, size = file_digest(content) if isinstance(content, Path) else _of(content)
        target = self.blob_path(digest)
        if not target.exists():
            with replacing(target) as sink:
                for piece in _pieces(content):
                    sink.write(piece)
            if isinstance(content, Path) and file_digest(target)[0] != digest:
                target.unlink()
                raise ActionFailed(f"{content} changed while it was copied", code="layout.tampered")
        return Descriptor(media_type=media_type, digest=digest, size=size)

    def write_manifest(
        self, manifest: Manifest, *, listed: bool = True, ref_name: str = ""
    ) -> Descriptor:
        """Store a manifest, and list it in ``index.json`` unless it is some index's child.

        *ref_name* (a tag) moves from whatever carried it before. Listing twice is as once.
        """
        document_of(manifest)
        descriptor = replace(
            self.write_blob(manifest.body, manifest.media_type),
            annotations={REF_NAME: ref_name} if ref_name else {},
        )
        if listed:
            kept = tuple(
                item
                for item in self.images()
                if item != descriptor
                and not (ref_name and item.annotations.get(REF_NAME) == ref_name)
            )
            self._write_index((*kept, descriptor))
        return descriptor

    def manifests(self) -> Iterator[Manifest]:
        """Yield every manifest in the layout, children before the index that lists them."""
        seen: set[str] = set()
        for descriptor in self.images():
            yield from self._walk(descriptor, seen)

    def closure(self, manifest: Manifest) -> Iterator[Manifest]:
        """Yield *manifest* last, and before it, depth first, what it lists when it is an index."""
        seen: set[str] = set()
        for child in children_of(document_of(manifest)):
            yield from self._walk(child, seen)
        yield manifest

    def _walk(self, descriptor: Descriptor, seen: set[str]) -> Iterator[Manifest]:
        # Content addressing makes a cycle impossible, but not a thousand names for one manifest.
        if descriptor.digest in seen or descriptor.media_type not in MANIFEST_TYPES:
            return
        seen.add(descriptor.digest)
        manifest = self.manifest(descriptor)
        for child in children_of(document_of(manifest)):
            yield from self._walk(child, seen)
        yield manifest

    def _write_index(self, images: tuple[Descriptor, ...]) -> None:
        document = {
            "schemaVersion": 2,
            "mediaType": IMAGE_INDEX,
            "manifests": [descriptor_json(item) for item in images],
        }
        with replacing(self.folder / "index.json") as sink:
            sink.write(_json(document))

    def _tampered(self, digest: str) -> ActionFailed:
        return ActionFailed(
            f"{self.blob_path(digest)} is not what its name says",
            means="The image layout was changed after it was built.",
            remedy="Build again into a new folder.",
            code="layout.tampered",
        )


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that appears whole or not at all, also when the machine stops."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    try:
        with os.fdopen(handle, "wb") as sink:
            yield sink
            sink.flush()
            os.fchmod(sink.fileno(), 0o644)
            os.fsync(sink.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself must survive, not only the bytes
    finally:
        os.close(folder)


def file_digest(path: Path) -> tuple[str, int]:
    """Return ``(sha256:<hex>, bytes)`` of a file, read in pieces."""
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(path):
        digest.update(piece)
        size += len(piece)
    return f"sha256:{digest.hexdigest()}", size


def _of(content: bytes) -> tuple[str, int]:
    return sha256(content), len(content)


def _pieces(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as source:
            body = source.read(limit + 1)
    except OSError as error:
        raise ActionFailed(
            f"{path} cannot be read: {error.strerror or error}",
            means="The image layout is incomplete.",
            remedy="Build again into a new folder.",
            code="layout.blob-missing",
        ) from error
    if len(body) > limit:
        raise ActionFailed(f"{path} has more than {limit} bytes", code="layout.too-large")
    return body


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
