"""Names of repositories and tags (distribution-spec 1.1, "Pulling manifests")."""

from __future__ import annotations

import ipaddress
import re

from sluiceway.errors import UsageError
from sluiceway.model import check_digest
from sluiceway.record import Record

__all__ = [
    "Repository",
    "check_tag",
    "fallback_tag",
    "is_digest",
    "is_loopback",
    "parse_reference",
    "parse_repository",
]

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(
    rf"(?P<name>\[[0-9a-fA-F:.]+\]|{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>[0-9]{{1,5}}))?"
)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_LONGEST = 255
_LAST_PORT = 65535


class Repository(Record):
    """One repository of one registry."""

    host: str
    """``host`` or ``host:port``, as written."""
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"

    @property
    def hostname(self) -> str:
        """The host without port and without the brackets of an IPv6 address."""
        return _split(self.host)[0]

    @property
    def port(self) -> int | None:
        """The port as written, or ``None`` for the scheme's own."""
        return _split(self.host)[1]


def parse_repository(text: str) -> Repository:
    """Parse ``host[:port]/path``.

    The host is not optional: a short name would mean another registry to every tool.

    Raises:
        UsageError: ``repository.malformed``, also for a tag or digest at the end.
    """
    host, slash, path = text.partition("/")
    match = _HOST.fullmatch(host)
    named = match is not None and ("." in host or ":" in host or host == "localhost")
    port_is_real = match is not None and 0 < int(match["port"] or 1) <= _LAST_PORT
    if (
        not slash
        or not named
        or not port_is_real
        or len(text) > _LONGEST
        or not _PATH.fullmatch(path)
    ):
        raise UsageError(
            f"{text!r} is not a repository",
            means="A repository is host[:port]/path without a tag: a release is named by digest.",
            remedy="Write it like `127.0.0.1:5555/settlement`.",
            code="repository.malformed",
        )
    return Repository(host=host, path=path)


def parse_reference(text: str) -> tuple[Repository, str, str]:
    """Parse ``host[:port]/path[:tag][@digest]`` into repository, tag and digest.

    At least one of the two is there: no tag is ever supposed. The digest counts when both are.

    Raises:
        UsageError: ``repository.malformed``, ``tag.malformed``, ``digest.malformed``,
            ``reference.incomplete``.
    """
    named, at, digest = text.partition("@")
    host, slash, path = named.partition("/")
    path, colon, tag = path.partition(":")
    try:
        repository = parse_repository(f"{host}{slash}{path}")
    except UsageError as error:
        # Of a repository's own address it is said that it has no tag; here one is asked for.
        raise UsageError(
            error.what,
            means="An image is named with its registry: host[:port]/path, then :TAG or @sha256:...",
            remedy="Write it like `registry.example/team/app:production`.",
            code=error.code,
        ) from None
    if at:
        check_digest(digest)
    if colon:
        check_tag(tag)
    if not at and not colon:
        raise UsageError(
            f"{text!r} names no image, only where images are",
            remedy=f"Add a tag or a digest: {text}:TAG or {text}@sha256:...",
            code="reference.incomplete",
        )
    return repository, tag, digest


def check_tag(text: str) -> str:
    """Return *text* when it may be a tag; raise :class:`UsageError` (``tag.malformed``) if not."""
    if not _TAG.fullmatch(text):
        raise UsageError(
            f"{text!r} is not a tag",
            means="A tag has 1 to 128 letters, digits, '.', '_' and '-', not beginning with '.'"
            " or '-'.",
            code="tag.malformed",
        )
    return text


def is_digest(text: str) -> bool:
    """Say whether *text* is meant as a digest (no tag contains a colon)."""
    return ":" in text


def fallback_tag(digest: str) -> str:
    """Return the tag that lists the referrers of *digest* where a registry has no API for it.

    Source: distribution-spec 1.1, "Referrers Tag Schema".
    """
    return check_digest(digest).replace(":", "-")


def is_loopback(hostname: str) -> bool:
    """Say whether *hostname* never leaves this machine: 127.0.0.0/8, ``::1`` or ``localhost``."""
    if hostname.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def _split(host: str) -> tuple[str, int | None]:
    match = _HOST.fullmatch(host)
    if match is None:  # only by making the record past parse_repository
        return host, None
    return match["name"].strip("[]"), int(match["port"]) if match["port"] else None
