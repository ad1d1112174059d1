"""What ``invoke doctor`` says about the keys. No key and no password is ever shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError, PluginError
from sluiceway.model import Check, CheckStatus, Project
from sluiceway_sign_key import kept, signing

__all__ = ["checks"]

_UNTRUSTED = "sign.untrusted-key"
_ABSENT = "sign.no-key"


def checks(project: Project, settings: Mapping[str, Any]) -> tuple[Check, ...]:
    """Return one line about the trusted keys and one about the key to sign with."""
    take(settings, signing.PLUGIN, signing.DEFAULTS)  # a wrong key is one finding, not one a line
    trusted, fingerprints = _trusted(project, settings)
    return (trusted, _signing(project, settings, fingerprints))


def _trusted(project: Project, settings: Mapping[str, Any]) -> tuple[Check, set[str]]:
    name = "signature verification"
    try:
        keys = signing.trusted_keys(project, settings)
    except ConfigurationError as error:
        return Check(
            name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy
        ), set()
    fingerprints = {key.fingerprint for key in keys}
    detail = f"trusted: {', '.join(sorted(fingerprints))}"
    return Check(name=name, status=CheckStatus.OK, detail=detail), fingerprints


def _signing(project: Project, settings: Mapping[str, Any], trusted: set[str]) -> Check:
    name = "signing key"
    source = signing.key_source(project, settings)
    if source.address:
        return _kept(name, source.address, project)
    try:
        own = signing.private_key(project, settings).public.fingerprint
    except ConfigurationError as error:
        # Whoever only verifies and promotes needs no private key.
        absent = error.code == _ABSENT and bool(trusted)
        status = CheckStatus.WARN if absent else CheckStatus.FAIL
        return Check(name=name, status=status, detail=error.what, remedy=error.remedy)
    if trusted and own not in trusted:
        return Check(
            name=name,
            status=CheckStatus.FAIL,
            detail=f"{source.origin} ({own}) is not among the trusted keys",
            remedy=f"Add its public half to [plugins.{signing.PLUGIN}] public_keys.",
        )
    return Check(name=name, status=CheckStatus.OK, detail=f"{source.origin} opens: {own}")


def _kept(name: str, address: str, project: Project) -> Check:
    """Look at what is needed only: to ask a service may take long, and a token may be locked."""
    try:
        kept.check_kept(address, project.environ)
    except (ConfigurationError, PluginError) as error:
        return Check(name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)
    detail = f"{address}: what it needs is there; the key itself was not asked for"
    return Check(name=name, status=CheckStatus.OK, detail=detail)
