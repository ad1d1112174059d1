"""Keeps one container: creates it, says where it is reached, follows it, takes it away again.

The local deployer's supervisor starts a keeper as it would start a service, and sees the
container's life as the keeper's: it ends when the container ends, with its code, and SIGTERM to it
ends the container. So no word of the engine's is ever waited for by the process that routes, and a
supervisor that comes after a killed one finds keepers as it finds any process.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import APIError

from sluiceway.errors import ActionFailed, SluicewayError
from sluiceway_deploy_docker.container import Spec, label, network_labels, network_name
from sluiceway_deploy_docker.engine import Engine, opened
from sluiceway_deploy_docker.leftovers import sweep
from sluiceway_deploy_local import processes

__all__ = ["MARKS", "SPEC", "main"]

SPEC = "SLUICEWAY_CONTAINER"
MARKS = "SLUICEWAY_MARKS"

_AGAIN_SECONDS = 1.0
_LAST_LINES_SECONDS = 2.0
_MOST = 255
_LOST = 1

Said = tuple[str, int]
"""``("stop", signal)``, ``("ended", code)``, ``("lost", 0)`` or ``("again", 0)``."""


def main(environ: Mapping[str, str]) -> int:
    """Keep the container that ``SLUICEWAY_CONTAINER`` describes; return its exit code.

    Also needs ``SLUICEWAY_INSTANCE`` (its id) and ``SLUICEWAY_PORT_FILE``.
    """
    said: queue.SimpleQueue[Said] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: said.put(("stop", number)))
    spec = Spec.from_text(environ[SPEC])
    try:
        with opened(spec.host, environ) as engine:
            sweep(engine, spec.owner)
            container = _created(engine, spec, environ)
            try:
                engine.start(container)
                port = _port(engine, spec, container)
                if port:
                    _announce(Path(environ["SLUICEWAY_PORT_FILE"]), port)
            except BaseException:
                engine.remove(container)
                raise
    except SluicewayError as error:
        _tell(f"{error.what}. {error.means}")
        return _LOST
    return _follow(spec, environ, container, said)


def _created(engine: Engine, spec: Spec, environ: Mapping[str, str]) -> str:
    network = network_name(spec.service, spec.owner)
    _network(engine, network, spec)
    instance = environ["SLUICEWAY_INSTANCE"]
    identity = processes.identify(os.getpid()) or (os.getpid(), 0.0)
    labels = {
        **json.loads(environ.get(MARKS, "{}")),
        "instance": instance,
        "keeper": f"{identity[0]}:{identity[1]}",
    }
    container = engine.create(
        spec.name(instance), spec.configuration(environ, labels), spec.host_config(network)
    )
    found = engine.container(container)
    if found is None or found["Image"] != spec.image:
        engine.remove(container)
        raise ActionFailed(
            f"the engine would run {found and found['Image']} and not {spec.image}",
            code="deploy.wrong-image",
        )
    return container


def _network(engine: Engine, name: str, spec: Spec) -> None:
    labels = network_labels(spec.service, spec.owner)
    mine = label("owner") + "=" + spec.owner
    if any(found["Name"] == name for found in engine.networks(mine)):
        return
    try:
        engine.make_network(name, labels)
    except APIError:
        # Another keeper was quicker, or the name is somebody else's.
        if not any(found["Name"] == name for found in engine.networks(mine)):
            raise


def _port(engine: Engine, spec: Spec, container: str) -> int:
    """Return where the engine published it, and holds that port from then on.

    It is 0 for what has ended already: its last words are still to be read.
    """
    found = engine.container(container) or {}
    ports = (found.get("NetworkSettings") or {}).get("Ports") or {}
    for published in ports.get(f"{spec.port}/tcp") or ():
        if published["HostIp"] == "127.0.0.1":
            return int(published["HostPort"])
    if found and not found["State"]["Running"]:
        return 0
    raise ActionFailed(
        f"the engine published port {spec.port} of the container nowhere on 127.0.0.1",
        code="deploy.not-published",
    )


def _announce(path: Path, port: int) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(str(port), encoding="ascii")
    fresh.replace(path)


# --- following ---


def _follow(
    spec: Spec, environ: Mapping[str, str], container: str, said: queue.SimpleQueue[Said]
) -> int:
    """Watch until it has ended or is told to; the engine may be away for a while."""
    since = 0.0
    while True:
        printing = _watching(lambda: _print(spec, environ, container, since))  # noqa: B023 - begins now
        _watching(lambda: said.put(_wait(spec, environ, container)))
        kind, number = said.get()
        since = time.time()
        while kind == "lost":
            kind, number = _looked(spec, environ, container, said)
        if kind == "again":
            continue
        if kind == "stop":
            return _stopped(spec, environ, container, printing)
        return _ended(spec, environ, container, number, printing)


def _watching(work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        with suppress(Exception):  # a conversation that breaks off breaks anywhere in the SDK
            work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def _print(spec: Spec, environ: Mapping[str, str], container: str, since: float) -> None:
    with opened(spec.host, environ) as engine:
        for chunk in engine.printed(container, since):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()


def _wait(spec: Spec, environ: Mapping[str, str], container: str) -> Said:
    try:
        with opened(spec.host, environ) as engine:
            return "ended", engine.wait(container)
    except Exception:  # noqa: BLE001 - whatever it is, somebody has to look what became of it
        return "lost", 0


def _looked(
    spec: Spec, environ: Mapping[str, str], container: str, said: queue.SimpleQueue[Said]
) -> Said:
    """Look what became of it after the engine broke off; waits a moment first."""
    try:
        return said.get(timeout=_AGAIN_SECONDS)
    except queue.Empty:
        pass
    try:
        with opened(spec.host, environ) as engine:
            found = engine.container(container)
    except SluicewayError:
        return "lost", 0
    if found is None:
        return "ended", _LOST
    state = found["State"]
    return ("again", 0) if state["Running"] else ("ended", int(state["ExitCode"]))


def _stopped(
    spec: Spec, environ: Mapping[str, str], container: str, printing: threading.Thread
) -> int:
    try:
        with opened(spec.host, environ, spec.stop_seconds + 60) as engine:
            engine.stop(container, spec.stop_seconds)
            printing.join(_LAST_LINES_SECONDS)
            engine.remove(container)
    except SluicewayError as error:
        # Whoever comes next sees that its keeper is gone, and removes it.
        _tell(f"{container[:12]} could not be removed: {error.what}")
        return _LOST
    return 0


def _ended(
    spec: Spec, environ: Mapping[str, str], container: str, code: int, printing: threading.Thread
) -> int:
    with suppress(SluicewayError), opened(spec.host, environ) as engine:
        printing.join(_LAST_LINES_SECONDS)
        state: Mapping[str, Any] = (engine.container(container) or {}).get("State") or {}
        reason = ""
        if state.get("OOMKilled"):
            reason = f": it used more than memory_bytes = {spec.memory_bytes}"
        _tell(f"the container ended with code {code}{reason}")
        engine.remove(container)
    return min(code, _MOST)


def _tell(line: str) -> None:
    sys.stdout.write(f"sluiceway: {line.strip()}\n")
    sys.stdout.flush()
