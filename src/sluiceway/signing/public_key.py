"""Public keys, and whether a signature is one of theirs.

Source: sigstore/cosign ``specs/SIGNATURE_SPEC.md`` and sigstore/protobuf-specs ``sigstore_common.proto``
(``PublicKeyIdentifier`` for the hint).
"""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from sluiceway.errors import ConfigurationError
from sluiceway.record import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = [
    "PublicKey",
    "Signer",
    "load_public_key",
    "public_key_from",
    "unsupported",
]

_LEAST_RSA = 2048


class PublicKey(Record, kw_only=False):
    """A key that signatures are verified with: ECDSA P-256 or P-384, or RSA from 2048 bits."""

    key: EllipticCurvePublicKey | RSAPublicKey
    pem: bytes

    @property
    def hint(self) -> str:
        """Base64 of the SHA-256 of the key's SPKI DER: what a sigstore bundle names it by."""
        return base64.b64encode(hashlib.sha256(self._der()).digest()).decode()

    @property
    def fingerprint(self) -> str:
        """``SHA256:<base64 without padding>`` of the key's SPKI DER, for people and records."""
        return "SHA256:" + self.hint.rstrip("=")

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Say whether *signature* (DER for ECDSA, PKCS #1 v1.5 for RSA) is ours over *message*."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding

        if not isinstance(self.key, ec.EllipticCurvePublicKey):
            with suppress(InvalidSignature):
                self.key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
                return True
            return False
        # cosign hashes with SHA-256 whatever the curve; sigstore's bundle clients match the curve.
        algorithms: list[hashes.HashAlgorithm] = [hashes.SHA256()]
        if self.key.curve.name == "secp384r1":
            algorithms.append(hashes.SHA384())
        for algorithm in algorithms:
            with suppress(InvalidSignature):
                self.key.verify(signature, message, ec.ECDSA(algorithm))
                return True
        return False

    def _der(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class Signer(Protocol):
    """Whatever holds a private key: a file that was opened, a token, a service."""

    @property
    def public(self) -> PublicKey:
        """The other half."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over *message*: DER for ECDSA, PKCS #1 v1.5 for RSA; SHA-256."""


def load_public_key(pem: bytes, origin: str) -> PublicKey:
    """Load a public key from PEM (``PUBLIC KEY``, SubjectPublicKeyInfo).

    Raises:
        ConfigurationError: ``sign.key-malformed`` or ``sign.key-kind``.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY-----" in pem:
        raise ConfigurationError(
            f"{origin} is a private key where a public one is asked for",
            remedy="Name the file of the public key that belongs to it.",
            code="sign.key-kind",
        )
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            f"{origin} is not a public key in PEM form",
            remedy="Name a file that begins with '-----BEGIN PUBLIC KEY-----', as cosign.pub does.",
            code="sign.key-malformed",
        ) from error
    curves = ("secp256r1", "secp384r1")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in curves:
        return public_key_from(key)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA:
        return public_key_from(key)
    raise unsupported(origin, key)


def public_key_from(key: EllipticCurvePublicKey | RSAPublicKey) -> PublicKey:
    """Return the record of *key*, its PEM made anew."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return PublicKey(key, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def unsupported(origin: str, key: Any) -> ConfigurationError:
    """Return the error that says what kind of key *key* is, and which kinds are taken."""
    curve = getattr(getattr(key, "curve", None), "name", "")
    size = getattr(key, "key_size", "")
    what = type(key).__name__.strip("_").removesuffix("PrivateKey").removesuffix("PublicKey")
    detail = f"{what} {curve or size}".strip()
    ed25519 = what == "Ed25519"
    return ConfigurationError(
        f"{origin} is a key of a kind that is not supported: {detail}",
        means="cosign signs with Ed25519ph, a variant that is not offered here."
        if ed25519
        else "Signing needs ECDSA P-256; verifying takes P-256, P-384 and RSA from 2048 bits.",
        remedy="Use an ECDSA P-256 key pair, as `invoke keys.new` and "
        "`cosign generate-key-pair` make it.",
        code="sign.key-kind",
    )
