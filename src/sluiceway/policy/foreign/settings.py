"""Where conftest's options come from: flags, then ``CONFTEST_*``, then ``conftest.toml``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.policy.foreign.parsers import dotenv, yaml_text
from sluiceway.record import Record

__all__ = ["Options", "conftest_settings", "options"]

_FILE = "conftest.toml"
_READERS: Mapping[str, Callable[[str], Any]] = {
    ".json": json.loads,
    ".toml": tomllib.loads,
    ".yaml": yaml_text.parse,
    ".yml": yaml_text.parse,
    ".dotenv": dotenv.parse,
    ".env": dotenv.parse,
}
"""Endings of ``conftest`` in the order in which it looks for them."""
_UNREADABLE = (".properties", ".props", ".prop", ".hcl", ".tfvars", ".ini")
"""Those that it looks for as well and then cannot read."""
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
    namespace: tuple[str, ...] = ()
    """Packages or patterns of them; when there is none, ``main`` judges, and all are tested."""
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
    """Return what the file ``conftest`` in *folder* and ``CONFTEST_*`` say, the environment last.

    Args:
        folder: Where the file is looked for: ``conftest.json``, ``.toml``, ``.yaml``, ...
        environ: The environment, which may name another file: ``CONFTEST_CONFIG_FILE``.
        config: Another file's path, which has to be there.

    Raises:
        ConfigurationError: ``configuration.conftest`` for what cannot be read, or has no
            counterpart here and would change what is found.
    """
    given = config or environ.get("CONFTEST_CONFIG_FILE", "")
    path = Path(given) if given else _file_in(folder)
    found = _read(path, given=bool(given)) if path else {}
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


def _file_in(folder: Path) -> Path | None:
    names = (folder / f"conftest{ending}" for ending in (*_READERS, *_UNREADABLE))
    return next((path for path in names if path.is_file()), None)


def _read(path: Path, *, given: bool) -> dict[str, Any]:
    """Return the options of a file, under their names in Python."""
    reader = _READERS.get(path.suffix.lower())
    read: Any = None
    reason = "it is no object" if reader else f"conftest reads {', '.join(_READERS)}"
    try:
        text = path.read_text(encoding="utf-8")
        if reader:
            read = reader(text) if text.strip() or reader is json.loads else {}
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error)
    if not isinstance(read, dict):
        raise ConfigurationError(
            f"{path} cannot be read: {reason}",
            remedy="Correct --config-file, or the file."
            if given
            else "Correct it, or take it away.",
            code="configuration.conftest",
        )
    known = (*_LISTS, *_TEXTS, *_FLAGS, *_UNKNOWN_HERE)
    for key in read:
        if "_" in key and key.lower() in known:
            raise ConfigurationError(
                f"{path} says {key}, which conftest does not know",
                means="conftest passes over it, and would find something else.",
                remedy=f"Write it {key.replace('_', '-').lower()}, or in the environment:"
                f" CONFTEST_{key.upper()}.",
                code="configuration.conftest",
            )
    return {key.replace("-", "_").lower(): value for key, value in read.items()}


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
