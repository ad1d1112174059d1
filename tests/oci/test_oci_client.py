"""The client against a real registry on loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from sluiceway.errors import ActionFailed, ConfigurationError, UsageError
from sluiceway.model import Manifest
from sluiceway.oci import client as client_module
from sluiceway.oci import fallback_tag, manifest_from, sha256
from sluiceway.oci.client import RegistryClient
from sluiceway.oci.media_types import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    IMAGE_INDEX,
    IMAGE_MANIFEST,
)
from sluiceway.oci.transport import RetryPolicy


def index_of(child: Manifest, media_type: str) -> Manifest:
    entry = {"mediaType": child.media_type, "digest": child.digest, "size": len(child.body)}
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": [entry]}
    return manifest_from(json.dumps(document, indent=1).encode(), media_type)


@pytest.mark.parametrize("media_type", [IMAGE_MANIFEST, DOCKER_MANIFEST])
def test_an_image_keeps_bytes_digest_and_media_type(registry, make_image, media_type):
    manifest = make_image(registry, "one", tag="dev", media_type=media_type)
    assert registry.resolve("dev") == manifest
    assert registry.manifest(manifest.digest) == manifest
    registry.put_manifest("staging", manifest)
    assert registry.resolve("staging") == manifest
    assert registry.tags() == ("dev", "staging")


@pytest.mark.parametrize("media_type", [IMAGE_INDEX, DOCKER_INDEX])
def test_an_index_keeps_bytes_digest_and_media_type(registry, make_image, media_type):
    index = index_of(make_image(registry), media_type)
    registry.put_manifest("dev", index)
    registry.put_manifest("staging", index)
    assert registry.resolve("dev") == registry.resolve("staging") == index


def test_what_is_not_there_is_none(registry, make_image):
    assert registry.resolve("dev") is None
    assert registry.manifest("sha256:" + "0" * 64) is None
    assert registry.tags() == ()
    assert registry.referrers("sha256:" + "0" * 64) == ()
    assert registry.has_blob("sha256:" + "0" * 64) is False
    make_image(registry, tag="dev")
    assert registry.resolve("other") is None


def test_blobs_go_there_and_back(registry, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 20_000)
    described = registry.put_blob(source)
    assert described == registry.put_blob(source.read_bytes())
    assert described.size == source.stat().st_size
    assert described.media_type == "application/octet-stream"
    assert registry.has_blob(described.digest)
    assert registry.blob(described.digest, limit=described.size) == source.read_bytes()
    target = tmp_path / "target"
    target.write_bytes(b"older")
    registry.save_blob(described.digest, target)
    assert target.read_bytes() == source.read_bytes()


def test_an_empty_blob_is_a_blob(registry):
    described = registry.put_blob(b"")
    assert registry.blob(described.digest, limit=0) == b""


def test_limits_hold_and_leave_nothing(registry, tmp_path):
    described = registry.put_blob(b"x" * 10_000)
    with pytest.raises(ActionFailed) as caught:
        registry.blob(described.digest, limit=9_999)
    assert caught.value.code == "registry.too-large"
    with pytest.raises(ActionFailed) as caught:
        registry.save_blob(described.digest, tmp_path / "blob", limit=9_999)
    assert caught.value.code == "registry.too-large"
    assert not any(path.is_file() for path in tmp_path.iterdir())


def test_a_blob_that_is_missing_is_named(registry, tmp_path):
    digest = "sha256:" + "0" * 64
    for act in (
        lambda: registry.blob(digest, limit=10),
        lambda: registry.save_blob(digest, tmp_path / "blob"),
    ):
        with pytest.raises(ActionFailed) as caught:
            act()
        assert caught.value.code == "registry.blob-missing"
        assert digest in caught.value.what


def test_a_blob_changed_in_the_registry_is_not_used(registry, store, tmp_path):
    described = registry.put_blob(b"true content")
    store.blob_path(described.digest).write_bytes(b"evil content")
    for act in (
        lambda: registry.blob(described.digest, limit=100),
        lambda: registry.save_blob(described.digest, tmp_path / "blob"),
    ):
        with pytest.raises(ActionFailed) as caught:
            act()
        assert caught.value.code == "registry.corrupt"
    assert not (tmp_path / "blob").exists()


def test_a_manifest_changed_in_the_registry_is_not_used(registry, store, make_image):
    manifest = make_image(registry, tag="dev")
    store.blob_path(manifest.digest).write_bytes(manifest.body.replace(b"amd64", b"arm64") + b" ")
    for act in (lambda: registry.resolve("dev"), lambda: registry.manifest(manifest.digest)):
        with pytest.raises(ActionFailed) as caught:
            act()
        assert caught.value.code == "registry.corrupt"


def test_a_manifest_must_be_what_it_says(registry, make_image):
    manifest = make_image(registry)
    lying = Manifest(body=manifest.body + b" ", media_type=IMAGE_MANIFEST, digest=manifest.digest)
    with pytest.raises(UsageError):
        registry.put_manifest("dev", lying)
    with pytest.raises(UsageError):
        registry.put_manifest("sha256:" + "0" * 64, manifest)
    assert registry.resolve("dev") is None


def test_a_manifest_whose_blobs_are_missing_is_refused(registry, make_image, address):
    manifest = make_image(registry)
    with RegistryClient(f"{address}/other") as other, pytest.raises(ActionFailed) as caught:
        other.put_manifest("dev", manifest)
    assert caught.value.code == "registry.refused"
    assert "MANIFEST_BLOB_UNKNOWN" in caught.value.what


def test_many_tags_come_page_by_page(registry, make_image, monkeypatch):
    manifest = make_image(registry)
    for number in range(7):
        registry.put_manifest(f"v{number}", manifest)
    monkeypatch.setattr(client_module, "_TAGS_A_PAGE", 2)
    assert registry.tags() == tuple(f"v{number}" for number in range(7))


def test_a_tag_is_deleted_and_its_image_stays(registry, make_image):
    manifest = make_image(registry, tag="dev")
    registry.put_manifest("keep", manifest)
    assert registry.delete_tag("dev") is True
    assert registry.tags() == ("keep",)
    assert registry.manifest(manifest.digest) == manifest
    assert registry.delete_tag("never-there") is True


def test_referrers_by_api_without_a_fallback_tag(registry, make_image):
    image = make_image(registry, tag="dev")
    first = make_image(registry, "first", subject=image)
    second = make_image(registry, "second", subject=image)
    for referrer in (first, second, first):
        registry.put_referrer(image, referrer)
    found = registry.referrers(image.digest)
    assert [item.digest for item in found] == [first.digest, second.digest]
    assert found[0].artifact_type == "application/vnd.test.first"
    assert found[0].annotations == {"org.example.note": "first"}
    assert registry.resolve(fallback_tag(image.digest)) is None


def test_a_referrer_to_something_else_is_refused(registry, make_image):
    image, other = make_image(registry), make_image(registry, "other")
    with pytest.raises(UsageError) as caught:
        registry.put_referrer(other, make_image(registry, "note", subject=image))
    assert caught.value.code == "manifest.subject"


def test_connections_are_used_again(registry, make_image, make_proxy, address):
    """Also after answers without a body (HEAD, PUT), which a careless client leaves unread."""
    image = make_image(registry, tag="dev")
    proxy = make_proxy(address)
    with RegistryClient(f"{proxy.address}/team/app") as client:
        for number in range(3):
            client.put_blob(b"content")
            client.put_manifest(f"t{number}", image)
            client.delete_tag(f"t{number}")
            client.referrers(image.digest)
            assert client.resolve("nothing") is None
    assert proxy.connections == 1


def test_a_registry_without_the_referrers_api_is_asked_for_it_once(registry, make_proxy, address):
    proxy = make_proxy(address)
    digest = "sha256:" + "0" * 64

    def without_page(passing):
        if "/referrers/" in passing.path:
            passing.status, passing.body = 404, b"404 page not found\n"

    def unknown(passing):
        without_page(passing)
        passing.body = b'{"errors":[{"code":"NAME_UNKNOWN"}]}'

    for fault, times in ((without_page, 1), (unknown, 3)):
        proxy.asked.clear()
        proxy.fault = fault
        with RegistryClient(f"{proxy.address}/team/app") as client:
            for _ in range(3):
                assert client.referrers(digest) == ()
        assert len([line for line in proxy.asked if "/referrers/" in line]) == times


def test_importing_the_client_brings_no_console():
    """httpx would also load its own program, with click, rich and pygments, when they are there."""
    code = (
        "import sys, sluiceway.oci.client, httpx;"
        "assert not {'click', 'rich', 'pygments', 'httpx._main'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_two_clients_share_nothing_but_the_registry(registry, address, make_image):
    manifest = make_image(registry, tag="dev")
    with RegistryClient(f"{address}/team/app") as other:
        assert other.resolve("dev") == manifest


def test_names_are_checked_before_anything_is_sent(registry):
    for act in (
        lambda: registry.resolve("../x"),
        lambda: registry.manifest("dev"),
        lambda: registry.delete_tag("a/b"),
        lambda: registry.blob("sha256:x", limit=1),
        lambda: registry.referrers("dev"),
    ):
        with pytest.raises(UsageError):
            act()


def test_ping_says_what_answers(registry, address):
    assert registry.ping() == f"{address} answers as an OCI registry (registry/2.0)"


def test_nothing_at_the_address_is_said_within_seconds():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody else can take it
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with RegistryClient(f"{address}/app") as patient, pytest.raises(ActionFailed):
            patient.ping()
        with RegistryClient(f"{address}/app", retry=RetryPolicy(attempts=1)) as registry:
            for act in (
                registry.ping,
                registry.tags,
                lambda: registry.resolve("dev"),
                lambda: registry.put_blob(b"x"),
            ):
                with pytest.raises(ActionFailed) as caught:
                    act()
                assert caught.value.code == "registry.unreachable"
                assert address in caught.value.what
                assert "invoke doctor" in caught.value.remedy


def test_a_registry_that_can_be_started_is_started_once(address):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        calls: list[int] = []
        with (
            RegistryClient(
                f"127.0.0.1:{unused.getsockname()[1]}/app",
                retry=RetryPolicy(attempts=3, first_delay=0.01),
                on_unreachable=lambda: calls.append(1),
            ) as registry,
            pytest.raises(ActionFailed),
        ):
            registry.ping()
    assert calls == [1]


def test_insecure_and_an_authority_contradict(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        RegistryClient("registry.example/app", insecure=True, ca_file=tmp_path / "ca.pem")
    assert caught.value.code == "registry.contradiction"


def test_plain_http_is_for_loopback_only():
    with RegistryClient("registry.example/app") as registry:
        assert registry._transport.base == "https://registry.example"
    with RegistryClient("registry.example/app", insecure=True) as registry:
        assert registry._transport.base == "http://registry.example"
    with RegistryClient("[::1]:5000/app") as registry:
        assert registry._transport.base == "http://[::1]:5000"


def test_uploading_twice_uploads_once(registry, make_proxy, address):
    proxy = make_proxy(address)
    with RegistryClient(f"{proxy.address}/team/app") as client:
        first = client.put_blob(b"content")
        assert client.put_blob(b"content") == first
    assert [passing.method for passing in proxy.seen] == ["HEAD", "POST", "PUT", "HEAD"]
    assert sha256(b"content") == first.digest
