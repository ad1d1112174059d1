"""Identity by SSH key: who acts is proven by a signature and named by ``allowed_signers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.hookspecs import hookimpl
from sluiceway.model import Actor, Check, Project

__all__: list[str] = []


@hookimpl
def sluiceway_identify(project: Project, settings: Mapping[str, Any]) -> Actor | None:
    """Name the person whose private key is at hand, having seen it sign a fresh challenge."""
    from sluiceway_identity_ssh.person import identify

    return identify(project, settings)


@hookimpl
def sluiceway_sign_statement(
    project: Project, statement: bytes, settings: Mapping[str, Any]
) -> tuple[Actor, str] | None:
    """Sign *statement* as ``ssh-keygen -Y sign -n sluiceway`` would."""
    from sluiceway_identity_ssh.person import sign_statement

    return sign_statement(project, statement, settings)


@hookimpl
def sluiceway_verify_statement(
    project: Project, statement: bytes, signature: str, settings: Mapping[str, Any]
) -> Actor | None:
    """Verify *signature* as ``ssh-keygen -Y verify -n sluiceway`` would, and name its maker."""
    from sluiceway_identity_ssh.person import verify_statement

    return verify_statement(project, statement, signature, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check] | None:
    """Look at ``allowed_signers`` and at the acting person's key, without signing anything."""
    from sluiceway_identity_ssh.examination import examine

    return examine(project, settings)
