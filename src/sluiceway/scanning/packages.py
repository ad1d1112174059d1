"""From an SPDX 2.3 document to its packages, and telling whether two scanners mean one. Pure.

Sources: SPDX 2.3, "Package information" (``externalRefs``) and "Relationships"; the Package URL
specification and its type list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sluiceway.record import Record, field

__all__ = ["Key", "Package", "key_of", "normal_name", "package_at", "packages_of", "same"]

_IMAGES = frozenset({"oci", "docker"})
_OS = frozenset({"apk", "deb", "rpm"})


class Package(Record):
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


def same(package: Package) -> Key | None:
    """Return a key that is equal for two spellings of one package in one version.

    ``None`` for a package without type or version: nobody can say.
    """
    if not package.type or not package.version:
        return None
    return key_of(package.label, package.version)


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
