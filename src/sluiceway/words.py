"""Words that sentences everywhere are made of. Pure."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, one: str, many: str = "") -> str:
    """Return ``1 package``, ``2 packages``; *many* is the plural where it is not *one* with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
