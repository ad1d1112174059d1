"""The cosign plugin: with real cosigns of both majors, and as strict as the key pair's."""

from __future__ import annotations

import base64
import json
import os
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.plugins.sign_kit import PASSWORD, Cosign, open_kind, project_in, push, sig_tag

import sluiceway_sign_cosign as plugin
import sluiceway_sign_key as own
from sluiceway import events, process
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError
from sluiceway.model import CheckStatus, Status
from sluiceway.signing import SIGNATURE
from sluiceway_sign_cosign import program, trust
from sluiceway_sign_cosign.program import judge_version
from sluiceway_sign_key.keys import generate_key_pair

VSA = "https://slsa.dev/verification_summary/v1"
PREDICATE = {"verificationResult": "PASSED", "n": 1, "text": "a<b&c"}


@pytest.fixture
def project(tmp_path):
    return project_in(tmp_path)


@pytest.fixture
def registry(tmp_path):
    with open_kind("embedded", tmp_path) as opened:
        yield opened


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.real_tool(name)) for name in ("cosign-2", "cosign")
    ]
)
def settings(request):
    return {"program": request.param}


def version(text):
    return json.dumps({"gitVersion": text})


@pytest.mark.parametrize(
    ("text", "major"), [("v2.6.2", 2), ("v2.7.0", 2), ("v3.0.4", 3), ("v3.1.2", 3), ("v3.10.0", 3)]
)
def test_a_sound_release_is_taken(text, major):
    assert judge_version(version(text), "", "cosign").major == major


@pytest.mark.parametrize("text", ["v2.6.1", "v2.5.0", "v2.0.0", "v3.0.3", "v3.0.0"])
def test_a_release_with_a_flaw_is_refused_even_when_accepted_by_name(text):
    with pytest.raises(PluginError, match="known flaw") as caught:
        judge_version(version(text), text, "cosign")
    assert "GHSA-whqx-f9j3-ch6m" in caught.value.means
    assert "or newer" in caught.value.remedy


@pytest.mark.parametrize(
    "printed",
    ["", "[]", "{}", "cosign", version("devel"), version("v3.1.2-rc.1"), version("v1.13.6"),
     version("v4.0.0"), version("2.6.4"), version(None), version("v3.1.2\n")],
)  # fmt: skip
def test_a_version_that_is_no_known_release_is_refused(printed):
    with pytest.raises(PluginError, match="no known release") as caught:
        judge_version(printed, "", "cosign")
    assert "accept_version" in caught.value.remedy


def test_a_build_of_ones_own_is_taken_when_it_is_named_exactly():
    assert judge_version(version("devel"), "devel", "cosign").major == 3
    assert judge_version(version("v2.6.4-2+b1"), "v2.6.4-2+b1", "cosign").text == "v2.6.4-2+b1"
    with pytest.raises(PluginError):
        judge_version(version("devel-2"), "devel", "cosign")


def test_a_missing_program_is_named(project, registry):
    image, _ = push(registry)
    with pytest.raises(PluginError, match="no 'no-such-cosign'") as caught:
        plugin.sluiceway_verify(project, image, registry, {"program": "no-such-cosign"})
    assert caught.value.code == "sign.no-cosign"


def test_an_old_program_signs_and_verifies_nothing(project, registry, tmp_path):
    old = tmp_path / "old-cosign"
    old.write_text('#!/bin/sh\necho \'{"gitVersion": "v2.5.0"}\'\n')
    old.chmod(0o755)
    image, manifest = push(registry)
    settings = {"program": str(old)}
    with pytest.raises(PluginError, match=r"v2\.5\.0"):
        plugin.sluiceway_sign(project, image, manifest, registry, settings)
    with pytest.raises(PluginError, match=r"v2\.5\.0"):
        plugin.sluiceway_verify(project, image, registry, settings)
    program, *_ = plugin.sluiceway_doctor(project, settings)
    assert program.status is CheckStatus.FAIL


