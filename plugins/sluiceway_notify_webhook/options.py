"""Where notices go, and which: read strictly, the address never repeated in a message."""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError
from sluiceway.model import Check, CheckStatus, Project
from sluiceway.record import Record, field

__all__ = ["FORMATS", "Options", "examine", "host_of", "is_loopback", "read_options"]

FORMATS = ("generic", "slack", "teams")
URL_VARIABLE = "ROLLBACK_WEBHOOK"
SECRET_VARIABLE = "SLUICEWAY_WEBHOOK_SECRET"  # noqa: S105 - a variable's name, not its value

_PLUGIN = "notify-webhook"
_DEFAULTS: Mapping[str, Any] = {
    "url": "",
    "kinds": [
        "rolled-back",
        "canary.started",
        "canary.step",
        "canary.verdict",
        "canary.passed",
        "promoted",
        "refused",
    ],
    "format": "generic",
    "timeout_seconds": 5.0,
}
_LONGEST_SECONDS = 60.0


class Options(Record):
    """The plugin's settings, checked."""

    url: str = field(repr=False)
    """The webhook's address, which is itself a secret; empty when there is none."""
    kinds: frozenset[str]
    format: str
    timeout_seconds: float
    secret: str = field(repr=False)
    """The key of the signature header; empty for none."""


def read_options(project: Project, settings: Mapping[str, Any]) -> Options:
    """Return the options; raise :class:`ConfigurationError` without ever quoting the address."""
    values = take(settings, _PLUGIN, _DEFAULTS)
    where = f"[plugins.{_PLUGIN}]"
    for kind in values["kinds"]:
        if not isinstance(kind, str):
            raise ConfigurationError(
                f"{where} kinds holds {kind!r}, which is not text", code="configuration.type"
            )
    if values["format"] not in FORMATS:
        raise ConfigurationError(
            f"{where} format is {values['format']!r}",
            remedy=f"Choose one of: {', '.join(FORMATS)}.",
            code="configuration.type",
        )
    if not 0 < values["timeout_seconds"] <= _LONGEST_SECONDS:
        raise ConfigurationError(
            f"{where} timeout_seconds is {values['timeout_seconds']:g}, which is not more than 0 "
            f"and at most {_LONGEST_SECONDS:g}",
            code="configuration.range",
        )
    url: str = values["url"] or project.environ.get(URL_VARIABLE, "").strip()
    if url:
        _check(url, f"{where} url" if values["url"] else URL_VARIABLE)
    return Options(
        url=url,
        kinds=frozenset(values["kinds"]),
        format=values["format"],
        timeout_seconds=values["timeout_seconds"],
        secret=project.environ.get(SECRET_VARIABLE, ""),
    )


def host_of(url: str) -> str:
    """Return scheme, host and port of *url*: what may be shown of it."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def is_loopback(url: str) -> bool:
    """Say whether *url* is of this machine."""
    host = urllib.parse.urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return ``invoke doctor``'s line."""
    try:
        options = read_options(project, settings)
    except ConfigurationError as error:
        return (
            Check(name=_PLUGIN, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),
        )
    if not options.url:
        detail = f"no webhook is set ({URL_VARIABLE}); nothing is sent"
        return (Check(name=_PLUGIN, status=CheckStatus.OK, detail=detail),)
    if settings.get("url"):
        return (
            Check(
                name=_PLUGIN,
                status=CheckStatus.WARN,
                detail=f"the webhook of {host_of(options.url)} is written in the configuration",
                remedy=f"Its address is a secret: keep it in {URL_VARIABLE}.",
            ),
        )
    signed = "signed" if options.secret else f"not signed ({SECRET_VARIABLE} is not set)"
    detail = f"{options.format} messages to {host_of(options.url)}, {signed}"
    return (Check(name=_PLUGIN, status=CheckStatus.OK, detail=detail),)


def _check(url: str, where: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(
            f"{where} is not the address of a webhook",
            remedy="Write it whole: https://host/path.",
            code="notify.url",
        )
    if parts.scheme == "http" and not is_loopback(url):
        raise ConfigurationError(
            f"{where} is an address without encryption ({host_of(url)})",
            means="Everyone on the way could read and change what is told, and learn the address.",
            remedy="Use https://; http:// is for this machine only.",
            code="notify.url",
        )
