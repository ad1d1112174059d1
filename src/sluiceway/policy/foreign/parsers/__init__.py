"""Reading configuration of many formats into the JSON data that conftest would make of it."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any

from sluiceway.errors import UsageError
from sluiceway.policy.foreign.parsers import (
    dockerfile,
    dotenv,
    ignore,
    ini,
    properties,
    xml_text,
    yaml_text,
)

__all__ = ["PARSERS", "UNREAD", "parse_text", "parser_of", "supported"]

_WHOLE = 1 << 63
"""TOML's integers have 64 bits."""


def _json(text: str) -> Any:
    """Return JSON with every number as the ``float`` that conftest makes of it."""
    return json.loads(
        text.removeprefix("\ufeff"), parse_int=_number, parse_float=_number, parse_constant=_refuse
    )


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text} is no JSON number, or too large for one"
        raise ValueError(msg)
    return value


def _toml(text: str) -> Any:
    return _plain(tomllib.loads(text, parse_float=_number))


def _refuse(constant: str) -> Any:
    msg = f"{constant} is no JSON number"
    raise ValueError(msg)


def _plain(value: Any) -> Any:
    """TOML has dates; policies see the text that Go's JSON has for them."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, int) and not -_WHOLE <= value < _WHOLE:
        msg = f"{value} does not fit into 64 bits"
        raise ValueError(msg)
    if isinstance(value, datetime):
        text = _shortest(value)
        return text.replace("+00:00", "Z") if value.tzinfo else f"{text}Z"
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    if isinstance(value, time):
        return f"0000-01-01T{_shortest(value)}Z"
    return value


def _shortest(value: datetime | time) -> str:
    """Return the time as Go writes it: a fraction without zeros at its end."""
    return re.sub(r"(\.\d*?)0+(?!\d)", r"\1", value.isoformat())


PARSERS: dict[str, Callable[[str], Any]] = {
    "dockerfile": dockerfile.parse,
    "dotenv": dotenv.parse,
    "ignore": ignore.parse,
    "ini": ini.parse,
    "json": _json,
    "properties": properties.parse,
    "toml": _toml,
    "xml": xml_text.parse,
    "yaml": yaml_text.parse,
}
"""Name to function; each raises ``ValueError`` for what it cannot read."""

UNREAD = frozenset(
    {
        *("cue", "cyclonedx", "edn", "groovy", "hcl1", "hcl2", "hocon", "jsonc", "jsonnet"),
        *("nginx", "spdx", "textproto", "vcl"),
    }
)
"""Parsers of conftest that are not here."""
_EXTENSIONS = {
    "dockerfile": "dockerfile",
    "dockerignore": "ignore",
    "env": "dotenv",
    "gitignore": "ignore",
    "hcl": "hcl2",
    "tf": "hcl2",
    "tfvars": "hcl2",
    "textproto": "textproto",
    "textpb": "textproto",
    "prototext": "textproto",
    "pbtxt": "textproto",
    "yml": "yaml",
}


def parser_of(path: str) -> str:
    """Return the name of the parser for *path*, conftest's way; ``""`` when it has none."""
    if path == "-":
        return "yaml"
    name = PurePath(path).name.lower()
    extension = name.rpartition(".")[2] if "." in name else ""
    first = name.partition(".")[0]
    if first == "dockerfile" and (name == first or name.startswith("dockerfile.")):
        return "dockerfile"
    if name == ".env" or name.startswith(".env."):
        return "dotenv"
    if name == "nginx.conf":
        return "nginx"
    if first == "jenkinsfile":
        return "groovy"
    found = _EXTENSIONS.get(extension, extension)
    return found if found in PARSERS or found in UNREAD else ""


def supported(path: str) -> bool:
    """Whether conftest would read *path* when it meets it in a folder."""
    return bool(parser_of(path))


def parse_text(parser: str, text: str, path: str) -> Any:
    """Return *text* as JSON data.

    Args:
        parser: A name; of conftest's that are not here it is said so.
        text: What to read.
        path: For messages.

    Raises:
        UsageError: ``policy.parser`` for an unknown one, ``policy.input`` for the text.
    """
    if parser in UNREAD:
        raise UsageError(
            f"{path} needs conftest's parser {parser}, which is not here",
            means="Nothing was judged.",
            remedy=f"Turn it into JSON: conftest parse --parser {parser} {path} > input.json"
            " - and give input.json; or leave it out with --ignore.",
            code="policy.parser",
        )
    if parser not in PARSERS:
        raise UsageError(
            f"there is no parser {parser!r}" if parser else f"no parser is known for {path}",
            remedy=f"Give one with --parser: {', '.join(PARSERS)}.",
            code="policy.parser",
        )
    try:
        return PARSERS[parser](text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} cannot be read as {parser}: {error}",
            means="Nothing was judged.",
            remedy="Correct it, or name its format with --parser.",
            code="policy.input",
        ) from error
