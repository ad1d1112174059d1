"""The only way out to a subprocess: logged, bounded in time, secrets out of every message."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluiceway import events
from sluiceway.errors import ActionFailed

__all__ = ["Completed", "redact", "run", "spawn", "which"]

SECRET_NAMES = (
    "COSIGN_PRIVATE_KEY",
    "COSIGN_PASSWORD",
    "REGISTRY_PASSWORD",
    "STAGING_DATABASE_URL",
    "ROLLBACK_WEBHOOK",
    "SLUICEWAY_OPA_TOKEN",
    "SLUICEWAY_SSH_PASSPHRASE",
    "SLUICEWAY_WEBHOOK_SECRET",
)
"""Environment variables whose values never appear in output, logs, ledger or process list."""

_SHOWN_OUTPUT = 2000
_SHORTEST_SECRET = 4
"""Characters; to blot out shorter values would blot out ordinary text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A program that ended within its time."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def redact(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return *text* with the value of every secret variable replaced by ``***``."""
    environ = os.environ if environ is None else environ
    for name in SECRET_NAMES:
        value = environ.get(name, "")
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "***")
    return text


def which(program: str) -> str | None:
    """Return the path of *program* on PATH, or ``None``."""
    return shutil.which(program)


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    check: bool = True,
) -> Completed:
    """Run *argv* to its end and return what it printed.

    On time-out the whole process group is killed. Raises :class:`ActionFailed` when the program
    is missing, times out, or (with *check*) ends with a code other than 0; its stderr is in the
    message.
    """
    shown = redact(" ".join(argv))
    events.emit("process.started", argv=shown)
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ActionFailed(
            f"cannot start {argv[0]!r}: {error.strerror or error}",
            remedy=f"Install {argv[0]!r} or correct its path.",
            code="process.missing",
        ) from error
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        _abandon(process)
        raise ActionFailed(
            f"{shown!r} did not end within {timeout:g} s and was killed",
            remedy="Find out what it waits for, or allow it more time.",
            code="process.timeout",
        ) from None
    except BaseException:
        _abandon(process)
        raise
    completed = Completed(
        argv=tuple(argv),
        code=process.returncode,
        stdout=out.decode(errors="replace"),
        stderr=err.decode(errors="replace"),
    )
    events.emit("process.ended", argv=shown, code=completed.code)
    if check and completed.code != 0:
        tail = redact((completed.stderr or completed.stdout).strip())[-_SHOWN_OUTPUT:]
        raise ActionFailed(
            f"{shown!r} ended with code {completed.code}: {tail or 'it printed nothing'}",
            code="process.failed",
        )
    return completed


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a daemon or a service of its own session, its output appended to *log*."""
    events.emit("process.spawned", argv=redact(" ".join(argv)))
    with log.open("ab") as sink:
        try:
            return subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
        except OSError as error:
            raise ActionFailed(
                f"cannot start {argv[0]!r}: {error.strerror or error}",
                remedy=f"Install {argv[0]!r} or correct its path.",
                code="process.missing",
            ) from error


def _abandon(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group and wait no longer: a daemon of its own may still hold the pipes."""
    _kill_group(process)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=1)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
