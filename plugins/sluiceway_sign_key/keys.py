"""Key pairs in cosign's format: make, load, sign.

Source: sigstore/cosign ``specs/SIGNATURE_SPEC.md`` and ``pkg/cosign/keys.go``; the encrypted form
is that of go-securesystemslib's ``encrypted`` package: scrypt, then NaCl secretbox.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.errors import ConfigurationError
from sluiceway.record import Record, field
from sluiceway.signing.dsse import MalformedError, decoded
from sluiceway.signing.public_key import PublicKey, public_key_from, unsupported

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = [
    "PRIVATE_NAME",
    "PUBLIC_NAME",
    "PrivateKey",
    "generate_key_pair",
    "load_private_key",
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


class PrivateKey(Record, kw_only=False):
    """A decrypted ECDSA P-256 key. Its ``repr`` shows nothing of it."""

    key: EllipticCurvePrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The other half."""
        return public_key_from(self.key.public_key())

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
            _create(public_path, public_key_from(key.public_key()).pem, 0o644)
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
            remedy="Set COSIGN_PASSWORD to the password that the key pair was made with; unset it"
            " for a pair that was made without one.",
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
        raise unsupported(origin, key)
    return PrivateKey(key)


class _Box(Record, kw_only=False):
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
