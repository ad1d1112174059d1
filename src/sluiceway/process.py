"""The only way out to a subprocess: logged, bounded in time, secrets out of every message."""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, unquote_plus

from sluiceway import events
from sluiceway.errors import ActionFailed
from sluiceway.record import Record

__all__ = [
    "Completed",
    "check_stop",
    "plain",
    "redact",
    "run",
    "secrets",
    "secrets_known",
    "spawn",
    "stoppable",
    "stream",
    "terminated_politely",
    "which",
    "without_secrets",
]

SECRET_NAMES = (
    "COSIGN_PRIVATE_KEY",
    "COSIGN_PASSWORD",
    "REGISTRY_PASSWORD",
    "STAGING_DATABASE_URL",
    "CANARY_DEPLOY_URL",
    "ROLLBACK_WEBHOOK",
    "SIGSTORE_ID_TOKEN",
    "SLUICEWAY_GITHUB_TOKEN",
    "SLUICEWAY_HSM_PIN",
    "SLUICEWAY_OPA_TOKEN",
    "SLUICEWAY_SSH_PASSPHRASE",
    "SLUICEWAY_WEBHOOK_SECRET",
)
"""Environment variables whose values never appear in output, logs, ledger or process list."""

_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_TOKEN = re.compile(r"[?&#][^=&#]*(?:pass|pwd|secret|token|key|sig)[^=&#]*=([^&#]+)", re.IGNORECASE)
"""What stands for a secret's name in an address's query."""
_SHOWN_OUTPUT = 2000
_KEPT_LINES = 400
_LONGEST_LINE = 64 * 1024
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 5.0
"""How long a program may take to tidy up after SIGTERM before it is killed."""
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHORTEST_SECRET = 4
"""Characters; to blot out shorter values would blot out ordinary text."""


_stop: ContextVar[Callable[[], None] | None] = ContextVar("stop", default=None)


@contextlib.contextmanager
def stoppable(check: Callable[[], None]) -> Iterator[None]:
    """Let *check* end long work in this block: it raises when whoever asked for it gave up."""
    token = _stop.set(check)
    try:
        yield
    finally:
        _stop.reset(token)


@contextlib.contextmanager
def terminated_politely() -> Iterator[None]:
    """Let SIGTERM and a closed terminal clean up in this block as Ctrl-C does.

    Else they end us at once, and what we started, in sessions of its own, goes on without us.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    # A signal that whoever started us has ignored (nohup) stays ignored.
    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_stop() -> None:
    """Raise when the work under way should end. Long work calls this at least every second."""
    check = _stop.get()
    if check is not None:
        check()


class Completed(Record):
    """A program that ended within its time."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def redact(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return *text* with the value of every secret variable replaced by ``***``.

    So are the password and the tokens within one that is an address: what connects to it often
    names them alone.
    """
    known = _known.get() if environ is None else None
    for secret in secrets(environ) if known is None else known:
        text = text.replace(secret, "***")
    return text


def secrets(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return every text that :func:`redact` takes out, in its order."""
    environ = os.environ if environ is None else environ
    values = (environ.get(name, "") for name in SECRET_NAMES)
    return tuple(secret for value in values if value for secret in _secrets_in(value))


@contextlib.contextmanager
def secrets_known() -> Iterator[tuple[str, ...]]:
    """Let :func:`redact` look for the secrets of the process once for all texts of this block.

    The block sets no variable. To ask the environment for a dozen names takes longer than to make a line
    of a page; results have tens of thousands of texts.
    """
    found = secrets()
    token = _known.set(found)
    try:
        yield found
    finally:
        _known.reset(token)


_known: ContextVar[tuple[str, ...] | None] = ContextVar("secrets", default=None)


@functools.lru_cache(maxsize=64)
def _secrets_in(value: str) -> tuple[str, ...]:
    """Return *value* and what in it is secret by itself, the longest first.

    A password that the address has elsewhere too is none: with ``postgres:postgres@`` no result could
    say ``postgres`` any more.
    """
    found = {value}
    _, address, rest = value.partition("://")
    if address:
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        parts = {authority.rpartition("@")[0].partition(":")[2], *_TOKEN.findall(rest)}
        found |= {each for each in parts if value.count(each) == 1}
        found |= {unquote(each) for each in found} | {unquote_plus(each) for each in found}
    long = (each for each in found if len(each) >= _SHORTEST_SECRET)
    return tuple(sorted(long, key=len, reverse=True))


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* less every secret variable, for programs that run a stranger's code."""
    return {name: value for name, value in environ.items() if name not in SECRET_NAMES}


