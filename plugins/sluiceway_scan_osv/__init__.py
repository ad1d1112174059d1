"""Vulnerabilities by OSV-format advisories on disk, matched to the SBOM by package URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, Image, Project, Registry, Sbom, Scan

__all__: list[str] = []


@hookimpl
def sluiceway_scan(
    project: Project, image: Image, sbom: Sbom, registry: Registry, settings: Mapping[str, Any]
) -> Scan:
    """Compare the SBOM's packages with the advisories; without any of these it is NO_DATA."""
    from sluiceway_scan_osv.scanning import scan

    return scan(project, image, sbom, settings)


@hookimpl
def sluiceway_scan_tree(project: Project, folder: Path, settings: Mapping[str, Any]) -> Scan:
    """Compare what lock files pin with the advisories; nothing that is understood is NO_DATA."""
    from sluiceway_scan_osv.scanning import scan_tree

    return scan_tree(project, folder, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Say which ecosystems have advisories here, and how to get some."""
    from sluiceway_scan_osv.scanning import examine

    return examine(project, settings)
