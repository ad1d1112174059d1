"""A task's way to the supervisor: found, started when needed, asked over its socket."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from sluiceway import process
from sluiceway.errors import ActionFailed
from sluiceway.model import Fence, Project
from sluiceway_deploy_local import processes, state
from sluiceway_deploy_local.paths import Folder, folder
from sluiceway_deploy_local.settings import Settings, inherited
from sluiceway_deploy_local.supervisor import PROTOCOL, held

__all__ = ["Client"]

_START_SECONDS = 20.0
_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.03
_SHOWN_SECRET = 4


class Client:
    """Talks to the supervisor of one project.

    Args:
        project: Whose state folder it is.
        settings: The plugin's, complete.
    """

    def __init__(self, project: Project, settings: Settings) -> None:
        self.folder: Folder = folder(project.state)
        self.settings = settings
        self._environ = project.environ

    def ask(
        self, operation: str, *, seconds: float, start: bool = False, **request: Any
    ) -> Any | None:
        """Ask the supervisor and return its answer.

        Args:
            operation: What to do.
            seconds: How long the answer may take.
            start: Start a supervisor when none runs; otherwise the answer is ``None`` then.
            request: The operation's own fields, JSON data.

        Raises:
            ActionFailed: What the supervisor refused with, or that it does not answer.
        """
        line = json.dumps({"protocol": PROTOCOL, "op": operation, **request}).encode() + b"\n"
        connection = self._connect()
        if connection is None and start:
            connection = self._start()
        if connection is None:
            return None
        with connection:
            answer = self._exchange(connection, line, seconds)
            if answer is None and start:  # it was about to leave, being idle, and did not read this
                with self._start() as again:
                    answer = self._exchange(again, line, seconds)
        if answer is None:
            if not start and not self.running():
                return None  # it was ending when it was asked
            raise self._silent("it broke off without an answer")
        if "error" in answer:
            error = answer["error"]
            raise ActionFailed(
                self.redact(error["what"]),
                means=self.redact(error["means"]),
                remedy=error["remedy"],
                code=error["code"],
            )
        return answer["ok"]

    def running(self) -> bool:
        """Say whether a supervisor runs. Changes nothing."""
        connection = self._connect()
        if connection is None:
            return False
        connection.close()
        return True

    def left_behind(self, route: str = "") -> bool:
        """Say whether a killed supervisor left something (of *route*) to take over again."""
        routes = state.load(self.folder.state).get("routes", {})
        return route in routes if route else bool(routes)

    def inherited(self) -> dict[str, str]:
        """Return what of the caller's environment services are given."""
        return inherited(self._environ, self.settings.pass_environment)

    def redact(self, text: str) -> str:
        """Return *text* without the values of secrets and of the variables passed on by name."""
        text = process.redact(text, self._environ)
        for name in self.settings.pass_environment:
            value = self._environ.get(name, "")
            if len(value) >= _SHOWN_SECRET:
                text = text.replace(value, "***")
        return text

    def shut_down(self, seconds: float) -> list[str]:
        """Stop everything and the supervisor, or what a killed one left; say what was stopped."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            stopped = self.ask("stop", seconds=seconds)
            if stopped is None:
                stopped = self._end_leftovers()
            if stopped is not None:
                return list(stopped)
            if time.monotonic() > deadline:
                raise self._silent("it has been starting for long")
            time.sleep(_POLL_SECONDS)

    def _end_leftovers(self) -> list[str] | None:
        """Stop what a killed supervisor left; ``None`` when its guard or a task has just started another."""
        if not self.folder.state.exists():
            return []
        with self._starting(), held(self.folder.lock) as lock:
            if lock is None:
                return None
            document = state.load(self.folder.state)
            ended = []
            for name, recorded in state.identities(document):
                identity = recorded or processes.find_marked(name)
                if identity is not None and processes.lives(identity):
                    processes.end_now(identity, self.settings.stop_seconds)
                    ended.append(f"process {identity[0]}, left by a supervisor that was killed")
            if document:
                state.save(self.folder.state, {**document, "routes": {}, "pending": []})
        return ended

    # --- how ---

    def _connect(self) -> socket.socket | None:
        path = self.folder.socket()
        if path is None:
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None
        except OSError as error:
            connection.close()
            raise self._silent(str(error)) from error
        return connection

    def _exchange(
        self, connection: socket.socket, line: bytes, seconds: float
    ) -> Mapping[str, Any] | None:
        """Return the answer, or ``None`` when the connection ended without one."""
        connection.settimeout(seconds)
        try:
            connection.sendall(line)
            with connection.makefile("rb") as stream:
                answer = stream.readline()
        except (BrokenPipeError, ConnectionResetError):
            return None
        except TimeoutError as error:
            raise self._silent(f"it did not answer within {seconds:g} s") from error
        if not answer.endswith(b"\n"):
            return None
        decoded: Mapping[str, Any] = json.loads(answer)
        return decoded

    def _start(self) -> socket.socket:
        """Start a supervisor unless another task is quicker; return a connection to it."""
        self.folder.make()
        log = self.folder.logs / "supervisor.log"
        argv = [
            sys.executable,
            "-P",  # nothing in the folder it runs in can be taken for a module
            "-m",
            "sluiceway_deploy_local",
            str(self.folder.root),
            json.dumps(self.settings.to_json()),
        ]
        with self._starting():
            began = log.stat().st_size if log.exists() else 0
            deadline = time.monotonic() + _START_SECONDS
            while time.monotonic() < deadline:
                connection = self._connect()
                if connection is not None:
                    return connection
                launcher = process.spawn(
                    argv, cwd=self.folder.root, log=log, env=self._supervisor_environment()
                )
                try:
                    code = launcher.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    launcher.kill()
                    launcher.wait()
                    break
                if code != 0:
                    break
                # It answers now, or another one holds the lock and is on its way in or out.
                time.sleep(0.02)
        raise self._failed_start(log, began)

    def _supervisor_environment(self) -> dict[str, str]:
        environment = self.inherited()
        for name in ("PYTHONPATH", "XDG_RUNTIME_DIR"):
            if name in os.environ:
                environment[name] = os.environ[name]
        return environment

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Be the only one on this machine who starts a supervisor of this folder."""
        with self._start_lock() as stream:
            deadline = time.monotonic() + _START_SECONDS
            while True:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise self._silent("another task has been starting it for long") from None
                    time.sleep(_POLL_SECONDS)
            yield

    def _start_lock(self) -> TextIO:
        path = self.folder.starting
        try:
            return path.open("a", encoding="utf-8")
        except OSError as error:
            raise ActionFailed(
                f"cannot write {path}: {error.strerror or error}",
                means="Without that lock two supervisors could run at once, so none is started or asked "
                "to stop.",
                remedy="Make room on that disk, or correct its permissions.",
                code="deploy.state-unwritable",
            ) from error

    def _failed_start(self, log: Path, began: int) -> ActionFailed:
        with log.open("rb") as stream:
            stream.seek(began)
            lines = stream.read().decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else "it printed nothing"
        try:
            said = json.loads(last)
            return ActionFailed(
                said["what"], means=said["means"], remedy=said["remedy"], code=said["code"]
            )
        except (ValueError, KeyError, TypeError):
            return self._silent(f"it did not start: {self.redact(last)}")

    def _silent(self, reason: str) -> ActionFailed:
        return ActionFailed(
            f"the supervisor of {self.folder.root} cannot be used: {reason}",
            means="Nothing is known to have changed.",
            remedy=f"Look at {self.folder.logs / 'supervisor.log'}; `invoke doctor` names its "
            "process. Ending that process is safe: the next one takes over what it ran.",
            code="deploy.supervisor",
        )


def fence(record: Fence) -> dict[str, Any]:
    """Return the part of *record* that the supervisor compares."""
    return {"run": record.run, "token": record.token}
