"""Make keys, sign and verify with cosign, and believe nothing but what both readers see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sluiceway import process
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import Evidence, Image, Maker, Manifest, Project, Registry
from sluiceway.signing import SIGNATURE, Found, MalformedError, bundle, simple_signing
from sluiceway.signing.public_key import load_public_key
from sluiceway.signing.records import check_subject, signature_evidence
from sluiceway_sign_cosign.program import PLUGIN, Cosign, find
from sluiceway_sign_cosign.trust import Trusted, named_keys, signing_key, trusted

__all__ = ["new_key", "own_key", "reason", "sign", "verify"]

_SHOWN = 300


def new_key(project: Project, folder: Path, settings: Mapping[str, Any]) -> tuple[Path, Path]:
    """Let cosign make a key pair in *folder*; an existing file is never overwritten."""
    private, public = folder / "cosign.key", folder / "cosign.pub"
    for path in (private, public):
        if path.exists() or path.is_symlink():
            raise ConfigurationError(
                f"{path} exists already",
                means="What it signed could no longer be verified or signed again if it were "
                "overwritten.",
                remedy="Keep it, or move it away first.",
                code="sign.key-exists",
            )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"no key pair can be written to {folder}: {error.strerror}",
            remedy="Choose a folder that you may write to.",
            code="sign.key-unwritable",
        ) from error
    with find(project, settings) as cosign:
        cosign.generate(folder.resolve())
    private.chmod(0o600)
    return private, public


def sign(
    project: Project,
    image: Image,
    manifest: Manifest,
    registry: Registry,
    settings: Mapping[str, Any],
) -> Evidence:
    """Sign in both formats what is not signed yet with this key, then verify what is stored."""
    check_subject(image, manifest)
    key = signing_key(project, settings)
    with find(project, settings, image.repository, key) as cosign:
        own = own_key(project, settings, cosign, key)
        try:
            tagged = simple_signing.read_signatures(registry, image.digest, (own.public,))
            bundled = _bundles(registry, image, (own,))
        except MalformedError as error:
            raise ActionFailed(
                f"the signatures beside {image} cannot be read: {error}",
                means="Nothing was added to them.",
                remedy="Find out who wrote them, and delete them.",
                code="sign.unreadable",
            ) from error
        if not any(not item.problem for item in tagged):
            cosign.sign(key, str(image), bundle=False)
        if not any(not item.problem and item.predicate_type == SIGNATURE for item in bundled):
            cosign.sign(key, str(image), bundle=True)
        return _evidence(cosign, image, registry, _trusted_with(project, settings, cosign, own))


def verify(
    project: Project, image: Image, registry: Registry, settings: Mapping[str, Any]
) -> Evidence:
    """Say whether a trusted key signed exactly this digest."""
    keys = named_keys(project, settings)
    with find(project, settings, image.repository) as cosign:
        return _evidence(cosign, image, registry, trusted(cosign, keys))


def own_key(project: Project, settings: Mapping[str, Any], cosign: Cosign, key: str) -> Trusted:
    """Return the public half of the key to sign with, which has to be a trusted one.

    Raises:
        ConfigurationError: ``sign.untrusted-key``: its signatures would be refused everywhere.
    """
    public = load_public_key(cosign.public_key(key), "the public half")
    # cosign verifies with public keys only, so where nothing else is named it gets this one.
    path = cosign.folder / "own.pub"
    path.write_bytes(public.pem)
    own = Trusted(key=str(path), public=public)
    _trusted_with(project, settings, cosign, own)
    return own


def reason(done: process.Completed) -> str:
    """Return why cosign refused, in its own words."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    said = (errors or lines or ["it says nothing"])[0]
    return process.redact(said)[:_SHOWN]


# --- below ---


def _evidence(
    cosign: Cosign, image: Image, registry: Registry, keys: Sequence[Trusted]
) -> Evidence:
    publics = tuple(item.public for item in keys)
    return signature_evidence(
        image,
        (
            _agreed(
                cosign,
                image,
                keys,
                lambda: simple_signing.read_signatures(registry, image.digest, publics),
                tags=True,
            ),
            _agreed(cosign, image, keys, lambda: _bundles(registry, image, keys), tags=False),
        ),
        Maker(plugin=PLUGIN, tool="cosign", version=cosign.version.text),
    )


def _bundles(registry: Registry, image: Image, keys: Sequence[Trusted]) -> tuple[Found, ...]:
    judge = bundle.signed_by([item.public for item in keys])
    return bundle.read_bundles(registry, image.digest, judge, only=SIGNATURE)


def _agreed(
    cosign: Cosign,
    image: Image,
    keys: Sequence[Trusted],
    read: Callable[[], Iterable[Found]],
    *,
    tags: bool,
) -> Callable[[], Iterable[Found]]:
    """Return what *read* finds, of which only that counts which cosign accepts as well.

    cosign alone is not enough: it calls an image signed that has nothing but provenance by the
    key. We alone are not enough either: then cosign would not have been asked.
    """

    def agreed() -> Iterable[Found]:
        found = tuple(read())
        if not found:
            return ()
        answers = {
            item.public.fingerprint: _ask(cosign, image, item.key, tags=tags) for item in keys
        }
        refused = {name: text for name, text in answers.items() if text}
        return tuple(
            replace(item, problem=f"cosign does not accept it: {refused[item.signer]}")
            if not item.problem and item.predicate_type == SIGNATURE and item.signer in refused
            else item
            for item in found
        )

    return agreed


def _ask(cosign: Cosign, image: Image, key: str, *, tags: bool) -> str:
    """Return why cosign accepts no signature of *key* in one store; empty when it does."""
    done = cosign.verify(("verify",), key, str(image), tags=tags)
    if done.code != 0:
        return reason(done)
    wanted = "cosign container image signature" if tags else SIGNATURE
    try:
        claims = [item["critical"] for item in json.loads(done.stdout)]
        said = {(item["image"]["docker-manifest-digest"], item["type"]) for item in claims}
    except (ValueError, KeyError, TypeError):
        return "its answer cannot be read"
    if (image.digest, wanted) in said:
        return ""
    others = sorted({kind for digest, kind in said if digest == image.digest})
    return f"it verified no signature here, only {', '.join(map(str, others)) or 'other digests'}"


def _trusted_with(
    project: Project, settings: Mapping[str, Any], cosign: Cosign, own: Trusted
) -> tuple[Trusted, ...]:
    try:
        names = named_keys(project, settings)
    except ConfigurationError as error:
        if error.code == "sign.no-public-key":
            return (own,)
        raise
    keys = trusted(cosign, names)
    if own.public.hint not in {item.public.hint for item in keys}:
        raise ConfigurationError(
            f"the private key is of the pair {own.public.fingerprint}, which is not trusted: "
            f"trusted are {', '.join(item.public.fingerprint for item in keys)}",
            means="What it signs would be refused everywhere, so nothing was signed.",
            remedy=f"Add its cosign.pub to [plugins.{PLUGIN}] public_keys, "
            "or sign with the other key.",
            code="sign.untrusted-key",
        )
    return keys
