"""Sigstore bundles v0.3 as OCI 1.1 referrers: what cosign 3 writes by default.

Source: sigstore/protobuf-specs ``sigstore_bundle.proto`` and cosign 3's ``pkg/cosign/bundle``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import Descriptor, Manifest, Registry
from sluiceway.oci import blobs_of, document_of, manifest_from, sha256
from sluiceway.oci.documents import artifact_type_of
from sluiceway.oci.media_types import EMPTY, IMAGE_MANIFEST, INDEX_TYPES, MANIFEST_TYPES
from sluiceway_sign_key.dsse import IN_TOTO, MalformedError, envelope, pae, strict_json
from sluiceway_sign_key.found import (
    MOST,
    Found,
    TooManyError,
    content,
    judge_envelope,
    unusable,
)
from sluiceway_sign_key.keys import PrivateKey, PublicKey

__all__ = ["BUNDLE_TYPE", "put_statement", "read_bundles", "statement"]

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

_CREATED = "org.opencontainers.image.created"
_CONTENT = "dev.sigstore.bundle.content"
_PREDICATE = "dev.sigstore.bundle.predicateType"
_MOST_BUNDLE = 96 * 1024 * 1024
_EMPTY_BODY = b"{}"


def statement(digest: str, predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """Return the bytes of an in-toto statement v1 about *digest* (``sha256:<hex>``)."""
    algorithm, _, value = digest.partition(":")
    return json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {algorithm: value}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        },
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode()


def put_statement(
    registry: Registry, subject: Manifest, predicate_type: str, payload: bytes, key: PrivateKey
) -> str:
    """Sign *payload* (a statement), store it as a referrer of *subject*, return its digest.

    The same statement signed twice by one key is one bundle (the signature is deterministic), so
    asking again stores nothing.
    """
    bundle = _bundle(payload, key)
    if registry.has_blob(sha256(bundle)):
        stored = _holding(registry, subject.digest, sha256(bundle))
        if stored:
            return stored
    blob = registry.put_blob(bundle)
    registry.put_blob(_EMPTY_BODY)
    moment = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": BUNDLE_TYPE,
        "config": {"mediaType": EMPTY, "digest": sha256(_EMPTY_BODY), "size": len(_EMPTY_BODY)},
        "layers": [{"mediaType": BUNDLE_TYPE, "digest": blob.digest, "size": blob.size}],
        "subject": {
            "mediaType": subject.media_type,
            "digest": subject.digest,
            "size": len(subject.body),
        },
        "annotations": {
            _CONTENT: "dsse-envelope",
            _PREDICATE: predicate_type,
            _CREATED: moment,
        },
    }
    body = json.dumps(document, separators=(",", ":")).encode()
    manifest = manifest_from(body, IMAGE_MANIFEST)
    registry.put_referrer(subject, manifest)
    return manifest.digest


def read_bundles(
    registry: Registry,
    digest: str,
    keys: Sequence[PublicKey],
    *,
    only: str = "",
) -> tuple[Found, ...]:
    """Return every bundle that refers to *digest*, oldest first, each judged on its own.

    Args:
        registry: Where the image is.
        digest: The image's digest.
        keys: Trusted keys.
        only: Leave out bundles whose manifest says another predicate type than this one.
            The saying is not signed, so it may only ever be used to look at *less*.
    """
    listed = registry.referrers(digest)
    if len(listed) > MOST:
        raise TooManyError(f"{digest} has {len(listed)} referrers, more than {MOST} are not read")
    found: list[tuple[str, str, Found]] = []
    for descriptor in listed:
        # An artifact type in a list is a hint and may be wrong: cosign 2.5 writes another one.
        if descriptor.media_type not in MANIFEST_TYPES or descriptor.media_type in INDEX_TYPES:
            continue
        where = f"referrer {descriptor.digest}"
        claimed = ""
        try:
            document = _document(registry, descriptor)
            layers = blobs_of(document)[1:]
            types = {artifact_type_of(document), *(layer.media_type for layer in layers)}
            if BUNDLE_TYPE not in types:
                continue
            annotations = document.get("annotations") or {}
            claimed = annotations.get(_PREDICATE, "")
            if only and claimed and claimed != only:
                continue
            data = _envelope_of(registry, layers)
        except MalformedError as error:
            item = Found(
                where=where, digest=descriptor.digest, predicate_type=claimed, problem=str(error)
            )
            found.append(("", descriptor.digest, item))
            continue
        item = judge_envelope(data, digest, keys, where=where, digest=descriptor.digest)
        found.append((annotations.get(_CREATED, ""), descriptor.digest, item))
    return tuple(item for _, _, item in sorted(found, key=lambda entry: entry[:2]))


def _document(registry: Registry, descriptor: Descriptor) -> dict[str, Any]:
    try:
        manifest = registry.manifest(descriptor.digest)
        if manifest is None:
            raise MalformedError("it is listed, but the registry does not hold it")
        return document_of(manifest)
    except ActionFailed as error:
        if unusable(error):
            raise MalformedError(error.what) from error
        raise


def _envelope_of(registry: Registry, layers: Sequence[Descriptor]) -> Any:
    if len(layers) != 1:
        raise MalformedError(f"it has {len(layers)} layers, not one bundle")
    data = strict_json(content(registry, layers[0].digest, _MOST_BUNDLE), "the bundle")
    if not isinstance(data, dict) or data.get("mediaType") != BUNDLE_TYPE:
        raise MalformedError("it is not a sigstore bundle v0.3")
    material = data.get("verificationMaterial")
    if not isinstance(material, dict) or not isinstance(material.get("publicKey"), dict):
        raise MalformedError("it was not signed with a key pair (keyless signatures need sigstore)")
    if "dsseEnvelope" not in data:
        raise MalformedError("it holds a signature over a file, not over a statement")
    return data["dsseEnvelope"]


def _bundle(payload: bytes, key: PrivateKey) -> bytes:
    signature = key.sign(pae(IN_TOTO, payload))
    return json.dumps(
        {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": key.public.hint}},
            "dsseEnvelope": envelope(payload, IN_TOTO, [signature]),
        },
        separators=(",", ":"),
    ).encode()


def _holding(registry: Registry, subject: str, blob: str) -> str:
    """Return the digest of the referrer of *subject* that holds *blob*, or ``""``."""
    for descriptor in registry.referrers(subject):
        try:
            document = _document(registry, descriptor)
        except MalformedError:
            continue
        if any(layer.digest == blob for layer in blobs_of(document)[1:]):
            return descriptor.digest
    return ""
