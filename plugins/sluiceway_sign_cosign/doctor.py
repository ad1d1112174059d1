"""What ``invoke doctor`` says about cosign and its keys. No key and no password is ever shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.errors import ActionFailed, ConfigurationError, PluginError
from sluiceway.model import Check, CheckStatus, Project
from sluiceway_sign_cosign import trust
from sluiceway_sign_cosign.program import find, options

__all__ = ["checks"]


def checks(project: Project, settings: Mapping[str, Any]) -> tuple[Check, ...]:
    """Return one line about the program, one about the trusted keys, one about the signing key."""
    options(settings)  # a wrong key is one finding, not one a line
    trusted = _trusted(project, settings)
    return (_program(project, settings), trusted, _signing(project, settings, trusted))


def _program(project: Project, settings: Mapping[str, Any]) -> Check:
    try:
        with find(project, settings) as cosign:
            detail = f"{cosign.program}: cosign {cosign.version.text}"
    except (PluginError, ActionFailed) as error:
        return Check(name="cosign", status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)
    return Check(name="cosign", status=CheckStatus.OK, detail=detail)


def _trusted(project: Project, settings: Mapping[str, Any]) -> Check:
    name = "signature verification"
    try:
        keys = trust.named_keys(project, settings)
    except ConfigurationError as error:
        return Check(name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)
    return Check(name=name, status=CheckStatus.OK, detail=f"trusted: {', '.join(keys)}")


def _signing(project: Project, settings: Mapping[str, Any], trusted: Check) -> Check:
    name = "signing key"
    try:
        key = trust.signing_key(project, settings)
    except ConfigurationError as error:
        # Whoever only verifies and promotes needs no private key.
        status = CheckStatus.WARN if trusted.status is CheckStatus.OK else CheckStatus.FAIL
        return Check(name=name, status=status, detail=error.what, remedy=error.remedy)
    return Check(name=name, status=CheckStatus.OK, detail=key)
