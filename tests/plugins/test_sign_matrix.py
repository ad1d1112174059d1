"""Who signs, who verifies, in which store, in which registry: every combination, with real tools.

Each test is one row: a registry, a signer and a store, verified by each of the three verifiers.
``docs/signing.md`` shows the table. All tools are needed for all rows; a row without its tools is
skipped by name and never passed over.
"""

from __future__ import annotations

import base64
import itertools
import json
from pathlib import Path

import pytest
from tests.plugins.sign_kit import (
    PASSWORD,
    REFERRERS,
    Cosign,
    open_kind,
    project_in,
    push,
    sig_tag,
)
from tests.registry_kit import PROGRAMS

import sluiceway_sign_key as own
from sluiceway.model import Status
from sluiceway.oci import descriptor_json, document_of, manifest_from
from sluiceway.oci.media_types import IMAGE_MANIFEST
from sluiceway.signing import SIGNATURE, bundle, simple_signing
from sluiceway_sign_key.keys import generate_key_pair
from sluiceway_sign_key.signing import private_key

SIGNERS = ("own", "cosign-2", "cosign")
STORES = ("sig", "bundle")
REGISTRIES = ("embedded", *PROGRAMS, REFERRERS)
VSA = "https://slsa.dev/verification_summary/v1"
PREDICATE = {"verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_2"]}

pytestmark = [pytest.mark.real_tool("cosign"), pytest.mark.real_tool("cosign-2")]


def kinds(registries):
    """Return every registry as a parameter with the mark of the program that it needs."""
    return [
        pytest.param(kind, marks=() if kind == "embedded" else pytest.mark.real_tool(kind))
        for kind in registries
    ]


def rows(registries):
    """Return every row: a registry, a signer and a store."""
    return [
        pytest.param(*kind.values, signer, store, marks=kind.marks)
        for kind, signer, store in itertools.product(kinds(registries), SIGNERS, STORES)
    ]


@pytest.fixture
def project(tmp_path):
    return project_in(tmp_path)


@pytest.fixture
def verdicts(project, tmp_path):
    """Return who accepts the image, by name, each asked in its own way."""

    def ask(image, registry, public=None):
        public = public or project.state / "cosign.pub"
        settings = {"public_keys": [str(public)]}
        evidence = own.sluiceway_verify(project, image, registry, settings)
        return {
            "own": evidence.status is Status.OK,
            **{
                name: Cosign(name, tmp_path).verify(public, image).returncode == 0
                for name in ("cosign-2", "cosign")
            },
        }

    return ask


EVERYBODY = {"own": True, "cosign-2": True, "cosign": True}
NOBODY = dict.fromkeys(EVERYBODY, False)


def sign(signer, store, project, registry, image, manifest):
    key = project.state / "cosign.key"
    if signer != "own":
        Cosign(signer, project.root).sign(key, image, bundle=store == "bundle")
    elif store == "sig":
        simple_signing.add_signature(registry, image.digest, private_key(project, {}))
    else:
        statement = bundle.statement(image.digest, SIGNATURE, {})
        bundle.put_statement(registry, manifest, SIGNATURE, statement, private_key(project, {}))


@pytest.mark.parametrize(("kind", "signer", "store"), rows(REGISTRIES))
def test_what_one_signs_all_accept_and_with_no_other_key(
    kind, signer, store, project, tmp_path, verdicts
):
    _, stranger = generate_key_pair(tmp_path / "stranger", PASSWORD)
    with open_kind(kind, tmp_path) as registry:
        image, manifest = push(registry)
        sign(signer, store, project, registry, image, manifest)
        # Exactly the store that was meant, so that no row verifies another row's signature.
        assert (registry.resolve(sig_tag(image.digest)) is not None) == (store == "sig")
        assert len(registry.referrers(image.digest)) == (store == "bundle")
        assert verdicts(image, registry) == EVERYBODY
        assert verdicts(image, registry, stranger) == NOBODY


@pytest.mark.parametrize(("kind", "signer", "store"), rows(("embedded", PROGRAMS[0])))
def test_a_tampered_payload_is_refused_by_all(kind, signer, store, project, tmp_path, verdicts):
    with open_kind(kind, tmp_path) as registry:
        image, manifest = push(registry)
        victim, victims_manifest = push(registry, "victim")
        sign(signer, store, project, registry, image, manifest)
        if store == "sig":
            put_sig(registry, victim, image, change=True)
        else:
            put_bundle(registry, victims_manifest, image, change=True)
        assert verdicts(victim, registry) == NOBODY
        assert verdicts(image, registry) == EVERYBODY


