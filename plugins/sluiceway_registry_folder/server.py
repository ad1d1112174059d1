"""The OCI distribution API over a :class:`Store`, for this machine only.

Source: distribution-spec 1.1. Content management (deleting) and listing are included; nothing
else is. There is no log-in: whoever can connect to a loopback address may push, which is why
every gate looks at signatures and never at who pushed.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO
from urllib.parse import parse_qs, unquote, urlsplit

from sluiceway.oci.reference import is_loopback
from sluiceway_registry_folder.body import RequestBody
from sluiceway_registry_folder.faults import Fault
from sluiceway_registry_folder.routes import ROUTES, Call, Reply
from sluiceway_registry_folder.storage import Store

__all__ = ["IDENTITY_HEADER", "FolderServer", "bind"]

IDENTITY_HEADER = "Sluiceway-Registry"
"""Names the folder that is served, so that its own server is known from any other."""

_BACKLOG = 128
_LONGEST_TARGET = 4096
_DRAINED = 8 * 1024 * 1024
_PIECE = 1024 * 1024
_SILENT_SECONDS = 120.0


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a loopback address; raises ``OSError``."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


class FolderServer(ThreadingHTTPServer):
    """Serves one store on a listening socket until it is told to stop or nobody asks any more."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, store: Store, listener: socket.socket) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.store = store
        self._count = threading.Condition()
        self._active = 0
        self._ended = False
        self._last = time.monotonic()

    def run(
        self, stop: threading.Event, idle_exit_seconds: float, *, poll_seconds: float = 0.2
    ) -> str:
        """Serve until *stop* is set (``"stopped"``) or nothing was asked for so long (``"idle"``).

        Requests that are being answered get a few seconds to end.
        """
        outcome = "stopped"

        def watch() -> None:
            nonlocal outcome
            while not stop.wait(min(1.0, idle_exit_seconds / 4)):
                if self.idle_seconds() > idle_exit_seconds:
                    outcome = "idle"
                    break
            self.shutdown()

        watcher = threading.Thread(target=watch, name="idle", daemon=True)
        watcher.start()
        self.serve_forever(poll_interval=poll_seconds)
        self.socket.close()  # nobody new; those who are being served are waited for
        with self._count:
            self._ended = True
            self._count.wait_for(lambda: self._active == 0, timeout=5.0)
        return outcome

    def idle_seconds(self) -> float:
        """Return for how long no request has been in work."""
        with self._count:
            return 0.0 if self._active else time.monotonic() - self._last

    def entered(self) -> bool:
        """Count a request that has begun; False when it came too late, on an open connection.

        Its answer could be cut off by the end of the process. A client whose connection is closed
        asks again, and starts the next server when it has to.
        """
        with self._count:
            self._active += not self._ended
            return not self._ended

    def left(self) -> None:
        """Count a request that has ended."""
        with self._count:
            self._active -= 1
            self._last = time.monotonic()
            self._count.notify_all()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's signature
        """A client that goes away is no error; anything else is logged."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    server: FolderServer
    protocol_version = "HTTP/1.1"
    server_version = "sluiceway-registry-folder"
    sys_version = ""
    timeout = _SILENT_SECONDS
    disable_nagle_algorithm = True  # head and body are two writes

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def _serve(self) -> None:
        if not self.server.entered():
            self.close_connection = True
            return
        try:
            self._answer()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            self.server.left()

    def _answer(self) -> None:
        body: RequestBody | None = None
        try:
            body = RequestBody(self.rfile, self.headers)
            self._check_browser()
            reply = self._route(body)
        except Fault as fault:
            reply = _refusal(fault)
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - one request must not end the server
            traceback.print_exc()
            reply = _refusal(Fault(500, "UNKNOWN", f"the registry failed: {type(error).__name__}"))
        if body is not None:
            try:
                body.drain(_DRAINED)
            except Fault:
                self.close_connection = True
        if body is None or not body.done:
            self.close_connection = True
        self._send(reply)

    def _check_browser(self) -> None:
        """Refuse web pages: one that a person only looks at could push through their browser."""
        host = self.headers.get("Host", "")
        name = urlsplit(f"//{host}").hostname or ""
        if not is_loopback(name) or self.headers.get("Origin"):
            raise Fault(403, "DENIED", "this registry answers programs on its own machine only")

    def _route(self, body: RequestBody) -> Reply:
        if len(self.path) > _LONGEST_TARGET:
            raise Fault(414, "NAME_INVALID", "the address is too long")
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        query = {
            key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()
        }
        method = "GET" if self.command == "HEAD" else self.command
        for pattern, methods in ROUTES:
            match = re.fullmatch(pattern, path)
            if match is None:
                continue
            action = methods.get(method)
            if action is None:
                allowed = sorted({*methods, *({"HEAD"} if "GET" in methods else ())})
                raise Fault(
                    405, "UNSUPPORTED", f"{method} is not for this", {"Allow": ", ".join(allowed)}
                )
            call = Call(
                store=self.server.store,
                names=match.groupdict(),
                query=query,
                headers=self.headers,
                body=body,
            )
            return action(call)
        raise Fault(
            404, "NAME_INVALID" if path.startswith("/v2/") else "UNSUPPORTED", "no such page"
        )

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        self.send_header(IDENTITY_HEADER, self.server.store.id)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        length = reply.count if reply.file is not None else len(reply.body)
        if reply.status != 204:  # noqa: PLR2004 - No Content
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if reply.file is not None:
            with reply.file as source:
                if self.command != "HEAD":
                    self._send_file(source, reply.offset, reply.count)
        elif self.command != "HEAD" and reply.body:
            self.wfile.write(reply.body)

    def _send_file(self, source: IO[bytes], offset: int, count: int) -> None:
        source.seek(offset)
        while count:
            piece = source.read(min(_PIECE, count))
            if not piece:
                self.close_connection = True  # shorter than announced: the client must notice
                return
            self.wfile.write(piece)
            count -= len(piece)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log what changes something and what fails; reading is not worth a disk."""
        failed = isinstance(code, int) and code >= 500  # noqa: PLR2004 - server errors
        if failed or self.command not in {"GET", "HEAD"}:
            super().log_request(code, size)


def _refusal(fault: Fault) -> Reply:
    return Reply(
        status=fault.status,
        body=fault.body(),
        headers={"Content-Type": "application/json", **fault.headers},
    )
