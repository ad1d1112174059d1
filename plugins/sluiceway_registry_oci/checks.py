"""What ``doctor`` looks at: credentials without showing them, and whether a registry answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.model import Check, CheckStatus, Project
from sluiceway.oci.credentials import check_environ, docker_config_path, host_of

__all__ = ["inspect"]

_PING_SECONDS = 1.5


def inspect(project: Project, options: Mapping[str, Any]) -> list[Check]:
    """Return one line for the credentials and, with ``REGISTRY_URL``, one for its registry."""
    checks = [_credentials(project.environ)]
    if options["insecure"]:
        checks.append(
            Check(
                name="registry: transport",
                status=CheckStatus.WARN,
                detail="insecure = true sends credentials and images without TLS",
                remedy="Give the registry a certificate, and name its authority in `ca_file`.",
            )
        )
    if host := host_of(project.environ.get("REGISTRY_URL", "")):
        checks.append(_answers(host, project, options))
    return checks


def _credentials(environ: Mapping[str, str]) -> Check:
    name = "registry: credentials"
    try:
        check_environ(environ)
    except SluicewayError as error:
        return Check(name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)
    if environ.get("REGISTRY_USERNAME"):
        detail = "REGISTRY_USERNAME and REGISTRY_PASSWORD are set"
    elif (path := docker_config_path(environ)) is not None and path.is_file():
        detail = f"whatever {path} has for the registry"
    else:
        detail = "none: registries are used without a log-in"
    return Check(name=name, status=CheckStatus.OK, detail=detail)


def _answers(host: str, project: Project, options: Mapping[str, Any]) -> Check:
    from sluiceway.oci.client import RegistryClient
    from sluiceway.oci.transport import RetryPolicy

    name = "registry: answers"
    try:
        with RegistryClient(
            f"{host}/{project.service}",
            insecure=options["insecure"],
            timeout_seconds=min(options["timeout_seconds"], _PING_SECONDS),
            ca_file=options["ca_file"],
            environ=project.environ,
            retry=RetryPolicy(attempts=1),
        ) as registry:
            return Check(name=name, status=CheckStatus.OK, detail=registry.ping())
    except SluicewayError as error:
        return Check(name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)
