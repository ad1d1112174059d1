"""A real registry on loopback, images to put into it, and a proxy that spoils what passes."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sluiceway.model import Manifest, Registry
from sluiceway.oci import Layout, manifest_from
from sluiceway.oci.client import RegistryClient
from sluiceway.oci.media_types import IMAGE_CONFIG, IMAGE_LAYER, IMAGE_MANIFEST
from sluiceway.oci.transport import RetryPolicy
from sluiceway_registry_folder.server import FolderServer, bind
from sluiceway_registry_folder.storage import Store

QUICK = RetryPolicy(attempts=3, first_delay=0.01, longest_delay=1.0, budget=5, connect_budget=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def address(store: Store) -> Iterator[str]:
    listener = bind("127.0.0.1", 0)
    server = FolderServer(store, listener)
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
def registry(address: str) -> Iterator[RegistryClient]:
    with RegistryClient(f"{address}/team/app", retry=QUICK) as client:
        yield client


MakeImage = Callable[..., Manifest]


def push_image(
    registry: Registry,
    content: str = "one",
    *,
    tag: str = "",
    subject: Manifest | None = None,
    media_type: str = IMAGE_MANIFEST,
) -> Manifest:
    manifest = image_of(registry, content, subject=subject, media_type=media_type)
    if subject is None:
        registry.put_manifest(tag or manifest.digest, manifest)
    return manifest


def image_of(
    registry: Registry,
    content: str,
    *,
    subject: Manifest | None = None,
    media_type: str = IMAGE_MANIFEST,
) -> Manifest:
    config = registry.put_blob(json.dumps({"architecture": "amd64", "os": content}).encode())
    layer = registry.put_blob(f"layer {content}".encode() * 100)
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": IMAGE_CONFIG, "digest": config.digest, "size": config.size},
        "layers": [{"mediaType": IMAGE_LAYER, "digest": layer.digest, "size": layer.size}],
    }
    if subject is not None:
        document["artifactType"] = f"application/vnd.test.{content}"
        document["annotations"] = {"org.example.note": content}
        document["subject"] = {
            "mediaType": subject.media_type,
            "digest": subject.digest,
            "size": len(subject.body),
        }
    # Odd spacing: whoever writes the JSON anew changes the digest, and is found out.
    return manifest_from(json.dumps(document, indent=3).encode() + b"\n", media_type)


@pytest.fixture
def make_image() -> MakeImage:
    """Push an image of the named content and return its manifest."""
    return push_image


@pytest.fixture
def make_layout(tmp_path: Path) -> Callable[[str], Layout]:
    """Make a layout folder with one image of the named content."""

    def make(content: str) -> Layout:
        layout = Layout.create(tmp_path / f"layout-{content}")
        config = layout.write_blob(json.dumps({"architecture": "amd64", "os": "linux"}).encode())
        layer = layout.write_blob(f"layer {content}".encode() * 50_000)
        document = {
            "schemaVersion": 2,
            "mediaType": IMAGE_MANIFEST,
            "config": {"mediaType": IMAGE_CONFIG, "digest": config.digest, "size": config.size},
            "layers": [{"mediaType": IMAGE_LAYER, "digest": layer.digest, "size": layer.size}],
        }
        layout.write_manifest(manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST))
        return layout

    return make


@dataclass
class Passing:
    """One exchange on its way through the proxy; a fault changes it."""

    method: str
    path: str
    sent: Mapping[str, str]
    """The request's headers, names in lower case."""
    status: int
    headers: dict[str, str]
    body: bytes
    number: int = 0
    """How many requests came before it."""
    cut: int | None = None
    """Break the connection after so many bytes of the body."""


Fault = Callable[[Passing], None]


@dataclass
class Asked:
    """One request before it is passed on; what is set here happens to it."""

    method: str
    path: str
    sent: Mapping[str, str]
    """The request's headers, names in lower case."""
    body: bytes
    number: int
    """How many requests came before it."""
    drop: bool = False
    """Break the connection before anything is passed on."""
    deaf: bool = False
    """Pass it on, and break the connection instead of answering."""
    cut: int | None = None
    """Pass on so many bytes of the body, then break both connections."""
    wait: float = 0.0
    """Seconds of silence before it is passed on."""
    reply: tuple[int, dict[str, str]] | None = None
    """Answer with this status and these headers, and pass nothing on."""


