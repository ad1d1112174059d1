"""What the ledger says about an environment: what it holds, since when, what was there before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sluiceway.config import BUILD
from sluiceway.ledger import Entry, Ledger

__all__ = ["SERVING", "current", "held_since", "previous", "resting"]

SERVING = ("deployed", "rolled-back")
"""Kinds of entries after which an environment serves :attr:`~sluiceway.ledger.Entry.digest`."""


def current(ledger: Ledger, service: str, environment: str) -> Entry | None:
    """Return the entry that made *environment* hold what it holds now."""
    entries = ledger.entries(
        kinds=SERVING, service=service, environment=environment, newest_first=True, limit=1
    )
    return entries[0] if entries and entries[0].digest else None


def held_since(ledger: Ledger, service: str, environment: str, digest: str) -> datetime | None:
    """Return since when *environment* has held *digest* without interruption, or ``None``.

    A canary that failed is an interruption: its tag named another digest meanwhile. Bringing the
    same digest there again is none. A build is held since its first release: it keeps a tag of its
    own, whatever is built after it.
    """
    if environment == BUILD:
        released = ledger.entries(kinds=("release",), service=service, digest=digest, limit=1)
        return released[0].at if released else None
    since: datetime | None = None
    for entry in ledger.entries(
        kinds=SERVING, service=service, environment=environment, newest_first=True
    ):
        if entry.digest != digest:
            break
        since = entry.at
        if entry.body.get("previous", "") != digest:
            break
    return since


def previous(ledger: Ledger, service: str, environment: str) -> str:
    """Return the digest that served before the current one came, or ``""``.

    Arrivals are a stack, and a rollback takes off what it went back over, so that rolling back
    twice goes back two releases rather than to and fro.
    """
    served: list[str] = []
    for entry in ledger.entries(kinds=SERVING, service=service, environment=environment):
        if entry.kind == "rolled-back":
            while served and served[-1] != entry.digest:
                served.pop()
        if entry.digest and served[-1:] != [entry.digest]:
            served.append(entry.digest)
    return served[-2] if len(served) > 1 else ""


def resting(ledger: Ledger, service: str, environment: str, digest: str) -> list[dict[str, Any]]:
    """Return the waivers that *digest*'s last promotion into *environment* rested on."""
    entries = ledger.entries(
        kinds=("decision",),
        service=service,
        environment=environment,
        digest=digest,
        newest_first=True,
    )
    for entry in entries:
        decision = entry.body["decision"]
        if decision["allow"] and decision["gate"] == "promotion":
            waived = [each["waived"] for each in decision["findings"] if each.get("waived")]
            return list({str(each): each for each in waived}.values())
    return []
