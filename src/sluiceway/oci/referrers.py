"""The fallback tag: an index of referrers, for registries without the referrers API.

Source: distribution-spec 1.1, "Referrers Tag Schema". There is no compare-and-set in the
protocol, so the index is read, extended, written and read again until it holds what was added.
"""

from __future__ import annotations

import json
import random
import threading
import time

from sluiceway.errors import ActionFailed
from sluiceway.model import Descriptor, Manifest, Registry
from sluiceway.oci.documents import (
    children_of,
    describe,
    descriptor_json,
    document_of,
    manifest_from,
)
from sluiceway.oci.media_types import IMAGE_INDEX, INDEX_TYPES
from sluiceway.oci.reference import fallback_tag

__all__ = ["add_to_fallback", "read_fallback"]

_ATTEMPTS = 8
_lock = threading.Lock()


def read_fallback(registry: Registry, digest: str) -> tuple[Descriptor, ...]:
    """Return what the fallback tag of *digest* lists; nothing when there is no such tag."""
    index = registry.resolve(fallback_tag(digest))
    if index is None:
        return ()
    if index.media_type not in INDEX_TYPES:
        raise ActionFailed(
            f"{registry.repository}:{fallback_tag(digest)} is not an index",
            means="The tag is reserved for the list of what refers to the image.",
            remedy="Find out who pushed it, and delete it.",
            code="registry.malformed",
        )
    return children_of(document_of(index))


def add_to_fallback(registry: Registry, digest: str, manifest: Manifest) -> None:
    """List *manifest* in the fallback tag of *digest*, once.

    Raises:
        ActionFailed: ``registry.contended`` when other writers kept taking it out again.
    """
    tag = fallback_tag(digest)
    with _lock:  # writers in one process need not race at all
        for attempt in range(_ATTEMPTS):
            listed = read_fallback(registry, digest)
            if manifest.digest in {item.digest for item in listed}:
                return
            try:
                registry.put_manifest(tag, _index((*listed, describe(manifest))))
            except ActionFailed as error:
                if error.code != "registry.read-back":
                    raise
            # A writer that read before us may write after us: look again, later than it.
            time.sleep(random.uniform(0.01, 0.03) * (attempt + 1))  # noqa: S311 - no secret
        if manifest.digest in {item.digest for item in read_fallback(registry, digest)}:
            return
    raise ActionFailed(
        f"{manifest.digest} could not be listed in {registry.repository}:{tag}",
        means="Other writers kept overwriting the list. The manifest is stored, but not found.",
        remedy="Sign and attest one image from one place at a time, then run the same again.",
        code="registry.contended",
    )


def _index(manifests: tuple[Descriptor, ...]) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_INDEX,
        "manifests": [descriptor_json(item) for item in manifests],
    }
    return manifest_from(json.dumps(document, separators=(",", ":")).encode(), IMAGE_INDEX)
