"""Where a registry's user name and password come from. Looked up only when a registry asks."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway import process
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.record import Record, field

__all__ = ["Credentials", "check_environ", "docker_config_path", "find_credentials", "host_of"]

_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HELPER_SECONDS = 10.0
_LONGEST_CONFIG = 1024 * 1024
_TOKEN_USER = "<token>"  # noqa: S105 - docker's marker that the secret is a refresh token
_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


class Credentials(Record):
    """What proves who pushes. The secret is never shown."""

    username: str
    secret: str = field(repr=False)
    origin: str
    """Where they were found, for messages."""
    refresh: bool = False
    """The secret is an OAuth refresh token and not a password."""

    def basic(self) -> str:
        """Return the value of a Basic ``Authorization`` header (RFC 7617)."""
        pair = f"{self.username}:{self.secret}".encode()
        return "Basic " + base64.b64encode(pair).decode()


def find_credentials(host: str, environ: Mapping[str, str]) -> Credentials | None:
    """Return the credentials for the registry at *host* (``host[:port]``), or ``None``.

    First ``REGISTRY_USERNAME`` and ``REGISTRY_PASSWORD``, unless ``REGISTRY_URL`` says that they
    belong to another host; then docker's ``config.json``: ``credHelpers``, ``credsStore`` and
    ``auths``, in docker's own order.

    Raises:
        ConfigurationError: Half a pair, or a ``config.json`` that cannot be read.
        ActionFailed: A credential helper is missing or fails.
    """
    check_environ(environ)
    home = host_of(environ.get("REGISTRY_URL", ""))
    if environ.get("REGISTRY_USERNAME") and home in {"", host.lower()}:
        return Credentials(
            username=environ["REGISTRY_USERNAME"],
            secret=environ["REGISTRY_PASSWORD"],
            origin="REGISTRY_USERNAME and REGISTRY_PASSWORD",
        )
    path = docker_config_path(environ)
    if path is None or not path.is_file():
        return None
    return _from_docker_config(_read(path), path, host, environ)


def check_environ(environ: Mapping[str, str]) -> None:
    """Raise :class:`ConfigurationError` when only one half of the pair is set."""
    have = {name: bool(environ.get(name)) for name in ("REGISTRY_USERNAME", "REGISTRY_PASSWORD")}
    if len(set(have.values())) == 1:
        return
    present, absent = sorted(have, key=lambda name: not have[name])
    raise ConfigurationError(
        f"{present} is set but {absent} is not",
        means="Half a pair would be a silent change to anonymous access, so it is refused.",
        remedy=f"Set {absent} as well, or neither.",
        code="registry.credentials",
    )


def docker_config_path(environ: Mapping[str, str]) -> Path | None:
    """Return where docker would keep its ``config.json``; ``None`` without a home folder."""
    if folder := environ.get("DOCKER_CONFIG"):
        return Path(folder) / "config.json"
    if home := environ.get("HOME"):
        return Path(home) / ".docker" / "config.json"
    return None


def host_of(address: str) -> str:
    """Return ``host[:port]`` of ``https://host:port/v2/`` or ``host:port/path``, in lower case."""
    return re.sub(r"^[a-z]+://", "", address.lower()).partition("/")[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as source:
            document = json.loads(source.read(_LONGEST_CONFIG))
    except (OSError, ValueError) as error:
        raise _unusable(path, "it cannot be read as JSON") from error
    if not isinstance(document, dict):
        raise _unusable(path, "it is not a JSON object")
    return document


def _from_docker_config(
    document: Mapping[str, Any], path: Path, host: str, environ: Mapping[str, str]
) -> Credentials | None:
    wanted = {host.lower()}
    if host.lower() in _DOCKER_HUB:
        wanted.update(_DOCKER_HUB)
    helpers = document.get("credHelpers") or {}
    if not isinstance(helpers, dict):
        raise _unusable(path, "its credHelpers is not an object")
    for key, helper in helpers.items():
        if host_of(key) in wanted:
            return _ask_helper(str(helper), key, path, environ)
    if store := document.get("credsStore"):
        key = "https://index.docker.io/v1/" if host.lower() in _DOCKER_HUB else host
        found = _ask_helper(str(store), key, path, environ)
        if found is not None:
            return found
    auths = document.get("auths") or {}
    if not isinstance(auths, dict):
        raise _unusable(path, "its auths is not an object")
    for key, entry in auths.items():
        if host_of(key) in wanted and isinstance(entry, dict):
            found = _from_entry(entry, key, path)
            if found is not None:
                return found
    return None


def _from_entry(entry: Mapping[str, Any], key: str, path: Path) -> Credentials | None:
    origin = f"{path}, auths[{key!r}]"
    if token := entry.get("identitytoken"):
        return Credentials(username=_TOKEN_USER, secret=str(token), origin=origin, refresh=True)
    if auth := entry.get("auth"):
        try:
            pair = base64.b64decode(str(auth), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            # Without a chain: the decoder's message could quote what it could not decode.
            raise _unusable(path, f"the entry {key!r} is not base64") from None
        username, colon, secret = pair.partition(":")
        if not colon:
            raise _unusable(path, f"the entry {key!r} is not user:password")
        return Credentials(username=username, secret=secret.rstrip("\0"), origin=origin)
    if entry.get("username") and entry.get("password"):
        return Credentials(
            username=str(entry["username"]), secret=str(entry["password"]), origin=origin
        )
    return None


def _ask_helper(
    helper: str, key: str, path: Path, environ: Mapping[str, str]
) -> Credentials | None:
    """Run ``docker-credential-<helper> get`` (docker-credential-helpers protocol)."""
    if not _HELPER.fullmatch(helper):
        raise _unusable(path, f"the credential helper {helper!r} is not a program's name")
    program = f"docker-credential-{helper}"
    done = process.run(
        [program, "get"],
        timeout=_HELPER_SECONDS,
        env=environ,
        stdin=key.encode(),
        check=False,  # what it printed may be a secret: it must not get into a message
    )
    if done.code != 0:
        if "credentials not found" in done.stdout + done.stderr:
            return None
        raise ActionFailed(
            f"{program} ended with code {done.code} for {key!r}",
            means="Access was not tried without the credentials that the helper should give.",
            remedy=f"Try `echo {key} | {program} get` yourself, or take it out of {path}.",
            code="registry.credential-helper",
        )
    try:
        answer = json.loads(done.stdout)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise ActionFailed(
            f"{program} did not answer with Username and Secret for {key!r}",
            code="registry.credential-helper",
        ) from None
    return Credentials(
        username=username, secret=secret, origin=program, refresh=username == _TOKEN_USER
    )


def _unusable(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be used for registry credentials: {reason}",
        remedy="Correct it with `docker login`, or set REGISTRY_USERNAME and REGISTRY_PASSWORD.",
        code="registry.docker-config",
    )
