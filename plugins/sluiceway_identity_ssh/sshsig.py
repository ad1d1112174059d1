"""The SSH signature format (OpenSSH, PROTOCOL.sshsig), as ``ssh-keygen -Y`` makes and reads it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable

from sluiceway.record import Record
from sluiceway_identity_ssh.keys import PublicKey
from sluiceway_identity_ssh.wire import Malformed, Reader, string, uint32

__all__ = ["NAMESPACE", "Signature", "make", "read"]

NAMESPACE = "sluiceway"
"""What our signatures are for: one made for git or for a file is not one for a release."""

_MAGIC = b"SSHSIG"
_VERSION = 1
_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_HASHES = ("sha512", "sha256")
_LONGEST = 1 << 16
_WIDTH = 70


class Signature(Record):
    """A parsed signature; nothing about it is verified yet."""

    key: PublicKey
    namespace: str
    reserved: bytes
    hash_name: str
    value: bytes
    """``string algorithm, string value``."""

    def verifies(self, message: bytes) -> bool:
        """Say whether the key that the signature names made it over *message*."""
        data = _signed_data(self.namespace, self.reserved, self.hash_name, message)
        return self.key.verifies(self.value, data)


def make(key: PublicKey, sign: Callable[[bytes], bytes], message: bytes) -> str:
    """Return the armoured signature over *message* in our namespace.

    Args:
        key: The public half of what signs.
        sign: Returns ``string algorithm, string value`` over the bytes it is given.
        message: What is signed; the signature covers its SHA-512.
    """
    value = sign(_signed_data(NAMESPACE, b"", _HASHES[0], message))
    blob = b"".join(
        (
            _MAGIC,
            uint32(_VERSION),
            string(key.blob),
            string(NAMESPACE.encode()),
            string(b""),
            string(_HASHES[0].encode()),
            string(value),
        )
    )
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
    return "\n".join((_BEGIN, *lines, _END, ""))


def read(armoured: str) -> Signature:
    """Parse an armoured signature; :class:`Malformed` says what is wrong with it."""
    reader = Reader(_unarmoured(armoured))
    if reader.take(len(_MAGIC)) != _MAGIC:
        msg = "it does not begin with SSHSIG"
        raise Malformed(msg)
    version = reader.uint32()
    if version != _VERSION:
        msg = f"it has version {version}, and only {_VERSION} is known"
        raise Malformed(msg)
    key = PublicKey.from_blob(reader.string())
    namespace, reserved, hash_name = reader.text(), reader.string(), reader.text()
    value = reader.string()
    reader.end()
    if hash_name not in _HASHES:
        msg = f"its hash {hash_name[:20]!r} is not one of {', '.join(_HASHES)}"
        raise Malformed(msg)
    return Signature(
        key=key, namespace=namespace, reserved=reserved, hash_name=hash_name, value=value
    )


def _unarmoured(armoured: str) -> bytes:
    if len(armoured) > _LONGEST:
        msg = f"it is longer than {_LONGEST} characters"
        raise Malformed(msg)
    text = armoured.strip()
    if not text.startswith(_BEGIN) or not text.endswith(_END):
        msg = f"it is not between {_BEGIN!r} and {_END!r}"
        raise Malformed(msg)
    body = "".join(text.removeprefix(_BEGIN).removesuffix(_END).split())
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        msg = "it is not base64"
        raise Malformed(msg) from None


def _signed_data(namespace: str, reserved: bytes, hash_name: str, message: bytes) -> bytes:
    return b"".join(
        (
            _MAGIC,
            string(namespace.encode()),
            string(reserved),
            string(hash_name.encode()),
            string(hashlib.new(hash_name, message).digest()),
        )
    )
