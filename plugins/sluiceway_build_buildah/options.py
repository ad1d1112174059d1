"""The plugin's settings, checked, and how buildah is started on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway.config.build_settings import (
    check_arguments,
    check_choice,
    check_name,
    check_platform,
    check_seconds,
)
from sluiceway.config.settings import take
from sluiceway.record import Record

__all__ = ["PLUGIN", "Machine", "Options", "options", "prefix"]

PLUGIN = "build-buildah"

_ISOLATION = ("auto", "oci", "rootless", "chroot")
_STORAGE = ("auto", "overlay", "vfs")
_FORMAT = ("oci", "docker")
_PULL = ("missing", "always", "never")
_OVERLAY = "overlay"


class Options(Record):
    """What ``[plugins.build-buildah]`` says."""

    isolation: str
    storage: str
    root: str
    format: str
    platform: str
    target: str
    pull: str
    network: str
    cache: bool
    timeout_seconds: float
    args: Mapping[str, str]


class Machine(Record):
    """What ``auto`` depends on."""

    contained: bool
    """We run in a container already."""
    runtime: bool
    """There is a program that starts containers (runc or crun)."""
    filesystem: str
    """The type of the filesystem that buildah's storage is on."""

    @classmethod
    def look(cls, storage: Path, environ: Mapping[str, str]) -> Machine:
        """Look at this one."""
        from sluiceway import process

        marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
        return cls(
            contained=bool(environ.get("container")) or any(mark.exists() for mark in marks),
            runtime=any(process.which(name) is not None for name in ("runc", "crun")),
            filesystem=_filesystem(storage),
        )


def options(settings: Mapping[str, Any], environ: Mapping[str, str]) -> Options:
    """Read and check the settings.

    Raises:
        ConfigurationError: ``configuration.unknown-key``, ``configuration.type``,
            ``configuration.range``, ``build.platform``, ``build.secret-argument``.
    """
    taken = take(
        settings,
        PLUGIN,
        {
            "isolation": "auto",
            "storage": "auto",
            "root": "",
            "format": "oci",
            "platform": "",
            "target": "",
            "pull": "missing",
            "network": "",
            "cache": False,
            "timeout_seconds": 1800.0,
            "args": {},
        },
    )
    check_choice(PLUGIN, "isolation", taken["isolation"], _ISOLATION)
    check_choice(PLUGIN, "storage", taken["storage"], _STORAGE)
    check_choice(PLUGIN, "format", taken["format"], _FORMAT)
    check_choice(PLUGIN, "pull", taken["pull"], _PULL)
    for key in ("target", "network"):
        check_name(PLUGIN, key, taken[key])
    check_platform(PLUGIN, taken["platform"])
    check_seconds(PLUGIN, "timeout_seconds", taken["timeout_seconds"])
    check_arguments(PLUGIN, taken["args"], environ)
    return Options(**taken)


def prefix(chosen: Options, root: Path, machine: Machine) -> tuple[list[str], str]:
    """Return how buildah is called for its storage, and the isolation of RUN (``""``: its own).

    Pure. In a container no other one can be started as a rule, and chroot needs none; overlay on
    overlay is not possible, and vfs copies instead.
    """
    words = ["buildah"]
    if chosen.root:
        words += [f"--root={root / 'storage'}", f"--runroot={root / 'run'}"]
    storage = chosen.storage
    if storage == "auto":
        storage = "vfs" if machine.filesystem == _OVERLAY else ""
    words += [f"--storage-driver={storage}"] if storage else []
    isolation = chosen.isolation
    if isolation == "auto":
        isolation = "chroot" if machine.contained or not machine.runtime else ""
    return words, isolation


def _filesystem(path: Path) -> str:
    """Return the type of the filesystem that *path* is or would be on (proc(5), ``mountinfo``)."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    best, kind = Path("/"), ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:  # noqa: PLR2004 - the fifth is the mount point
            continue
        point = Path(fields[4].replace("\\040", " "))
        if path.is_relative_to(point) and point.is_relative_to(best):
            best, kind = point, after.split()[0]
    return kind
