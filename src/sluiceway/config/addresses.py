"""Addresses in ``sluiceway.toml``: repositories of images and policies, and where the source lives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sluiceway.errors import ConfigurationError, UsageError
from sluiceway.model import check_digest

__all__ = ["own_repository", "pinned_policies", "service_repository", "source_address"]

_REPOSITORY = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
_TAGGED = re.compile(_REPOSITORY.pattern + "[:@].*")
_EMBEDDED_REGISTRY = "127.0.0.1:5555"


def service_repository(
    repository: str, service: str, environ: Mapping[str, str], origins: dict[str, str]
) -> str:
    """Return the service's own repository; ``REGISTRY_URL`` says where it is, if it is set."""
    base = environ.get("REGISTRY_URL", "").removeprefix("https://").removeprefix("http://")
    if "@" in base or "@" in repository:
        raise _secret_in_address()
    if base:
        origins["service.repository"] = "environment REGISTRY_URL"
        repository = f"{base.rstrip('/')}/{service}"
    repository = repository or f"{_EMBEDDED_REGISTRY}/{service}"
    return _named_repository(repository, "[service] repository or REGISTRY_URL")


def own_repository(repository: str, where: str) -> str:
    """Return an environment's repository; ``REGISTRY_URL`` says nothing about it."""
    if "@" in repository:
        raise _secret_in_address(f"Take them out of {where}, and run `docker login` instead.")
    return _named_repository(repository, f"{where} repository") if repository else ""


def _named_repository(repository: str, origin: str) -> str:
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigurationError(
            f"the image repository is {repository!r}, which is not 'host[:port]/path' in lower case",
            remedy=f"Correct {origin}; leave out scheme, tag and digest.",
            code="configuration.type",
        )
    return repository


def source_address(address: str) -> str:
    """Return where the source lives; it goes into labels and statements that anybody may read."""
    user = re.match(r"[a-z][a-z0-9+.-]*://([^/@]*)@", address, re.IGNORECASE)
    if user and ":" in user[1]:
        raise ConfigurationError(
            "[service] source contains a password",
            means="It would be written into every image, so it is not used (nor shown here).",
            remedy="Leave out everything before the @.",
            code="configuration.secret",
        )
    return address


def _secret_in_address(
    remedy: str = "Put them into REGISTRY_USERNAME and REGISTRY_PASSWORD, and the address alone "
    "into REGISTRY_URL.",
) -> ConfigurationError:
    return ConfigurationError(
        "the registry's address contains a user name or a password",
        means="It would be shown in every message and tag, so it is not used (nor shown here).",
        remedy=remedy,
        code="configuration.secret",
    )


def pinned_policies(table: Mapping[str, Any]) -> tuple[str, str]:
    """Return the bundle's repository and the digest that the policies must have."""
    bundle, digest = table["bundle"], table["digest"]
    if digest:
        try:
            check_digest(digest)
        except UsageError as error:
            raise ConfigurationError(
                f"[policy] digest: {error.what}",
                means=error.means,
                remedy="Copy it whole from `invoke policy.push` or `invoke policy.check`.",
                code="configuration.type",
            ) from error
    if not bundle:
        return "", digest
    if table["path"]:
        raise ConfigurationError(
            "[policy] has both a path and a bundle",
            means="Which of the two decides would be anybody's guess.",
            remedy="Leave one of them out.",
            code="configuration.type",
        )
    tagged = _TAGGED.fullmatch(bundle)
    if "@" in bundle and not tagged:
        raise _secret_in_address(
            "Take them out of [policy] bundle, and run `docker login` instead."
        )
    if tagged or not digest:
        raise ConfigurationError(
            f"[policy] bundle is {bundle!r}"
            + ("" if digest else ", and there is no digest in [policy]"),
            means="A tag moves; policies are pulled by the digest that digest in [policy] says, so "
            "that nobody else can change what decides.",
            remedy="Write host and path alone as bundle, and the digest that `invoke policy.push` "
            "prints as digest.",
            code="policy.bundle-unpinned",
        )
    return _named_repository(bundle, "[policy] bundle"), digest