@dataclass
class Proxy:
    """Passes requests on to a real server; ``asking`` spoils them, and ``fault`` the answers."""

    address: str
    asking: Callable[[Asked], None] = field(default=lambda asked: None)
    asked: list[str] = field(default_factory=list)
    """``GET /v2/...`` of every request, also of those that were not passed on."""
    connections: int = 0
    busy: int = 0
    """Requests under way; one that nobody waits for any longer still arrives."""
    fault: Fault = field(default=lambda passing: None)
    guard: Callable[[str, str, Mapping[str, str]], str] = field(default=lambda *asked: "")
    """Of method, path and headers: the challenge to refuse with, or "" to let it pass."""
    pages: dict[str, Callable[[str, Mapping[str, str], bytes], tuple[Any, ...]]] = field(
        default_factory=dict
    )
    """Answers of the proxy itself by path: of query, headers and body, the status, the body and
    perhaps headers."""
    seen: list[Passing] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@pytest.fixture
def make_proxy() -> Iterator[Callable[..., Proxy]]:
    servers: list[ThreadingHTTPServer] = []

    def make(upstream: str, tls: ssl.SSLContext | None = None) -> Proxy:
        server = _ProxyServer(("127.0.0.1", 0), _ProxyHandler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        proxy = Proxy(address=f"127.0.0.1:{server.server_address[1]}")
        server.proxy = proxy  # type: ignore[attr-defined]
        server.upstream = upstream  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.003,)).start()
        servers.append(server)
        return proxy

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


class _ProxyServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that does not trust us hangs up


def _until_given_up(connection: HTTPConnection) -> None:
    """Send no more and wait until the other side gives up too.

    What did arrive is kept by then: a client that asks how much there is must not be quicker.
    """
    connection.sock.shutdown(socket.SHUT_WR)
    with contextlib.suppress(OSError):
        while connection.sock.recv(65536):
            pass


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        proxy.connections += 1

    def do_GET(self) -> None:
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        with proxy.lock:
            proxy.busy += 1
        try:
            self._pass_on(proxy)
        finally:
            with proxy.lock:
                proxy.busy -= 1

    def _pass_on(self, proxy: Proxy) -> None:
        upstream: str = self.server.upstream  # type: ignore[attr-defined]
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = HTTPConnection(upstream, timeout=10)
        given = {name.lower(): value for name, value in self.headers.items()}
        path, _, query = self.path.partition("?")
        if path in proxy.pages:
            self._reply(*proxy.pages[path](query, given, sent))
            return
        if challenge := proxy.guard(self.command, path, given):
            self._reply(401, b"{}", {"WWW-Authenticate": challenge})
            return
        asked = Asked(self.command, self.path, given, sent, number=len(proxy.asked))
        proxy.asked.append(f"{self.command} {path}")
        proxy.asking(asked)
        time.sleep(asked.wait)
        if asked.drop:
            self.close_connection = True
            return
        if asked.reply is not None:
            self._reply(asked.reply[0], b"{}", asked.reply[1])
            return
        headers = dict(given)  # the host too: a registry makes its Locations of it
        sent = asked.body
        if asked.cut is not None:
            # http.client sends the length that the headers say, and these bytes of it.
            connection.request(self.command, self.path, sent[: asked.cut], headers)
            _until_given_up(connection)
            connection.close()
            self.close_connection = True
            return
        connection.request(self.command, self.path, body=sent or None, headers=headers)
        answer = connection.getresponse()
        if asked.deaf:
            answer.read()
            connection.close()
            self.close_connection = True
            return
        passing = Passing(
            method=self.command,
            path=self.path,
            sent=given,
            status=answer.status,
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=answer.read(),
            number=asked.number,
        )
        connection.close()
        proxy.seen.append(passing)
        length = passing.headers.pop("content-length", None)
        proxy.fault(passing)
        self.send_response_only(passing.status)
        for name, value in passing.headers.items():
            if name not in {"connection", "transfer-encoding", "date"}:
                self.send_header(name, value)
        if self.command == "HEAD":
            self.send_header("Content-Length", length or "0")
        elif passing.status != 204:
            self.send_header("Content-Length", str(len(passing.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(passing.body[: passing.cut])
        if passing.cut is not None:
            self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass
