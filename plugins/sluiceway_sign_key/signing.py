"""Which keys are meant, and the four things done with them: sign, verify, attest, read back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway import __version__
from sluiceway.config.settings import take
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import (
    Attestation,
    Evidence,
    Image,
    Maker,
    Manifest,
    Project,
    Registry,
    to_json,
)
from sluiceway.record import Record
from sluiceway.signing import SIGNATURE, MalformedError, bundle, simple_signing
from sluiceway.signing.public_key import PublicKey, Signer, load_public_key
from sluiceway.signing.records import (
    attested_with_keys,
    check_attested,
    check_subject,
    verified_with_keys,
)
from sluiceway_sign_key import kept
from sluiceway_sign_key.keys import PRIVATE_NAME, PUBLIC_NAME, PrivateKey, load_private_key

__all__ = [
    "PLUGIN",
    "KeySource",
    "attest",
    "attestations",
    "key_source",
    "private_key",
    "sign",
    "trusted_keys",
    "verify",
]

PLUGIN = "sign-key"
DEFAULTS: Mapping[str, Any] = {"key": "", "public_keys": []}

_KEY, _PASSWORD = "COSIGN_PRIVATE_KEY", "COSIGN_PASSWORD"
_MAKER = Maker(plugin=PLUGIN, tool="sluiceway-sign-key", version=__version__)
_MAKE_ONE = (
    f"Run `invoke keys.new` to make a key pair, or set {_KEY} to the content of a cosign.key."
)


class KeySource(Record):
    """Where the private key is."""

    path: Path | None
    """The file, or ``None`` when the variable holds the key itself."""
    origin: str
    """For messages. Never the variable's value."""
    address: str = ""
    """Where a key is that never leaves it (``hsm:...``); then there is no file."""


def key_source(project: Project, settings: Mapping[str, Any]) -> KeySource:
    """Find the private key: the setting, else ``COSIGN_PRIVATE_KEY``, else the state folder's."""
    named = _options(settings)["key"]
    if kept.is_kept(named):
        return KeySource(path=None, origin=named, address=named)
    if named:
        path = project.root / Path(named).expanduser()
        return KeySource(path=path, origin=str(path))
    value = project.environ.get(_KEY, "")
    if "-----BEGIN" in value:
        return KeySource(path=None, origin=f"the variable {_KEY}")
    if value:
        # The value may be a garbled key: no message may ever show it.
        path = project.root / Path(value)
        return KeySource(path=path, origin=f"the file that {_KEY} names")
    path = project.state / PRIVATE_NAME
    return KeySource(path=path, origin=str(path))


def private_key(project: Project, settings: Mapping[str, Any]) -> PrivateKey | kept.KeptKey:
    """Load the key to sign with, or find it where it is kept.

    Raises:
        ConfigurationError: ``sign.no-key``, ``sign.password``, ``sign.key-malformed``,
            ``sign.key-kind``, ``sign.no-pin``, ``sign.key-address``.
        PluginError: ``sign.no-extra``.
        ActionFailed: ``sign.kept-key``.
    """
    source = key_source(project, settings)
    if source.address:
        return kept.open_kept(source.address, project.environ)
    if source.path is None:
        pem = project.environ[_KEY].encode()
    else:
        body = _read(source.path)
        if body is None:
            raise ConfigurationError(
                f"there is no private key to sign with: {source.origin} cannot be read",
                means="Nothing was signed. An unsigned image is refused by every gate.",
                remedy=_MAKE_ONE,
                code="sign.no-key",
            )
        pem = body
    return load_private_key(pem, project.environ.get(_PASSWORD, ""), source.origin)


def trusted_keys(project: Project, settings: Mapping[str, Any]) -> tuple[PublicKey, ...]:
    """Load the public keys that signatures must verify with; the private key is not needed.

    ``public_keys`` when set; else the ``cosign.pub`` next to the private key file; else the one in
    the project's root.

    Raises:
        ConfigurationError: ``sign.no-public-key``, ``sign.key-malformed``, ``sign.key-kind``.
    """
    named = _options(settings)["public_keys"]
    if named:
        return tuple(_public(project.root / Path(text).expanduser()) for text in named)
    path = _default_public(project, settings)
    if path is None:
        raise ConfigurationError(
            "there is no public key to verify signatures with",
            means="Without a trusted key no signature means anything, so every one is refused.",
            remedy=f"Put {PUBLIC_NAME} beside sluiceway.toml, or name it: "
            f'[plugins.{PLUGIN}] public_keys = ["{PUBLIC_NAME}"]. {_how(project, settings)}',
            code="sign.no-public-key",
        )
    return (_public(path),)


