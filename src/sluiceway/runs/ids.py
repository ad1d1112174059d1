"""Names of runs."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

__all__ = ["new_run_id"]


def new_run_id(kind: str) -> str:
    """Return a run id that sorts by time: ``promote-20261123T080000-3f9a1c``."""
    return f"{kind}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
