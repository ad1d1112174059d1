"""Media types of image-spec 1.1, Docker's schema 2, and what a client asks a registry for."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACCEPT",
    "DOCKER_INDEX",
    "DOCKER_MANIFEST",
    "EMPTY",
    "IMAGE_CONFIG",
    "IMAGE_INDEX",
    "IMAGE_LAYER",
    "IMAGE_LAYER_GZIP",
    "IMAGE_MANIFEST",
    "INDEX_TYPES",
    "MANIFEST_LIMIT",
    "MANIFEST_TYPES",
    "OCTET_STREAM",
]

IMAGE_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
IMAGE_INDEX: Final = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
IMAGE_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
IMAGE_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
"""Of the two bytes ``{}``, where a manifest must name a blob and has nothing to say."""
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
OCTET_STREAM: Final = "application/octet-stream"

INDEX_TYPES: Final = frozenset({IMAGE_INDEX, DOCKER_INDEX})
MANIFEST_TYPES: Final = (IMAGE_MANIFEST, IMAGE_INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
"""All four: a registry that is not offered a type may answer with a *converted* manifest, whose
digest is another one."""

ACCEPT: Final = ", ".join(MANIFEST_TYPES)

MANIFEST_LIMIT: Final = 4 * 1024 * 1024
"""Bytes. What distribution-spec 1.1 asks registries to accept at least, and most accept at most."""
