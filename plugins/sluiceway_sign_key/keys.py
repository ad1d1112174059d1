"""Key pairs in cosign's format: make, load, sign, verify.

Source: sigstore/cosign ``specs/SIGNATURE_SPEC.md`` and ``pkg/cosign/keys.go``; the encrypted form
is that of go-securesystemslib's ``encrypted`` package: scrypt, then NaCl secretbox.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigurationError
from sluiceway_sign_key.dsse import MalformedError, decoded

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = [
    "PRIVATE_NAME",
    "PUBLIC_NAME",
    "PrivateKey",
    "PublicKey",
    "generate_key_pair",
    "load_private_key",
    "load_public_key",
]

PRIVATE_NAME, PUBLIC_NAME = "cosign.key", "cosign.pub"

_WRITTEN = "ENCRYPTED SIGSTORE PRIVATE KEY"
_READ = (_WRITTEN, "ENCRYPTED COSIGN PRIVATE KEY")
_COSTS = ((32768, 8, 1), (65536, 8, 1), (131072, 8, 1))
"""scrypt parameters (N, r, p) that cosign accepts. Others are refused *before* deriving: a key
file must not be able to ask for gigabytes."""
_COST = _COSTS[1]
_SALT, _NONCE, _KEY = 32, 24, 32
_MOST_KEY_FILE = 64 * 1024
_LEAST_RSA = 2048


@dataclass(frozen=True, slots=True)
class PublicKey:
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


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A decrypted ECDSA P-256 key. Its ``repr`` shows nothing of it."""

    key: EllipticCurvePrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The other half."""
        return _public(self.key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over *message* (ECDSA, SHA-256).

        Deterministic (RFC 6979) where OpenSSL offers it, so that signing a statement twice gives
        one bundle and not two.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        try:
            algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        except UnsupportedAlgorithm:
            algorithm = ec.ECDSA(hashes.SHA256())
        return self.key.sign(message, algorithm)


def generate_key_pair(folder: Path, password: str) -> tuple[Path, Path]:
    """Make ``cosign.key`` (mode 0600, encrypted) and ``cosign.pub`` in *folder*.

    Each file appears whole or not at all, and nothing is ever overwritten.

    Args:
        folder: Made (mode 0700) when it is missing.
        password: Encrypts the private key; may be empty, as with cosign.

    Returns:
        The two paths, private first.

    Raises:
        ConfigurationError: ``sign.key-exists`` or ``sign.key-unwritable``.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    private_path, public_path = folder / PRIVATE_NAME, folder / PUBLIC_NAME
    for path in (private_path, public_path):
        if path.exists() or path.is_symlink():
            raise _exists(path)
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    private_pem = _armour(_encrypted(der, password.encode()))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(private_path, private_pem, 0o600)
        try:
            _create(public_path, _public(key.public_key()).pem, 0o644)
        except BaseException:
            private_path.unlink()
            raise
    except FileExistsError as error:
        raise _exists(Path(str(error.filename2 or error.filename))) from error
    except OSError as error:
        raise ConfigurationError(
            f"no key pair can be written to {folder}: {error.strerror}",
            remedy="Choose a folder that you may write to.",
            code="sign.key-unwritable",
        ) from error
    return private_path, public_path


def load_private_key(pem: bytes, password: str, origin: str) -> PrivateKey:
    """Decrypt a private key; the second time in one process it is at hand (scrypt takes 0.3 s).

    Args:
        pem: The file's content. Never shown in an error.
        password: What it was encrypted with.
        origin: Where it came from, for messages: a path or the name of a variable.

    Raises:
        ConfigurationError: ``sign.password``, ``sign.key-malformed`` or ``sign.key-kind``.
    """
    # A keyed hash names the entry, so that the cache holds neither password nor file.
    name = hmac.digest(_cache_secret, pem + b"\0" + password.encode(), "sha256")
    with _cache_lock:
        known = _cache.get(name)
        if known is None:
            known = _cache[name] = _decrypt(pem, password, origin)
    return known


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
            remedy=f"Name the file {PUBLIC_NAME} that belongs to it.",
            code="sign.key-kind",
        )
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            f"{origin} is not a public key in PEM form",
            remedy=f"Name a file like {PUBLIC_NAME}, which begins with "
            "'-----BEGIN PUBLIC KEY-----'.",
            code="sign.key-malformed",
        ) from error
    curves = ("secp256r1", "secp384r1")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in curves:
        return _public(key)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA:
        return _public(key)
    raise _kind(origin, key)


# --- below ---

_cache: dict[bytes, PrivateKey] = {}
_cache_lock = threading.Lock()
_cache_secret = secrets.token_bytes(32)


