"""One build: pack the context, let the engine or buildx build, push, tidy up, read back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from docker.errors import APIError

from sluiceway import events
from sluiceway.errors import ActionFailed
from sluiceway.model import BuildRequest, Built, Project, Pushed, Registry
from sluiceway.oci.credentials import find_credentials
from sluiceway.oci.media_types import IMAGE_INDEX
from sluiceway_build_docker import buildx, classic
from sluiceway_build_docker.engine import Client, opened, spoken
from sluiceway_build_docker.faults import push_failed
from sluiceway_build_docker.options import PLUGIN, Options, options
from sluiceway_build_docker.packing import pack

__all__ = ["build"]

_FIRST_WITH_EPOCH = 23
"""The first engine whose BuildKit knows SOURCE_DATE_EPOCH (0.11)."""


def build(
    project: Project, request: BuildRequest, registry: Registry, settings: Mapping[str, Any]
) -> Built | Pushed:
    """Build *request*.

    Raises:
        ConfigurationError: For the settings, the Dockerfile or the context.
        PluginError: ``build.engine-missing``, ``build.engine-denied``, ``build.no-buildx``.
        ActionFailed: Whatever went wrong outside, each with a code of its own.
    """
    chosen = options(settings, project.environ)
    labels = request.labels()
    with tempfile.TemporaryDirectory(prefix=".context-", dir=request.layout.parent) as folder:
        archive = Path(folder) / "context.tar"
        name = pack(project, request, archive)
        tool = buildx.found(chosen, project)
        if tool is not None and tool.exports:
            return buildx.to_layout(tool, chosen, request, labels, archive, name)
        with opened(chosen, project) as client:
            if tool is None:
                identifier = classic.build(client, chosen, labels, archive, name)
                reproducible = "no"  # its own builder writes the time of day into every layer
            else:
                identifier = buildx.to_engine(tool, chosen, request, labels, archive, name)
                known = _major(client) >= _FIRST_WITH_EPOCH
                reproducible = "unknown" if known else "no"
            return _push(client, chosen, project, request, registry, identifier, reproducible)


def _push(
    client: Client,
    chosen: Options,
    project: Project,
    request: BuildRequest,
    registry: Registry,
    identifier: str,
    reproducible: str,
) -> Pushed:
    """Push the engine's image *identifier*, take what was made for that away, and read back."""
    found = _inspected(client, identifier)
    try:
        _check_platform(found, chosen)
        digest = _pushed(client, chosen, project, request, identifier)
    finally:
        _tidy(client, chosen, request, identifier)
    _check_stored(registry, digest, identifier)
    labels = (found.get("Config") or {}).get("Labels") or {}
    return Pushed(digest=digest, reproducible=reproducible, labels=dict(labels))


def _inspected(client: Client, identifier: str) -> Mapping[str, Any]:
    try:
        return client.image(identifier)
    except APIError as error:
        raise ActionFailed(
            f"the engine does not hold {identifier}, which was just built",
            means="The docker command and this plugin talk to two engines.",
            remedy=f"Set DOCKER_HOST, or [plugins.{PLUGIN}] host, to the one that is meant.",
            code="build.two-engines",
        ) from error


def _check_platform(found: Mapping[str, Any], chosen: Options) -> None:
    """An engine that cannot build for a platform may build for its own instead, and say nothing."""
    is_for = f"{found.get('Os', '')}/{found.get('Architecture', '')}"
    wanted = "/".join(chosen.platform.split("/")[:2])
    if wanted and is_for != wanted:
        raise ActionFailed(
            f"the engine built for {is_for}, not for {wanted}",
            means="Nothing was pushed.",
            remedy="Use base images for that platform, and an engine that can run it.",
            code="build.platform",
        )


def _pushed(
    client: Client, chosen: Options, project: Project, request: BuildRequest, identifier: str
) -> str:
    reference = f"{request.repository}:{request.tag}"
    credentials = find_credentials(request.repository.partition("/")[0], project.environ)
    # Given to the engine in a header of this one request; None lets the SDK look for itself.
    given = None
    if credentials is not None:
        given = (
            {"identitytoken": credentials.secret}
            if credentials.refresh
            else {"username": credentials.username, "password": credentials.secret}
        )
    origin = credentials.origin if credentials is not None else ""
    events.emit("build.step", text=f"push {reference}")
    digest = ""
    try:
        client.tag(identifier, request.repository, request.tag, force=True)
        answers = spoken(
            client,
            lambda: client.push(
                request.repository, tag=request.tag, stream=True, decode=True, auth_config=given
            ),
            chosen.timeout_seconds,
        )
        with closing(answers):
            for answer in answers:
                if "error" in answer:
                    raise push_failed(str(answer["error"]), reference, origin)
                digest = str((answer.get("aux") or {}).get("Digest") or digest)
                if answer.get("progress"):
                    events.emit("build.output", text=_progress(answer))
    except APIError as error:
        raise push_failed(str(error.explanation or error), reference, origin) from error
    if not digest:
        raise push_failed("the engine reported no digest", reference, origin)
    return digest


def _progress(answer: Mapping[str, Any]) -> str:
    return f"{answer.get('id', '')} {answer.get('status', '')} {answer['progress']}"


def _check_stored(registry: Registry, digest: str, identifier: str) -> None:
    """See that what was pushed is what was built.

    The tag is shared on the engine: another build may have moved it between our tagging and our
    push. Whether the registry holds the digest at all is looked at by whoever asked for the build.
    """
    manifest = registry.manifest(digest)
    if manifest is None or manifest.media_type == IMAGE_INDEX or identifier == digest:
        return
    configuration = json.loads(manifest.body).get("config", {}).get("digest", "")
    if configuration != identifier:
        raise ActionFailed(
            f"{digest} was pushed, which is another image than the {identifier} that was built",
            means="Two builds used this engine at the same time. Nothing was signed or promoted.",
            remedy="Run it again.",
            code="build.mixed-up",
        )


def _tidy(client: Client, chosen: Options, request: BuildRequest, identifier: str) -> None:
    """Take away the name, and the image when it has no other; its layers stay as build cache.

    A failure to is no failure of the build.
    """
    reference = f"{request.repository}:{request.tag}"
    with suppress(APIError):
        held = client.image(reference)["Id"]
        if held == identifier:
            client.remove_image(reference, noprune=chosen.cache)
    with suppress(APIError):
        left = client.image(identifier)
        names = [*(left.get("RepoTags") or ()), *(left.get("RepoDigests") or ())]
        ours = [name for name in names if name.startswith(f"{request.repository}@")]
        if len(names) == len(ours):
            for name in ours:
                client.remove_image(name, noprune=chosen.cache)
            if not ours:
                client.remove_image(identifier, noprune=chosen.cache)


def _major(client: Client) -> int:
    text = str(client.version().get("Version", "")).partition(".")[0]
    return int(text) if text.isdigit() else 0
