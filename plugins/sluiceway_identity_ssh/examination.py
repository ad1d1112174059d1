"""What ``invoke doctor`` says about identity. Nothing is signed and nothing is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.model import Check, CheckStatus, Project
from sluiceway_identity_ssh.allowed_signers import AllowedSigners
from sluiceway_identity_ssh.person import NAME, choose, read_settings
from sluiceway_identity_ssh.private import candidates

__all__ = ["examine"]


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return one line about the list of people and one about the acting person's key."""
    try:
        key_setting, path = read_settings(project, settings)
        allowed = AllowedSigners.load(path)
    except SluicewayError as error:
        return (_fail("allowed signers", error),)
    people = {entry.name for entry in allowed.entries}
    lines = [
        Check(
            name=f"{NAME}: allowed signers",
            status=CheckStatus.OK if people else CheckStatus.FAIL,
            detail=f"{len(people)} people in {path.name}",
            remedy="" if people else f"Add a person and their key to {path}.",
        )
    ]
    lines += [
        Check(
            name=f"{NAME}: allowed signers",
            status=CheckStatus.WARN,
            detail=why,
            remedy="Give this person a key without FIDO for releases: ssh-keygen -t ed25519",
        )
        for why in allowed.unused
    ]
    try:
        candidate = choose(candidates(project, key_setting), allowed)
        if candidate.key is None:
            name = "somebody; it is encrypted and has no .pub beside it"
        else:
            name = allowed.name(candidate.key, datetime.now(UTC))
    except SluicewayError as error:
        return (*lines, _fail("key", error))
    locked = " (encrypted)" if candidate.encrypted else ""
    detail = f"{candidate.where}{locked} is the key of {name}"
    return (*lines, Check(name=f"{NAME}: key", status=CheckStatus.OK, detail=detail))


def _fail(part: str, error: SluicewayError) -> Check:
    return Check(
        name=f"{NAME}: {part}", status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy
    )
