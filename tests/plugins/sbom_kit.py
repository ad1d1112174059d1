"""Small images with real contents in a registry in memory, whole enough for any tool to read."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from sluiceway.model import Image, Manifest
from sluiceway.oci import describe, descriptor_json, manifest_from
from sluiceway.oci.media_types import (
    IMAGE_CONFIG,
    IMAGE_INDEX,
    IMAGE_LAYER,
    IMAGE_LAYER_GZIP,
    IMAGE_MANIFEST,
)
from sluiceway.testing.memory_registry import MemoryRegistry

__all__ = ["file_layer", "purls", "push_image", "push_index"]

CREATED = "2026-01-02T03:04:05Z"


def file_layer(files: Mapping[str, bytes | str]) -> bytes:
    """Return a tar of files; a text is the target of a symbolic link."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            if isinstance(body, str):
                member.type, member.linkname = tarfile.SYMTYPE, body
                archive.addfile(member)
            else:
                member.size = len(body)
                archive.addfile(member, io.BytesIO(body))
    return sink.getvalue()


def push_image(
    registry: MemoryRegistry,
    *layers: bytes,
    architecture: str = "amd64",
    created: str = CREATED,
    tag: str = "build",
) -> Image:
    """Store an image of *layers* (tar, or gzip of tar) and return it."""
    plain = [gzip.decompress(each) if each[:2] == b"\x1f\x8b" else each for each in layers]
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in plain],
        },
    }
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": _stored(registry, json.dumps(config).encode(), IMAGE_CONFIG),
        "layers": [
            _stored(registry, each, IMAGE_LAYER_GZIP if each[:2] == b"\x1f\x8b" else IMAGE_LAYER)
            for each in layers
        ],
    }
    return _put(registry, manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST), tag)


def push_index(
    registry: MemoryRegistry, children: Mapping[str, Image], *, tag: str = "build"
) -> Image:
    """Store an index of *children*, by platform (``linux/amd64``), and return it."""
    listed = []
    for platform, image in children.items():
        manifest = registry.manifest(image.digest)
        assert manifest is not None
        system, _, architecture = platform.partition("/")
        listed.append(
            descriptor_json(describe(manifest))
            | {"platform": {"os": system, "architecture": architecture}}
        )
    document = {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": listed}
    return _put(registry, manifest_from(json.dumps(document).encode(), IMAGE_INDEX), tag)


def purls(document: Mapping[str, Any]) -> list[str]:
    """Return every package URL of an SPDX document, as it is written."""
    return [
        reference["referenceLocator"]
        for package in document["packages"]
        for reference in package.get("externalRefs", ())
        if reference["referenceType"] == "purl"
    ]


def _stored(registry: MemoryRegistry, body: bytes, media_type: str) -> dict[str, Any]:
    blob = registry.put_blob(body)
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def _put(registry: MemoryRegistry, manifest: Manifest, tag: str) -> Image:
    registry.put_manifest(tag, manifest)
    return Image(
        repository=registry.repository, digest=manifest.digest, media_type=manifest.media_type
    )
