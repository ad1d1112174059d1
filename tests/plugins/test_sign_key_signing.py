"""Signing and verifying with a key pair, over both ways in which registries list referrers."""

from __future__ import annotations

import base64
import json

import pytest

import sluiceway_sign_key as plugin
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import CheckStatus, Image, Project, Status
from sluiceway.oci import manifest_from, sha256
from sluiceway.oci.media_types import IMAGE_CONFIG, IMAGE_MANIFEST
from sluiceway.signing import bundle, simple_signing
from sluiceway.signing.dsse import IN_TOTO, envelope, pae
from sluiceway.signing.found import SIGNATURE
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_sign_key.keys import generate_key_pair, load_private_key

PROVENANCE = "https://slsa.dev/provenance/v1"
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return generate_key_pair(tmp_path_factory.mktemp("pair"), PASSWORD)


@pytest.fixture(scope="module")
def other_pair(tmp_path_factory):
    return generate_key_pair(tmp_path_factory.mktemp("other"), PASSWORD)


def project_with(folder, pair, password=PASSWORD):
    state = folder / "state"
    state.mkdir(exist_ok=True)
    for path in pair:
        (state / path.name).write_bytes(path.read_bytes())
    return Project(service="app", root=folder, state=state, environ={"COSIGN_PASSWORD": password})


@pytest.fixture
def project(tmp_path, pair):
    return project_with(tmp_path, pair)


@pytest.fixture
def stranger(tmp_path_factory, other_pair):
    return project_with(tmp_path_factory.mktemp("stranger"), other_pair)


@pytest.fixture(params=[True, False], ids=["referrers-api", "fallback-tag"])
def registry(request):
    return MemoryRegistry("127.0.0.1:5555/team/app", referrers_api=request.param)


def push(registry, word="first"):
    config = registry.put_blob(json.dumps({"config": {"Labels": {"word": word}}}).encode())
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {"mediaType": IMAGE_CONFIG, "digest": config.digest, "size": config.size},
        "layers": [],
    }
    manifest = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    registry.put_manifest("build", manifest)
    image = Image(
        repository=registry.repository, digest=manifest.digest, media_type=manifest.media_type
    )
    return image, manifest


def sign(project, image, manifest, registry, settings=None):
    return plugin.sluiceway_sign(project, image, manifest, registry, settings or {})


def verify(project, image, registry, settings=None):
    return plugin.sluiceway_verify(project, image, registry, settings or {})


def attest(project, image, manifest, registry, predicate, kind=PROVENANCE):
    return plugin.sluiceway_attest(project, image, manifest, registry, kind, predicate, {})


def private(project):
    pem = (project.state / "cosign.key").read_bytes()
    return load_private_key(pem, PASSWORD, "a test")


def sig_tag(image):
    return image.digest.replace(":", "-") + ".sig"


def sig_manifest(registry, image):
    manifest = registry.resolve(sig_tag(image))
    assert manifest is not None
    return manifest


def test_an_unsigned_image_is_refused_and_says_so(project, registry):
    image, _ = push(registry)
    evidence = verify(project, image, registry)
    assert evidence.status is Status.FAILED
    assert evidence.kind == "signature"
    assert evidence.facts["present"] == evidence.facts["verified"] == 0
    assert "there is no signature" in evidence.summary


def test_signing_writes_both_formats_and_verifies_them(project, registry):
    image, manifest = push(registry)
    evidence = sign(project, image, manifest, registry)
    assert evidence.status is Status.OK
    assert evidence.subject == image.digest
    assert evidence.facts["present"] == evidence.facts["verified"] == 2
    assert evidence.facts["keys"] == [private(project).public.fingerprint]
    assert registry.resolve(sig_tag(image)) is not None
    assert len(registry.referrers(image.digest)) == 1


def test_either_format_alone_is_enough(project, registry):
    image, manifest = push(registry)
    simple_signing.add_signature(registry, image.digest, private(project))
    assert verify(project, image, registry).facts["verified"] == 1
    other, manifest = push(registry, "second")
    statement = bundle.statement(other.digest, SIGNATURE, {})
    bundle.put_statement(registry, manifest, SIGNATURE, statement, private(project))
    assert verify(project, other, registry).facts["verified"] == 1


def test_signing_again_adds_nothing(project, registry):
    image, manifest = push(registry)
    sign(project, image, manifest, registry)
    before = (dict(registry.blobs), dict(registry.manifests))
    assert sign(project, image, manifest, registry).facts["present"] == 2
    assert (registry.blobs, registry.manifests) == before


