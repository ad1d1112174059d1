"""A local OPA server with our bundle, on loopback, for as long as somebody wants it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sluiceway import process
from sluiceway.errors import ActionFailed, PluginError, UsageError
from sluiceway.policy.archive import archive, revision
from sluiceway.policy.engine import Bundle, EngineError
from sluiceway.record import Record
from sluiceway_policy_server.client import Address, Connection
from sluiceway_policy_server.engine import ServerEngine

__all__ = ["Server", "serving"]

_HOST = "127.0.0.1"
_START_SECONDS = 30.0
_END_SECONDS = 5.0
_PAUSE = 0.05
_SAID = 500


class Server(Record):
    """One that runs."""

    url: str
    version: str
    revision: str
    child: subprocess.Popen[bytes]

    def wait(self) -> None:
        """Wait until somebody ends us by Ctrl-C or SIGTERM.

        Raises:
            ActionFailed: When the server ends by itself.
        """
        status = self.child.wait()
        raise ActionFailed(
            f"the OPA server at {self.url} ended by itself (status {status})",
            means="From now on every gate that asks it refuses.",
            remedy="Start it again: invoke policy.serve",
            code="policy.server-unreachable",
        )


@contextlib.contextmanager
def serving(bundle: Bundle, port: int, *, program: str = "opa") -> Iterator[Server]:
    """Start OPA with *bundle* on 127.0.0.1, see that it serves it, and end it afterwards.

    Ctrl-C and SIGTERM end the ``with`` block quietly.

    Raises:
        PluginError: When the program is not installed.
        UsageError: When the port is taken.
        ActionFailed: When it does not start, or serves something else.
    """
    found = process.which(program)
    if found is None:
        raise PluginError(
            f"{program} is not on PATH",
            means="A local server is that program; the embedded engine needs none.",
            remedy="Install it from openpolicyagent.org.",
            code="policy.engine-missing",
        )
    _check_free(port)
    address = Address(url=f"http://{_HOST}:{port}", host=_HOST, port=port, tls=False, socket="")
    with tempfile.TemporaryDirectory(prefix="sluiceway-policy-") as name, _ended_quietly():
        folder = Path(name)
        file = folder / "bundle.tar.gz"
        file.write_bytes(archive(bundle))
        log = folder / "opa.log"
        options = ("--addr", f"{_HOST}:{port}", "--log-level", "error", "--skip-version-check")
        child = process.spawn(
            (found, "run", "--server", *options, "--bundle", str(file)),
            cwd=folder,
            log=log,
            env={"HOME": name, "TZ": "UTC", "PATH": ""},  # OPA reads options from OPA_...
        )
        try:
            version = _ready(child, address, bundle, log)
            yield Server(url=address.url, version=version, revision=revision(bundle), child=child)
        finally:
            _end(child)


def _ready(child: subprocess.Popen[bytes], address: Address, bundle: Bundle, log: Path) -> str:
    """Return the server's version once it serves *bundle*."""
    deadline = time.monotonic() + _START_SECONDS
    engine = ServerEngine(Connection(address, retries=0))
    try:
        while True:
            try:
                engine.evaluate(bundle, "sluiceway.ready", {})
            except EngineError as error:
                if child.poll() is not None or time.monotonic() > deadline:
                    said = log.read_text(errors="replace").strip()[-_SAID:]
                    raise ActionFailed(
                        f"the OPA server did not start: {said or error.what}",
                        remedy="Correct what it says; `invoke policy.check` reads the policies.",
                        code="policy.server-unreachable",
                    ) from error
                if error.code != "policy.server-unreachable":
                    raise
                time.sleep(_PAUSE)
            else:
                return engine.version
    finally:
        engine.close()


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port} of {_HOST} cannot be used: {error.strerror}",
                remedy="Name another one: --port=18181",
                code="policy.port",
            ) from error


@contextlib.contextmanager
def _ended_quietly() -> Iterator[None]:
    """Let SIGTERM end us as Ctrl-C does, so that the server never outlives us, and neither raise."""

    def told(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, told)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
