"""Answering a registry's 401: Basic, or a bearer token from the realm that it names.

Source: distribution's "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit
from urllib.request import parse_http_list

from sluiceway.errors import ActionFailed
from sluiceway.oci.credentials import Credentials
from sluiceway.record import Record, field

__all__ = ["Authorizer", "Challenge", "TokenRequest", "parse_challenges"]

_OPENING = re.compile(r"([A-Za-z][A-Za-z0-9-]*)(?:\s+(.*))?", re.DOTALL)
_PARAMETER = re.compile(r"([A-Za-z0-9_-]+)\s*=\s*(.*)", re.DOTALL)
_SPARE_SECONDS = 10.0
_SHORTEST_SECONDS = 60.0
"""The specification's default, and its floor for what a client may assume."""


class Challenge(Record):
    """One challenge of a ``WWW-Authenticate`` header (RFC 9110, 11.6.1)."""

    scheme: str
    """In lower case: ``bearer``, ``basic``."""
    parameters: dict[str, str]


class TokenRequest(Record):
    """What to ask a token server; the transport sends it and never follows a redirect with it."""

    realm: str
    parameters: Sequence[tuple[str, str]] = field(repr=False)
    """Query parameters, or with :attr:`form` the fields of a form."""
    form: bool
    authorization: str = field(repr=False)
    """Header value, or ``""``."""


def parse_challenges(headers: Sequence[str]) -> list[Challenge]:
    """Parse every challenge of every ``WWW-Authenticate`` header; what cannot be read is left out."""
    found: list[Challenge] = []
    for header in headers:
        for item in parse_http_list(header):
            parameter = _PARAMETER.fullmatch(item)
            if parameter is None:
                opening = _OPENING.fullmatch(item)
                if opening is None:
                    continue
                found.append(Challenge(scheme=opening[1].lower(), parameters={}))
                parameter = _PARAMETER.fullmatch(opening[2] or "")
            if parameter is not None and found:
                found[-1].parameters[parameter[1].lower()] = _unquote(parameter[2])
    return found


class Authorizer:
    """Holds the answers to one repository's challenges. May be used from several threads."""

    def __init__(
        self,
        *,
        host: str,
        path: str,
        credentials: Callable[[], Credentials | None],
        fetch: Callable[[TokenRequest], dict[str, Any]],
        plain_allowed: Callable[[str], bool],
    ) -> None:
        self._host = host
        self._path = path
        self._find = credentials
        self._fetch = fetch
        self._plain_allowed = plain_allowed
        self._lock = threading.Lock()
        self._basic = ""
        self._tokens: dict[str, tuple[str, float]] = {}

    def header(self, actions: str) -> str:
        """Return the ``Authorization`` value for *actions* (``pull``, ``pull,push``), or ``""``.

        After a blank *actions* may name scopes of other repositories as well, whole:
        ``pull,push repository:team/other:pull``.
        """
        if self._basic:
            return self._basic
        token, until = self._tokens.get(actions, ("", 0.0))
        return f"Bearer {token}" if token and time.monotonic() < until else ""

    def answer(self, challenges: Sequence[Challenge], actions: str, refused: str) -> bool:
        """Try to have a new answer to *challenges*; ``False`` when there is none to give.

        Args:
            challenges: What the registry asked for.
            actions: What is to be done in the repository.
            refused: The ``Authorization`` value that the registry refused, or ``""``.

        Raises:
            ActionFailed: ``registry.unsafe-realm``, ``registry.token``, or the credential helper's.
            ConfigurationError: The credentials' own.
        """
        with self._lock:
            current = self.header(actions)
            if current and current != refused:
                return True  # another thread was here first
            for challenge in challenges:
                if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                    self._tokens[actions] = self._token(challenge, actions)
                    return self.header(actions) != refused
            if any(challenge.scheme == "basic" for challenge in challenges):
                credentials = self._find()
                if credentials is None or credentials.refresh:
                    return False
                self._basic = credentials.basic()
                return self._basic != refused
            return False

    def _token(self, challenge: Challenge, actions: str) -> tuple[str, float]:
        realm = challenge.parameters["realm"]
        self._check_realm(realm)
        credentials = self._find()
        scopes = challenge.parameters.get("scope", "").split()
        own, _, others = actions.partition(" ")
        if not scopes and own:
            scopes = [f"repository:{self._path}:{own}"]
        scopes += [scope for scope in others.split() if scope not in scopes]
        parameters = [("scope", scope) for scope in scopes]
        if service := challenge.parameters.get("service"):
            parameters.insert(0, ("service", service))
        if credentials is not None and credentials.refresh:
            request = TokenRequest(
                realm=realm,
                parameters=[
                    ("grant_type", "refresh_token"),
                    ("client_id", "sluiceway"),
                    ("service", challenge.parameters.get("service", "")),
                    ("scope", " ".join(scopes)),
                    ("refresh_token", credentials.secret),
                ],
                form=True,
                authorization="",
            )
        else:
            request = TokenRequest(
                realm=realm,
                parameters=parameters,
                form=False,
                authorization=credentials.basic() if credentials is not None else "",
            )
        answer = self._fetch(request)
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ActionFailed(
                f"the token server {_shown(realm)} of {self._host} did not give a token",
                code="registry.token",
            )
        lifetime = answer.get("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, int | float) else _SHORTEST_SECONDS
        return token, time.monotonic() + max(seconds, _SHORTEST_SECONDS) - _SPARE_SECONDS

    def _check_realm(self, realm: str) -> None:
        parts = urlsplit(realm)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.username is not None
            or (parts.scheme == "http" and not self._plain_allowed(parts.hostname))
        ):
            raise ActionFailed(
                f"{self._host} sends clients for tokens to {_shown(realm)}, which is not safe",
                means="Credentials go to https addresses only, so none were sent.",
                remedy="Have the registry's operator give an https realm.",
                code="registry.unsafe-realm",
            )


def _unquote(value: str) -> str:
    value = value.strip()
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def _shown(realm: str) -> str:
    parts = urlsplit(realm)
    return f"{parts.scheme}://{parts.hostname or '?'}{parts.path}"
