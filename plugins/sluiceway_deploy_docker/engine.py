"""One Docker engine through its SDK, as far as a deployer needs it; what it says when it fails."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env

from sluiceway import process
from sluiceway.errors import ActionFailed

__all__ = ["Engine", "opened", "refused", "tls"]

_KNOCK_SECONDS = 2.0
_DENIED = re.compile(r"permission denied", re.IGNORECASE)
_TLS = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")

Document = Mapping[str, Any]


class Engine:
    """What is asked of the engine. Raises ``APIError`` for what it refuses.

    Args:
        client: The SDK's.
    """

    def __init__(self, client: docker.APIClient) -> None:
        # The SDK's own types leave most of these methods untyped.
        self._client: Any = client

    def close(self) -> None:
        """Let go of every connection."""
        self._client.close()

    def version(self) -> Document:
        """Return the engine's ``Version``, ``Os`` and ``Arch``, among others."""
        return cast("Document", self._client.version(api_version=False))

    # --- images ---

    def image(self, name: str) -> Document | None:
        """Return what the engine knows of an image, or ``None`` when it holds none."""
        try:
            return cast("Document", self._client.inspect_image(name))
        except NotFound:
            return None

    def pull(self, name: str, auth: Mapping[str, str] | None) -> Iterator[Document]:
        """Let the engine pull ``repository@digest``; yield what it says."""
        return cast(
            "Iterator[Document]",
            self._client.pull(name, stream=True, decode=True, auth_config=auth),
        )

    def load(self, archive: IO[bytes]) -> Iterator[Document]:
        """Give the engine an archive of images; yield what it says."""
        return cast("Iterator[Document]", self._client.load_image(archive))

    def tag(self, image: str, repository: str, tag: str) -> None:
        """Name an image, so that nothing takes it for rubbish."""
        self._client.tag(image, repository, tag, force=True)

    def images(self, repository: str) -> list[Document]:
        """Return the images that have a tag in *repository*, newest first."""
        found = cast("list[Document]", self._client.images(name=repository))
        return sorted(found, key=lambda item: int(item["Created"]), reverse=True)

    def untag(self, reference: str) -> None:
        """Take a name away, and the image with its last one."""
        self._client.remove_image(reference)

    # --- containers ---

    def create(self, name: str, configuration: Document, host: Document) -> str:
        """Create a container from what :mod:`~sluiceway_deploy_docker.container` made."""
        made = self._client.create_container(
            **configuration, name=name, host_config=self._client.create_host_config(**host)
        )
        return str(made["Id"])

    def start(self, container: str) -> None:
        """Start it."""
        self._client.start(container)

    def container(self, container: str) -> Document | None:
        """Return what the engine knows of a container, or ``None`` when it is gone."""
        try:
            return cast("Document", self._client.inspect_container(container))
        except NotFound:
            return None

    def containers(self, label: str) -> list[Document]:
        """Return every container, also ended ones, with ``label`` (``name=value``)."""
        return cast("list[Document]", self._client.containers(all=True, filters={"label": [label]}))

    def wait(self, container: str) -> int:
        """Return the exit code, once it has ended."""
        return int(self._client.wait(container, timeout=None)["StatusCode"])

    def printed(self, container: str, since: float = 0) -> Iterator[bytes]:
        """Yield what it prints, until it has ended."""
        after = {"since": since} if since else {}
        return cast(
            "Iterator[bytes]", self._client.logs(container, stream=True, follow=True, **after)
        )

    def stop(self, container: str, seconds: float) -> None:
        """SIGTERM, and SIGKILL after *seconds*; one that is gone is fine."""
        try:
            self._client.stop(container, timeout=round(seconds))
        except NotFound:
            return

    def remove(self, container: str) -> None:
        """Remove it with its anonymous volumes, running or not; one that is gone is fine."""
        try:
            self._client.remove_container(container, v=True, force=True)
        except NotFound:
            return

    # --- networks ---

    def networks(self, label: str) -> list[Document]:
        """Return the networks with ``label`` (``name=value``)."""
        return cast("list[Document]", self._client.networks(filters={"label": [label]}))

    def make_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a bridge whose containers do not reach each other."""
        self._client.create_network(
            name,
            driver="bridge",
            labels=dict(labels),
            options={"com.docker.network.bridge.enable_icc": "false"},
            check_duplicate=True,
        )

    def remove_network(self, identifier: str) -> None:
        """Remove a network that nothing uses."""
        self._client.remove_network(identifier)


@contextmanager
def opened(host: str, environ: Mapping[str, str], timeout: float = 60.0) -> Iterator[Engine]:
    """Connect for the duration of the block.

    Args:
        host: The engine's address.
        environ: For ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH``.
        timeout: Seconds for each answer.

    Raises:
        ActionFailed: ``deploy.engine-missing``, ``deploy.engine-denied``; inside of the block what
            the engine or the connection to it fails with becomes ``deploy.engine``.
    """
    given = dict[str, Any](kwargs_from_env(environment={**tls(environ), "DOCKER_HOST": host}))
    try:
        _knock(host)
        client = docker.APIClient(
            **({"base_url": host} | given), version="auto", timeout=int(timeout) or 1
        )
    except (DockerException, requests.RequestException, OSError) as error:
        raise _unreachable(str(error), host) from error
    engine = Engine(client)
    try:
        yield engine
    except APIError as error:
        raise refused(error) from error
    except (DockerException, requests.RequestException) as error:
        raise ActionFailed(
            f"the engine at {host} broke off: {process.redact(str(error))}",
            remedy="Look whether it still runs; then do it again.",
            code="deploy.engine",
        ) from error
    finally:
        engine.close()


def tls(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that say how a connection to the engine is secured."""
    return {name: environ[name] for name in _TLS if environ.get(name)}


def refused(error: APIError) -> ActionFailed:
    """Return the error for what the engine refused."""
    return ActionFailed(
        f"the engine refuses: {process.redact(str(error.explanation or error).strip())}",
        code="deploy.engine",
    )


def _knock(host: str) -> None:
    """See that somebody listens at a socket file: the SDK would leave its own socket open."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_KNOCK_SECONDS)
            probe.connect(str(Path(host.removeprefix("unix://"))))


def _unreachable(reason: str, host: str) -> ActionFailed:
    if _DENIED.search(reason):
        return ActionFailed(
            f"this user may not talk to the Docker engine at {host}",
            remedy="Add the user to the group that owns the socket (usually `docker`).",
            code="deploy.engine-denied",
        )
    return ActionFailed(
        f"no Docker engine answers at {host}: {process.redact(reason)}",
        means="Nothing was changed.",
        remedy="Start it (`systemctl start docker`), or name another one in [plugins.deploy-docker] "
        "host or DOCKER_HOST.",
        code="deploy.engine-missing",
    )
