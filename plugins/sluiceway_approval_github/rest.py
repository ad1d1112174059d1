"""GitHub's REST API, as much of it as two questions need. Everything that fails says why.

https://docs.github.com/en/rest/actions/workflow-runs (API version 2022-11-28)
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from sluiceway import __version__
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway_approval_github.options import TOKEN, Options

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = ["Api"]

_LARGEST = 4 << 20
"""Bytes of one answer; a review history is a few kilobytes."""
_MOST_PAGES = 20
_ATTEMPTS = 2
_PAUSE_SECONDS = 0.2
_AGAIN = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


class Api:
    """The API at the configured address: ``with Api(options) as api: api.one("/repos/...")``.

    The token goes to that address and nowhere else: redirects are not followed, and the next page
    is only fetched from the same one.
    """

    def __init__(self, options: Options) -> None:
        import httpx

        self._options = options
        self._client = httpx.Client(
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {options.token}",
                "User-Agent": f"sluiceway/{__version__}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            timeout=options.timeout_seconds,
            follow_redirects=False,
            verify=_certificates(options),
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._client.close()

    def one(self, path: str) -> Any:
        """Return the JSON at *path*; raise :class:`ActionFailed` saying why there is none."""
        return self._get(self._options.api + path)[0]

    def every(self, path: str) -> list[Any]:
        """Return the items of the list at *path*, of all its pages."""
        return [item for page in self._pages(path) for item in page]

    def _pages(self, path: str) -> Iterator[list[Any]]:
        address = f"{self._options.api}{path}?per_page=100"
        for _ in range(_MOST_PAGES):
            page, following = self._get(address)
            if not isinstance(page, list):
                raise _unread("its answer is not a list")
            yield page
            if not following:
                return
            if not following.startswith(f"{self._options.api}/"):
                raise _unread("its next page is said to be on another host")
            address = following
        raise _unread(f"its answer has more than {_MOST_PAGES} pages")

    def _get(self, address: str) -> tuple[Any, str]:
        """Return the JSON and the address of the next page."""
        import httpx

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._client.stream("GET", address) as answer:
                    if answer.status_code not in _AGAIN or attempt == _ATTEMPTS:
                        return self._read(answer)
            except httpx.TimeoutException:
                reason = f"it did not answer within {self._options.timeout_seconds:g} s"
                raise _unread(reason) from None  # a second wait would make the gate wait twice
            except httpx.HTTPError as error:
                if attempt == _ATTEMPTS:
                    raise _unread(f"it cannot be reached ({type(error).__name__})") from None
            time.sleep(_PAUSE_SECONDS * random.uniform(1.0, 1.5))  # noqa: S311 - jitter, not a secret
        raise _unread("it cannot be reached")

    def _read(self, answer: httpx.Response) -> tuple[Any, str]:
        if answer.status_code != HTTPStatus.OK:
            raise _unread(_reason(answer))
        body = b""
        for part in answer.iter_bytes():
            body += part
            if len(body) > _LARGEST:
                raise _unread(f"its answer is larger than {_LARGEST >> 20} MB")
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise _unread("its answer is not JSON") from None
        return document, answer.links.get("next", {}).get("url", "")


def _certificates(options: Options) -> ssl.SSLContext | bool:
    """Return the site's own authorities, or ``True`` for the usual ones."""
    import ssl

    if options.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except OSError as error:  # an SSLError is one
        raise ConfigurationError(
            f"the certificates in {options.ca_file} cannot be read: {error}",
            remedy="Name a file of PEM certificates as ca_file, or leave it out for the usual ones.",
            code="approval.certificates",
        ) from error


def _reason(answer: httpx.Response) -> str:
    status = answer.status_code
    spent = answer.headers.get("x-ratelimit-remaining") == "0"
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.FORBIDDEN and spent):
        return "its rate limit is used up"
    if status == HTTPStatus.UNAUTHORIZED:
        return f"it does not accept the token in {TOKEN}"
    if status == HTTPStatus.FORBIDDEN:
        return f"the token in {TOKEN} may not see workflow runs (it takes actions: read)"
    if status == HTTPStatus.NOT_FOUND:
        return "it knows no such run in that repository, or does not show it to this token"
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        return "it sends us elsewhere, as it does for a repository that was renamed"
    return f"it answered {status}"


def _unread(why: str) -> ActionFailed:
    return ActionFailed(
        f"GitHub's reviews cannot be read: {why}",
        means="Without them nobody knows whether somebody said no.",
        remedy="See `invoke doctor`, and promote again.",
        code="approval.unread",
    )
