"""A record as the JSON object that every page reads."""

from __future__ import annotations

from typing import Any

from sluiceway.model import to_json

__all__ = ["read"]


def read(record: Any) -> dict[str, Any]:
    """Return a record, or the JSON of one, as a JSON object."""
    document = to_json(record)
    if not isinstance(document, dict):
        msg = f"{type(record).__name__} is no record"
        raise TypeError(msg)
    return document
