"""Whole images between image layout folders and registries."""

from __future__ import annotations

from pathlib import Path

from sluiceway.errors import ActionFailed
from sluiceway.model import Descriptor, Manifest, Registry
from sluiceway.oci.documents import blobs_of, children_of, document_of, is_distributable
from sluiceway.oci.layout import Layout
from sluiceway.oci.reference import check_tag

__all__ = ["pull_layout", "push_layout"]


def push_layout(
    registry: Registry, layout: Path, *, digest: str | None = None, tag: str | None = None
) -> Manifest:
    """Store an image from a layout folder in *registry*, everything it names first.

    Args:
        registry: Where to.
        layout: An OCI image layout folder.
        digest: Which image of it; may be left out when there is exactly one.
        tag: Also let this tag name it. Without, it is stored by digest only.

    Raises:
        ActionFailed: ``layout.tampered``, ``layout.blob-missing``, ``layout.ambiguous``, or the
            registry's own.
    """
    if tag is not None:
        check_tag(tag)
    source = Layout.open(layout)
    image = source.image(digest)
    for manifest in source.closure(image):
        for blob in blobs_of(document_of(manifest)):
            _push_blob(registry, source, blob)
        registry.put_manifest(manifest.digest, manifest)
    if tag is not None:
        registry.put_manifest(tag, image)
    return image


def pull_layout(registry: Registry, digest: str, folder: Path, *, ref_name: str = "") -> Layout:
    """Copy the image with *digest* into a new image layout in *folder*, all platforms of it.

    Raises:
        ActionFailed: ``registry.manifest-missing``, ``registry.blob-missing``,
            ``registry.corrupt``, or the registry's own.
    """
    layout = Layout.create(folder)
    layout.write_manifest(_pull(registry, layout, digest, set()), ref_name=ref_name)
    return layout


def _pull(registry: Registry, layout: Layout, digest: str, seen: set[str]) -> Manifest:
    seen.add(digest)
    manifest = registry.manifest(digest)
    if manifest is None:
        raise ActionFailed(
            f"{registry.repository} does not hold {digest}",
            remedy="Push that image again.",
            code="registry.manifest-missing",
        )
    document = document_of(manifest)
    for child in children_of(document):
        if child.digest not in seen:
            layout.write_manifest(_pull(registry, layout, child.digest, seen), listed=False)
    for blob in blobs_of(document):
        path = layout.blob_path(blob.digest)
        if path.exists() or not is_distributable(blob):
            continue
        registry.save_blob(blob.digest, path, limit=blob.size)
        if path.stat().st_size != blob.size:
            raise ActionFailed(
                f"{blob.digest} has {path.stat().st_size} bytes where {digest} says {blob.size}",
                means="The manifest and the blob cannot both be right. Neither was used.",
                remedy="Build and push the image again.",
                code="registry.corrupt",
            )
    return manifest


def _push_blob(registry: Registry, source: Layout, blob: Descriptor) -> None:
    path = source.blob_path(blob.digest)
    if not path.is_file():
        if not is_distributable(blob):
            return
        raise ActionFailed(
            f"the image layout {source.folder} lacks the blob {blob.digest}",
            means="The image layout is incomplete.",
            remedy="Build again into a new folder.",
            code="layout.blob-missing",
        )
    stored = registry.put_blob(path)
    if (stored.digest, stored.size) != (blob.digest, blob.size):
        # What was stored has its own true name and is named by nothing: it does no harm.
        raise ActionFailed(
            f"{path} is not what its name says: it has digest {stored.digest}",
            means="The image layout was changed after it was built. Nothing names what was sent.",
            remedy="Build again into a new folder.",
            code="layout.tampered",
        )
