"""When do two tools speak of the same package? Pure.

Source: the Package URL specification with its type list; PEP 503 for the names of Python packages.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from sluiceway.scanning.packages import normal_name

__all__ = ["UNKNOWN_ECOSYSTEM", "Key", "ecosystem_of", "key_of", "versionless"]

UNKNOWN_ECOSYSTEM = "unknown"
"""Of a package that has no package URL."""

_OS = frozenset({"apk", "deb", "rpm"})


class Key(NamedTuple):
    """A package as it is compared: qualifiers and subpath are left out, names are normalised."""

    ecosystem: str
    """The package URL's type; empty for a package that has only a name."""
    namespace: str
    name: str
    version: str


@lru_cache(maxsize=65536)
def key_of(package: str, installed: str = "") -> Key:
    """Return what *package* (a package URL, or a mere name) is compared by.

    Names are compared without regard to case, Python's by PEP 503; an epoch that stands among the
    qualifiers is put before the version, where others write it. A Go module is named by its whole
    path, of which some put the end into the subpath, and its version has no ``v``.

    Args:
        package: Package URL or name.
        installed: The version where the package URL has none.
    """
    from packageurl import PackageURL

    try:
        purl = PackageURL.from_string(package)
    except ValueError:
        return Key("", "", package.strip(), installed)
    qualifiers = purl.qualifiers if isinstance(purl.qualifiers, dict) else {}
    namespace, name = (purl.namespace or "").casefold(), purl.name.casefold()
    version = purl.version or installed
    if purl.type == "pypi":
        name = normal_name("PyPI", name)
    elif purl.type == "golang":
        path = "/".join(filter(None, (purl.namespace, purl.name, purl.subpath))).casefold()
        namespace, _, name = path.rpartition("/")
        version = re.sub(r"^v(?=\d)", "", version)
    elif purl.type in _OS and qualifiers.get("epoch", "0") != "0" and ":" not in version:
        version = f"{qualifiers['epoch']}:{version}"
    return Key(purl.type, namespace, name, version)


def ecosystem_of(package: str) -> str:
    """Return the package URL's type (``npm``, ``deb``), or ``unknown`` for a mere name."""
    return key_of(package).ecosystem or UNKNOWN_ECOSYSTEM


def versionless(package: str) -> str:
    """Return what stays of *package* when it is upgraded: type, namespace and name."""
    key = key_of(package)
    return "/".join(part for part in (key.ecosystem, key.namespace, key.name) if part)
