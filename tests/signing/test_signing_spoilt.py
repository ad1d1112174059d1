"""Anyone may push anything beside an image: no spoilt byte passes, and none stops the check."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.plugins.sign_kit import PASSWORD, places, push, replaced, sig_tag

from sluiceway.errors import ActionFailed
from sluiceway.oci import document_of, manifest_from
from sluiceway.oci.media_types import IMAGE_MANIFEST
from sluiceway.signing import SIGNATURE, bundle, simple_signing
from sluiceway.signing.dsse import IN_TOTO, envelope, pae
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_sign_key.keys import generate_key_pair, load_private_key

WRONG: tuple[Any, ...] = (None, "", "AAAA", 7, 1.5, True, [], {}, [{}], [[]], {"sha256": "00"})


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    private, _ = generate_key_pair(tmp_path_factory.mktemp("pair"), PASSWORD)
    return load_private_key(private.read_bytes(), PASSWORD, "a test")


def spoilt(document):
    for path in places(document):
        for value in WRONG:
            yield path, value, replaced(document, path, value)


def read(registry, image, key):
    return bundle.read_bundles(registry, image.digest, bundle.signed_by([key.public]))


def test_no_spoilt_envelope_passes(key):
    image, _ = push(MemoryRegistry())
    statement = bundle.statement(image.digest, SIGNATURE, {})
    good = {
        "mediaType": bundle.BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": key.public.hint}},
        "dsseEnvelope": envelope(statement, IN_TOTO, [key.sign(pae(IN_TOTO, statement))]),
    }
    passed = []
    for path, value, document in spoilt(good):
        registry = MemoryRegistry()
        _, manifest = push(registry)
        bundle.put_bundle(registry, manifest, SIGNATURE, json.dumps(document).encode())
        passed += [(path, value) for item in read(registry, image, key) if not item.problem]
    # The hint is not signed, and so is not looked at; a publicKey there must be.
    assert {path for path, _ in passed} == {
        ("verificationMaterial", "publicKey"),
        ("verificationMaterial", "publicKey", "hint"),
    }
    assert {type(value) for path, value in passed if path[-1] == "publicKey"} == {dict}


def test_no_unsigned_statement_stops_the_check(key):
    """Whoever has no key still chooses every byte of a statement."""
    registry = MemoryRegistry()
    image, manifest = push(registry)
    good = json.loads(bundle.statement(image.digest, SIGNATURE, {"a": {"b": [1]}}))
    count = 0
    for _, _, document in spoilt(good):
        forged = envelope(json.dumps(document).encode(), IN_TOTO, [b"noise"])
        body = {
            "mediaType": bundle.BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {}},
            "dsseEnvelope": forged,
        }
        bundle.put_bundle(registry, manifest, SIGNATURE, json.dumps(body).encode())
        count += 1
    found = read(registry, image, key)
    assert len(found) > count / 2
    assert all(item.problem for item in found)


def test_no_properly_signed_statement_stops_the_check(key):
    image, _ = push(MemoryRegistry())
    good = json.loads(bundle.statement(image.digest, SIGNATURE, {}))
    passed = set()
    for path, _, document in spoilt(good):
        registry = MemoryRegistry()
        _, manifest = push(registry)
        statement = json.dumps(document).encode()
        bundle.put_statement(registry, manifest, SIGNATURE, statement, key)
        for item in read(registry, image, key):
            if not item.problem and item.predicate_type == SIGNATURE:
                passed.add(path)
    assert passed == {("predicate",)}  # a signature's predicate says nothing


def test_no_spoilt_payload_stops_the_check(key):
    registry = MemoryRegistry()
    image, _ = push(registry)
    good = json.loads(simple_signing.payload(registry.repository, image.digest))
    passed = set()
    for path, _, document in spoilt(good):
        registry = MemoryRegistry()
        push(registry)
        put_sig(registry, image, json.dumps(document).encode(), key)
        for item in simple_signing.read_signatures(registry, image.digest, [key.public]):
            if not item.problem:
                passed.add(path)
    assert passed == {
        ("critical", "identity"),
        ("critical", "identity", "docker-reference"),
        ("optional",),
    }


def test_no_spoilt_manifest_stops_the_check(key):
    registry = MemoryRegistry()
    image, _ = push(registry)
    simple_signing.add_signature(registry, image.digest, key)
    tag = sig_tag(image.digest)
    stored = registry.resolve(tag)
    assert stored is not None
    refusals = 0
    for _, _, document in spoilt(document_of(stored)):
        try:
            manifest = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
            registry.put_manifest(tag, manifest)
        except ActionFailed:
            refusals += 1  # what no registry would take, or what no reader would
            continue
        simple_signing.read_signatures(registry, image.digest, [key.public])
    assert refusals > 20


def put_sig(registry, image, body, key):
    stored, config = registry.put_blob(body), registry.put_blob(b"{}")
    annotations = {"dev.cosignproject.cosign/signature": base64.b64encode(key.sign(body)).decode()}
    layer = {
        "mediaType": simple_signing.PAYLOAD_TYPE,
        "digest": stored.digest,
        "size": stored.size,
        "annotations": annotations,
    }
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config.digest,
            "size": config.size,
        },
        "layers": [layer],
    }
    manifest = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    registry.put_manifest(sig_tag(image.digest), manifest)
