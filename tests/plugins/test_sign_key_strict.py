"""What a hostile or careless writer may leave beside an image, and what becomes of it."""

from __future__ import annotations

import base64
import json

import pytest
from tests.plugins.sign_kit import PASSWORD, project_in, push, sig_tag

import sluiceway_sign_key as plugin
from sluiceway.model import Status
from sluiceway.oci import descriptor_json, document_of, manifest_from, sha256
from sluiceway.oci.media_types import EMPTY, IMAGE_CONFIG, IMAGE_MANIFEST
from sluiceway.signing import SIGNATURE, bundle, simple_signing
from sluiceway.signing.dsse import IN_TOTO, envelope, pae
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_sign_key.keys import generate_key_pair, load_private_key

V3 = bundle.BUNDLE_TYPE


@pytest.fixture
def project(tmp_path):
    return project_in(tmp_path)


@pytest.fixture
def key(project):
    return load_private_key((project.state / "cosign.key").read_bytes(), PASSWORD, "a test")


@pytest.fixture
def registry():
    return MemoryRegistry("127.0.0.1:5555/team/app")


@pytest.fixture
def image(registry):
    return push(registry)


def verify(project, image, registry, **settings):
    return plugin.sluiceway_verify(project, image[0], registry, settings)


def put_sig(registry, image, *layers):
    """Store ``.sig`` entries: each a payload, its signatures' text, and further annotations."""
    described = []
    for body, signature, more in layers:
        stored = registry.put_blob(body)
        described.append(
            {
                "mediaType": simple_signing.PAYLOAD_TYPE,
                "digest": stored.digest,
                "size": stored.size,
                "annotations": {"dev.cosignproject.cosign/signature": signature} | more,
            }
        )
    config = registry.put_blob(b"{}")
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {"mediaType": IMAGE_CONFIG, "digest": config.digest, "size": config.size},
        "layers": described,
    }
    manifest = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    registry.put_manifest(sig_tag(image[0].digest), manifest)


def signed(key, body):
    return base64.b64encode(key.sign(body)).decode()


def put_bundle(registry, image, document, kind=V3, annotated=SIGNATURE):
    """Store *document* as a bundle of media type *kind*."""
    blob, empty = registry.put_blob(document), registry.put_blob(b"{}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": kind,
        "config": {"mediaType": EMPTY, "digest": empty.digest, "size": 2},
        "layers": [{"mediaType": kind, "digest": blob.digest, "size": blob.size}],
        "subject": {
            "mediaType": image[1].media_type,
            "digest": image[1].digest,
            "size": len(image[1].body),
        },
        "annotations": {"dev.sigstore.bundle.predicateType": annotated},
    }
    registry.put_referrer(image[1], manifest_from(json.dumps(manifest).encode(), IMAGE_MANIFEST))


def bundle_of(key, statement, *, kind=V3, **material):
    signatures = [key.sign(pae(IN_TOTO, statement))]
    return json.dumps(
        {
            "mediaType": kind,
            "verificationMaterial": material or {"publicKey": {"hint": key.public.hint}},
            "dsseEnvelope": envelope(statement, IN_TOTO, signatures),
        }
    ).encode()


def statement_with(subjects):
    return json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subjects,
            "predicateType": SIGNATURE,
            "predicate": {},
        }
    ).encode()


# --- subjects ---


@pytest.mark.parametrize(
    ("subjects", "good"),
    [
        (lambda own: [{"digest": {"sha256": own}}], True),
        (lambda own: [{"name": "x", "digest": {"sha256": own, "sha512": "f" * 128}}], True),
        # A statement speaks of each of its subjects, wherever ours stands among them.
        (lambda own: [{"digest": {"sha256": "b" * 64}}, {"digest": {"sha256": own}}], True),
        (lambda own: [{"digest": {"sha256": "b" * 64}}], False),
        (lambda own: [{"digest": {"sha512": own}}], False),
        (lambda own: [{"digest": {"SHA256": own}}], False),
        (lambda own: [{"digest": {"sha256": own.upper()}}], False),
        (lambda own: [{"digest": {"sha256": [own]}}], False),
        (lambda own: [{"digest": {"sha256": own + " "}}], False),
        (lambda own: [{"name": own}], False),
        (lambda own: {"digest": {"sha256": own}}, False),
        (lambda own: [], False),
        (lambda own: None, False),
    ],
)
def test_only_a_sha256_subject_that_is_ours_counts(project, registry, image, key, subjects, good):
    own = image[0].digest.removeprefix("sha256:")
    put_bundle(registry, image, bundle_of(key, statement_with(subjects(own))))
    evidence = verify(project, image, registry)
    assert (evidence.status is Status.OK) == good
    assert evidence.facts["present"] == 1
    assert good or "it is about" in evidence.summary


