"""Sigstore bundles v0.3 as OCI 1.1 referrers: what cosign 3 writes by default.

Source: sigstore/protobuf-specs ``sigstore_bundle.proto`` and cosign 3's ``pkg/cosign/bundle``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import Descriptor, Manifest, Registry
from sluiceway.oci import blobs_of, document_of, manifest_from, sha256
from sluiceway.oci.beside import unusable
from sluiceway.oci.documents import artifact_type_of
from sluiceway.oci.media_types import EMPTY, IMAGE_MANIFEST, INDEX_TYPES, MANIFEST_TYPES
from sluiceway.record import Record, field
from sluiceway.signing.dsse import IN_TOTO, MalformedError, envelope, pae, strict_json
from sluiceway.signing.found import (
    MOST,
    Check,
    Found,
    TooManyError,
    by_keys,
    content,
    judge_envelope,
)
from sluiceway.signing.public_key import PublicKey, Signer

__all__ = [
    "BUNDLE_TYPE",
    "Judge",
    "Stored",
    "find_statement",
    "put_bundle",
    "put_statement",
    "read_bundles",
    "signed_by",
    "statement",
    "stored_bundles",
]

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

_SAME = frozenset({BUNDLE_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3"})
"""Two spellings of one format (sigstore/protobuf-specs, ``Bundle.media_type``)."""
_ANY = "application/vnd.dev.sigstore.bundle"

Judge = Callable[[Mapping[str, Any]], Check]
"""Given a bundle, returns the check of its envelope's signature."""

_CREATED = "org.opencontainers.image.created"
_CONTENT = "dev.sigstore.bundle.content"
_PREDICATE = "dev.sigstore.bundle.predicateType"
_MOST_BUNDLE = 96 * 1024 * 1024
_EMPTY_BODY = b"{}"


