"""The plugin's settings, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.config.build_settings import (
    check_arguments,
    check_choice,
    check_name,
    check_platform,
    check_seconds,
)
from sluiceway.config.settings import take
from sluiceway.record import Record

__all__ = ["PLUGIN", "Options", "options"]

PLUGIN = "build-docker"

_BUILDERS = ("auto", "engine", "buildx")
_PULL = ("missing", "always")


class Options(Record):
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
    check_choice(PLUGIN, "builder", taken["builder"], _BUILDERS)
    check_choice(PLUGIN, "pull", taken["pull"], _PULL)
    for key in ("buildx_builder", "target", "network"):
        check_name(PLUGIN, key, taken[key])
    check_platform(PLUGIN, taken["platform"])
    check_seconds(PLUGIN, "timeout_seconds", taken["timeout_seconds"])
    check_arguments(PLUGIN, taken["args"], environ)
    return Options(**taken)
