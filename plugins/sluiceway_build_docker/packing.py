"""The build context as one archive: what the engine is sent, and nothing else."""

from __future__ import annotations

import posixpath
import tarfile
from pathlib import Path

from docker.utils.build import exclude_paths

from sluiceway.config.build_context import ignore_lines, refuse_signing_key
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import BuildRequest, Project

__all__ = ["pack"]


def pack(project: Project, request: BuildRequest, archive: Path) -> str:
    """Write the build context to *archive* (a tar), less what ``.dockerignore`` leaves out.

    Every file gets the request's time and owner 0:0, so that a fresh clone gives the same archive.
    The project's state folder is never in it, whatever ``.dockerignore`` says.

    Returns:
        The Dockerfile's name inside the archive.

    Raises:
        ConfigurationError: ``build.context``, ``build.signing-key``.
    """
    context = request.context
    inside = _inside(request.dockerfile, context)
    name = inside or ".sluiceway-dockerfile"
    patterns = _patterns(context, request.dockerfile)
    own = [_inside(path, context) for path in (project.state, request.layout)]
    patterns += [path for path in own if path]
    try:
        # The SDK's own reading of the patterns, which is docker's.
        names = sorted(exclude_paths(str(context), patterns, dockerfile=name))
        with tarfile.open(archive, "w") as sink:
            for path in names:
                _add(sink, context / path, path, request.epoch)
            if not inside:
                _add(sink, request.dockerfile, name, request.epoch)
    except OSError as error:
        raise ConfigurationError(
            f"the build context {context} cannot be read: {error}",
            remedy="Correct [service] context, or leave the file out in .dockerignore.",
            code="build.context",
        ) from error
    return name


def _patterns(context: Path, dockerfile: Path) -> list[str]:
    _, lines = ignore_lines(context, dockerfile)
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _add(sink: tarfile.TarFile, path: Path, name: str, epoch: int) -> None:
    if path.is_socket() or path.is_fifo():
        return  # as docker does: a socket cannot be sent
    entry = sink.gettarinfo(str(path), arcname=posixpath.normpath(name))
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = epoch
    if not entry.isreg():
        sink.addfile(entry)
        return
    with path.open("rb") as source:
        refuse_signing_key(source, name)
        try:
            sink.addfile(entry, source)
        except OSError as error:
            raise ActionFailed(
                f"{name} changed while it was read: {error}",
                remedy="Build again when nothing writes there.",
                code="build.context-changed",
            ) from error


def _inside(path: Path, context: Path) -> str:
    try:
        return path.resolve().relative_to(context.resolve()).as_posix()
    except ValueError:
        return ""
