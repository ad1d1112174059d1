"""From packages to what advisories may speak about. Pure.

Sources: the OSV schema, "affected[].package field" (names of ecosystems, source packages for
Debian and Alpine); the Package URL specification; syft's ``upstream`` qualifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sluiceway.record import Record
from sluiceway.scanning import Package, packages_of
from sluiceway.scanning.packages import normal_name

__all__ = ["Component", "component_of", "components_of"]

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
_SYSTEMS = frozenset({"apk", "deb"})


class Component(Record):
    """One package of the SBOM or of a source tree."""

    label: str
    """Its package URL as the document has it; its name when it has none."""
    ecosystem: str = ""
    """OSV's name of it, with the release for Debian and Alpine; empty when there is no package URL
    or OSV has no such ecosystem."""
    name: str = ""
    """Normalised; for Debian and Alpine the source package's, as far as that is known."""
    version: str = ""
    """Empty when the document does not say."""
    binary_only: bool = False
    """Debian's or Alpine's, and nothing says which source package it was built from."""


def components_of(document: Mapping[str, Any]) -> tuple[Component, ...]:
    """Return the packages of SPDX *document*, as :func:`sluiceway.scanning.packages_of` has them.

    Raises:
        ValueError: *document* has no list of packages.
    """
    return tuple(_each(packages_of(document)))


def component_of(package: Package) -> Component:
    """Return what advisories would call *package*."""
    ecosystem = _ECOSYSTEMS.get(package.type, "")
    if package.type in _SYSTEMS:
        return _of_system(package, ecosystem)
    parts = [part for part in (package.namespace, package.name) if part]
    return Component(
        label=package.label,
        ecosystem=ecosystem,
        name=normal_name(ecosystem, _SEPARATORS.get(package.type, "/").join(parts)),
        version=package.version,
    )


def _each(packages: Iterable[Package]) -> Iterable[Component]:
    return (component_of(package) for package in packages)


def _of_system(package: Package, family: str) -> Component:
    """Return a package of Debian or Alpine under its source package's name.

    A distribution that only derives from one of them is another ecosystem, without advisories here.
    """
    system, _, release = package.qualifiers.get("distro", "").partition("-")
    ecosystem = ""
    if package.namespace == system == family.casefold() and release:
        numbers = release.split(".")
        ecosystem = (
            f"Debian:{numbers[0]}" if family == "Debian" else f"Alpine:v{'.'.join(numbers[:2])}"
        )
    source, _, version = package.qualifiers.get("upstream", "").partition("@")
    return Component(
        label=package.label,
        ecosystem=ecosystem or family,
        name=normal_name(family, source or package.name),
        version=version or package.version,
        binary_only=not source,
    )
