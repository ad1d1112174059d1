"""Finding the acting person's private key, in files and in the agent, without ever prompting."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sluiceway.errors import ConfigurationError, PluginError
from sluiceway.model import Project
from sluiceway.record import Record
from sluiceway_identity_ssh import agent, keys
from sluiceway_identity_ssh.keys import PublicKey
from sluiceway_identity_ssh.wire import Malformed, Reader

__all__ = ["KEY_VARIABLE", "PASSPHRASE_VARIABLE", "Candidate", "candidates", "opened"]

KEY_VARIABLE = "SLUICEWAY_SSH_KEY"
PASSPHRASE_VARIABLE = "SLUICEWAY_SSH_PASSPHRASE"  # noqa: S105 - a variable's name, not its value
AGENT_VARIABLE = "SSH_AUTH_SOCK"

_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_OPENSSH_END = b"-----END OPENSSH PRIVATE KEY-----"
_OPENSSH_MAGIC = b"openssh-key-v1\0"
_LONGEST = 1 << 16

Sign = Callable[[bytes], bytes]
"""Returns ``string algorithm, string value`` over the bytes it is given."""


class Candidate(Record):
    """A private key that could be used, not opened yet."""

    where: str
    """Its path, or ``ssh-agent``."""
    path: Path | None
    """The private key's file; ``None`` when only the agent has it."""
    encrypted: bool
    key: PublicKey | None
    """Its public half; ``None`` for an encrypted PEM file without a ``.pub`` beside it."""


def candidates(project: Project, configured: str) -> tuple[Candidate, ...]:
    """Return the keys to choose from, best first.

    Args:
        project: ``SLUICEWAY_SSH_KEY``, HOME and ``SSH_AUTH_SOCK`` are read from its environment.
        configured: The setting ``key``; outranks everything. Empty when it is not set.

    Raises:
        ConfigurationError: When a key that was asked for by name cannot be used.
    """
    environ = project.environ
    named = configured or environ.get(KEY_VARIABLE, "")
    home = Path(environ.get("HOME", "") or "/nonexistent")
    if named:
        if "-----BEGIN" in named:  # do not repeat it: it may be a private key
            raise ConfigurationError(
                f"{KEY_VARIABLE} (or the setting key) holds a key and not the path of one",
                remedy="Write the key to a file of mode 0600 and name that file.",
                code="identity.key",
            )
        path = home / named[2:] if named.startswith("~/") else project.root / named
        return (_candidate(path),)
    found, problems = [], []
    for path in (home / ".ssh" / name for name in _USUAL):
        try:
            found += [_candidate(path)] if path.is_file() else []
        except ConfigurationError as error:
            problems.append(error)  # nobody asked for this one: another may do
    if address := environ.get(AGENT_VARIABLE, ""):
        known = {candidate.key for candidate in found}
        found += [
            Candidate(where="ssh-agent", path=None, encrypted=False, key=key)
            for key in agent.listed(address)
            if key not in known
        ]
    if problems and not found:
        raise problems[0]
    return tuple(found)


def opened(candidate: Candidate, environ: Mapping[str, str]) -> tuple[PublicKey, Sign]:
    """Return the candidate's public half and a function that signs with it.

    An encrypted file is opened with ``SLUICEWAY_SSH_PASSPHRASE``; without that the agent is asked.
    """
    address = environ.get(AGENT_VARIABLE, "")
    passphrase = environ.get(PASSPHRASE_VARIABLE, "")
    if candidate.path is not None and (not candidate.encrypted or passphrase):
        private = _load(candidate.path, passphrase if candidate.encrypted else "")
        return PublicKey.of(private), lambda data: keys.sign(private, data)
    key = candidate.key
    if key is not None and address and key in agent.listed(address):
        return key, lambda data: agent.sign(address, key, data)
    raise ConfigurationError(
        f"{candidate.where} is locked by a passphrase"
        if candidate.path is not None
        else f"{candidate.where} is only the public half of a key",
        means="Sluiceway never prompts for a passphrase, and the ssh-agent does not hold the key.",
        remedy=f"Run `ssh-add {candidate.path or candidate.where.removesuffix('.pub')}`"
        + (f", or set {PASSPHRASE_VARIABLE}." if candidate.path is not None else "."),
        code="identity.locked",
    )


