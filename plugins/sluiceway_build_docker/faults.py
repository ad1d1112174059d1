"""What engines say when they fail, and what that means. Pure: text in, error out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sluiceway.errors import ActionFailed, ConfigurationError, PluginError, SluicewayError
from sluiceway.process import redact

__all__ = ["build_failed", "push_failed", "unreachable"]

_SHOWN_LINES = 20
_NO_ACCESS = re.compile(
    r"unauthorized|denied|no basic auth|authentication required|\b401\b|\b403\b", re.IGNORECASE
)
_NO_ANSWER = re.compile(
    r"connection refused|no such host|i/o timeout|deadline exceeded|no route to host"
    r"|server gave HTTP response to HTTPS client|x509|tls:|EOF|Client\.Timeout",
    re.IGNORECASE,
)
_SYNTAX = re.compile(r"dockerfile parse error|unknown instruction|failed to parse stage|no build stage"
                     r"|file with no instructions", re.IGNORECASE)  # fmt: skip
_TARGET = re.compile(
    r"failed to reach build target|target stage .* could not be found", re.IGNORECASE
)
_STEP_FAILED = re.compile(r"returned a non-zero code|did not complete successfully|executor failed")
_BASE = re.compile(
    r"pull access denied|manifest unknown|manifest for .* not found|failed to resolve source"
    r"|load metadata for|/v2/|lookup ",
    re.IGNORECASE,
)


def build_failed(message: str, lines: Sequence[str], dockerfile: str) -> SluicewayError:
    """Return the error for a build that ended with *message* after it had printed *lines*."""
    message = redact(message.strip())
    printed = redact("\n".join(lines[-_SHOWN_LINES:]))
    if _SYNTAX.search(message):
        return ConfigurationError(
            f"{dockerfile} cannot be understood: {message}",
            remedy=f"Correct the line in {dockerfile}.",
            code="build.dockerfile",
        )
    if _TARGET.search(message):
        return ConfigurationError(
            f"{dockerfile} has no such stage: {message}",
            remedy="Correct `target` in the builder's settings.",
            code="build.target",
        )
    if _STEP_FAILED.search(message):
        return ActionFailed(
            f"a step of {dockerfile} failed: {message}",
            means=f"It printed:\n{printed}" if printed else "It printed nothing.",
            remedy="Correct what it runs; nothing was pushed.",
            code="build.step-failed",
        )
    if _BASE.search(message):
        return ActionFailed(
            f"a base image cannot be had: {message}",
            remedy="Correct FROM, let the engine sign in to that registry (`docker login`), or pull "
            "the image beforehand.",
            code="build.base-image",
        )
    return ActionFailed(
        f"the build failed: {message or 'no reason was given'}",
        means=f"It printed:\n{printed}" if printed else "",
        remedy=f"Correct {dockerfile}, or what it names; nothing was pushed.",
        code="build.failed",
    )


def push_failed(message: str, reference: str, origin: str) -> ActionFailed:
    """Return the error for a push of *reference* with the credentials from *origin*."""
    message = redact(message.strip())
    host = reference.partition("/")[0]
    if _NO_ACCESS.search(message):
        return ActionFailed(
            f"the registry refuses the push of {reference}: {message}",
            means=f"The engine was given the credentials from {origin}."
            if origin
            else "There were no credentials to give.",
            remedy="Set REGISTRY_USERNAME and REGISTRY_PASSWORD to somebody who may push there.",
            code="build.push-denied",
        )
    if _NO_ANSWER.search(message):
        return ActionFailed(
            f"the engine cannot reach the registry for {reference}: {message}",
            means="The engine pushes, not this machine: an engine on another machine means its own "
            "127.0.0.1, and it speaks plain HTTP only with registries that it is told are insecure.",
            remedy=f"Let the engine's machine reach {host}, and for plain HTTP add it to "
            '"insecure-registries" of that engine.',
            code="build.push-unreachable",
        )
    return ActionFailed(f"the push of {reference} failed: {message}", code="build.push-failed")


def unreachable(message: str, host: str) -> SluicewayError:
    """Return the error for an engine at *host* that cannot be talked to."""
    message = redact(message)
    if "Permission denied" in message or "PermissionError" in message:
        return PluginError(
            f"the Docker engine at {host} does not let you in: permission denied",
            means="Whoever may use an engine is root on its machine, so it asks for that.",
            remedy="Become a member of its group (sudo usermod -aG docker $USER, then sign in "
            "again), or use a rootless engine.",
            code="build.engine-denied",
        )
    return PluginError(
        f"no Docker engine answers at {host}: {_reason(message)}",
        means="The builder docker needs an engine.",
        remedy="Start it (sudo systemctl start docker), point DOCKER_HOST to it, or choose a "
        'builder that needs none: [stages] build = "buildah" or "layers".',
        code="build.engine-missing",
    )


def _reason(message: str) -> str:
    """Say in plain words why nothing answers: the SDK's message quotes three libraries."""
    if "No such file" in message or "FileNotFoundError" in message:
        return "there is no such socket"
    if "Connection refused" in message or "ConnectionRefusedError" in message:
        return "the connection is refused"
    return message
