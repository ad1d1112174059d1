"""The policy engine that is an OPA server: a sidecar, or one for everybody, over TLS."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, CheckStatus, Project
from sluiceway.policy.builtins import OPA_LINE
from sluiceway.policy.engine import PolicyEngine

if TYPE_CHECKING:
    from sluiceway_policy_server.client import Address
    from sluiceway_policy_server.engine import ServerEngine

__all__ = ["TOKEN", "sluiceway_doctor", "sluiceway_policy_engine"]

TOKEN = "SLUICEWAY_OPA_TOKEN"  # noqa: S105 - the name of the variable, not what is in it
"""The environment variable with the server's bearer token."""

_NAME = "policy-server"
_DEFAULTS: Mapping[str, Any] = {
    "url": "",
    "ca_file": "",
    "client_certificate": "",
    "client_key": "",
    "timeout_seconds": 5.0,
    "retries": 2,
    "reread_seconds": 0.0,
    "opa_version": OPA_LINE,
}
_RANGES: Mapping[str, tuple[float, float]] = {
    "timeout_seconds": (0.1, 600),
    "retries": (0, 10),
    "reread_seconds": (0, 3600),
}
_DOCTOR_SECONDS = 1.5
_DEFAULT_PORTS = {"http": 80, "https": 443}


@hookimpl
def sluiceway_policy_engine(project: Project, settings: Mapping[str, Any]) -> PolicyEngine | None:
    """Return the engine, or ``None`` when no server is configured. Connects to nothing yet."""
    return _engine(project, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Ask the server for its version."""
    from sluiceway.policy.engine import EngineError

    engine = _engine(project, settings, at_most=_DOCTOR_SECONDS)
    if engine is None:
        detail = f"not configured: no url in [plugins.{_NAME}]"
        return [Check(name=_NAME, status=CheckStatus.OK, detail=detail)]
    try:
        version = engine.version
    except EngineError as error:
        return [Check(name=_NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)]
    finally:
        engine.close()
    detail = f"{version} answers at {settings['url']}"
    return [Check(name=_NAME, status=CheckStatus.OK, detail=detail)]


def _engine(
    project: Project, settings: Mapping[str, Any], *, at_most: float = 0
) -> ServerEngine | None:
    chosen = take(settings, _NAME, _DEFAULTS)
    for key, (low, high) in _RANGES.items():
        if not low <= chosen[key] <= high:
            raise ConfigurationError(
                f"[plugins.{_NAME}] {key} is {chosen[key]:g}, which is not from {low:g} to {high:g}",
                remedy=f"Leave it out for the default of {_DEFAULTS[key]:g}.",
                code="configuration.range",
            )
    if not chosen["url"]:
        return None
    from sluiceway_policy_server.client import Connection
    from sluiceway_policy_server.engine import ServerEngine

    timeout = chosen["timeout_seconds"]
    connection = Connection(
        _address(chosen["url"]),
        token=_token(project.environ.get(TOKEN, "")),
        authority=_file(project, chosen, "ca_file"),
        certificate=_certificate(project, chosen),
        timeout_seconds=min(timeout, at_most) if at_most else timeout,
        retries=0 if at_most else chosen["retries"],
    )
    return ServerEngine(
        connection, reread_seconds=chosen["reread_seconds"], opa_version=chosen["opa_version"]
    )


def _address(url: str) -> Address:
    """Read the server's address: TLS, or something that does not leave this machine."""
    from sluiceway_policy_server.client import Address

    if "@" in url:
        raise ConfigurationError(
            f"url in [plugins.{_NAME}] contains a user name or a password",
            means="It would be shown in messages, so it is not used (nor shown here).",
            remedy=f"Put a bearer token into {TOKEN}, and the address alone into url.",
            code="configuration.secret",
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _no_address(url, str(error)) from error
    if parts.query or parts.fragment:
        raise _no_address(url, "it has more than an address")
    if parts.scheme == "unix" and not parts.netloc and len(parts.path) > 1:
        return Address(url=url, host="localhost", port=80, tls=False, socket=parts.path)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise _no_address(url, "it is not https://host:port, http://127.0.0.1:port or unix:///path")
    if parts.path.strip("/"):
        raise _no_address(url, "OPA's API is at the root of a server, not below a path")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise ConfigurationError(
            f"url in [plugins.{_NAME}] is {url!r}: http to another machine",
            means="Anybody on the way could change the decision.",
            remedy="Use https, or a sidecar on 127.0.0.1.",
            code="configuration.insecure",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    tls = parts.scheme == "https"
    chosen = _DEFAULT_PORTS[parts.scheme] if port is None else port
    return Address(url=url, host=host, port=chosen, tls=tls, socket="")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_address(url: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"url in [plugins.{_NAME}] is {url!r}: {why}",
        remedy='For example url = "https://opa.example.org:8181".',
        code="configuration.type",
    )


def _token(token: str) -> str:
    """Return the token when it can stand in a header; a message must not show it otherwise."""
    if not token.isprintable() or not token.isascii() or " " in token:
        raise ConfigurationError(
            f"{TOKEN} contains a blank, a line break or a letter that a header cannot carry",
            remedy="Set it to the token alone, without a line break behind it.",
            code="configuration.secret",
        )
    return token


def _file(project: Project, chosen: Mapping[str, Any], key: str) -> Path | None:
    if not chosen[key]:
        return None
    path: Path = project.root / chosen[key]
    if not path.is_file():
        raise ConfigurationError(
            f"[plugins.{_NAME}] {key} names {path}, which is not a file",
            remedy="Correct the path; it is relative to sluiceway.toml.",
            code="configuration.missing",
        )
    return path


def _certificate(project: Project, chosen: Mapping[str, Any]) -> tuple[Path, Path] | None:
    certificate = _file(project, chosen, "client_certificate")
    key = _file(project, chosen, "client_key")
    if (certificate is None) != (key is None):
        raise ConfigurationError(
            f"[plugins.{_NAME}] has only one of client_certificate and client_key",
            remedy="Name both files, or neither.",
            code="configuration.missing-key",
        )
    return (certificate, key) if certificate is not None and key is not None else None
