"""Image layout folders."""

from __future__ import annotations

import json

import pytest

from sluiceway.errors import ActionFailed
from sluiceway.oci import Layout, manifest_from
from sluiceway.oci.layout import REF_NAME
from sluiceway.oci.media_types import IMAGE_INDEX, IMAGE_MANIFEST


def test_what_is_written_is_read(make_layout):
    written = make_layout("a")
    layout = Layout.open(written.folder)
    image = layout.image()
    assert image.media_type == IMAGE_MANIFEST
    assert layout.image(image.digest) == image
    assert list(layout.manifests()) == [image]
    assert json.loads((layout.folder / "oci-layout").read_bytes()) == {
        "imageLayoutVersion": "1.0.0"
    }


def test_a_name_moves_and_listing_twice_is_as_once(make_layout):
    layout = make_layout("a")
    one = layout.image()
    other = manifest_from(one.body + b" ", one.media_type)
    layout.write_manifest(one, ref_name="v1")
    layout.write_manifest(one, ref_name="v1")
    assert [item.annotations.get(REF_NAME) for item in layout.images()] == [None, "v1"]
    layout.write_manifest(other, ref_name="v1")
    named = [item.digest for item in layout.images() if item.annotations.get(REF_NAME) == "v1"]
    assert named == [other.digest]


def test_an_index_gives_its_children_first(make_layout):
    layout = make_layout("a")
    child = layout.image()
    described = layout.images()[0]
    index = manifest_from(
        json.dumps(
            {
                "schemaVersion": 2,
                "manifests": [
                    {
                        "mediaType": described.media_type,
                        "digest": described.digest,
                        "size": described.size,
                    }
                ]
                * 2,
            }
        ).encode(),
        IMAGE_INDEX,
    )
    layout.write_manifest(index)
    assert [item.digest for item in layout.closure(index)] == [child.digest, index.digest]
    with pytest.raises(ActionFailed) as caught:
        layout.image()
    assert caught.value.code == "layout.ambiguous"


def test_a_file_is_stored_by_content(make_layout, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    layout = make_layout("a")
    descriptor = layout.write_blob(path, "text/plain")
    assert (descriptor.size, descriptor.media_type) == (3_000_000, "text/plain")
    assert layout.blob(descriptor.digest, limit=3_000_000) == path.read_bytes()
    with pytest.raises(ActionFailed) as caught:
        layout.blob(descriptor.digest, limit=2_999_999)
    assert caught.value.code == "layout.too-large"


def test_a_changed_manifest_is_found(make_layout):
    layout = make_layout("a")
    path = layout.blob_path(layout.images()[0].digest)
    path.write_bytes(path.read_bytes().replace(b"amd64", b"arm64") + b" ")
    with pytest.raises(ActionFailed) as caught:
        layout.image()
    assert caught.value.code == "layout.tampered"


def test_what_is_no_layout_is_refused(tmp_path, make_layout):
    with pytest.raises(ActionFailed) as caught:
        Layout.open(tmp_path)
    assert caught.value.code == "layout.missing"
    layout = make_layout("a")
    with pytest.raises(ActionFailed) as caught:
        Layout.create(layout.folder)
    assert caught.value.code == "layout.not-empty"
    (layout.folder / "oci-layout").write_text('{"imageLayoutVersion":"9"}')
    with pytest.raises(ActionFailed) as caught:
        Layout.open(layout.folder)
    assert caught.value.code == "layout.missing"
