"""Making one HTTP check, bounded in time and in bytes."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from sluiceway.model import Status
from sluiceway.record import Record
from sluiceway_gate_smoke.matching import mismatch
from sluiceway_gate_smoke.plan import ANY, HttpCheck

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "Fetched", "ask", "fetch"]

_LARGEST_ANSWER = 1 << 20
_SHOWN_BODY = 120

Answer = tuple[Status, str]
"""A status and one line that says why."""


class Fetched(Record, kw_only=False):
    """What was answered."""

    status: int
    body: bytes
    whole: bool
    """The body is all that there was."""


def ask(check: HttpCheck, url: str, *, seconds: float) -> Answer:
    """Make *check* against *url* and return ``(status, detail)`` within *seconds*.

    OK: the answer was right. FAILED: there was an answer and it was wrong. ERROR: there was none.
    """
    fetched = fetch(check, url, seconds=seconds)
    return _judge(check, fetched) if isinstance(fetched, Fetched) else fetched


def fetch(check: HttpCheck, url: str, *, seconds: float) -> Fetched | Answer:
    """Send *check*'s request to *url*; return what came back, or an ERROR that says why nothing did."""
    # httpx bounds each read, not the whole: an instance that trickles bytes would hold it for ever.
    # So the request has a thread of its own, which is left behind when the time is up.
    answers: list[Fetched | Answer] = []
    thread = threading.Thread(
        target=lambda: answers.append(_fetch(check, url, seconds)), name="http-check", daemon=True
    )
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else _late(seconds)


def _late(seconds: float) -> Answer:
    return Status.ERROR, f"no whole answer within {seconds:.3g} s"


def _fetch(check: HttpCheck, url: str, seconds: float) -> Fetched | Answer:
    import httpx

    deadline = time.monotonic() + seconds
    try:
        with (
            # No proxies, no .netrc: the question goes to this instance, with these headers only.
            httpx.Client(timeout=seconds, trust_env=False, follow_redirects=False) as client,
            client.stream(
                check.method,
                url.rstrip("/") + check.path,
                content=check.body.encode() or None,
                headers=_headers(check),
            ) as response,
        ):
            body, whole = _body(response, deadline)
    except httpx.TimeoutException:
        return _late(seconds)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return Status.ERROR, f"no answer: {type(error).__name__}: {error}"
    return Fetched(response.status_code, body, whole)


def _headers(check: HttpCheck) -> dict[str, str]:
    headers = dict(check.headers)
    given = {name.lower() for name in headers}
    if check.body and "content-type" not in given:
        headers["Content-Type"] = "application/json"
    return headers


def _body(response: httpx.Response, deadline: float) -> tuple[bytes, bool]:
    body = b""
    for part in response.iter_bytes():
        body += part
        if len(body) > _LARGEST_ANSWER or time.monotonic() > deadline:
            return body, False
    return body, True


def _judge(check: HttpCheck, fetched: Fetched) -> Answer:
    status, body = fetched.status, fetched.body
    if status != check.status:
        told = " ".join(body[:_SHOWN_BODY].decode(errors="replace").split())
        return Status.FAILED, f"answered {status}, not {check.status}" + (
            f": {told}" if told else ""
        )
    if check.expected is ANY:
        return Status.OK, f"answered {status}"
    if not fetched.whole:
        return Status.FAILED, f"the answer is longer than {_LARGEST_ANSWER} bytes"
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Status.FAILED, f"answered {status}, but the body is not JSON"
    found = mismatch(check.expected, document)
    return (Status.FAILED, found) if found else (Status.OK, f"answered {status} as expected")
