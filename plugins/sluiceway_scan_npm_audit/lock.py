"""npm's lock file, versions 2 and 3, to the packages that ``npm audit`` asks about. Pure.

Source: npm's documentation, "package-lock.json".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sluiceway.scanning import Package, ReportError, package_at

__all__ = ["pinned"]

_KNOWN = frozenset({2, 3})
_MODULES = "node_modules/"


def pinned(body: str, *, with_dev: bool) -> dict[str, Package]:
    """Return where (``node_modules/lodash``) to the package that is pinned there.

    Args:
        body: The lock file.
        with_dev: Packages that only development needs as well.

    Raises:
        ReportError: It is no such lock file; the message is a clause about it: ``it ...``.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        msg = "it is not JSON"
        raise ReportError(msg) from error
    version = document.get("lockfileVersion") if isinstance(document, dict) else None
    if version not in _KNOWN:
        msg = (
            f"its lockfileVersion is {version!r}; 2 and 3 are known "
            "(npm install --package-lock-only --lockfile-version=3 writes one)"
        )
        raise ReportError(msg)
    packages = document.get("packages")
    if not isinstance(packages, dict) or not all(isinstance(v, dict) for v in packages.values()):
        msg = "it has no 'packages'"
        raise ReportError(msg)
    return {
        place: _package(place, each)
        for place, each in packages.items()
        # The project itself and its workspaces are not in node_modules but linked from there.
        if _MODULES in place
        and not each.get("link")
        and (with_dev or not (each.get("dev") or each.get("extraneous")))
    }


def _package(place: str, each: Mapping[str, Any]) -> Package:
    from packageurl import PackageURL

    name = str(each.get("name") or place.rpartition(_MODULES)[2])
    namespace, _, bare = name.rpartition("/")
    version = str(each.get("version") or "")
    return package_at(PackageURL("npm", namespace or None, bare, version or None).to_string())
