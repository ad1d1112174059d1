"""Syft's SPDX document made fit to be evidence: about the digest, the same bytes each time. Pure.

Kept is what syft found: packages, their identifiers, licences and relationships. Left out are
files: the inventory is one of packages, and an image has tens of thousands of files. Replaced is
what is by chance or of this machine (namespace, time, the name of a temporary folder).

Source: SPDX specification 2.3, "Document creation information" and "Package information".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from packageurl import PackageURL

from sluiceway import __version__, scans
from sluiceway.errors import ActionFailed
from sluiceway.model import Image, Maker, Sbom, canonical, parse_time

__all__ = ["fit"]

_NAMESPACE = uuid.UUID("b1d3c2f8-3f0a-5c55-8f0e-5a0e3b1f6d27")
_DOCUMENT, _IMAGE = "SPDXRef-DOCUMENT", "SPDXRef-Image"
_LICENCES = "hasExtractedLicensingInfos"
_ABOUT_FILES = ("hasFiles", "packageVerificationCode", "licenseInfoFromFiles")


def fit(service: str, image: Image, document: Any, created: str, version: str) -> Sbom:
    """Return *document* as an inventory of *image*.

    Args:
        service: The service's name.
        image: What the document must be about.
        document: What syft printed, as JSON data.
        created: When the image says it was created (RFC 3339), or anything else.
        version: Of syft.

    Raises:
        ActionFailed: ``sbom.syft-output`` or ``sbom.other-image``.
    """
    packages = _objects(document, "packages", image)
    relations = _objects(document, "relationships", image)
    if document.get("spdxVersion") != "SPDX-2.3":
        raise _unusable(image, f"it is {document.get('spdxVersion')!r}, not 'SPDX-2.3'")
    root = _described(packages, relations, image)
    inside = sorted(
        (_package(each, image) for each in packages if each["SPDXID"] != root), key=canonical
    )
    known = {_IMAGE, _DOCUMENT, *(each["SPDXID"] for each in inside)}
    if len(known) != len(inside) + 2:
        raise _unusable(image, "two of its elements have one identifier")
    body: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": f"{service} {image.digest}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{image.digest} {version}')}",
        "creationInfo": {
            "created": _whole_seconds(created),
            "creators": [f"Tool: syft-{version}", f"Tool: sluiceway-{__version__}"],
        },
        "packages": [_image(service, image), *inside],
        "relationships": _relations(relations, root, known),
    }
    if isinstance(document.get(_LICENCES), list):  # the texts behind LicenseRef-... of packages
        body[_LICENCES] = sorted(document[_LICENCES], key=canonical)
    listed = document["creationInfo"].get("licenseListVersion") if _has_creation(document) else None
    if isinstance(listed, str):
        body["creationInfo"]["licenseListVersion"] = listed
    return Sbom(
        document=body,
        subject=image.digest,
        packages=len(scans.packages_of(body)),
        maker=Maker(plugin="sbom-syft", tool="syft", version=version),
    )


def _described(
    packages: list[dict[str, Any]], relations: list[dict[str, Any]], image: Image
) -> str:
    """Return the identifier of what the document describes, which must be this very image."""
    described = {
        each.get("relatedSpdxElement")
        for each in relations
        if each.get("relationshipType") == "DESCRIBES" and each.get("spdxElementId") == _DOCUMENT
    }
    roots = [each for each in packages if each["SPDXID"] in described]
    if len(roots) != 1:
        raise _unusable(image, f"it describes {len(roots)} packages instead of the one image")
    checksums = roots[0].get("checksums")
    digests = [
        f"sha256:{each.get('checksumValue')}"
        for each in (checksums if isinstance(checksums, list) else ())
        if isinstance(each, Mapping) and each.get("algorithm") == "SHA256"
    ]
    if digests != [image.digest]:
        raise ActionFailed(
            f"syft's document is about {', '.join(digests) or 'no digest'}, not {image.digest}",
            means="An inventory of another image says nothing about this one.",
            remedy="Run `invoke sbom` again; if it persists, try another version of syft.",
            code="sbom.other-image",
        )
    return str(roots[0]["SPDXID"])


def _package(package: Mapping[str, Any], image: Image) -> dict[str, Any]:
    kept = {key: value for key, value in package.items() if key not in _ABOUT_FILES}
    kept["filesAnalyzed"] = False
    references = package.get("externalRefs", [])
    if not isinstance(references, list) or not all(isinstance(each, dict) for each in references):
        raise _unusable(image, f"{package['SPDXID']} has references that are not objects")
    name = str(package.get("name", ""))
    kept["externalRefs"] = sorted((_reference(each, name) for each in references), key=canonical)
    if not kept["externalRefs"]:
        del kept["externalRefs"]
    return kept


def _reference(reference: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the reference with its package URL in canonical form; one that is none, as it is.

    Of a Go module whose path ends in ``/v2`` or has more than three parts, syft puts the end into
    the subpath; a module is what the whole path names (purl's type ``golang``), as scanners have it.
    """
    if reference.get("referenceType") != "purl":
        return dict(reference)
    try:
        purl = PackageURL.from_string(str(reference.get("referenceLocator", "")))
    except ValueError:
        return dict(reference)
    if purl.type == "golang" and purl.subpath:
        namespace, _, last = name.rpartition("/")
        if name.casefold() == f"{purl.namespace}/{purl.name}/{purl.subpath}".casefold():
            purl = PackageURL(
                "golang", namespace, last, purl.version, purl.qualifiers, subpath=None
            )
    return {**reference, "referenceLocator": purl.to_string()}


def _image(service: str, image: Image) -> dict[str, Any]:
    name = image.repository.rpartition("/")[2]
    purl = PackageURL("oci", None, name, image.digest, {"repository_url": image.repository})
    return {
        "SPDXID": _IMAGE,
        "name": service,
        "versionInfo": image.digest,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [
            {"algorithm": "SHA256", "checksumValue": image.digest.removeprefix("sha256:")}
        ],
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl.to_string(),
            }
        ],
    }


def _relations(relations: list[dict[str, Any]], root: str, known: set[str]) -> list[dict[str, Any]]:
    """Return the relations between what is kept, under its new names, each once."""
    new_names = {root: _IMAGE}
    found: dict[bytes, dict[str, Any]] = {}
    for each in relations:
        renamed = {
            **each,
            **{
                end: new_names.get(str(each.get(end)), str(each.get(end)))
                for end in ("spdxElementId", "relatedSpdxElement")
            },
        }
        if {renamed["spdxElementId"], renamed["relatedSpdxElement"]} <= known:
            found[canonical(renamed)] = renamed
    return [found[key] for key in sorted(found)]


def _objects(document: Any, key: str, image: Image) -> list[dict[str, Any]]:
    items = document.get(key) if isinstance(document, dict) else None
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise _unusable(image, f"it has no list of {key}")
    if key == "packages" and not all(isinstance(each.get("SPDXID"), str) for each in items):
        raise _unusable(image, "a package has no identifier")
    return items


def _has_creation(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("creationInfo"), dict)


def _whole_seconds(text: str) -> str:
    """Return a moment as SPDX wants it: UTC, no fraction. One that is none is 1970's beginning."""
    try:
        return parse_time(text).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return "1970-01-01T00:00:00Z"


def _unusable(image: Image, reason: str) -> ActionFailed:
    return ActionFailed(
        f"syft's document about {image} cannot be used: {reason}",
        remedy="Run `invoke sbom` again; if it persists, try another version of syft.",
        code="sbom.syft-output",
    )
