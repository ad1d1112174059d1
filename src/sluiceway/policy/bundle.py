"""Reading policies from folders and tars, laid out as OPA's bundles are.

Rego beside its tests, ``data.json`` in any folder (it becomes ``data.<folder>``), and
``schemas/<gate>/input.json`` at the root (a folder each: OPA takes every JSON file for data and must
find nothing to merge). Later folders and data files win: objects are merged, lists and single
values replaced.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.model import digest_of
from sluiceway.policy.engine import Bundle
from sluiceway.policy.schema import check_schema
from sluiceway.policy.tarball import Archive, check_roots, is_archive, read_archive
from sluiceway.record import Changing, field

__all__ = ["Source", "bundled_policies", "check_pin", "load_bundle", "merge", "unique_keys"]

Source = Path | Archive
"""A folder of policies, a single Rego file, a tar, or a tar that was read already."""

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
    paths: Sequence[Source], data_files: Sequence[Path] = (), *, tests: bool = False
) -> Bundle:
    """Read policies, their data and the schemas of their inputs.

    Args:
        paths: Folders of policies (or single Rego files, or tars); of two files with one relative
            path the later one's is taken.
        data_files: JSON files merged last, at the root of ``data``.
        tests: Include ``*_test.rego``; decisions never do.

    Raises:
        ConfigurationError: ``policy.missing``, ``policy.empty`` (no Rego), ``policy.data`` (not
            JSON, or not an object), ``policy.archive`` (a tar that is refused), ``input.schema``.
    """
    modules: dict[str, str] = {}
    data: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for root in paths:
        found = _read(root, tests=tests)
        modules |= found.modules
        data = merge(data, found.data)
        schemas |= found.schemas
    for path in data_files:
        data = merge(data, _object(_text(str(path)), str(path)))
    origin = ", ".join(_origin(path) for path in paths) or "no folder"
    if not any(not name.endswith(_TESTS) for name in modules):
        raise ConfigurationError(
            f"there is no Rego in {origin}",
            means="A gate without policies would refuse nothing, so it refuses everything.",
            remedy="Correct path in [policy], or leave it out for the bundled policies.",
            code="policy.empty",
        )
    content = {"modules": modules, "data": data, "schemas": schemas}
    artifact = next((path.artifact for path in paths if isinstance(path, Archive)), "")
    return Bundle(**content, digest=digest_of(content), origin=origin, artifact=artifact)


def check_pin(bundle: Bundle, digest: str) -> Bundle:
    """Return *bundle* when it is what *digest* names.

    Raises:
        ConfigurationError: ``policy.bundle-changed``.
    """
    if bundle.digest == digest:
        return bundle
    raise ConfigurationError(
        f"the policies in {bundle.origin} are {bundle.digest}, and digest in [policy] says {digest}",
        means="Rules, data, a schema or a file of the site's data changed, so every gate refuses.",
        remedy="Look at what changed. If it is meant, write the digest that `invoke policy.check` "
        "prints into [policy].",
        code="policy.bundle-changed",
    )


class _Found(Changing):
    """What one source brings."""

    modules: dict[str, str] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    schemas: dict[str, Any] = field(default_factory=dict)


def _read(root: Source, *, tests: bool) -> _Found:
    found = _Found()
    if isinstance(root, Path) and root.is_file() and is_archive(root.name):
        root = Archive(content=_bytes(str(root)), origin=str(root))
    if isinstance(root, Archive):
        contents = read_archive(root)
        files: Iterator[tuple[str, str, str]] = (
            (name, _decoded(body, f"{name} in {root.origin}"), f"{name} in {root.origin}")
            for name, body in contents.files.items()
            if _is_policy(name, tests=tests)
        )
    else:
        named = (each for each in _files(root) if _is_policy(each[1], tests=tests))
        files = ((name, _text(path), path) for path, name in named)
    for name, text, place in files:
        if name.endswith(".rego"):
            found.modules[name] = text
        elif _SCHEMA.fullmatch(name):
            gate = name.split("/")[1]
            found.schemas[gate] = _object(text, place)
            check_schema(found.schemas[gate], name)
        else:
            folder = name.split("/")[:-1]
            found.data = merge(found.data, _nested(folder, _object(text, place)))
    if isinstance(root, Archive):
        check_roots(root, contents.roots, found.modules, found.data)
    return found


def _is_policy(name: str, *, tests: bool) -> bool:
    if name.endswith(".rego"):
        return tests or not name.endswith(_TESTS)
    return name.rpartition("/")[2] == "data.json" or _SCHEMA.fullmatch(name) is not None


def _origin(source: Source) -> str:
    return source.origin if isinstance(source, Archive) else str(source)


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return *below* with *above* laid over it: objects merged, everything else replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(under, value) if both and under is not None else value
    return merged


def _files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield files below *root* with their relative names, sorted; hidden ones are not policies."""
    if root.is_file():
        yield str(root), root.name
        return
    if not root.is_dir():
        raise ConfigurationError(
            f"{root} is not a folder of policies",
            means="Every gate refuses.",
            remedy="Correct --policies, or path in [policy], or leave it out for the bundled ones.",
            code="policy.missing",
        )
    for parts, path in sorted(_below(os.fspath(root), ())):
        yield path, "/".join(parts)


