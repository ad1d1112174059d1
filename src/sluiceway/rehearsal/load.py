"""Clients of the example service: bounded, steady traffic from a process of its own.

Run as ``python -m sluiceway.rehearsal.load URL BODY --rate 200 --canary settlement/1.1.0``.
It begins when the address answers, ends on SIGTERM or when the time is over, and prints one JSON
object: ``{"total", "failed", "failed_in_canary", "failed_outside_canary", "seconds", "examples"}``.
A failure is a 5xx answer or no answer; it is the canary's when the answer's ``Server`` names it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["main"]

_WORKERS = 8
_MOST = 100_000
"""Requests that one generator sends at the most, whatever it is asked for."""


class _Clients:
    def __init__(
        self, url: str, body: bytes, rate: float, seconds: float, canary_version: str
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._gap = _WORKERS / rate
        self._seconds = seconds
        self._body = body
        self._canary = canary_version
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._examples: list[str] = []
        self._begun = 0.0

    def stop(self, *_: object) -> None:
        self._stop.set()

    def run(self) -> dict[str, object]:
        self._await_first_answer()
        self._begun = time.monotonic()
        workers = [
            threading.Thread(target=self._work, args=(number,)) for number in range(_WORKERS)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            while worker.is_alive():  # a thread that only waits would not see SIGTERM
                worker.join(0.1)
        counts = self._counts
        return {
            "total": counts["total"],
            "failed": counts["in"] + counts["out"],
            "failed_in_canary": counts["in"],
            "failed_outside_canary": counts["out"],
            "seconds": round(time.monotonic() - self._begun, 1),
            "examples": self._examples,
        }

    def _await_first_answer(self) -> None:
        end = time.monotonic() + self._seconds
        while not self._stop.is_set() and time.monotonic() < end:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=2)
            try:
                connection.request("GET", "/api/health")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            self._stop.wait(0.1)

    def _work(self, number: int) -> None:
        due = self._begun + number * self._gap / _WORKERS
        connection = http.client.HTTPConnection(self._host, self._port, timeout=10)
        while due < self._begun + self._seconds and self._counts["total"] < _MOST:
            if self._stop.wait(max(due - time.monotonic(), 0)):
                break
            due = max(due + self._gap, time.monotonic() - 1)
            self._send(connection)
        connection.close()

    def _send(self, connection: http.client.HTTPConnection) -> None:
        where = ""
        try:
            connection.request(
                "POST", "/api/settlements", self._body, {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            answer = response.read()
            if response.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
                server = response.headers.get("Server", "")
                where = "in" if self._canary and self._canary in server else "out"
                shown = f"{response.status} from {server or 'the proxy'}: {answer[:120]!r}"
        except (OSError, http.client.HTTPException) as error:
            where, shown = "out", f"no answer: {type(error).__name__}: {error}"
            connection.close()
        with self._lock:
            self._counts["total"] += 1
            if where:
                self._counts[where] += 1
                if where == "out" and len(self._examples) < _WORKERS:
                    self._examples.append(shown)


def main() -> None:
    """Send traffic until told to stop, then print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("body", type=Path, help="file with the JSON body of every request")
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--canary", default="", help="what the canary's Server header contains")
    options = parser.parse_args()
    clients = _Clients(
        options.url,
        options.body.read_bytes(),
        options.rate,
        options.seconds,
        options.canary,
    )
    signal.signal(signal.SIGTERM, clients.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this
    print(json.dumps(clients.run()))  # noqa: T201 - this is what it is for
    sys.stdout.flush()


if __name__ == "__main__":
    main()
