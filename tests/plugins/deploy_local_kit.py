"""A real image of a small service, a project to deploy it in, and clients that count."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

import sluiceway_deploy_local as plugin
from sluiceway.model import (
    DeployRequest,
    Environment,
    Fence,
    Image,
    Manifest,
    Project,
    Strategy,
    Traffic,
)
from sluiceway.testing.memory_registry import MemoryRegistry

SERVICE = """
import json, os, signal, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = open("RELEASE").read().strip()
STARTED = time.time()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        path, _, argument = self.path.partition("?")
        status = 200
        if path == "/api/health" and os.environ.get("SICK"):
            status = 503
        if path != "/api/health" and time.time() < STARTED + float(os.environ.get("COLD", 0)):
            status = 503
        if path == "/fail":
            status = 500
        if path == "/slow":
            time.sleep(float(argument))
        if path == "/crash":
            os._exit(3)
        if path == "/hang-up":
            self.connection.close()
            self.close_connection = True
            return
        if path == "/environment":
            answer = json.dumps(dict(os.environ)).encode()
        else:
            answer = f"{VERSION} {len(body)}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    do_POST = do_GET
    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

if os.environ.get("STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("serving", VERSION, "with", os.environ.get("LOUD", "nothing"), flush=True)
if VERSION == "dies":
    sys.exit("no such table: trades")
if VERSION == "never":
    time.sleep(600)
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

HEALTH = "/api/health"


def layer(files: Mapping[str, str | bytes | tarfile.TarInfo]) -> bytes:
    """Return an uncompressed layer of *files*; a TarInfo is stored as it is."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            body = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(body), 0o644
            archive.addfile(info, io.BytesIO(body))
    return stream.getvalue()


def entry(name: str, kind: bytes, target: str = "", mode: int = 0o755) -> tarfile.TarInfo:
    """Return an archive entry that is no plain file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


def digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def push(
    registry: MemoryRegistry,
    layers: list[bytes],
    config: Mapping[str, Any],
    diff_ids: list[str] | None = None,
) -> Image:
    """Store an image of *layers* (each gzipped) and return its name."""
    blobs = [registry.put_blob(gzip.compress(body, mtime=0)) for body in layers]
    configuration = registry.put_blob(
        json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": config,
                "rootfs": {
                    "type": "layers",
                    "diff_ids": diff_ids or [digest(body) for body in layers],
                },
            }
        ).encode()
    )
    media_type = "application/vnd.oci.image.manifest.v1+json"
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": configuration.digest,
                "size": configuration.size,
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": blob.digest,
                    "size": blob.size,
                }
                for blob in blobs
            ],
        }
    ).encode()
    manifest = Manifest(body=body, media_type=media_type, digest=digest(body))
    registry.put_manifest(manifest.digest, manifest)
    return Image(repository=registry.repository, digest=manifest.digest, media_type=media_type)


def until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Return the first true value of *condition*, or its last one after *seconds*."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value


