"""From a registry to a folder: the image's layers, checked and unpacked once per digest.

Sources: OCI image-spec ``manifest.md``, ``config.md`` and ``layer.md`` (whiteouts, change sets).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import Image, Registry
from sluiceway.record import Record
from sluiceway_deploy_local.layers import unpack

__all__ = ["Unpacked", "prepare", "prune"]

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_LAYERS = {
    "application/vnd.oci.image.layer.v1.tar": "",
    "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
    "application/vnd.docker.image.rootfs.diff.tar": "",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_DOCUMENT_BYTES = 4 * 1024 * 1024
_STAGING = ".unpacking-"
_STALE_SECONDS = 24 * 3600
_KEPT = 5
"""Unpacked images that stay when nothing runs them, newest first: a rollback finds its own."""


class Unpacked(Record):
    """An image on this machine's disk."""

    digest: str
    root: Path
    """Its root file system: files read-only, owner and setuid bits dropped."""
    config: dict[str, Any]
    """The ``config`` object of the image configuration (``Entrypoint``, ``Env``, ...)."""


def prepare(image: Image, registry: Registry, images: Path, *, limit: int) -> Unpacked:
    """Return *image* unpacked under *images*, pulling it unless it is there.

    Args:
        image: What to unpack; an index is resolved for this machine's platform.
        registry: Where its manifest, configuration and layers are.
        images: The folder that holds one folder per digest.
        limit: Most bytes that all layers together may unpack to.

    Raises:
        ActionFailed: When something is missing, altered, refused or too large. A half-unpacked
            image is never left under its final name.
    """
    target = images / image.digest.removeprefix("sha256:")
    if not (target / "config.json").is_file():
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=images))
        try:
            _pull(image, registry, staging, limit)
            try:
                staging.rename(target)
            except OSError:
                # Another task was quicker; what it left has passed the same checks.
                if not (target / "config.json").is_file():
                    raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    os.utime(target)
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    return Unpacked(digest=image.digest, root=target / "rootfs", config=config)


def prune(images: Path, running: set[str]) -> None:
    """Remove unpacked images that do not run, but for the few that were used last.

    Args:
        images: The folder that holds one folder per digest.
        running: Digests that run or are about to.
    """
    for path in images.glob(f"{_STAGING}*"):  # left by a task that was killed
        if path.stat().st_mtime < time.time() - _STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
    idle = [
        path
        for path in images.iterdir()
        if not path.name.startswith(".") and f"sha256:{path.name}" not in running
    ]
    idle.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in idle[_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def _pull(image: Image, registry: Registry, staging: Path, limit: int) -> None:
    manifest = _manifest(image, registry, image.digest)
    if manifest.get("mediaType") in _INDEXES or "manifests" in manifest:
        manifest = _manifest(image, registry, _for_this_machine(image, manifest))
    described, layers = _part(manifest, "config", dict), _part(manifest, "layers", list)
    body = registry.blob(str(described.get("digest")), limit=_DOCUMENT_BYTES)
    _same(str(described.get("digest")), hashlib.sha256(body).hexdigest(), "configuration", image)
    configuration = _document(body, "configuration", image)
    expected = configuration.get("rootfs", {}).get("diff_ids", [])
    if len(expected) != len(layers):
        raise _bad(
            image, f"its configuration lists {len(expected)} layers and its manifest {len(layers)}"
        )
    root = staging / "rootfs"
    root.mkdir(mode=0o755)
    left = limit
    for number, (layer, diff_id) in enumerate(zip(layers, expected, strict=True), 1):
        kind = layer.get("mediaType", "")
        if kind not in _LAYERS:
            raise _bad(image, f"layer {number} is of type {kind!r}, which cannot be unpacked here")
        blob = staging / "layer"
        registry.save_blob(str(layer.get("digest")), blob)
        with blob.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        _same(str(layer.get("digest")), found, f"layer {number}", image)
        with blob.open("rb") as stream:
            content, used = unpack(stream, _LAYERS[kind], root, left)
        _same(str(diff_id), content, f"layer {number} unpacked", image)
        left -= used
        blob.unlink()
    config = configuration.get("config") or {}
    if not isinstance(config, dict):
        raise _bad(image, "its configuration is not a table")
    (staging / "config.json").write_text(json.dumps(config), encoding="utf-8")


def _manifest(image: Image, registry: Registry, digest: str) -> dict[str, Any]:
    stored = registry.manifest(digest)
    if stored is None:
        raise ActionFailed(
            f"{image.repository} has no manifest {digest}",
            means="Nothing was started; what served before still serves.",
            remedy="Promote a digest that the registry holds: `invoke status` lists them.",
            code="deploy.no-image",
        )
    _same(digest, hashlib.sha256(stored.body).hexdigest(), "manifest", image)
    return _document(stored.body, "manifest", image)


def _for_this_machine(image: Image, index: dict[str, Any]) -> str:
    machine = platform.machine()
    wanted = _ARCHITECTURES.get(machine, machine)
    for entry in _part(index, "manifests", list):
        described = entry.get("platform") or {}
        if (described.get("os"), described.get("architecture")) == ("linux", wanted):
            return str(entry.get("digest"))
    raise _bad(image, f"its index has no manifest for linux/{wanted}")


def _document(body: bytes, what: str, image: Image) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise _bad(image, f"its {what} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise _bad(image, f"its {what} is not a JSON object")
    return document


def _part(document: dict[str, Any], key: str, kind: type) -> Any:
    value: Any = document.get(key)
    proper = isinstance(value, kind)
    if proper and kind is list:
        proper = all(isinstance(item, dict) for item in value)
    if not proper:
        raise ActionFailed(
            f"a manifest has no proper {key!r}",
            means="It is no image that can be run.",
            code="deploy.image-refused",
        )
    return value


def _same(expected: str, found: str, what: str, image: Image) -> None:
    if expected != f"sha256:{found}":
        raise _bad(image, f"its {what} is sha256:{found} and should be {expected}")


def _bad(image: Image, reason: str) -> ActionFailed:
    return ActionFailed(
        f"{image} cannot be run: {reason}",
        means="Nothing was started; what served before still serves.",
        remedy="Build and release it again; if the registry altered it, find out who can write there.",
        code="deploy.image-refused",
    )
