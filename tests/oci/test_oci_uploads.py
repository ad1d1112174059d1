"""Uploads that break off and go on, and blobs that a neighbour has already."""

from __future__ import annotations

import json
import random

import pytest
from tests.registry_kit import real_registry

from sluiceway.errors import ActionFailed
from sluiceway.oci import sha256
from sluiceway.oci.client import RegistryClient

from .conftest import QUICK

CONTENT = random.Random(7).randbytes(3_000_000)


@pytest.fixture
def proxy(make_proxy, address):
    return make_proxy(address)


@pytest.fixture
def client(proxy):
    with RegistryClient(f"{proxy.address}/team/app", retry=QUICK, timeout_seconds=5) as client:
        yield client


def cutting(*cuts):
    """Break the first requests with a body after so many bytes of it."""
    left = list(cuts)

    def asking(asked):
        if asked.method in {"PUT", "PATCH"} and asked.body and left:
            asked.cut = left.pop(0)

    return asking


def sizes(proxy):
    """The bytes of every request that carried some and was answered."""
    return [
        int(passing.sent["content-length"])
        for passing in proxy.seen
        if int(passing.sent.get("content-length", 0))
    ]


@pytest.mark.parametrize("as_file", [False, True])
def test_an_upload_goes_on_where_it_broke(client, proxy, registry, tmp_path, as_file):
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    proxy.asking = cutting(1_000_000)
    described = client.put_blob(path if as_file else CONTENT)
    assert registry.blob(described.digest, limit=len(CONTENT)) == CONTENT
    assert sizes(proxy) == [2_000_000]
    assert [line.partition(" ")[0] for line in proxy.asked] == [
        *("HEAD", "POST", "PUT"),  # broken
        *("GET", "PATCH", "PUT"),
    ]
    patch = next(passing for passing in proxy.seen if passing.method == "PATCH")
    assert patch.sent["content-range"] == "1000000-2999999"


def test_an_upload_that_breaks_three_times_goes_on_three_times(client, proxy, registry):
    proxy.asking = cutting(1_000_000, 1_000_000, 500_000)
    described = client.put_blob(CONTENT)
    assert registry.blob(described.digest, limit=len(CONTENT)) == CONTENT
    assert sizes(proxy) == [500_000]


def test_an_upload_that_broke_before_its_first_byte_is_sent_whole(client, proxy, registry):
    proxy.asking = cutting(0)
    described = client.put_blob(CONTENT)
    assert registry.has_blob(described.digest)
    assert sizes(proxy) == [3_000_000]


def test_an_upload_whose_answer_was_lost_is_not_sent_again(client, proxy, registry):
    def asking(asked):
        asked.deaf = asked.method == "PUT"

    proxy.asking = asking
    described = client.put_blob(CONTENT)
    assert registry.has_blob(described.digest)
    assert [line.split()[0] for line in proxy.asked] == ["HEAD", "POST", "PUT", "GET", "HEAD"]


@pytest.mark.parametrize("said", ["", "bytes 5-9", "0-99999999", "0-999"])
def test_a_registry_that_miscounts_gets_everything_again(client, proxy, registry, said):
    """The last one is believable and wrong: the registry itself finds that bytes are missing."""
    proxy.asking = cutting(1_000_000)

    def fault(passing):
        if passing.method == "GET" and "uploads" in passing.path:
            passing.headers["range"] = said

    proxy.fault = fault
    described = client.put_blob(CONTENT)
    assert registry.blob(described.digest, limit=len(CONTENT)) == CONTENT


def test_an_upload_that_always_breaks_is_an_error(client, proxy, registry):
    proxy.asking = cutting(*([1000] * 99))
    with pytest.raises(ActionFailed) as caught:
        client.put_blob(CONTENT)
    assert caught.value.code == "registry.connection"
    assert not registry.has_blob(sha256(CONTENT))


@pytest.mark.real_tool("registry")
def test_distribution_3_goes_on_with_an_upload(make_proxy, tmp_path):
    with real_registry("registry", tmp_path / "registry") as address:
        proxy = make_proxy(address)
        proxy.asking = cutting(1_000_000)
        with (
            RegistryClient(f"{proxy.address}/team/app", retry=QUICK) as client,
            RegistryClient(f"{address}/team/app") as direct,
        ):
            described = client.put_blob(CONTENT)
            assert direct.blob(described.digest, limit=len(CONTENT)) == CONTENT
        assert "PATCH" in {line.split()[0] for line in proxy.asked}
        assert max(sizes(proxy)) < len(CONTENT)


@pytest.mark.real_tool("docker-registry")
def test_distribution_2_has_it_sent_again(make_proxy, tmp_path):
    with real_registry("docker-registry", tmp_path / "registry") as address:
        proxy = make_proxy(address)
        proxy.asking = cutting(1_000_000)
        with (
            RegistryClient(f"{proxy.address}/team/app", retry=QUICK) as client,
            RegistryClient(f"{address}/team/app") as direct,
        ):
            described = client.put_blob(CONTENT)
            assert direct.blob(described.digest, limit=len(CONTENT)) == CONTENT


def test_a_blob_is_mounted_without_sending_it(registry, address, make_proxy):
    blob = registry.put_blob(CONTENT)
    proxy = make_proxy(address)
    with RegistryClient(f"{proxy.address}/prod/app") as production:
        assert production.mount_blob(blob.digest, f"{proxy.address}/team/app") is True
        assert production.blob(blob.digest, limit=len(CONTENT)) == CONTENT
    assert sizes(proxy) == []


def test_what_cannot_be_mounted_says_so(registry, address):
    blob = registry.put_blob(CONTENT)
    with RegistryClient(f"{address}/prod/app") as production:
        assert production.mount_blob("sha256:" + "0" * 64, f"{address}/team/app") is False
        assert production.mount_blob(blob.digest, f"{address}/nobody/here") is False
        assert production.mount_blob(blob.digest, "other.example/team/app") is False
        assert not production.has_blob(blob.digest)


def test_a_mount_asks_for_a_token_of_both_repositories(registry, address, make_proxy):
    blob = registry.put_blob(CONTENT)
    proxy = make_proxy(address)
    asked = []

    def give(query, headers, body):
        asked.append(query)
        return 200, json.dumps({"token": f"t{len(asked)}"}).encode()

    proxy.pages["/token"] = give
    proxy.guard = lambda method, path, headers: (
        "" if "authorization" in headers else f'Bearer realm="http://{proxy.address}/token"'
    )
    with RegistryClient(f"{proxy.address}/prod/app") as production:
        assert production.mount_blob(blob.digest, f"{proxy.address}/team/app") is True
    assert asked == [
        "scope=repository%3Aprod%2Fapp%3Apull%2Cpush&scope=repository%3Ateam%2Fapp%3Apull"
    ]
