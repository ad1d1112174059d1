"""What ``invoke doctor`` says about keyless signing. No token is ever shown or asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.model import Check, CheckStatus, Project
from sluiceway_sign_keyless import sigstore_client
from sluiceway_sign_keyless.sigstore_client import PLUGIN, TOKEN

__all__ = ["checks"]

_AMBIENT = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "GITLAB_CI", "CIRCLECI", "BUILDKITE")


def checks(project: Project, settings: Mapping[str, Any]) -> tuple[Check, ...]:
    """Return one line about the library, one about who may sign, one about the token."""
    options = sigstore_client.options(settings)
    who = sigstore_client.wanted(settings)
    return (_library(), _identities(len(who)), _token(project, bool(options["token_file"])))


def _library() -> Check:
    if sigstore_client.has_extra():
        return Check(name="sigstore", status=CheckStatus.OK, detail="the library is installed")
    return Check(
        name="sigstore",
        status=CheckStatus.FAIL,
        detail="the sigstore library is not installed",
        remedy="pip install 'sluiceway[keyless]'",
    )


def _identities(number: int) -> Check:
    name = "signature verification"
    if number:
        return Check(
            name=name, status=CheckStatus.OK, detail=f"{number} identities are trusted to sign"
        )
    return Check(
        name=name,
        status=CheckStatus.FAIL,
        detail="nobody is trusted to sign, so every signature is refused",
        remedy=f"Set [plugins.{PLUGIN}] identities.",
    )


def _token(project: Project, file: bool) -> Check:  # noqa: FBT001 - one caller, two lines above
    name = "signing token"
    if file or project.environ.get(TOKEN) or any(map(project.environ.get, _AMBIENT)):
        return Check(name=name, status=CheckStatus.OK, detail="there is a source of tokens")
    # Whoever only verifies and promotes needs no token.
    return Check(
        name=name,
        status=CheckStatus.WARN,
        detail="there is no source of OpenID tokens here, so nothing can be signed",
        remedy=f"Sign in a CI job that gives one, or set {TOKEN}.",
    )
