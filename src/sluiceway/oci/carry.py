"""An image with everything that was said about it, brought into another repository.

Children come before the index that lists them, blobs before the manifest that names them, and no
tag of the image's own is written at all: whoever calls this puts it, last. So what is broken off
leaves nothing half, and doing it again goes on where it was: what is there already is not sent.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from sluiceway import events
from sluiceway.errors import ActionFailed
from sluiceway.model import Descriptor, Manifest, Registry, canonical
from sluiceway.oci.beside import BESIDE, config_for, unusable
from sluiceway.oci.documents import (
    blobs_of,
    children_of,
    document_of,
    is_distributable,
    manifest_from,
    subject_of,
)
from sluiceway.oci.media_types import INDEX_TYPES
from sluiceway.oci.reference import fallback_tag
from sluiceway.record import Record

__all__ = ["Carried", "carry_image"]

_DEEPEST = 16
"""How many indexes may be in one another."""
_MOST = 1000
"""Manifests that are brought along with one image; cosign's own limit for signatures."""


@runtime_checkable
class _Mounting(Protocol):
    """A registry that can take a blob over from its neighbour without its being sent."""

    def mount_blob(self, digest: str, repository: str) -> bool: ...


class Carried(Record):
    """What was brought, and what could not be."""

    manifest: Manifest
    """The image's, as it now is in both repositories."""
    manifests: int
    """Stored anew; what was there already does not count."""
    mounted: int
    """Blobs taken over inside of the registry."""
    copied: int
    """Blobs sent."""
    size: int
    """Bytes sent."""
    left: tuple[str, ...]
    """Signatures and referrers that cannot be used where they are, and were left there: why."""


def carry_image(source: Registry, target: Registry, digest: str) -> Carried:
    """Bring the image with *digest* from *source* to *target*: all platforms, all layers, what
    lies beside it under cosign's tags, and what refers to it, and to that, and so on.

    Every body is checked against its digest. Whether a signature or an attestation is worth
    anything is not asked: a verifier says that, in either place. What *target* has already, its
    own signatures among it, stays and is added to.

    Raises:
        ActionFailed: ``registry.manifest-missing``, ``registry.blob-missing``,
            ``registry.corrupt``, ``manifest.invalid`` for the image itself, or either registry's
            own. Whatever was brought until then is named by no tag of the image.
    """
    carrying = _Carrying(source, target)
    tree = carrying.tree(digest)
    waiting = list(tree)
    while waiting:
        manifest = waiting.pop()
        for suffix in BESIDE:
            carrying.beside(manifest.digest, suffix)
        waiting += carrying.referrers(manifest)
    carried = Carried(
        manifest=tree[-1],
        manifests=carrying.manifests,
        mounted=carrying.mounted,
        copied=carrying.copied,
        size=carrying.size,
        left=tuple(carrying.left),
    )
    events.emit(
        "registry.carried",
        source=source.repository,
        target=target.repository,
        digest=digest,
        mounted=carried.mounted,
        copied=carried.copied,
        left=carried.left,
    )
    return carried


