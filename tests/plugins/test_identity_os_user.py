"""The rehearsal's identity: a claim that never becomes proof."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

import sluiceway_identity_os_user as plugin
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import CheckStatus, Project


def project(**environ: str) -> Project:
    return Project(service="s", root=Path("/"), state=Path("/"), environ=environ)


def test_the_login_is_the_account_not_what_variables_say() -> None:
    actor = plugin.sluiceway_identify(project(USER="boss", LOGNAME="boss"), {})
    assert actor is not None
    assert actor.name == pwd.getpwuid(os.getuid()).pw_name
    assert (actor.method, actor.proven, actor.key) == ("os-user", False, "")


def test_setting_and_variable_outrank_the_login() -> None:
    def name(settings: dict[str, Any], **environ: str) -> str:
        actor = plugin.sluiceway_identify(project(**environ), settings)
        assert actor is not None
        return actor.name

    assert name({"name": "alice"}) == "alice"
    assert name({"name": "alice"}, SLUICEWAY_ACTOR="bob@example.org") == "bob@example.org"


@pytest.mark.parametrize("name", ["a b", "a\nb", "-x", "é", "x" * 200])
def test_a_name_that_could_forge_a_note_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        plugin.sluiceway_identify(project(SLUICEWAY_ACTOR=name), {})
    (line,) = plugin.sluiceway_doctor(project(SLUICEWAY_ACTOR=name), {}) or ()
    assert line.status is CheckStatus.FAIL


def test_a_note_says_that_it_is_unproven_and_is_about_one_statement() -> None:
    place = project(SLUICEWAY_ACTOR="alice")
    signed = plugin.sluiceway_sign_statement(place, b"{}", {})
    assert signed is not None
    actor, text = signed
    assert not actor.proven
    assert text.startswith("unproven os-user alice sha256:44136fa3")
    read = plugin.sluiceway_verify_statement(project(SLUICEWAY_ACTOR="bob"), b"{}", text, {})
    assert read == actor
    with pytest.raises(ActionFailed, match="about another statement"):
        plugin.sluiceway_verify_statement(place, b"{ }", text, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "os-user alice",
        "unproven os-user alice sha256:00",
        "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----",
    ],
)
def test_anything_else_is_no_note(text: str) -> None:
    with pytest.raises(ActionFailed, match="no note of a rehearsal"):
        plugin.sluiceway_verify_statement(project(), b"{}", text, {})


def test_doctor_warns_and_settings_are_strict() -> None:
    (line,) = plugin.sluiceway_doctor(project(), {}) or ()
    assert line.status is CheckStatus.WARN
    with pytest.raises(ConfigurationError, match="nam"):
        plugin.sluiceway_identify(project(), {"nam": "x"})
