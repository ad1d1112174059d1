"""Packages as an SPDX 2.3 document about one image digest; the same image gives the same bytes.

Source: SPDX specification 2.3, "Document creation information", "Package information" and
"Relationships between SPDX elements information".
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from packageurl import PackageURL

from sluiceway import __version__, scans
from sluiceway.model import Image, Maker, Sbom, parse_time
from sluiceway_sbom_catalogue.files import Content
from sluiceway_sbom_catalogue.gaps import gaps_in
from sluiceway_sbom_catalogue.packages import Package, find

__all__ = ["document"]

_NAMESPACE = uuid.UUID("6a3b6a52-7a2c-5f0e-9d84-0c8f5b1a7f11")
_IMAGE = "SPDXRef-Image"
_TOOL = "sluiceway-catalogue"
_UNKNOWN = "NOASSERTION"


def document(service: str, image: Image, contents: Sequence[Content]) -> Sbom:
    """Return the document; its DESCRIBES package carries the image digest as SHA256 checksum.

    An index is described as one image that contains each platform's image, and each of these its
    packages. What was seen and cannot be listed stands in an annotation.
    """
    created = _whole_seconds(max(content.created for content in contents))
    inside = [find(content.files) for content in contents]
    every = sorted({package for packages in inside for package in packages})
    names = {package: f"SPDXRef-Package-{number}" for number, package in enumerate(every, 1)}
    listed = [_image(_IMAGE, service, image, image.digest, "")]
    relationships = [_relation("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE)]
    gaps: dict[str, None] = {}
    for number, (content, packages) in enumerate(zip(contents, inside, strict=True), 1):
        holder = _IMAGE
        if content.digest != image.digest:
            holder = f"{_IMAGE}-{number}"
            listed.append(_image(holder, service, image, content.digest, content.platform))
            relationships.append(_relation(_IMAGE, "CONTAINS", holder))
        for package in packages:
            kind = "DEPENDS_ON" if package.declared else "CONTAINS"
            relationships.append(_relation(holder, kind, names[package]))
        where = f" in the image for {content.platform}" if content.platform else ""
        gaps.update((f"{scans.GAP}{gap}{where}", None) for gap in gaps_in(content.files))
    tool = f"Tool: {_TOOL}-{__version__}"
    body: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{service} {image.digest}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{image.digest} {__version__}')}",
        "creationInfo": {"created": created, "creators": [tool]},
        "packages": [*listed, *(_package(names[package], package) for package in every)],
        "relationships": relationships,
    }
    if gaps:
        body["annotations"] = [
            {
                "annotationDate": created,
                "annotationType": "OTHER",
                "annotator": tool,
                "comment": gap,
            }
            for gap in sorted(gaps)
        ]
    return Sbom(
        document=body,
        subject=image.digest,
        packages=len(every),
        maker=Maker(plugin="sbom-catalogue", tool=_TOOL, version=__version__),
    )


def _image(
    identifier: str, service: str, image: Image, digest: str, platform: str
) -> dict[str, Any]:
    name = image.repository.rpartition("/")[2]
    qualifiers = {"repository_url": image.repository}
    purl = PackageURL("oci", None, name, digest, qualifiers)
    return {
        "SPDXID": identifier,
        "name": f"{service} {platform}".rstrip(),
        "versionInfo": digest,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest.removeprefix("sha256:")}],
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
