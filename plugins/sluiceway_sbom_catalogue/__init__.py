"""The inventory that needs no tool: packages inside an image, as SPDX 2.3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.config.settings import take
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, CheckStatus, Image, Project, Registry, Sbom

__all__ = ["sluiceway_doctor", "sluiceway_sbom"]

_NAME = "sbom-catalogue"
_DEFAULTS: Mapping[str, Any] = {"largest_layer_megabytes": 4096}


@hookimpl
def sluiceway_sbom(
    project: Project, image: Image, registry: Registry, settings: Mapping[str, Any]
) -> Sbom:
    """Read the image's layers and list the packages that its file system ends with."""
    from sluiceway_sbom_catalogue.files import read_image
    from sluiceway_sbom_catalogue.spdx import document

    chosen = take(settings, _NAME, _DEFAULTS)
    contents = read_image(registry, image, chosen["largest_layer_megabytes"] << 20)
    return document(project.service, image, contents)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Check the settings and say what is recognised."""
    take(settings, _NAME, _DEFAULTS)
    detail = "recognises Python, npm, Debian, Alpine and Go packages; needs no tool"
    return [Check(name=_NAME, status=CheckStatus.OK, detail=detail)]
