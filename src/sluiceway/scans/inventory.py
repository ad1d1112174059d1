"""What an SPDX document says is inside an image, and what it says it could not read. Pure.

Source: SPDX 2.3, "Annotations"; for packages see :mod:`sluiceway.scanning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway import scanning

__all__ = ["GAP", "gaps_of", "packages_of"]

GAP = "not inventoried: "
"""How an annotation of the document begins that names something of the image left out of it."""


def packages_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the packages inside, each once: its package URL, or its name when it has none.

    A document without a list of packages has none.
    """
    try:
        return tuple(package.label for package in scanning.packages_of(document))
    except ValueError:
        return ()


def gaps_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the document's maker saw in the image and could not list, sorted."""
    notes = document.get("annotations")
    comments = [
        str(note.get("comment", ""))
        for note in (notes if isinstance(notes, list) else ())
        if isinstance(note, Mapping)
    ]
    return tuple(sorted({text.removeprefix(GAP) for text in comments if text.startswith(GAP)}))
