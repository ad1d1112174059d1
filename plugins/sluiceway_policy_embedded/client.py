"""The parent's end of one worker process: started, asked within a deadline, watched, killed."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from sluiceway import process
from sluiceway.errors import SluicewayError
from sluiceway.model import digest_of
from sluiceway.policy.answers import REMEDIES, compile_code
from sluiceway.policy.archive import document_bytes
from sluiceway.policy.engine import EngineError
from sluiceway.policy.tree import plain_message
from sluiceway_policy_embedded.remembered import Remembered

__all__ = ["Worker"]

_LENGTH = 8
_START_SECONDS = 30.0
"""A start takes a tenth of a second; a machine under load may take far longer."""
_RACY_NS = 2_000_000_000
"""No file system that is met keeps its times less exactly than that."""
_WATCH_SECONDS = 0.1
"""How often a long evaluation's memory is looked at."""
_CHUNK = 1 << 20
_FIRST = 1 << 16
"""Bytes that are read at first. A decision is smaller, and a megabyte for it would have to be mapped."""
_PROC = Path("/proc")
_REMEDY_DEADLINE = (
    "Find the rule that loops with `invoke policy.test`, or raise deadline_seconds in "
    "[plugins.policy-embedded]."
)
_BUILTIN = re.compile(r"eval_(builtin|type)_error")
_CODES = {
    "parse_error": "policy.syntax",
    "prepare_error": "policy.syntax",
    "untrusted": "policy.engine-untrusted",
    "library": "policy.engine-untrusted",
}


