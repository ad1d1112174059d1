"""From a registry into the engine, by digest, and the proof that what is there is that digest."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import APIError

from sluiceway import events, process
from sluiceway.errors import ActionFailed
from sluiceway.model import Image, Manifest, Project, Registry
from sluiceway.oci import describe, document_of
from sluiceway.oci.credentials import find_credentials
from sluiceway.record import Record
from sluiceway_deploy_docker.engine import Engine
from sluiceway_deploy_docker.settings import Options

__all__ = ["Held", "Wanted", "archive", "forget", "held", "wanted"]

_DOCUMENT_BYTES = 4 * 1024 * 1024
_KEPT = 5
"""Images that were loaded and that nothing runs, newest first: a rollback finds its own."""
_NOTHING = "Nothing was started; what served before still serves."


class Wanted(Record):
    """An image as its registry describes it, for one platform."""

    image: Image
    manifest: Manifest
    """Of the platform; the image's own unless that is an index."""
    config: Mapping[str, Any]
    """The ``config`` object of its configuration (``User``, ``ExposedPorts``, ...)."""

    @property
    def ids(self) -> frozenset[str]:
        """What an engine may call exactly this image.

        Its classic store names an image by the digest of its configuration, which lists the
        digests of the unpacked layers; the containerd store by that of the manifest or index.
        """
        configuration = str(document_of(self.manifest)["config"]["digest"])
        return frozenset({configuration, self.manifest.digest, self.image.digest})


class Held(Record):
    """An image in the engine."""

    id: str
    config: Mapping[str, Any]


def wanted(image: Image, registry: Registry, architecture: str) -> Wanted:
    """Look up what *image* is.

    Args:
        image: By digest.
        registry: Where it is.
        architecture: The engine's, in OCI's words (``amd64``).

    Raises:
        ActionFailed: ``deploy.no-image``, ``deploy.image-refused``.
    """
    manifest = _manifest(image, registry, image.digest)
    document = document_of(manifest)
    if "manifests" in document:
        manifest = _manifest(image, registry, _child(image, document, architecture))
        document = document_of(manifest)
    try:
        body = registry.blob(str(document["config"]["digest"]), limit=_DOCUMENT_BYTES)
        config = json.loads(body).get("config") or {}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(image, "its manifest or configuration is not an image's") from error
    if not isinstance(config, dict) or not isinstance(document.get("layers"), list):
        raise _bad(image, "its manifest or configuration is not an image's")
    return Wanted(image=image, manifest=manifest, config=config)


def held(
    engine: Engine,
    wanted: Wanted,
    registry: Registry,
    project: Project,
    options: Options,
    own: str,
    work: Path,
) -> Held:
    """See that the engine holds exactly this image and return what it calls it.

    Args:
        engine: Which.
        wanted: What.
        registry: Where to read it from, when the engine cannot pull it by itself.
        project: For the registry's credentials.
        options: Which of the two ways.
        own: The repository under which images that were loaded are named.
        work: A folder for the archive that is loaded.

    Raises:
        ActionFailed: ``deploy.pull`` when it cannot be had, ``deploy.wrong-image`` when what the
            engine has under that digest is something else.
    """
    image = wanted.image
    by_digest = f"{image.repository}@{image.digest}"
    by_tag = f"{own}:{image.digest.replace(':', '-')}"
    for name in (by_digest, by_tag, *sorted(wanted.ids)):
        there = engine.image(name)
        if there is not None and there["Id"] in wanted.ids:
            return _checked(there, wanted)
    reason = ""
    if options.pull != "load":
        reason = _pull(engine, by_digest, project, options.pull_seconds)
        if not reason:
            return _checked(engine.image(by_digest), wanted)
        if options.pull == "engine":
            raise _no_pull(by_digest, reason)
        events.emit("deploy.step", text=f"the engine cannot pull ({reason}); it is given the image")
    _load(engine, wanted, registry, work)
    for name in sorted(wanted.ids):
        there = engine.image(name)
        if there is not None:
            found = _checked(there, wanted)
            engine.tag(found.id, own, image.digest.replace(":", "-"))
            forget(engine, own, _KEPT)
            return found
    raise _wrong(wanted, "nothing by its name")


def forget(engine: Engine, own: str, kept: int) -> list[str]:
    """Remove images that were loaded, all but the newest and what runs; return their names."""
    gone = []
    for found in engine.images(own)[kept:]:
        for name in found.get("RepoTags") or ():
            if str(name).startswith(f"{own}:"):
                with suppress(APIError):  # a container uses it
                    engine.untag(name)
                    gone.append(str(name))
    return gone


