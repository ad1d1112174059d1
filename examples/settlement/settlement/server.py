"""The HTTP face: keep-alive, one write per answer, and a stop that finishes what was begun."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from settlement import VERSION, faults, money, normalise

MAXIMUM_BODY = 1 << 20


class Server(ThreadingHTTPServer):
    """Serves with one thread per connection and counts the requests in hand."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, *, new_fee_schedule):
        self.schedule = "graduated" if new_fee_schedule else "standard"
        self.stopping = False
        self.in_hand = 0
        self.idle = threading.Condition()
        super().__init__(address, Handler)

    def server_bind(self):
        # HTTPServer would look up the host's name here, which can take seconds without DNS.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        """A client that went away is no event of this service."""

    def stop(self, seconds):
        """Take no new connection, finish the requests in hand; return how many were left over."""
        self.stopping = True
        self.shutdown()
        self.server_close()
        deadline = time.monotonic() + seconds
        with self.idle:
            while self.in_hand and (left := deadline - time.monotonic()) > 0:
                self.idle.wait(left)
            return self.in_hand


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/api/health":
            self.answer(200, {"status": "ok", "version": VERSION})
        elif self.path == "/api/version":
            self.answer(200, {"version": VERSION, "schedule": self.server.schedule})
        else:
            self.answer(404, {"error": f"there is nothing at {self.path}"})

    def do_POST(self):
        try:
            document = self.document()
            if self.path == "/api/settlements":
                faults.before_settling()
                settlements, fees = money.settle(document.get("trades"), self.server.schedule)
                answer = {
                    "schedule": self.server.schedule,
                    "settlements": settlements,
                    "fees": fees,
                }
            elif self.path == "/api/normalisations":
                answer = {"records": normalise.normalise(document.get("records"))}
            else:
                self.answer(404, {"error": f"there is nothing at {self.path}"})
                return
        except _Malformed as error:
            self.close_connection = True  # what follows on this connection cannot be trusted
            self.answer(error.status, {"error": str(error)})
        except money.Invalid as error:
            self.answer(422, {"error": str(error)})
        except faults.Fault as error:
            self.answer(500, {"error": str(error)})
        else:
            self.answer(200, answer)

    def document(self):
        """Read the request's JSON object."""
        if self.headers.get("Transfer-Encoding"):
            raise _Malformed(411, "send a Content-Length")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise _Malformed(411, "send a Content-Length")
        if int(length) > MAXIMUM_BODY:
            raise _Malformed(413, f"a body may have {MAXIMUM_BODY} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise _Malformed(400, "the body ended early")
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise money.Invalid("the body is not JSON") from None
        if not isinstance(document, dict):
            raise money.Invalid("the body is not a JSON object")
        return document

    def answer(self, status, document):
        body = json.dumps(document).encode() + b"\n"
        if self.server.stopping:
            self.close_connection = True
        self.send_response_only(status)
        self.send_header("Server", f"settlement/{VERSION}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        # One write for head and body: two would wait for each other's acknowledgement.
        self._headers_buffer.append(b"\r\n" + (b"" if self.command == "HEAD" else body))
        self.flush_headers()

    def do_HEAD(self):
        self.do_GET()

    def parse_request(self):
        """Count the request from its first line until its answer is written."""
        with self.server.idle:
            self.server.in_hand += 1
        self.counted = True
        return super().parse_request()

    def handle_one_request(self):
        self.counted = False
        try:
            super().handle_one_request()
        finally:
            if self.counted:
                with self.server.idle:
                    self.server.in_hand -= 1
                    self.server.idle.notify_all()

    def log_request(self, code="-", size="-"):
        """Nothing per request: the proxy in front counts them."""

    def log_message(self, format, *args):  # noqa: A002 - the name is the base class's
        """Malformed requests are answered, not logged."""


class _Malformed(Exception):  # noqa: N818 - as Invalid
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status