class Worker:
    """One running worker.

    Args:
        library: The shared library to load.
        pinned: The SHA-256 that it must have, hexadecimal.
        memory_megabytes: How much it may use beyond what loading the library takes.
        known: Where to find and to say which file had that hash; nowhere when left out.

    Raises:
        EngineError: When it cannot be started or refuses the library.
    """

    def __init__(
        self,
        library: Path,
        pinned: str,
        memory_megabytes: int,
        *,
        known: Remembered | None = None,
    ) -> None:
        self._memory = memory_megabytes << 20
        child_reading, self._writing = os.pipe()
        self._reading, child_writing = os.pipe()
        log, self._log = _log_file()
        argv = [*_isolated(), str(Path(__file__).with_name("start.py"))]
        argv += [str(library), pinned, str(child_reading), str(child_writing), str(self._memory)]
        try:
            self._process = process.spawn(
                argv,
                cwd=Path("/"),
                log=log,
                env=_environment(memory_megabytes),
                pass_fds=(child_reading, child_writing),
            )
        except BaseException:
            os.close(self._writing)
            os.close(self._reading)
            self._log.close()
            raise
        finally:
            os.close(child_reading)
            os.close(child_writing)
            log.unlink()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        # Made once: a decision takes two waits, and making a selector costs more than either.
        self._writable, self._readable = select.poll(), select.poll()
        self._writable.register(self._writing, select.POLLOUT)
        self._readable.register(self._reading, select.POLLIN)
        self._end = weakref.finalize(
            self, _end, self._process, self._reading, self._writing, self._log
        )
        self.held: tuple[str, ...] = ()
        """Keys of the bundles that the worker has compiled and still keeps."""
        self.prepared: set[Any] = set()
        """What was compiled with them, each with its ``key``."""
        self._start(pinned, known)

    @property
    def alive(self) -> bool:
        """Whether the process runs and may be asked."""
        return self._end.alive and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id, which is its group's as well."""
        return self._process.pid

    def ask(
        self,
        request: Mapping[str, Any],
        deadline: float,
        *,
        document: Any = None,
        lent: Mapping[str, Callable[..., Any]] | None = None,
    ) -> Any:
        """Send *request* and return the answer.

        Of an evaluation that is ``[bindings, ...]``, one for each way in which the query holds.

        Args:
            request: JSON data with ``op``.
            deadline: A moment of :func:`time.monotonic`; at it the worker is killed.
            document: The input of an evaluation; ``None`` is none at all, which is not ``null``.
            lent: Functions that the policies may call meanwhile; what they raise as
                ``ValueError`` or :class:`SluicewayError` is an error of the built-in.

        Raises:
            EngineError: The library's error, a time-out, or the worker's end.
        """
        body = document_bytes(request)
        if document is not None:
            body += b"\n" + document_bytes(document)
        try:
            self._send(_framed(body), deadline, request["op"])
            while True:
                answer = self._receive(deadline, request["op"])
                if "call" not in answer:
                    if "ok" in answer:
                        return answer["ok"]
                    return [each.get("bindings", {}) for each in answer["result"] or []]
                reply = _answered(answer["call"], lent or {})
                self._send(_framed(reply), deadline, request["op"])
        except EngineError:
            raise
        except BaseException:  # an interrupted exchange leaves the pipes out of step
            self.close()
            raise

    def hold(self, keys: Sequence[str]) -> None:
        """Take note of what the worker keeps now; of the rest nothing is prepared any more."""
        self.held = tuple(keys)
        self.prepared = {each for each in self.prepared if each.key in self.held}

    def close(self) -> None:
        """Kill the process and everything in its group. Closing twice is fine."""
        self._end()

    def _start(self, pinned: str, known: Remembered | None) -> None:
        """Let the worker load its library, hashed first unless that very file is known."""
        deadline = time.monotonic() + _START_SECONDS
        file = self._receive(deadline, "start")["file"]
        name = digest_of({"file": file, "sha256": pinned})
        settled = _settled(*file[-2:])
        trusted = known is not None and settled and name in known
        self._send(_framed(document_bytes({"hash": not trusted})), deadline, "start")
        self._receive(deadline, "start")
        if known is not None and settled and not trusted:
            known.add(name)

    def _send(self, body: bytes, deadline: float, doing: str) -> None:
        view = memoryview(body)
        while view:
            try:
                view = view[os.write(self._writing, view[:_CHUNK]) :]
            except BlockingIOError:
                self._wait(self._writable, deadline, doing)
            except BrokenPipeError:
                raise self._crashed(doing) from None

    def _receive(self, deadline: float, doing: str) -> Any:
        body = bytearray()
        wanted = _LENGTH
        size = _FIRST
        while len(body) < wanted:
            self._wait(self._readable, deadline, doing)
            try:
                chunk = os.read(self._reading, size)
            except BlockingIOError:
                continue
            if not chunk:
                raise self._crashed(doing)
            body += chunk
            size = _CHUNK
            if wanted == _LENGTH <= len(body):
                wanted += int.from_bytes(body[:_LENGTH])
        try:
            answer = msgspec.json.decode(memoryview(body)[_LENGTH:])
        except (ValueError, RecursionError) as error:
            raise EngineError(
                f"the policy engine's answer cannot be read: {error}",
                means="The gate refuses, because nothing was decided.",
                remedy="Make the rule's value smaller and less deep.",
            ) from error
        if answer.get("error"):
            raise _translated(answer["error"])
        return answer

    def _wait(self, waiting: select.poll, deadline: float, doing: str) -> None:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                self.close()
                raise EngineError(
                    f"the policy engine did not {doing} within its deadline and was killed",
                    means="A policy that does not end decides nothing, so the gate refuses.",
                    remedy=_REMEDY_DEADLINE,
                    code="policy.timeout",
                )
            if waiting.poll(min(left, _WATCH_SECONDS) * 1000):
                return
            self._watch()

    def _watch(self) -> None:
        """Kill the worker when it holds too much: not every system enforces its own limit."""
        used = _resident(self._process.pid)
        if used > self._memory:
            self.close()
            raise EngineError(
                f"the policy engine used {used >> 20} MB, more than the "
                f"{self._memory >> 20} MB that it may, and was killed",
                means="The gate refuses, because nothing was decided.",
                remedy="Make the rule collect less, or raise memory_megabytes in "
                "[plugins.policy-embedded].",
                code="policy.crashed",
            )

    def _crashed(self, doing: str) -> EngineError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        status = self._process.poll()
        said = _first_words(self._log)
        self.close()
        out_of_memory = "out of memory" in said or "cannot allocate memory" in said
        return EngineError(
            "the policy engine ran out of memory"
            if out_of_memory
            else f"the policy engine ended while asked to {doing}"
            + (f" ({_status(status)})" if status is not None else "")
            + (f": {said}" if said else ""),
            means="The gate refuses, because nothing was decided.",
            remedy="Make the rule collect less, or raise memory_megabytes in "
            "[plugins.policy-embedded]."
            if out_of_memory
            else "Try again; when it repeats, `invoke policy.test` finds the rule that does it.",
            code="policy.crashed",
        )


