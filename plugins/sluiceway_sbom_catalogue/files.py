"""The files of an image that say which packages it has, after all its layers.

Layers are read one after the other as streams; whiteouts take away what lower layers put
(OCI image-spec 1.1, ``layer.md``, "Whiteouts"). Nothing is unpacked to disk.
"""

from __future__ import annotations

import json
import posixpath
import re
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sluiceway import oci
from sluiceway.errors import ActionFailed
from sluiceway.model import Image, Registry

__all__ = ["Content", "read_image"]

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_LARGEST_CONFIG = 8 << 20
_LARGEST_FILE = 64 << 20
"""Bytes of one package database; a larger one is refused, not skipped."""
_MOST_FILES = 200_000
_WANTED = re.compile(
    r"(.*/)?[^/]+\.(dist-info/METADATA|egg-info(/PKG-INFO)?)"
    r"|(.*/)?node_modules/(@[^/]+/)?[^/]+/package\.json"
    r"|var/lib/dpkg/status(\.d/[^/]+)?"
    r"|lib/apk/db/installed"
    r"|usr/lib/apk/db/installed"
    r"|etc/os-release|usr/lib/os-release"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the catalogue reads."""

    files: Mapping[str, bytes]
    """Path without the leading ``/`` to the file's bytes."""
    created: str
    """When the image says it was created (RFC 3339); the beginning of 1970 when it does not."""


def read_image(registry: Registry, image: Image, largest_layer: int) -> Content:
    """Return the wanted files of *image*.

    Raises:
        ActionFailed: ``sbom.index`` for an index of several platforms, ``sbom.unreadable`` for a
            layer or configuration that cannot be read, ``sbom.too-large``.
    """
    manifest = registry.manifest(image.digest)
    if manifest is None:
        raise _unreadable(image, "the registry no longer has it")
    described = oci.document_of(manifest)
    if "manifests" in described:
        raise ActionFailed(
            f"{image} is an index of {len(described['manifests'])} images",
            means="Each platform's image has packages of its own.",
            remedy="List the packages of each image by its own digest.",
            code="sbom.index",
        )
    try:
        layers = described.get("layers", [])
        config = json.loads(registry.blob(described["config"]["digest"], limit=_LARGEST_CONFIG))
        diff_ids = list(config.get("rootfs", {}).get("diff_ids", []))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(image, f"its configuration is not one of an image: {error}") from error
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="sluiceway-sbom-") as folder:
        for number, layer in enumerate(layers):
            if int(layer.get("size", 0)) > largest_layer:
                raise ActionFailed(
                    f"layer {layer['digest']} of {image} has {layer['size']} bytes",
                    remedy="Raise [plugins.sbom-catalogue] largest_layer_megabytes.",
                    code="sbom.too-large",
                )
            path = Path(folder) / str(number)
            registry.save_blob(layer["digest"], path)
            _apply(image, path, files)
            path.unlink()
    if diff_ids and len(diff_ids) != len(layers):
        raise _unreadable(image, f"{len(layers)} layers, but {len(diff_ids)} in its configuration")
    return Content(files=files, created=str(config.get("created") or "1970-01-01T00:00:00Z"))


def _apply(image: Image, path: Path, files: dict[str, bytes]) -> None:
    """Put one layer over *files*."""
    added: dict[str, bytes] = {}
    hidden: list[str] = []
    try:
        with _opened(path) as source, tarfile.open(fileobj=source, mode="r|*") as archive:
            for entry in archive:
                name = posixpath.normpath("/" + entry.name).lstrip("/")
                folder, base = posixpath.split(name)
                if base == _OPAQUE:
                    hidden.append(f"{folder}/" if folder else "")
                elif base.startswith(_WHITEOUT):
                    hidden.append(posixpath.join(folder, base.removeprefix(_WHITEOUT)))
                elif entry.isreg() and _WANTED.fullmatch(name):
                    added[name] = _body(image, archive, entry)
                elif entry.islnk() and _WANTED.fullmatch(name):
                    added[name] = _linked(image, entry, added)
                elif not entry.isdir():
                    hidden.append(name)  # something else stands there now
                if len(added) > _MOST_FILES:
                    raise _unreadable(image, f"it has more than {_MOST_FILES} package files")
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise _unreadable(image, f"a layer is not a readable tar archive: {error}") from error
    for gone in hidden:
        for name in [each for each in files if _is_below(each, gone)]:
            del files[name]
    files.update(added)


def _is_below(name: str, gone: str) -> bool:
    if gone.endswith("/") or not gone:
        return name.startswith(gone)
    return name == gone or name.startswith(f"{gone}/")


def _opened(path: Path) -> IO[bytes]:
    """Open a layer; zstd is told apart because tarfile of older Pythons cannot read it."""
    source = path.open("rb")
    if source.read(4) == b"\x28\xb5\x2f\xfd":
        source.close()
        msg = "it is compressed with zstd, which is not supported here"
        raise ValueError(msg)
    source.seek(0)
    return source


def _body(image: Image, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    if entry.size > _LARGEST_FILE:
        raise _unreadable(image, f"/{entry.name} has {entry.size} bytes")
    source = archive.extractfile(entry)
    return source.read() if source is not None else b""


def _linked(image: Image, entry: tarfile.TarInfo, added: Mapping[str, bytes]) -> bytes:
    """Return what a hard link in a layer stands for; a stream cannot go back for other files."""
    target = posixpath.normpath("/" + entry.linkname).lstrip("/")
    if target not in added:
        raise _unreadable(image, f"/{entry.name} is a hard link to /{entry.linkname}")
    return added[target]


def _unreadable(image: Image, reason: Any) -> ActionFailed:
    return ActionFailed(
        f"the packages of {image} cannot be listed: {reason}",
        means="An inventory that leaves something out is worse than none.",
        remedy="Build and push the image again.",
        code="sbom.unreadable",
    )
