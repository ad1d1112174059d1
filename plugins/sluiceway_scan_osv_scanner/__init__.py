"""Vulnerabilities by osv-scanner, offline: of an image's SBOM or of a source tree."""

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
    """Let osv-scanner compare the SBOM with the advisories on disk, without a network."""
    from sluiceway_scan_osv_scanner.scanning import scan

    return scan(project, image, sbom, settings)


@hookimpl
def sluiceway_scan_tree(project: Project, folder: Path, settings: Mapping[str, Any]) -> Scan:
    """Let osv-scanner look at a source tree; a tree in which it finds no package is NO_DATA."""
    from sluiceway_scan_osv_scanner.scanning import scan_tree

    return scan_tree(project, folder, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Look for the program and for advisories."""
    from sluiceway_scan_osv_scanner.scanning import examine

    return examine(project, settings)