@dataclass
class _Carrying:
    source: Registry
    target: Registry
    manifests: int = 0
    mounted: int = 0
    copied: int = 0
    size: int = 0
    left: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    """Manifests; and below, blobs that the target is known to hold."""
    _held: set[str] = field(default_factory=set)

    def tree(self, digest: str) -> list[Manifest]:
        """Bring a manifest and what it names; return it last, after the children of an index."""
        manifest = self.source.manifest(digest)
        if manifest is None:
            raise ActionFailed(
                f"{self.source.repository} does not hold {digest}",
                means="Something that is named is not there, so the image is not whole.",
                remedy="Push that image again.",
                code="registry.manifest-missing",
            )
        self._count(digest)
        tree = self._named(manifest)
        self._store(manifest)
        return [*tree, manifest]

    def beside(self, digest: str, suffix: str) -> None:
        """Bring what cosign keeps under a tag, joined with what the target has there."""
        tag = f"{fallback_tag(digest)}.{suffix}"
        try:
            found = self.source.resolve(tag)
            if found is None:
                return
            there = self.target.resolve(tag)
            if there is not None and there.digest == found.digest:
                return
            self._named(found)
            joined = found if there is None else self._joined(there, found)
        except ActionFailed as error:
            self._leave(tag, error)
            return
        if joined != there:
            self._put(tag, joined)

    def referrers(self, subject: Manifest) -> list[Manifest]:
        """Bring what refers to *subject*; return what was not seen before."""
        found: list[Manifest] = []
        listed = self.source.referrers(subject.digest)
        if not listed:
            return found
        present = {item.digest for item in self.target.referrers(subject.digest)}
        for descriptor in listed:
            if descriptor.digest in self._seen:
                continue
            self._count(descriptor.digest)
            try:
                referrer = self._referrer(descriptor, subject)
                self._named(referrer)
            except ActionFailed as error:
                self._leave(descriptor.digest, error)
                continue
            if referrer.digest not in present or self.target.manifest(referrer.digest) is None:
                self.target.put_referrer(subject, referrer)
                self.manifests += 1
            found.append(referrer)
        return found

    # --- below ---

    def _named(self, manifest: Manifest, depth: int = 0) -> list[Manifest]:
        """Bring everything that *manifest* names, and not it; return the manifests among it."""
        if depth > _DEEPEST:
            raise ActionFailed(
                f"{manifest.digest} lies in more than {_DEEPEST} indexes", code="manifest.invalid"
            )
        document = document_of(manifest)
        tree: list[Manifest] = []
        for child in children_of(document):
            if child.digest in self._seen:
                continue
            self._count(child.digest)
            found = self.source.manifest(child.digest)
            if found is None or len(found.body) != child.size:
                raise ActionFailed(
                    f"{manifest.digest} lists {child.digest}, which {self.source.repository} "
                    + ("does not hold" if found is None else f"holds with {len(found.body)} bytes"),
                    means="The index is not whole: a platform of the image cannot be pulled.",
                    remedy="Push the image again, all platforms of it.",
                    code="registry.manifest-missing" if found is None else "registry.corrupt",
                )
            tree += [*self._named(found, depth + 1), found]
            self._store(found)
        for blob in blobs_of(document):
            self._blob(blob, manifest.digest)
        return tree

    def _blob(self, blob: Descriptor, owner: str) -> None:
        if blob.digest in self._held or not is_distributable(blob):
            return
        if not self.target.has_blob(blob.digest):
            self._bring(blob, owner)
        self._held.add(blob.digest)

    def _bring(self, blob: Descriptor, owner: str) -> None:
        if isinstance(self.target, _Mounting) and self.target.mount_blob(
            blob.digest, self.source.repository
        ):
            self.mounted += 1
            return
        with tempfile.TemporaryDirectory(prefix="sluiceway-carry-") as folder:
            path = Path(folder) / "blob"
            self.source.save_blob(blob.digest, path, limit=blob.size)
            if (size := path.stat().st_size) != blob.size:
                raise ActionFailed(
                    f"{blob.digest} has {size} bytes where {owner} says {blob.size}",
                    means="The manifest and the blob cannot both be right. Neither was used.",
                    remedy="Build and push the image again.",
                    code="registry.corrupt",
                )
            self.target.put_blob(path)
        self.copied += 1
        self.size += size

    def _referrer(self, descriptor: Descriptor, subject: Manifest) -> Manifest:
        referrer = self.source.manifest(descriptor.digest)
        if referrer is None:
            raise ActionFailed("it is listed and not there", code="registry.manifest-missing")
        refers = subject_of(document_of(referrer))
        if refers is None or refers.digest != subject.digest:
            raise ActionFailed(f"it does not refer to {subject.digest}", code="manifest.invalid")
        return referrer

    def _joined(self, there: Manifest, found: Manifest) -> Manifest:
        """Return *there* with the layers of *found* that it lacks: each is one signature."""
        if {there.media_type, found.media_type} & INDEX_TYPES:
            raise ActionFailed(
                "it is an index in one of the two places and differs", code="manifest.invalid"
            )
        document = document_of(there)
        known = {canonical(layer) for layer in document["layers"]}
        fresh = [layer for layer in document_of(found)["layers"] if canonical(layer) not in known]
        if not fresh:
            return there
        layers = [*document["layers"], *fresh]
        config = self.target.put_blob(config_for(layers))
        document |= {
            "config": {**document["config"], "digest": config.digest, "size": config.size},
            "layers": layers,
        }
        body = json.dumps(document, separators=(",", ":")).encode()
        return manifest_from(body, there.media_type)

    def _store(self, manifest: Manifest) -> None:
        there = self.target.manifest(manifest.digest)
        if there is None or there.media_type != manifest.media_type:
            self._put(manifest.digest, manifest)

    def _put(self, reference: str, manifest: Manifest) -> None:
        self.target.put_manifest(reference, manifest)
        self.manifests += 1

    def _count(self, digest: str) -> None:
        self._seen.add(digest)
        if len(self._seen) > _MOST:
            raise ActionFailed(
                f"more than {_MOST} manifests belong to the image",
                means="Nobody's release looks like that; nothing was tagged.",
                remedy="Delete what refers to the image and is not needed.",
                code="registry.too-many",
            )

    def _leave(self, name: str, error: ActionFailed) -> None:
        """Leave behind what is broken in itself; a registry that does not answer stops the whole."""
        if not unusable(error):
            raise error
        self.left.append(f"{name}: {error.what}")
