"""Manifests are read strictly: one body, one meaning."""

from __future__ import annotations

import json

import pytest

from sluiceway.errors import ActionFailed
from sluiceway.oci import (
    artifact_type_of,
    blobs_of,
    children_of,
    describe,
    document_of,
    manifest_from,
    sha256,
    subject_of,
)
from sluiceway.oci.media_types import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    IMAGE_CONFIG,
    IMAGE_INDEX,
    IMAGE_MANIFEST,
)

DIGEST = "sha256:" + "0" * 64
CONFIG = {"mediaType": IMAGE_CONFIG, "digest": DIGEST, "size": 2}
IMAGE = {"schemaVersion": 2, "config": CONFIG, "layers": [CONFIG]}
INDEX = {"schemaVersion": 2, "manifests": [{**CONFIG, "mediaType": IMAGE_MANIFEST}]}


@pytest.mark.parametrize(
    ("document", "media_type", "blobs", "children"),
    [
        (IMAGE, IMAGE_MANIFEST, 2, 0),
        ({**IMAGE, "mediaType": DOCKER_MANIFEST}, DOCKER_MANIFEST, 2, 0),
        (INDEX, IMAGE_INDEX, 0, 1),
        ({**INDEX, "mediaType": DOCKER_INDEX}, DOCKER_INDEX, 0, 1),
    ],
)
def test_all_four_kinds_are_read(document, media_type, blobs, children):
    body = json.dumps(document).encode()
    manifest = manifest_from(body, media_type)
    assert manifest.digest == sha256(body)
    assert len(blobs_of(document_of(manifest))) == blobs
    assert len(children_of(document_of(manifest))) == children


@pytest.mark.parametrize(
    ("body", "media_type", "reason"),
    [
        (b"{", IMAGE_MANIFEST, "not JSON"),
        (b"[" * 100_000, IMAGE_MANIFEST, "not JSON"),
        (b"[]", IMAGE_MANIFEST, "not a JSON object"),
        (b'{"schemaVersion":1}', IMAGE_MANIFEST, "schemaVersion 2"),
        (b'{"schemaVersion":2,"schemaVersion":2}', IMAGE_MANIFEST, "a key twice"),
        ({**IMAGE, "mediaType": IMAGE_INDEX}, IMAGE_MANIFEST, "but is stored as"),
        ({**IMAGE, **INDEX}, IMAGE_MANIFEST, "also has manifests"),
        ({**IMAGE, **INDEX}, IMAGE_INDEX, "also has config, layers"),
        (IMAGE, IMAGE_INDEX, "also has config, layers"),
        ({"schemaVersion": 2, "config": CONFIG}, IMAGE_MANIFEST, "no proper 'layers'"),
        ({"schemaVersion": 2, "manifests": {}}, IMAGE_INDEX, "no proper 'manifests'"),
        (IMAGE, "text/html", "none of the four known"),
        ({**IMAGE, "layers": [{**CONFIG, "size": -1}]}, IMAGE_MANIFEST, "no size"),
        ({**IMAGE, "layers": [{**CONFIG, "size": True}]}, IMAGE_MANIFEST, "no size"),
        ({**IMAGE, "layers": [{**CONFIG, "digest": "sha256:../x"}]}, IMAGE_MANIFEST, "digest"),
        ({**IMAGE, "layers": ["x"]}, IMAGE_MANIFEST, "not an object"),
        ({**IMAGE, "subject": {"digest": DIGEST}}, IMAGE_MANIFEST, "no mediaType"),
        ({**IMAGE, "config": {**CONFIG, "annotations": {"a": 1}}}, IMAGE_MANIFEST, "annotations"),
    ],
)
def test_what_has_no_clear_meaning_is_refused(body, media_type, reason):
    with pytest.raises(ActionFailed) as caught:
        manifest_from(body if isinstance(body, bytes) else json.dumps(body).encode(), media_type)
    assert caught.value.code == "manifest.invalid"
    assert reason in caught.value.what


def test_a_referrer_is_described_as_the_specification_says():
    document = {**IMAGE, "subject": CONFIG, "annotations": {"a": "b"}}
    described = describe(manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST))
    assert described.artifact_type == IMAGE_CONFIG  # no artifactType: the config's media type
    assert described.annotations == {"a": "b"}
    assert artifact_type_of({**document, "artifactType": "x/y"}) == "x/y"
    assert artifact_type_of(INDEX) == ""
    subject = subject_of(document)
    assert subject is not None
    assert subject.digest == DIGEST
