"""Reading policies from folders, laid out as OPA's bundles are.

Rego beside its tests, ``data.json`` in any folder (it becomes ``data.<folder>``), and
``schemas/<gate>/input.json`` at the root (a folder each: OPA takes every JSON file for data and must
find nothing to merge). Later folders and data files win: objects are merged, lists and single
values replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.model import digest_of
from sluiceway.policy.engine import Bundle
from sluiceway.policy.schema import check_schema

__all__ = ["bundled_policies", "load_bundle", "merge"]

_LARGEST = 32 << 20
"""Bytes of one file: more is a mistake, and would not fit the engine's deadline."""
_TESTS = "_test.rego"
_SCHEMA = re.compile("schemas/[^/]+/input.json")


def bundled_policies() -> Path:
    """Return the folder of policies that came with Sluiceway.

    Raises:
        ConfigurationError: When this installation lacks them.
    """
    here = Path(__file__).resolve()
    packaged, checkout = here.parents[1] / "_policies", here.parents[3] / "policies"
    for folder in (packaged, checkout):
        if folder.is_dir():
            return folder
    raise ConfigurationError(
        "this installation of Sluiceway has no policies",
        means="Every gate refuses.",
        remedy="Reinstall it, or name a folder of Rego as path in [policy].",
        code="policy.empty",
    )


def load_bundle(
    paths: Sequence[Path], data_files: Sequence[Path] = (), *, tests: bool = False
) -> Bundle:
    """Read policies, their data and the schemas of their inputs.

    Args:
        paths: Folders of policies (or single Rego files); of two files with one relative path
            the later folder's is taken.
        data_files: JSON files merged last, at the root of ``data``.
        tests: Include ``*_test.rego``; decisions never do.

    Raises:
        ConfigurationError: ``policy.missing``, ``policy.empty`` (no Rego), ``policy.data`` (not
            JSON, or not an object), ``input.schema``.
    """
    modules: dict[str, str] = {}
    data: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for root in paths:
        for path, name in _files(root):
            if name.endswith(".rego"):
                if tests or not name.endswith(_TESTS):
                    modules[name] = _text(path)
            elif _SCHEMA.fullmatch(name):
                schemas[path.parent.name] = _object(path)
                check_schema(schemas[path.parent.name], name)
            elif path.name == "data.json":
                folder = name.split("/")[:-1]
                data = merge(data, _nested(folder, _object(path)))
    for path in data_files:
        data = merge(data, _object(path))
    origin = ", ".join(str(path) for path in paths) or "no folder"
    if not any(not name.endswith(_TESTS) for name in modules):
        raise ConfigurationError(
            f"there is no Rego in {origin}",
            means="A gate without policies would refuse nothing, so it refuses everything.",
            remedy="Correct path in [policy], or leave it out for the bundled policies.",
            code="policy.empty",
        )
    content = {"modules": modules, "data": data, "schemas": schemas}
    return Bundle(**content, digest=digest_of(content), origin=origin)


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return *below* with *above* laid over it: objects merged, everything else replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(under, value) if both and under is not None else value
    return merged


def _files(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield files below *root* with their relative names, sorted; hidden ones are not policies."""
    if root.is_file():
        yield root, root.name
        return
    if not root.is_dir():
        raise ConfigurationError(
            f"{root} is not a folder of policies",
            means="Every gate refuses.",
            remedy="Correct path in [policy], or leave it out for the bundled policies.",
            code="policy.missing",
        )
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and not any(part.startswith(".") for part in parts):
            yield path, "/".join(parts)


def _nested(folder: Sequence[str], value: Mapping[str, Any]) -> dict[str, Any]:
    nested = dict(value)
    for name in reversed(folder):
        nested = {name: nested}
    return nested


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigurationError(
                f"{path} is larger than {_LARGEST >> 20} MB",
                means="No policy or policy data should be.",
                code="policy.data",
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}",
            means="Every gate that needs it refuses.",
            remedy="Give it the right permissions, or save it as UTF-8.",
            code="policy.missing",
        ) from error


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_text(path), parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        place = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationError(
            f"{path}{place} is not JSON: {error}",
            means="Every gate that needs it refuses.",
            remedy="Correct it there.",
            code="policy.data",
        ) from error
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"{path} is not a JSON object",
            means="Policy data is an object whose keys become data.<key>.",
            code="policy.data",
        )
    return value


def _refuse(constant: str) -> Any:
    msg = f"{constant} is no JSON number"
    raise ValueError(msg)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        doubled = sorted({key for key in keys if keys.count(key) > 1})
        msg = f"the key {doubled[0]!r} stands there twice"
        raise ValueError(msg)
    return found
