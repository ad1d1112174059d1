"""What the settings of builders have in common, checked in one way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.process import SECRET_NAMES

__all__ = ["check_arguments", "check_choice", "check_name", "check_platform", "check_seconds"]

_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]*")
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(
    r"PASS(WORD|WD|PHRASE)?(_|$)|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|(^|_)KEY$"
    r"|(^|_)AUTH$",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 4
"""Characters; a shorter value occurs by chance (see ``sluiceway.process``)."""
_LONGEST_SECONDS = 24 * 3600


def check_choice(plugin: str, key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ``configuration.range`` unless *value* is one of *allowed*."""
    if value not in allowed:
        raise _wrong(plugin, key, value, f"is not one of {', '.join(allowed)}")


def check_name(plugin: str, key: str, value: str) -> None:
    """Raise ``configuration.range`` when *value* is not empty and could be taken for an option."""
    if value and not _NAME.fullmatch(value):
        raise _wrong(plugin, key, value, "is not a name")


def check_seconds(plugin: str, key: str, value: float) -> None:
    """Raise ``configuration.range`` unless *value* is from a second to a day."""
    if not 1 <= value <= _LONGEST_SECONDS:
        raise _wrong(plugin, key, value, f"is not from 1 to {_LONGEST_SECONDS}")


def check_platform(plugin: str, value: str) -> None:
    """Raise ``build.platform`` when *value* is not empty and not one platform."""
    if value and not _PLATFORM.fullmatch(value):
        raise ConfigurationError(
            f"[plugins.{plugin}] platform is {value!r}, which is not a platform",
            means="One release is one image for one platform.",
            remedy="Write it like linux/amd64.",
            code="build.platform",
        )


def check_arguments(plugin: str, arguments: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Raise unless every build argument is a text under a proper name, and none is a secret.

    Raises:
        ConfigurationError: ``configuration.type``, ``build.secret-argument``.
    """
    secrets = {
        environ[name] for name in SECRET_NAMES if len(environ.get(name, "")) >= _SHORTEST_SECRET
    }
    for name, value in arguments.items():
        where = f"[plugins.{plugin}.args] {name}"
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


def _wrong(plugin: str, key: str, value: object, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"[plugins.{plugin}] {key} is {value!r}, which {reason}", code="configuration.range"
    )
