"""One Docker engine, through its SDK; a conversation with it can be broken off."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from sluiceway import process
from sluiceway.errors import ActionFailed
from sluiceway.model import Project
from sluiceway_build_docker.faults import unreachable
from sluiceway_build_docker.options import PLUGIN, Options

__all__ = ["Client", "host_of", "opened", "spoken"]

_DEFAULT_HOST = "unix:///var/run/docker.sock"
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 5.0
_KNOCK_SECONDS = 2.0


class Client(docker.APIClient):
    """The SDK's client, which remembers the answer that it reads, so that it can be cut off."""

    _answer: requests.Response | None = None

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request as :class:`requests.Session` does."""
        self._answer = super().send(request, **options)
        return self._answer

    def image(self, name: str) -> Mapping[str, Any]:
        """Return what the engine knows of an image; raises ``APIError`` when it holds none."""
        found: Mapping[str, Any] = self.inspect_image(name)  # type: ignore[no-untyped-call]
        return found

    def hang_up(self) -> None:
        """Break the connection of the answer that is read now: the engine gives up what it does."""
        if self._answer is not None:
            # What the other thread reads in ends; whatever else happens to it is of no interest.
            with suppress(Exception):
                self._answer.raw.shutdown()

    def close(self) -> None:
        """Let go of every connection, also of one whose answer was not read to its end."""
        if self._answer is not None:
            self._answer.close()
        super().close()


def host_of(chosen: Options, project: Project) -> str:
    """Return the engine's address: the setting, else DOCKER_HOST, else the usual socket."""
    return chosen.host or project.environ.get("DOCKER_HOST", "") or _DEFAULT_HOST


@contextmanager
def opened(chosen: Options, project: Project, timeout: float = 120.0) -> Iterator[Client]:
    """Connect for the duration of the block.

    Raises:
        PluginError: ``build.engine-missing``, ``build.engine-denied``.
    """
    host = host_of(chosen, project)
    given = dict[str, Any](kwargs_from_env(environment={**project.environ, "DOCKER_HOST": host}))
    try:
        _knock(host)
        client = Client(**({"base_url": host} | given), version="auto", timeout=int(timeout))
    except (DockerException, requests.RequestException, OSError) as error:
        raise unreachable(str(error), host) from error
    try:
        yield client
    finally:
        client.close()


def _knock(host: str) -> None:
    """See that somebody listens at a socket file: the SDK would leave its own socket open."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_KNOCK_SECONDS)
            probe.connect(host.removeprefix("unix://"))


def spoken(
    client: Client, ask: Callable[[], Iterator[Mapping[str, Any]]], timeout: float
) -> Generator[Mapping[str, Any], None, None]:
    """Yield what the engine says in answer to *ask*.

    The connection is broken, and with it what the engine does, at the time-out and when
    :func:`sluiceway.process.check_stop` or whoever reads the events raises.

    Raises:
        ActionFailed: ``build.timeout``, ``build.engine-lost``.
        APIError: The engine refuses.
    """
    said: queue.SimpleQueue[Mapping[str, Any] | Exception | None] = queue.SimpleQueue()

    def listen() -> None:
        try:
            for event in ask():
                said.put(event)
        except Exception as error:  # noqa: BLE001 - it is raised again where it belongs
            said.put(error)
        else:
            said.put(None)

    deadline = time.monotonic() + timeout
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    ended = False
    try:
        while True:
            process.check_stop()
            try:
                event = said.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if time.monotonic() >= deadline:
                    raise _late(timeout) from None
                continue
            ended = event is None or isinstance(event, Exception)
            if event is None:
                return
            if isinstance(event, Exception):
                raise _lost(event)
            yield event
    finally:
        if not ended:
            client.hang_up()
            listener.join(_GRACE_SECONDS)


def _late(timeout: float) -> ActionFailed:
    return ActionFailed(
        f"the engine was not done within {timeout:g} s and was told to stop",
        remedy=f"Find out what it waits for, or raise [plugins.{PLUGIN}] timeout_seconds.",
        code="build.timeout",
    )


def _lost(error: Exception) -> Exception:
    if isinstance(error, APIError) or not isinstance(
        error, DockerException | requests.RequestException | OSError
    ):
        return error
    return ActionFailed(
        f"the engine broke off: {process.redact(str(error))}",
        means="It was restarted, or its machine was.",
        remedy="Run it again.",
        code="build.engine-lost",
    )