def test_a_signature_of_another_key_stays_and_ours_is_added(project, stranger, registry):
    image, manifest = push(registry)
    sign(stranger, image, manifest, registry)
    refused = verify(project, image, registry)
    assert refused.status is Status.FAILED
    assert refused.facts["present"] == 2
    assert "no trusted key made its signature" in refused.summary
    evidence = sign(project, image, manifest, registry)
    assert (evidence.facts["present"], evidence.facts["verified"]) == (4, 2)
    assert verify(stranger, image, registry).status is Status.OK


def test_verifying_needs_no_private_key(project, registry):
    image, manifest = push(registry)
    sign(project, image, manifest, registry)
    (project.state / "cosign.key").unlink()
    assert verify(project, image, registry).status is Status.OK


def test_a_signature_over_another_digest_does_not_count(project, registry):
    signed, manifest = push(registry)
    sign(project, signed, manifest, registry)
    image, _ = push(registry, "second")
    registry.put_manifest(sig_tag(image), sig_manifest(registry, signed))
    evidence = verify(project, image, registry)
    assert evidence.status is Status.FAILED
    assert f"it is about {signed.digest}, not {image.digest}" in evidence.summary


def test_a_replayed_bundle_does_not_count(project, registry):
    image, manifest = push(registry)
    other, _ = push(registry, "second")
    statement = bundle.statement(other.digest, SIGNATURE, {})
    bundle.put_statement(registry, manifest, SIGNATURE, statement, private(project))
    evidence = verify(project, image, registry)
    assert evidence.status is Status.FAILED
    assert f"it is about {other.digest}" in evidence.summary


def test_provenance_by_the_trusted_key_is_no_signature(project, registry):
    image, manifest = push(registry)
    attest(project, image, manifest, registry, {"buildDefinition": {}})
    evidence = verify(project, image, registry)
    assert evidence.status is Status.FAILED
    assert evidence.facts["present"] == 0


def test_a_signature_disguised_by_its_annotation_is_still_no_signature(project, registry):
    """The manifest says sign/v1, the signed statement says provenance: the statement counts."""
    image, manifest = push(registry)
    statement = bundle.statement(image.digest, PROVENANCE, {})
    bundle.put_statement(registry, manifest, SIGNATURE, statement, private(project))
    assert verify(project, image, registry).status is Status.FAILED


def test_an_attestation_of_the_signature_type_is_not_made(project, registry):
    image, manifest = push(registry)
    with pytest.raises(ConfigurationError) as caught:
        attest(project, image, manifest, registry, {}, SIGNATURE)
    assert caught.value.code == "sign.predicate-type"


def with_payload(registry, image, key, document):
    """Sign *document* in place of the usual payload, properly, and store it as ``.sig``."""
    body = json.dumps(document).encode()
    stored = registry.put_blob(body)
    config = registry.put_blob(b"{}")
    layer = {
        "mediaType": simple_signing.PAYLOAD_TYPE,
        "digest": stored.digest,
        "size": stored.size,
        "annotations": {
            "dev.cosignproject.cosign/signature": base64.b64encode(key.sign(body)).decode()
        },
    }
    described = {"mediaType": IMAGE_CONFIG, "digest": config.digest, "size": 2}
    manifest = {"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": described}
    body = json.dumps(manifest | {"layers": [layer]}).encode()
    registry.put_manifest(sig_tag(image), manifest_from(body, IMAGE_MANIFEST))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda critical: critical.update(type="something else"), "is of type 'something else'"),
        (lambda critical: critical.pop("type"), "is of type None"),
        (lambda critical: critical.pop("image"), "names no image"),
        (lambda critical: critical.update(image={"docker-manifest-digest": None}), "about None"),
    ],
)
def test_a_properly_signed_payload_must_say_what_it_is(project, registry, change, said):
    image, _ = push(registry)
    document = json.loads(simple_signing.payload(registry.repository, image.digest))
    with_payload(registry, image, private(project), document)
    assert verify(project, image, registry).status is Status.OK
    change(document["critical"])
    with_payload(registry, image, private(project), document)
    evidence = verify(project, image, registry)
    assert evidence.status is Status.FAILED
    assert said in evidence.summary


def test_a_tampered_payload_is_named_and_the_other_format_still_counts(project, registry):
    image, manifest = push(registry)
    sign(project, image, manifest, registry)
    digest = sha256(simple_signing.payload(registry.repository, image.digest))
    registry.blobs[digest] = registry.blobs[digest].replace(b"critical", b"Critical")
    evidence = verify(project, image, registry)
    assert evidence.status is Status.OK
    assert (evidence.facts["present"], evidence.facts["verified"]) == (2, 1)
    assert "was asked for" in evidence.facts["problems"][0]


def test_with_everything_tampered_nothing_counts(project, registry):
    image, manifest = push(registry)
    sign(project, image, manifest, registry)
    keep = {digest for digest, body in registry.blobs.items() if b"Labels" in body}
    for digest in registry.blobs.keys() - keep:
        registry.blobs[digest] += b" "
    evidence = verify(project, image, registry)
    assert evidence.status is Status.FAILED
    assert evidence.facts["verified"] == 0
    assert len(evidence.facts["problems"]) == 2


