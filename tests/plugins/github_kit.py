"""A stand-in for two questions of GitHub's REST API, by real HTTPS on this machine."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOKEN = "t0k3n-that-nobody-sees"
COMMIT = "3f2a" * 10
REPOSITORY = "example/settlement"
RUN = 4711


def run(**more: Any) -> dict[str, Any]:
    """A workflow run as the API answers it, as far as anybody reads it."""
    return {
        "id": RUN,
        "head_sha": COMMIT,
        "path": ".github/workflows/release.yml@main",
        "status": "in_progress",
        "created_at": "2026-11-24T10:00:00Z",
        "actor": {"login": "octo-tom", "id": 1},
        "triggering_actor": {"login": "octo-tom", "id": 1},
        "repository": {"full_name": REPOSITORY},
        "head_repository": {"full_name": REPOSITORY},
    } | more


def review(state: str = "approved", login: str = "octo-rita", **more: Any) -> dict[str, Any]:
    """One entry of a run's review history."""
    return {
        "state": state,
        "comment": "All well.",
        "user": {"login": login, "id": sum(login.encode())},
        "environments": [{"id": 9, "name": "production"}],
    } | more


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        state: Any = self.server
        state.asked.append((self.path, self.headers.get("Authorization", "")))
        path = self.path.partition("?")[0]
        if state.broken:
            status, headers, body = (
                state.broken.pop(0) if len(state.broken) > 1 else state.broken[0]
            )
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, headers, body = 401, {}, {"message": "Bad credentials"}
        else:
            status, headers, body = state.answers.get(self.path) or state.answers.get(
                path, (404, {}, {"message": "Not Found"})
            )
        if status == 0:  # no answer at all
            self.connection.close()
            return
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    """Serves until it is told to stop; whoever does not trust its certificate is no news."""

    daemon_threads = True
    asked: list[tuple[str, str]]
    answers: dict[str, tuple[int, dict[str, str], Any]]
    broken: list[tuple[int, dict[str, str], Any]]
    url: str
    ca: Path

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def says(self, of_run: Any, history: Any) -> None:
        place = f"/repos/{REPOSITORY}"
        self.answers = {
            place: (200, {}, {"full_name": REPOSITORY}),
            f"{place}/actions/runs/{RUN}": (200, {}, of_run),
            f"{place}/actions/runs/{RUN}/approvals": (200, {}, history),
        }


@contextmanager
def serving(certificate: Path) -> Iterator[_Server]:
    """Serve the API with the certificate in *certificate*, a PEM file with its key."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        server.asked, server.answers, server.broken = [], {}, []
        server.ca = certificate.with_name("ca.pem")
        server.url = f"https://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def certificate(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 with its key, and beside it ``ca.pem`` that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(public)
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(public + private)
    return path
