"""Trivy's JSON report, schema 2, to findings and to the packages that were looked at. Pure.

Source: trivy's ``pkg/types/report.go`` and ``pkg/fanal/types/artifact.go``, and reports made by
trivy 0.76. ``Results`` and ``Vulnerabilities`` are absent, not empty, where there is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.model import Vulnerability
from sluiceway.record import Record
from sluiceway.scanning import (
    Package,
    ReportError,
    objects,
    package_at,
    read_report,
    severity,
    text,
)

__all__ = ["Report", "parse"]

SCHEMA = 2
_SHOWN = 200  # characters of a title


class Report(Record):
    """What one run of trivy said."""

    packages: tuple[Package, ...]
    """Everything that it listed, each once."""
    found: tuple[Vulnerability, ...]


def parse(printed: str, *, kind: str, name: str = "", digest: str = "") -> Report:
    """Return what *printed* says.

    Args:
        printed: The output of ``trivy ... --format json --list-all-pkgs``.
        kind: The ``ArtifactType`` that was asked for: ``container_image``, ``spdx``,
            ``filesystem``.
        name: The ``ArtifactName`` that was asked for: a file or a folder.
        digest: The digest that the report has to be about, for images.

    Raises:
        ReportError: It is not such a report, of another schema, or about something else.
    """
    document = read_report(printed)
    if document.get("SchemaVersion") != SCHEMA:
        msg = f"its report has schema {document.get('SchemaVersion')!r}, and only {SCHEMA} is known"
        raise ReportError(msg)
    if document.get("ArtifactType") != kind:
        msg = f"its report is about a {document.get('ArtifactType')!r}, not about a {kind!r}"
        raise ReportError(msg)
    if name and document.get("ArtifactName") != name:
        msg = "its report is about another file or folder than the one that was asked about"
        raise ReportError(msg)
    if digest and digest not in _digests(document):
        msg = f"its report is not about {digest}: {', '.join(_digests(document)) or 'no digest'}"
        raise ReportError(msg)
    packages: dict[str, Package] = {}
    found: dict[tuple[str, str], Vulnerability] = {}
    for result in objects(document, "Results"):
        for each in objects(result, "Packages"):
            package = _package(each, "Identifier", text(each, "Name"), str(each.get("Version", "")))
            packages.setdefault(package.label, package)
        for each in objects(result, "Vulnerabilities"):
            vulnerability = _vulnerability(each)
            found.setdefault((vulnerability.id, vulnerability.package), vulnerability)
    return Report(packages=tuple(packages.values()), found=tuple(found.values()))


def _digests(document: Mapping[str, Any]) -> list[str]:
    metadata = document.get("Metadata")
    named = metadata.get("RepoDigests") if isinstance(metadata, dict) else None
    return [str(each).partition("@")[2] for each in named] if isinstance(named, list) else []


def _package(each: Mapping[str, Any], key: str, name: str, version: str) -> Package:
    identifier = each.get(key)
    locator = identifier.get("PURL") if isinstance(identifier, dict) else None
    if isinstance(locator, str) and locator:
        return package_at(locator, version)
    return Package(label=f"{name}@{version}" if version else name)


def _vulnerability(each: Mapping[str, Any]) -> Vulnerability:
    name, version = text(each, "PkgName"), text(each, "InstalledVersion", needed=False)
    vendors = each.get("VendorIDs")
    aliases = vendors if isinstance(vendors, list) else []
    source = each.get("DataSource")
    title = text(each, "Title", needed=False)
    fixed = text(each, "FixedVersion", needed=False)
    return Vulnerability(
        id=text(each, "VulnerabilityID"),
        aliases=tuple(sorted(alias for alias in aliases if isinstance(alias, str))),
        package=_package(each, "PkgIdentifier", name, version).label,
        severity=severity(each.get("Severity")),
        fixed=tuple(part.strip() for part in fixed.split(",") if part.strip()),
        summary=title if len(title) <= _SHOWN else title[: _SHOWN - 1] + "…",
        installed=version,
        source=str(source.get("Name", "")) if isinstance(source, dict) else "",
    )
