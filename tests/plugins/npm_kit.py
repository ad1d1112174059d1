"""A registry on loopback that answers ``npm audit`` as npm's does."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ADVISORY = {
    "id": 1065,
    "url": "https://github.com/advisories/GHSA-jf85-cpcp-j695",
    "title": "Prototype Pollution in lodash",
    "severity": "critical",
    "vulnerable_versions": "<4.17.12",
    "cwe": ["CWE-1321"],
    "cvss": {"score": 9.1, "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H"},
}


@dataclass
class Endpoint:
    """npm's bulk advisory endpoint."""

    url: str = ""
    status: int = 200
    body: Any = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)


@contextmanager
def answering() -> Iterator[Endpoint]:
    """Serve the endpoint on loopback; every advisory there is is about lodash."""
    state = Endpoint(body={"lodash": [ADVISORY]})

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            state.asked.append((self.path, json.loads(body)))
            state.tokens.append(self.headers.get("Authorization"))
            self._answer(state.status, json.dumps(state.body).encode())

        def do_GET(self) -> None:
            self._answer(404, b"{}")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
