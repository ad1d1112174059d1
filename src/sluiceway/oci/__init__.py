"""OCI content: names, manifests, image layouts, and the one client for registries.

Importing this package is cheap. The HTTP client is loaded by :func:`open_registry` (or by
importing :mod:`sluiceway.oci.client`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.oci.carry import Carried, carry_image
from sluiceway.oci.documents import (
    artifact_type_of,
    blobs_of,
    children_of,
    describe,
    descriptor_from,
    descriptor_json,
    document_of,
    manifest_from,
    sha256,
    subject_of,
)
from sluiceway.oci.layout import Layout
from sluiceway.oci.reference import (
    Repository,
    check_tag,
    fallback_tag,
    is_loopback,
    parse_reference,
    parse_repository,
)
from sluiceway.oci.tags import promote_tag, restore_tag
from sluiceway.oci.transfer import pull_layout, push_layout

if TYPE_CHECKING:
    from sluiceway.oci.client import RegistryClient

__all__ = [
    "Carried",
    "Layout",
    "Repository",
    "artifact_type_of",
    "blobs_of",
    "carry_image",
    "check_tag",
    "children_of",
    "describe",
    "descriptor_from",
    "descriptor_json",
    "document_of",
    "fallback_tag",
    "is_loopback",
    "manifest_from",
    "open_registry",
    "parse_reference",
    "parse_repository",
    "promote_tag",
    "pull_layout",
    "push_layout",
    "restore_tag",
    "sha256",
    "subject_of",
]


def open_registry(
    repository: str,
    *,
    insecure: bool = False,
    timeout_seconds: float = 30.0,
    ca_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    on_unreachable: Callable[[], None] | None = None,
) -> RegistryClient:
    """Return a client for *repository*; nothing is sent yet.

    See :class:`sluiceway.oci.client.RegistryClient` for the arguments.
    """
    from sluiceway.oci.client import RegistryClient

    return RegistryClient(
        repository,
        insecure=insecure,
        timeout_seconds=timeout_seconds,
        ca_file=ca_file,
        environ=environ,
        on_unreachable=on_unreachable,
    )