def _decrypt(pem: bytes, password: str, origin: str) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_der_private_key
    from nacl.exceptions import CryptoError
    from nacl.secret import SecretBox

    try:
        box = _read_box(pem)
    except MalformedError as error:
        # `from None` throughout: a chained exception may carry bytes of the key.
        raise ConfigurationError(
            f"{origin} is not a private key that cosign would read: {error}",
            remedy="Make one with `invoke keys.new`, or bring one over with "
            "`cosign import-key-pair`.",
            code="sign.key-malformed",
        ) from None
    derived = _derive(password.encode(), box.salt, box.cost)
    try:
        der = SecretBox(derived).decrypt(box.ciphertext, box.nonce)
    except CryptoError:
        raise ConfigurationError(
            f"COSIGN_PASSWORD does not open {origin}",
            means="The password is wrong or not set, or the key file was changed.",
            remedy="Set COSIGN_PASSWORD to the password that the key pair was made with.",
            code="sign.password",
        ) from None
    try:
        key = load_der_private_key(der, None)
    except Exception:  # noqa: BLE001 - whatever the parser says, it may quote the key
        raise ConfigurationError(
            f"{origin} does not hold a private key",
            remedy="Make one with `invoke keys.new`.",
            code="sign.key-malformed",
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise _kind(origin, key)
    return PrivateKey(key)


@dataclass(frozen=True, slots=True)
class _Box:
    salt: bytes
    cost: tuple[int, int, int]
    nonce: bytes
    ciphertext: bytes = field(repr=False)


def _read_box(pem: bytes) -> _Box:
    if len(pem) > _MOST_KEY_FILE:
        raise MalformedError("it is too large")
    lines = pem.decode("ascii", errors="replace").strip().splitlines()
    first = lines[0].strip() if lines else ""
    kind = first.removeprefix("-----BEGIN ").removesuffix("-----")
    if kind not in _READ or lines[-1].strip() != f"-----END {kind}-----":
        if "PRIVATE KEY-----" in first and kind not in _READ:
            raise MalformedError(f"it is of the PEM type {kind!r}, not {_WRITTEN!r}")
        raise MalformedError(f"it has no PEM block of the type {_WRITTEN!r}")
    try:
        data = json.loads(decoded("".join(line.strip() for line in lines[1:-1]), "its body"))
        derivation, cipher = data["kdf"], data["cipher"]
        parameters = derivation["params"]
        cost = (parameters["N"], parameters["r"], parameters["p"])
        names = (derivation["name"], cipher["name"])
        salt, nonce = derivation["salt"], cipher["nonce"]
        ciphertext = data["ciphertext"]
    except (ValueError, KeyError, TypeError):
        raise MalformedError("its body is not the JSON of an encrypted key") from None
    if names != ("scrypt", "nacl/secretbox"):
        raise MalformedError("it is encrypted in another way than scrypt and nacl/secretbox")
    if cost not in _COSTS or not all(type(number) is int for number in cost):
        raise MalformedError("its scrypt parameters are none of those that cosign accepts")
    box = _Box(
        decoded(salt, "its salt"),
        cost,
        decoded(nonce, "its nonce"),
        decoded(ciphertext, "its content"),
    )
    if len(box.salt) != _SALT or len(box.nonce) != _NONCE:
        raise MalformedError("its salt or its nonce is of a wrong length")
    return box


def _encrypted(der: bytes, password: bytes) -> bytes:
    from nacl.secret import SecretBox

    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    sealed = SecretBox(_derive(password, salt, _COST)).encrypt(der, nonce).ciphertext
    cost, block, parallel = _COST
    return json.dumps(
        {
            "kdf": {
                "name": "scrypt",
                "params": {"N": cost, "r": block, "p": parallel},
                "salt": base64.b64encode(salt).decode(),
            },
            "cipher": {"name": "nacl/secretbox", "nonce": base64.b64encode(nonce).decode()},
            "ciphertext": base64.b64encode(sealed).decode(),
        },
        separators=(",", ":"),
    ).encode()


def _derive(password: bytes, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=_KEY, n=cost[0], r=cost[1], p=cost[2]).derive(password)


def _armour(body: bytes) -> bytes:
    text = base64.b64encode(body).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(
        [f"-----BEGIN {_WRITTEN}-----", *lines, f"-----END {_WRITTEN}-----", ""]
    ).encode()


def _public(key: EllipticCurvePublicKey | RSAPublicKey) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return PublicKey(key, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _create(path: Path, body: bytes, mode: int) -> None:
    """Write a new file whole: under another name first, then linked to its own, which fails when
    somebody else has made it meanwhile (a rename would overwrite it).
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as sink:
            sink.write(body)
            sink.flush()
            os.fchmod(sink.fileno(), mode)
            os.fsync(sink.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()


def _exists(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} exists already",
        means="What it signed could no longer be verified or signed again if it were overwritten.",
        remedy="Keep it, or move it away first.",
        code="sign.key-exists",
    )


def _kind(origin: str, key: Any) -> ConfigurationError:
    curve = getattr(getattr(key, "curve", None), "name", "")
    size = getattr(key, "key_size", "")
    what = type(key).__name__.strip("_").removesuffix("PrivateKey").removesuffix("PublicKey")
    detail = f"{what} {curve or size}".strip()
    ed25519 = what == "Ed25519"
    return ConfigurationError(
        f"{origin} is a key of a kind that is not supported: {detail}",
        means="cosign signs with Ed25519ph, a variant that this plugin does not have."
        if ed25519
        else "Signing needs ECDSA P-256; verifying takes P-256, P-384 and RSA from 2048 bits.",
        remedy="Use an ECDSA P-256 key pair, as `invoke keys.new` and "
        "`cosign generate-key-pair` make it.",
        code="sign.key-kind",
    )