@dataclass
class Site:
    """A project with its registry, and the hooks called as the core calls them."""

    project: Project
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    settings: dict[str, Any] = field(default_factory=dict)
    plugin: Any = plugin
    """The deployer: one that has the same supervisor inside may be put in its place."""
    token: int = 1
    lease: float = 30.0

    def fence(self, token: int | None = None) -> Fence:
        number = token or self.token
        return Fence(run=f"run-{number}", token=number, lease_seconds=self.lease)

    def image(self, version: str) -> Image:
        return push(
            self.registry,
            [layer({"app/server.py": SERVICE}), layer({"app/RELEASE": version})],
            {"Entrypoint": ["python3", "server.py"], "WorkingDir": "/app", "Env": ["KIND=test"]},
        )

    def environment(self, name: str = "production", **settings: Any) -> Environment:
        """Return an environment; ``canary`` shares production's route, ``live`` is blue/green."""
        strategies = {"canary": Strategy.CANARY, "live": Strategy.BLUE_GREEN}
        return Environment(
            name=name,
            strategy=strategies.get(name, Strategy.REPLACE),
            route="production" if name in strategies else name,
            settings=settings,
        )

    def request(
        self,
        version: str | Image,
        name: str = "production",
        token: int | None = None,
        **settings: Any,
    ) -> DeployRequest:
        ready = settings.pop("ready_seconds", 15.0)
        drain = settings.pop("drain_seconds", 5.0)
        return DeployRequest(
            environment=self.environment(name, **settings),
            image=version if isinstance(version, Image) else self.image(version),
            fence=self.fence(token),
            health_path=HEALTH,
            ready_seconds=ready,
            drain_seconds=drain,
        )

    def deploy(self, version: str | Image, name: str = "production", **more: Any) -> Any:
        return self.plugin.sluiceway_deploy(
            self.project, self.request(version, name, **more), self.registry, self.settings
        )

    def roll_back(self, version: str | Image, name: str = "production", **more: Any) -> Any:
        return self.plugin.sluiceway_rollback(
            self.project, self.request(version, name, **more), self.registry, self.settings
        )

    def weigh(self, weight: float, token: int | None = None) -> Traffic:
        return self.plugin.sluiceway_set_weight(
            self.project, self.environment("canary"), weight, self.fence(token), self.settings
        )

    def switch(self, slot: str, *, settled: bool = False, token: int | None = None) -> Traffic:
        return self.plugin.sluiceway_switch(
            self.project,
            self.environment("live"),
            slot,
            settled,
            self.fence(token),
            self.settings,
        )

    def drain(self, name: str = "canary") -> Traffic:
        return self.plugin.sluiceway_drain(
            self.project, self.environment(name), self.fence(), self.settings
        )

    def preflight(self, name: str = "production", **settings: Any) -> Traffic:
        return self.plugin.sluiceway_preflight(
            self.project, self.environment(name, **settings), self.settings
        )

    def traffic(self, name: str = "production") -> Traffic:
        return self.plugin.sluiceway_traffic(self.project, self.environment(name), self.settings)

    def observe(self, name: str = "canary") -> Any:
        return self.plugin.sluiceway_observe(
            self.project, self.environment(name), HEALTH, 2.0, self.settings
        )

    def inspect(self) -> Any:
        return self.plugin.inspect(self.project, "production", self.settings)

    def supervisor(self) -> psutil.Process:
        """Return the supervisor's process, named by the state file that it writes."""
        document = json.loads((self.project.state / "local" / "state.json").read_text())
        return psutil.Process(document["pid"])

    def kill_supervisor(self) -> int:
        """Kill the supervisor and its guard, so that nobody starts another; return its process id."""
        supervisor = self.supervisor()
        guard = supervisor.parent()
        assert guard is not None
        assert guard.cmdline() == supervisor.cmdline(), "it is the one that was forked"
        for process in (guard, supervisor):
            process.kill()
        assert until(lambda: gone(guard) and gone(supervisor))
        return supervisor.pid

    def weights(self) -> dict[str, float]:
        return {slot.name: slot.weight for slot in self.traffic().slots}

    def port(self) -> int:
        return int(self.traffic().url.rpartition(":")[2])

    def serving(self) -> list[psutil.Process]:
        """Return the processes of services of this site, by what they were started in."""
        root = str(self.project.state.resolve() / "local" / "images")
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd().startswith(root) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@contextmanager
def opened(root: Path, **settings: Any) -> Any:
    """Yield a site; afterwards nothing of it runs."""
    state = root / "state"
    state.mkdir(mode=0o700, parents=True)
    project = Project(
        service="shop", root=root, state=state, environ={"PATH": "/usr/bin:/bin", "FF_DARK": "on"}
    )
    site = Site(project=project, settings={"idle_exit_seconds": 20, "stop_seconds": 2, **settings})
    try:
        yield site
    finally:
        plugin.sluiceway_shutdown(project, site.settings)
        assert site.serving() == []


def ask(
    port: int, path: str = "/", *, method: str = "GET", body: bytes | None = None
) -> tuple[int, str]:
    """Ask once on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Load:
    """Clients that never try again: keep-alive and fresh connections, GET and POST."""

    def __init__(self, port: int, clients: int = 4, path: str = "/") -> None:
        self.port = port
        self.path = path
        self.seen: Counter[str] = Counter()
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        assert until(lambda: sum(self.seen.values()) + len(self.failed) > 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def total(self) -> int:
        return sum(self.seen.values()) + len(self.failed)

    def more(self, count: int) -> None:
        """Wait until *count* further requests have ended."""
        goal = self.total + count
        assert until(lambda: self.total >= goal, 30)

    def _run(self, number: int) -> None:
        keep, method = number % 2 == 0, "POST" if number & 2 else "GET"
        body = b"x" * 3000 if method == "POST" else None
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not self._stop.is_set():
            try:
                connection.request(method, self.path, body=body)
                answer = connection.getresponse()
                text = answer.read().decode()
                expected = str(len(body or b""))
                good = answer.status == 200 and text.split()[1] == expected
                outcome = text.split()[0] if good else ""
                problem = f"{method} {answer.status} {text}"
            except (OSError, http.client.HTTPException) as error:
                outcome, problem = "", f"{method} {type(error).__name__}: {error}"
                connection.close()
            with self._lock:
                if outcome:
                    self.seen[outcome] += 1
                else:
                    self.failed.append(problem)
            if not keep:
                connection.close()
        connection.close()