def sign(
    project: Project,
    image: Image,
    manifest: Manifest,
    registry: Registry,
    settings: Mapping[str, Any],
) -> Evidence:
    """Sign in both formats what is not signed yet with this key, then verify what is stored."""
    check_subject(image, manifest)
    key = private_key(project, settings)
    keys = _trusted_with(key, project, settings)
    own = (key.public,)
    try:
        tagged = simple_signing.read_signatures(registry, image.digest, own)
        bundled = bundle.read_bundles(registry, image.digest, bundle.signed_by(own), only=SIGNATURE)
    except MalformedError as error:
        raise ActionFailed(
            f"the signatures beside {image} cannot be read: {error}",
            means="Nothing was added to them.",
            remedy="Find out who wrote them, and delete them.",
            code="sign.unreadable",
        ) from error
    if not any(not item.problem for item in tagged):
        simple_signing.add_signature(registry, image.digest, key)
    if not any(not item.problem and item.predicate_type == SIGNATURE for item in bundled):
        payload = bundle.statement(image.digest, SIGNATURE, {})
        bundle.put_statement(registry, manifest, SIGNATURE, payload, key)
    return verified_with_keys(image, registry, keys, _MAKER)


def verify(
    project: Project, image: Image, registry: Registry, settings: Mapping[str, Any]
) -> Evidence:
    """Say whether a trusted key signed exactly this digest."""
    return verified_with_keys(image, registry, trusted_keys(project, settings), _MAKER)


def attest(
    project: Project,
    image: Image,
    manifest: Manifest,
    registry: Registry,
    predicate_type: str,
    predicate: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Attestation:
    """Sign a statement about the image and store it as a referrer; once for one statement."""
    check_subject(image, manifest)
    check_attested(predicate_type)
    key = private_key(project, settings)
    _trusted_with(key, project, settings)
    plain = to_json(predicate)
    digest = ""
    if isinstance(key, kept.KeptKey):
        # It never makes the same signature twice, so the store cannot tell by the bundle's digest.
        judge, name = bundle.signed_by([key.public]), key.public.fingerprint
        digest = bundle.find_statement(registry, image.digest, judge, predicate_type, plain, name)
    if not digest:
        payload = bundle.statement(image.digest, predicate_type, plain)
        digest = bundle.put_statement(registry, manifest, predicate_type, payload, key)
    return Attestation(
        predicate_type=predicate_type,
        predicate=plain,
        subject=image.digest,
        digest=digest,
        verified=True,
    )


def attestations(
    project: Project, image: Image, registry: Registry, settings: Mapping[str, Any]
) -> tuple[Attestation, ...]:
    """Return the attestations of both formats, those under the ``.att`` tag first.

    Signatures are none of them (:func:`verify` speaks of those).
    """
    return attested_with_keys(image, registry, trusted_keys(project, settings))


# --- below ---


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    options = take(settings, PLUGIN, DEFAULTS)
    if not all(isinstance(item, str) and item for item in options["public_keys"]):
        raise ConfigurationError(
            f"[plugins.{PLUGIN}] public_keys is not a list of paths",
            remedy=f'Write it as ["{PUBLIC_NAME}"].',
            code="configuration.type",
        )
    return options


def _trusted_with(
    key: Signer, project: Project, settings: Mapping[str, Any]
) -> tuple[PublicKey, ...]:
    """Return the trusted keys, of which *key* must be one: else its signatures help nobody."""
    named = bool(_options(settings)["public_keys"])
    if not named and _default_public(project, settings) is None:
        return (key.public,)
    keys = trusted_keys(project, settings)
    if key.public.hint not in {item.hint for item in keys}:
        raise ConfigurationError(
            f"the private key is of the pair {key.public.fingerprint}, which is not trusted: "
            f"trusted are {', '.join(item.fingerprint for item in keys)}",
            means="What it signs would be refused everywhere, so nothing was signed.",
            remedy=f"Add its {PUBLIC_NAME} to [plugins.{PLUGIN}] public_keys, "
            "or sign with the other key.",
            code="sign.untrusted-key",
        )
    return keys


def _how(project: Project, settings: Mapping[str, Any]) -> str:
    """Return how to come by a public key."""
    address = key_source(project, settings).address
    if address:
        return f"Export it: python -m sluiceway_sign_key '{address}' > {PUBLIC_NAME}"
    return _MAKE_ONE


def _default_public(project: Project, settings: Mapping[str, Any]) -> Path | None:
    source = key_source(project, settings)
    beside = [source.path.with_name(PUBLIC_NAME)] if source.path is not None else []
    for path in (*beside, project.root / PUBLIC_NAME):
        if path.is_file():
            return path
    return None


def _public(path: Path) -> PublicKey:
    body = _read(path)
    if body is None:
        raise ConfigurationError(
            f"the trusted public key {path} cannot be read",
            means="Signatures cannot be verified with a key that is not there.",
            remedy=f"Correct [plugins.{PLUGIN}] public_keys, or put the file there.",
            code="sign.no-public-key",
        )
    return load_public_key(body, str(path))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (OSError, ValueError):
        return None