def test_an_image_whose_sig_tag_is_overfull_is_refused_unread(project, monkeypatch):
    registry = MemoryRegistry()
    image, manifest = push(registry)
    simple_signing.add_signature(registry, image.digest, private(project))
    document = json.loads(sig_manifest(registry, image).body)
    document["layers"] = document["layers"] * 1000
    registry.put_manifest(
        sig_tag(image), manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    )
    assert verify(project, image, registry).status is Status.OK
    document["layers"].append(document["layers"][0])
    registry.put_manifest(
        sig_tag(image), manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    )
    evidence = verify(project, image, registry)
    assert evidence.status is Status.FAILED
    assert "1001 entries" in evidence.summary
    with pytest.raises(ActionFailed) as caught:
        sign(project, image, manifest, registry)
    assert caught.value.code == "sign.unreadable"


def test_a_registry_that_does_not_answer_is_no_verdict(project):
    class Silent(MemoryRegistry):
        def resolve(self, tag):
            raise ActionFailed("nobody answers", code="registry.unreachable")

    registry = Silent()
    image, _ = push(registry)
    with pytest.raises(ActionFailed) as caught:
        verify(project, image, registry)
    assert caught.value.code == "registry.unreachable"


def test_two_signers_at_once_lose_nothing(project, stranger):
    """Between our read and our write of the tag, the other signer writes: theirs must survive."""

    class Racing(MemoryRegistry):
        raced = False

        def put_manifest(self, reference, manifest):
            if reference.endswith(".sig") and not self.raced:
                self.raced = True
                super().put_manifest(reference, manifest)
                theirs = MemoryRegistry()
                simple_signing.add_signature(theirs, image.digest, private(stranger))
                self.blobs |= theirs.blobs
                super().put_manifest(reference, sig_manifest(theirs, image))
                return
            super().put_manifest(reference, manifest)

    registry = Racing()
    image, manifest = push(registry)
    evidence = sign(project, image, manifest, registry)
    assert evidence.facts["verified"] == 2
    assert verify(stranger, image, registry).facts["verified"] == 1


# --- attestations ---


def test_an_attestation_comes_back_verified(project, registry):
    image, manifest = push(registry)
    made = attest(project, image, manifest, registry, {"n": 1700000000, "text": "Zürich"})
    (found,) = plugin.sluiceway_attestations(project, image, registry, {})
    assert found == made
    assert found.verified
    assert found.predicate == {"n": 1700000000, "text": "Zürich"}
    assert found.subject == image.digest


def test_attesting_the_same_again_stores_nothing(project, registry):
    image, manifest = push(registry)
    first = attest(project, image, manifest, registry, {"a": 1})
    count = len(registry.manifests)
    assert attest(project, image, manifest, registry, {"a": 1}) == first
    assert len(registry.manifests) == count
    attest(project, image, manifest, registry, {"a": 2})
    found = plugin.sluiceway_attestations(project, image, registry, {})
    assert [item.predicate["a"] for item in found] == [1, 2]


def test_attestations_of_a_stranger_or_about_another_image_say_why(project, stranger, registry):
    image, manifest = push(registry)
    other, _ = push(registry, "second")
    attest(stranger, image, manifest, registry, {"by": "a stranger"})
    statement = bundle.statement(other.digest, PROVENANCE, {})
    bundle.put_statement(registry, manifest, PROVENANCE, statement, private(project))
    unknown, elsewhere = plugin.sluiceway_attestations(project, image, registry, {})
    assert not unknown.verified
    assert "no trusted key" in unknown.problem
    assert not elsewhere.verified
    assert elsewhere.subject == other.digest
    assert f"not {image.digest}" in elsewhere.problem


def test_signatures_are_not_listed_as_attestations(project, registry):
    image, manifest = push(registry)
    sign(project, image, manifest, registry)
    assert plugin.sluiceway_attestations(project, image, registry, {}) == ()


def test_the_older_att_tag_is_read(project, registry):
    image, _ = push(registry)
    key = private(project)
    payload = bundle.statement(image.digest, PROVENANCE, {"old": True}).replace(
        b"Statement/v1", b"Statement/v0.1"
    )
    body = json.dumps(envelope(payload, IN_TOTO, [key.sign(pae(IN_TOTO, payload))])).encode()
    stored, config = registry.put_blob(body), registry.put_blob(b"{}")
    kind = "application/vnd.dsse.envelope.v1+json"
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {"mediaType": IMAGE_CONFIG, "digest": config.digest, "size": 2},
        "layers": [{"mediaType": kind, "digest": stored.digest, "size": stored.size}],
    }
    tag = image.digest.replace(":", "-") + ".att"
    registry.put_manifest(tag, manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST))
    (found,) = plugin.sluiceway_attestations(project, image, registry, {})
    assert found.verified
    assert found.predicate == {"old": True}