def test_signing_writes_both_formats_once(project, registry, settings):
    image, manifest = push(registry)
    before = plugin.sluiceway_verify(project, image, registry, settings)
    assert (before.status, before.facts["present"]) == (Status.FAILED, 0)
    first = plugin.sluiceway_sign(project, image, manifest, registry, settings)
    assert first.status is Status.OK, first.summary
    assert first.maker.tool == "cosign"
    assert registry.resolve(sig_tag(image.digest)) is not None
    assert len(registry.referrers(image.digest)) == 1
    again = plugin.sluiceway_sign(project, image, manifest, registry, settings)
    assert again.facts == first.facts
    assert first.facts["present"] == 2
    theirs = own.sluiceway_verify(project, image, registry, {})
    assert (theirs.facts["present"], theirs.facts["verified"]) == (2, 2)
    assert theirs.facts["keys"] == first.facts["keys"]
    # cosign 2 looks at bundles only where there is one, and the evidence says so.
    assert first.facts["verified"] == (1 if settings["program"] == "cosign-2" else 2)
    assert bool(first.facts["problems"]) == (settings["program"] == "cosign-2")


def test_another_key_is_refused_with_the_reason(project, registry, settings, tmp_path):
    image, manifest = push(registry)
    plugin.sluiceway_sign(project, image, manifest, registry, settings)
    _, stranger = generate_key_pair(tmp_path / "stranger", PASSWORD)
    refused = plugin.sluiceway_verify(
        project, image, registry, settings | {"public_keys": [str(stranger)]}
    )
    assert (refused.status, refused.facts["present"]) == (Status.FAILED, 2)
    assert len(refused.facts["problems"]) == 2
    both = settings | {"public_keys": [str(stranger), str(project.state / "cosign.pub")]}
    assert plugin.sluiceway_verify(project, image, registry, both).status is Status.OK


def test_provenance_is_no_signature_although_cosign_says_so(project, registry, settings, tmp_path):
    image, manifest = push(registry)
    made = plugin.sluiceway_attest(project, image, manifest, registry, VSA, PREDICATE, settings)
    assert made.verified
    public = project.state / "cosign.pub"
    assert Cosign(settings["program"], tmp_path).verify(public, image).returncode == 0
    evidence = plugin.sluiceway_verify(project, image, registry, settings)
    assert (evidence.status, evidence.facts["present"]) == (Status.FAILED, 0)


def test_a_sig_entry_counts_only_if_cosign_verified_a_signature(
    project, registry, settings, tmp_path
):
    """cosign answers 0 for provenance: its answer must name the type, also beside a real `.sig`."""
    image, manifest = push(registry)
    Cosign("cosign-2" if settings["program"] == "cosign-2" else "cosign", tmp_path).sign(
        project.state / "cosign.key", image, bundle=False
    )
    plugin.sluiceway_attest(project, image, manifest, registry, VSA, PREDICATE, settings)
    evidence = plugin.sluiceway_verify(project, image, registry, settings)
    if settings["program"] == "cosign-2":
        assert evidence.status is Status.FAILED
        assert f"only {VSA}" in evidence.summary
    else:
        assert evidence.status is Status.OK


def test_attestations_of_any_type_are_written_once_and_read_back(
    project, registry, settings, tmp_path
):
    image, manifest = push(registry)
    plugin.sluiceway_sign(project, image, manifest, registry, settings)
    first = plugin.sluiceway_attest(project, image, manifest, registry, VSA, PREDICATE, settings)
    again = plugin.sluiceway_attest(project, image, manifest, registry, VSA, PREDICATE, settings)
    assert first == again
    other = plugin.sluiceway_attest(
        project, image, manifest, registry, "https://spdx.dev/Document", {"a": []}, settings
    )
    found = plugin.sluiceway_attestations(project, image, registry, settings)
    assert {(item.digest, item.predicate_type) for item in found} == {
        (first.digest, VSA),
        (other.digest, "https://spdx.dev/Document"),
    }
    assert all(item.verified and item.subject == image.digest for item in found), found
    _, stranger = generate_key_pair(tmp_path / "stranger", PASSWORD)
    distrusted = settings | {"public_keys": [str(stranger)]}
    found = plugin.sluiceway_attestations(project, image, registry, distrusted)
    assert [item.verified for item in found] == [False, False]
    assert all("no trusted key" in item.problem for item in found)


def test_a_predicate_that_cosign_would_round_is_refused(project, registry, settings):
    image, manifest = push(registry)
    with pytest.raises(ActionFailed, match="another one") as caught:
        plugin.sluiceway_attest(project, image, manifest, registry, VSA, {"n": 2**53 + 1}, settings)
    assert caught.value.code == "sign.attestation-changed"


