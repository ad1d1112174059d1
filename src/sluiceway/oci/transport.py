"""One registry over HTTP: connections, time limits, retries, redirects and authorization."""

from __future__ import annotations

import email.utils
import functools
import json
import random
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.oci import failures
from sluiceway.oci.authorization import Authorizer, TokenRequest, parse_challenges
from sluiceway.oci.credentials import find_credentials
from sluiceway.oci.http import httpx
from sluiceway.oci.reference import Repository, is_loopback
from sluiceway.record import Record

__all__ = ["Body", "RetryPolicy", "Transport", "paced", "read_capped"]

T = TypeVar("T")
Body = Callable[[], "bytes | Iterator[bytes]"]
"""Makes a request's body, anew for every attempt."""

CONNECT_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
SLOWEST = 8 * 1024
"""Bytes a second, on average, that an answer has to bring after :data:`PATIENCE_SECONDS`."""
_RETRIED = frozenset({429, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Methods whose 500 may be tried again (RFC 9110, 9.2.2): done twice is as done once."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_LONGEST_TOKEN_ANSWER = 1024 * 1024
_DRAINED = 64 * 1024
_HUB = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}


class RetryPolicy(Record):
    """How long to try again. All times in seconds."""

    attempts: int = 5
    first_delay: float = 0.2
    longest_delay: float = 20.0
    """Also the longest ``Retry-After`` that is obeyed; a longer one is an error at once."""
    budget: float = 45.0
    """No further attempt begins later than this after the first."""
    connect_budget: float = 1.0
    """The same for a registry that cannot be reached at all: it must fail within seconds."""

    def delay(self, attempt: int, elapsed: float, asked: float | None, *, reached: bool) -> float:
        """Return how long to wait before the next attempt, or a negative number to give up."""
        if attempt >= self.attempts:
            return -1.0
        if asked is not None:
            wait = asked if asked <= self.longest_delay else -1.0
        else:
            ceiling = min(self.longest_delay, self.first_delay * 2 ** (attempt - 1))
            wait = random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter is no secret
        limit = self.budget if reached else self.connect_budget
        return wait if wait >= 0 and elapsed + wait <= limit else -1.0


class Transport:
    """Requests to one repository's registry.

    Args:
        repository: Host and path.
        insecure: Allow plain http (and plain http only) to a host that is not loopback.
        timeout_seconds: For each read or write on the connection, not for a whole transfer.
        ca_file: PEM file of the only authorities to trust; ``None`` for the usual ones.
        environ: Where credentials are looked for.
        retry: How long to try again.
        on_unreachable: Called once per request when nothing answers at the address, before the
            request is tried again: for registries that can be started.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        insecure: bool,
        timeout_seconds: float,
        ca_file: Path | None,
        environ: Mapping[str, str],
        retry: RetryPolicy,
        on_unreachable: Callable[[], None] | None = None,
    ) -> None:
        if insecure and ca_file is not None:
            raise ConfigurationError(
                f"{repository.host} has both insecure = true and a ca_file",
                means="Plain http has no certificate to check.",
                remedy="Take one of the two away.",
                code="registry.contradiction",
            )
        self.host = repository.host
        self._loopback = is_loopback(repository.hostname)
        self._insecure = insecure
        plain = insecure or (self._loopback and ca_file is None)
        self.scheme = "http" if plain else "https"
        self.base = f"{self.scheme}://{_HUB.get(self.host, self.host)}"
        self._ca_file = ca_file
        self._environ = environ
        self._retry = retry
        self._on_unreachable = on_unreachable
        self._timeout = httpx.Timeout(
            timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)
        )
        self._lock = threading.Lock()
        self._clients: dict[str, httpx.Client] = {}
        # Sockets must not outlive the transport, also when nobody closes it.
        self._finalizer = weakref.finalize(self, _close_all, self._clients)
        self._authorizer = Authorizer(
            host=self.host,
            path=repository.path,
            credentials=lambda: find_credentials(repository.host, environ),
            fetch=self._fetch_token,
            plain_allowed=self._plain_allowed,
        )

    def close(self) -> None:
        """Close all connections. The transport opens new ones when it is used again."""
        with self._lock:
            _close_all(self._clients)

    def exchange(
        self,
        method: str,
        url: str,
        consume: Callable[[httpx.Response], T],
        *,
        actions: str | None,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        again: bool = True,
    ) -> T:
        """Send one request and return what *consume* makes of its answer.

        Args:
            method: HTTP method.
            url: Absolute, or a path on the registry.
            consume: Reads the answer, which is a stream; may be called again on a new answer
                when the connection breaks while it reads.
            actions: What is done in the repository (``pull``, ``pull,push``, ``""`` for nothing
                in particular), with further token scopes after it; ``None`` sends no
                authorization of ours and follows no redirect.
            headers: Further request headers.
            body: Makes the request's body.
            again: Try again on 429, 502, 503, 504, on 500 where doing it twice is as once, and
                on broken connections.

        Raises:
            ActionFailed: ``registry.unreachable``, ``registry.tls``, ``registry.timeout``,
                ``registry.connection``, ``registry.throttled``, ``registry.unavailable``,
                ``registry.denied``, or whatever *consume* raises.
        """
        url = urljoin(self.base, url)
        began, attempt, revived = time.monotonic(), 0, False
        while True:
            attempt += 1
            asked: float | None = None
            reached = True
            try:
                with self._answer(method, url, actions, dict(headers or {}), body) as response:
                    if not _passing(method, response.status_code):
                        result = consume(response)
                        _finish(response)
                        return result
                    asked = _retry_after(response)
                    failure = failures.answered(self.host, response, self._environ)
            except httpx.TransportError as error:
                failure = failures.broken(self.host, self.scheme, error)
                reached = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if failure.code == "registry.tls":
                    raise failure from error
                if not reached and self._on_unreachable is not None and not revived:
                    revived = True
                    self._on_unreachable()
                    continue
            elapsed = time.monotonic() - began
            wait = self._retry.delay(attempt, elapsed, asked, reached=reached) if again else -1.0
            if wait < 0:
                raise failure
            time.sleep(wait)

    def location(self, response: httpx.Response, url: str) -> str:
        """Return the absolute ``Location`` of *response* to *url*, when it is safe to go there.

        A registry behind a proxy that ends TLS may name itself with ``http``: it is asked by
        ``https`` all the same.
        """
        target: str = response.headers.get("location", "")
        if not target:
            raise failures.malformed(self.host, "it gave no Location")
        absolute: str = urljoin(urljoin(self.base, url), target)
        parts, ours = urlsplit(absolute), urlsplit(self.base)
        if parts.scheme == "http" and ours.scheme == "https" and parts.netloc == ours.netloc:
            return absolute.replace("http:", "https:", 1)
        if parts.scheme == "https" or (
            parts.scheme == "http" and parts.hostname and self._plain_allowed(parts.hostname)
        ):
            return absolute
        raise failures.malformed(
            self.host, f"it sends clients on to {parts.scheme}://{parts.hostname}, without TLS"
        )

    # --- one attempt ---

    @contextmanager
    def _answer(
        self,
        method: str,
        url: str,
        actions: str | None,
        headers: dict[str, str],
        body: Body | None,
    ) -> Iterator[httpx.Response]:
        response, sent = self._send(method, url, actions, headers, body)
        try:
            # Credentials are the registry's: elsewhere, where an upload may be led, none are offered.
            ours = _origin(url) == _origin(self.base)
            if response.status_code == httpx.codes.UNAUTHORIZED and actions is not None and ours:
                challenges = parse_challenges(response.headers.get_list("www-authenticate"))
                _drain(response)
                if self._authorizer.answer(challenges, actions, sent):
                    response.close()
                    response, _ = self._send(method, url, actions, headers, body)
            for _ in range(_MOST_REDIRECTS):
                if (
                    response.status_code not in _REDIRECTS
                    or method not in {"GET", "HEAD"}
                    or actions is None
                ):
                    break
                url = self.location(response, url)
                _drain(response)
                response.close()
                response, _ = self._send(method, url, actions, headers, body)
            yield response
        finally:
            response.close()

    def _send(
        self,
        method: str,
        url: str,
        actions: str | None,
        headers: dict[str, str],
        body: Body | None,
    ) -> tuple[httpx.Response, str]:
        authorization = ""
        if actions is not None and _origin(url) == _origin(self.base):
            # Storage behind a redirect has its own signed address; our token is not for it.
            authorization = self._authorizer.header(actions)
        if authorization:
            headers = {**headers, "Authorization": authorization}
        client = self._client(urlsplit(url).scheme)
        request = client.build_request(
            method, url, headers=headers, content=body() if body is not None else None
        )
        return client.send(request, stream=True), authorization

    def _client(self, scheme: str) -> httpx.Client:
        with self._lock:
            if scheme not in self._clients:
                # Building a context with authorities takes 0.1 s: there is one for all, and a
                # bare one, which trusts nobody, where no TLS is spoken.
                self._clients[scheme] = httpx.Client(
                    verify=_tls(self._ca_file) if scheme == "https" else _bare(),
                    timeout=self._timeout,
                    follow_redirects=False,
                    trust_env=not self._loopback,
                    headers={"Accept-Encoding": "identity", "User-Agent": "sluiceway"},
                )
            return self._clients[scheme]

    def _plain_allowed(self, hostname: str) -> bool:
        """Say whether this registry may send us to *hostname* without TLS."""
        return self.scheme == "http" and (self._insecure or is_loopback(hostname))

    def _fetch_token(self, request: TokenRequest) -> dict[str, Any]:
        headers = {"Authorization": request.authorization} if request.authorization else {}
        parameters = httpx.QueryParams(tuple(request.parameters))
        if request.form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            url, method, form = request.realm, "POST", str(parameters).encode()
        else:
            url = str(httpx.URL(request.realm).copy_merge_params(parameters))
            method, form = "GET", b""
        return self.exchange(
            method,
            url,
            self._read_token,
            actions=None,
            headers=headers,
            body=(lambda: form) if request.form else None,
        )

    def _read_token(self, response: httpx.Response) -> dict[str, Any]:
        if response.status_code != httpx.codes.OK:
            raise failures.denied(
                self.host, f"its token server answered {response.status_code}", self._environ
            )
        try:
            answer = json.loads(read_capped(response, _LONGEST_TOKEN_ANSWER, "token"))
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ActionFailed(
                f"the token server of {self.host} did not answer with JSON", code="registry.token"
            )
        return answer


def paced(response: httpx.Response) -> Iterator[bytes]:
    """Yield the body of *response* as it arrives.

    The time limit of a connection is for each read: a byte now and then would hold a run, and what
    it has locked, for ever.

    Raises:
        httpx.ReadTimeout: It comes more slowly than anything does that is meant to arrive.
    """
    began, size = time.monotonic(), 0
    for piece in response.iter_raw():
        size += len(piece)
        if time.monotonic() - began > PATIENCE_SECONDS + size / SLOWEST:
            raise httpx.ReadTimeout("its answer comes too slowly", request=response.request)
        yield piece


def read_capped(response: httpx.Response, limit: int, name: str) -> bytes:
    """Return the whole body of *response*; more than *limit* bytes is ``registry.too-large``."""
    pieces: list[bytes] = []
    size = 0
    for piece in paced(response):
        size += len(piece)
        if size > limit:
            raise failures.too_large(response.url.host, name, limit)
        pieces.append(piece)
    return b"".join(pieces)


def _finish(response: httpx.Response) -> None:
    """Read what is left of an answer that was understood already: a connection whose last answer
    was not read to its end, be it empty, cannot be used for the next request.
    """
    if not response.is_stream_consumed:
        with suppress(httpx.TransportError):
            _drain(response)


def _drain(response: httpx.Response) -> None:
    """Read a short body to its end, so that the connection can be used again."""
    size = 0
    for piece in paced(response):
        size += len(piece)
        if size > _DRAINED:
            return


def _passing(method: str, status: int) -> bool:
    """Say whether *status* is a failure that may have passed when it is tried again."""
    return status in _RETRIED or (
        status == httpx.codes.INTERNAL_SERVER_ERROR and method in _REPEATABLE
    )


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of ``Retry-After`` (RFC 9110, 10.2.3), if there is one to be read."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or default


@functools.cache
def _tls(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the ca_file {ca_file} cannot be used: {error}",
            remedy="Name a PEM file with the registry's certificate authority.",
            code="registry.ca-file",
        ) from error


@functools.cache
def _bare() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _close_all(clients: dict[str, httpx.Client]) -> None:
    while clients:
        clients.popitem()[1].close()
