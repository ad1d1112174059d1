"""A registry in memory: content-addressed, checked, with referrers; for the tests of plugins.

It is a store of its own kind, not a recording: bodies are kept under their digest, every read
checks them again, and what a real registry refuses is refused with the same error codes.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from sluiceway.errors import ActionFailed, UsageError
from sluiceway.model import Descriptor, Manifest, check_digest
from sluiceway.oci import (
    blobs_of,
    check_tag,
    children_of,
    describe,
    document_of,
    sha256,
    subject_of,
)
from sluiceway.oci.documents import is_distributable
from sluiceway.oci.media_types import OCTET_STREAM
from sluiceway.oci.referrers import add_to_fallback, read_fallback

__all__ = ["MemoryRegistry"]


class MemoryRegistry:
    """Implements :class:`sluiceway.model.Registry` for one repository.

    Args:
        repository: ``host[:port]/path``; only a name, nothing is contacted.
        referrers_api: Whether :meth:`referrers` is answered from an index of its own, as by a
            registry of OCI distribution 1.1, or by the fallback tag, as by an older one.

    A test tampers by writing into :attr:`blobs`; the next read of it fails as it would with a
    real registry whose disk was changed.
    """

    def __init__(
        self, repository: str = "127.0.0.1:5555/service", *, referrers_api: bool = True
    ) -> None:
        self._repository = repository
        self._referrers_api = referrers_api
        self._lock = threading.RLock()
        self.blobs: dict[str, bytes] = {}
        """Digest to content."""
        self.manifests: dict[str, Manifest] = {}
        """Digest to manifest or index."""
        self._tags: dict[str, str] = {}

    @property
    def repository(self) -> str:
        """Host and path: ``127.0.0.1:5555/service``."""
        return self._repository

    def resolve(self, tag: str) -> Manifest | None:
        """Return the manifest that *tag* names now, or ``None`` when there is no such tag."""
        with self._lock:
            digest = self._tags.get(check_tag(tag))
        return None if digest is None else self.manifest(digest)

    def manifest(self, digest: str) -> Manifest | None:
        """Return the manifest with *digest*, or ``None`` when the repository lacks it."""
        with self._lock:
            stored = self.manifests.get(check_digest(digest))
        if stored is not None:
            self._check(digest, stored.body)
        return stored

    def put_manifest(self, reference: str, manifest: Manifest) -> None:
        """Store the same bytes under *reference* (tag or digest) with the stored media type.

        Raises:
            UsageError: ``digest.mismatch`` when the record or *reference* names another digest.
            ActionFailed: ``manifest.invalid``, or ``registry.refused`` when something that the
                manifest names was not uploaded.
        """
        if sha256(manifest.body) != manifest.digest or (
            ":" in reference and reference != manifest.digest
        ):
            raise UsageError(
                f"a manifest of digest {sha256(manifest.body)} was to be stored as {reference}"
                f" under the name {manifest.digest}",
                code="digest.mismatch",
            )
        document = document_of(manifest)
        with self._lock:
            named = [blob for blob in blobs_of(document) if is_distributable(blob)]
            missing = [blob.digest for blob in named if blob.digest not in self.blobs]
            missing += [
                child.digest
                for child in children_of(document)
                if child.digest not in self.manifests
            ]
            if missing:
                raise ActionFailed(
                    f"{manifest.digest} names {missing[0]}, which {self._repository} lacks",
                    remedy="Upload what a manifest names before the manifest.",
                    code="registry.refused",
                )
            self.manifests[manifest.digest] = manifest
            if ":" not in reference:
                self._tags[check_tag(reference)] = manifest.digest

    def delete_tag(self, tag: str) -> bool:
        """Remove *tag*; what it named stays. Always possible here."""
        with self._lock:
            self._tags.pop(check_tag(tag), None)
        return True

    def tags(self) -> tuple[str, ...]:
        """Return all tags, sorted."""
        with self._lock:
            return tuple(sorted(self._tags))

    def blob(self, digest: str, *, limit: int) -> bytes:
        """Return a blob's bytes; more than *limit* bytes is an ``ActionFailed``."""
        with self._lock:
            content = self.blobs.get(check_digest(digest))
        if content is None:
            raise ActionFailed(
                f"{self._repository} does not hold the blob {digest}", code="registry.blob-missing"
            )
        if len(content) > limit:
            raise ActionFailed(
                f"the blob {digest} has more than {limit} bytes",
                means="It was not read to its end.",
                code="registry.too-large",
            )
        self._check(digest, content)
        return content

    def save_blob(self, digest: str, path: Path, *, limit: int | None = None) -> None:
        """Write a blob to *path*; more than *limit* bytes is an ``ActionFailed``."""
        with self._lock:
            size = len(self.blobs.get(digest, b""))
        path.write_bytes(self.blob(digest, limit=size if limit is None else limit))

    def has_blob(self, digest: str) -> bool:
        """Say whether the repository holds the blob."""
        with self._lock:
            return check_digest(digest) in self.blobs

    def put_blob(self, content: bytes | Path) -> Descriptor:
        """Store bytes or a file; the descriptor's media type is ``application/octet-stream``."""
        body = content if isinstance(content, bytes) else content.read_bytes()
        digest = sha256(body)
        with self._lock:
            self.blobs.setdefault(digest, body)
        return Descriptor(media_type=OCTET_STREAM, digest=digest, size=len(body))

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """Return what refers to *digest*, by API or by fallback tag, in the order of storing."""
        if not self._referrers_api:
            return read_fallback(self, digest)
        with self._lock:
            stored = tuple(self.manifests.values())
        found = []
        for manifest in stored:
            subject = subject_of(json.loads(manifest.body))
            if subject is not None and subject.digest == digest:
                found.append(describe(manifest))
        return tuple(found)

    def put_referrer(self, subject: Manifest, manifest: Manifest) -> None:
        """Store *manifest*, whose ``subject`` is *subject*, and make it discoverable."""
        said = subject_of(document_of(manifest))
        if said is None or said.digest != subject.digest:
            raise UsageError(
                f"the manifest {manifest.digest} does not refer to {subject.digest}",
                code="manifest.subject",
            )
        self.put_manifest(manifest.digest, manifest)
        if not self._referrers_api:
            add_to_fallback(self, subject.digest, manifest)

    def ping(self) -> str:
        """Return a short sentence on what answers at the address."""
        return f"{self._repository} is kept in this process's memory"

    def _check(self, digest: str, content: bytes) -> None:
        if sha256(content) != digest:
            raise ActionFailed(
                f"{self._repository} was asked for {digest} and sent {sha256(content)}",
                means="The content was changed in the registry and was not used.",
                remedy="Find out what changed it before releasing anything from this registry.",
                code="registry.corrupt",
            )