def _resident(pid: int) -> int:
    """Return the bytes that the process holds in memory; 0 when it is gone."""
    if _PROC.is_dir():  # psutil would do, and takes longer to import than many a decision
        with contextlib.suppress(OSError):
            pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")
        return 0
    import psutil

    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def _settled(modified: int, changed: int) -> bool:
    """Whether a file cannot become another one without another time of its last change (ctime).

    Whoever writes a file can set back the time of its modification, and nobody that of its change. It
    says nothing of what is written in the same moment as it (Git calls that "racily clean"), nor on a
    file system that has no such time and shows the other in its place.
    """
    return changed != modified and time.time_ns() - changed > _RACY_NS


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(_LENGTH) + body


def _answered(call: Mapping[str, Any], lent: Mapping[str, Callable[..., Any]]) -> bytes:
    """Return the answer to the worker's question; it always gets one, or it would wait for ever."""
    try:
        return document_bytes(_called(call, lent))
    except EngineError as error:
        return document_bytes({"error": error.what})


def _called(call: Mapping[str, Any], lent: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    """Return the value of a lent function, or what is wrong with its arguments."""
    try:
        return {"result": lent[call["name"]](*call["arguments"])}
    except SluicewayError as error:
        return {"error": error.what}
    except Exception as error:  # noqa: BLE001 - whatever a policy gives must not end in a trace
        return {"error": f"{type(error).__name__}: {error}"}


def _translated(error: Mapping[str, str]) -> EngineError:
    message = error["message"].removeprefix("bundle activation failed: ")
    message = plain_message(message.removeprefix("1 error occurred: "))
    code = _CODES.get(error["code"], "policy.evaluation")
    if code == "policy.evaluation" and _BUILTIN.search(message):
        code = "policy.builtin"
    if code == "policy.syntax":
        code = compile_code(message)
    remedies = {
        **REMEDIES,
        "policy.engine-untrusted": "Install the pinned library: invoke policy.engine --install",
    }
    return EngineError(
        message,
        means="The gate refuses, because nothing was decided.",
        remedy=remedies[code],
        code=code,
    )


def _isolated() -> list[str]:
    """Return the interpreter without anything of its user's, but for what becomes of bytecode."""
    argv = [sys.executable, "-I", "-S"]
    if sys.dont_write_bytecode:
        argv.append("-B")
    if sys.pycache_prefix is not None:
        argv += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    return argv


def _environment(memory_megabytes: int) -> dict[str, str]:
    """Return the whole environment of the worker: nothing of the parent's but the loader's."""
    loader = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    inherited = {name: os.environ[name] for name in loader if name in os.environ}
    # The collector works harder when near the limit, instead of running into it; far from it, less
    # often than by default, which is cheaper. Still less often saves nothing, and takes 120 MB.
    limits = {"GOMEMLIMIT": f"{memory_megabytes * 9 // 10}MiB", "GOGC": "400"}
    return inherited | limits | {"TZ": "UTC"}


def _log_file() -> tuple[Path, BinaryIO]:
    """Return a file for the worker's stderr and a reader of it that outlives its name."""
    descriptor, name = tempfile.mkstemp(prefix="sluiceway-policy-", suffix=".log")
    return Path(name), os.fdopen(descriptor, "rb")


def _first_words(log: BinaryIO) -> str:
    """Return what the worker said at its end: a Go trace's first line says what happened."""
    log.seek(0)
    lines = log.read(65536).decode(errors="replace").splitlines()
    return next((line.strip()[:300] for line in lines if line.strip()), "")


def _status(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def _end(child: subprocess.Popen[bytes], reading: int, writing: int, log: BinaryIO) -> None:
    os.close(writing)
    os.close(reading)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    log.close()
