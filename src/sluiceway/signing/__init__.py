"""What lies beside an image to vouch for it: signatures and attestations, as formats.

Signing plugins share this room, so that each of them reads and writes the same two stores (the
tags ``sha256-<hex>.sig`` and ``.att``, and bundles as OCI 1.1 referrers) and judges what it finds
alike. Who is trusted, and where keys come from, is theirs; importing any of it is cheap.
"""

from __future__ import annotations

from sluiceway.signing.dsse import MalformedError
from sluiceway.signing.found import SIGNATURE, Found

__all__ = ["SIGNATURE", "Found", "MalformedError"]