def statement(
    digest: str, predicate_type: str, predicate: Mapping[str, Any], *, name: str = ""
) -> bytes:
    """Return the bytes of an in-toto statement v1 about *digest* (``sha256:<hex>``).

    A *name* of the subject says nothing to us; some libraries refuse a subject without one.
    """
    algorithm, _, value = digest.partition(":")
    return json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [({"name": name} if name else {}) | {"digest": {algorithm: value}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        },
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode()


def put_statement(
    registry: Registry, subject: Manifest, predicate_type: str, payload: bytes, signer: Signer
) -> str:
    """Sign *payload* (a statement), store it as a referrer of *subject*, return its digest.

    The same statement signed twice by one key is one bundle (the signature is deterministic), so
    asking again stores nothing.
    """
    return put_bundle(registry, subject, predicate_type, _bundle(payload, signer))


def put_bundle(registry: Registry, subject: Manifest, predicate_type: str, bundle: bytes) -> str:
    """Store *bundle* (JSON) as a referrer of *subject* unless it is one; return its digest."""
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


class Stored(Record):
    """A bundle beside an image; nothing in it is verified yet."""

    where: str
    """For messages: ``referrer sha256:...``."""
    digest: str
    """Digest of the manifest that refers to the image."""
    claimed: str = ""
    """The predicate type that the manifest says. It is not signed."""
    data: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    """Why it cannot be read as a bundle; then :attr:`data` is empty."""


def stored_bundles(registry: Registry, digest: str, *, only: str = "") -> tuple[Stored, ...]:
    """Return every bundle that refers to *digest*, oldest first, as it is stored.

    Args:
        registry: Where the image is.
        digest: The image's digest.
        only: Leave out bundles whose manifest says another predicate type than this one.
            The saying is not signed, so it may only ever be used to look at *less*.

    Raises:
        TooManyError: There are more referrers than are read.
    """
    listed = registry.referrers(digest)
    if len(listed) > MOST:
        raise TooManyError(f"{digest} has {len(listed)} referrers, more than {MOST} are not read")
    found: list[tuple[str, str, Stored]] = []
    for descriptor in listed:
        # An artifact type in a list is a hint and may be wrong: cosign 2.5 writes another one.
        if descriptor.media_type not in MANIFEST_TYPES or descriptor.media_type in INDEX_TYPES:
            continue
        item = Stored(where=f"referrer {descriptor.digest}", digest=descriptor.digest)
        created = ""
        try:
            document = _document(registry, descriptor)
            layers = blobs_of(document)[1:]
            types = {artifact_type_of(document), *(layer.media_type for layer in layers)}
            if not any(name.startswith(_ANY) for name in types):
                continue
            annotations = document.get("annotations") or {}
            created = annotations.get(_CREATED, "")
            item = replace(item, claimed=annotations.get(_PREDICATE, ""))
            if only and item.claimed and item.claimed != only:
                continue
            item = replace(item, data=_content(registry, layers))
        except MalformedError as error:
            item, created = replace(item, problem=str(error)), ""
        found.append((created, descriptor.digest, item))
    return tuple(item for _, _, item in sorted(found, key=lambda entry: entry[:2]))


def read_bundles(
    registry: Registry, digest: str, judge: Judge, *, only: str = ""
) -> tuple[Found, ...]:
    """Return every bundle that refers to *digest*, oldest first, each judged on its own.

    Args:
        registry: Where the image is.
        digest: The image's digest.
        judge: Given a bundle, returns the check of its envelope's signature; raises
            :class:`MalformedError` when such bundles are not taken at all.
        only: See :func:`stored_bundles`.
    """
    return tuple(
        _judged(item, digest, judge) for item in stored_bundles(registry, digest, only=only)
    )


def find_statement(
    registry: Registry, digest: str, judge: Judge, predicate_type: str, predicate: Any, signer: str
) -> str:
    """Return the newest bundle in which *signer* says exactly this about *digest*, or ``""``.

    For signers whose signatures are never the same twice: they ask before they store.
    """
    said = (predicate_type, predicate, signer)
    return next(
        (
            item.digest
            for item in reversed(read_bundles(registry, digest, judge, only=predicate_type))
            if not item.problem and (item.predicate_type, item.predicate, item.signer) == said
        ),
        "",
    )


def signed_by(keys: Sequence[PublicKey]) -> Judge:
    """Return the judge of bundles that were signed with a key pair."""
    check = by_keys(keys)

    def judge(bundle: Mapping[str, Any]) -> Check:
        material = bundle.get("verificationMaterial")
        if not isinstance(material, dict):
            raise MalformedError("it has no verificationMaterial")
        if {"certificate", "x509CertificateChain"} & set(material):
            raise MalformedError(
                "it was signed with a certificate and not with a key pair, and only keys are "
                "trusted (sign-keyless trusts identities)"
            )
        if not isinstance(material.get("publicKey"), dict):
            raise MalformedError("it was not signed with a key pair: it names no public key")
        return check

    return judge


def _judged(item: Stored, digest: str, judge: Judge) -> Found:
    problem = item.problem
    if not problem:
        try:
            check = judge(item.data)
        except MalformedError as error:
            problem = str(error)
    if not problem and "dsseEnvelope" not in item.data:
        problem = "it holds a signature over a file, not over a statement"
    if problem:
        return Found(
            where=item.where, digest=item.digest, predicate_type=item.claimed, problem=problem
        )
    envelope = item.data["dsseEnvelope"]
    return judge_envelope(envelope, digest, check, where=item.where, digest=item.digest)


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


def _content(registry: Registry, layers: Sequence[Descriptor]) -> dict[str, Any]:
    if len(layers) != 1:
        raise MalformedError(f"it has {len(layers)} layers, not one bundle")
    data = strict_json(content(registry, layers[0].digest, _MOST_BUNDLE), "the bundle")
    said = data.get("mediaType") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(said, str) or said not in _SAME:
        known = isinstance(said, str) and said.startswith(_ANY)
        raise MalformedError(
            f"it is a bundle of the form {said!r}; v0.3 is read"
            if known
            else "it is not a sigstore bundle v0.3"
        )
    return data


def _bundle(payload: bytes, signer: Signer) -> bytes:
    signature = signer.sign(pae(IN_TOTO, payload))
    return json.dumps(
        {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": signer.public.hint}},
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
