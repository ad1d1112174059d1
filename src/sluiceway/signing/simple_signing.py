"""Signatures under the tag ``sha256-<hex>.sig``, and attestations under ``sha256-<hex>.att``.

cosign 1 and 2 write these, cosign 3 and containers/image (podman, skopeo, CRI-O) read them.
Source: sigstore/cosign ``specs/SIGNATURE_SPEC.md``; where the text and the code differ (names of
annotations), the code.
"""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Sequence
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import Descriptor, Manifest, Registry
from sluiceway.oci import descriptor_json, document_of, manifest_from, sha256
from sluiceway.oci.beside import config_for, unusable
from sluiceway.oci.documents import descriptor_from
from sluiceway.oci.media_types import IMAGE_CONFIG, IMAGE_MANIFEST
from sluiceway.signing.dsse import MalformedError, decoded, strict_json
from sluiceway.signing.found import (
    MOST,
    SIGNATURE,
    Check,
    Found,
    TooManyError,
    check_signed,
    content,
    judge_envelope,
)
from sluiceway.signing.public_key import PublicKey, Signer

__all__ = ["PAYLOAD_TYPE", "add_signature", "payload", "read_attestations", "read_signatures"]

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"

_ENVELOPE_TYPE = "application/vnd.dsse.envelope.v1+json"
_SIGNATURE_KEY = "dev.cosignproject.cosign/signature"
_CERTIFICATE_KEY = "dev.sigstore.cosign/certificate"
_CLAIM = "cosign container image signature"
_MOST_PAYLOAD = 64 * 1024
_MOST_ENVELOPE = 64 * 1024 * 1024
_ATTEMPTS = 6


def payload(repository: str, digest: str) -> bytes:
    """Return the simple-signing document that is signed, in the key order that cosign writes."""
    return _compact(
        {
            "critical": {
                "identity": {"docker-reference": repository},
                "image": {"docker-manifest-digest": digest},
                "type": _CLAIM,
            },
            "optional": None,
        }
    )


def add_signature(registry: Registry, digest: str, signer: Signer) -> None:
    """Append one signature over *digest* to the ``.sig`` manifest and see that it stayed there.

    The protocol has no compare-and-set: another signer may write between our read and our write.
    So the tag is read again until it holds what was added.

    Raises:
        ActionFailed: ``sign.contended``, or the registry's own.
    """
    body = payload(registry.repository, digest)
    signature = base64.b64encode(signer.sign(body)).decode()
    stored = registry.put_blob(body)
    layer = descriptor_json(
        Descriptor(
            media_type=PAYLOAD_TYPE,
            digest=stored.digest,
            size=stored.size,
            annotations={_SIGNATURE_KEY: signature},
        )
    )
    tag = _tag(digest, "sig")
    for attempt in range(_ATTEMPTS):
        current = registry.resolve(tag)
        layers = [] if current is None else document_of(current)["layers"]
        if any(_signature_of(item) == signature for item in layers):
            return
        if len(layers) >= MOST:
            raise ActionFailed(
                f"{registry.repository}:{tag} holds {len(layers)} signatures already",
                remedy="Find out who adds them, and delete that tag.",
                code="sign.too-many",
            )
        try:
            registry.put_manifest(tag, _manifest(registry, current, [*layers, layer]))
        except ActionFailed as error:
            if error.code != "registry.read-back":
                raise
        if attempt:
            time.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311 - no secret
    current = registry.resolve(tag)
    layers = [] if current is None else document_of(current)["layers"]
    if not any(_signature_of(item) == signature for item in layers):
        raise ActionFailed(
            f"the signature could not be kept in {registry.repository}:{tag}",
            means="Other signers kept overwriting it.",
            remedy="Sign one image from one place at a time, then run `invoke sign` again.",
            code="sign.contended",
        )


