"""The three built-in functions that conftest adds to OPA's, and who may use what."""

from __future__ import annotations

import json
import os.path
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from sluiceway.errors import UsageError
from sluiceway.policy.builtins import FORBIDDEN
from sluiceway.policy.engine import Bundle, EngineError
from sluiceway.policy.foreign.inputs import combine
from sluiceway.policy.foreign.numbers import policy_text
from sluiceway.policy.foreign.parsers import UNREAD, parse_text, parser_of
from sluiceway.policy.foreign.sources import read_text
from sluiceway.policy.tokens import tokens

__all__ = ["UnansweredError", "allowed_builtins", "lent", "with_folders"]

_TEXT = "parse_config"
_FILE = "parse_config_file"
_FILES = "parse_combined_config_files"
_TAKES = {_TEXT: 2, _FILE: 1, _FILES: 1}
"""Each function and how many arguments it takes."""
_WHOLE = "conftest.at."
_BARE = "conftest.bare."
"""Begin the names under which they are lent: they know the folder of the policy that calls."""
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


class UnansweredError(EngineError):
    """What conftest would have read, or the engine cannot be told: nobody may take it for undefined."""


def _read(path: str) -> Any:
    file = Path(path)
    if file.exists() and not file.is_file():  # a pipe would be waited for past every deadline
        raise UnansweredError(
            f"{path} is no regular file",
            means="Nothing was judged.",
            remedy="Let the policy read a file.",
            code="policy.input",
        )
    try:
        text = read_text(file)
    except UsageError as error:
        if file.exists():
            raise _unanswered(error, "Correct the file.") from error
        raise
    return _parsed(parser_of(path), text, path)


def _parsed(parser: str, text: str, path: str) -> Any:
    try:
        return parse_text(parser, text, path)
    except UsageError as error:
        if parser in UNREAD:
            remedy = "Turn what the policy reads into JSON beforehand (conftest parse), or leave it"
            raise _unanswered(error, f"{remedy} to conftest.") from error
        raise


def _unanswered(error: UsageError, remedy: str) -> UnansweredError:
    means = "Nothing was judged: a rule that reads it would say nothing."
    return UnansweredError(error.what, means=means, remedy=remedy, code=error.code)


def _parse_config(parser: str, text: str) -> Any:
    return _plain(_parsed(parser, text, "the text"))


def _parse_config_file(folder: str, path: str) -> Any:
    return _plain(_read(_joined(folder, path)))


def _parse_combined_config_files(folder: str, paths: list[str]) -> Any:
    found = [_joined(folder, path) for path in paths]
    return _plain(combine({path: _read(path) for path in found}))


_Function = Callable[[Any, Any], Any]
_FUNCTIONS: Mapping[str, _Function] = {
    _TEXT: _parse_config,
    _FILE: _parse_config_file,
    _FILES: _parse_combined_config_files,
}


def lent(unanswered: list[UnansweredError]) -> Mapping[str, Callable[..., Any]]:
    """Return name to function, for the engine; every :class:`UnansweredError` is kept.

    The engine takes ``null`` from a function for undefined, so each answers with a list of its one
    value, and :func:`with_folders` writes ``[0]`` behind every call. That is not possible where
    ``with`` puts something else in a function's place: the functions below ``conftest.bare`` answer
    with the value itself, and stop where it is ``null``.
    """

    def whole(function: _Function) -> _Function:
        def called(first: Any, second: Any) -> Any:
            try:
                return [function(first, second)]
            except UnansweredError as error:
                unanswered.append(error)
                raise

        return called

    def bare(function: _Function) -> _Function:
        def called(first: Any, second: Any) -> Any:
            value = function(first, second)
            if value is None:
                raise UnansweredError(
                    "a function of conftest's yields null where `with` names another in its place",
                    means="The engine takes that for undefined, so nothing was judged.",
                    remedy="Do not put something in the place of these functions in the same folder.",
                    code="policy.input",
                )
            return value

        inner = whole(called)
        return lambda first, second: inner(first, second)[0]

    made = {f"{_WHOLE}{name}": whole(function) for name, function in _FUNCTIONS.items()}
    made |= {f"{_BARE}{name}": bare(function) for name, function in _FUNCTIONS.items()}
    return {**made, _TEXT: made[f"{_BARE}{_TEXT}"]}  # as it stands within a text: $"{...}"


def with_folders(bundle: Bundle) -> Bundle:
    """Return *bundle* whose modules say in which folder they are when they read files.

    conftest's functions take a path that is relative to the policy's own file, which the engine
    does not tell the functions that it is lent.
    """
    asking = {
        name for name, source in bundle.modules.items() if any(word in source for word in _TAKES)
    }
    whole = all(_told(name, bundle.modules[name])[1] for name in asking)
    modules = {
        name: _told(name, source, whole=whole)[0] if name in asking else source
        for name, source in bundle.modules.items()
    }
    return Bundle(modules=modules, data=bundle.data, digest=bundle.digest, origin=bundle.origin)


def _told(name: str, source: str, *, whole: bool = True) -> tuple[str, bool]:
    """Return the module, and whether it does nothing with the functions but to call them."""
    folder = json.dumps(os.path.dirname(name))  # noqa: PTH120 - "" is not the folder "."
    own = set(re.findall(rf"^(?:default )?({'|'.join(_TAKES)})\b", source, re.MULTILINE))
    made = ""
    only_called = True
    word = last = ""
    begun: list[tuple[str, int]] = []  # the function of each open bracket, and commas since
    for token in tokens(source):
        text = token.text
        if word and text != "(":  # a name that is not called: something takes its place
            only_called = False
        if token.kind == "word" and text in _TAKES and last != "." and text not in own:
            word, last = text, text
            made += (_WHOLE if whole else _BARE) + text
            continue
        made += text
        if token.kind == "mark" and text in "([{":
            begun.append((word, 0))
            made += f"{folder}, " if word in {_FILE, _FILES} else ""
        elif text == "," and begun:
            begun[-1] = (begun[-1][0], begun[-1][1] + 1)
        elif token.kind == "mark" and text in ")]}" and begun:
            called, commas = begun.pop()
            commas -= last == ","  # one behind the last argument parts nothing
            made += "[0]" if called and whole else ""
            # One argument more is where the value goes, in the oldest way of calling.
            only_called = only_called and not (called and commas >= _TAKES[called])
        word = ""
        last = last if token.blank else text
    return made, only_called


def _joined(folder: str, path: str) -> str:
    """Join as Go's ``filepath.Join`` does: a path that begins with ``/`` is no other root."""
    return os.path.normpath(f"{folder}/{path}" if folder else path)


def _plain(value: Any) -> Any:
    """Return *value* with whole numbers as integers, which is how a policy compares them."""
    return json.loads(policy_text(value))
