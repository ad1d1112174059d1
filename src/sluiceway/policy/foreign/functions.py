"""The three built-in functions that conftest adds to OPA's, and who may use what."""

from __future__ import annotations

import json
import os.path
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from sluiceway.errors import UsageError
from sluiceway.policy.builtins import FORBIDDEN
from sluiceway.policy.engine import Bundle
from sluiceway.policy.foreign.inputs import combine
from sluiceway.policy.foreign.numbers import policy_text
from sluiceway.policy.foreign.parsers import parse_text, parser_of
from sluiceway.policy.foreign.sources import read_text
from sluiceway.policy.tokens import tokens

__all__ = ["LENT", "allowed_builtins", "with_folders"]

_FILE = "parse_config_file"
_FILES = "parse_combined_config_files"
_AT = "conftest.at."
"""Begins the names that know the folder of the policy that calls."""
_HARMLESS = frozenset(
    {
        # Their values follow from their arguments, and the worker can open neither file nor socket.
        *("crypto.parse_private_keys", "crypto.x509.parse_keypair"),
        *("crypto.x509.parse_rsa_private_key", "json.match_schema", "json.verify_schema"),
        *("providers.aws.sign_req", "trace"),
    }
)
_NEVER = frozenset({"http.send", "net.lookup_ip_addr"})


def allowed_builtins(names: Collection[str]) -> frozenset[str]:
    """Return what foreign policies may use beyond a gate's built-ins.

    Args:
        names: What the caller allows: built-ins that ask the clock or chance.

    Raises:
        UsageError: ``policy.forbidden`` for what cannot be allowed, or need not be.
    """
    for name in names:
        if name in _NEVER:
            raise UsageError(
                f"{name} cannot be allowed",
                means="Policies are evaluated in a process that can open no socket.",
                remedy="Fetch what it asks for beforehand, and give it with --data.",
                code="policy.forbidden",
            )
        if name not in FORBIDDEN:
            raise UsageError(
                f"{name} is no built-in that has to be allowed",
                remedy=f"There are {', '.join(sorted(FORBIDDEN.keys() - _NEVER - _HARMLESS))}.",
                code="policy.forbidden",
            )
    return _HARMLESS | frozenset(names)


def _read(path: str) -> Any:
    file = Path(path)
    if file.exists() and not file.is_file():  # a pipe would be waited for past every deadline
        msg = f"{path} is no regular file"
        raise ValueError(msg)
    return parse_text(parser_of(path), read_text(file), path)


def _parse_config(parser: str, text: str) -> Any:
    return _plain(parse_text(parser, text, "the text"))


def _parse_config_file(folder: str, path: str) -> Any:
    return _plain(_read(_joined(folder, path)))


def _parse_combined_config_files(folder: str, paths: list[str]) -> Any:
    found = [_joined(folder, path) for path in paths]
    return _plain(combine({path: _read(path) for path in found}))


LENT: Mapping[str, Callable[..., Any]] = {
    "parse_config": _parse_config,
    f"{_AT}{_FILE}": _parse_config_file,
    f"{_AT}{_FILES}": _parse_combined_config_files,
}
"""Name to function, for the engine."""


def with_folders(bundle: Bundle) -> Bundle:
    """Return *bundle* whose modules say in which folder they are when they read files.

    conftest's functions take a path that is relative to the policy's own file, which the engine
    does not tell the functions that it is lent.
    """
    modules = {
        name: _told(name, source) if _FILE in source or _FILES in source else source
        for name, source in bundle.modules.items()
    }
    return Bundle(modules=modules, data=bundle.data, digest=bundle.digest, origin=bundle.origin)


def _told(name: str, source: str) -> str:
    folder = json.dumps(os.path.dirname(name))  # noqa: PTH120 - "" is not the folder "."
    made = ""
    called = False
    for token in tokens(source):
        if called and token.text == "(":
            made += f"({folder}, "
        elif token.kind == "word" and token.text in {_FILE, _FILES}:
            made += _AT + token.text
        else:
            made += token.text
        called = token.kind == "word" and token.text in {_FILE, _FILES}
    return made


def _joined(folder: str, path: str) -> str:
    """Join as Go's ``filepath.Join`` does: a path that begins with ``/`` is no other root."""
    return os.path.normpath(f"{folder}/{path}" if folder else path)


def _plain(value: Any) -> Any:
    """Return *value* with whole numbers as integers, which is how a policy compares them."""
    return json.loads(policy_text(value))
