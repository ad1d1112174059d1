"""What we sign, cosign accepts; what cosign signs, we verify: with the real tool and registry."""

from __future__ import annotations

import json
import os
import socket
import subprocess

import pytest
from tests.key_kit import put_key_pair

import sluiceway_registry_folder
import sluiceway_sign_key as plugin
from sluiceway.model import Image, Project, Status
from sluiceway.oci import manifest_from
from sluiceway.oci.client import RegistryClient
from sluiceway.oci.media_types import IMAGE_CONFIG, IMAGE_MANIFEST
from sluiceway_sign_key.keys import generate_key_pair

PASSWORD = "correct horse"
PROVENANCE = "https://slsa.dev/provenance/v1"
PREDICATE = {
    "buildDefinition": {"buildType": "https://example.com/b", "externalParameters": {"n": 1}},
    "runDetails": {"builder": {"id": "https://example.com/builder"}},
}
TRUSTED_ROOT = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}
# cosign 3 signs into a transparency log unless a signing configuration says that there is none.
NO_SERVICES = {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}


@pytest.fixture
def project(tmp_path):
    state = tmp_path / "state"
    put_key_pair(state, PASSWORD)
    return Project(service="app", root=tmp_path, state=state, environ={"COSIGN_PASSWORD": PASSWORD})


@pytest.fixture
def registry(project):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {"address": address, "folder": "registry"}
    opened = sluiceway_registry_folder.sluiceway_registry(project, f"{address}/team/app", settings)
    assert isinstance(opened, RegistryClient)
    yield opened
    opened.close()
    sluiceway_registry_folder.sluiceway_shutdown(project, settings)


@pytest.fixture
def pushed(registry):
    config = registry.put_blob(b'{"architecture":"amd64","os":"linux","rootfs":{}}')
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


@pytest.fixture
def cosign(project, tmp_path):
    (tmp_path / "root.json").write_text(json.dumps(TRUSTED_ROOT))
    (tmp_path / "services.json").write_text(json.dumps(NO_SERVICES))

    def run(*arguments, check=True):
        done = subprocess.run(
            ["cosign", *arguments],
            cwd=tmp_path,
            env={**os.environ, "COSIGN_PASSWORD": PASSWORD, "COSIGN_YES": "true"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return run


SIGNING = ("--signing-config", "services.json", "--trusted-root", "root.json")
PLAIN = ("--allow-http-registry",)


def key_of(project, name):
    return str(project.state / f"cosign.{name}")


def verify_with(cosign, key, image, **more):
    return cosign("verify", "--key", key, "--insecure-ignore-tlog=true", *PLAIN, str(image), **more)


@pytest.mark.real_tool("cosign")
def test_cosign_accepts_our_signature_and_no_other_key(project, registry, pushed, cosign, tmp_path):
    image, manifest = pushed
    assert verify_with(cosign, key_of(project, "pub"), image, check=False).returncode != 0
    plugin.sluiceway_sign(project, image, manifest, registry, {})
    verify_with(cosign, key_of(project, "pub"), image)
    _, other = generate_key_pair(tmp_path / "other", PASSWORD)
    assert verify_with(cosign, str(other), image, check=False).returncode != 0


@pytest.mark.real_tool("cosign")
def test_cosign_accepts_our_sig_tag_where_there_is_no_bundle(project, registry, pushed, cosign):
    from sluiceway.signing import simple_signing
    from sluiceway_sign_key import signing

    image, _ = pushed
    simple_signing.add_signature(registry, image.digest, signing.private_key(project, {}))
    assert registry.referrers(image.digest) == ()
    done = verify_with(cosign, key_of(project, "pub"), image)
    assert image.digest in done.stdout


@pytest.mark.real_tool("cosign")
def test_we_accept_what_cosign_signs(project, registry, pushed, cosign):
    image, manifest = pushed
    cosign("sign", "--key", key_of(project, "key"), *SIGNING, *PLAIN, str(image))
    evidence = plugin.sluiceway_verify(project, image, registry, {})
    assert evidence.status is Status.OK, evidence.summary
    assert evidence.facts["present"] == evidence.facts["verified"] == 1
    # cosign wrote the bundle only: ours adds the older form, and no second bundle.
    evidence = plugin.sluiceway_sign(project, image, manifest, registry, {})
    assert evidence.facts["verified"] == 2
    assert len(registry.referrers(image.digest)) == 1


@pytest.mark.real_tool("cosign")
def test_we_open_a_key_pair_that_cosign_made(project, registry, pushed, cosign, tmp_path):
    image, manifest = pushed
    cosign("generate-key-pair", "--output-key-prefix", "theirs")
    settings = {"key": "theirs.key", "public_keys": ["theirs.pub"]}
    evidence = plugin.sluiceway_sign(project, image, manifest, registry, settings)
    assert evidence.status is Status.OK
    verify_with(cosign, "theirs.pub", image)


@pytest.mark.real_tool("cosign")
def test_cosign_accepts_our_attestation(project, registry, pushed, cosign):
    image, manifest = pushed
    plugin.sluiceway_attest(project, image, manifest, registry, PROVENANCE, PREDICATE, {})
    arguments = (
        "verify-attestation",
        "--key",
        key_of(project, "pub"),
        "--insecure-ignore-tlog=true",
        "--trusted-root",
        "root.json",
        *PLAIN,
        "--type",
    )
    cosign(*arguments, PROVENANCE, str(image))
    assert cosign(*arguments, "spdxjson", str(image), check=False).returncode != 0


@pytest.mark.real_tool("cosign")
def test_we_accept_what_cosign_attests_and_call_it_no_signature(
    project, registry, pushed, cosign, tmp_path
):
    image, _ = pushed
    (tmp_path / "predicate.json").write_text(json.dumps(PREDICATE))
    cosign(
        "attest",
        "--key",
        key_of(project, "key"),
        *SIGNING,
        *PLAIN,
        "--type",
        "slsaprovenance1",
        "--predicate",
        "predicate.json",
        str(image),
    )
    (found,) = plugin.sluiceway_attestations(project, image, registry, {})
    assert found.verified, found.problem
    assert found.predicate_type == PROVENANCE
    assert found.predicate["buildDefinition"] == PREDICATE["buildDefinition"]
    # cosign itself would call this image signed.
    verify_with(cosign, key_of(project, "pub"), image)
    assert plugin.sluiceway_verify(project, image, registry, {}).status is Status.FAILED


def test_the_folder_registry_keeps_both_formats(project, registry, pushed):
    image, manifest = pushed
    plugin.sluiceway_sign(project, image, manifest, registry, {})
    plugin.sluiceway_attest(project, image, manifest, registry, PROVENANCE, PREDICATE, {})
    evidence = plugin.sluiceway_verify(project, image, registry, {})
    assert evidence.facts["verified"] == 2
    (found,) = plugin.sluiceway_attestations(project, image, registry, {})
    assert found.verified
    assert found.predicate == PREDICATE
