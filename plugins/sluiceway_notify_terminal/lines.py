"""A file of JSON lines: whole lines only, from any number of processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import Check, CheckStatus, Notice, Project, canonical, to_json
from sluiceway.process import redact

__all__ = ["append", "examine", "file_of"]

_PLUGIN = "notify-terminal"


def file_of(project: Project, settings: Mapping[str, Any]) -> Path | None:
    """Return the file to append to, or ``None`` when none is configured."""
    name = take(settings, _PLUGIN, {"file": ""})["file"]
    return project.root / name if name else None


def append(path: Path, notice: Notice, environ: Mapping[str, str]) -> None:
    """Append *notice* to *path* as one line of canonical JSON.

    The line is written whole under a lock and flushed to the disk; a line that a crash of the
    machine left unfinished is closed first, so that it spoils no other.

    Raises:
        ActionFailed: When the file cannot be written.
    """
    line = canonical(_redacted(to_json(notice), environ)) + b"\n"
    try:
        descriptor = os.open(
            path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            while line:
                line = line[os.write(descriptor, line) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ActionFailed(
            f"cannot append to {path}: {error.strerror}",
            remedy=f"Correct [plugins.{_PLUGIN}] file, or make the file writable.",
            code="notify.file",
        ) from error


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check] | None:
    """Return ``invoke doctor``'s line; nothing when no file is configured."""
    try:
        path = file_of(project, settings)
    except ConfigurationError as error:
        return (
            Check(name=_PLUGIN, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),
        )
    if path is None:
        return None
    place = path if path.exists() else path.parent
    if path.is_symlink() or path.is_dir() or not os.access(place, os.W_OK):
        return (
            Check(
                name=_PLUGIN,
                status=CheckStatus.FAIL,
                detail=f"{path} cannot be appended to",
                remedy=f"Name a regular file in a folder that exists: [plugins.{_PLUGIN}] file.",
            ),
        )
    return (Check(name=_PLUGIN, status=CheckStatus.OK, detail=f"notices go to {path}"),)


def _redacted(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return redact(value, environ)
    if isinstance(value, dict):
        return {key: _redacted(item, environ) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, environ) for item in value]
    return value
