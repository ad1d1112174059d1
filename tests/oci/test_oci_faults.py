"""What the client does when answers are spoilt on their way (a real registry behind a proxy)."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sluiceway.errors import ActionFailed
from sluiceway.oci import promote_tag, transport
from sluiceway.oci.client import RegistryClient
from sluiceway.oci.media_types import IMAGE_INDEX
from sluiceway.oci.transport import RetryPolicy

QUICK = RetryPolicy(attempts=3, first_delay=0.01, longest_delay=0.5, budget=5, connect_budget=1)


@pytest.fixture
def proxy(make_proxy, address):
    return make_proxy(address)


@pytest.fixture
def client(proxy):
    with RegistryClient(f"{proxy.address}/team/app", retry=QUICK, timeout_seconds=5) as client:
        yield client


def times(count, spoil, *, method="GET", contains=""):
    """Spoil the first *count* matching answers."""
    left = [count]

    def fault(passing):
        if passing.method == method and contains in passing.path and left[0] > 0:
            left[0] -= 1
            spoil(passing)

    return fault


def corrupt(passing):
    passing.body = passing.body[:-1] + bytes([passing.body[-1] ^ 1])


def truncate(passing):
    passing.cut = len(passing.body) // 2


def status(code, **headers):
    def spoil(passing):
        passing.status, passing.body = code, b""
        passing.headers.update({name.replace("_", "-"): value for name, value in headers.items()})

    return spoil


def failing(act):
    with pytest.raises(ActionFailed) as caught:
        act()
    return caught.value


def test_a_body_changed_on_its_way_is_not_used(client, proxy, registry, make_image, tmp_path):
    manifest = make_image(registry, tag="dev")
    blob = registry.put_blob(b"content")
    proxy.fault = times(99, corrupt)
    for act in (
        lambda: client.resolve("dev"),
        lambda: client.manifest(manifest.digest),
        lambda: client.blob(blob.digest, limit=100),
        lambda: client.save_blob(blob.digest, tmp_path / "blob"),
    ):
        assert failing(act).code == "registry.corrupt"
    assert not (tmp_path / "blob").exists()


def test_a_body_changed_with_its_announced_digest_is_found_by_digest(
    client, proxy, registry, make_image
):
    manifest = make_image(registry, tag="dev")

    def swap(passing):
        passing.body = passing.body.replace(b"amd64", b"arm64") + b" "
        passing.headers.pop("docker-content-digest")

    proxy.fault = times(99, swap)
    assert failing(lambda: client.manifest(manifest.digest)).code == "registry.corrupt"


def test_a_body_cut_short_is_read_again(client, proxy, registry, make_image, tmp_path):
    manifest = make_image(registry, tag="dev")
    blob = registry.put_blob(b"content" * 1000)
    proxy.fault = times(1, truncate)
    assert client.resolve("dev") == manifest
    proxy.fault = times(2, truncate, contains="blobs")
    client.save_blob(blob.digest, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == b"content" * 1000


def test_a_body_always_cut_short_is_an_error(client, proxy, registry, tmp_path):
    blob = registry.put_blob(b"content" * 1000)
    proxy.fault = times(99, truncate)
    assert failing(lambda: client.blob(blob.digest, limit=10_000)).code == "registry.connection"
    error = failing(lambda: client.save_blob(blob.digest, tmp_path / "blob"))
    assert error.code == "registry.connection"
    assert not any(path.is_file() for path in tmp_path.iterdir())


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_a_busy_registry_is_asked_again(client, proxy, registry, make_image, code):
    manifest = make_image(registry, tag="dev")
    proxy.fault = times(2, status(code, retry_after="0"))
    assert client.resolve("dev") == manifest
    assert len(proxy.seen) == 3


@pytest.mark.parametrize(
    ("code", "expected"), [(429, "registry.throttled"), (503, "registry.unavailable")]
)
def test_a_registry_that_stays_busy_is_an_error(client, proxy, code, expected):
    proxy.fault = times(99, status(code))
    assert failing(lambda: client.resolve("dev")).code == expected
    assert len(proxy.seen) == 3


def test_a_wait_that_is_too_long_is_an_error_at_once(client, proxy):
    proxy.fault = times(99, status(429, retry_after="3600"))
    assert failing(lambda: client.resolve("dev")).code == "registry.throttled"
    assert len(proxy.seen) == 1


def test_a_date_to_wait_for_is_understood(client, proxy):
    proxy.fault = times(99, status(503, retry_after="Fri, 31 Dec 2999 23:59:59 GMT"))
    assert failing(lambda: client.resolve("dev")).code == "registry.unavailable"
    assert len(proxy.seen) == 1


def test_a_failure_that_passes_is_tried_again(client, proxy, registry, make_image):
    manifest = make_image(registry, "one")
    proxy.fault = times(1, status(500), method="PUT")
    client.put_manifest("dev", manifest)
    proxy.fault = times(2, status(500))
    assert client.resolve("dev") == manifest


def test_a_registry_that_stays_failing_is_an_error(client, proxy):
    proxy.fault = times(99, status(500))
    assert failing(lambda: client.resolve("dev")).code == "registry.failed"
    assert len(proxy.seen) == 3


def test_what_is_not_the_same_twice_is_not_sent_twice(client, proxy):
    proxy.fault = times(99, status(500), method="POST")
    assert failing(client._uploads.begin).code == "registry.failed"
    assert [passing.method for passing in proxy.seen] == ["POST"]


def test_an_upload_that_breaks_begins_anew(client, proxy, registry):
    proxy.fault = times(2, status(503), method="PUT")
    described = client.put_blob(b"content" * 1000)
    assert registry.blob(described.digest, limit=10_000) == b"content" * 1000
    proxy.fault = times(99, status(503), method="POST")
    assert failing(lambda: client.put_blob(b"other")).code == "registry.unavailable"


def test_an_upload_stored_as_something_else_is_found(client, proxy):
    other = "sha256:" + "0" * 64
    proxy.fault = times(1, status(201, docker_content_digest=other), method="PUT")
    assert failing(lambda: client.put_blob(b"content")).code == "registry.corrupt"


def test_a_manifest_stored_as_something_else_is_found(client, proxy, registry, make_image):
    one, other = make_image(registry, "one"), make_image(registry, "other")
    answer = status(201, docker_content_digest=other.digest)
    proxy.fault = times(1, answer, method="PUT", contains="manifests")
    client.put_manifest("dev", one)  # written once more, and right
    proxy.fault = times(99, answer, method="PUT", contains="manifests")
    error = failing(lambda: client.put_manifest("dev", one))
    assert error.code == "registry.altered"
    assert other.digest in error.what


def test_a_promotion_changed_on_its_way_is_taken_back(client, proxy, registry, make_image):
    """One byte of white space: it is JSON as before, and another image."""
    one, before = make_image(registry, "one", tag="dev"), make_image(registry, "b", tag="staging")

    def asking(asked):
        if asked.method == "PUT" and asked.body == one.body:
            asked.body = asked.body[:-1] + b" "

    proxy.asking = asking
    error = failing(lambda: promote_tag(client, "dev", one.digest, "staging"))
    assert error.code == "registry.altered"
    assert registry.resolve("staging") == before


def test_a_tag_taken_by_another_writer_is_found(client, proxy, registry, make_image):
    one, other = make_image(registry, "one"), make_image(registry, "other")
    taken = times(
        1, lambda passing: registry.put_manifest("dev", other), method="PUT", contains="manifests"
    )
    proxy.fault = taken
    error = failing(lambda: client.put_manifest("dev", one))
    assert error.code == "registry.read-back"
    assert other.digest in error.what


def test_a_media_type_changed_on_its_way_is_found(client, proxy, registry, make_image):
    make_image(registry, tag="dev")
    proxy.fault = times(99, lambda passing: passing.headers.update({"content-type": IMAGE_INDEX}))
    assert failing(lambda: client.resolve("dev")).code == "manifest.invalid"


def test_a_manifest_without_end_is_not_read(client, proxy, registry, make_image):
    make_image(registry, tag="dev")
    proxy.fault = times(1, lambda passing: setattr(passing, "body", b" " * (4 * 1024 * 1024 + 1)))
    assert failing(lambda: client.resolve("dev")).code == "registry.too-large"


def test_a_web_server_is_not_taken_for_an_empty_registry(client, proxy):
    def page(passing):
        passing.status, passing.body = 404, b"<html>"
        passing.headers = {"content-type": "text/html"}

    proxy.fault = page
    assert failing(lambda: client.resolve("dev")).code in {"registry.refused", "registry.malformed"}

    def found(passing):
        page(passing)
        passing.status = 200

    proxy.fault = found
    assert failing(client.ping).code == "registry.malformed"


def test_words_of_the_registry_are_shown_safely(client, proxy):
    def refuse(passing):
        passing.status = 400
        passing.body = b'{"errors":[{"code":"DENIED","message":"no\\u001b[2J\\nway"}]}'

    proxy.fault = refuse
    error = failing(client.tags)
    assert "DENIED: no [2J way" in error.what


def test_a_list_that_never_ends_is_an_error(client, proxy, registry, make_image):
    make_image(registry, tag="dev")
    link = '</v2/team/app/tags/list?n=1000>; rel="next"'
    proxy.fault = lambda passing: passing.headers.update({"link": link})
    assert failing(client.tags).code == "registry.malformed"


def test_a_next_page_elsewhere_is_not_followed(client, proxy, registry, make_image):
    make_image(registry, tag="dev")
    link = '<http://127.0.0.1:9/v2/team/app/tags/list?n=1>; rel="next"'
    proxy.fault = lambda passing: passing.headers.update({"link": link})
    assert failing(client.tags).code == "registry.malformed"


def test_a_blob_behind_a_redirect_is_read_and_checked(
    client, proxy, registry, make_proxy, address, tmp_path
):
    storage = make_proxy(address)
    blob = registry.put_blob(b"content")
    path = f"/v2/team/app/blobs/{blob.digest}"
    proxy.fault = status(307, location=f"http://{storage.address}{path}?signature=secret")
    assert client.blob(blob.digest, limit=100) == b"content"
    assert client.has_blob(blob.digest)
    client.save_blob(blob.digest, tmp_path / "blob")
    assert len(storage.seen) == 3
    storage.fault = corrupt
    error = failing(lambda: client.blob(blob.digest, limit=100))
    assert error.code == "registry.corrupt"
    assert "secret" not in str(error.diagnostics())


def test_a_redirect_off_the_machine_without_tls_is_not_followed(client, proxy, registry):
    blob = registry.put_blob(b"content")
    proxy.fault = status(307, location="http://storage.example/blob")
    error = failing(lambda: client.blob(blob.digest, limit=100))
    assert error.code == "registry.malformed"
    assert "without TLS" in error.what


def test_a_circle_of_redirects_ends(client, proxy, registry):
    blob = registry.put_blob(b"content")
    proxy.fault = lambda passing: status(307, location=passing.path)(passing)
    assert failing(lambda: client.blob(blob.digest, limit=100)).code == "registry.malformed"
    assert len(proxy.seen) == 6


def test_a_relative_and_an_absolute_location_are_followed(client, proxy, registry):
    def absolute(passing):
        passing.headers["location"] = (
            f"http://{proxy.address}{passing.headers['location']}?_state=x"
        )

    client.put_blob(b"relative")
    proxy.fault = times(1, absolute, method="POST")
    described = client.put_blob(b"absolute")
    assert registry.has_blob(described.digest)
    assert proxy.seen[-1].path.endswith(f"?_state=x&digest={described.digest}")


def test_silence_is_an_error_within_the_time_allowed(make_silent):
    with RegistryClient(
        f"{make_silent}/app", timeout_seconds=0.2, retry=RetryPolicy(attempts=1)
    ) as client:
        assert failing(client.ping).code == "registry.timeout"


@pytest.fixture
def make_silent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_registry_that_does_not_delete_tags_is_told_apart(registry, make_image):
    make_image(registry, tag="dev")

    class NoDelete(BaseHTTPRequestHandler):
        def do_DELETE(self):
            self.send_response(405)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self):
            manifest = registry.resolve("dev")
            self.send_response(200)
            self.send_header("Content-Type", manifest.media_type)
            self.send_header("Content-Length", str(len(manifest.body)))
            self.end_headers()
            self.wfile.write(manifest.body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), NoDelete) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            with RegistryClient(f"127.0.0.1:{server.server_address[1]}/team/app") as strict:
                assert strict.delete_tag("dev") is False
        finally:
            server.shutdown()
            thread.join()
    assert registry.resolve("dev") is not None


@pytest.mark.parametrize("file", [False, True])
def test_an_answer_that_drips_is_cut_off(client, registry, monkeypatch, tmp_path, file):
    """Each byte is in time; at no patience at all every answer is one that takes for ever."""
    blob = registry.put_blob(b"content")
    monkeypatch.setattr(transport, "PATIENCE_SECONDS", -1.0)
    read = (
        (lambda: client.save_blob(blob.digest, tmp_path / "blob"))
        if file
        else (lambda: client.blob(blob.digest, limit=100))
    )
    assert failing(read).code == "registry.timeout"
    assert list(tmp_path.glob("blob*")) == []
    monkeypatch.undo()
    assert client.blob(blob.digest, limit=100) == b"content"
