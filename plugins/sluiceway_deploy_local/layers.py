"""One layer's change set onto a root folder. Nothing it says can reach outside of that folder."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import stat
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from sluiceway.errors import ActionFailed

__all__ = ["inside", "unpack"]

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_LINKS = 40
"""Symbolic links followed in one path, as in Linux."""
_ENTRIES = 500_000
_BLOCK = 1024 * 1024


def unpack(stream: BinaryIO, compression: str, root: Path, limit: int) -> tuple[str, int]:
    """Apply the layer in *stream* to *root*.

    Args:
        stream: The layer's blob.
        compression: ``gzip`` or ``""``.
        root: The folder to change; the caller discards it when this raises.
        limit: Most bytes of tar that may come out of the stream.

    Returns:
        The SHA-256 (hex) of the uncompressed tar, for its diff id, and its size in bytes.

    Raises:
        ActionFailed: ``deploy.layer-refused`` for a path that leaves the root, a device, a broken
            archive, or too many bytes.
    """
    plain = gzip.GzipFile(fileobj=stream) if compression == "gzip" else stream
    reader = _Hashing(cast("BinaryIO", plain), limit)
    fresh: set[Path] = set()
    try:
        with tarfile.open(fileobj=cast("BinaryIO", reader), mode="r|") as archive:
            for number, member in enumerate(archive):
                if number >= _ENTRIES:
                    raise _refused(f"it has more than {_ENTRIES} entries")
                _apply(archive, member, root, fresh)
        while reader.read(_BLOCK):
            pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
        raise _refused(f"it is no proper archive: {error}") from error
    return reader.digest.hexdigest(), reader.size


def inside(root: Path, path: str) -> Path:
    """Return where *path* of the image is under *root*, symbolic links followed as in a container.

    A link that points out of the root, absolute or by ``..``, ends inside it, as after ``chroot``.
    What does not exist is taken literally. Raises ``ActionFailed`` for a loop of links.
    """
    current: list[str] = []
    pending = [part for part in path.split("/") if part not in ("", ".")]
    followed = 0
    while pending:
        part = pending.pop(0)
        if part == "..":
            current = current[:-1]
            continue
        candidate = root.joinpath(*current, part)
        if candidate.is_symlink():
            followed += 1
            if followed > _LINKS:
                raise _refused(f"{path!r} is a loop of symbolic links")
            target = str(candidate.readlink())
            if target.startswith("/"):
                current = []
            pending = [name for name in target.split("/") if name not in ("", ".")] + pending
            continue
        current.append(part)
    return root.joinpath(*current)


class _Hashing:
    """A reader that hashes and counts what passes."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, count: int) -> bytes:
        data = self._stream.read(count)
        self.size += len(data)
        if self.size > self._limit:
            raise _refused(f"the image unpacks to more than the {self._limit} bytes left for it")
        self.digest.update(data)
        return data


def _apply(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, fresh: set[Path]) -> None:
    """Apply one entry. *fresh* holds what this layer made: whiteouts are about lower ones only."""
    parts = _parts(member.name)
    if not parts:  # the root folder itself
        return
    parent = inside(root, "/".join(parts[:-1]))
    _make_folder(parent, root)
    name = parts[-1]
    if name == _OPAQUE:
        for child in list(parent.iterdir()):
            if child not in fresh:
                _remove(child)
        return
    if name.startswith(_WHITEOUT):
        hidden = name.removeprefix(_WHITEOUT)
        if hidden in ("", ".", ".."):
            raise _refused(f"{member.name!r} hides nothing that it may")
        if parent / hidden not in fresh:
            _remove(parent / hidden)
        return
    target = parent / name
    _write(archive, member, root, target)
    while target != root and target not in fresh:
        fresh.add(target)
        target = target.parent


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, target: Path) -> None:
    if member.isdir():
        if target.is_symlink() or not target.is_dir():
            _remove(target)
            target.mkdir()
        target.chmod(0o755)
        return
    _remove(target)
    if member.isreg():
        source = archive.extractfile(member)
        if source is None:
            raise _refused(f"{member.name!r} has no content")
        with target.open("xb") as sink:
            shutil.copyfileobj(source, sink)
        # Read-only, as in the container that this stands for; setuid and owner are dropped.
        target.chmod(0o555 if member.mode & 0o111 else 0o444)
        os.utime(target, (member.mtime, member.mtime))
    elif member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        source_path = inside(root, "/".join(_parts(member.linkname)))
        if not stat.S_ISREG(_mode(source_path)):
            raise _refused(
                f"{member.name!r} is a hard link to {member.linkname!r}, which is no file"
            )
        os.link(source_path, target)
    else:
        raise _refused(f"{member.name!r} is a device or a pipe")


def _parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise _refused(f"{name!r} leads out of the image")
    return path.parts


def _make_folder(path: Path, root: Path) -> None:
    """Make *path* and its parents, replacing a file that stands where a folder must be."""
    for folder in (*reversed(path.relative_to(root).parents), path.relative_to(root)):
        place = root / folder
        if not place.is_dir():
            _remove(place)
            place.mkdir(mode=0o755)


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _refused(reason: str) -> ActionFailed:
    return ActionFailed(
        f"a layer of the image is refused: {reason}",
        means="Nothing was started; what served before still serves.",
        remedy="Build the image with a tool that follows the OCI image specification.",
        code="deploy.layer-refused",
    )
