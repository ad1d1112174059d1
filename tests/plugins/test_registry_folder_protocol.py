"""The folder registry's HTTP, spoken by hand (distribution-spec 1.1)."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import socket
import threading
from email.message import Message
from itertools import pairwise
from typing import NamedTuple

import pytest

from sluiceway.oci.media_types import IMAGE_INDEX, IMAGE_MANIFEST
from sluiceway_registry_folder.faults import Fault
from sluiceway_registry_folder.server import IDENTITY_HEADER, FolderServer, bind
from sluiceway_registry_folder.storage import Store
from sluiceway_registry_folder.uploads import Uploads, sweep


def sha256(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


class Answer(NamedTuple):
    status: int
    headers: Message
    content: bytes


class Caller:
    """One kept-alive connection: a body that is not read to its end would spoil what follows."""

    def __init__(self, port):
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def __call__(self, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        chunked = body is not None and not isinstance(body, bytes)
        self.connection.request(method, path, body, named, encode_chunked=chunked)
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def blob(self, body, name="app"):
        answer = self("POST", f"/v2/{name}/blobs/uploads/?digest={sha256(body)}", body)
        assert answer.status == 201
        return {"mediaType": "text/plain", "digest": sha256(body), "size": len(body)}

    def manifest(self, reference="", name="app", **more):
        config = self.blob(b"{}", name)
        document = {"schemaVersion": 2, "config": config, "layers": [], **more}
        body = json.dumps(document).encode()
        path = f"/v2/{name}/manifests/{reference or sha256(body)}"
        answer = self("PUT", path, body, Content_Type=IMAGE_MANIFEST)
        assert answer.status == 201, answer.content
        return sha256(body), answer


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store")


@pytest.fixture
def call(store):
    listener = bind("127.0.0.1", 0)
    server = FolderServer(store, listener)
    stop = threading.Event()
    thread = threading.Thread(
        target=server.run, args=(stop, 3600.0), kwargs={"poll_seconds": 0.003}
    )
    thread.start()
    caller = Caller(listener.getsockname()[1])
    yield caller
    caller.connection.close()
    stop.set()
    thread.join(10)
    server.server_close()


def test_an_open_connection_does_not_outlive_the_server(store):
    """What came after the end would be answered by a process that may vanish on the way."""
    listener = bind("127.0.0.1", 0)
    server, stop = FolderServer(store, listener), threading.Event()
    caller = Caller(listener.getsockname()[1])
    thread = threading.Thread(
        target=server.run, args=(stop, 3600.0), kwargs={"poll_seconds": 0.003}
    )
    thread.start()
    assert caller("GET", "/v2/").status == 200
    stop.set()
    thread.join(10)
    with pytest.raises(http.client.RemoteDisconnected):
        caller("GET", "/v2/")
    caller.connection.close()


def code(answer):
    return json.loads(answer.content)["errors"][0]["code"]


def test_the_version_page_names_the_folder(call, store):
    answer = call("GET", "/v2/")
    assert answer.status == 200
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
    assert answer.headers[IDENTITY_HEADER] == store.id


def test_an_upload_in_chunks_that_is_gone_on_with(call):
    body = b"0123456789" * 1000
    begun = call("POST", "/v2/app/blobs/uploads/")
    assert begun.status == 202
    where = begun.headers["Location"]
    first = call("PATCH", where, body[:4000], Content_Range="0-3999")
    assert (first.status, first.headers["Range"]) == (202, "0-3999")
    asked = call("GET", where)
    assert (asked.status, asked.headers["Range"]) == (204, "0-3999")
    wrong = call("PATCH", where, body[5000:], Content_Range="5000-9999")
    assert (wrong.status, wrong.headers["Range"]) == (416, "0-3999")
    lying = call("PATCH", where, b"short", Content_Range="4000-9999")
    assert (lying.status, code(lying)) == (400, "SIZE_INVALID")
    second = call("PATCH", where, iter([body[4000:6000], body[6000:8000]]))
    assert second.headers["Range"] == "0-7999"
    ended = call("PUT", f"{where}?digest={sha256(body)}", body[8000:], Content_Range="8000-9999")
    assert ended.status == 201
    assert ended.headers["Docker-Content-Digest"] == sha256(body)
    assert call("GET", ended.headers["Location"]).content == body
    assert call("GET", where).status == 404


def test_bytes_that_are_not_the_digest_are_no_blob(call, store):
    where = call("POST", "/v2/app/blobs/uploads/").headers["Location"]
    answer = call("PUT", f"{where}?digest={sha256(b'true')}", b"false")
    assert (answer.status, code(answer)) == (400, "DIGEST_INVALID")
    assert call("HEAD", f"/v2/app/blobs/{sha256(b'true')}").status == 404
    assert call("GET", where).status == 404
    assert [path for path in (store.folder / "blobs").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("digest", ["", "sha256:..", "sha512:" + "0" * 128, "sha256:" + "A" * 64])
def test_only_proper_digests_are_taken(call, digest):
    where = call("POST", "/v2/app/blobs/uploads/").headers["Location"]
    answer = call("PUT", f"{where}?digest={digest}", b"x")
    assert (answer.status, code(answer)) == (400, "DIGEST_INVALID")


def test_an_upload_is_given_up(call):
    where = call("POST", "/v2/app/blobs/uploads/").headers["Location"]
    assert call("DELETE", where).status == 204
    assert call("DELETE", where).status == 404
    answer = call("PATCH", where, b"x")
    assert (answer.status, code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_an_upload_belongs_to_its_repository(call):
    where = call("POST", "/v2/app/blobs/uploads/").headers["Location"]
    assert call("PATCH", where.replace("/app/", "/other/"), b"x").status == 404


def test_a_blob_is_mounted_from_another_repository(call):
    digest = call.blob(b"content")["digest"]
    assert call("HEAD", f"/v2/other/blobs/{digest}").status == 404
    answer = call("POST", f"/v2/other/blobs/uploads/?mount={digest}&from=app")
    assert answer.status == 201
    assert call("GET", f"/v2/other/blobs/{digest}").content == b"content"
    unknown = call("POST", f"/v2/other/blobs/uploads/?mount={sha256(b'x')}&from=app")
    assert unknown.status == 202  # an ordinary upload begins instead
    assert "/v2/other/blobs/uploads/" in unknown.headers["Location"]


@pytest.mark.parametrize(
    ("asked", "status", "content", "span"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
    ],
)
def test_ranges_of_a_blob(call, asked, status, content, span):
    digest = call.blob(b"0123456789")["digest"]
    answer = call("GET", f"/v2/app/blobs/{digest}", Range=asked)
    assert (answer.status, answer.headers["Content-Range"]) == (status, span)
    assert content is None or answer.content == content


def test_heads_say_what_gets_give(call):
    digest, _ = call.manifest("dev")
    for path in ("/v2/app/manifests/dev", f"/v2/app/blobs/{sha256(b'{}')}"):
        head, get = call("HEAD", path), call("GET", path)
        assert head.status == get.status == 200
        assert head.content == b""
        for name in ("Content-Length", "Content-Type", "Docker-Content-Digest"):
            assert head.headers[name] == get.headers[name]
    assert call("HEAD", "/v2/app/manifests/dev").headers["Docker-Content-Digest"] == digest


def test_a_manifest_must_be_one_and_complete(call):
    call.blob(b"{}")
    config = {"mediaType": "text/plain", "digest": sha256(b"{}"), "size": 2}
    missing = {**config, "digest": sha256(b"missing")}
    good = {"schemaVersion": 2, "config": config, "layers": []}
    cases = [
        (b"no json", IMAGE_MANIFEST, 400, "MANIFEST_INVALID"),
        (json.dumps(good).encode(), "text/plain", 400, "MANIFEST_INVALID"),
        (json.dumps(good).encode(), IMAGE_INDEX, 400, "MANIFEST_INVALID"),
        ({**good, "layers": [missing]}, IMAGE_MANIFEST, 404, "MANIFEST_BLOB_UNKNOWN"),
        ({**good, "config": {**config, "size": 3}}, IMAGE_MANIFEST, 400, "MANIFEST_INVALID"),
        ({"schemaVersion": 2, "manifests": [missing]}, IMAGE_INDEX, 404, "MANIFEST_BLOB_UNKNOWN"),
    ]
    for document, media_type, status, expected in cases:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        answer = call("PUT", "/v2/app/manifests/dev", body, Content_Type=media_type)
        assert (answer.status, code(answer)) == (status, expected)
    wrong = f"/v2/app/manifests/{sha256(b'other')}"
    answer = call("PUT", wrong, json.dumps(good).encode(), Content_Type=IMAGE_MANIFEST)
    assert (answer.status, code(answer)) == (400, "DIGEST_INVALID")
    large = call("PUT", "/v2/app/manifests/dev", b" " * (4 * 1024 * 1024 + 1))
    assert (large.status, code(large)) == (413, "SIZE_INVALID")
    assert call("GET", "/v2/app/manifests/dev").status == 404


def test_an_error_s_body_has_the_specification_s_shape(call):
    answer = call("GET", "/v2/app/manifests/dev")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"
    (error,) = json.loads(answer.content)["errors"]
    assert error["code"] == "MANIFEST_UNKNOWN"
    assert error["message"]


def test_referrers_are_found_and_filtered(call):
    digest, _ = call.manifest("dev")
    subject = {"mediaType": IMAGE_MANIFEST, "digest": digest, "size": 2}
    for kind in ("a/sbom", "a/signature"):
        _, stored = call.manifest(subject=subject, artifactType=kind, annotations={"k": kind})
        assert stored.headers["OCI-Subject"] == digest
    answer = call("GET", f"/v2/app/referrers/{digest}")
    assert answer.headers["Content-Type"] == IMAGE_INDEX
    found = json.loads(answer.content)["manifests"]
    assert [item["artifactType"] for item in found] == ["a/sbom", "a/signature"]
    assert found[0]["annotations"] == {"k": "a/sbom"}
    answer = call("GET", f"/v2/app/referrers/{digest}?artifactType=a/signature")
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    (only,) = json.loads(answer.content)["manifests"]
    assert only["artifactType"] == "a/signature"
    assert call("DELETE", f"/v2/app/manifests/{only['digest']}").status == 202
    found = json.loads(call("GET", f"/v2/app/referrers/{digest}").content)["manifests"]
    assert [item["artifactType"] for item in found] == ["a/sbom"]
    nobody = call("GET", f"/v2/never/referrers/{sha256(b'x')}")
    assert (nobody.status, json.loads(nobody.content)["manifests"]) == (200, [])


def test_lists_come_in_pages(call):
    for tag in ("c", "a", "b", "B"):
        call.manifest(tag)
    call.manifest("x", "other/deep")
    seen, path = [], "/v2/app/tags/list?n=3"
    while path:
        answer = call("GET", path)
        seen.append(json.loads(answer.content)["tags"])
        path = (answer.headers["Link"] or "").partition("<")[2].partition(">")[0]
    assert seen == [["B", "a", "b"], ["c"]]
    assert json.loads(call("GET", "/v2/app/tags/list?last=b").content)["tags"] == ["c"]
    assert json.loads(call("GET", "/v2/app/tags/list?n=0").content)["tags"] == []
    assert call("GET", "/v2/app/tags/list?n=x").status == 400
    assert json.loads(call("GET", "/v2/_catalog").content) == {
        "repositories": ["app", "other/deep"]
    }
    assert call("GET", "/v2/never/tags/list").status == 404


def test_deleting_a_tag_keeps_and_deleting_a_manifest_takes(call):
    digest, _ = call.manifest("one")
    call.manifest("two")
    assert call("DELETE", "/v2/app/manifests/one").status == 202
    assert call("DELETE", "/v2/app/manifests/one").status == 404
    assert call("GET", f"/v2/app/manifests/{digest}").status == 200
    assert call("DELETE", f"/v2/app/manifests/{digest}").status == 202
    assert call("GET", "/v2/app/manifests/two").status == 404
    assert json.loads(call("GET", "/v2/app/tags/list").content)["tags"] == []
    blob = f"/v2/app/blobs/{sha256(b'{}')}"
    assert [call(method, blob).status for method in ("DELETE", "GET", "DELETE")] == [202, 404, 404]


def test_a_tag_s_history_is_kept(call):
    one, _ = call.manifest("dev")
    two, _ = call.manifest("dev", annotations={"a": "b"})
    call.manifest("dev", annotations={"a": "b"})  # the same again is no move
    call("DELETE", "/v2/app/manifests/dev")
    moves = json.loads(call("GET", "/v2/app/_sluiceway/history/dev").content)["moves"]
    assert [move["digest"] for move in moves] == [one, two, ""]
    assert all(move["time"].endswith("Z") for move in moves)


def test_a_history_that_a_crash_cut_short_mends_itself(call, store):
    one, _ = call.manifest("dev")
    two, _ = call.manifest("dev", annotations={"a": "b"})
    log = store.repository("app").folder / "_history" / "dev"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + lines[1][:20])  # killed after the tag moved, within its line
    three, _ = call.manifest("dev", annotations={"a": "c"})
    assert [move.digest for move in store.repository("app").history("dev")] == [one, two, three]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../../etc/passwd",
        "/v2/%2e%2e/%2e%2e/etc/manifests/passwd",
        "/v2/app/manifests/..%2f..%2fx",
        "/v2/app/manifests/..",
        "/v2/app/manifests/.hidden",
        "/v2/app/blobs/sha256:%2e%2e",
        "/v2/app/blobs/uploads/..%2f_tags%2fdev",
        "/v2/_tags/manifests/x",
        "/v2/app/_tags/manifests/x",
        "/v2/App/manifests/x",
        "/v2/app/referrers/..",
        "/v2/app/_sluiceway/history/..",
        "/v2/app\x00/manifests/x".replace("\x00", "%00"),
        "/v2/" + "a" * 300 + "/manifests/x",
        "/",
        "/etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_folder(call, store, path):
    call.manifest("dev")
    before = sorted(item for item in store.folder.parent.rglob("*"))
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = call(method, path, b"{}" if method in {"PUT", "PATCH"} else None)
        assert answer.status in {400, 404, 405}
    assert call("GET", "/v2/").status == 200
    assert sorted(item for item in store.folder.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://page.example"}, {"Host": "page.example"}, {"Host": "page.example:80"}],
)
def test_web_pages_are_kept_out(call, headers):
    answer = call("POST", "/v2/app/blobs/uploads/", **headers)
    assert (answer.status, code(answer)) == (403, "DENIED")


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: -5\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
    ],
)
def test_a_body_without_a_clear_end_is_refused(call, head):
    with socket.create_connection(("127.0.0.1", call.port), timeout=10) as raw:
        raw.sendall(
            f"PUT /v2/app/manifests/dev HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\nhello".encode()
        )
        answer = raw.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1


def test_a_client_that_breaks_off_leaves_no_blob(call, store):
    where = call("POST", "/v2/app/blobs/uploads/").headers["Location"]
    with socket.create_connection(("127.0.0.1", call.port), timeout=10) as raw:
        head = f"PUT {where}?digest={sha256(b'x' * 100)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        raw.sendall(head.encode() + b"Content-Length: 100\r\n\r\n" + b"x" * 60)
        raw.shutdown(socket.SHUT_WR)
        assert raw.makefile("rb").read() == b""
    asked = call("GET", where)
    assert asked.headers["Range"] == "0-59"
    ended = call("PUT", f"{where}?digest={sha256(b'x' * 100)}", b"x" * 40, Content_Range="60-99")
    assert ended.status == 201


def test_a_late_writer_does_not_write_into_a_finished_blob(store, monkeypatch):
    repository = store.repository("app")
    uploads = Uploads(repository)
    session = uploads.begin()
    uploads.append(session, [b"content"])
    flock = fcntl.flock

    def finish_first(handle, operation):
        monkeypatch.setattr(fcntl, "flock", flock)
        uploads.finish(session, sha256(b"content"))
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", finish_first)
    with pytest.raises(Fault) as caught:
        uploads.append(session, [b"more"])
    assert caught.value.code == "BLOB_UPLOAD_UNKNOWN"
    assert repository.blob(sha256(b"content")).read_bytes() == b"content"


def test_two_writers_of_one_upload_do_not_mix(store):
    uploads = Uploads(store.repository("app"))
    session = uploads.begin()

    def pieces():
        yield b"one"
        with pytest.raises(Fault) as caught:
            uploads.append(session, [b"two"])
        assert caught.value.status == 409
        yield b"three"

    assert uploads.append(session, pieces()) == len(b"onethree")


def test_stale_uploads_are_swept(call, store):
    where = call("POST", "/v2/app/blobs/uploads/").headers["Location"]
    assert sweep(store) == 0
    assert call("GET", where).status == 204
    assert sweep(store, older_than_seconds=-1) == 1
    assert call("GET", where).status == 404


def test_many_writers_of_one_tag_leave_one_that_is_whole(call, store):
    digests = {call.manifest(annotations={"n": str(number)})[0] for number in range(4)}
    bodies = {digest: store.repository("app").manifest(digest) for digest in digests}

    def write(digest):
        for _ in range(10):
            store.repository("app").put_manifest("dev", bodies[digest])

    threads = [threading.Thread(target=write, args=(digest,)) for digest in digests]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        answer = call("GET", "/v2/app/manifests/dev")
        assert answer.status == 404 or sha256(answer.content) in digests
    for thread in threads:
        thread.join()
    moves = [move.digest for move in store.repository("app").history("dev")]
    assert moves[-1] == store.repository("app").tagged("dev")
    assert all(one != other for one, other in pairwise(moves))
