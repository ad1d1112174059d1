"""How quickly a rollback was promised, and how quickly it came: measured on every run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sluiceway.model import rfc3339

__all__ = ["AUTOMATIC", "BY_HAND", "kept"]

AUTOMATIC, BY_HAND = "automatic", "by-hand"
_SECONDS = {AUTOMATIC: 120.0, BY_HAND: 600.0}


def kept(kind: str, since: datetime, served: datetime) -> dict[str, Any]:
    """Return how a rollback kept its promise.

    Args:
        kind: :data:`AUTOMATIC`, counted from the first bad look of the streak that decided (or the
            look that decided, where no streak did), or :data:`BY_HAND`, counted from the request.
        since: That moment.
        served: When the previous digest was read back at 100 %.

    Returns:
        ``{"kind", "since", "served_at", "seconds", "limit_seconds", "kept"}``.
    """
    seconds = max((served - since).total_seconds(), 0.0)
    return {
        "kind": kind,
        "since": rfc3339(since),
        "served_at": rfc3339(served),
        "seconds": round(seconds, 3),
        "limit_seconds": _SECONDS[kind],
        "kept": seconds < _SECONDS[kind],
    }
