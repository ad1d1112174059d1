"""What a source tree pins: lock files and exact requirements, as packages.

Read are ``requirements*.txt``, ``poetry.lock``, ``uv.lock``, ``pylock.toml``, ``Pipfile.lock``,
``package-lock.json`` and ``npm-shrinkwrap.json`` (versions 2 and 3) and ``Cargo.lock``. Other lock
files are known by their names, and so are manifests that no lock file stands for, in their folder or
above: they are listed as files that nobody judged. A requirement that is not an exact pin is listed
without a version: nobody can say what will be installed.

Sources: pip's requirements file format; poetry's, uv's, npm's and Cargo's lock files; PEP 751.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sluiceway.scanning import Package, package_at

__all__ = ["packages_in"]

_PASSED = frozenset({".git", ".hg", ".svn", ".tox", ".venv", "__pycache__", "node_modules", "venv"})
"""Folders of tools: what is in them was installed, not declared."""
_LARGEST = 64 << 20  # bytes of one file
_UNREAD = (
    *("bun.lock", "bun.lockb", "composer.lock", "conan.lock", "environment.yml", "Gemfile.lock"),
    *("go.mod", "gradle.lockfile", "mix.lock", "packages.lock.json", "pdm.lock", "pnpm-lock.yaml"),
    *("pom.xml", "pubspec.lock", "yarn.lock"),
)
_PYTHON_LOCKS = ("pdm.lock", "poetry.lock", "pylock.*toml", "requirements*.txt", "uv.lock")
_NODE_LOCKS = (
    *("bun.lock", "bun.lockb", "npm-shrinkwrap.json", "package-lock.json", "pnpm-lock.yaml"),
    "yarn.lock",
)
_MANIFESTS: Mapping[str, tuple[str, ...]] = {
    "Cargo.toml": ("Cargo.lock",),
    "Gemfile": ("Gemfile.lock",),
    "Pipfile": ("Pipfile.lock",),
    "composer.json": ("composer.lock",),
    "package.json": _NODE_LOCKS,
    "pyproject.toml": _PYTHON_LOCKS,
    "setup.cfg": _PYTHON_LOCKS,
    "setup.py": _PYTHON_LOCKS,
}
"""What declares packages to the files that pin them, any of which will do."""
_INCLUDE = re.compile(r"(?:-r|--requirement)[ =]*(\S+)")
_INSTALLED = re.compile(r"(?:-e|--editable)[ =]")
_OPTION = re.compile(r"\s--[a-z]")
_USER = re.compile(r"//[^/\s@]*@")


def packages_in(folder: Path) -> tuple[Package, ...]:
    """Return what the files below *folder* pin, each package URL once, sorted.

    Raises:
        ValueError: A file cannot be read or is not what its name says; the message names it.
    """
    found: dict[str, Package] = {}
    listed: dict[Path, tuple[str, ...]] = {}
    for path, neighbours in _files(folder):
        listed[path.parent] = neighbours
        shown = path.relative_to(folder).as_posix()
        reader = next((read for glob, read in _READERS if fnmatchcase(path.name, glob)), None)
        if reader is None:
            if path.name in _UNREAD or not _is_pinned(path, listed):
                found.setdefault(shown, Package(label=shown))
            continue
        try:
            for package in reader(_body(path)):
                found.setdefault(package.label, package)
        except OSError as error:
            msg = f"{shown} cannot be read: {error.strerror}"
            raise ValueError(msg) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            msg = f"{shown} is not what its name says: {error}"
            raise ValueError(msg) from error
    return tuple(found[label] for label in sorted(found))


def _body(path: Path) -> str:
    if path.stat().st_size > _LARGEST:
        msg = f"it has more than {_LARGEST} bytes"
        raise ValueError(msg)
    return path.read_text(encoding="utf-8")


def _is_pinned(path: Path, listed: Mapping[Path, tuple[str, ...]]) -> bool:
    """Say whether *path* declares nothing, or a lock file beside or above it stands for it.

    Above it because a workspace has one lock file for all that is in it.
    """
    locks = _MANIFESTS.get(path.name)
    return locks is None or any(
        fnmatchcase(name, lock)
        for place in path.parents
        for name in listed.get(place, ())
        for lock in locks
    )


def _files(folder: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield every file with the names of all in its folder, from above to below."""

    def stop(error: OSError) -> None:
        msg = f"{error.filename} cannot be listed: {error.strerror}"
        raise ValueError(msg)

    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = sorted(name for name in folders if name not in _PASSED)
        yield from ((Path(place) / name, tuple(names)) for name in sorted(names))


