"""Vulnerabilities by grype, of an image's SBOM, on a database that is on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, Image, Project, Registry, Sbom, Scan

__all__: list[str] = []


@hookimpl
def sluiceway_scan(
    project: Project, image: Image, sbom: Sbom, registry: Registry, settings: Mapping[str, Any]
) -> Scan:
    """Let grype compare the SBOM with its database; what that does not know is uncovered."""
    from sluiceway_scan_grype.scanning import scan

    return scan(project, image, sbom, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Look for the program and its database, and say how old that is."""
    from sluiceway_scan_grype.scanning import examine

    return examine(project, settings)
