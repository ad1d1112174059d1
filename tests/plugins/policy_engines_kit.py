"""What tests of engines share: small bundles, a real OPA server, a server that misbehaves."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import sluiceway_policy_cli
import sluiceway_policy_server
from sluiceway.model import Project
from sluiceway.policy import Bundle, EngineError, PolicyEngine
from sluiceway.policy.archive import archive
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here

# What each engine has to do with one policy: the value of g.x, or the code of its refusal.
FATES: dict[str, tuple[str, Any]] = {
    "value": ("x := input.a + 1", 2),
    "undefined": ("x := input.nope", None),
    "set": ('x contains y if some y in ["b", "a", "b"]', ["a", "b"]),
    "forbidden call": ('x := http.send({"method": "get", "url": "http://127.0.0.1:9"})', 0),
    "forbidden clock": ("x := time.now_ns()", 0),
    "forbidden replacement": ("x := y if y := 1 with count as http.send", 0),
    "forbidden schema": ("x := json.match_schema(input, {})", 0),
    "unknown function": ("x := foo(1)", 0),
    "built-in error": ('x := to_number("no")', 0),
    "division": ("x := 1 / input.zero", 0),
    "conflict": ("x := y if some y in [1, 2]", 0),
}
CODES = {
    "forbidden call": "policy.forbidden",
    "forbidden clock": "policy.forbidden",
    "forbidden replacement": "policy.forbidden",
    "forbidden schema": "policy.forbidden",
    "unknown function": "policy.forbidden",
    "built-in error": "policy.builtin",
    "division": "policy.builtin",
    "conflict": "policy.evaluation",
}
INPUT = {"a": 1, "zero": 0}


def bundle(source: str, data: dict[str, Any] | None = None) -> Bundle:
    text = f"package g\n\n{source}\n"
    return Bundle(modules={"g/rule.rego": text}, data=data or {}, digest="", origin="test")


def fate(engine: PolicyEngine, policies: Bundle, document: Any = None) -> Any:
    """Return the value of g.x, or the code with which it was refused."""
    try:
        return engine.evaluate(policies, "g.x", INPUT if document is None else document)
    except EngineError as error:
        return error.code


def code_of(engine: PolicyEngine, policies: Bundle, path: str = "g.x") -> str:
    with pytest.raises(EngineError) as caught:
        engine.evaluate(policies, path, INPUT)
    assert caught.value.what
    assert caught.value.remedy
    return caught.value.code


def project(folder: Path, **environ: str) -> Project:
    (folder / "state").mkdir(exist_ok=True)
    return Project(service="settlement", root=folder, state=folder / "state", environ=environ)


def make_embedded() -> EmbeddedEngine:
    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    assert default_library().is_file(), "run: python -m sluiceway_policy_embedded.install"
    return EmbeddedEngine(default_library(), pin.library, deadline_seconds=60)


def make_cli(folder: Path, **settings: Any) -> PolicyEngine:
    engine = sluiceway_policy_cli.sluiceway_policy_engine(
        project=project(folder), settings={"deadline_seconds": 60.0, **settings}
    )
    assert engine is not None
    return engine


def make_server(folder: Path, url: str, *, token: str = "", **settings: Any) -> PolicyEngine:
    environ = {"SLUICEWAY_OPA_TOKEN": token} if token else {}
    engine = sluiceway_policy_server.sluiceway_policy_engine(
        project=project(folder, **environ),
        settings={"url": url, "timeout_seconds": 60.0, **settings},
    )
    assert engine is not None
    return engine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def opa_server(folder: Path, *arguments: str, address: str = "") -> Iterator[str]:
    """Run ``opa run --server ARGUMENTS``; yield its address once somebody listens there."""
    port = free_port()
    program = shutil.which("opa")
    assert program is not None
    chosen = address or f"127.0.0.1:{port}"
    command = [program, "run", "--server", "--addr", chosen, "--skip-version-check", *arguments]
    log = folder / "opa.log"
    with log.open("wb") as sink:
        child = subprocess.Popen(command, cwd=folder, stdout=sink, stderr=sink)
    try:
        deadline = time.monotonic() + 60
        while not _listens(address.removeprefix("unix://") or port):
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield address or f"http://127.0.0.1:{port}"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def _listens(place: int | str) -> bool:
    family = socket.AF_INET if isinstance(place, int) else socket.AF_UNIX
    with socket.socket(family) as probe:
        return probe.connect_ex(("127.0.0.1", place) if isinstance(place, int) else place) == 0


@contextlib.contextmanager
def serving(folder: Path, policies: Bundle, *arguments: str, **options: str) -> Iterator[str]:
    """Run OPA with *policies* as its bundle."""
    file = folder / "bundle.tar.gz"
    file.write_bytes(archive(policies))
    with opa_server(folder, *arguments, "--bundle", str(file), **options) as url:
        yield url


class Answers(BaseHTTPRequestHandler):
    """Answers every request by the server's ``answer(path, body) -> (status, headers, body)``."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server: Any = self.server
        server.seen.append((self.command, self.path, dict(self.headers)))
        answer = server.answer(self.path, body)
        if answer is None:  # break the connection in the middle
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            self.close_connection = True
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for part in content if isinstance(content, list) else [content]:
            self.wfile.write(part)

    do_GET = do_POST = _answer  # noqa: N815 - the names that the base class calls

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def stub(answer: Callable[[str, bytes], Any]) -> Iterator[Any]:
    """Serve *answer* on loopback; yield the server with ``url`` and ``seen``."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.answer, server.seen = answer, []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
