"""Sets of keywords, written as one reads them."""

from __future__ import annotations

__all__ = ["words"]


def words(text: str) -> frozenset[str]:
    """Return the words of *text*."""
    return frozenset(text.split())
