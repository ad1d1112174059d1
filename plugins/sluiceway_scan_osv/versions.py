"""Ordering versions as each ecosystem does. Pure.

Sources: PEP 440 (by ``packaging``); Semantic Versioning 2.0.0, section 11; Debian policy 5.6.12 and
Alpine's package versions (by ``univers``, when the extra ``scan-os`` is installed). An ecosystem whose order
is not known here is not guessed at: its packages are reported as not covered.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["COMPARABLE", "comparable", "parse", "systems_installed"]

_LONGEST = 256  # of a version's text: no real one comes near, and int() refuses enormous ones
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SEMANTIC = re.compile(
    rf"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?", re.ASCII
)


def parse(ecosystem: str, text: str) -> Any | None:
    """Return a key that orders as *ecosystem* orders versions, or ``None`` when *text* is none.

    Keys of one ecosystem compare with each other. ``None`` as well for an ecosystem that is not in
    :func:`comparable`.
    """
    family, _, release = ecosystem.partition(":")
    reader = _SYSTEMS.get(family) if release else COMPARABLE.get(ecosystem)
    return reader(text.strip()) if reader is not None and len(text) <= _LONGEST else None


def comparable(ecosystem: str) -> bool:
    """Say whether versions of *ecosystem* can be ordered here, releases of a system included."""
    if ecosystem in COMPARABLE:
        return True
    family, _, release = ecosystem.partition(":")
    return family in _SYSTEMS and bool(release) and systems_installed()


def systems_installed() -> bool:
    """Say whether Debian's and Alpine's versions can be ordered: the extra ``scan-os``."""
    return importlib.util.find_spec("univers") is not None


def _python(text: str) -> Any | None:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None


def _semantic(text: str) -> Any | None:
    """Return ``(major, minor, patch, pre-release)``; build metadata does not order."""
    found = _SEMANTIC.fullmatch(text)
    if found is None:
        return None
    numbers = tuple(int(number or 0) for number in found.group(1, 2, 3))
    return (*numbers, _prerelease(found[4]))


def _prerelease(text: str | None) -> tuple[Any, ...]:
    """A release is after its pre-releases; numbers are before words; more identifiers are after."""
    if text is None:
        return (1,)
    identifiers = (
        (0, int(each), "") if each.isdecimal() else (1, 0, each) for each in text.split(".")
    )
    return (0, *identifiers)


def _go(text: str) -> Any | None:
    return _semantic(text.removeprefix("go"))  # the toolchain's own: go1.23.1


COMPARABLE: Mapping[str, Callable[[str], Any | None]] = {
    "PyPI": _python,
    "npm": _semantic,
    "crates.io": _semantic,
    "Go": _go,
    "Hex": _semantic,
}
"""OSV's name of an ecosystem to the reader of its versions."""


def _debian(text: str) -> Any | None:
    if not systems_installed():
        return None
    from univers.versions import DebianVersion, InvalidVersion

    try:
        return DebianVersion(text)
    except InvalidVersion:
        return None


def _alpine(text: str) -> Any | None:
    if not systems_installed():
        return None
    from univers.versions import AlpineLinuxVersion, InvalidVersion

    try:
        return AlpineLinuxVersion(text)
    except InvalidVersion:
        return None


_SYSTEMS: Mapping[str, Callable[[str], Any | None]] = {"Alpine": _alpine, "Debian": _debian}
