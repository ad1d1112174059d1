"""What to check, read strictly from the plugin's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.config.settings import take, typed, unknown_keys
from sluiceway.errors import ConfigurationError
from sluiceway.record import Record, field

__all__ = ["ANY", "HttpCheck", "ParityCheck", "Plan", "read_plan"]

ANY: Any = object()
"""A check's ``expected`` when the answer's body does not matter (``None`` is JSON's null)."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_PLAN: Mapping[str, Any] = {
    "checks": [],
    "parity": [],
    "command": [],
    "timeout_seconds": 60.0,
    "requires": ["dev", "staging", "canary"],
    "pass_environment": [],
}
_CHECK: Mapping[str, Any] = {
    "name": "",
    "path": "",
    "method": "GET",
    "status": 200,
    "json": None,
    "body": "",
    "headers": {},
    "timeout_seconds": 5.0,
}
_PARITY: Mapping[str, Any] = {
    **{key: _CHECK[key] for key in ("name", "path", "method", "body", "headers")},
    "timeout_seconds": _CHECK["timeout_seconds"],
    "fields": [],
}
_LONGEST_SECONDS = 3600.0


class HttpCheck(Record):
    """One request and what its answer must be."""

    name: str
    path: str
    """With query, from ``/``; joined to the instance's address."""
    method: str
    status: int
    expected: Any
    """JSON that the answer must contain (objects may have more members), or :data:`ANY`."""
    body: str
    headers: Mapping[str, str] = field(repr=False)
    timeout_seconds: float


class ParityCheck(Record):
    """One request whose answers from two slots must agree: in status, and in what is named."""

    request: HttpCheck
    """What is sent to both; its ``status`` and ``expected`` are not looked at."""
    fields: tuple[str, ...]
    """Dotted paths into the answers' JSON objects (``fees.total``); none: only the status counts."""


class Plan(Record):
    """Everything that one gate plugin is to run."""

    checks: tuple[HttpCheck, ...]
    parity: tuple[ParityCheck, ...] = ()
    """Before a blue/green switch only: the idle slot beside the live one."""
    command: tuple[str, ...]
    """A program and its arguments; ``{url}`` and ``{digest}`` are replaced."""
    timeout_seconds: float
    """For all checks and the command together."""
    requires: tuple[str, ...]
    """Environments that a promotion may come from for this plugin to speak."""
    pass_environment: tuple[str, ...]
    """Further environment variables that the command may see."""

    @property
    def empty(self) -> bool:
        """There is nothing to run."""
        return not self.checks and not self.command


def read_plan(settings: Mapping[str, Any], plugin: str) -> Plan:
    """Return the plan in *settings* of *plugin*; raise :class:`ConfigurationError` otherwise."""
    values = take(settings, plugin, _PLAN)
    where = f"[plugins.{plugin}]"
    checks = tuple(
        _check(table, f"{where} checks number {number}")
        for number, table in enumerate(values["checks"], 1)
    )
    parity = tuple(
        _parity(table, f"{where} parity number {number}")
        for number, table in enumerate(values["parity"], 1)
    )
    names = [check.name for check in (*checks, *(each.request for each in parity))]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(
                f"{where} has two checks called {name!r}",
                remedy="Give each its own name: it is how a failure is told.",
                code="configuration.doubled",
            )
    return Plan(
        checks=checks,
        parity=parity,
        command=_texts(values["command"], f"{where} command"),
        timeout_seconds=_seconds(values["timeout_seconds"], f"{where} timeout_seconds"),
        requires=_texts(values["requires"], f"{where} requires"),
        pass_environment=_texts(values["pass_environment"], f"{where} pass_environment"),
    )


def _parity(table: Any, where: str) -> ParityCheck:
    table = typed(table, {}, where)
    unknown_keys(table, _PARITY, where)
    fields = typed(table.get("fields", []), [], f"{where} fields")
    request = {key: value for key, value in table.items() if key != "fields"}
    return ParityCheck(request=_check(request, where), fields=_texts(fields, f"{where} fields"))


def _check(table: Any, where: str) -> HttpCheck:
    table = typed(table, {}, where)
    unknown_keys(table, _CHECK, where)
    values = {
        key: typed(table[key], default, f"{where} {key}") if key in table else default
        for key, default in _CHECK.items()
    }
    for key in ("name", "path"):
        if not values[key]:
            raise ConfigurationError(
                f"{where} has no {key}",
                remedy='Write for example {name = "health", path = "/api/health"}.',
                code="configuration.missing-key",
            )
    # "//other.example/" would be another host once joined to an address.
    if not values["path"].startswith("/") or values["path"].startswith("//"):
        raise ConfigurationError(
            f"{where} path is {values['path']!r}",
            means="Checks are made against the instance of the digest in question and nowhere else.",
            remedy="Begin the path with one '/', without scheme and host.",
            code="configuration.type",
        )
    if values["method"] not in _METHODS:
        raise ConfigurationError(
            f"{where} method is {values['method']!r}",
            remedy=f"Choose one of: {', '.join(_METHODS)}.",
            code="configuration.type",
        )
    if not 100 <= values["status"] <= 599:  # noqa: PLR2004 - HTTP's own range (RFC 9110, 15)
        raise ConfigurationError(
            f"{where} status is {values['status']}, which is not an HTTP status",
            code="configuration.range",
        )
    for key, value in values["headers"].items():
        typed(value, "", f"{where} headers {key}")
    return HttpCheck(
        name=values["name"],
        path=values["path"],
        method=values["method"],
        status=values["status"],
        expected=table.get("json", ANY),
        body=values["body"],
        headers=dict(values["headers"]),
        timeout_seconds=_seconds(values["timeout_seconds"], f"{where} timeout_seconds"),
    )


def _seconds(value: float, where: str) -> float:
    if not 0 < value <= _LONGEST_SECONDS:
        raise ConfigurationError(
            f"{where} is {value:g}, which is not more than 0 and at most {_LONGEST_SECONDS:g}",
            code="configuration.range",
        )
    return value


def _texts(values: list[Any], where: str) -> tuple[str, ...]:
    for value in values:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ConfigurationError(
                f"{where} holds {value!r}, which is not a text",
                remedy='Write a list of texts, for example ["python3", "smoke.py", "{url}"].',
                code="configuration.type",
            )
    return tuple(values)
