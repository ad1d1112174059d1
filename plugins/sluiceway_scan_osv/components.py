"""From an SPDX 2.3 document to the packages that advisories may speak about. Pure.

Sources: SPDX 2.3, "Package information" (``externalRefs``) and "Relationships"; the Package URL
specification; the OSV schema, "affected[].package field".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Component", "components_of", "normal_name"]

_ECOSYSTEMS = {
    "alpm": "Arch",
    "apk": "Alpine",
    "cargo": "crates.io",
    "composer": "Packagist",
    "deb": "Debian",
    "gem": "RubyGems",
    "golang": "Go",
    "hex": "Hex",
    "maven": "Maven",
    "npm": "npm",
    "nuget": "NuGet",
    "pub": "Pub",
    "pypi": "PyPI",
}
_SEPARATORS = {"maven": ":"}
_IMAGES = frozenset({"oci", "docker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One package of the SBOM."""

    label: str
    """Its package URL as the document has it; its name when it has none."""
    ecosystem: str = ""
    """OSV's name of it; empty when there is no package URL or OSV has no such ecosystem."""
    name: str = ""
    """Normalised by :func:`normal_name`."""
    version: str = ""
    """Empty when the document does not say."""


def components_of(document: Mapping[str, Any]) -> tuple[Component, ...]:
    """Return the packages of *document*, each package URL once, in the document's order.

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
    found: dict[str, Component] = {}
    for package in packages:
        locators = tuple(_locators(package))
        for locator in locators:
            component = _component(locator, str(package.get("versionInfo") or ""))
            if component is not None:
                found.setdefault(component.label, component)
        if not locators and package.get("SPDXID") not in described:
            name = str(package.get("name") or package.get("SPDXID") or "a package without a name")
            found.setdefault(name, Component(label=name))
    return tuple(found.values())


def normal_name(ecosystem: str, name: str) -> str:
    """Return *name* in the one spelling in which names of *ecosystem* are compared.

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


def _component(locator: str, version_info: str) -> Component | None:
    """Return the component, ``None`` for an image; one that is not understood has no ecosystem."""
    from packageurl import PackageURL

    try:
        purl = PackageURL.from_string(locator)
    except ValueError:
        return Component(label=locator or "a package with an empty package URL")
    if purl.type in _IMAGES:
        return None
    ecosystem = _ECOSYSTEMS.get(purl.type, "")
    parts = [part for part in (purl.namespace, purl.name) if part]
    return Component(
        label=locator,
        ecosystem=ecosystem,
        name=normal_name(ecosystem, _SEPARATORS.get(purl.type, "/").join(parts)),
        version=purl.version or version_info,
    )
