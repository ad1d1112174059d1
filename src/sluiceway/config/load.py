"""``sluiceway.toml`` to :class:`Config`. Unknown keys and wrong types are refused by name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from sluiceway.config.addresses import (
    own_repository,
    pinned_policies,
    service_repository,
    source_address,
)
from sluiceway.config.blue_green import SOAK, soak_limits
from sluiceway.config.canary import CANARY, canary_limits
from sluiceway.config.migrations import migrations
from sluiceway.config.model import Config, DeployTimes, Summary
from sluiceway.config.settings import typed, unknown_keys
from sluiceway.errors import ConfigurationError
from sluiceway.model import CanaryLimits, Environment, Strategy, Waiver, check_digest
from sluiceway.pipeline import STAGES

__all__ = ["FILE_NAME", "bare", "find", "load"]

FILE_NAME = "sluiceway.toml"

_TABLES: Mapping[str, Mapping[str, Any]] = {
    "service": {
        "name": "",
        "repository": "",
        "dockerfile": "Dockerfile",
        "context": ".",
        "version_file": "",
        "source": "",
    },
    "policy": {
        "path": "",
        "bundle": "",
        "digest": "",
        "data": [],
        "verification_summary": "if-possible",
    },
    "canary": CANARY,
    "blue_green": SOAK,
    "identity": {"rehearsal": False},
    "state": {"folder": ".sluiceway", "lease_seconds": 30.0},
}
_OTHER_TABLES = ("stages", "plugins", "environments", "waivers", "migrations")
_ENVIRONMENT: Mapping[str, Any] = {
    "strategy": "replace",
    "route": "",
    "repository": "",
    "ready_seconds": 30.0,
    "drain_seconds": 10.0,
    "port": 0,
    "env": {},
    "deploy": {},
}
_WAIVER: Mapping[str, Any] = {
    "code": "",
    "reason": "",
    "owner": "",
    "expires": None,
    "environment": "",
    "digest": "",
    "package": "",
}
_DEFAULT_ENVIRONMENTS: Mapping[str, Mapping[str, Any]] = {
    "dev": {},
    "staging": {},
    "canary": {"strategy": "canary", "route": "production"},
    "production": {},
}
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
_TAKEN = ("build", "source-", "pushed", "sha256-")
"""How the tags begin that builds, builders and signatures use."""
_LONGEST = 86400
"""No deployment waits longer than a day, in seconds."""
_AUTO = "auto"
"""In ``[stages]``: what a stage that several plugins may serve does when nothing is said."""


def find(start: Path) -> Path:
    """Return the ``sluiceway.toml`` in *start* or the nearest folder above it."""
    for folder in (start, *start.parents):
        candidate = folder / FILE_NAME
        if candidate.is_file():
            return candidate
    raise ConfigurationError(
        f"there is no {FILE_NAME} in {start} or above it",
        means="A service is described by that file.",
        remedy="Go to the service's folder, or see `docs/getting-started.md` for one to start from.",
        code="configuration.missing",
    )


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read and check *path*.

    Args:
        path: The ``sluiceway.toml``.
        environ: ``REGISTRY_URL`` overrides the registry part of the repository and
            ``SLUICEWAY_STATE`` the state folder.

    Raises:
        ConfigurationError: With the file, the table and the key, and the nearest right name.
    """
    path = path.resolve()
    return _checked(_read(path), path, environ)


def bare(root: Path, environ: Mapping[str, str]) -> Config:
    """Return the defaults for work that needs no service, such as testing a folder of policies."""
    return _checked({"service": {"name": "none"}}, root.resolve() / FILE_NAME, environ)