def archive(wanted: Wanted, registry: Registry, path: Path) -> None:
    """Write *wanted* to *path*: an OCI layout that is a ``docker save`` archive as well.

    Sources: OCI image-spec ``image-layout.md``; moby's ``image/tarexport``. An engine with the
    containerd store reads the first, one with the classic store the second.
    """
    document = document_of(wanted.manifest)
    layers = [str(layer["digest"]) for layer in document["layers"]]
    configuration = str(document["config"]["digest"])
    with tarfile.open(path, "w") as sink:
        _add(sink, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        index = {
            "schemaVersion": 2,
            "manifests": [
                {
                    "mediaType": wanted.manifest.media_type,
                    "digest": wanted.manifest.digest,
                    "size": describe(wanted.manifest).size,
                }
            ],
        }
        _add(sink, "index.json", json.dumps(index).encode())
        saved = {
            "Config": _blob(configuration),
            "RepoTags": None,
            "Layers": [_blob(digest) for digest in layers],
        }
        _add(sink, "manifest.json", json.dumps([saved]).encode())
        _add(sink, _blob(wanted.manifest.digest), wanted.manifest.body)
        _add(sink, _blob(configuration), registry.blob(configuration, limit=_DOCUMENT_BYTES))
        with tempfile.TemporaryDirectory(prefix=".layer-", dir=path.parent) as folder:
            for digest in dict.fromkeys(layers):
                layer = Path(folder) / "layer"
                registry.save_blob(digest, layer)
                sink.add(layer, arcname=_blob(digest))
                layer.unlink()


def _manifest(image: Image, registry: Registry, digest: str) -> Manifest:
    stored = registry.manifest(digest)
    if stored is None:
        raise ActionFailed(
            f"{image.repository} has no manifest {digest}",
            means=_NOTHING,
            remedy="Promote a digest that the registry holds: `invoke status` lists them.",
            code="deploy.no-image",
        )
    return stored


def _child(image: Image, index: Mapping[str, Any], architecture: str) -> str:
    for entry in index["manifests"]:
        described = entry.get("platform") or {}
        if (described.get("os"), described.get("architecture")) == ("linux", architecture):
            return str(entry["digest"])
    raise _bad(image, f"its index has no manifest for linux/{architecture}")


def _pull(engine: Engine, name: str, project: Project, seconds: float) -> str:
    """Let the engine pull; return ``""``, or why it could not."""
    found = find_credentials(name.partition("/")[0], project.environ)
    auth = None
    if found is not None:
        auth = (
            {"identitytoken": found.secret}
            if found.refresh
            else {"username": found.username, "password": found.secret}
        )
    deadline = time.monotonic() + seconds
    events.emit("deploy.step", text=f"pull {name}")
    try:
        for said in engine.pull(name, auth):
            process.check_stop()
            if "error" in said:
                return process.redact(str(said["error"]).strip(), project.environ)
            if time.monotonic() > deadline:
                return f"it was not done within {seconds:g} s"
    except APIError as error:
        return process.redact(str(error.explanation or error).strip(), project.environ)
    return ""


def _load(engine: Engine, wanted: Wanted, registry: Registry, work: Path) -> None:
    events.emit("deploy.step", text=f"load {wanted.image}")
    with tempfile.TemporaryDirectory(prefix=".load-", dir=work) as folder:
        path = Path(folder) / "image.tar"
        archive(wanted, registry, path)
        with path.open("rb") as stream:
            for said in engine.load(stream):
                if "error" in said:
                    raise _bad(wanted.image, f"the engine refuses it: {said['error']}")


def _checked(there: Mapping[str, Any] | None, wanted: Wanted) -> Held:
    if there is None or there["Id"] not in wanted.ids:
        raise _wrong(wanted, str(there["Id"]) if there else "nothing")
    return Held(id=str(there["Id"]), config=wanted.config)


def _add(sink: tarfile.TarFile, name: str, body: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(body)
    sink.addfile(info, io.BytesIO(body))


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _no_pull(name: str, reason: str) -> ActionFailed:
    return ActionFailed(
        f"the engine cannot pull {name}: {reason}",
        means=_NOTHING + " The engine pulls by itself: it needs its own way to the registry.",
        remedy='Let it in, or write pull = "load" in [plugins.deploy-docker].',
        code="deploy.pull",
    )


def _wrong(wanted: Wanted, found: str) -> ActionFailed:
    return ActionFailed(
        f"the engine holds {found} where {wanted.image} should be",
        means=f"It should be one of {', '.join(sorted(wanted.ids))}. {_NOTHING}",
        remedy="Remove that image from the engine and do it again; if it comes back, find out who "
        "can write there.",
        code="deploy.wrong-image",
    )


def _bad(image: Image, reason: str) -> ActionFailed:
    return ActionFailed(
        f"{image} cannot be run: {reason}",
        means=_NOTHING,
        remedy="Build and release it again; if the registry altered it, find out who can write "
        "there.",
        code="deploy.image-refused",
    )
