"""Which key signs and which keys are trusted, as cosign names keys: a path or an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.model import Project
from sluiceway.record import Record
from sluiceway.signing.public_key import PublicKey, load_public_key
from sluiceway_sign_cosign.program import PLUGIN, Cosign, options

__all__ = ["Trusted", "named_keys", "signing_key", "trusted"]

_VARIABLE = "COSIGN_PRIVATE_KEY"
_PUBLIC = "cosign.pub"
_ADDRESS = re.compile(r"[a-z][a-z0-9]+://.+|pkcs11:.+", re.DOTALL)
_MAKE_ONE = (
    f"Run `invoke keys.new` to make a key pair, or set {_VARIABLE} to the content of a cosign.key."
)


class Trusted(Record):
    """One trusted key, twice: as cosign finds it and as we verify with it."""

    key: str
    public: PublicKey


def signing_key(project: Project, settings: Mapping[str, Any]) -> str:
    """Return the key to sign with: the setting, else ``COSIGN_PRIVATE_KEY``, else the state folder's.

    A key that the variable holds itself is ``env://COSIGN_PRIVATE_KEY``: its text is then neither
    in a file nor in the list of arguments.

    Raises:
        ConfigurationError: ``sign.no-key``.
    """
    value = project.environ.get(_VARIABLE, "")
    named = options(settings)["key"]
    if not named and "-----BEGIN" in value:
        return f"env://{_VARIABLE}"
    text = named or value or str(project.state / "cosign.key")
    if _ADDRESS.fullmatch(text):
        return str(text)
    path = project.root / Path(text).expanduser()
    if not _is_file(path):
        # The variable's value may be a garbled key: no message may ever show it.
        shown = f"the file that {_VARIABLE} names" if value and not named else path
        raise ConfigurationError(
            f"there is no private key to sign with: {shown} is not a file",
            means="Nothing was signed. An unsigned image is refused by every gate.",
            remedy=_MAKE_ONE,
            code="sign.no-key",
        )
    return str(path)


def named_keys(project: Project, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the trusted keys as cosign names them.

    ``public_keys`` when set; else the ``cosign.pub`` beside the private key file or in the
    project's root; else the key itself where it is kept by a service that can be asked.

    Raises:
        ConfigurationError: ``sign.no-public-key``.
    """
    taken = options(settings)
    if taken["public_keys"]:
        return tuple(
            text if _ADDRESS.fullmatch(text) else str(project.root / Path(text).expanduser())
            for text in taken["public_keys"]
        )
    named = taken["key"] or project.environ.get(_VARIABLE, "")
    if _ADDRESS.fullmatch(named) and not named.startswith("env://"):
        return (named,)
    in_variable = "-----BEGIN" in named
    private = project.root / Path(named).expanduser() if named and not in_variable else None
    beside = project.state / _PUBLIC if private is None else private.with_name(_PUBLIC)
    for path in (*(() if in_variable else (beside,)), project.root / _PUBLIC):
        if _is_file(path):
            return (str(path),)
    raise ConfigurationError(
        "there is no public key to verify signatures with",
        means="Without a trusted key no signature means anything, so every one is refused.",
        remedy=f"Put {_PUBLIC} beside sluiceway.toml, or name it: "
        f'[plugins.{PLUGIN}] public_keys = ["{_PUBLIC}"]. {_MAKE_ONE}',
        code="sign.no-public-key",
    )


def trusted(cosign: Cosign, keys: tuple[str, ...]) -> tuple[Trusted, ...]:
    """Load the public half of each of *keys*; those behind an address are asked for by cosign.

    Raises:
        ConfigurationError: ``sign.no-public-key``, ``sign.key-malformed``, ``sign.key-kind``.
    """
    return tuple(Trusted(key=key, public=_load(cosign, key)) for key in keys)


def _load(cosign: Cosign, key: str) -> PublicKey:
    if _ADDRESS.fullmatch(key):
        return load_public_key(cosign.public_key(key), key)
    try:
        body = Path(key).read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the trusted public key {key} cannot be read",
            means="Signatures cannot be verified with a key that is not there.",
            remedy=f"Correct [plugins.{PLUGIN}] public_keys, or put the file there.",
            code="sign.no-public-key",
        ) from error
    return load_public_key(body, key)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
