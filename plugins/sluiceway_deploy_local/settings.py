"""What may be said in ``[plugins.deploy-local]`` and in an environment, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sluiceway.config.settings import take, typed, unknown_keys
from sluiceway.errors import ConfigurationError
from sluiceway.model import Environment
from sluiceway.record import Record, field
from sluiceway_deploy_local.exchange import Limits
from sluiceway_deploy_local.sticky import Sticky

__all__ = ["DEFAULTS", "NAME", "Place", "Settings", "inherited", "place", "read"]

NAME = "deploy-local"

DEFAULTS: Mapping[str, Any] = {
    "pass_environment": [],
    "log_bytes": 1024 * 1024,
    "stop_seconds": 5.0,
    "idle_exit_seconds": 30.0,
    "image_bytes": 2 * 1024**3,
    "metrics_port": 0,
    "header_seconds": 10.0,
    "idle_seconds": 75.0,
    "body_seconds": 30.0,
    "response_seconds": 60.0,
    "body_bytes": 64 * 1024 * 1024,
}
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR")
_INHERITED_PREFIXES = ("LC_", "FF_")
_KEYS_OF_THE_PIPELINE = ("COSIGN_PRIVATE_KEY", "COSIGN_PASSWORD", "REGISTRY_PASSWORD")
_LARGEST_PORT = 65535


class Settings(Record):
    """The plugin's own settings, complete."""

    pass_environment: tuple[str, ...] = ()
    """Further variables that a service is given; their values are never stored."""
    log_bytes: int = 1024 * 1024
    """A log longer than this is rotated; one older file is kept."""
    stop_seconds: float = 5.0
    """From SIGTERM to SIGKILL."""
    idle_exit_seconds: float = 30.0
    """How long the supervisor stays when it has nothing to look after."""
    image_bytes: int = 2 * 1024**3
    """Most bytes that an image's layers may unpack to."""
    metrics_port: int = 0
    """Where Prometheus may read on loopback; 0 for nowhere."""
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> dict[str, Any]:
        """Return JSON data that :meth:`from_json` understands."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """Return the settings that *data* describes."""
        values = dict(data)
        values["pass_environment"] = tuple(values["pass_environment"])
        values["limits"] = Limits(**values["limits"])
        return cls(**values)


class Place(Record):
    """What an environment says to this deployer."""

    port: int
    """Where its route listens on loopback; 0 for any."""
    env: dict[str, str]
    """Variables for the service, over the image's own."""
    sticky: str | None = None
    """``cookie:NAME`` or ``header:NAME``; empty for none, ``None`` where nothing is said."""


def read(settings: Mapping[str, Any], plugin: str = NAME) -> Settings:
    """Return the checked ``[plugins.<plugin>]`` or raise :class:`ConfigurationError`."""
    values = take(settings, plugin, DEFAULTS)
    for key in DEFAULTS:
        if key not in ("pass_environment", "metrics_port") and values[key] <= 0:
            raise ConfigurationError(
                f"[plugins.{plugin}] {key} is {values[key]:g}, which is not above 0",
                code="configuration.range",
            )
    if not 0 <= values["metrics_port"] <= _LARGEST_PORT:
        raise ConfigurationError(
            f"[plugins.{plugin}] metrics_port is {values['metrics_port']}, which is not from 0 (none) "
            f"to {_LARGEST_PORT}",
            code="configuration.range",
        )
    names = values["pass_environment"]
    for name in names:
        if not isinstance(name, str) or not name or "=" in name:
            raise ConfigurationError(
                f"[plugins.{plugin}] pass_environment holds {name!r}, which is no variable's name",
                remedy='Write names: pass_environment = ["DATABASE_URL"]',
                code="configuration.type",
            )
        if name in _KEYS_OF_THE_PIPELINE:
            raise ConfigurationError(
                f"[plugins.{plugin}] pass_environment names {name}",
                means="A service that holds the pipeline's own key could sign as the pipeline.",
                remedy="Take it out of the list.",
                code="configuration.secret",
            )
    return Settings(
        pass_environment=tuple(names),
        log_bytes=values["log_bytes"],
        stop_seconds=values["stop_seconds"],
        idle_exit_seconds=values["idle_exit_seconds"],
        image_bytes=values["image_bytes"],
        metrics_port=values["metrics_port"],
        limits=Limits(
            header_seconds=values["header_seconds"],
            idle_seconds=values["idle_seconds"],
            body_seconds=values["body_seconds"],
            response_seconds=values["response_seconds"],
            body_bytes=values["body_bytes"],
        ),
    )


def place(environment: Environment) -> Place:
    """Return what *environment* says to this deployer or raise :class:`ConfigurationError`."""
    where = f"[environments.{environment.name}]"
    unknown_keys(environment.settings, ("port", "env", "sticky"), where)
    port = typed(environment.settings.get("port", 0), 0, f"{where} port")
    if not 0 <= port <= _LARGEST_PORT:
        raise ConfigurationError(
            f"{where} port is {port}, which is not from 0 (any) to {_LARGEST_PORT}",
            code="configuration.range",
        )
    table = typed(environment.settings.get("env", {}), {}, f"{where} env")
    env = {}
    for name, value in table.items():
        if isinstance(value, dict | list) or not name or "=" in name or "\0" in f"{name}{value}":
            raise ConfigurationError(
                f"{where} env.{name} is no environment variable",
                remedy='Write names and text: env = { LOG_LEVEL = "info" }',
                code="configuration.type",
            )
        env[name] = str(value).lower() if isinstance(value, bool) else str(value)
    sticky = environment.settings.get("sticky")
    if sticky is not None and not (isinstance(sticky, str) and (not sticky or Sticky.of(sticky))):
        raise ConfigurationError(
            f"{where} sticky is {sticky!r}, which names neither a cookie nor a header",
            remedy='Write sticky = "cookie:session" or sticky = "header:X-User".',
            code="configuration.type",
        )
    return Place(port=port, env=env, sticky=sticky)


def inherited(environ: Mapping[str, str], extra: tuple[str, ...]) -> dict[str, str]:
    """Return what of *environ* a service is given: an allow-list, flags, and the names in *extra*."""
    return {
        name: value
        for name, value in environ.items()
        if name in _INHERITED or name in extra or name.startswith(_INHERITED_PREFIXES)
    }
