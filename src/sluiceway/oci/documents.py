"""Manifests as JSON documents, read strictly: one body must mean one thing to every reader."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sluiceway.errors import ActionFailed, UsageError
from sluiceway.model import Descriptor, Manifest, check_digest
from sluiceway.oci.media_types import INDEX_TYPES, MANIFEST_TYPES

__all__ = [
    "artifact_type_of",
    "blobs_of",
    "children_of",
    "describe",
    "descriptor_from",
    "descriptor_json",
    "document_of",
    "is_distributable",
    "manifest_from",
    "sha256",
    "subject_of",
]


def sha256(body: bytes) -> str:
    """Return ``sha256:<hex>`` of *body*."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def manifest_from(body: bytes, media_type: str) -> Manifest:
    """Return the record of *body*, its digest computed and its document checked.

    Raises:
        ActionFailed: ``manifest.invalid``.
    """
    manifest = Manifest(body=body, media_type=media_type, digest=sha256(body))
    document_of(manifest)
    return manifest


def document_of(manifest: Manifest) -> dict[str, Any]:
    """Parse and check a manifest or index.

    A body that says another media type than the one it is stored under, or that can be read as
    image and index at once, is refused: two readers would see two images under one digest
    (CVE-2021-41190).

    Raises:
        ActionFailed: ``manifest.invalid``.
    """
    if manifest.media_type not in MANIFEST_TYPES:
        raise _invalid(
            manifest, f"its media type {manifest.media_type!r} is none of the four known"
        )
    try:
        document = json.loads(manifest.body, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise _invalid(manifest, f"it is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:  # noqa: PLR2004
        raise _invalid(manifest, "it is not a JSON object of schemaVersion 2")
    said = document.get("mediaType", manifest.media_type)
    if said != manifest.media_type:
        raise _invalid(manifest, f"it says {said!r} but is stored as {manifest.media_type!r}")
    index = manifest.media_type in INDEX_TYPES
    foreign = {"config", "layers", "fsLayers"} if index else {"manifests", "fsLayers"}
    if ambiguous := sorted(foreign & document.keys()):
        raise _invalid(manifest, f"it also has {', '.join(ambiguous)} of another kind of manifest")
    wanted = {"manifests": list} if index else {"config": dict, "layers": list}
    for key, kind in wanted.items():
        if not isinstance(document.get(key), kind):
            raise _invalid(manifest, f"it has no proper {key!r}")
    try:
        children_of(document)
        blobs_of(document)
        subject_of(document)
    except ActionFailed as error:
        raise _invalid(manifest, error.what) from error
    return document


def children_of(document: dict[str, Any]) -> tuple[Descriptor, ...]:
    """Return the manifests that an index lists; none for an image manifest."""
    return tuple(descriptor_from(item) for item in document.get("manifests", ()))


def blobs_of(document: dict[str, Any]) -> tuple[Descriptor, ...]:
    """Return the blobs that an image manifest names, config first; none for an index."""
    config = (document["config"],) if "config" in document else ()
    return tuple(descriptor_from(item) for item in (*config, *document.get("layers", ())))


def subject_of(document: dict[str, Any]) -> Descriptor | None:
    """Return what a manifest refers to (image-spec 1.1 ``subject``), if anything."""
    return descriptor_from(document["subject"]) if document.get("subject") is not None else None


def artifact_type_of(document: dict[str, Any]) -> str:
    """Return the artifact type of a referrer: its own, or an image's config media type."""
    own = document.get("artifactType")
    if isinstance(own, str) and own:
        return own
    config = document.get("config")
    return str(config["mediaType"]) if isinstance(config, dict) else ""


def is_distributable(descriptor: Descriptor) -> bool:
    """Say whether registries hold such blobs; "foreign" layers stay with their vendor."""
    return not any(word in descriptor.media_type for word in ("nondistributable", ".foreign."))


def describe(manifest: Manifest) -> Descriptor:
    """Return the descriptor of a manifest as a referrers list shows it."""
    document = document_of(manifest)
    return Descriptor(
        media_type=manifest.media_type,
        digest=manifest.digest,
        size=len(manifest.body),
        annotations=_annotations(document.get("annotations")),
        artifact_type=artifact_type_of(document),
    )


def descriptor_from(data: Any) -> Descriptor:
    """Read one descriptor.

    Raises:
        ActionFailed: ``manifest.invalid``, also for digests other than SHA-256: what cannot be
            checked is not used.
    """
    if not isinstance(data, dict):
        raise _malformed("a descriptor is not an object")
    media_type, size = data.get("mediaType"), data.get("size")
    if not isinstance(media_type, str) or not media_type:
        raise _malformed("a descriptor has no mediaType")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _malformed("a descriptor has no size")
    try:
        digest = check_digest(str(data.get("digest", "")))
    except UsageError as error:
        raise _malformed(error.what) from error
    artifact_type = data.get("artifactType", "")
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        annotations=_annotations(data.get("annotations")),
        artifact_type=artifact_type if isinstance(artifact_type, str) else "",
    )


def descriptor_json(descriptor: Descriptor) -> dict[str, Any]:
    """Return the JSON object of a descriptor, without what is empty."""
    data: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.artifact_type:
        data["artifactType"] = descriptor.artifact_type
    if descriptor.annotations:
        data["annotations"] = dict(sorted(descriptor.annotations.items()))
    return data


def _annotations(data: Any) -> dict[str, str]:
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise _malformed("annotations are not texts by name")
    return dict(data)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        # Parsers differ on which of two equal keys counts.
        msg = "one object has a key twice"
        raise ValueError(msg)
    return result


def _malformed(what: str) -> ActionFailed:
    return ActionFailed(what, code="manifest.invalid")


def _invalid(manifest: Manifest, reason: str) -> ActionFailed:
    return ActionFailed(
        f"the manifest {manifest.digest} cannot be used: {reason}",
        means="Its bytes do not have one clear meaning, so nothing may be released from them.",
        remedy="Build and push the image again with a tool that writes OCI image-spec manifests.",
        code="manifest.invalid",
    )
