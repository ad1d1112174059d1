"""Reading a bundle from a tar, without ever writing what is in it to a disk.

The layout is that of OPA's bundles (openpolicyagent.org/docs/management-bundles): the same files as
in a folder of policies, ``.manifest`` perhaps beside them, and a ``/`` before each name where
`opa build` made it. An archive is somebody else's file: whatever could mean two things is refused.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigurationError
from sluiceway.record import Record, field

if TYPE_CHECKING:  # most policies are in a folder
    import tarfile

__all__ = ["Archive", "Contents", "check_roots", "is_archive", "read_archive"]

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_GZIP = b"\x1f\x8b"
_MOST_FILES = 10_000
_LARGEST_PACKED = 32 << 20
_LARGEST = 64 << 20
"""Bytes of all files together, unpacked."""
_HIGHEST_RATIO = 200
"""Text shrinks to a fifth or a tenth; what shrinks more than this was made to be unpacked."""
_RATIO_COUNTS_FROM = 4 << 20
_END = 2 * 512
"""Zeros that end a tar (POSIX.1-2017, pax, "ustar Interchange Format")."""
_PACKAGE = re.compile(
    r"^\s*package\s+([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)", re.MULTILINE
)
_FOREIGN = {
    "policy.wasm": "compiled policies, which could differ from the Rego beside them",
    "plan.json": "compiled policies, which could differ from the Rego beside them",
    "patch.json": "a change of another bundle, and not a bundle",
    "data.yaml": "data as YAML, which is read only as data.json",
    "data.yml": "data as YAML, which is read only as data.json",
}


class Archive(Record):
    """A tar as it was read: checked bytes are parsed, and no file twice."""

    content: bytes = field(repr=False)
    origin: str
    """Where it came from, for messages and for :attr:`sluiceway.policy.Bundle.origin`."""
    artifact: str = ""
    """``host/path@sha256:<hex>`` where it is an artifact of a registry."""


def is_archive(name: str) -> bool:
    """Say whether a file of this *name* is taken for a tar."""
    return name.endswith(_SUFFIXES)


class Contents(Record):
    """What is in an archive."""

    files: Mapping[str, bytes]
    """Relative name (with ``/``) to content, sorted by name."""
    roots: tuple[str, ...]
    """Where modules and data of it may stand, as paths; ``""`` is everywhere."""


def read_archive(archive: Archive) -> Contents:
    """Return every file of *archive* and what its manifest says.

    Hidden files are none of the policies; of them only ``.manifest`` is looked at. OPA's own
    ``.signatures.json`` is not: whom to trust is said by a pin or by the registry's signature.

    Raises:
        ConfigurationError: ``policy.archive``.
    """
    files = dict(sorted(_files(archive)))
    manifest = files.pop(".manifest", None)
    for name in files:
        base = name.rpartition("/")[2]
        if base in _FOREIGN:
            raise _unusable(archive, f"{name} is {_FOREIGN[base]}")
    return Contents(
        files={
            name: content
            for name, content in files.items()
            if not any(part.startswith(".") for part in name.split("/"))
        },
        roots=_roots(archive, manifest),
    )


def check_roots(
    archive: Archive, roots: Sequence[str], modules: Mapping[str, str], data: Mapping[str, Any]
) -> None:
    """Raise when modules or data stand where the archive's manifest says that they do not.

    OPA refuses such a bundle as well. Roots narrower than everything change nothing else here:
    there is no other bundle whose place they could be.
    """
    for name, source in modules.items():
        found = _PACKAGE.search(source)
        package = found[1].replace(".", "/") if found else ""
        if not any(_within(package, root) for root in roots):
            said = found[1] if found else "?"
            raise _unusable(archive, f"{name} is in package {said}, outside of its roots")
    for path in _outside(data, "", roots):
        raise _unusable(archive, f"data.{path.replace('/', '.')} is outside of its roots")


def _within(path: str, root: str) -> bool:
    return root in {"", path} or path.startswith(f"{root}/")


def _outside(value: Any, path: str, roots: Sequence[str]) -> Iterator[str]:
    if path and any(_within(path, root) for root in roots):
        return
    if isinstance(value, Mapping) and (not path or any(_within(root, path) for root in roots)):
        for key, inner in value.items():
            yield from _outside(inner, f"{path}/{key}" if path else key, roots)
    elif path:
        yield path


def _files(archive: Archive) -> Iterator[tuple[str, bytes]]:
    import tarfile

    seen: set[str] = set()
    content = _unpacked(archive)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for member in tar:
                if member.isdir():
                    continue
                name = _name(archive, member)
                if name in seen:
                    raise _unusable(archive, f"{name} is in it twice")
                if len(seen) == _MOST_FILES:
                    raise _unusable(archive, f"it has more than {_MOST_FILES} files")
                seen.add(name)
                yield name, _content(archive, tar, member)
            rest = memoryview(content)[tar.offset :]
    except (tarfile.TarError, UnicodeError, ValueError, OverflowError, RecursionError) as error:
        raise _unusable(archive, f"it is no tar: {error}") from error
    # tarfile takes a damaged header for the end, and every rule behind it would be missing.
    if len(rest) < _END or any(rest):
        raise _unusable(archive, "it is damaged or cut off: it has no end as tars have it")


def _unpacked(archive: Archive) -> bytes:
    import gzip

    packed = archive.content
    if len(packed) > _LARGEST_PACKED:
        raise _unusable(archive, f"it is larger than {_LARGEST_PACKED >> 20} MB")
    if not packed.startswith(_GZIP):
        return packed
    most = min(_LARGEST, max(len(packed) * _HIGHEST_RATIO, _RATIO_COUNTS_FROM))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            unpacked = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _unusable(archive, f"it cannot be unpacked: {error}") from error
    if len(unpacked) > most:
        raise _unusable(archive, f"it unpacks to more than {most >> 20} MB")
    return unpacked


def _name(archive: Archive, member: tarfile.TarInfo) -> str:
    """Return where a regular file stands in the bundle; anything else is refused."""
    import tarfile

    shown = repr(member.name)
    if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or member.issparse():
        raise _unusable(archive, f"{shown} is a link, a device or something else than a file")
    # `opa build` writes the bundle's own root as "/"; nothing is ever written below ours.
    name = member.name.removeprefix("/").removeprefix("./")
    parts = name.split("/")
    odd = "\\" in name or not name.isprintable()  # nor is a byte that is no UTF-8
    if odd or any(part in {"", ".", ".."} for part in parts):
        raise _unusable(archive, f"{shown} is not the path of a file in a bundle")
    return name


def _content(archive: Archive, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    content = stream.read() if stream is not None else b""
    if len(content) != member.size:
        raise _unusable(archive, f"{member.name!r} is cut off")
    return content


def _roots(archive: Archive, content: bytes | None) -> tuple[str, ...]:
    """Return the roots of a manifest that says nothing which is not understood."""
    if content is None:
        return ("",)
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _unusable(archive, f"its .manifest is not JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise _unusable(archive, "its .manifest is not a JSON object")
    named = manifest.get("file_rego_versions") or {}
    versions = [manifest.get("rego_version", 1)]
    versions += named.values() if isinstance(named, dict) else [named]
    if any(version != 1 for version in versions):
        raise _unusable(archive, "its manifest says that it is Rego v0, and only v1 is read")
    if manifest.get("wasm"):
        raise _unusable(archive, "its manifest names compiled policies")
    roots = manifest.get("roots")
    if roots is None:
        return ("",)
    if not isinstance(roots, list) or not all(isinstance(root, str) for root in roots):
        raise _unusable(archive, "its manifest has roots that are not a list of texts")
    return tuple(root.strip("/") for root in roots)


def _unusable(archive: Archive, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"the bundle {archive.origin} cannot be used: {what}",
        means="Every gate refuses.",
        remedy="Make it again with `invoke policy.push` or `opa build -b`.",
        code="policy.archive",
    )