def _checked(document: Mapping[str, Any], path: Path, environ: Mapping[str, str]) -> Config:
    unknown_keys(document, (*_TABLES, *_OTHER_TABLES), path.name)
    for name in _OTHER_TABLES:
        kind: type = list if name == "waivers" else dict
        if not isinstance(document.get(name, kind()), kind):
            raise ConfigurationError(
                f"{path.name}: {name!r} must be {'a list of tables' if kind is list else 'a table'}",
                remedy=f"Write it as {'[[waivers]]' if kind is list else f'[{name}]'}.",
                code="configuration.type",
            )
    origins: dict[str, str] = {}
    tables = {name: _table(document, name, path, origins) for name in _TABLES}
    root = path.parent
    service = _service_name(tables["service"]["name"], path)
    state = tables["state"]
    folder = environ.get("SLUICEWAY_STATE", "")
    if folder:
        origins["state.folder"] = "environment SLUICEWAY_STATE"
    lease = float(state["lease_seconds"])
    if not 1 <= lease <= 3600:  # noqa: PLR2004 - the bounds are in the message
        raise ConfigurationError(
            f"[state] lease_seconds is {lease:g}, which is not from 1 to 3600",
            code="configuration.range",
        )
    environments, times = _environments(document.get("environments", {}), path, origins)
    bundle, pin = pinned_policies(tables["policy"])
    canary = _canary(tables["canary"], path, origins)
    return Config(
        path=path,
        service=service,
        repository=service_repository(tables["service"]["repository"], service, environ, origins),
        dockerfile=root / tables["service"]["dockerfile"],
        context=root / tables["service"]["context"],
        version_file=root / tables["service"]["version_file"]
        if tables["service"]["version_file"]
        else None,
        source=source_address(tables["service"]["source"]),
        stages=_stages(document.get("stages", {}), origins, path),
        plugins=_plugins(document.get("plugins", {})),
        policy_path=root / tables["policy"]["path"] if tables["policy"]["path"] else None,
        policy_bundle=bundle,
        policy_digest=pin,
        policy_data=_policy_data(tables["policy"]["data"], root),
        summary=_summary(tables["policy"]["verification_summary"], path),
        environments=environments,
        times=times,
        canary=canary,
        soak=soak_limits(tables["blue_green"], canary),
        waivers=tuple(
            _waiver(table, index) for index, table in enumerate(document.get("waivers", []), 1)
        ),
        rehearsal=tables["identity"]["rehearsal"],
        state=(Path(folder) if folder else root / state["folder"]).resolve(),
        lease_seconds=lease,
        migrations=migrations(document, path, origins),
        origins=origins,
    )


def _canary(table: Mapping[str, Any], path: Path, origins: Mapping[str, str]) -> CanaryLimits:
    if {"canary.traffic_percent", "canary.steps"} <= origins.keys() and table["steps"]:
        raise ConfigurationError(
            f"{path.name} [canary] has both traffic_percent and steps",
            means="The first is the one weight of a canary without steps.",
            remedy="Take one of them out; the first step takes the place of traffic_percent.",
            code="configuration.contradiction",
        )
    return canary_limits(table)


def _read(path: Path) -> dict[str, Any]:
    try:
        # Some editors begin a file with a mark of its byte order; it is no part of it.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {path}: {error.strerror}", code="configuration.missing"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} is not valid TOML: {error}",
            remedy="Correct the line that the message names.",
            code="configuration.syntax",
        ) from error


def _table(
    document: Mapping[str, Any], name: str, path: Path, origins: dict[str, str]
) -> dict[str, Any]:
    known = _TABLES[name]
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError(
            f"{path.name}: {name!r} must be a table, [{name}]", code="configuration.type"
        )
    where = f"{path.name} [{name}]"
    unknown_keys(table, known, where)
    origins.update({f"{name}.{key}": path.name for key in table})
    return {
        key: typed(table[key], default, f"{where} {key}") if key in table else default
        for key, default in known.items()
    }


def _service_name(name: str, path: Path) -> str:
    if not name:
        raise ConfigurationError(
            f"{path.name} does not say which service this is",
            remedy='Add at its top:\n[service]\nname = "my-service"',
            code="configuration.missing-key",
        )
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"[service] name is {name!r}",
            means="It becomes part of image repositories, so lower-case letters, digits, '.', '_' "
            "and '-' are allowed, beginning and ending with a letter or digit.",
            code="configuration.type",
        )
    return name


def _stages(
    table: Mapping[str, Any], origins: dict[str, str], path: Path
) -> dict[str, tuple[str, ...]]:
    by_kind = {stage.kind: stage for stage in STAGES}
    unknown_keys(table, by_kind, f"{path.name} [stages]")
    chosen: dict[str, tuple[str, ...]] = {}
    for kind, stage in by_kind.items():
        names: tuple[str, ...] = stage.default
        if kind in table:
            origins[f"stages.{kind}"] = path.name
            value = table[kind]
            if stage.many and value == _AUTO:
                value = list(stage.default)
            names = tuple(value) if isinstance(value, list) else (value,)
            if not all(isinstance(name, str) and name for name in names):
                raise ConfigurationError(
                    f"[stages] {kind} is {value!r}, which is not a plugin's name"
                    + (" or a list of names" if stage.many else ""),
                    code="configuration.type",
                )
            if not stage.many and len(names) != 1:
                raise ConfigurationError(
                    f"[stages] {kind} names {len(names)} plugins, and exactly one can serve it",
                    code="configuration.type",
                )
        chosen[kind] = tuple(f"{kind}-{name}" for name in names)
    return chosen


