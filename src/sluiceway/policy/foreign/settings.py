"""Where conftest's options come from: flags, then ``CONFTEST_*``, then ``conftest.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.record import Record

__all__ = ["Options", "conftest_settings", "options"]

_FILE = "conftest.toml"
_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"", "0", "f", "false"})
_LISTS = ("data", "namespace", "policy")
_TEXTS = ("ignore", "output", "parser", "stdin_filename")
_FLAGS = (
    "all_namespaces",
    "combine",
    "fail_on_warn",
    "github_hide_passed",
    "junit_hide_message",
    "no_fail",
    "quiet",
    "suppress_exceptions",
)
_OURS = ("ignore_builtin_errors",)
"""Flags that conftest does not have, so neither its file nor its environment does."""
_UNKNOWN_HERE = ("capabilities", "rego_version", "strict", "trace", "update")
"""Options of conftest whose absence would change what is found."""


class Options(Record):
    """How foreign policies judge."""

    policy: tuple[str, ...] = ("policy",)
    data: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ("main",)
    all_namespaces: bool = False
    combine: bool = False
    parser: str = ""
    ignore: str = ""
    output: str = "stdout"
    fail_on_warn: bool = False
    no_fail: bool = False
    quiet: bool = False
    suppress_exceptions: bool = False
    junit_hide_message: bool = False
    github_hide_passed: bool = False
    stdin_filename: str = ""
    """What ``-`` is called in what is printed."""
    ignore_builtin_errors: bool = False
    """An error of a built-in is undefined; conftest's own ``show_builtin_errors``, turned round."""


def conftest_settings(folder: Path, environ: Mapping[str, str], config: str = "") -> dict[str, Any]:
    """Return what ``conftest.toml`` in *folder* and ``CONFTEST_*`` say, the environment last.

    Args:
        folder: Where the file is looked for.
        environ: The environment.
        config: Another file's path, which has to be there.

    Raises:
        ConfigurationError: ``configuration.conftest`` for what cannot be read, or has no
            counterpart here and would change what is found.
    """
    path = Path(config) if config else folder / _FILE
    found: dict[str, Any] = {}
    try:
        if config or path.is_file():
            read = tomllib.loads(path.read_text(encoding="utf-8"))
            found = {key.replace("-", "_").lower(): value for key, value in read.items()}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}",
            remedy="Correct --config-file, or the file."
            if config
            else "Correct it, or take it away.",
            code="configuration.conftest",
        ) from error
    for key in (*_LISTS, *_TEXTS, *_FLAGS, *_UNKNOWN_HERE):
        value = environ.get(f"CONFTEST_{key.upper()}", "")
        if value:
            found[key] = value
    for key in _UNKNOWN_HERE:
        value = found.pop(key, None)
        if value not in (None, False, "", [], "false", "v1"):
            raise ConfigurationError(
                f"conftest's option {key.replace('_', '-')} is set, and there is none here",
                means="Without it the policies could find something else.",
                remedy=f"Take it out of {_FILE} and the environment, or use conftest itself;"
                " docs/conftest.md says what is used instead.",
                code="configuration.conftest",
            )
    return {key: _typed(key, found[key]) for key in (*_LISTS, *_TEXTS, *_FLAGS) if key in found}


def options(settings: Mapping[str, Any], flags: Mapping[str, Any]) -> Options:
    """Return the options: those of *flags* that were given win."""
    given = {
        key: _typed(key, value)
        for key, value in flags.items()
        if value not in (None, False, "", ())
    }
    return Options(**{**settings, **{key: value for key, value in given.items() if value != ()}})


def _typed(key: str, value: Any) -> Any:
    if key in _LISTS:
        texts: Sequence[Any] = [value] if isinstance(value, str) else value
        if isinstance(texts, list | tuple) and all(isinstance(each, str) for each in texts):
            return tuple(part for each in texts for part in each.split(",") if part)
    elif isinstance(value, str if key in _TEXTS else bool):
        return value
    elif key in (*_FLAGS, *_OURS) and isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    kind = "a list of texts" if key in _LISTS else "a text" if key in _TEXTS else "true or false"
    raise ConfigurationError(
        f"conftest's option {key.replace('_', '-')} is {value!r}, which is not {kind}",
        remedy=f"Correct it in {_FILE} or in CONFTEST_{key.upper()}.",
        code="configuration.conftest",
    )
