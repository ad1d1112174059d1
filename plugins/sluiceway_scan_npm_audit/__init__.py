"""Vulnerabilities by `npm audit`: what the lock file pins, asked of the npm registry."""

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
    """Audit the service's lock file; what of the SBOM is not pinned there is uncovered."""
    from sluiceway_scan_npm_audit.scanning import scan

    return scan(project, image, sbom, settings)


@hookimpl
def sluiceway_scan_tree(project: Project, folder: Path, settings: Mapping[str, Any]) -> Scan:
    """Audit every lock file of a source tree; a tree without one is NO_DATA."""
    from sluiceway_scan_npm_audit.scanning import scan_tree

    return scan_tree(project, folder, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Look for npm and for the lock file. The registry is not asked."""
    from sluiceway_scan_npm_audit.scanning import examine

    return examine(project, settings)