def _below(folder: str, parts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the files in the folder and its folders, hidden ones and links to folders left alone."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise _unreadable(folder, error) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, (*parts, entry.name))
        elif _is_file(entry):
            yield (*parts, entry.name), entry.path


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link in a circle, or to where nobody may look: opening it says so
        return True


def _nested(folder: Sequence[str], value: Mapping[str, Any]) -> dict[str, Any]:
    nested = dict(value)
    for name in reversed(folder):
        nested = {name: nested}
    return nested


def _text(path: str) -> str:
    return _decoded(_bytes(path), path)


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes longer than all the rest here
            if os.fstat(file.fileno()).st_size > _LARGEST:
                raise _too_large(path)
            return file.read()
    except OSError as error:
        raise _unreadable(path, error) from error


def _decoded(body: bytes, place: str) -> str:
    if len(body) > _LARGEST:
        raise _too_large(place)
    try:
        # As a file that is opened as text: whoever checks out with CRLF has the same policies.
        return io.TextIOWrapper(io.BytesIO(body), encoding="utf-8").read()
    except UnicodeError as error:
        raise _unreadable(place, error) from error


def _too_large(place: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place} is larger than {_LARGEST >> 20} MB",
        means="No policy or policy data should be.",
        code="policy.data",
    )


def _unreadable(place: str, error: Exception) -> ConfigurationError:
    if isinstance(error, FileNotFoundError):
        return ConfigurationError(
            f"there is no file {place}",
            means="Every gate that needs it refuses.",
            remedy="Put it there, or correct data in [policy].",
            code="policy.missing",
        )
    return ConfigurationError(
        f"{place} cannot be read: {error}",
        means="Every gate that needs it refuses.",
        remedy="Give it the right permissions, or save it as UTF-8.",
        code="policy.missing",
    )


def _object(text: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        row = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationError(
            f"{place}{row} is not JSON: {error}",
            means="Every gate that needs it refuses.",
            remedy="Correct it there.",
            code="policy.data",
        ) from error
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"{place} is not a JSON object",
            means="Policy data is an object whose keys become data.<key>.",
            code="policy.data",
        )
    return value


def _refuse(constant: str) -> Any:
    msg = f"{constant} is no JSON number"
    raise ValueError(msg)


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; a key that stands there twice is a ``ValueError``."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        doubled = sorted({key for key in keys if keys.count(key) > 1})
        msg = f"the key {doubled[0]!r} stands there twice"
        raise ValueError(msg)
    return found
