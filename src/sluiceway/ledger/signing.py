"""The ledger's own Ed25519 key: made on first use, mode 0600, used for every entry."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sluiceway.errors import ActionFailed

__all__ = ["LedgerKey"]


class LedgerKey:
    """Signs and verifies entry hashes."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._public = private.public_key()

    @classmethod
    def load_or_create(cls, folder: Path, *, begun: bool) -> LedgerKey:
        """Return the key of the state folder; two first users end with the same one.

        A ledger that has *begun* has a key: without it, making another would only hide the loss.
        """
        path = folder / "ledger.key"
        if not path.exists() and begun:
            raise ActionFailed(
                f"{path} is missing, and the ledger beside it has entries",
                means="They can no longer be checked, and new ones not be signed by the same key.",
                remedy="Restore the key from a backup, or move ledger.db away to begin a new history.",
                code="ledger.key",
            )
        if not path.exists():
            (folder / "ledger.head").unlink(missing_ok=True)  # of the history that was moved away
            body = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            draft = folder / f".ledger.key.{os.getpid()}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)  # fails when another process was first: then theirs is it
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise ActionFailed(
                f"{path} cannot be read as a key: {error}",
                means="Entries of the ledger cannot be signed or checked without it.",
                remedy="Restore it from a backup.",
                code="ledger.key",
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ActionFailed(
                f"{path} is not an Ed25519 key",
                means="It is not the key that this ledger was begun with.",
                remedy="Restore it from a backup.",
                code="ledger.key",
            )
        return cls(key)

    def sign(self, text: str) -> str:
        """Return the base64 signature over *text*."""
        return base64.b64encode(self._private.sign(text.encode())).decode()

    def verify(self, text: str, signature: str) -> bool:
        """Say whether *signature* is this key's over *text*."""
        try:
            self._public.verify(base64.b64decode(signature, validate=True), text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True
