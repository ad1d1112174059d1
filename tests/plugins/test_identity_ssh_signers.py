"""``allowed_signers``: what names a person, what names nobody, and what is refused as a whole."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway_identity_ssh.allowed_signers import AllowedSigners
from sluiceway_identity_ssh.keys import PublicKey

NOW = datetime(2026, 11, 23, tzinfo=UTC)
# Lines of the list are test ids: the key must be the same in every worker process.
ED = PublicKey.of(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
RSA = PublicKey.of(rsa.generate_private_key(65537, 2048))


def listed(tmp_path: Path, *lines: str) -> AllowedSigners:
    path = tmp_path / "allowed_signers"
    path.write_text("\n".join(("# people", "", *lines, "")))
    return AllowedSigners.load(path)


@pytest.mark.parametrize(
    "line",
    [
        f"alice {ED.line}",
        f"alice\t{ED.line} alice's laptop",
        f'"alice" {ED.line}',
        f"alice,alice@example.org {ED.line}",
        f'alice namespaces="git,sluiceway" {ED.line}',
        f'alice NAMESPACES="*,!git" {ED.line}',
        f'alice valid-after="20260101",valid-before="20271231235959Z" {ED.line}',
        f'alice valid-before="20261123Z" {ED.line}',
    ],
)
def test_lines_that_name_alice(tmp_path: Path, line: str) -> None:
    assert listed(tmp_path, line).name(ED, NOW) == "alice"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f'alice namespaces="git" {ED.line}', "identity.namespace"),
        (f'alice namespaces="*,!sluiceway" {ED.line}', "identity.namespace"),
        (f'alice namespaces="[s]luiceway" {ED.line}', "identity.namespace"),
        (f'alice valid-after="202611230001Z" {ED.line}', "identity.not-yet-valid"),
        (f'alice valid-before="20261122235959Z" {ED.line}', "identity.expired"),
        (f"alice {RSA.line}", "identity.unknown"),
    ],
)
def test_lines_that_name_nobody_now(tmp_path: Path, line: str, code: str) -> None:
    with pytest.raises(ActionFailed) as caught:
        listed(tmp_path, line).name(ED, NOW)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"alice cert-authority {ED.line}", "cert-authority is not supported"),
        (f'alice verify-required="x" {ED.line}', "'verify-required' is not known"),
        (f"alice no-touch-required {ED.line}", "is not known"),
        (f'alice namespaces="" {ED.line}', "has no value"),
        (f'alice namespaces="," {ED.line}', "empty pattern"),
        (f"alice namespaces {ED.line}", "has no value"),
        (f'alice namespaces="a",namespaces="b" {ED.line}', "doubled"),
        (f'alice namespaces="a {ED.line}', "not closed"),
        (f'alice valid-after="2026-01-01" {ED.line}', "is not YYYYMMDD"),
        (f'alice valid-after="20261301Z" {ED.line}', "not a moment of the calendar"),
        (f"* {ED.line}", "do not name one person"),
        (f"!bob,alice {ED.line}", "do not name one person"),
        (f"alice,, {ED.line}", "do not name one person"),
        (ED.line, "no key"),
        ("alice", "no key"),
        ("alice ssh-ed25519", "it is not '<type> <base64>'"),
        ("alice ssh-ed25519 !!!!", "not base64"),
        (f"alice ssh-rsa {ED.line.split()[1]}", "it says ssh-rsa and holds"),
        ("alice ssh-dss AAAAB3NzaC1kc3M=", "are not used"),
        ('"alice ssh-ed25519 AAAA', "not closed"),
    ],
)
def test_a_line_that_is_not_understood_makes_the_list_unusable(
    tmp_path: Path, line: str, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        listed(tmp_path, f"bob {RSA.line}", line)
    assert caught.value.code == "identity.allowed-signers"
    assert "allowed_signers:4: " in caught.value.what
    assert words in caught.value.what


def test_one_key_with_two_names_is_refused_but_may_have_two_lines(tmp_path: Path) -> None:
    twice = listed(tmp_path, f'alice valid-before="20200101Z" {ED.line}', f"alice {ED.line}")
    assert twice.name(ED, NOW) == "alice"
    shared = listed(tmp_path, f"alice {ED.line}", f"bob {ED.line}")
    with pytest.raises(ConfigurationError, match="to alice and bob"):
        shared.name(ED, NOW)


def test_a_list_that_is_no_text_is_refused_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "allowed_signers"
    path.write_bytes(b"alice \xff\n")
    with pytest.raises(ConfigurationError, match="byte 7") as caught:
        AllowedSigners.load(path)
    assert caught.value.code == "identity.allowed-signers"
    assert "git checkout allowed_signers" in caught.value.remedy