# --- documents that two readers would read differently ---


def test_a_key_given_twice_is_refused_although_it_is_signed(project, registry, image, key):
    own = image[0].digest
    payload = simple_signing.payload(registry.repository, "sha256:" + "b" * 64).decode()
    doubled = payload.replace('"image":', f'"image":{{"docker-manifest-digest":"{own}"}},"image":')
    put_sig(registry, image, (doubled.encode(), signed(key, doubled.encode()), {}))
    statement = statement_with([{"digest": {"sha256": own.removeprefix("sha256:")}}])
    doubled = statement.replace(b'"predicate":', b'"predicateType":"https://x/y","predicate":')
    put_bundle(registry, image, bundle_of(key, doubled))
    evidence = verify(project, image, registry)
    assert evidence.facts["present"] == 2
    assert [("key twice" in text) for text in evidence.facts["problems"]] == [True, True]


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_number_that_json_does_not_have_is_refused(project, registry, image, key, number):
    statement = bundle.statement(image[0].digest, "https://x/y", {"n": 1})
    changed = statement.replace(b'"n":1', b'"n":' + number)
    put_bundle(registry, image, bundle_of(key, changed), annotated="https://x/y")
    (found,) = plugin.sluiceway_attestations(project, image[0], registry, {})
    assert not found.verified
    assert "no number of JSON" in found.problem


def test_a_huge_payload_is_refused_although_it_is_signed(project, registry, image, key):
    payload = simple_signing.payload(registry.repository, image[0].digest)
    huge = payload.replace(b"null", b'"' + b"x" * (64 * 1024) + b'"')
    put_sig(registry, image, (huge, signed(key, huge), {}))
    evidence = verify(project, image, registry)
    assert (evidence.status, evidence.facts["present"]) == (Status.FAILED, 1)
    assert "more than 65536 bytes" in evidence.summary


# --- several signatures, several keys ---


def test_one_good_signature_among_bad_ones_counts_and_the_bad_are_named(
    project, registry, image, key
):
    payload = simple_signing.payload(registry.repository, image[0].digest)
    put_sig(
        registry,
        image,
        (payload, "no base64!", {}),
        (payload, base64.b64encode(b"noise").decode(), {}),
        (payload, signed(key, payload), {}),
        (payload, "", {}),
    )
    evidence = verify(project, image, registry)
    assert (evidence.facts["present"], evidence.facts["verified"]) == (4, 1)
    assert [text.split()[1] for text in evidence.facts["problems"]] == ["1", "2", "4"]


def test_a_rotated_key_counts_for_as_long_as_it_is_trusted(project, registry, image, key, tmp_path):
    payload = simple_signing.payload(registry.repository, image[0].digest)
    put_sig(registry, image, (payload, signed(key, payload), {}))
    _, new = generate_key_pair(tmp_path / "new", PASSWORD)
    old = project.state / "cosign.pub"
    assert verify(project, image, registry, public_keys=[str(new), str(old)]).status is Status.OK
    assert verify(project, image, registry, public_keys=[str(new)]).status is Status.FAILED


def test_an_envelope_with_too_many_signatures_is_not_looked_through(project, registry, image, key):
    statement = statement_with([{"digest": {"sha256": image[0].digest.removeprefix("sha256:")}}])
    document = json.loads(bundle_of(key, statement))
    good = document["dsseEnvelope"]["signatures"]
    noise = [{"sig": base64.b64encode(b"noise").decode()}]
    document["dsseEnvelope"]["signatures"] = noise * 15 + good
    put_bundle(registry, image, json.dumps(document).encode())
    assert verify(project, image, registry).status is Status.OK
    document["dsseEnvelope"]["signatures"] = noise * 16 + good
    other = push(registry, "other")
    put_bundle(registry, other, json.dumps(document).encode())
    assert "17 signatures" in verify(project, other, registry).summary


# --- names ---


def test_the_repositorys_name_in_a_payload_does_not_count(project, registry, image, key):
    """A promotion across repositories leaves it behind: digest and type are what is signed for."""
    payload = simple_signing.payload("registry.example/elsewhere", image[0].digest)
    put_sig(registry, image, (payload, signed(key, payload), {}))
    assert verify(project, image, registry).status is Status.OK


# --- bundles of other forms ---


