"""Real tools against our registry, and our client against a real registry."""

from __future__ import annotations

import json
import subprocess

import pytest
from tests.registry_kit import PROGRAMS, real_registry

from sluiceway.errors import ActionFailed
from sluiceway.oci import (
    fallback_tag,
    promote_tag,
    pull_layout,
    push_layout,
    restore_tag,
)
from sluiceway.oci.client import RegistryClient
from sluiceway.oci.media_types import DOCKER_MANIFEST, IMAGE_MANIFEST


def skopeo(*arguments):
    done = subprocess.run(
        ["skopeo", *arguments], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.real_tool("skopeo")
def test_skopeo_reads_what_we_push(registry, address, make_layout, tmp_path):
    image = push_layout(registry, make_layout("a").folder, tag="dev")
    seen = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{address}/team/app:dev"))
    assert seen["Digest"] == image.digest
    skopeo(
        *("copy", "--src-tls-verify=false", f"docker://{address}/team/app@{image.digest}"),
        f"dir:{tmp_path / 'copied'}",  # the one form in which skopeo compresses nothing
    )
    assert (tmp_path / "copied" / "manifest.json").read_bytes() == image.body


@pytest.mark.real_tool("skopeo")
@pytest.mark.parametrize("form", [IMAGE_MANIFEST, DOCKER_MANIFEST])
def test_we_read_what_skopeo_pushes(registry, address, make_layout, tmp_path, form):
    source = f"oci:{make_layout('a').folder}"
    flag = {IMAGE_MANIFEST: "oci", DOCKER_MANIFEST: "v2s2"}[form]
    target = f"docker://{address}/team/app:dev"
    skopeo("copy", "--format", flag, "--dest-tls-verify=false", source, target)
    image = registry.resolve("dev")
    assert image is not None
    assert image.media_type == form
    assert promote_tag(registry, "dev", image.digest, "staging") == image
    seen = json.loads(
        skopeo("inspect", "--tls-verify=false", f"docker://{address}/team/app:staging")
    )
    assert seen["Digest"] == image.digest
    assert pull_layout(registry, image.digest, tmp_path / "pulled").image() == image


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.real_tool(name)) for name in PROGRAMS])
def real_address(request, tmp_path):
    with real_registry(request.param, tmp_path / "registry") as address:
        yield address


@pytest.fixture
def peer(real_address):
    with RegistryClient(f"{real_address}/team/app") as client:
        yield client


def test_a_release_in_a_real_registry(peer, make_image, make_layout, tmp_path):
    assert peer.ping()
    assert peer.resolve("dev") is None
    assert peer.tags() == ()
    image = push_layout(peer, make_layout("a").folder, tag="dev")
    assert promote_tag(peer, "dev", image.digest, "staging") == image
    other = make_image(peer, "other", tag="dev", media_type=DOCKER_MANIFEST)
    with pytest.raises(ActionFailed) as caught:
        promote_tag(peer, "dev", image.digest, "staging")
    assert caught.value.code == "promotion.source-moved"
    assert promote_tag(peer, "dev", other.digest, "staging") == other
    assert restore_tag(peer, "staging", image.digest) == image
    assert peer.tags() == ("dev", "staging")
    assert pull_layout(peer, image.digest, tmp_path / "pulled").image() == image
    assert peer.delete_tag("never-there") is True


@pytest.mark.real_tool("docker-registry")
def test_a_real_registry_that_cannot_delete_tags(make_image, tmp_path):
    with (
        real_registry("docker-registry", tmp_path / "registry") as address,
        RegistryClient(f"{address}/team/app") as peer,
    ):
        make_image(peer, tag="dev")
        assert peer.delete_tag("dev") is False
        assert peer.resolve("dev") is not None


@pytest.mark.real_tool("registry")
def test_a_real_registry_that_can_delete_tags(make_image, tmp_path):
    with (
        real_registry("registry", tmp_path / "registry") as address,
        RegistryClient(f"{address}/team/app") as peer,
    ):
        image = make_image(peer, tag="dev")
        assert peer.delete_tag("dev") is True
        assert peer.resolve("dev") is None
        assert peer.manifest(image.digest) == image


def test_referrers_by_fallback_tag(peer, make_image):
    image = make_image(peer, tag="dev")
    assert peer.referrers(image.digest) == ()
    first = make_image(peer, "first", subject=image)
    second = make_image(peer, "second", subject=image)
    for referrer in (first, second, first):
        peer.put_referrer(image, referrer)
    found = peer.referrers(image.digest)
    assert [item.digest for item in found] == [first.digest, second.digest]
    assert found[1].artifact_type == "application/vnd.test.second"
    assert fallback_tag(image.digest) in peer.tags()
    assert peer.manifest(first.digest) == first


def test_two_writers_of_one_fallback_tag_lose_nothing(peer, make_image):
    """One process; between machines the protocol itself has no guard, and the docs say so."""
    from concurrent.futures import ThreadPoolExecutor

    image = make_image(peer, tag="dev")
    referrers = [make_image(peer, f"note{number}", subject=image) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: peer.put_referrer(image, item), referrers))
    assert {item.digest for item in peer.referrers(image.digest)} == {
        item.digest for item in referrers
    }
