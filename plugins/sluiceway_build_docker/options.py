"""The plugin's settings, checked. What may be read from an image's history is no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError
from sluiceway.process import SECRET_NAMES

__all__ = ["PLUGIN", "Options", "options"]

PLUGIN = "build-docker"

_BUILDERS = ("auto", "engine", "buildx")
_PULL = ("missing", "always")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]*")
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(
    r"PASS(WORD|WD|PHRASE)?(_|$)|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|(^|_)KEY$"
    r"|(^|_)AUTH$",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 4
"""Characters; a shorter value occurs by chance (see ``sluiceway.process``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[plugins.build-docker]`` says."""

    builder: str
    host: str
    buildx_builder: str
    platform: str
    target: str
    pull: str
    network: str
    cache: bool
    timeout_seconds: float
    args: Mapping[str, str]


def options(settings: Mapping[str, Any], environ: Mapping[str, str]) -> Options:
    """Read and check the settings.

    Raises:
        ConfigurationError: ``configuration.unknown-key``, ``configuration.type``,
            ``configuration.range``, ``build.platform``, ``build.secret-argument``.
    """
    taken = take(
        settings,
        PLUGIN,
        {
            "builder": "auto",
            "host": "",
            "buildx_builder": "",
            "platform": "",
            "target": "",
            "pull": "missing",
            "network": "",
            "cache": True,
            "timeout_seconds": 1800.0,
            "args": {},
        },
    )
    _one_of(taken, "builder", _BUILDERS)
    _one_of(taken, "pull", _PULL)
    for key in ("buildx_builder", "target", "network"):
        # They become arguments of a program: none of them may be taken for an option.
        if taken[key] and not _WORD.fullmatch(taken[key]):
            raise _wrong(key, taken[key], "is not a name")
    if taken["platform"] and not _PLATFORM.fullmatch(taken["platform"]):
        raise ConfigurationError(
            f"[plugins.{PLUGIN}] platform is {taken['platform']!r}, which is not a platform",
            means="One release is one image for one platform.",
            remedy="Write it like linux/amd64.",
            code="build.platform",
        )
    if not 1 <= taken["timeout_seconds"] <= 24 * 3600:
        raise _wrong("timeout_seconds", taken["timeout_seconds"], "is not from 1 to 86400")
    _check_arguments(taken["args"], environ)
    return Options(**taken)


def _check_arguments(arguments: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    secrets = {
        environ[name] for name in SECRET_NAMES if len(environ.get(name, "")) >= _SHORTEST_SECRET
    }
    for name, value in arguments.items():
        where = f"[plugins.{PLUGIN}.args] {name}"
        if not _ARGUMENT.fullmatch(name):
            raise ConfigurationError(
                f"{where}: that is not the name of a build argument", code="configuration.type"
            )
        if not isinstance(value, str):
            raise ConfigurationError(
                f"{where} is {value!r}, which is not text",
                remedy=f'Write it as {name} = "{value}".',
                code="configuration.type",
            )
        if _SECRET.search(name) or any(secret in value for secret in secrets):
            raise ConfigurationError(
                f"{where} looks like a secret",
                means="A build argument is kept in the image's history and seen in the process "
                "list: whoever may pull the image can read it.",
                remedy="Leave it out, and give the secret to the running service in its "
                "environment. If it is none, call it by another name.",
                code="build.secret-argument",
            )


def _one_of(taken: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> None:
    if taken[key] not in allowed:
        raise _wrong(key, taken[key], f"is not one of {', '.join(allowed)}")


def _wrong(key: str, value: object, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"[plugins.{PLUGIN}] {key} is {value!r}, which {reason}", code="configuration.range"
    )