def test_foreign_referrers_are_left_alone(project, registry):
    image, manifest = push(registry)
    config = registry.put_blob(b"{}")
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": "application/vnd.example.notes",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config.digest}
        | {"size": 2},
        "layers": [],
        "subject": {
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": len(manifest.body),
        },
    }
    registry.put_referrer(manifest, manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST))
    assert plugin.sluiceway_attestations(project, image, registry, {}) == ()
    assert "there is no signature" in verify(project, image, registry).summary


# --- which keys ---


def test_the_key_may_be_in_a_variable(tmp_path, pair, registry):
    image, manifest = push(registry)
    (tmp_path / "state").mkdir()
    (tmp_path / "cosign.pub").write_bytes(pair[1].read_bytes())
    environ = {"COSIGN_PRIVATE_KEY": pair[0].read_text(), "COSIGN_PASSWORD": PASSWORD}
    project = Project(service="app", root=tmp_path, state=tmp_path / "state", environ=environ)
    assert sign(project, image, manifest, registry).status is Status.OK


def test_a_missing_key_says_how_to_make_one(tmp_path, registry):
    image, manifest = push(registry)
    project = Project(service="app", root=tmp_path, state=tmp_path, environ={})
    with pytest.raises(ConfigurationError) as caught:
        sign(project, image, manifest, registry)
    assert caught.value.code == "sign.no-key"
    assert "invoke keys.new" in caught.value.remedy
    with pytest.raises(ConfigurationError) as caught:
        verify(project, image, registry)
    assert caught.value.code == "sign.no-public-key"


def test_a_garbled_variable_is_never_shown(tmp_path, registry):
    image, manifest = push(registry)
    secret = "LS0tLS1CRUdJTiBFTkNSWVBURUQ"
    project = Project(
        service="app", root=tmp_path, state=tmp_path, environ={"COSIGN_PRIVATE_KEY": secret}
    )
    with pytest.raises(ConfigurationError) as caught:
        sign(project, image, manifest, registry)
    assert secret not in json.dumps(caught.value.diagnostics())
    checks = plugin.sluiceway_doctor(project, {})
    assert secret not in repr(checks)
    assert secret not in repr(project)


def test_a_key_that_nobody_trusts_signs_nothing(project, other_pair, registry):
    image, manifest = push(registry)
    settings = {"public_keys": [str(other_pair[1])]}
    before = dict(registry.manifests)
    with pytest.raises(ConfigurationError) as caught:
        sign(project, image, manifest, registry, settings)
    assert caught.value.code == "sign.untrusted-key"
    assert registry.manifests == before


def test_several_keys_may_be_trusted(project, stranger, pair, other_pair, registry):
    image, manifest = push(registry)
    sign(stranger, image, manifest, registry)
    settings = {"public_keys": [str(pair[1]), str(other_pair[1])]}
    evidence = verify(project, image, registry, settings)
    assert evidence.facts["keys"] == [private(stranger).public.fingerprint]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"public_key": []}, "configuration.unknown-key"),
        ({"public_keys": [""]}, "configuration.type"),
        ({"public_keys": ["missing.pub"]}, "sign.no-public-key"),
        ({"key": 3}, "configuration.type"),
    ],
)
def test_wrong_settings_are_refused(project, registry, settings, code):
    image, _ = push(registry)
    with pytest.raises(ConfigurationError) as caught:
        verify(project, image, registry, settings)
    assert caught.value.code == code


def test_doctor_tells_signers_from_verifiers(project, tmp_path, other_pair):
    assert {check.status for check in plugin.sluiceway_doctor(project, {})} == {CheckStatus.OK}
    (project.state / "cosign.key").unlink()
    trusted, own = plugin.sluiceway_doctor(project, {})
    assert (trusted.status, own.status) == (CheckStatus.OK, CheckStatus.WARN)
    (project.state / "cosign.pub").unlink()
    assert {check.status for check in plugin.sluiceway_doctor(project, {})} == {CheckStatus.FAIL}


def test_doctor_names_a_wrong_password_and_an_untrusted_key(project, other_pair):
    settings = {"public_keys": [str(other_pair[1])]}
    assert plugin.sluiceway_doctor(project, settings)[1].status is CheckStatus.FAIL
    wrong = Project(
        service="app", root=project.root, state=project.state, environ={"COSIGN_PASSWORD": "wrong"}
    )
    check = plugin.sluiceway_doctor(wrong, {})[1]
    assert check.status is CheckStatus.FAIL
    assert "COSIGN_PASSWORD does not open" in check.detail
