"""Whole images between layouts and registries."""

from __future__ import annotations

import json

import pytest

from sluiceway import events
from sluiceway.errors import ActionFailed
from sluiceway.oci import Layout, descriptor_json, manifest_from, pull_layout, push_layout
from sluiceway.oci.media_types import IMAGE_INDEX


def test_an_image_goes_there_and_back(registry, make_layout, tmp_path):
    layout = make_layout("a")
    image = push_layout(registry, layout.folder, tag="dev")
    assert registry.resolve("dev") == image == layout.image()
    pulled = pull_layout(registry, image.digest, tmp_path / "pulled", ref_name="dev")
    assert pulled.image() == image
    names = {path.name for path in (layout.folder / "blobs" / "sha256").iterdir()}
    assert {path.name for path in (pulled.folder / "blobs" / "sha256").iterdir()} == names


def test_all_platforms_go_there_and_back(registry, make_layout, tmp_path):
    layout, other = make_layout("a"), make_layout("b")
    for manifest in other.manifests():
        for path in (other.folder / "blobs" / "sha256").iterdir():
            layout.write_blob(path)
        layout.write_manifest(manifest)
    document = {
        "schemaVersion": 2,
        "manifests": [descriptor_json(item) for item in layout.images()],
    }
    index = manifest_from(json.dumps(document).encode(), IMAGE_INDEX)
    layout.write_manifest(index)
    assert push_layout(registry, layout.folder, digest=index.digest) == index
    assert registry.tags() == ()  # stored by digest only
    pulled = pull_layout(registry, index.digest, tmp_path / "pulled")
    assert len(list(pulled.closure(pulled.image()))) == 3


def test_a_second_push_sends_no_blob(registry, make_layout):
    layout = make_layout("a")
    sent = []
    with events.subscribed(lambda event: sent.append(event.kind)):
        push_layout(registry, layout.folder)
        assert sent.count("registry.blob") == 2
        push_layout(registry, layout.folder)
    assert sent.count("registry.blob") == 2


@pytest.mark.parametrize("spoil", [lambda body: body[:-1], lambda body: body + b"x"])
def test_a_tampered_layer_is_not_released(registry, make_layout, spoil):
    layout = make_layout("a")
    path = max((layout.folder / "blobs" / "sha256").iterdir(), key=lambda item: item.stat().st_size)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ActionFailed) as caught:
        push_layout(registry, layout.folder, tag="dev")
    assert caught.value.code == "layout.tampered"
    assert registry.resolve("dev") is None
    assert registry.manifest(Layout.open(layout.folder).images()[0].digest) is None


def test_an_incomplete_layout_is_not_released(registry, make_layout):
    layout = make_layout("a")
    max(
        (layout.folder / "blobs" / "sha256").iterdir(), key=lambda item: item.stat().st_size
    ).unlink()
    with pytest.raises(ActionFailed) as caught:
        push_layout(registry, layout.folder, tag="dev")
    assert caught.value.code == "layout.blob-missing"


def test_pulling_what_is_not_there_is_named(registry, tmp_path):
    with pytest.raises(ActionFailed) as caught:
        pull_layout(registry, "sha256:" + "0" * 64, tmp_path / "pulled")
    assert caught.value.code == "registry.manifest-missing"