def test_an_attestation_of_the_signature_type_is_not_made(project, registry, settings):
    image, manifest = push(registry)
    with pytest.raises(ConfigurationError) as caught:
        plugin.sluiceway_attest(project, image, manifest, registry, SIGNATURE, {}, settings)
    assert caught.value.code == "sign.predicate-type"


def test_a_key_in_the_environment_is_in_no_argument(project, registry, settings):
    image, manifest = push(registry)
    pem = (project.state / "cosign.key").read_text()
    (project.root / "cosign.pub").write_bytes((project.state / "cosign.pub").read_bytes())
    (project.state / "cosign.key").unlink()
    project = replace(
        project,
        environ={
            **project.environ,
            "COSIGN_PRIVATE_KEY": pem,
            # Each flag of cosign can be set by a variable: these would change what is checked.
            "COSIGN_REPOSITORY": "127.0.0.1:1/elsewhere",
            "COSIGN_CHECK_CLAIMS": "false",
            "COSIGN_KEY": "elsewhere.pub",
        },
    )
    heard: list[events.Event] = []
    with events.subscribed(heard.append):
        evidence = plugin.sluiceway_sign(project, image, manifest, registry, settings)
    assert evidence.status is Status.OK, evidence.summary
    text = "\n".join(map(str, heard))
    assert "env://COSIGN_PRIVATE_KEY" in text
    assert PASSWORD not in text
    assert pem.splitlines()[1] not in text


def test_a_key_without_its_public_half_signs_and_is_verified_with_it(project, registry, settings):
    image, manifest = push(registry)
    (project.state / "cosign.pub").unlink()
    evidence = plugin.sluiceway_sign(project, image, manifest, registry, settings)
    assert evidence.status is Status.OK, evidence.summary
    with pytest.raises(ConfigurationError) as caught:
        plugin.sluiceway_verify(project, image, registry, settings)
    assert caught.value.code == "sign.no-public-key"


def test_a_key_that_is_not_trusted_signs_nothing(project, registry, settings, tmp_path):
    image, manifest = push(registry)
    _, stranger = generate_key_pair(tmp_path / "stranger", PASSWORD)
    with pytest.raises(ConfigurationError) as caught:
        plugin.sluiceway_sign(
            project, image, manifest, registry, settings | {"public_keys": [str(stranger)]}
        )
    assert caught.value.code == "sign.untrusted-key"
    assert registry.referrers(image.digest) == ()


def test_a_wrong_password_is_refused_and_not_shown(project, registry, settings):
    image, manifest = push(registry)
    project = replace(project, environ=project.environ | {"COSIGN_PASSWORD": "a wrong guess"})
    with pytest.raises(ActionFailed) as caught:
        plugin.sluiceway_sign(project, image, manifest, registry, settings)
    assert "a wrong guess" not in str(caught.value)


def test_cosign_makes_a_key_pair_once(project, settings, tmp_path):
    private, public = plugin.sluiceway_new_key(project, tmp_path / "new", settings)
    assert private.stat().st_mode & 0o777 == 0o600
    assert b"BEGIN PUBLIC KEY" in public.read_bytes()
    with pytest.raises(ConfigurationError, match="exists already"):
        plugin.sluiceway_new_key(project, tmp_path / "new", settings)


def test_the_doctor_looks_at_program_and_keys(project, settings):
    checks = plugin.sluiceway_doctor(project, settings)
    assert [check.status for check in checks] == [CheckStatus.OK] * 3
    assert checks[0].detail.startswith(os.sep)
    (project.state / "cosign.key").unlink()
    assert plugin.sluiceway_doctor(project, settings)[2].status is CheckStatus.WARN
    (project.state / "cosign.pub").unlink()
    assert plugin.sluiceway_doctor(project, settings)[1].status is CheckStatus.FAIL


# --- what cosign may see of the environment ---


def seen_by_cosign(environ, key="", repository="127.0.0.1:5000/team/app"):
    return program._environ(environ, repository, key)


def test_no_variable_that_sets_a_flag_gets_through():
    given = {
        "PATH": "/bin",
        "COSIGN_PASSWORD": "p",
        "COSIGN_PRIVATE_KEY": "k",
        "COSIGN_INSECURE_IGNORE_SCT": "true",
        "COSIGN_KEY": "x",
        "COSIGN_PKCS11_MODULE_PATH": "/lib/x.so",
    }
    assert seen_by_cosign(given) == {
        "PATH": "/bin",
        "COSIGN_PASSWORD": "p",
        "COSIGN_PKCS11_MODULE_PATH": "/lib/x.so",
    }
    assert seen_by_cosign(given, "env://COSIGN_PRIVATE_KEY")["COSIGN_PRIVATE_KEY"] == "k"
    # Without a password cosign would ask on a terminal.
    assert seen_by_cosign({}) == {"COSIGN_PASSWORD": ""}


