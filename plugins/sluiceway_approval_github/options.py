"""Which repository, which people: read strictly, and never from the environment of whoever asks."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError
from sluiceway.model import Project
from sluiceway.record import Record, field

__all__ = ["NAME", "TOKEN", "Options", "read_options"]

NAME = "approval-github"
TOKEN = "SLUICEWAY_GITHUB_TOKEN"  # noqa: S105 - a variable's name, not its value

_RUN, _REPOSITORY = "GITHUB_RUN_ID", "GITHUB_REPOSITORY"
_DEFAULTS: Mapping[str, Any] = {
    "repository": "",
    "people": {},
    "workflow": "",
    "environments": {},
    "max_age_hours": 24.0,
    "run": 0,
    "api": "https://api.github.com",
    "ca_file": "",
    "timeout_seconds": 5.0,
}
_OWNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
_LONGEST_HOURS = 24.0 * 30
_LONGEST_SECONDS = 30.0


class Options(Record):
    """The plugin's settings, checked, with the run that it is asked in."""

    repository: str
    """``owner/name``; empty when the plugin is not used."""
    people: Mapping[str, str]
    """GitHub login, lower case, to the name in the policies' ``data.promotion.people``."""
    workflow: str
    """Path of the workflow file whose runs count; empty for any of the repository."""
    environments: Mapping[str, str]
    """Environment of the service to the name that GitHub knows it by, where they differ."""
    max_age_hours: float
    run: int
    """0 when nobody says which: then there is nothing to ask."""
    elsewhere: str
    """The repository that this job says it runs for, when that is another one."""
    api: str
    """The REST API's address, without a slash at its end."""
    ca_file: Path | None
    timeout_seconds: float
    token: str = field(repr=False)


def read_options(project: Project, settings: Mapping[str, Any]) -> Options:
    """Return the options; raise :class:`ConfigurationError` for what is not understood.

    The repository is never taken from the environment: a fork has the same commits, and its owner
    approves there whatever they like.
    """
    values = take(settings, NAME, _DEFAULTS)
    repository: str = values["repository"]
    if repository and not _OWNED.fullmatch(repository):
        raise _wrong("repository", repository, 'Write it as "owner/name".')
    _check_api(values["api"])
    for key, most in (("max_age_hours", _LONGEST_HOURS), ("timeout_seconds", _LONGEST_SECONDS)):
        if not 0 < values[key] <= most:
            raise _wrong(key, values[key], f"Write a number above 0 and at most {most:g}.")
    job = project.environ.get(_REPOSITORY, "")
    return Options(
        repository=repository,
        people=_people(values["people"]),
        workflow=values["workflow"].removeprefix("/"),
        environments=_texts(values["environments"], "environments"),
        max_age_hours=values["max_age_hours"],
        run=values["run"] or _number(project.environ.get(_RUN, "")),
        elsewhere=job if job and not values["run"] and job.lower() != repository.lower() else "",
        api=values["api"].rstrip("/"),
        ca_file=project.root / values["ca_file"] if values["ca_file"] else None,
        timeout_seconds=values["timeout_seconds"],
        token=project.environ.get(TOKEN, "").strip(),
    )


def _people(table: Mapping[str, Any]) -> dict[str, str]:
    people = _texts(table, "people")
    lowered = {login.lower(): name for login, name in people.items()}
    if len(lowered) != len(people) or not all(lowered) or not all(lowered.values()):
        raise _wrong("people", dict(people), "Name each login once, and a person for it.")
    return lowered


def _texts(table: Mapping[str, Any], key: str) -> dict[str, str]:
    for name, value in table.items():
        if not isinstance(value, str):
            raise _wrong(f"{key}.{name}", value, "Write it as text.")
    return dict(table)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0  # noqa: PLR2004 - fits 64 bits


def _check_api(address: str) -> None:
    try:
        parts = urllib.parse.urlsplit(address)
        fine = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or parts.username or parts.query or parts.fragment:
        raise _wrong(
            "api",
            address if fine and not parts.username else "(not shown)",
            'Write the https address of the REST API: "https://api.github.com", or '
            '"https://github.example.org/api/v3" for a GitHub Enterprise Server.',
        )


def _wrong(key: str, value: object, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f"[plugins.{NAME}] {key} is {value!r}",
        means="Whose word counts as consent is either understood or refused.",
        remedy=remedy,
        code="configuration.type",
    )