def test_the_other_spelling_of_v03_is_read(project, registry, image, key):
    kind = "application/vnd.dev.sigstore.bundle+json;version=0.3"
    statement = bundle.statement(image[0].digest, SIGNATURE, {})
    put_bundle(registry, image, bundle_of(key, statement, kind=kind), kind)
    assert verify(project, image, registry).status is Status.OK


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.4"])
def test_a_bundle_of_another_version_is_refused_by_name(project, registry, image, key, version):
    kind = f"application/vnd.dev.sigstore.bundle+json;version={version}"
    statement = bundle.statement(image[0].digest, SIGNATURE, {})
    put_bundle(registry, image, bundle_of(key, statement, kind=kind), kind)
    evidence = verify(project, image, registry)
    assert (evidence.status, evidence.facts["present"]) == (Status.FAILED, 1)
    assert f"version={version}'; v0.3 is read" in evidence.summary


@pytest.mark.parametrize("name", ["certificate", "x509CertificateChain"])
def test_a_certificate_is_told_from_a_key_even_when_a_key_stands_beside_it(
    project, registry, image, key, name
):
    statement = bundle.statement(image[0].digest, SIGNATURE, {})
    material = {name: {"rawBytes": ""}, "publicKey": {"hint": key.public.hint}}
    put_bundle(registry, image, bundle_of(key, statement, **material))
    evidence = verify(project, image, registry)
    assert evidence.status is Status.FAILED
    assert "signed with a certificate" in evidence.summary


def test_a_log_entry_beside_a_key_is_neither_needed_nor_believed(project, registry, image, key):
    statement = bundle.statement(image[0].digest, SIGNATURE, {})
    material = {"publicKey": {"hint": key.public.hint}, "tlogEntries": [{"logIndex": "nonsense"}]}
    put_bundle(registry, image, bundle_of(key, statement, **material))
    assert verify(project, image, registry).status is Status.OK


def test_a_wrong_hint_does_not_choose_the_key(project, registry, image, key):
    statement = bundle.statement(image[0].digest, SIGNATURE, {})
    put_bundle(registry, image, bundle_of(key, statement, publicKey={"hint": "another key's"}))
    assert verify(project, image, registry).status is Status.OK


def test_a_signature_over_a_file_is_none_over_an_image(project, registry, image, key):
    document = json.loads(bundle_of(key, b"{}"))
    del document["dsseEnvelope"]
    document["messageSignature"] = {"signature": signed(key, image[1].body)}
    put_bundle(registry, image, json.dumps(document).encode())
    assert "over a file" in verify(project, image, registry).summary


def test_an_older_keyless_entry_says_that_it_is_one(project, registry, image, tmp_path):
    pair, _ = generate_key_pair(tmp_path / "short-lived", PASSWORD)
    other = load_private_key(pair.read_bytes(), PASSWORD, "a test")
    payload = simple_signing.payload(registry.repository, image[0].digest)
    certificate = {"dev.sigstore.cosign/certificate": "-----BEGIN CERTIFICATE-----"}
    put_sig(registry, image, (payload, signed(other, payload), certificate))
    assert "signed with a certificate" in verify(project, image, registry).summary


def test_a_bundle_of_two_layers_is_refused(project, registry, image, key):
    statement = bundle.statement(image[0].digest, SIGNATURE, {})
    put_bundle(registry, image, bundle_of(key, statement))
    (descriptor,) = registry.referrers(image[0].digest)
    document = document_of(registry.manifest(descriptor.digest))
    document["layers"] *= 2
    other = push(registry, "other")
    document["subject"] = descriptor_json(
        type(descriptor)(
            media_type=other[1].media_type, digest=other[1].digest, size=len(other[1].body)
        )
    )
    registry.put_referrer(other[1], manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST))
    assert "2 layers" in verify(project, other, registry).summary


def test_a_claim_that_a_bundle_is_something_else_only_hides_it(project, registry, image, key):
    """The annotation is not signed. It may cost a signature, never make one."""
    statement = bundle.statement(image[0].digest, SIGNATURE, {})
    put_bundle(registry, image, bundle_of(key, statement), annotated="https://x/y")
    evidence = verify(project, image, registry)
    assert (evidence.status, evidence.facts["present"]) == (Status.FAILED, 0)


def test_a_payload_that_is_no_json_is_refused_although_it_is_signed(project, registry, image, key):
    for body in (b"", b"null", b"[]", b"\xff", b"{" * 5000):
        put_sig(registry, image, (body, signed(key, body), {}))
        evidence = verify(project, image, registry)
        assert (evidence.status, evidence.facts["present"]) == (Status.FAILED, 1), body[:9]
    assert sha256(b"") in registry.blobs
