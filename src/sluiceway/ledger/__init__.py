"""The ledger: what happened, in order, hash-chained and signed; and who may act now."""

from sluiceway.ledger.store import Entry, Lease, Ledger

__all__ = ["Entry", "Lease", "Ledger"]