def read_signatures(
    registry: Registry, digest: str, keys: Sequence[PublicKey]
) -> tuple[Found, ...]:
    """Return every signature under the ``.sig`` tag of *digest*, each judged on its own."""
    tag = _tag(digest, "sig")
    found = []
    for number, layer in enumerate(_layers(registry, tag, PAYLOAD_TYPE), 1):
        where = f"signature {number} of {tag}"
        signer, problem = "", ""
        try:
            signer = _judge(registry, layer, digest, keys).fingerprint
        except MalformedError as error:
            problem = str(error)
        found.append(
            Found(
                where=where,
                digest=layer.digest,
                predicate_type=SIGNATURE,
                subject="" if problem else digest,
                signer=signer,
                problem=problem,
            )
        )
    return tuple(found)


def read_attestations(registry: Registry, digest: str, check: Check) -> tuple[Found, ...]:
    """Return every attestation under the ``.att`` tag of *digest*, in its order (oldest first)."""
    tag = _tag(digest, "att")
    found = []
    for number, layer in enumerate(_layers(registry, tag, _ENVELOPE_TYPE), 1):
        where = f"attestation {number} of {tag}"
        try:
            body = content(registry, layer.digest, _MOST_ENVELOPE)
            data = strict_json(body, "the envelope")
        except MalformedError as error:
            claimed = layer.annotations.get("predicateType", "")
            found.append(
                Found(where=where, digest=layer.digest, predicate_type=claimed, problem=str(error))
            )
            continue
        found.append(judge_envelope(data, digest, check, where=where, digest=layer.digest))
    return tuple(found)


def _judge(
    registry: Registry, layer: Descriptor, digest: str, keys: Sequence[PublicKey]
) -> PublicKey:
    body = content(registry, layer.digest, _MOST_PAYLOAD)
    signature = decoded(layer.annotations.get(_SIGNATURE_KEY), "its signature")
    try:
        key = check_signed(body, [signature], keys)
    except MalformedError as error:
        if layer.annotations.get(_CERTIFICATE_KEY):
            raise MalformedError(
                "it was signed with a certificate and not with a key pair, and only keys are trusted"
            ) from error
        raise
    # Only what is signed is parsed: from here on a trusted key stands behind every byte.
    document = strict_json(body, "its payload")
    critical = document.get("critical") if isinstance(document, dict) else None
    image = critical.get("image") if isinstance(critical, dict) else None
    if not isinstance(critical, dict) or not isinstance(image, dict):
        raise MalformedError("its payload names no image")
    if critical.get("type") != _CLAIM:
        raise MalformedError(f"its payload is of type {critical.get('type')!r}, no signature")
    claimed = image.get("docker-manifest-digest")
    if claimed != digest:
        raise MalformedError(f"it is about {claimed}, not {digest}")
    return key


def _layers(registry: Registry, tag: str, media_type: str) -> list[Descriptor]:
    try:
        manifest = registry.resolve(tag)
    except ActionFailed as error:
        if unusable(error):
            raise MalformedError(f"{tag} cannot be read: {error.what}") from error
        raise
    if manifest is None:
        return []
    document = document_of(manifest)
    layers = document.get("layers", [])
    if len(layers) > MOST:
        raise TooManyError(f"{tag} holds {len(layers)} entries, more than {MOST} are not read")
    described = [descriptor_from(layer) for layer in layers]
    return [layer for layer in described if layer.media_type == media_type]


def _manifest(
    registry: Registry, current: Manifest | None, layers: list[dict[str, Any]]
) -> Manifest:
    config = config_for(layers)
    registry.put_blob(config)
    document = {} if current is None else document_of(current)
    document |= {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {"mediaType": IMAGE_CONFIG, "size": len(config), "digest": sha256(config)},
        "layers": layers,
    }
    return manifest_from(_compact(document), IMAGE_MANIFEST)


def _signature_of(layer: dict[str, Any]) -> Any:
    return (layer.get("annotations") or {}).get(_SIGNATURE_KEY)


def _tag(digest: str, suffix: str) -> str:
    return f"{digest.replace(':', '-')}.{suffix}"


def _compact(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