def _candidate(path: Path) -> Candidate:
    body = _read(path)
    try:
        if not body.lstrip().startswith(b"-----BEGIN"):
            key = PublicKey.from_line(body.decode("utf-8", "replace"))
            return Candidate(where=str(path), path=None, encrypted=False, key=key)
        _check_mode(path)
        if body.lstrip().startswith(_OPENSSH):
            encrypted, blob = _openssh_header(body)
            key = PublicKey.from_blob(blob)
            return Candidate(where=str(path), path=path, encrypted=encrypted, key=key)
        if b"ENCRYPTED" not in body:
            key = PublicKey.of(_load(path, ""))
            return Candidate(where=str(path), path=path, encrypted=False, key=key)
        beside = path.with_name(path.name + ".pub")
        shown = PublicKey.from_line(beside.read_text("utf-8")) if beside.is_file() else None
    except Malformed as error:
        raise ConfigurationError(
            f"the SSH key {path} cannot be used: {error}",
            remedy="Make one that can be: ssh-keygen -t ed25519, and name it in "
            f"{KEY_VARIABLE} or [plugins.identity-ssh] key.",
            code="identity.fido" if "FIDO" in str(error) else "identity.key",
        ) from None
    return Candidate(where=str(path), path=path, encrypted=True, key=shown)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(_LONGEST + 1)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the SSH key {path}: {error.strerror}",
            remedy=f"Correct {KEY_VARIABLE} or [plugins.identity-ssh] key; "
            "a new key is made by: ssh-keygen -t ed25519",
            code="identity.key",
        ) from error
    if len(body) > _LONGEST:
        raise ConfigurationError(f"{path} is too long to be an SSH key", code="identity.key")
    return body


def _check_mode(path: Path) -> None:
    state = path.stat()
    if state.st_uid == os.getuid() and state.st_mode & 0o077:
        raise ConfigurationError(
            f"the private key {path} can be read by others (mode {state.st_mode & 0o777:04o})",
            means="What others can read proves nobody's identity; ssh refuses such a key as well.",
            remedy=f"chmod 600 {path}",
            code="identity.key-permissions",
        )


def _openssh_header(body: bytes) -> tuple[bool, bytes]:
    """Return ``(encrypted, public blob)``; both are in the clear (OpenSSH, PROTOCOL.key)."""
    text = body.strip().removeprefix(_OPENSSH).removesuffix(_OPENSSH_END)
    try:
        reader = Reader(base64.b64decode(b"".join(text.split()), validate=True))
    except (binascii.Error, ValueError):
        msg = "it is not base64"
        raise Malformed(msg) from None
    if reader.take(len(_OPENSSH_MAGIC)) != _OPENSSH_MAGIC:
        msg = "it is not in OpenSSH's format"
        raise Malformed(msg)
    cipher = reader.text()
    reader.string()  # the key derivation function
    reader.string()  # and its options
    if reader.uint32() != 1:
        msg = "it does not hold exactly one key"
        raise Malformed(msg)
    return cipher != "none", reader.string()


def _load(path: Path, passphrase: str) -> keys.PrivateKey:
    body, secret = _read(path), passphrase.encode() or None
    load = (
        serialization.load_ssh_private_key
        if body.lstrip().startswith(_OPENSSH)
        else serialization.load_pem_private_key
    )
    try:
        private = load(body, secret)
    except UnsupportedAlgorithm as error:
        if "bcrypt" not in str(error):
            raise Malformed(str(error)) from None
        raise PluginError(
            f"{path} is encrypted, and opening it needs the package bcrypt",
            remedy=f"pip install bcrypt, or let the agent hold it: ssh-add {path}",
            code="identity.bcrypt",
        ) from None
    except (ValueError, TypeError):
        # The library's words are left out: they could quote what it read.
        if secret is None:
            msg = "it is damaged"
            raise Malformed(msg) from None
        raise ConfigurationError(
            f"{PASSPHRASE_VARIABLE} does not open {path}",
            remedy=f"Correct it, or unset it and run `ssh-add {path}`.",
            code="identity.passphrase",
        ) from None
    if isinstance(
        private, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    ):
        return private
    msg = f"{type(private).__name__} is no type of key that is used here"
    raise Malformed(msg)
