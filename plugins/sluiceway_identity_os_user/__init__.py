"""Identity for rehearsals: the login name, taken at its word and marked as unproven everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.hookspecs import hookimpl
from sluiceway.model import Actor, Check, Project

__all__: list[str] = []


@hookimpl
def sluiceway_identify(project: Project, settings: Mapping[str, Any]) -> Actor | None:
    """Return the claimed name; never proven."""
    from sluiceway_identity_os_user.claim import claimed

    return claimed(project, settings)


@hookimpl
def sluiceway_sign_statement(
    project: Project, statement: bytes, settings: Mapping[str, Any]
) -> tuple[Actor, str] | None:
    """Return a note that says whose claim this is and that it proves nothing."""
    from sluiceway_identity_os_user.claim import claimed, note

    actor = claimed(project, settings)
    return actor, note(actor.name, statement)


@hookimpl
def sluiceway_verify_statement(
    project: Project, statement: bytes, signature: str, settings: Mapping[str, Any]
) -> Actor | None:
    """Check that the note is about this very statement; who wrote it remains a claim."""
    from sluiceway_identity_os_user.claim import read_note

    return read_note(statement, signature)


@hookimpl
def sluiceway_doctor(project: Project, settings: Mapping[str, Any]) -> Sequence[Check] | None:
    """Warn that nobody is proven."""
    from sluiceway_identity_os_user.claim import examine

    return examine(project, settings)
