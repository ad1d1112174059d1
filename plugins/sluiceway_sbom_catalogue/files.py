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
from pathlib import Path
from typing import IO, Any

from sluiceway import oci
from sluiceway.errors import ActionFailed
from sluiceway.model import Image, Registry
from sluiceway.record import Record
from sluiceway_sbom_catalogue import gaps, golang

__all__ = ["Content", "read_image"]

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_LARGEST_CONFIG = 8 << 20
_LARGEST_FILE = 64 << 20
"""Bytes of one package database; a larger one is refused, not skipped."""
_MOST_FILES = 200_000
_MOST_TOGETHER = 512 << 20
"""Bytes of all package databases of one layer."""
_SWELLING = 64
"""How many times larger than itself a layer may become when it is decompressed."""
_SMALL = 64 << 20
"""Bytes that any layer may become: a small one of zeros swells a lot and does no harm."""
_WANTED = re.compile(
    r"(.*/)?[^/]+\.(dist-info/METADATA|egg-info(/PKG-INFO)?)"
    r"|(.*/)?node_modules/(@[^/]+/)?[^/]+/package\.json"
    r"|var/lib/dpkg/status(\.d/[^/]+)?"
    r"|lib/apk/db/installed"
    r"|usr/lib/apk/db/installed"
    r"|etc/os-release|usr/lib/os-release"
    r"|(.*/)?requirements[^/]*\.txt"
)


class Content(Record):
    """What the catalogue reads of one platform's image."""

    digest: str
    """Of its manifest."""
    platform: str
    """``linux/arm64``; empty for an image that is not in an index."""
    files: Mapping[str, bytes]
    """Path without the leading ``/`` to the file's bytes.

    Of a program built by Go the bytes are its build information (:mod:`.golang`); what is only
    known to be there (:mod:`.gaps`) has none.
    """
    created: str
    """When the image says it was created (RFC 3339); the beginning of 1970 when it does not."""


def read_image(registry: Registry, image: Image, largest_layer: int) -> tuple[Content, ...]:
    """Return the wanted files of *image*: one content, or one for each platform of an index.

    Raises:
        ActionFailed: ``sbom.index`` for an index in an index or one without images,
            ``sbom.unreadable`` for a layer or configuration that cannot be read,
            ``sbom.too-large``.
    """
    described = _described(registry, image, image.digest)
    if "manifests" not in described:
        return (_content(registry, image, image.digest, described, "", largest_layer),)
    contents: dict[str, Content] = {}
    for child in described["manifests"]:
        platform = _platform(child)
        digest = str(child.get("digest"))
        if not platform or digest in contents:
            continue
        inner = _described(registry, image, digest)
        if "manifests" in inner:
            raise ActionFailed(
                f"{image} is an index with another index in it",
                remedy="List the packages of each index by its own digest.",
                code="sbom.index",
            )
        contents[digest] = _content(registry, image, digest, inner, platform, largest_layer)
    if not contents:
        raise ActionFailed(
            f"{image} is an index without an image for any platform",
            means="There is nothing in it that could run.",
            remedy="Build and push the image again.",
            code="sbom.index",
        )
    return tuple(sorted(contents.values(), key=lambda each: (each.platform, each.digest)))


def _platform(child: Mapping[str, Any]) -> str:
    """Return the child's platform; empty for what BuildKit puts beside the images.

    Attestations are listed as images for the platform ``unknown/unknown``.
    """
    annotations = child.get("annotations") or {}
    if annotations.get("vnd.docker.reference.type") == "attestation-manifest":
        return ""
    said = child.get("platform") or {}
    parts = [str(said.get(key) or "") for key in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if part) or "any"


def _described(registry: Registry, image: Image, digest: str) -> dict[str, Any]:
    manifest = registry.manifest(digest)
    if manifest is None:
        raise _unreadable(image, f"the registry does not hold {digest}")
    return oci.document_of(manifest)


def _content(
    registry: Registry,
    image: Image,
    digest: str,
    described: Mapping[str, Any],
    platform: str,
    largest_layer: int,
) -> Content:
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
            registry.save_blob(layer["digest"], path, limit=largest_layer)
            _check_size(image, path, layer)
            _apply(image, path, files)
            path.unlink()
    if diff_ids and len(diff_ids) != len(layers):
        raise _unreadable(image, f"{len(layers)} layers, but {len(diff_ids)} in its configuration")
    return Content(
        digest=digest,
        platform=platform,
        files=files,
        created=str(config.get("created") or "1970-01-01T00:00:00Z"),
    )


def _check_size(image: Image, path: Path, layer: Mapping[str, Any]) -> None:
    size = path.stat().st_size
    if size != layer["size"]:
        raise _unreadable(
            image, f"layer {layer['digest']} has {size} bytes where {layer['size']} are said"
        )


def _apply(image: Image, path: Path, files: dict[str, bytes]) -> None:
    """Put one layer over *files*.

    What a layer takes away, it takes from the layers below it, never from itself: the order of
    its entries does not matter.
    """
    added: dict[str, bytes] = {}
    gone: set[str] = set()
    emptied: set[str] = set()
    most = max(_SMALL, path.stat().st_size * _SWELLING)
    read = kept = 0
    try:
        with _opened(path) as source, tarfile.open(fileobj=source, mode="r|*") as archive:
            for entry in archive:
                read += entry.size
                if read > most:
                    raise _unreadable(image, f"a layer becomes more than {most} bytes")
                name = posixpath.normpath("/" + entry.name).lstrip("/")
                folder, base = posixpath.split(name)
                if base == _OPAQUE:
                    emptied.add(folder)
                elif base.startswith(_WHITEOUT):
                    gone.add(posixpath.join(folder, base.removeprefix(_WHITEOUT)))
                elif entry.isdir():
                    if name in files:
                        gone.add(name)  # a folder stands where a package file was
                else:
                    gone.add(name)  # and all that was below, if it was a folder
                    body = _wanted(image, archive, entry, name, added)
                    if body is not None:
                        added[name] = body
                        kept += len(body)
                if len(added) > _MOST_FILES or kept > _MOST_TOGETHER:
                    raise _unreadable(image, "a layer has too many package files to be read")
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise _unreadable(image, f"a layer is not a readable tar archive: {error}") from error
    for name in [each for each in files if _is_hidden(each, gone, emptied)]:
        del files[name]
    files.update(added)


def _is_hidden(name: str, gone: set[str], emptied: set[str]) -> bool:
    """Say whether *name* or a folder above it was taken away."""
    if name in gone:
        return True
    while name:
        name = posixpath.dirname(name)
        if name in gone or name in emptied:
            return True
    return False


def _wanted(
    image: Image,
    archive: tarfile.TarFile,
    entry: tarfile.TarInfo,
    name: str,
    added: Mapping[str, bytes],
) -> bytes | None:
    if not _WANTED.fullmatch(name):
        if gaps.kind_of(name) and (entry.isreg() or entry.islnk()):
            return b""
        return _program(archive, entry) if entry.isreg() else None
    if entry.isreg():
        return _body(image, archive, entry)
    if entry.islnk():
        return _linked(image, entry, added)
    return None


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


def _program(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes | None:
    """Return what a program built by Go says about itself; ``None`` for any other file."""
    if entry.size < golang.SMALLEST or not entry.mode & 0o111:
        return None
    source = archive.extractfile(entry)
    return None if source is None else golang.build_information(source)


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
