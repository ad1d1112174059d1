"""An image and what was said about it, from one repository into another."""

from __future__ import annotations

import json
import threading

import pytest
from tests.registry_kit import PROGRAMS, real_registry

from sluiceway.errors import ActionFailed
from sluiceway.model import Manifest
from sluiceway.oci import (
    carry_image,
    descriptor_json,
    document_of,
    fallback_tag,
    manifest_from,
    promote_tag,
    pull_layout,
)
from sluiceway.oci.client import RegistryClient
from sluiceway.oci.media_types import DOCKER_INDEX, DOCKER_MANIFEST, IMAGE_INDEX, IMAGE_MANIFEST
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_registry_folder.server import FolderServer, bind
from sluiceway_registry_folder.storage import Store

from .conftest import QUICK, image_of, push_image


@pytest.fixture
def second_address(tmp_path):
    listener = bind("127.0.0.1", 0)
    server = FolderServer(Store.open(tmp_path / "second"), listener)
    stop = threading.Event()
    thread = threading.Thread(
        target=server.run, args=(stop, 3600.0), kwargs={"poll_seconds": 0.003}
    )
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    stop.set()
    thread.join(10)
    server.server_close()


@pytest.fixture
def production(second_address):
    with RegistryClient(f"{second_address}/prod/app", retry=QUICK) as client:
        yield client


@pytest.fixture
def neighbour(address):
    with RegistryClient(f"{address}/prod/app", retry=QUICK) as client:
        yield client


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.real_tool(name)) for name in PROGRAMS])
def real_address(request, tmp_path):
    with real_registry(request.param, tmp_path / "registry") as address:
        yield address


def index_of(registry, *children: Manifest, media_type: str = IMAGE_INDEX) -> Manifest:
    entries = [
        {"mediaType": each.media_type, "digest": each.digest, "size": len(each.body)}
        for each in children
    ]
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    index = manifest_from(json.dumps(document, indent=2).encode(), media_type)
    registry.put_manifest(index.digest, index)
    return index


def beside(registry, image: Manifest, suffix: str, *notes: str) -> Manifest:
    """Store a manifest with one layer per note under cosign's tag."""
    config = registry.put_blob(b"{}")
    layers = [registry.put_blob(note.encode()) for note in notes]
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {
            **descriptor_json(config),
            "mediaType": "application/vnd.oci.image.config.v1+json",
        },
        "layers": [
            {**descriptor_json(layer), "mediaType": "text/plain", "annotations": {"note": note}}
            for layer, note in zip(layers, notes, strict=True)
        ],
    }
    manifest = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    registry.put_manifest(f"{fallback_tag(image.digest)}.{suffix}", manifest)
    return manifest


def refer(registry, subject: Manifest, note: str) -> Manifest:
    referrer = push_image(registry, note, subject=subject)
    registry.put_referrer(subject, referrer)
    return referrer


def notes_of(registry, image: Manifest, suffix: str) -> set[str]:
    found = registry.resolve(f"{fallback_tag(image.digest)}.{suffix}")
    return {layer["annotations"]["note"] for layer in document_of(found)["layers"]}


def everything(source, *, media_type=IMAGE_INDEX, child=IMAGE_MANIFEST):
    """An index of two platforms, each signed, with attestations of attestations."""
    one = push_image(source, "one", media_type=child)
    two = push_image(source, "two", media_type=child)
    image = index_of(source, one, two, media_type=media_type)
    source.put_manifest("dev", image)
    beside(source, image, "sig", "signature")
    beside(source, one, "sig", "signature of a platform")
    beside(source, image, "att", "attestation")
    beside(source, image, "sbom", "packages")
    sbom = refer(source, image, "sbom")
    deep = refer(source, sbom, "signature-of-the-sbom")
    return image, (one, two), sbom, deep


def check(target, made, tmp_path):
    image, platforms, sbom, deep = made
    assert target.manifest(image.digest) == image
    for platform in platforms:
        assert target.manifest(platform.digest) == platform
    assert notes_of(target, image, "sig") == {"signature"}
    assert notes_of(target, platforms[0], "sig") == {"signature of a platform"}
    assert notes_of(target, image, "att") == {"attestation"}
    assert notes_of(target, image, "sbom") == {"packages"}
    assert [item.digest for item in target.referrers(image.digest)] == [sbom.digest]
    assert [item.digest for item in target.referrers(sbom.digest)] == [deep.digest]
    assert target.manifest(deep.digest) == deep
    pulled = pull_layout(target, image.digest, tmp_path / "pulled")  # every layer of it
    assert pulled.image() == image


