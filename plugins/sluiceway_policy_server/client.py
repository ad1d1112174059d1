"""Talking to an OPA server through opa-python-client, within a deadline and nowhere else.

What the client leaves open is closed here: a time-out of requests is for each read and not for the
whole, so that a server which drips would hold us for ever; redirects would carry the token
elsewhere; proxies and ``.netrc`` of the environment would come between; POST is never retried.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from sluiceway.policy.answers import engine_error
from sluiceway.policy.engine import EngineError
from sluiceway.record import Record

__all__ = ["Address", "Connection"]

_LARGEST = 64 << 20
"""Bytes of one answer."""
_AGAIN = (502, 503, 504)
_DENIED = (401, 403)
_FIRST_PAUSE = 0.1
_SHOWN = 200
_MEANS = "The gate refuses, because nothing was decided."


class Address(Record):
    """Where a server is."""

    url: str
    """As it was configured, for messages."""
    host: str
    port: int
    tls: bool
    socket: str
    """A Unix socket's path; host and port mean nothing then."""


class Connection:
    """One server, asked by one thread at a time. Nothing is connected before the first question.

    Args:
        address: Where it is.
        token: A bearer token, or ``""``.
        authority: PEM of the certificate authority; the system's when ``None``.
        certificate: Our own certificate and its key, for a server that asks for one.
        timeout_seconds: How long one question may take, repetitions included.
        retries: How often a question is repeated when the server cannot be reached or says 502,
            503 or 504. Questions change nothing, so that repeating one is safe.
    """

    def __init__(
        self,
        address: Address,
        *,
        token: str = "",
        authority: Path | None = None,
        certificate: tuple[Path, Path] | None = None,
        timeout_seconds: float = 5.0,
        retries: int = 2,
    ) -> None:
        self.address = address
        self._token = token
        self._authority = authority
        self._certificate = certificate
        self._timeout = timeout_seconds
        self._retries = retries
        self._adapter = _Adapter(address.socket)
        self._client: Any = None

    def policies(self) -> list[Mapping[str, Any]]:
        """Return the server's modules: ``[{"id", "raw", "ast"}, ...]``."""
        found = self._ask(lambda client: self._get(client, "policies")).get("result")
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._strange("no list of policies")
        return found

    def data(self) -> Mapping[str, Any]:
        """Return the server's whole ``data`` document, as it is without an input."""
        found = self._ask(lambda client: self._get(client, "data")).get("result")
        if not isinstance(found, dict):
            raise self._strange("no data")
        return found

    def query(self, path: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer about ``data.<path>``: ``{"result"?, "provenance"}``."""
        package, _, rule = path.rpartition(".")
        parameters = {"provenance": "true", "strict-builtin-errors": "true"}
        return self._ask(
            lambda client: client.query_rule(
                input_data=dict(document),
                package_path=package or rule,
                rule_name=rule if package else None,
                query_params=parameters,
            )
        )

    def close(self) -> None:
        """Close the connection. Closing twice is fine; a later question opens a new one."""
        if self._client is not None:
            self._client.close_connection()
            self._client = None

    def _open(self) -> Any:
        if self._client is None:
            from opa_client.opa import OpaClient  # type: ignore[import-untyped]

            self._client = client = OpaClient(
                host=self.address.host,
                port=self.address.port,
                ssl=self.address.tls,
                cert=self._certificate and tuple(str(file) for file in self._certificate),
                token=self._token or None,
                retries=0,
                timeout=self._timeout,
            )
            session: requests.Session = client._session  # noqa: SLF001 - it has no other way to set these
            session.trust_env = False
            session.max_redirects = 0
            session.verify = str(self._authority) if self._authority is not None else True
            session.mount("http://", self._adapter)
            session.mount("https://", self._adapter)
        return self._client

    def _get(self, client: Any, what: str) -> Any:
        response = client._session.get(  # noqa: SLF001 - its own methods drop what is needed here
            f"{client.root_url}/{what}", timeout=client.timeout
        )
        response.raise_for_status()
        return response.json()

    def _ask(self, question: Callable[[Any], Any]) -> Mapping[str, Any]:
        client = self._open()  # imports what is slow to import, which is not the server's time
        deadline = time.monotonic() + self._timeout
        pause = _FIRST_PAUSE
        for attempt in range(self._retries + 1):
            client.timeout = max(deadline - time.monotonic(), 0.001)
            try:
                with self._adapter.until(deadline) as expired:
                    answer = question(client)
            except requests.exceptions.RequestException as error:
                problem, repeat = self._translated(error, late=expired.is_set())
            except urllib3.exceptions.HTTPError as error:  # from reading the body
                problem, repeat = self._unreachable(error, late=expired.is_set()), True
            except (ValueError, RecursionError) as error:
                raise self._strange(f"something unreadable: {error}") from error
            else:
                if not isinstance(answer, Mapping):
                    raise self._strange("something that is not a JSON object")
                return answer
            if not repeat or attempt == self._retries or time.monotonic() + pause > deadline:
                raise problem
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that many do not come at once
            pause *= 2
        raise AssertionError  # the last attempt returns or raises

    def _translated(
        self, error: requests.exceptions.RequestException, *, late: bool
    ) -> tuple[EngineError, bool]:
        """Return the refusal, and whether asking again may help."""
        if late or isinstance(error, requests.exceptions.Timeout):
            return self._late(), False
        if isinstance(error, requests.exceptions.HTTPError) and error.response is not None:
            return self._status(error.response), error.response.status_code in _AGAIN
        if isinstance(error, requests.exceptions.TooManyRedirects):
            target = (
                error.response.headers.get("Location", "") if error.response is not None else ""
            )
            return self._strange(
                f"with a redirect to {target[:_SHOWN]!r}, which is not followed"
            ), False
        if isinstance(error, requests.exceptions.InvalidJSONError):
            return self._strange("something that is not JSON"), False
        tls = isinstance(error, requests.exceptions.SSLError)
        return self._unreachable(error, late=False), not tls

    def _status(self, response: requests.Response) -> EngineError:
        status = response.status_code
        if status in _DENIED:
            return EngineError(
                f"the policy server at {self.address.url} refuses us ({status})",
                means=_MEANS,
                remedy="Set SLUICEWAY_OPA_TOKEN to a token that may read /v1/policies and /v1/data, "
                "or client_certificate in [plugins.policy-server].",
                code="policy.server-refused",
            )
        try:
            body = response.json()
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict) and isinstance(body.get("errors"), list):
            return engine_error(body["errors"])
        said = body.get("message", "") if isinstance(body, dict) else ""
        return self._strange(f"status {status}" + (f": {str(said)[:_SHOWN]}" if said else ""))

    def _unreachable(self, error: Exception, *, late: bool) -> EngineError:
        if late:
            return self._late()
        reason: BaseException = error
        while reason.__cause__ is not None or reason.__context__ is not None:
            reason = reason.__cause__ or reason.__context__ or reason
        return EngineError(
            f"the policy server at {self.address.url} cannot be reached: "
            f"{str(reason)[:_SHOWN] or type(reason).__name__}",
            means=_MEANS,
            remedy="Start it (`invoke policy.serve` starts a local one), or correct "
            "[plugins.policy-server].",
            code="policy.server-unreachable",
        )

    def _late(self) -> EngineError:
        return EngineError(
            f"the policy server at {self.address.url} did not answer within {self._timeout:g} s",
            means=_MEANS,
            remedy="Look at its load and log, or raise timeout_seconds in [plugins.policy-server].",
            code="policy.timeout",
        )

    def _strange(self, what: str) -> EngineError:
        return EngineError(
            f"the policy server at {self.address.url} answered {what}",
            means=_MEANS,
            remedy="Check that url in [plugins.policy-server] is that of an OPA server, with no "
            "proxy in between that answers for it.",
            code="policy.server-answer",
        )


class _Adapter(HTTPAdapter):
    """Connections that can be cut at a deadline, answers of bounded size."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Let connections of ours be made."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._path, self._sockets)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> Any:
        """Send, and read the whole answer while the deadline watches."""
        response = super().send(request, *arguments, **{**options, "stream": True})
        body = response.raw.read(_LARGEST + 1, decode_content=True)
        try:
            body.decode()  # JSON is UTF-8; requests would guess, and judge by a guess
        except UnicodeDecodeError as error:
            raise requests.exceptions.InvalidJSONError(response=response) from error
        if len(body) > _LARGEST:
            raise requests.exceptions.InvalidJSONError(response=response)
        response.encoding = "utf-8"
        response._content = body  # noqa: SLF001 - as `response.content` would set it
        return response

    @contextlib.contextmanager
    def until(self, deadline: float) -> Iterator[threading.Event]:
        """Cut every connection at *deadline*; the event says whether that happened."""
        expired = threading.Event()

        def cut() -> None:
            expired.set()
            for each in list(self._sockets):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(max(deadline - time.monotonic(), 0), cut)
        timer.daemon = True
        timer.start()
        try:
            yield expired
        finally:
            timer.cancel()


def _pools(path: str, sockets: weakref.WeakSet[socket.socket]) -> dict[str, type[Any]]:
    """Return pools whose connections register their socket, and may be to a Unix socket."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            if not path:
                return super()._new_conn()
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                made.settimeout(self.timeout if isinstance(self.timeout, float | int) else None)
                made.connect(path)
            except OSError as error:
                made.close()
                raise urllib3.exceptions.NewConnectionError(self, str(error)) from error
            return made

        def connect(self) -> None:
            super().connect()
            if self.sock is not None:
                sockets.add(self.sock)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            # TLS takes the socket's descriptor away from it; until it has shaken hands, a second
            # one is what can be cut.
            made = super()._new_conn()
            self._second = made.dup()
            sockets.add(self._second)
            return made

        def connect(self) -> None:
            try:
                super().connect()
            finally:
                second = self.__dict__.pop("_second", None)
                if second is not None:
                    second.close()
            if self.sock is not None:
                sockets.add(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
