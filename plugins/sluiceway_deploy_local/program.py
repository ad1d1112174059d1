"""What an image says should run, as a process of this machine.

It is a process, not a container: it sees this machine's files and runs as this user. What the
image names by absolute path is given as its path under the unpacked root.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sluiceway import process
from sluiceway.errors import ActionFailed
from sluiceway.record import Record, field
from sluiceway_deploy_local.images import Unpacked
from sluiceway_deploy_local.layers import inside

__all__ = ["Program", "program"]

_PYTHONS = ("python", "python3")


class Program(Record):
    """A command that serves one digest. All of it may be stored: no inherited value is in it."""

    digest: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    """The image's variables, with the environment's over them."""
    path: str
    """Folders of the image to search before this machine's PATH, joined by ``:``."""
    health_path: str
    ready_seconds: float
    drain_seconds: float
    keeps: bool = False
    """It keeps something that runs elsewhere (a container) and writes where that is reached into
    the file that ``SLUICEWAY_PORT_FILE`` names; otherwise it listens at ``PORT`` itself."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Variables that say on whose behalf it runs; other ones do not make it another program."""

    def same(self, other: Program) -> bool:
        """It runs the same thing; only how it is watched, and for whom, may differ."""
        return (self.digest, self.argv, self.cwd, dict(self.env)) == (
            other.digest,
            other.argv,
            other.cwd,
            dict(other.env),
        )

    def environment(self, inherited: Mapping[str, str], port: int, instance: str) -> dict[str, str]:
        """Return the process's whole environment.

        Args:
            inherited: What of the caller's environment is passed on.
            port: Where it must listen.
            instance: Its id, by which it can be found again whatever happens.
        """
        env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        env |= {**inherited, **self.env, **self.marks}
        host = inherited.get("PATH", os.defpath)
        env["PATH"] = f"{self.path}:{host}" if self.path else host
        env["PORT"] = str(port)
        env["SLUICEWAY_INSTANCE"] = instance
        return env

    def to_json(self) -> dict[str, Any]:
        """Return JSON data that :meth:`from_json` understands."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Program:
        """Return the program that *data* describes."""
        return cls(**{**data, "argv": tuple(data["argv"])})


def program(
    unpacked: Unpacked,
    env: Mapping[str, str],
    *,
    health_path: str,
    ready_seconds: float,
    drain_seconds: float,
) -> Program:
    """Return what to run for *unpacked*.

    Args:
        unpacked: The image on disk.
        env: The environment's own variables; they win over the image's.
        health_path: Where it answers whether it can serve.
        ready_seconds: How long it may take until it does.
        drain_seconds: How long its requests may take when it is to go.

    Raises:
        ActionFailed: ``deploy.no-entrypoint`` when there is nothing to run, or it is nowhere.
    """
    root, config = unpacked.root, unpacked.config
    command = [*_texts(config, "Entrypoint"), *_texts(config, "Cmd")]
    if not command:
        raise _nothing(unpacked, "the image names neither Entrypoint nor Cmd", "Add ENTRYPOINT.")
    image_env = dict(item.partition("=")[::2] for item in _texts(config, "Env"))
    folders = [
        str(folder)
        for name in image_env.pop("PATH", "").split(":")
        if name.startswith("/") and (folder := inside(root, name)).is_dir()
    ]
    cwd = inside(root, str(config.get("WorkingDir") or "/"))
    if not cwd.is_dir():
        raise _nothing(
            unpacked,
            f"its WorkingDir {config.get('WorkingDir')!r} is not in the image",
            "COPY something there, or correct WORKDIR.",
        )
    return Program(
        digest=unpacked.digest,
        argv=(
            _executable(command[0], unpacked, cwd, folders),
            *(_mapped(root, argument) for argument in command[1:]),
        ),
        cwd=str(cwd),
        env={
            **{
                name: ":".join(_mapped(root, part) for part in value.split(":"))
                for name, value in image_env.items()
            },
            **{name: value for name, value in env.items() if name not in ("PATH", "PORT")},
        },
        path=":".join(folders),
        health_path=health_path,
        ready_seconds=ready_seconds,
        drain_seconds=drain_seconds,
    )


def _executable(name: str, unpacked: Unpacked, cwd: Path, folders: list[str]) -> str:
    if "/" in name:
        full = name if name.startswith("/") else f"{cwd.relative_to(unpacked.root)}/{name}"
        found = inside(unpacked.root, full)
        if found.is_file():
            return str(found)
        if not name.startswith("/"):
            raise _nothing(unpacked, f"{name!r} is not in the image", "Correct ENTRYPOINT.")
        name = name.rpartition("/")[2]
    for folder in folders:
        candidate = inside(unpacked.root, f"{Path(folder).relative_to(unpacked.root)}/{name}")
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    if name in _PYTHONS:
        return sys.executable
    host = process.which(name)
    if host is None:
        raise _nothing(
            unpacked,
            f"{name!r} is neither in the image nor on this machine's PATH",
            f"Install {name!r} on this machine, or deploy with a deployer that runs containers.",
        )
    return host


def _mapped(root: Path, text: str) -> str:
    """Return *text*, or where it is under *root* when it is an absolute path of the image."""
    if not text.startswith("/") or text.strip("/") == "":
        return text
    found = inside(root, text)
    return str(found) if found.exists() else text


def _texts(config: Mapping[str, Any], key: str) -> list[str]:
    value = config.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ActionFailed(f"the image's {key} is not a list of texts", code="deploy.no-entrypoint")
    return value


def _nothing(unpacked: Unpacked, reason: str, remedy: str) -> ActionFailed:
    return ActionFailed(
        f"{unpacked.digest} cannot be started: {reason}",
        means="Nothing was started; what served before still serves.",
        remedy=remedy,
        code="deploy.no-entrypoint",
    )