@pytest.mark.parametrize(
    ("media_type", "child"), [(IMAGE_INDEX, IMAGE_MANIFEST), (DOCKER_INDEX, DOCKER_MANIFEST)]
)
def test_everything_arrives_byte_for_byte(registry, production, tmp_path, media_type, child):
    made = everything(registry, media_type=media_type, child=child)
    carried = carry_image(registry, production, made[0].digest)
    check(production, made, tmp_path)
    assert carried.manifest == made[0]
    assert (carried.mounted, carried.left) == (0, ())
    assert carried.copied > 4
    assert not set(production.tags()) & {"dev", "production"}


@pytest.mark.parametrize("way", ["to", "from", "within"])
def test_everything_arrives_in_real_registries(registry, real_address, tmp_path, way):
    """There is no referrers API in them: the fallback tag is read here and written there."""
    with (
        RegistryClient(f"{real_address}/team/app") as real,
        RegistryClient(f"{real_address}/prod/app") as other,
    ):
        source, target = {
            "to": (registry, real),
            "from": (real, registry),
            "within": (real, other),
        }[way]
        made = everything(source)
        carried = carry_image(source, target, made[0].digest)
        check(target, made, tmp_path)
        assert (carried.mounted > 0, carried.copied > 0) == (way == "within", way != "within")
        again = carry_image(source, target, made[0].digest)
        assert (again.manifests, again.mounted, again.copied) == (0, 0, 0)


def test_within_a_registry_nothing_is_sent(registry, neighbour, tmp_path):
    made = everything(registry)
    carried = carry_image(registry, neighbour, made[0].digest)
    check(neighbour, made, tmp_path)
    assert (carried.copied, carried.size) == (0, 0)
    assert carried.mounted > 4


def test_what_is_there_is_not_sent_again(registry, production):
    image, *_ = everything(registry)
    carry_image(registry, production, image.digest)
    again = carry_image(registry, production, image.digest)
    assert (again.manifests, again.copied, again.size) == (0, 0, 0)


def test_the_targets_own_signatures_stay(registry, production):
    image = push_image(registry, tag="dev")
    beside(registry, image, "sig", "ours", "common")
    carry_image(registry, production, image.digest)
    beside(production, image, "sig", "theirs", "common")
    theirs = refer(production, image, "theirs")
    ours = refer(registry, image, "ours")
    carry_image(registry, production, image.digest)
    assert notes_of(production, image, "sig") == {"ours", "common", "theirs"}
    assert {item.digest for item in production.referrers(image.digest)} == {
        theirs.digest,
        ours.digest,
    }
    merged = production.resolve(f"{fallback_tag(image.digest)}.sig")
    carry_image(registry, production, image.digest)
    assert production.resolve(f"{fallback_tag(image.digest)}.sig") == merged


@pytest.mark.real_tool("docker-registry")
def test_a_fallback_list_is_added_to_and_not_overwritten(registry, tmp_path):
    with (
        real_registry("docker-registry", tmp_path / "registry") as address,
        RegistryClient(f"{address}/prod/app") as target,
    ):
        image = push_image(registry, tag="dev")
        carry_image(registry, target, image.digest)
        theirs = refer(target, image, "theirs")
        ours = [refer(registry, image, f"ours{number}") for number in range(3)]
        carry_image(registry, target, image.digest)
        assert {item.digest for item in target.referrers(image.digest)} == {
            theirs.digest,
            *(item.digest for item in ours),
        }


def test_the_tag_comes_last_and_only_on_what_is_whole(registry, production):
    image, *_ = everything(registry)
    with pytest.raises(ActionFailed) as caught:
        promote_tag(registry, "dev", image.digest, "production", target=production)
    assert caught.value.code == "registry.refused"  # nothing was carried: it refuses the tag
    assert production.tags() == ()
    carry_image(registry, production, image.digest)
    assert promote_tag(registry, "dev", image.digest, "production", target=production) == image
    assert production.resolve("production") == image


