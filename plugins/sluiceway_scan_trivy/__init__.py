"""Vulnerabilities by trivy: of an image by its digest, of its SBOM, or of a source tree."""

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
    """Let trivy look at the image (or at the SBOM); what of the SBOM it did not see is uncovered."""
    from sluiceway_scan_trivy.scanning import scan

    return scan(project, image, sbom, settings)


@hookimpl
def sluiceway_scan_tree(project: Project, folder: Path, settings: Mapping[str, Any]) -> Scan:
    """Let trivy look at a source tree; a tree in which it recognises nothing is NO_DATA."""
    from sluiceway_scan_trivy.scanning import scan_tree

    return scan_tree(project, folder, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Look for the program and its database, and say how old that is."""
    from sluiceway_scan_trivy.scanning import examine

    return examine(project, settings)
