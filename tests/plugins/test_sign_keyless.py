"""Keyless signing, end to end through the sigstore library, with an instance of the test's own.

The public instance is never asked: that it works the same is what the library's authors say.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.plugins.sign_kit import PASSWORD, Cosign, open_kind, places, push, replaced
from tests.plugins.sigstore_kit import running

import sluiceway_sign_key as by_key
import sluiceway_sign_keyless as plugin
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError
from sluiceway.model import CheckStatus, Project, Status
from sluiceway.oci import describe, descriptor_json, document_of, manifest_from
from sluiceway.oci.media_types import IMAGE_MANIFEST
from sluiceway.signing import SIGNATURE, bundle
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_sign_key.keys import generate_key_pair
from sluiceway_sign_keyless import sigstore_client

WRONG: tuple[Any, ...] = (None, "", "AAAA", 7, [], {}, [{}], {"rawBytes": "MAA="})
ME = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
VSA = "https://slsa.dev/verification_summary/v1"


@pytest.fixture
def instance():
    with running() as started:
        yield started


@pytest.fixture
def project(tmp_path, instance):
    (tmp_path / "trust.json").write_text(instance.trust_config())
    environ = {"SIGSTORE_ID_TOKEN": instance.token(ME)}
    return Project(service="app", root=tmp_path, state=tmp_path, environ=environ)


@pytest.fixture
def settings(instance):
    issuer = f"{instance.address}/issuer"
    return {"trust_config": "trust.json", "identities": [{"identity": ME, "issuer": issuer}]}


@pytest.fixture(params=[True, False], ids=["referrers-api", "fallback-tag"])
def registry(request):
    return MemoryRegistry("127.0.0.1:5555/team/app", referrers_api=request.param)


@pytest.fixture
def image(registry):
    return push(registry)


def sign(project, image, registry, settings):
    return plugin.sluiceway_sign(project, image[0], image[1], registry, settings)


def verify(project, image, registry, settings):
    return plugin.sluiceway_verify(project, image[0], registry, settings)


def stored(registry, image):
    """Return the only bundle beside the image, as a document."""
    (descriptor,) = registry.referrers(image[0].digest)
    (layer,) = document_of(registry.manifest(descriptor.digest))["layers"]
    return json.loads(registry.blob(layer["digest"], limit=1 << 20))


def put(registry, image, document):
    bundle.put_bundle(registry, image[1], SIGNATURE, json.dumps(document).encode())


def test_what_is_signed_verifies_offline_and_once(project, image, registry, settings, instance):
    before = verify(project, image, registry, settings)
    assert (before.status, before.facts["present"]) == (Status.FAILED, 0)
    first = sign(project, image, registry, settings)
    assert first.status is Status.OK, first.summary
    assert first.facts["keys"] == [f"{ME} (by {instance.address}/issuer)"]
    again = sign(project, image, registry, settings)
    assert again.facts == first.facts
    assert len(instance.leaves) == 1


def test_verifying_asks_no_service(project, image, registry, settings, tmp_path):
    with running() as other:
        (tmp_path / "other.json").write_text(other.trust_config())
        issuer = f"{other.address}/issuer"
        given = {"trust_config": "other.json", "identities": [{"identity": ME, "issuer": issuer}]}
        signer = replace(project, environ={"SIGSTORE_ID_TOKEN": other.token(ME)})
        assert sign(signer, image, registry, given).status is Status.OK
        root = tmp_path / "root.json"
        root.write_text(json.dumps(other.trusted_root()))
    # The instance has ended. A trusted root alone is enough to verify.
    given |= {"trust_config": str(root)}
    assert verify(project, image, registry, given).status is Status.OK
    refused = verify(project, image, registry, settings)
    assert refused.status is Status.FAILED
    assert "sigstore refuses it" in refused.summary


def test_attestations_of_any_type_are_written_once_and_read_back(
    project, image, registry, settings, instance
):
    sign(project, image, registry, settings)
    predicate = {"verificationResult": "PASSED", "n": 2**60}
    hook = plugin.sluiceway_attest
    first = hook(project, image[0], image[1], registry, VSA, predicate, settings)
    assert hook(project, image[0], image[1], registry, VSA, predicate, settings) == first
    (found,) = plugin.sluiceway_attestations(project, image[0], registry, settings)
    assert (found.verified, found.predicate_type, found.predicate) == (True, VSA, predicate)
    assert len(instance.leaves) == 2
    with pytest.raises(ConfigurationError):
        hook(project, image[0], image[1], registry, SIGNATURE, {}, settings)


def test_provenance_by_the_same_identity_is_no_signature(project, image, registry, settings):
    plugin.sluiceway_attest(project, image[0], image[1], registry, VSA, {"n": 1}, settings)
    evidence = verify(project, image, registry, settings)
    assert (evidence.status, evidence.facts["present"]) == (Status.FAILED, 0)


def test_with_nobody_trusted_every_signature_is_refused(project, image, registry, settings):
    sign(project, image, registry, settings)
    evidence = verify(project, image, registry, settings | {"identities": []})
    assert evidence.status is Status.FAILED
    assert "nobody is trusted" in evidence.summary


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({"identity": ME.replace("acme", "acme-evil")}, False),
        ({"identity": ME[:-1]}, False),
        ({"identity": ME.replace(".yml", "!yml")}, False),
        ({"issuer": "https://accounts.example.com"}, False),
        ({"identity": None, "identity_regexp": "https://github.com/acme/app/.*"}, True),
        ({"identity": None, "identity_regexp": "https://github.com/acme/"}, False),
        ({"identity": None, "identity_regexp": "refs/heads/main"}, False),
        ({"issuer": None, "issuer_regexp": "http://127[.]0[.]0[.]1:[0-9]+/issuer"}, True),
        ({"issuer": None, "issuer_regexp": "127[.]0[.]0[.]1"}, False),
    ],
)
def test_identity_and_issuer_count_whole(project, registry, settings, change, good):
    image = push(registry)
    sign(project, image, registry, settings)
    table = {
        key: text for key, text in (settings["identities"][0] | change).items() if text is not None
    }
    evidence = verify(project, image, registry, settings | {"identities": [table]})
    assert (evidence.status is Status.OK) == good
    assert good or "not among those who may sign" in evidence.summary


@pytest.mark.parametrize(
    "table",
    [{}, {"identity": ME}, {"issuer": "https://x"}, {"identity": "", "issuer": "https://x"},
     {"identity": ME, "identity_regexp": ".*", "issuer": "https://x"}, ME,
     {"identity": ME, "issuer": "https://x", "more": 1}, {"identity": 1, "issuer": "https://x"},
     {"identity_regexp": "(", "issuer": "https://x"}],
)  # fmt: skip
def test_half_an_identity_is_a_wrong_setting(project, image, registry, settings, table):
    with pytest.raises(ConfigurationError) as caught:
        verify(project, image, registry, settings | {"identities": [table]})
    assert caught.value.code == "configuration.identity"


def test_a_certificate_that_was_not_valid_when_it_was_logged_is_refused(
    project, image, registry, settings, instance
):
    instance.valid_from = timedelta(hours=1)
    assert sign(project, image, registry, settings).status is Status.FAILED
    refused = verify(project, image, registry, settings)
    assert refused.facts["present"] == 1
    assert "sigstore refuses it" in refused.summary


def test_an_expired_certificate_signs_nothing(project, image, registry, settings, instance):
    instance.valid_from = timedelta(hours=-1)
    with pytest.raises(ActionFailed) as caught:
        sign(project, image, registry, settings)
    assert caught.value.code == "sign.sigstore"
    assert registry.referrers(image[0].digest) == ()


def test_a_tampered_statement_is_refused(project, image, registry, settings):
    sign(project, image, registry, settings)
    victim = push(registry, "victim")
    document = stored(registry, image)
    old, new = (item[0].digest.removeprefix("sha256:").encode() for item in (image, victim))
    payload = base64.b64decode(document["dsseEnvelope"]["payload"]).replace(old, new)
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    put(registry, victim, document)
    evidence = verify(project, victim, registry, settings)
    assert (evidence.status, evidence.facts["present"]) == (Status.FAILED, 1)
    assert "sigstore refuses it" in evidence.summary


def test_a_bundle_copied_from_another_digest_is_refused(project, image, registry, settings):
    sign(project, image, registry, settings)
    victim = push(registry, "victim")
    put(registry, victim, stored(registry, image))
    evidence = verify(project, victim, registry, settings)
    assert evidence.status is Status.FAILED
    assert f"it is about {image[0].digest}" in evidence.summary


@pytest.mark.parametrize("part", ["tlogEntries", "certificate"])
def test_a_bundle_without_its_proof_is_refused(project, image, registry, settings, part):
    sign(project, image, registry, settings)
    victim = push(registry, "victim")
    document = stored(registry, image)
    del document["verificationMaterial"][part]
    put(registry, victim, document)
    assert verify(project, victim, registry, settings).status is Status.FAILED


def test_a_log_entry_of_another_signature_is_refused(project, image, registry, settings, instance):
    sign(project, image, registry, settings)
    other = push(registry, "other")
    sign(project, other, registry, settings)
    document = stored(registry, image)
    foreign = stored(registry, other)["verificationMaterial"]["tlogEntries"]
    document["verificationMaterial"]["tlogEntries"] = foreign
    (descriptor,) = registry.referrers(image[0].digest)
    body = registry.put_blob(json.dumps(document).encode())
    manifest = document_of(registry.manifest(descriptor.digest))
    manifest["layers"][0] |= {"digest": body.digest, "size": body.size}
    victim = push(registry, "victim")
    subject = replace(describe(victim[1]), annotations={}, artifact_type="")
    manifest["subject"] = descriptor_json(subject)
    registry.put_referrer(victim[1], manifest_from(json.dumps(manifest).encode(), IMAGE_MANIFEST))
    evidence = verify(project, victim, registry, settings)
    assert (evidence.status, evidence.facts["present"]) == (Status.FAILED, 1)


def test_key_pairs_and_identities_are_not_taken_for_each_other(
    project, image, registry, settings, tmp_path
):
    sign(project, image, registry, settings)
    state = tmp_path / "keys"
    generate_key_pair(state, PASSWORD)
    holder = Project(service="app", root=state, state=state, environ={"COSIGN_PASSWORD": PASSWORD})
    refused = by_key.sluiceway_verify(holder, image[0], registry, {})
    assert refused.status is Status.FAILED
    assert "signed with a certificate and not with a key pair" in refused.summary
    by_key.sluiceway_sign(holder, image[0], image[1], registry, {})
    mine = verify(project, image, registry, settings)
    assert (mine.facts["present"], mine.facts["verified"]) == (2, 1)
    assert "signed with a key pair" in mine.facts["problems"][0]


def test_the_public_instances_root_needs_no_network_and_trusts_no_other(
    project, image, registry, settings
):
    sign(project, image, registry, settings)
    evidence = verify(project, image, registry, settings | {"trust_config": ""})
    assert (evidence.status, evidence.facts["present"]) == (Status.FAILED, 1)


@pytest.mark.parametrize("text", ["", "{}", "no JSON", '{"mediaType": "text/plain"}'])
def test_a_trust_configuration_that_cannot_be_read_is_named(
    project, image, registry, settings, tmp_path, text
):
    (tmp_path / "trust.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"trust\.json") as caught:
        verify(project, image, registry, settings)
    assert caught.value.code == "sign.trust-config"


def test_a_token_is_needed_fit_and_never_shown(
    project, image, registry, settings, instance, tmp_path
):
    without = replace(project, environ={})
    with pytest.raises(ConfigurationError) as caught:
        sign(without, image, registry, settings)
    assert caught.value.code == "sign.no-token"
    for text in ("garbled-token", instance.token(ME, aud="elsewhere")):
        with pytest.raises(ConfigurationError) as caught:
            sign(replace(project, environ={"SIGSTORE_ID_TOKEN": text}), image, registry, settings)
        assert caught.value.code == "sign.token"
        assert text not in str(caught.value.diagnostics())
    with pytest.raises(ConfigurationError) as caught:
        sign(without, image, registry, settings | {"token_file": "missing"})
    assert caught.value.code == "sign.no-token"
    (tmp_path / "token").write_text(instance.token(ME) + "\n")
    given = settings | {"token_file": "token"}
    assert sign(without, image, registry, given).status is Status.OK


def test_a_token_that_fulcio_does_not_know_signs_nothing(
    project, image, registry, settings, instance
):
    with running() as stranger:
        stranger.address = instance.address
        token = stranger.token(ME)
    with pytest.raises(ActionFailed) as caught:
        sign(replace(project, environ={"SIGSTORE_ID_TOKEN": token}), image, registry, settings)
    assert token not in str(caught.value.diagnostics())


def test_somebody_who_may_not_sign_signs_nothing(project, image, registry, settings, instance):
    token = instance.token("mallory@example.com")
    with pytest.raises(ConfigurationError, match="mallory@example") as caught:
        sign(replace(project, environ={"SIGSTORE_ID_TOKEN": token}), image, registry, settings)
    assert caught.value.code == "sign.untrusted-identity"
    assert instance.leaves == []


def test_a_person_signs_by_mail_address(project, image, registry, settings, instance):
    person = "ann@example.com"
    settings["identities"].append(
        {"identity": person, "issuer": settings["identities"][0]["issuer"]}
    )
    project = replace(project, environ={"SIGSTORE_ID_TOKEN": instance.token(person)})
    assert sign(project, image, registry, settings).status is Status.OK


def test_a_missing_extra_is_named(project, image, registry, settings, monkeypatch):
    monkeypatch.setattr(sigstore_client, "has_extra", lambda: False)
    for hook in (sign, verify):
        with pytest.raises(PluginError) as caught:
            hook(project, image, registry, settings)
        assert caught.value.remedy == "pip install 'sluiceway[keyless]'"
    library, _, _ = plugin.sluiceway_doctor(project, settings)
    assert library.status is CheckStatus.FAIL


def test_the_doctor_looks_at_identities_and_token(project, settings):
    checks = plugin.sluiceway_doctor(project, settings)
    assert [check.status for check in checks] == [CheckStatus.OK] * 3
    _, trusted, token = plugin.sluiceway_doctor(replace(project, environ={}), {})
    assert (trusted.status, token.status) == (CheckStatus.FAIL, CheckStatus.WARN)


# Neither says anything about who signed what: the log's promise vouches for the moment, and only
# its presence makes the moment count; an empty list of timestamps is as good as none.
HARMLESS = {("verificationMaterial", "timestampVerificationData")}


def test_no_spoilt_bundle_passes_and_none_stops_the_check(project, image, registry, settings):
    sign(project, push(registry, "earlier"), registry, settings)  # so that there is a proof
    sign(project, image, registry, settings)
    document = stored(registry, image)
    judge = sigstore_client.judge_with(
        sigstore_client.trusted_root(project, settings), sigstore_client.wanted(settings)
    )
    tried, passed = 0, []
    for path in places(document):
        if path[:2] in HARMLESS:
            continue
        for value in WRONG:
            spoilt = replaced(document, path, value)
            other = MemoryRegistry("127.0.0.1:5555/team/app")
            copy = push(other)
            put(other, copy, spoilt)
            (found,) = bundle.read_bundles(other, copy[0].digest, judge) or (None,)
            tried += 1
            if found is not None and not found.problem:
                passed.append((path, value))
    assert tried > 200
    assert passed == []


@pytest.mark.parametrize(
    "program",
    [pytest.param(name, marks=pytest.mark.real_tool(name)) for name in ("cosign-2", "cosign")],
)
def test_cosign_accepts_our_keyless_signature(project, settings, instance, tmp_path, program):
    with open_kind("embedded", tmp_path) as registry:
        image = push(registry)
        sign(project, image, registry, settings)
        plugin.sluiceway_attest(project, image[0], image[1], registry, VSA, {"n": 1}, settings)
        cosign = Cosign(program, tmp_path)
        (tmp_path / "root.json").write_text(json.dumps(instance.trusted_root()))

        def accepts(command, *more, identity=ME):
            arguments = (
                *command,
                f"--certificate-identity={identity}",
                f"--certificate-oidc-issuer={instance.address}/issuer",
                "--trusted-root=root.json",
                "--new-bundle-format=true",
                "--allow-http-registry",
                *more,
                str(image[0]),
            )
            done = cosign.run(*arguments, check=False)
            return done.returncode == 0 or done.stderr

        assert accepts(("verify",)) is True
        assert accepts(("verify-attestation", f"--type={VSA}")) is True
        assert accepts(("verify",), identity="https://github.com/other") is not True
