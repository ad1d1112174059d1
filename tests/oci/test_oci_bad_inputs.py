"""What registries and people really get wrong: each is refused by name, with what to do about it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.registry_kit import PROGRAMS, real_registry

from sluiceway.errors import ActionFailed
from sluiceway.model import Manifest
from sluiceway.oci import pull_layout, sha256
from sluiceway.oci.client import RegistryClient
from sluiceway.oci.media_types import IMAGE_INDEX, IMAGE_MANIFEST, MANIFEST_LIMIT

from .conftest import QUICK, Passing, image_of, push_image

Spoil = Callable[[Passing], None]
_HEX = "0" * 64


def body(content: bytes | str) -> Spoil:
    """Answer with *content* and announce no digest, as many registries do."""

    def spoil(passing: Passing) -> None:
        passing.body = content if isinstance(content, bytes) else content.encode()
        passing.headers.pop("docker-content-digest", None)

    return spoil


def edited(edit: Callable[[dict[str, Any]], object]) -> Spoil:
    """Answer with the document as *edit* left it."""

    def spoil(passing: Passing) -> None:
        document = json.loads(passing.body)
        edit(document)
        body(json.dumps(document))(passing)

    return spoil


def header(**headers: str | None) -> Spoil:
    def spoil(passing: Passing) -> None:
        for name, value in headers.items():
            if value is None:
                passing.headers.pop(name.replace("_", "-"), None)
            else:
                passing.headers[name.replace("_", "-")] = value

    return spoil


def answer(status: int, content: bytes = b"", **headers: str) -> Spoil:
    def spoil(passing: Passing) -> None:
        passing.status = status
        body(content)(passing)
        header(**headers)(passing)

    return spoil


def shortened(passing: Passing) -> None:
    body(passing.body[: len(passing.body) // 2])(passing)


def shortened_and_announced(passing: Passing) -> None:
    passing.body = passing.body[: len(passing.body) // 2]


def twice(passing: Passing) -> None:
    body(passing.body.replace(b'"layers"', b'"layers": [], "layers"'))(passing)


def packed(passing: Passing) -> None:
    body(gzip.compress(passing.body))(passing)
    passing.headers["content-encoding"] = "gzip"


def layer(**change: Any) -> Spoil:
    return edited(lambda document: document["layers"][0].update(change))


def without(*path: str | int) -> Spoil:
    def edit(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return edited(edit)


MANIFESTS: dict[str, tuple[Spoil, str, str]] = {
    "half of it": (shortened, "manifest.invalid", "not JSON"),
    "half of what is announced": (shortened_and_announced, "registry.corrupt", "announced sha256:"),
    "nothing": (body(""), "manifest.invalid", "not JSON"),
    "a list": (body("[]"), "manifest.invalid", "not a JSON object"),
    "a log-in page": (
        answer(200, b"<html>", content_type="text/html"),
        "manifest.invalid",
        "'text/html'",
    ),
    "no content type": (header(content_type=None), "manifest.invalid", "media type ''"),
    "an index's content type": (
        header(content_type=IMAGE_INDEX),
        "manifest.invalid",
        "but is stored as",
    ),
    "docker's schema 1": (
        answer(
            200,
            b'{"schemaVersion": 1, "fsLayers": []}',
            content_type="application/vnd.docker.distribution.manifest.v1+prettyjws",
        ),
        "manifest.invalid",
        "prettyjws",
    ),
    "a schema to come": (
        edited(lambda document: document.update(schemaVersion=3)),
        "manifest.invalid",
        "schemaVersion 2",
    ),
    "layers twice": (twice, "manifest.invalid", "key twice"),
    "image and index at once": (
        edited(lambda document: document.update(manifests=[])),
        "manifest.invalid",
        "manifests",
    ),
    "no config": (without("config"), "manifest.invalid", "'config'"),
    "no layers": (without("layers"), "manifest.invalid", "'layers'"),
    "five megabytes": (
        body(b" " * (5 * 1024 * 1024)),
        "registry.too-large",
        f"more than {MANIFEST_LIMIT} bytes",
    ),
    "an unknown digest algorithm": (
        layer(digest="md5:" + "0" * 32),
        "manifest.invalid",
        "'md5:",
    ),
    "a digest that we cannot check": (
        layer(digest="sha512:" + "0" * 128),
        "manifest.invalid",
        "'sha512:",
    ),
    "a digest in capitals": (layer(digest="sha256:" + "A" * 64), "manifest.invalid", "'sha256:AA"),
    "a size below nothing": (layer(size=-1), "manifest.invalid", "no size"),
    "a size in words": (layer(size="big"), "manifest.invalid", "no size"),
    "a layer without a type": (without("layers", 0, "mediaType"), "manifest.invalid", "mediaType"),
    "annotations that are no texts": (
        layer(annotations={"a": 1}),
        "manifest.invalid",
        "annotations",
    ),
    "brackets without end": (body("[" * 100_000), "manifest.invalid", "not JSON"),
    "text of another alphabet": (body(b"\xff\xfe{\x00}\x00\x80"), "manifest.invalid", "not JSON"),
    "packed against our wish": (packed, "manifest.invalid", "not JSON"),
    "another digest announced": (
        header(docker_content_digest="sha256:" + _HEX),
        "registry.corrupt",
        _HEX,
    ),
    "a circle": (answer(307, location="/v2/team/app/manifests/dev"), "registry.malformed", "307"),
    "a way off without TLS": (
        answer(307, location="http://storage.example/x"),
        "registry.malformed",
        "without TLS",
    ),
    "a way to nowhere": (answer(302), "registry.malformed", "no Location"),
    "no content": (answer(204), "registry.malformed", "204"),
    "who are you, and no way to say it": (answer(401), "registry.denied", "401"),
    "not for you": (
        answer(403, b'{"errors":[{"code":"DENIED","message":"not yours"}]}'),
        "registry.denied",
        "DENIED: not yours",
    ),
    "a teapot": (answer(418), "registry.refused", "418"),
    "an error page": (answer(500, b"<html>"), "registry.failed", "500"),
    "later": (answer(429, retry_after="86400"), "registry.throttled", "429"),
}


@pytest.fixture
def proxy(make_proxy, address):
    return make_proxy(address)


@pytest.fixture
def client(proxy):
    with RegistryClient(f"{proxy.address}/team/app", retry=QUICK, timeout_seconds=5) as client:
        yield client


def refused(act, code, what):
    """*act* fails with this code, names the thing and the registry, and says what to do."""
    with pytest.raises(ActionFailed) as caught:
        act()
    error = caught.value
    assert error.code == code
    assert what in error.what
    assert error.remedy, error.what
    assert len(error.what) < 500
    return error


@pytest.mark.parametrize("bad", MANIFESTS)
def test_a_bad_manifest_is_refused_by_name(client, proxy, registry, bad):
    push_image(registry, tag="dev")
    spoil, code, what = MANIFESTS[bad]
    proxy.fault = spoil
    refused(lambda: client.resolve("dev"), code, what)
    proxy.fault = lambda passing: None
    assert client.resolve("dev") == registry.resolve("dev")


LISTS: dict[str, tuple[Spoil, str]] = {
    "not JSON": (body("<html>"), "not JSON"),
    "a list": (body("[]"), "not a JSON object"),
    "things that are none": (body('{"tags": [1], "manifests": [1]}'), "list of"),
    "a list that is none": (body('{"tags": {"a": 1}, "manifests": {"a": 1}}'), "not a list"),
    "without end": (header(link='</v2/team/app/tags/list?n=1000>; rel="next"'), "no end"),
}


@pytest.mark.parametrize("bad", LISTS)
def test_a_bad_list_is_refused_by_name(client, proxy, registry, bad):
    image = push_image(registry, tag="dev")
    spoil, what = LISTS[bad]
    proxy.fault = spoil
    refused(client.tags, "registry.malformed", what)
    if bad != "without end":
        refused(lambda: client.referrers(image.digest), "registry.malformed", what)


BLOBS: dict[str, tuple[Spoil, str, str]] = {
    "a byte less": (lambda passing: body(passing.body[:-1])(passing), "registry.corrupt", "sent"),
    "a byte more": (
        lambda passing: body(passing.body + b"!")(passing),
        "registry.too-large",
        "more than",
    ),
    "another": (body(b"x" * 900), "registry.corrupt", "sent sha256:"),
    "gone": (
        answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}'),
        "registry.blob-missing",
        "hold the blob",
    ),
    "a page": (answer(200, b"<html>"), "registry.corrupt", "sent sha256:"),
}


@pytest.mark.parametrize("bad", BLOBS)
def test_a_bad_blob_is_refused_by_name(client, proxy, registry, bad):
    blob = registry.put_blob(b"y" * 900)
    spoil, code, what = BLOBS[bad]
    proxy.fault = spoil
    error = refused(lambda: client.blob(blob.digest, limit=900), code, what)
    assert blob.digest in error.what


def test_an_upload_without_an_address_is_refused_by_name(client, proxy):
    proxy.fault = header(location=None)
    refused(lambda: client.put_blob(b"content"), "registry.malformed", "no Location")


def test_an_image_without_its_config_is_refused_by_name(registry, store, tmp_path):
    image = push_image(registry, tag="dev")
    config = json.loads(image.body)["config"]["digest"]
    store.repository("team/app").delete_blob(config)
    refused(
        lambda: pull_layout(registry, image.digest, tmp_path / "pulled"),
        "registry.blob-missing",
        config,
    )


def test_an_index_without_one_of_its_children_is_refused_by_name(registry, store, tmp_path):
    child = push_image(registry)
    entry = {"mediaType": child.media_type, "digest": child.digest, "size": len(child.body)}
    content = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    index = Manifest(body=content, media_type=IMAGE_INDEX, digest=sha256(content))
    registry.put_manifest("dev", index)
    store.repository("team/app").delete_manifest(child.digest)
    refused(
        lambda: pull_layout(registry, index.digest, tmp_path / "pulled"),
        "registry.manifest-missing",
        child.digest,
    )


# --- what real registries take, and we do not ---

ACCEPTED: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "a size that lies": (
        lambda content: content.replace(b'"size": 900', b'"size": 901'),
        "registry.corrupt",
        "901",
    ),
    "layers twice": (
        lambda content: content.replace(b'"layers"', b'"layers": [], "layers"'),
        "manifest.invalid",
        "key twice",
    ),
    "annotations twice": (
        lambda content: content[:-2] + b', "annotations": {}, "annotations": {"a": "b"}}',
        "manifest.invalid",
        "key twice",
    ),
}


@pytest.mark.parametrize("bad", ACCEPTED)
@pytest.mark.parametrize(
    "program", [pytest.param(name, marks=pytest.mark.real_tool(name)) for name in PROGRAMS]
)
def test_what_a_real_registry_takes_is_refused_by_name(program, bad, tmp_path):
    edit, code, what = ACCEPTED[bad]
    with (
        real_registry(program, tmp_path / "registry") as address,
        RegistryClient(f"{address}/team/app") as client,
    ):
        content = edit(image_of(client, "one").body)
        stored = httpx.put(
            f"http://{address}/v2/team/app/manifests/dev",
            content=content,
            headers={"Content-Type": IMAGE_MANIFEST},
        )
        assert stored.status_code == 201, stored.text

        def pull():
            found = client.resolve("dev")
            assert found is not None
            pull_layout(client, found.digest, tmp_path / "pulled")

        refused(pull, code, what)
