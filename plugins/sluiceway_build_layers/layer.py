"""One layer: a tar archive whose bytes depend on nothing but what is in it.

Entries are sorted, times are the build's epoch, owners are numbers, and there is no compression:
gzip's bytes change with the library that makes them. Source: image-spec 1.1, ``layer.md``.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path

from sluiceway.config.build_context import refuse_signing_key
from sluiceway.errors import ActionFailed
from sluiceway_build_layers.tree import Kind, Node

__all__ = ["write_layer"]


def write_layer(target: Path, entries: Mapping[str, Node], epoch: int) -> None:
    """Write *entries* (path relative to the root to node) as an uncompressed PAX tar.

    Raises:
        ActionFailed: ``build.context-changed`` when a file is not what it was at the start.
        ConfigurationError: ``build.signing-key`` when a private signing key would get in.
    """
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(entries, key=lambda path: path.split("/")):
            node = entries[path]
            information = tarfile.TarInfo(path)
            information.mtime = epoch
            information.mode = node.mode
            information.uid, information.gid = node.user, node.group
            if node.kind is Kind.FOLDER:
                information.type = tarfile.DIRTYPE
                archive.addfile(information)
            elif node.kind is Kind.LINK:
                information.type = tarfile.SYMTYPE
                information.linkname = node.target
                archive.addfile(information)
            elif node.content is not None:
                _add_file(archive, information, node.content)


def _add_file(archive: tarfile.TarFile, information: tarfile.TarInfo, path: Path) -> None:
    try:
        # What was a plain file when it was listed must not be a link to elsewhere by now.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ActionFailed(
            f"{path} cannot be read: {error.strerror}",
            means="Nothing was built.",
            remedy="Make it readable, or leave it out in .dockerignore.",
            code="build.context-changed",
        ) from error
    with os.fdopen(handle, "rb") as source:
        status = os.fstat(source.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _changed(path)
        refuse_signing_key(source, str(path))
        information.size = status.st_size
        try:
            archive.addfile(information, source)
        except OSError as error:
            if "unexpected end of data" in str(error):
                raise _changed(path) from error
            raise
        if source.read(1):
            raise _changed(path)


def _changed(path: Path) -> ActionFailed:
    return ActionFailed(
        f"{path} changed while it was read",
        means="Nothing was built: an image of half a change is nobody's wish.",
        remedy="Build again when nothing writes to the build context.",
        code="build.context-changed",
    )
