"""What the ledger says about an environment: what it holds, since when, what was there before."""

from __future__ import annotations

from sluiceway.ledger import Entry, Ledger

__all__ = ["SERVING", "current", "previous"]

SERVING = ("deployed", "rolled-back")
"""Kinds of entries after which an environment serves :attr:`~sluiceway.ledger.Entry.digest`."""


def current(ledger: Ledger, service: str, environment: str) -> Entry | None:
    """Return the entry that made *environment* hold what it holds now."""
    entries = ledger.entries(
        kinds=SERVING, service=service, environment=environment, newest_first=True, limit=1
    )
    return entries[0] if entries and entries[0].digest else None


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