def _plugins(table: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    for name, settings in table.items():
        if not isinstance(settings, dict):
            raise ConfigurationError(
                f"[plugins] {name} must be a table, [plugins.{name}]", code="configuration.type"
            )
    return dict(table)


def _summary(word: str, path: Path) -> Summary:
    try:
        return Summary(word)
    except ValueError:
        raise ConfigurationError(
            f"{path.name} [policy] verification_summary is {word!r}",
            remedy=f"Choose one of: {', '.join(Summary)}.",
            code="configuration.type",
        ) from None


def _policy_data(files: list[Any], root: Path) -> tuple[Path, ...]:
    paths = []
    for name in files:
        path = root / str(name)
        if not path.is_file():
            raise ConfigurationError(
                f"[policy] data names {name!r}, and there is no file {path}",
                means="Without it people would have other rights than you meant.",
                remedy="Create the file or correct its name.",
                code="configuration.missing-file",
            )
        paths.append(path)
    return tuple(paths)


def _environments(
    tables: Mapping[str, Any], path: Path, origins: dict[str, str]
) -> tuple[tuple[Environment, ...], dict[str, DeployTimes]]:
    tables = tables or _DEFAULT_ENVIRONMENTS
    environments: list[Environment] = []
    times: dict[str, DeployTimes] = {}
    for name, table in tables.items():
        where = f"{path.name} [environments.{name}]"
        if not isinstance(table, dict):
            raise ConfigurationError(f"{where} must be a table", code="configuration.type")
        if not _NAME.fullmatch(name) or name.startswith(_TAKEN):
            raise ConfigurationError(
                f"{where}: {name!r} cannot be an environment's name",
                means="It becomes a tag in the registry; names that begin with "
                f"{', '.join(repr(taken) for taken in _TAKEN)} are taken.",
                code="configuration.type",
            )
        unknown_keys(table, _ENVIRONMENT, where)
        origins.update({f"environments.{name}.{key}": path.name for key in table})
        values = {
            key: typed(table[key], default, f"{where} {key}") if key in table else default
            for key, default in _ENVIRONMENT.items()
        }
        if values["strategy"] not in set(Strategy):
            raise ConfigurationError(
                f"{where} strategy is {values['strategy']!r}",
                remedy=f"Choose one of: {', '.join(Strategy)}.",
                code="configuration.type",
            )
        environments.append(
            Environment(
                name=name,
                strategy=Strategy(values["strategy"]),
                route=values["route"] or name,
                repository=own_repository(values["repository"], where),
                settings={"port": values["port"], "env": values["env"], **values["deploy"]},
            )
        )
        _check_times(values, where)
        times[name] = DeployTimes(
            ready_seconds=values["ready_seconds"], drain_seconds=values["drain_seconds"]
        )
    names = {environment.name for environment in environments}
    for environment in environments:
        shares = environment.strategy is Strategy.CANARY
        if shares and (environment.route == environment.name or environment.route not in names):
            raise ConfigurationError(
                f"{path.name} [environments.{environment.name}] is a canary of "
                f"{environment.route!r}, which is not another environment",
                remedy='Say whose traffic it takes a share of, for example route = "production".',
                code="configuration.type",
            )
    return tuple(_shared(environment, environments) for environment in environments), times


def _check_times(values: Mapping[str, Any], where: str) -> None:
    for key, least in (("ready_seconds", 0.1), ("drain_seconds", 0.0)):
        if not least <= values[key] <= _LONGEST:
            raise ConfigurationError(
                f"{where} {key} is {values[key]:g}, which is not from {least:g} to {_LONGEST}",
                code="configuration.range",
            )


def _shared(environment: Environment, every: list[Environment]) -> Environment:
    """Let a canary run as the environment whose traffic it shares: same port, same variables."""
    if environment.strategy is not Strategy.CANARY:
        return environment
    route = next(each for each in every if each.name == environment.route)
    own = environment.settings
    settings = {
        **route.settings,
        **own,
        "port": route.settings["port"],
        "env": {**route.settings["env"], **own["env"]},
    }
    return replace(environment, settings=settings)


def _waiver(table: Any, index: int) -> Waiver:
    where = f"[[waivers]] number {index}"
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where} must be a table", code="configuration.type")
    unknown_keys(table, _WAIVER, where)
    for key in ("code", "reason", "owner", "expires"):
        if not table.get(key):
            raise ConfigurationError(
                f"{where} has no {key}",
                means="A waiver names one finding, a reason, an owner and a last day.",
                remedy=f"Add {key} = ... to it.",
                code="configuration.missing-key",
            )
    expires = table["expires"]
    if isinstance(expires, datetime):
        moment = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
    elif isinstance(expires, date):
        moment = datetime.combine(expires, time.max, tzinfo=UTC)
    else:
        raise ConfigurationError(
            f"{where} expires is {expires!r}, which is not a date",
            remedy="Write a date without quotes: expires = 2027-01-31",
            code="configuration.type",
        )
    for key in ("code", "reason", "owner", "environment", "digest", "package"):
        typed(table.get(key, ""), "", f"{where} {key}")
    return Waiver(
        code=table["code"],
        reason=table["reason"],
        owner=table["owner"],
        expires=moment,
        environment=table.get("environment", ""),
        digest=check_digest(table["digest"]) if table.get("digest") else "",
        package=table.get("package", ""),
    )
