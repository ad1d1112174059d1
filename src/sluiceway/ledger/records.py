"""What the ledger keeps, as records, and how they are hashed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import canonical, digest_of, parse_time, to_json
from sluiceway.record import Record

__all__ = ["Entry", "Lease", "as_hashed", "entry_of"]


class Entry(Record):
    """One line of history. Everything but :attr:`hash` and :attr:`signature` is hashed."""

    seq: int
    key: str
    """Unique; appending the same key again changes nothing (a step repeated after a crash)."""
    at: datetime
    kind: str
    """``release``, ``decision``, ``deployed``, ``canary``, ``rolled-back``, ``approval``, ``run``."""
    run: str
    service: str
    environment: str
    digest: str
    actor: str
    body: Mapping[str, Any]
    previous: str
    """Hash of the entry before."""
    hash: str
    signature: str
    """Ed25519 over the hash by this ledger's key, base64."""


class Lease(Record):
    """The right to act on one name (``<service>/<route>``) until it expires."""

    name: str
    run: str
    holder: str
    token: int
    """Rises with every new holder; effects carry it as their fence."""
    expires: datetime


def entry_of(row: Any) -> Entry:
    """Return the entry that *row* of the table is, or say that somebody wrote over it."""
    try:
        at, body = parse_time(row["at"]), json.loads(row["body"])
    except (ValueError, TypeError, AttributeError) as error:
        raise ActionFailed(
            f"entry {row['seq']} of the ledger cannot be read: it was changed after it was written",
            means="What it says cannot be relied on, so nothing is decided from it.",
            remedy="Restore the ledger from a backup.",
            code="ledger.broken",
        ) from error
    return Entry(
        seq=row["seq"],
        key=row["key"],
        at=at,
        kind=row["kind"],
        run=row["run"],
        service=row["service"],
        environment=row["environment"],
        digest=row["digest"],
        actor=row["actor"],
        body=body,
        previous=row["previous"],
        hash=row["hash"],
        signature=row["signature"],
    )


def as_hashed(entry: Entry) -> bool:
    """Say whether *entry* is what its hash was made of."""
    try:
        return digest_of(_content(entry)) == entry.hash
    except ValueError:  # a number that no JSON of ours has
        return False


def _content(entry: Entry) -> dict[str, Any]:
    content = to_json(entry)
    del content["hash"], content["signature"]
    content["body"] = canonical(entry.body).decode()
    return dict(content)
