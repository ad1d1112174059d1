"""A name that somebody claims, and a note in its name. Nothing here is proof."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import Actor, Check, CheckStatus, Project, digest_of

__all__ = ["claimed", "examine", "note", "read_note"]

_PLUGIN = "identity-os-user"
_METHOD = "os-user"
_VARIABLE = "SLUICEWAY_ACTOR"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
_NOTE = re.compile(rf"unproven {_METHOD} ({_NAME.pattern}) (sha256:[0-9a-f]{{64}})")


def claimed(project: Project, settings: Mapping[str, Any]) -> Actor:
    """Return the claimed actor: ``SLUICEWAY_ACTOR``, else the setting ``name``, else the login.

    Raises:
        ConfigurationError: When the name is not a word of letters, digits and ``._@+-``.
    """
    setting: str = take(settings, _PLUGIN, {"name": ""})["name"]
    name = project.environ.get(_VARIABLE, "") or setting or _login()
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name[:60]!r} cannot be a person's name here",
            means="It becomes part of notes and decisions: one word of letters, digits and ._@+-",
            remedy=f"Correct {_VARIABLE} or [plugins.{_PLUGIN}] name.",
            code="identity.name",
        )
    return Actor(name=name, method=_METHOD, proven=False)


def note(name: str, statement: bytes) -> str:
    """Return ``unproven os-user NAME sha256:<digest of the statement>``."""
    return f"unproven {_METHOD} {name} {digest_of(statement)}"


def read_note(statement: bytes, text: str) -> Actor:
    """Return the actor that the note *text* claims; raise when it is about another statement."""
    match = _NOTE.fullmatch(text.strip())
    if match is None:
        raise ActionFailed(
            "the signature is no note of a rehearsal",
            means=f"[stages] identity is {_METHOD!r}, which makes and reads unproven notes only.",
            remedy='For statements signed with a key set [stages] identity = "ssh".',
            code="identity.signature",
        )
    if match[2] != digest_of(statement):
        raise ActionFailed(
            f"the note in the name of {match[1]} is about another statement",
            means=f"It names {match[2]}, and this statement is {digest_of(statement)}.",
            remedy="Let the statement be made again.",
            code="identity.signature",
        )
    return Actor(name=match[1], method=_METHOD, proven=False)


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return ``invoke doctor``'s line."""
    try:
        actor = claimed(project, settings)
    except ConfigurationError as error:
        return (
            Check(name=_PLUGIN, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),
        )
    return (
        Check(
            name=_PLUGIN,
            status=CheckStatus.WARN,
            detail=f"acting as {actor.name}, which is a mere claim: for rehearsals only",
            remedy='For real releases set [stages] identity = "ssh".',
        ),
    )


def _login() -> str:
    # Not getpass.getuser(): LOGNAME and USER are as easily set as said.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without an entry
        return f"uid-{os.getuid()}"
