"""What names an image: the digest of its manifest."""

from __future__ import annotations

import re

from sluiceway.errors import UsageError

__all__ = ["check_digest"]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def check_digest(text: str) -> str:
    """Return *text* when it is a ``sha256:<64 hex>`` digest; raise :class:`UsageError` otherwise."""
    if not _DIGEST.fullmatch(text):
        raise UsageError(
            f"{text!r} is not an image digest",
            means="A digest is 'sha256:' followed by 64 lower-case hexadecimal digits.",
            remedy="Copy it whole from `invoke status` or `invoke history`.",
            code="digest.malformed",
        )
    return text
