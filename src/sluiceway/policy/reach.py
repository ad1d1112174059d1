"""Which modules a decision can depend on, and which may mention a forbidden built-in, by their text.

Both answers may name more than there is and never less, so neither takes a parse: what a module refers
to of ``data`` stands in its text as the word ``data``, and a built-in's name as its last word. Where a
text could hide either, the answer is "perhaps".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from sluiceway.policy.builtins import FORBIDDEN

__all__ = ["may_mention_forbidden", "reached"]

_STEP = r'\.[A-Za-z_][A-Za-z0-9_]*|\["[^"\\\n]*"\]'
_PACKAGE = re.compile(rf"package[ \t]+([A-Za-z_][A-Za-z0-9_]*(?:{_STEP})*)[ \t\r]*(?:#.*)?")
_DATA = rf"(?<![\w.])data(?!\w)((?:{_STEP})*)"
_ANYWHERE = re.compile(_DATA)
_OUTSIDE = re.compile(rf'{_DATA}|(?P<template>\$["`])|#[^\n]*|"(?:\\.|[^"\\\n])*"|`[^`]*`')
"""The same, passing over comments and texts; and where a template string begins."""
_PART = re.compile(r'[A-Za-z_][A-Za-z0-9_]*|"[^"\\\n]*"')
_LAST_WORDS = "|".join(sorted({name.rpartition(".")[2] for name in FORBIDDEN}))
_FORBIDDEN = re.compile(rf"\b(?:{_LAST_WORDS})\b|\\u")
"""A name in brackets may be spelt with escapes, ``http["\\u0073end"]``."""
_KEPT = 4096
_Name = tuple[str, ...]


def reached(modules: Mapping[str, str], path: str) -> frozenset[str]:
    """Return the names of the modules that ``data.<path>`` can depend on.

    These are the modules of its package, of every package whose name one of them begins to spell
    behind ``data``, and of the packages around those, whose annotations hold inside. A module whose
    package is not plainly read is always one of them.
    """
    packages: dict[_Name, list[str]] = {}
    found: set[str] = set()
    for name, text in modules.items():
        package = _package(text)
        if package is None:
            found.add(name)
        else:
            packages.setdefault(package, []).append(name)
    waiting = [tuple(path.split("."))]
    waiting += [reference for name in found for reference in _references(modules[name])]
    asked = set(waiting)
    while waiting:
        reference = waiting.pop()
        met = [each for each in packages if _meet(each, reference)]
        around = {each for each in packages if any(each == one[: len(each)] for one in met)}
        for name in (name for package in around for name in packages.pop(package)):
            found.add(name)
            new = _references(modules[name]) - asked
            asked |= new
            waiting += new
    return frozenset(found)


def may_mention_forbidden(modules: Mapping[str, str]) -> bool:
    """Say whether one of the texts could name a built-in of ``FORBIDDEN``, or hide that it does."""
    return any(_suspicious(text) for text in modules.values())


def _meet(package: _Name, reference: _Name) -> bool:
    """Whether the reference names something in the package, or a document that the package is in."""
    length = min(len(package), len(reference))
    return package[:length] == reference[:length]


@lru_cache(_KEPT)
def _suspicious(text: str) -> bool:
    return _FORBIDDEN.search(text) is not None


@lru_cache(_KEPT)
def _package(text: str) -> _Name | None:
    """Return the module's package; ``None`` unless it is the first thing there and on one line."""
    for line in text.split("\n"):
        words = line.strip(" \t\r")
        if words and not words.startswith("#"):
            match = _PACKAGE.fullmatch(words)
            return _parts(match[1]) if match else None
    return None


@lru_cache(_KEPT)
def _references(text: str) -> frozenset[_Name]:
    """Return what the text refers to below ``data``; ``()`` is all of it.

    What stands in comments and texts does not count, unless there are template strings, whose texts
    hold expressions.
    """
    found = list(_OUTSIDE.finditer(text))
    if any(match["template"] for match in found):
        found = list(_ANYWHERE.finditer(text))
    return frozenset(_parts(match[1]) for match in found if match[1] is not None)


def _parts(dotted: str) -> _Name:
    return tuple(part.strip('"') for part in _PART.findall(dotted))
