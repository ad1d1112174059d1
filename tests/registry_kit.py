"""Real registries on loopback, for every test that wants to talk to one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PROGRAMS", "real_registry"]

PROGRAMS = ("docker-registry", "registry")
"""Distribution 2.8 as Debian names it, and distribution 3 as its own build names it. Neither has
the referrers API; only the second can delete a tag."""

_START_SECONDS = 20.0


@contextmanager
def real_registry(program: str, folder: Path) -> Iterator[str]:
    """Run *program* (one of :data:`PROGRAMS`) over *folder*; yield its address (``host:port``).

    Deletion is switched on, plain http is spoken, and nothing outlives the block. The test that
    uses it is marked ``@pytest.mark.real_tool(program)``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'content'}}},"
        " delete: {enabled: true}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    # Distribution 3 would send traces to a collector on this machine.
    environ = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    log = folder / "log"
    with log.open("wb") as sink:
        server = subprocess.Popen(
            [program, "serve", str(config)], stdout=sink, stderr=sink, env=environ
        )
    try:
        _wait(server, port, log)
        yield f"127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    state = f"ended with code {server.returncode}" if server.poll() is not None else "is silent"
    raise AssertionError(f"{server.args!r} {state}: {log.read_text()}")
