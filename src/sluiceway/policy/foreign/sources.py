"""Reading foreign policies and their data from folders, as conftest does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sluiceway.errors import ConfigurationError, UsageError
from sluiceway.model import digest_of
from sluiceway.policy.engine import Bundle
from sluiceway.policy.foreign.parsers import yaml_text

__all__ = ["DATA_ENDINGS", "load_foreign", "read_text"]

_LARGEST = 64 << 20
DATA_ENDINGS = (".json", ".yaml", ".yml")


def load_foreign(policies: Sequence[Path], data: Sequence[Path] = ()) -> Bundle:
    """Return the policies, tests included, under their paths, and their data.

    Args:
        policies: Folders, read to any depth, or files.
        data: Folders whose documents appear under the names of the folders that they are in, or
            files, which appear at the root (a file of any other format is passed over).

    Raises:
        ConfigurationError: ``policy.missing``, ``policy.empty``.
        UsageError: ``policy.data`` for a document that cannot be read or merged.
    """
    modules: dict[str, str] = {}
    for root in policies:
        for path in _below(root, (".rego",)):
            modules[path.as_posix()] = read_text(path)
    origin = ", ".join(str(path) for path in policies)
    if not modules:
        raise ConfigurationError(
            f"there are no policies in {origin}",
            means="Nothing would be found, whatever is in the files.",
            remedy="Name the folder that has the .rego files with --policy.",
            code="policy.empty",
        )
    documents: dict[str, Any] = {}
    for root in data:
        if root.is_file() and root.suffix not in DATA_ENDINGS:
            continue
        for path in _below(root, DATA_ENDINGS):
            place = path.relative_to(root).parts[:-1] if root.is_dir() else ()
            _merge(documents, _document(path), place, path)
    content = {"modules": modules, "data": documents}
    return Bundle(modules=modules, data=documents, digest=digest_of(content), origin=origin)


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        UsageError: ``policy.input`` when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            body = file.read(_LARGEST + 1)
        text = body.decode()
        reason = f"it is larger than {_LARGEST >> 20} MB" if len(body) > _LARGEST else ""
    except OSError as error:
        reason = error.strerror or "it is no file"
    except UnicodeError:
        reason = "it is not UTF-8"
    if reason:
        raise UsageError(
            f"{path} cannot be read: {reason}",
            means="Nothing was judged.",
            remedy="Correct the path or the file.",
            code="policy.input",
        )
    return text


def _below(root: Path, endings: tuple[str, ...]) -> Iterable[Path]:
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise ConfigurationError(
            f"{root} is neither a file nor a folder",
            means="Nothing was judged.",
            remedy="Correct --policy or --data.",
            code="policy.missing",
        )
    return sorted(path for path in root.rglob("*") if path.suffix in endings and path.is_file())


def _document(path: Path) -> Any:
    text = read_text(path)
    try:
        return json.loads(text) if path.suffix == ".json" else yaml_text.parse_exact(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} cannot be read as data: {error}",
            remedy="Correct it there.",
            code="policy.data",
        ) from error


def _merge(into: dict[str, Any], value: Any, place: Sequence[str], path: Path) -> None:
    for name in reversed(place):
        value = {name: value}
    if not isinstance(value, dict) or not _merged(into, value):
        raise UsageError(
            f"{path} cannot be merged into the data",
            means="It is no object, or another file has the same key.",
            remedy="Put it into a folder of its own, whose name becomes its key.",
            code="policy.data",
        )


def _merged(into: dict[str, Any], value: dict[str, Any]) -> bool:
    for key, each in value.items():
        if key not in into:
            into[key] = each
        else:
            both = isinstance(into[key], dict) and isinstance(each, dict)
            if not both or not _merged(into[key], each):
                return False
    return True