def _purl(kind: str, name: str, version: str | None) -> Package:
    from packageurl import PackageURL

    namespace, _, bare = name.rpartition("/")
    if kind == "pypi":
        from packaging.utils import canonicalize_name

        namespace, bare = "", canonicalize_name(name)
    return package_at(PackageURL(kind, namespace or None, bare, version or None).to_string())


def _requirements(body: str) -> Iterator[Package]:
    from packaging.requirements import InvalidRequirement, Requirement

    for line in body.replace("\\\n", " ").splitlines():
        text = re.split(r"(?:^|\s)#", line)[0].strip()
        text = _OPTION.split(text)[0].strip()
        if included := _INCLUDE.match(text):
            # It is read on its own when its name says what it is.
            if not fnmatchcase(included[1].rpartition("/")[2], "requirements*.txt"):
                yield Package(label=text)
            continue
        if not text or (text.startswith("-") and not _INSTALLED.match(text)):
            continue  # an option: where from, not what
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            yield Package(label=_USER.sub("//***@", text))  # a path or an address
            continue
        pins = [item for item in requirement.specifier if item.operator in {"==", "==="}]
        exact = len(pins) == 1 and not pins[0].version.endswith(".*")
        yield _purl("pypi", requirement.name, pins[0].version if exact else None)


def _locked_python(body: str) -> Iterator[Package]:
    """Read ``poetry.lock``, ``uv.lock`` and ``pylock.toml``: all list ``package`` or ``packages``."""
    document = tomllib.loads(body)
    for package in _list(document, "package") + _list(document, "packages"):
        source = package.get("source")
        if isinstance(source, dict) and ({"virtual", "editable"} & source.keys()):
            continue  # the project itself
        yield _purl("pypi", str(package["name"]), str(package.get("version") or ""))


def _pipfile(body: str) -> Iterator[Package]:
    document = json.loads(body)
    for section in ("default", "develop"):
        for name, package in dict(document.get(section) or {}).items():
            version = str(package.get("version") or "")
            yield _purl("pypi", name, version.removeprefix("==") or None)


def _npm(body: str) -> Iterator[Package]:
    document = json.loads(body)
    if document.get("lockfileVersion") not in {2, 3}:
        msg = f"its lockfileVersion is {document.get('lockfileVersion')!r}; 2 and 3 are known"
        raise ValueError(msg)
    for place, package in dict(document["packages"]).items():
        if "node_modules/" not in place or package.get("link"):
            continue  # the project itself and its workspaces
        name = package.get("name") or place.rpartition("node_modules/")[2]
        yield _purl("npm", str(name), str(package.get("version") or ""))


def _cargo(body: str) -> Iterator[Package]:
    for package in _list(tomllib.loads(body), "package"):
        if package.get("source"):  # without: a member of the workspace
            yield _purl("cargo", str(package["name"]), str(package.get("version") or ""))


def _list(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    items = document.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        msg = f"its {key!r} is no list of tables"
        raise ValueError(msg)
    return items


_READERS: tuple[tuple[str, Callable[[str], Iterator[Package]]], ...] = (
    ("requirements*.txt", _requirements),
    ("poetry.lock", _locked_python),
    ("uv.lock", _locked_python),
    ("pylock.toml", _locked_python),
    ("pylock.*.toml", _locked_python),
    ("Pipfile.lock", _pipfile),
    ("package-lock.json", _npm),
    ("npm-shrinkwrap.json", _npm),
    ("Cargo.lock", _cargo),
)
