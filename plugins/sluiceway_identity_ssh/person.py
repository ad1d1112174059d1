"""Who acts, and whose signature this is."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ActionFailed, ConfigurationError, SluicewayError
from sluiceway.model import Actor, Project
from sluiceway_identity_ssh import sshsig
from sluiceway_identity_ssh.allowed_signers import AllowedSigners
from sluiceway_identity_ssh.keys import PublicKey
from sluiceway_identity_ssh.private import Candidate, candidates, opened
from sluiceway_identity_ssh.wire import Malformed

__all__ = ["NAME", "choose", "identify", "read_settings", "sign_statement", "verify_statement"]

NAME = "identity-ssh"
_METHOD = "ssh"
_DEFAULTS: Mapping[str, Any] = {"key": "", "allowed_signers": "allowed_signers"}


def identify(project: Project, settings: Mapping[str, Any]) -> Actor:
    """Return the acting person, proven by a signature over a fresh challenge."""
    # The challenge cannot be taken for a statement: those are JSON objects.
    challenge = b"sluiceway identity challenge " + secrets.token_bytes(32)
    actor, _ = sign_statement(project, challenge, settings)
    return actor


def sign_statement(
    project: Project, statement: bytes, settings: Mapping[str, Any]
) -> tuple[Actor, str]:
    """Return the acting person and their armoured signature over *statement*.

    Raises:
        ConfigurationError: No key at all, or one that cannot be opened.
        ActionFailed: The key is nobody's (code ``identity.unknown``), or its time is over.
    """
    key_setting, path = read_settings(project, settings)
    allowed = AllowedSigners.load(path)
    candidate = choose(candidates(project, key_setting), allowed)
    try:
        key, sign = opened(candidate, project.environ)
        name = allowed.name(key, datetime.now(UTC))
        armoured = sshsig.make(key, sign, statement)
        # An agent, or a damaged key, could have signed with anything.
        good = sshsig.read(armoured).verifies(statement)
    except Malformed as error:
        raise _unusable(candidate, str(error)) from None
    if not good:
        raise _unusable(candidate, "its signature does not verify with its public half")
    return _actor(name, key), armoured


def verify_statement(
    project: Project, statement: bytes, signature: str, settings: Mapping[str, Any]
) -> Actor:
    """Return whose *signature* over *statement* this is; ``ActionFailed`` when nobody's."""
    _, path = read_settings(project, settings)
    allowed = AllowedSigners.load(path)
    try:
        parsed = sshsig.read(signature)
        good = parsed.verifies(statement)
    except Malformed as error:
        raise _invalid(f"the signature cannot be read: {error}") from None
    if parsed.namespace != sshsig.NAMESPACE:
        raise _invalid(
            f"the signature was made for {parsed.namespace[:60]!r}, not for {sshsig.NAMESPACE!r}"
        )
    if not good:
        raise _invalid(f"the signature by {parsed.key.fingerprint} is not over this statement")
    return _actor(allowed.name(parsed.key, datetime.now(UTC)), parsed.key)


def choose(found: tuple[Candidate, ...], allowed: AllowedSigners) -> Candidate:
    """Return the first key that ``allowed_signers`` knows, else the first of all."""
    if not found:
        raise ConfigurationError(
            "there is no SSH key to act with",
            means="Who acts is proven by a key. None is in ~/.ssh or in the ssh-agent, and none is "
            "named by SLUICEWAY_SSH_KEY.",
            remedy="Make one with `ssh-keygen -t ed25519` and have its public half added to "
            f"{allowed.path.name}; for a rehearsal only, set [stages] identity = "
            '"os-user" and [identity] rehearsal = true.',
            code="identity.missing",
        )
    listed = (one for one in found if one.key is not None and allowed.holds(one.key))
    unseen = (one for one in found if one.key is None)
    return next(listed, None) or next(unseen, None) or found[0]


def read_settings(project: Project, settings: Mapping[str, Any]) -> tuple[str, Path]:
    """Return the setting ``key`` and the path of ``allowed_signers``."""
    values = take(settings, NAME, _DEFAULTS)
    return values["key"], project.root / values["allowed_signers"]


def _actor(name: str, key: PublicKey) -> Actor:
    return Actor(name=name, method=_METHOD, proven=True, key=key.fingerprint)


def _invalid(what: str) -> ActionFailed:
    return ActionFailed(
        what,
        means="It proves nothing about who made the statement.",
        remedy="Let the person sign the statement again.",
        code="identity.signature",
    )


def _unusable(candidate: Candidate, why: str) -> SluicewayError:
    return ConfigurationError(
        f"the SSH key {candidate.where} cannot be used: {why}",
        remedy="Make a new one: ssh-keygen -t ed25519",
        code="identity.key",
    )
