"""The ledger: what happened, in order, hash-chained and signed; and who may act now."""

from sluiceway.ledger.damage import begun
from sluiceway.ledger.records import Entry, Lease
from sluiceway.ledger.store import Ledger

__all__ = ["Entry", "Lease", "Ledger", "begun"]