def test_no_secret_gets_through_that_cosign_has_no_use_for():
    given = dict.fromkeys((*process.SECRET_NAMES, "COSIGN_PKCS11_PIN", "VAULT_TOKEN"), "s3cret")
    kept = {"COSIGN_PASSWORD", "COSIGN_PKCS11_PIN", "VAULT_TOKEN"}
    assert set(seen_by_cosign(given)) == kept
    assert set(seen_by_cosign(given, "env://COSIGN_PRIVATE_KEY")) == {*kept, "COSIGN_PRIVATE_KEY"}


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("", True),
        ("127.0.0.1:5000", True),
        ("http://127.0.0.1:5000/", True),
        ("ghcr.io", False),
    ],
)
def test_the_registrys_credentials_go_to_their_registry_only(url, given):
    environ = {"REGISTRY_USERNAME": "u", "REGISTRY_PASSWORD": "p", "REGISTRY_URL": url}
    seen = seen_by_cosign(environ)
    assert (seen.get("COSIGN_REGISTRY_USERNAME"), seen.get("COSIGN_REGISTRY_PASSWORD")) == (
        ("u", "p") if given else (None, None)
    )


def test_cosign_signs_in_by_the_environment_and_not_by_arguments(project, settings, tmp_path):
    heard, said = [], []

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(self.headers.get("Authorization"))
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    repository = f"127.0.0.1:{server.server_address[1]}/team/app"
    environ = {**project.environ, "REGISTRY_USERNAME": "ann", "REGISTRY_PASSWORD": "open sesame"}
    try:
        with (
            events.subscribed(lambda event: said.append(str(event))),
            program.find(replace(project, environ=environ), settings, repository) as cosign,
        ):
            cosign.verify(
                ("verify",),
                str(project.state / "cosign.pub"),
                f"{repository}@sha256:{'a' * 64}",
                tags=False,
            )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    pair = base64.b64encode(b"ann:open sesame").decode()
    assert f"Basic {pair}" in heard
    assert "open sesame" not in "".join(said)


@pytest.mark.parametrize(
    ("repository", "plain"),
    [
        ("127.0.0.1:5000/a", True),
        ("localhost:5000/a", True),
        ("[::1]:5000/a", True),
        ("192.168.1.4:5000/a", False),
        ("ghcr.io/a", False),
    ],
)
def test_plain_http_is_for_this_machine_only(tmp_path, repository, plain):
    cosign = program.Cosign(
        program="cosign",
        version=program.Version(text="v3.1.2", major=3),
        timeout_seconds=1.0,
        environ={},
        folder=tmp_path,
        repository=repository,
    )
    assert ("--allow-http-registry" in cosign._registry()) == plain


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("awskms:///alias/release", "awskms:///alias/release"),
        ("k8s://ns/secret", "k8s://ns/secret"),
        ("pkcs11:token=a;object=b", "pkcs11:token=a;object=b"),
    ],
)
def test_an_address_goes_to_cosign_as_it_is(project, key, named):
    assert trust.signing_key(project, {"key": key}) == named
    assert trust.named_keys(project, {"public_keys": [key]}) == (named,)
    # A key that can be asked for its public half is trusted by that, where nothing else is named.
    assert trust.named_keys(project, {"key": key}) == (named,)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"keys": []}, "configuration.unknown-key"),
        ({"public_keys": [""]}, "configuration.type"),
        ({"timeout_seconds": 0}, "configuration.range"),
    ],
)
def test_wrong_settings_are_refused(project, settings, code):
    with pytest.raises(ConfigurationError) as caught:
        plugin.sluiceway_doctor(project, settings)
    assert caught.value.code == code


def test_a_garbled_key_in_the_environment_is_never_shown(project):
    secret = "LS0tLS1CRUdJTiBFTkNSWVBURUQ"
    project = replace(project, environ=project.environ | {"COSIGN_PRIVATE_KEY": secret})
    with pytest.raises(ConfigurationError) as caught:
        trust.signing_key(project, {})
    assert secret not in json.dumps(caught.value.diagnostics())
