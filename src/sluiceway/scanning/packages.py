"""From an SPDX 2.3 document to its packages, and telling whether two scanners mean one. Pure.

Sources: SPDX 2.3, "Package information" (``externalRefs``) and "Relationships"; the Package URL
specification and its type list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Package", "normal_name", "package_at", "packages_of", "same"]

_IMAGES = frozenset({"oci", "docker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of an SBOM or of a source tree."""

    label: str
    """Its package URL as the document has it; its name when it has none."""
    type: str = ""
    """The type of its package URL (``pypi``); empty when it has none that is understood."""
    namespace: str = ""
    name: str = ""
    version: str = ""
    """Empty when the document does not say."""
    qualifiers: Mapping[str, str] = field(default_factory=dict)


def packages_of(document: Mapping[str, Any]) -> tuple[Package, ...]:
    """Return the packages of SPDX *document*, each package URL once, in the document's order.

    Left out are packages that stand for an image (``pkg:oci``, ``pkg:docker``) and what the
    document DESCRIBES when it has no package URL: these are the subject, not something inside.

    Raises:
        ValueError: *document* has no list of packages.
    """
    packages = document.get("packages")
    if not isinstance(packages, list) or not all(isinstance(each, dict) for each in packages):
        msg = "the SBOM has no list of packages"
        raise ValueError(msg)
    described = set(_described(document))
    found: dict[str, Package] = {}
    for package in packages:
        locators = tuple(_locators(package))
        for locator in locators:
            parsed = package_at(locator, str(package.get("versionInfo") or ""))
            if parsed.type not in _IMAGES:
                found.setdefault(parsed.label, parsed)
        if not locators and package.get("SPDXID") not in described:
            name = str(package.get("name") or package.get("SPDXID") or "a package without a name")
            found.setdefault(name, Package(label=name))
    return tuple(found.values())


def package_at(locator: str, version: str = "") -> Package:
    """Return the package at a package URL; one that is not understood has no type.

    Args:
        locator: The package URL.
        version: Taken when the package URL has none.
    """
    from packageurl import PackageURL

    try:
        purl = PackageURL.from_string(locator)
    except ValueError:
        return Package(label=locator or "a package with an empty package URL")
    qualifiers = purl.qualifiers if isinstance(purl.qualifiers, dict) else {}
    return Package(
        label=locator,
        type=purl.type,
        namespace=purl.namespace or "",
        name=purl.name,
        version=purl.version or version,
        qualifiers=qualifiers,
    )


def same(package: Package) -> tuple[str, str, str] | None:
    """Return a key that is equal for two spellings of one package in one version.

    Qualifiers do not count (architecture, distribution), except the epoch, which some tools keep
    apart from the version. ``None`` for a package without type or version: nobody can say.
    """
    if not package.type or not package.version:
        return None
    parts = [part for part in (package.namespace, package.name) if part]
    name = normal_name("PyPI" if package.type == "pypi" else "", "/".join(parts))
    epoch = package.qualifiers.get("epoch", "")
    version = package.version
    if epoch not in {"", "0"} and not version.startswith(f"{epoch}:"):
        version = f"{epoch}:{version}"
    if package.type == "golang":
        version = version.removeprefix("v")
    return package.type, name, version


def normal_name(ecosystem: str, name: str) -> str:
    """Return *name* in the one spelling in which names of *ecosystem* (OSV's word) are compared.

    Package URLs of Go and older ones of npm are written in lower case whatever the package's own
    spelling is, so case is ignored everywhere: a false alarm is seen, a missed advisory is not.
    """
    folded = name.casefold()
    return re.sub(r"[-_.]+", "-", folded) if ecosystem == "PyPI" else folded  # PEP 503


def _described(document: Mapping[str, Any]) -> Iterator[Any]:
    listed = document.get("documentDescribes")
    yield from listed if isinstance(listed, list) else ()
    relations = document.get("relationships")
    for relation in relations if isinstance(relations, list) else ():
        if isinstance(relation, dict):
            if relation.get("relationshipType") == "DESCRIBES":
                yield relation.get("relatedSpdxElement")
            elif relation.get("relationshipType") == "DESCRIBED_BY":
                yield relation.get("spdxElementId")


def _locators(package: Mapping[str, Any]) -> Iterator[str]:
    references = package.get("externalRefs")
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, dict) and reference.get("referenceType") == "purl":
            yield str(reference.get("referenceLocator", ""))