def test_broken_off_anywhere_it_goes_on(registry, make_proxy, second_address, tmp_path):
    """At every thirteenth request: nothing is tagged, and the next attempt sends only the rest."""
    made = everything(registry)
    image = made[0]
    with RegistryClient(f"{second_address}/counted/app") as target:
        proxy = make_proxy(second_address)
        with RegistryClient(f"{proxy.address}/counted/app", retry=QUICK) as counted:
            carry_image(registry, counted, image.digest)
        total = len(proxy.asked)
    assert total > 30
    for broken in range(0, total, 13):
        path = f"broken{broken}/app"
        proxy = make_proxy(second_address)

        def asking(asked, broken=broken):
            asked.drop = asked.number >= broken

        proxy.asking = asking
        with (
            RegistryClient(f"{proxy.address}/{path}", retry=QUICK) as flaky,
            RegistryClient(f"{second_address}/{path}") as target,
        ):
            with pytest.raises(ActionFailed) as caught:
                carry_image(registry, flaky, image.digest)
            assert caught.value.code in {"registry.connection", "registry.unreachable"}
            assert not [tag for tag in target.tags() if not tag.startswith("sha256-")]
            proxy.asking = lambda asked: None
            carry_image(registry, flaky, image.digest)
            check(target, made, tmp_path / f"{broken}")


def test_an_image_that_is_not_whole_is_not_carried(registry, production, store):
    image, (one, two), *_ = everything(registry)
    config = document_of(two)["config"]["digest"]
    store.repository("team/app").delete_blob(config)
    with pytest.raises(ActionFailed) as caught:
        carry_image(registry, production, image.digest)
    assert caught.value.code == "registry.blob-missing"
    assert config in caught.value.what
    assert production.manifest(image.digest) is None
    assert production.manifest(one.digest) == one  # what came before it stays: nothing names it
    assert production.tags() == ()


def test_an_index_that_lacks_a_platform_is_not_carried(registry, production, store):
    image, (_, two), *_ = everything(registry)
    store.repository("team/app").delete_manifest(two.digest)
    with pytest.raises(ActionFailed) as caught:
        carry_image(registry, production, image.digest)
    assert caught.value.code == "registry.manifest-missing"
    assert two.digest in caught.value.what
    assert "all platforms" in caught.value.remedy
    assert production.tags() == ()


def test_what_is_broken_beside_an_image_stays_where_it_is(registry, production, store):
    image = push_image(registry, tag="dev")
    good, bad = refer(registry, image, "good"), refer(registry, image, "bad")
    layer = document_of(bad)["layers"][0]["digest"]
    store.blob_path(layer).write_bytes(b"tampered with")
    carried = carry_image(registry, production, image.digest)
    assert [item.digest for item in production.referrers(image.digest)] == [good.digest]
    (left,) = carried.left
    assert bad.digest in left
    assert layer in left


def test_a_registry_that_fails_beside_an_image_stops_the_whole(
    registry, make_proxy, address, production
):
    image, *_ = everything(registry)
    proxy = make_proxy(address)

    def asking(asked):
        if asked.path.endswith(".att"):
            asked.reply = (503, {})

    proxy.asking = asking
    with (
        RegistryClient(f"{proxy.address}/team/app", retry=QUICK) as flaky,
        pytest.raises(ActionFailed) as caught,
    ):
        carry_image(flaky, production, image.digest)
    assert caught.value.code == "registry.unavailable"


def test_a_blob_changed_on_its_way_is_not_carried(registry, make_proxy, address, production):
    image = push_image(registry, tag="dev")
    proxy = make_proxy(address)

    def fault(passing):
        if "blobs" in passing.path and passing.body:
            passing.body = passing.body[:-1] + b"?"

    proxy.fault = fault
    with (
        RegistryClient(f"{proxy.address}/team/app", retry=QUICK) as flaky,
        pytest.raises(ActionFailed) as caught,
    ):
        carry_image(flaky, production, image.digest)
    assert caught.value.code == "registry.corrupt"
    assert production.manifest(image.digest) is None


def test_indexes_in_indexes_have_an_end(registry, production):
    image = push_image(registry)
    for _ in range(20):
        image = index_of(registry, image)
    with pytest.raises(ActionFailed) as caught:
        carry_image(registry, production, image.digest)
    assert caught.value.code == "manifest.invalid"


def test_no_more_is_read_than_a_manifest_says(production):
    """A registry may go on sending until the disk is full."""
    registry = MemoryRegistry()
    image = image_of(registry, "one")
    document = document_of(image)
    document["layers"][0]["size"] -= 1
    lying = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    registry.put_manifest(lying.digest, lying)
    with pytest.raises(ActionFailed) as caught:
        carry_image(registry, production, lying.digest)
    assert caught.value.code == "registry.too-large"


def test_a_size_that_lies_is_found(production):
    registry = MemoryRegistry()
    image = image_of(registry, "one")
    document = document_of(image)
    document["layers"][0]["size"] += 1
    lying = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    registry.put_manifest(lying.digest, lying)
    with pytest.raises(ActionFailed) as caught:
        carry_image(registry, production, lying.digest)
    assert caught.value.code == "registry.corrupt"
    assert document["layers"][0]["digest"] in caught.value.what