def plain(text: str) -> str:
    """Return *text* without the escape sequences that colour it (ECMA-48, CSI)."""
    return _COLOUR.sub("", text)


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
    with _signals_held() as let_go:
        process = _started(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            let_go()
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


def stream(
    argv: Sequence[str],
    *,
    timeout: float,
    on_line: Callable[[str], None],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Path | None = None,
) -> Completed:
    """Run *argv* to its end and hand on each line that it prints, stdout and stderr as one, plain.

    The last lines are in the result's ``stdout``, whatever the exit code: the caller judges it.
    When it takes too long, when *on_line* raises or when :func:`check_stop` does, the whole
    process group is asked to end and killed five seconds later.

    Raises:
        ActionFailed: ``process.missing``, ``process.timeout``.
    """
    shown = redact(" ".join(argv))
    events.emit("process.started", argv=shown)
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    deadline = time.monotonic() + timeout
    with _signals_held() as let_go:
        with contextlib.ExitStack() as stack:
            source = subprocess.DEVNULL if stdin is None else stack.enter_context(stdin.open("rb"))
            process = _started(
                argv,
                cwd=cwd,
                env=env,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        try:
            let_go()
        except BaseException:
            _abandon(process)  # it had no time to begin anything
            raise
        try:
            for line in _lines_of(process, deadline):
                kept.append(line)
                on_line(line)
            code = process.wait(timeout=max(deadline - time.monotonic(), 0.0))
        except (TimeoutError, subprocess.TimeoutExpired):
            _end_group(process)
            raise ActionFailed(
                f"{shown!r} did not end within {timeout:g} s and was stopped",
                means=redact("\n".join(kept))[-_SHOWN_OUTPUT:],
                remedy="Find out what it waits for, or allow it more time.",
                code="process.timeout",
            ) from None
        except BaseException:
            _end_group(process)
            raise
    events.emit("process.ended", argv=shown, code=code)
    return Completed(argv=tuple(argv), code=code, stdout="\n".join(kept), stderr="")


@contextlib.contextmanager
def _signals_held() -> Iterator[Callable[[], None]]:
    """Hold back the signals that end us until the block calls what it is given.

    Their handlers raise wherever we are: one that came while a program is being started would raise
    before anybody can end that program, and it would go on without us. Elsewhere than in the main
    thread nothing is held, since Python handles no signal there.
    """
    came: list[int] = []
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in _ENDING}
        handlers = {number: handler for number, handler in before.items() if callable(handler)}

    def let_go() -> None:
        while handlers:
            signal.signal(*handlers.popitem())
        while came:
            signal.raise_signal(came.pop())

    try:
        for number in handlers:
            signal.signal(number, lambda number, _frame: came.append(number))
        yield let_go
    finally:
        let_go()


def _started(
    argv: Sequence[str],
    *,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stdin: int | BinaryIO,
    stdout: int,
    stderr: int,
) -> subprocess.Popen[bytes]:
    """Start *argv* in a session of its own, which is ended as a whole."""
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except OSError as error:
        raise _missing(argv[0], error) from error


def _lines_of(process: subprocess.Popen[bytes], deadline: float) -> Iterator[str]:
    """Yield lines until the output ends; raise ``TimeoutError`` at *deadline*."""
    pipe = process.stdout
    if pipe is None:
        return
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def read() -> None:
        with contextlib.suppress(OSError, ValueError), pipe:
            while line := pipe.readline(_LONGEST_LINE):
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    quiet = False
    while True:
        check_stop()
        if time.monotonic() >= deadline:
            raise TimeoutError
        try:
            line = lines.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            # It has ended and said nothing since: a daemon that it left may hold the pipe for ever.
            if quiet:
                return
            quiet = process.poll() is not None
            continue
        if line is None:
            return
        yield plain(line.decode(errors="replace")).rstrip()


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
            raise _missing(argv[0], error) from error


def _missing(program: str, error: OSError) -> ActionFailed:
    return ActionFailed(
        f"cannot start {program!r}: {error.strerror or error}",
        remedy=f"Install {program!r} or correct its path.",
        code="process.missing",
    )


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the process group to end, and kill what is left of it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_GRACE_SECONDS)
    _kill_group(process)
    process.wait()


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