@pytest.mark.parametrize(("kind", "signer", "store"), rows(("embedded", PROGRAMS[0])))
def test_a_signature_copied_from_another_digest_is_refused_by_all(
    kind, signer, store, project, tmp_path, verdicts
):
    with open_kind(kind, tmp_path) as registry:
        image, manifest = push(registry)
        victim, victims_manifest = push(registry, "victim")
        sign(signer, store, project, registry, image, manifest)
        if store == "sig":
            put_sig(registry, victim, image, change=False)
        else:
            put_bundle(registry, victims_manifest, image, change=False)
        assert verdicts(victim, registry) == NOBODY


@pytest.mark.parametrize("kind", kinds(REGISTRIES))
def test_provenance_is_a_signature_to_cosign_but_not_to_us(kind, project, tmp_path, verdicts):
    """The one known exception: cosign does not look at the type of what it verified."""
    with open_kind(kind, tmp_path) as registry:
        image, manifest = push(registry)
        attestation = own.sluiceway_attest(project, image, manifest, registry, VSA, PREDICATE, {})
        assert attestation.verified
        assert verdicts(image, registry) == EVERYBODY | {"own": False}


# sign-key writes no `.att` entries, it reads them: the one combination that does not exist.
@pytest.mark.parametrize(
    ("signer", "store"),
    [row for row in itertools.product(SIGNERS, STORES) if row != ("own", "sig")],
)
@pytest.mark.parametrize("kind", kinds(REGISTRIES))
def test_what_one_attests_all_verify_by_its_type(kind, signer, store, project, tmp_path):
    predicate = tmp_path / "predicate.json"
    predicate.write_text(json.dumps(PREDICATE))
    public = project.state / "cosign.pub"
    _, stranger = generate_key_pair(tmp_path / "stranger", PASSWORD)
    with open_kind(kind, tmp_path) as registry:
        image, manifest = push(registry)
        if signer == "own":
            own.sluiceway_attest(project, image, manifest, registry, VSA, PREDICATE, {})
        else:
            Cosign(signer, tmp_path).attest(
                project.state / "cosign.key", image, VSA, predicate, bundle=store == "bundle"
            )
        (found,) = own.sluiceway_attestations(project, image, registry, {})
        assert (found.verified, found.predicate_type) == (True, VSA), found.problem
        assert found.predicate == PREDICATE
        for name in ("cosign-2", "cosign"):
            cosign = Cosign(name, tmp_path)
            assert cosign.verify_attestation(public, image, VSA).returncode == 0, name
            assert cosign.verify_attestation(public, image, "spdxjson").returncode != 0, name
            assert cosign.verify_attestation(stranger, image, VSA).returncode != 0, name


def test_the_page_shows_every_combination_and_no_other():
    page = (Path(__file__).parents[2] / "docs" / "signing.md").read_text()
    section = page.partition("## Who was held to what")[2]
    found = [line for line in section.splitlines() if line.startswith("|")]
    cell = ", ".join(EVERYBODY)
    assert found == [
        f"| signed by, store | {' | '.join(REGISTRIES)} |",
        f"| {' | '.join(['---'] * (1 + len(REGISTRIES)))} |",
        *(
            f"| {signer}, {store} | {' | '.join([cell] * len(REGISTRIES))} |"
            for signer, store in itertools.product(SIGNERS, STORES)
        ),
    ]


def put_sig(registry, victim, image, *, change):
    """Store the image's ``.sig`` entries as the victim's, their payload rewritten or as it is."""
    manifest = registry.resolve(sig_tag(image.digest))
    if change:
        document = document_of(manifest)
        (layer,) = document["layers"]
        body = registry.blob(layer["digest"], limit=1 << 20)
        assert image.digest.encode() in body
        stored = registry.put_blob(body.replace(image.digest.encode(), victim.digest.encode()))
        layer |= {"digest": stored.digest, "size": stored.size}
        manifest = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    registry.put_manifest(sig_tag(victim.digest), manifest)


def put_bundle(registry, victim, image, *, change):
    """Store the image's bundle as a referrer of the victim, its statement rewritten or as it is."""
    (descriptor,) = registry.referrers(image.digest)
    document = document_of(registry.manifest(descriptor.digest))
    (layer,) = document["layers"]
    body = registry.blob(layer["digest"], limit=1 << 20)
    if change:
        data = json.loads(body)
        envelope = data["dsseEnvelope"]
        hexes = [text.removeprefix("sha256:").encode() for text in (image.digest, victim.digest)]
        payload = base64.b64decode(envelope["payload"])
        assert hexes[0] in payload
        envelope["payload"] = base64.b64encode(payload.replace(*hexes)).decode()
        body = json.dumps(data).encode()
    stored = registry.put_blob(body)
    layer |= {"digest": stored.digest, "size": stored.size}
    subject = descriptor_json(registry_descriptor(victim))
    document |= {"layers": [layer], "subject": subject}
    registry.put_referrer(victim, manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST))


def registry_descriptor(manifest):
    from sluiceway.oci import describe

    described = describe(manifest)
    return type(described)(
        media_type=described.media_type, digest=described.digest, size=described.size
    )
