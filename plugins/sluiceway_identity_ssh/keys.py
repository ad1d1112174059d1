"""Public keys, and what their signatures look like (RFC 4253, 5656, 8332, 8709)."""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from sluiceway.record import Record
from sluiceway_identity_ssh.wire import Malformed, Reader, mpint, string

__all__ = ["KINDS", "PrivateKey", "PublicKey", "sign", "unsupported"]

KINDS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
"""Key types that are understood, in order of preference."""

_CURVE_HASHES: dict[str, hashes.HashAlgorithm] = {
    "ecdsa-sha2-nistp256": hashes.SHA256(),
    "ecdsa-sha2-nistp384": hashes.SHA384(),
    "ecdsa-sha2-nistp521": hashes.SHA512(),
}
# ssh-rsa as a signature algorithm is SHA-1: PROTOCOL.sshsig forbids it, and so do we.
_RSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
}
_SMALLEST_RSA = 2048

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class PublicKey(Record, kw_only=False):
    """A public key in SSH's own encoding."""

    kind: str
    """``ssh-ed25519``, ..."""
    blob: bytes
    """The key as in the second column of a ``.pub`` file, decoded."""

    @classmethod
    def from_blob(cls, blob: bytes) -> PublicKey:
        """Return the key in *blob*; :class:`Malformed` when it is none that is understood."""
        kind = Reader(blob).text()
        if problem := unsupported(kind):
            raise Malformed(problem)
        key = cls(kind, blob)
        key._parsed()
        return key

    @classmethod
    def from_line(cls, line: str) -> PublicKey:
        """Return the key of a ``.pub`` file's line, ``<kind> <base64> [comment]``."""
        words = line.split()
        if len(words) < 2:  # noqa: PLR2004 - kind and key
            msg = "it is not '<type> <base64>'"
            raise Malformed(msg)
        if problem := unsupported(words[0]):
            raise Malformed(problem)
        try:
            blob = base64.b64decode(words[1], validate=True)
        except (binascii.Error, ValueError):
            msg = "its key is not base64"
            raise Malformed(msg) from None
        key = cls.from_blob(blob)
        if key.kind != words[0]:
            msg = f"it says {words[0]} and holds a key of type {key.kind}"
            raise Malformed(msg)
        return key

    @classmethod
    def of(cls, private: PrivateKey) -> PublicKey:
        """Return the public half of *private*."""
        line = private.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        return cls.from_line(line.decode())

    @property
    def fingerprint(self) -> str:
        """``SHA256:<base64>``, as ``ssh-keygen -l`` shows it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return "SHA256:" + digest.rstrip("=")

    @property
    def line(self) -> str:
        """``<kind> <base64>``, as in a ``.pub`` file."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Say whether *signature* (``string algorithm, string value``) is this key's over *data*.

        Raises :class:`Malformed` when the signature is of another algorithm than the key's.
        """
        reader = Reader(signature)
        algorithm, value = reader.text(), reader.string()
        reader.end()
        key = self._parsed()
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                _same(algorithm, (self.kind,))
                key.verify(value, data)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                _same(algorithm, (self.kind,))
                numbers = Reader(value)
                plain = encode_dss_signature(numbers.mpint(), numbers.mpint())
                numbers.end()
                key.verify(plain, data, ec.ECDSA(_CURVE_HASHES[self.kind]))
            else:
                _same(algorithm, tuple(_RSA_HASHES))
                # OpenSSH leaves out leading zeros; PKCS #1 wants the modulus' length.
                size = (key.key_size + 7) // 8
                key.verify(
                    value.rjust(size, b"\0"), data, padding.PKCS1v15(), _RSA_HASHES[algorithm]
                )
        except InvalidSignature:
            return False
        return True

    def _parsed(
        self,
    ) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
        try:
            key = serialization.load_ssh_public_key(self.line.encode())
        except (ValueError, NotImplementedError, UnsupportedAlgorithm):
            msg = f"its {self.kind} key is damaged"
            raise Malformed(msg) from None
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < _SMALLEST_RSA:
            msg = f"its RSA key has {key.key_size} bits, fewer than {_SMALLEST_RSA}"
            raise Malformed(msg)
        if isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            return key
        msg = f"{self.kind} is not understood"
        raise Malformed(msg)


def unsupported(kind: str) -> str:
    """Say why keys of type *kind* are not used, or ``""``."""
    if kind in KINDS:
        return ""
    if kind.startswith("sk-"):
        return f"it is a FIDO key ({kind}), whose signatures are not understood yet"
    if "-cert-" in kind:
        return f"it is a certificate ({kind}); name the person's key itself"
    return f"keys of type {kind[:40]!r} are not used"


def sign(private: PrivateKey, data: bytes) -> bytes:
    """Return ``string algorithm, string value`` over *data*; RSA always with SHA-512."""
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return string(b"ssh-ed25519") + string(private.sign(data))
    if isinstance(private, rsa.RSAPrivateKey):
        value = private.sign(data, padding.PKCS1v15(), hashes.SHA512())
        return string(b"rsa-sha2-512") + string(value)
    kind = PublicKey.of(private).kind
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(_CURVE_HASHES[kind])))
    return string(kind.encode()) + string(mpint(r) + mpint(s))


def _same(algorithm: str, allowed: tuple[str, ...]) -> None:
    if algorithm not in allowed:
        msg = f"its algorithm {algorithm[:40]!r} does not belong to its key"
        raise Malformed(msg)
