"""Keys that are kept elsewhere and never leave it: in a PKCS #11 token or a cloud's service.

They are reached through securesystemslib, whose signers speak with each. What comes out is what a
key file would have made: an ECDSA P-256 signature over SHA-256, in DER.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlparse

from sluiceway.errors import ActionFailed, ConfigurationError, PluginError
from sluiceway.record import Record, field
from sluiceway.signing.public_key import PublicKey, load_public_key

if TYPE_CHECKING:
    from securesystemslib.signer import Signer, SSlibKey

__all__ = ["PIN", "KeptKey", "check_kept", "is_kept", "open_kept"]

PIN = "SLUICEWAY_HSM_PIN"
LIBRARY = "PYKCS11LIB"

_ADDRESS = re.compile(r"(hsm|awskms|azurekms|gcpkms|hv|hashivault):.*")
_AZURE = re.compile(r"azurekms://(?P<vault>[A-Za-z0-9-]+)[^/]*/keys/(?P<key>[A-Za-z0-9-]+)(/.*)?")
_SCHEME = "ecdsa-sha2-nistp256"
# What each needs beside securesystemslib, by the module whose absence shows it.
_NEEDS = {
    "hsm": ("pkcs11", "pip install 'sluiceway[hsm]'"),
    "awskms": ("boto3", "pip install 'sluiceway[kms]'"),
    "azurekms": ("azure.keyvault", "pip install 'sluiceway[kms]'"),
    "gcpkms": ("google.cloud.kms", "pip install 'sluiceway[kms]'"),
}


class KeptKey(Record, kw_only=False):
    """A key to sign with that stays where it is."""

    address: str
    public: PublicKey
    signer: Signer = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over *message*, which is seen to verify before it is used.

        Raises:
            ActionFailed: ``sign.kept-key``.
        """
        try:
            signature = bytes.fromhex(self.signer.sign(message).signature)
        except Exception as error:  # noqa: BLE001 - each service has its own kinds
            raise _unable(self.address, error) from None
        if not self.public.verifies(signature, message):
            raise ActionFailed(
                f"{self.address} made a signature that its own public key does not verify",
                means="Nothing was stored.",
                remedy="See that the address names one key, and that key only.",
                code="sign.kept-key",
            )
        return signature


def is_kept(text: str) -> bool:
    """Say whether *text* is the address of a kept key, and not a path."""
    return _ADDRESS.fullmatch(text) is not None


def check_kept(address: str, environ: Mapping[str, str]) -> None:
    """See that what *address* needs is installed and set, without asking anybody.

    Raises:
        PluginError: ``sign.no-extra``.
        ConfigurationError: ``sign.key-kind``, ``sign.key-address``, ``sign.no-pin``.
    """
    scheme = _scheme(address)
    if scheme in {"hv", "hashivault"}:
        raise ConfigurationError(
            f"{address}: a Vault key cannot sign here",
            means="securesystemslib takes Ed25519 keys only from Vault, and cosign's formats need "
            "ECDSA P-256.",
            remedy="Use sign-cosign with hashivault://, or a key of another service.",
            code="sign.key-kind",
        )
    _check_form(address, scheme)
    module, command = _NEEDS[scheme]
    if not _installed("securesystemslib") or not _installed(module):
        raise PluginError(
            f"{address} needs a library that is not installed ({module})",
            remedy=command,
            code="sign.no-extra",
        )
    for name in (LIBRARY, PIN) if scheme == "hsm" else ():
        if not environ.get(name):
            raise ConfigurationError(
                f"{address} is in a PKCS #11 token, and {name} is not set",
                remedy=f"Set {LIBRARY} to the path of the token's library, and {PIN} to its PIN.",
                code="sign.no-pin",
            )


def open_kept(address: str, environ: Mapping[str, str]) -> KeptKey:
    """Find the key at *address* and ask for its public half.

    Raises:
        PluginError: ``sign.no-extra``.
        ConfigurationError: As :func:`check_kept`; ``sign.key-kind`` for another kind of key.
        ActionFailed: ``sign.kept-key`` when it is not there or may not be used.
    """
    check_kept(address, environ)
    from securesystemslib.signer import Signer

    def pin(_: str) -> str:
        return environ.get(PIN, "")

    try:
        uri, key = _imported(address, pin)
    except Exception as error:  # noqa: BLE001 - each service has its own kinds
        raise _unable(address, error) from None
    public = load_public_key(key.keyval["public"].encode(), address)
    if key.scheme != _SCHEME:
        raise ConfigurationError(
            f"{address} is a key for {key.scheme}",
            means="Signing needs ECDSA P-256 with SHA-256: cosign would not verify another.",
            remedy="Make a P-256 key there.",
            code="sign.key-kind",
        )
    try:
        signer = Signer.from_priv_key_uri(uri, key, pin)
    except Exception as error:  # noqa: BLE001 - as above
        raise _unable(address, error) from None
    return KeptKey(address, public, signer)


# --- below ---


def _imported(address: str, pin: Any) -> tuple[str, SSlibKey]:
    from securesystemslib.signer import AWSSigner, AzureSigner, GCPSigner, HSMSigner

    scheme, _, rest = address.partition(":")
    if scheme == "hsm":
        parsed = urlparse(address)
        label = dict(parse_qsl(parsed.query)).get("label")
        return HSMSigner.import_(int(parsed.path) if parsed.path else None, label, pin)
    if scheme == "azurekms":
        match = _AZURE.fullmatch(address)
        assert match is not None, "check_kept has looked"  # noqa: S101 - for the reader and mypy
        return AzureSigner.import_(match["vault"], match["key"])
    # cosign writes these with slashes after the colon, securesystemslib without.
    if scheme == "awskms":
        return AWSSigner.import_(rest.lstrip("/"), _SCHEME)
    return GCPSigner.import_(rest.lstrip("/"))


def _check_form(address: str, scheme: str) -> None:
    parsed = urlparse(address)
    forms = {
        "hsm": ("hsm:2?label=my+token", not parsed.path or parsed.path.isdigit()),
        "awskms": ("awskms:///alias/release", bool(parsed.path.strip("/")) and not parsed.netloc),
        "azurekms": ("azurekms://VAULT.vault.azure.net/keys/KEY", _AZURE.fullmatch(address)),
        "gcpkms": (
            "gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1",
            "/cryptoKeyVersions/" in address,
        ),
    }
    example, good = forms[scheme]
    if not good:
        raise ConfigurationError(
            f"{address!r} is not the address of a key",
            remedy=f"Write it like {example}",
            code="sign.key-address",
        )


def _scheme(address: str) -> str:
    return address.partition(":")[0]


def _installed(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent
        return False


def _unable(address: str, error: Exception) -> ActionFailed:
    # A service's message may quote what it was sent, so only its kind is shown; ValueError is
    # securesystemslib's own and says what was not found.
    detail = str(error) if type(error) is ValueError else ""
    shown = ": ".join(text for text in (type(error).__name__, detail) if text)
    return ActionFailed(
        f"the key at {address} cannot be used: {shown}",
        means="Nothing was signed.",
        remedy=f"See that it is there and that you may use it (for a token: {LIBRARY}, {PIN}).",
        code="sign.kept-key",
    )
