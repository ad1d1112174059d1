"""What lies beside an image under tags of its digest, as cosign keeps it.

Source: sigstore/cosign, ``specs/SIGNATURE_SPEC.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.errors import ActionFailed

__all__ = ["BESIDE", "config_for", "unusable"]

BESIDE = ("sig", "att", "sbom")
"""Suffixes of the tags ``sha256-<hex>.<suffix>`` in which cosign keeps signatures, attestations and
SBOMs of an image."""

_NEVER = "0001-01-01T00:00:00Z"
_UNUSABLE = frozenset(
    {
        "manifest.invalid",
        "registry.blob-missing",
        "registry.corrupt",
        "registry.manifest-missing",
        "registry.too-large",
    }
)


def config_for(layers: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the config blob that cosign writes for *layers*, descriptors of one signature each.

    It keeps one history entry and one diff id per signature; so do its readers' tools.
    """
    return json.dumps(
        {
            "architecture": "",
            "created": _NEVER,
            "history": [{"created": _NEVER} for _ in layers],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
            "config": {},
        },
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()


def unusable(error: ActionFailed) -> bool:
    """Say whether *error* is about this one piece of content, and not about reaching the registry.

    Content that is missing, changed or too large is a reason not to believe it. A registry that
    does not answer is no reason for anything: then the check could not be made.
    """
    return error.code in _UNUSABLE
