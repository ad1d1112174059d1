"""Packages as an SPDX 2.3 document about one image digest; the same image gives the same bytes.

Source: SPDX specification 2.3, "Document creation information", "Package information" and
"Relationships between SPDX elements information".
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from packageurl import PackageURL

from sluiceway import __version__
from sluiceway.model import Image, Maker, Sbom, parse_time
from sluiceway_sbom_catalogue.packages import Package

__all__ = ["document"]

_NAMESPACE = uuid.UUID("6a3b6a52-7a2c-5f0e-9d84-0c8f5b1a7f11")
_TOOL = "sluiceway-catalogue"
_UNKNOWN = "NOASSERTION"


def document(service: str, image: Image, created: str, packages: Sequence[Package]) -> Sbom:
    """Return the document; its DESCRIBES package carries the image digest as SHA256 checksum."""
    hexadecimal = image.digest.removeprefix("sha256:")
    listed = [_image(service, image)]
    relationships = [_relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image")]
    for number, package in enumerate(packages, 1):
        identifier = f"SPDXRef-Package-{number}"
        listed.append(_package(identifier, package))
        kind = "DEPENDS_ON" if package.declared else "CONTAINS"
        relationships.append(_relation("SPDXRef-Image", kind, identifier))
    body: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{service} {image.digest}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(_NAMESPACE, hexadecimal)}",
        "creationInfo": {
            "created": _whole_seconds(created),
            "creators": [f"Tool: {_TOOL}-{__version__}"],
        },
        "packages": listed,
        "relationships": relationships,
    }
    return Sbom(
        document=body,
        subject=image.digest,
        packages=len(packages),
        maker=Maker(plugin="sbom-catalogue", tool=_TOOL, version=__version__),
    )


def _image(service: str, image: Image) -> dict[str, Any]:
    name = image.repository.rpartition("/")[2]
    purl = PackageURL("oci", None, name, image.digest, {"repository_url": image.repository})
    return {
        "SPDXID": "SPDXRef-Image",
        "name": service,
        "versionInfo": image.digest,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [
            {"algorithm": "SHA256", "checksumValue": image.digest.removeprefix("sha256:")}
        ],
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
        "externalRefs": [_purl(purl.to_string())],
    }


def _package(identifier: str, package: Package) -> dict[str, Any]:
    body: dict[str, Any] = {
        "SPDXID": identifier,
        "name": package.name,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        # Licences are declared in free words more often than as SPDX expressions: kept as a comment.
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
        "sourceInfo": f"found in /{package.source}",
        "externalRefs": [_purl(package.purl)],
    }
    if package.declared:
        body["comment"] = f"Declared in /{package.source}; not found installed."
    if package.version:
        body["versionInfo"] = package.version
    if package.licence:
        body["licenseComments"] = f"declared as: {package.licence}"
    return body


def _purl(text: str) -> dict[str, str]:
    return {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": text,
    }


def _relation(element: str, kind: str, related: str) -> dict[str, str]:
    return {
        "spdxElementId": element,
        "relationshipType": kind,
        "relatedSpdxElement": related,
    }


def _whole_seconds(text: str) -> str:
    """Return a moment as SPDX wants it: UTC, no fraction. One that is none is 1970's beginning."""
    try:
        return parse_time(text).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return "1970-01-01T00:00:00Z"
