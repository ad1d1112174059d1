"""The inventory by syft: many ecosystems, made fit to be attested about one digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.config.settings import take
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, Image, Project, Registry, Sbom

__all__ = ["sluiceway_doctor", "sluiceway_sbom"]

_NAME = "sbom-syft"
_DEFAULTS: Mapping[str, Any] = {"program": "syft", "timeout_seconds": 600.0}


@hookimpl
def sluiceway_sbom(
    project: Project, image: Image, registry: Registry, settings: Mapping[str, Any]
) -> Sbom:
    """Fetch the image by its digest, have syft read it, and make the document one about it."""
    from sluiceway_sbom_syft.running import inventory

    chosen = take(settings, _NAME, _DEFAULTS)
    return inventory(project, image, registry, chosen["program"], chosen["timeout_seconds"])


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Check the settings, and that there is a syft new enough to be used."""
    from sluiceway_sbom_syft.running import examine

    return [examine(take(settings, _NAME, _DEFAULTS)["program"])]
