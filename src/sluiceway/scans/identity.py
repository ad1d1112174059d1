"""When do two tools speak of the same package? Pure.

What they are compared by is :func:`sluiceway.scanning.packages.key_of`.
"""

from __future__ import annotations

from sluiceway.scanning.packages import Key, key_of

__all__ = ["UNKNOWN_ECOSYSTEM", "Key", "ecosystem_of", "key_of", "versionless"]

UNKNOWN_ECOSYSTEM = "unknown"
"""Of a package that has no package URL."""


def ecosystem_of(package: str) -> str:
    """Return the package URL's type (``npm``, ``deb``), or ``unknown`` for a mere name."""
    return key_of(package).ecosystem or UNKNOWN_ECOSYSTEM


def versionless(package: str) -> str:
    """Return what stays of *package* when it is upgraded: type, namespace and name."""
    key = key_of(package)
    return "/".join(part for part in (key.ecosystem, key.namespace, key.name) if part)
