"""What an SPDX document says is inside an image, and what it says it could not read. Pure.

Source: SPDX 2.3, "Package information" (``externalRefs``), "Annotations" and "Relationships".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sluiceway.scans.identity import key_of

__all__ = ["GAP", "gaps_of", "packages_of"]

GAP = "not inventoried: "
"""How an annotation of the document begins that names something of the image left out of it."""


def packages_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the packages inside, each once: its package URL, or its name when it has none.

    Left out is what stands for an image (``pkg:oci``, ``pkg:docker``) and what the document
    DESCRIBES when that has no package URL: these are the subject, not something inside.
    """
    described = set(_described(document))
    found: dict[str, None] = {}
    for package in _objects(document, "packages"):
        locators = [
            str(reference.get("referenceLocator", ""))
            for reference in _objects(package, "externalRefs")
            if reference.get("referenceType") == "purl"
        ]
        for locator in locators:
            if not key_of(locator).is_image:
                found.setdefault(locator)
        if not locators and package.get("SPDXID") not in described:
            found.setdefault(str(package.get("name") or package.get("SPDXID") or "unnamed"))
    return tuple(found)


def gaps_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the document's maker saw in the image and could not list, sorted."""
    comments = (str(note.get("comment", "")) for note in _objects(document, "annotations"))
    return tuple(sorted({text.removeprefix(GAP) for text in comments if text.startswith(GAP)}))


def _described(document: Mapping[str, Any]) -> Iterator[Any]:
    listed = document.get("documentDescribes")
    yield from listed if isinstance(listed, list) else ()
    for relation in _objects(document, "relationships"):
        if relation.get("relationshipType") == "DESCRIBES":
            yield relation.get("relatedSpdxElement")


def _objects(place: Mapping[str, Any], key: str) -> Iterator[dict[str, Any]]:
    items = place.get(key)
    yield from (item for item in items if isinstance(item, dict)) if isinstance(items, list) else ()
