"""What a check of the same files found before, so that nothing is parsed twice at the workbench.

One file for one set of paths, in a folder that is its owner's alone: the facts of each script, and the
decision about all of them. Everything an answer depends on is part of its key: the files byte for byte, how
they are named, the dialect, the grammar and its version, and the code of these rooms itself. A file that
is damaged, of another version, under another's name or writable by others is as good as none.

It saves time and proves nothing: whoever can write as this user can write an answer here, as they could
change the program. So only ``migrations.check`` at somebody's desk looks here, and neither the gate of a
promotion nor a run of CI does, where a cache may have been filled by the very change that is checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sluiceway import __version__
from sluiceway.migrations.records import Asked, Script, SqlParser
from sluiceway.model import Decision, Finding, Level, Place

__all__ = ["Kept", "at_the_desk", "code_digest", "folder_of", "grammar", "key_of", "script_key"]

_FORMAT = 2
_MOST = 64
"""Sets of paths that are remembered; those that were not asked for longest go first."""
_LARGEST = 32 << 20
"""Bytes of one file. A larger one is neither written nor read."""


def at_the_desk(environ: Mapping[str, str]) -> bool:
    """Say whether this is no run of CI. Every service of CI sets ``CI``."""
    return environ.get("CI", "").lower() in {"", "0", "false"}


def folder_of(environ: Mapping[str, str]) -> Path | None:
    """Return ``$XDG_CACHE_HOME/sluiceway/migrations``, or ``None`` when the user has no home."""
    cache = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):  # noqa: PTH117 - the specification says to ignore any other
        home = environ.get("HOME", "")
        if not os.path.isabs(home):  # noqa: PTH117 - as above
            return None
        cache = f"{home}/.cache"
    return Path(cache) / "sluiceway" / "migrations"


@lru_cache(maxsize=8)
def code_digest(package: str) -> str:
    """Return a digest of the source of an imported package; empty when it is in no folder.

    A cache that outlives a change of the rules by which facts are made would answer with yesterday's.
    """
    module = sys.modules.get(package)
    where = getattr(module, "__file__", None)
    if not where:
        return ""
    path = Path(where)
    whole = hashlib.sha256()
    try:
        files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
        for each in files:
            data = each.read_bytes()
            name = each.relative_to(path.parent).as_posix()
            whole.update(f"{len(name)}:{name}{len(data)}:".encode() + data)
    except OSError:
        return ""
    return whole.hexdigest()


def key_of(*parts: Any) -> str:
    """Return the name of an answer to exactly *parts* (JSON data)."""
    text = json.dumps([_FORMAT, __version__, *parts], separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def grammar(parsers: Iterable[SqlParser]) -> list[str] | None:
    """Return what decides how a text is read; ``None`` when that cannot be told."""
    found = [code_digest("sluiceway.migrations")]
    for parser in parsers:
        code = code_digest(type(parser).__module__.partition(".")[0])
        found += [parser.name, parser.version, code]
    return found if all(found) else None


def script_key(script: Script, more: Sequence[str]) -> str:
    """Return the key of the facts of a script that stands alone."""
    return key_of(*more, *(repr(getattr(script, name)) for name in _SCRIPT))


_SCRIPT = tuple(item.name for item in fields(Script))


@dataclass(slots=True)
class Kept:
    """The answers of one set of paths, as :meth:`open` finds them in their file."""

    path: Path
    whole: str = ""
    """The key of all files as one."""
    read: dict[str, Any] = field(default_factory=dict)
    """What is known beside facts: ``files``, ``statements``, ``layout``, ``skipped``."""
    scope: list[list[str]] = field(default_factory=list)
    """Which facts were asked for, as :class:`Asked` has them; empty for all."""
    order: list[str] = field(default_factory=list)
    """The keys of the scripts, in their order."""
    judged: str = ""
    """The key of the decision."""
    decision: dict[str, Any] = field(default_factory=dict)
    changed: bool = False
    """There is something to save."""
    _body: bytes = b""
    """The facts, before anybody has asked for them."""
    _scripts: dict[str, Any] | None = None

    @classmethod
    def open(cls, folder: Path, *names: Any) -> Kept:
        """Return what is kept in *folder* about *names*; nothing, where that cannot be trusted."""
        path = folder / f"{key_of(*names)}.json"
        found = _loaded(folder, path)
        if found is not None:
            head, body = found
            with contextlib.suppress(KeyError, TypeError):
                return cls(path=path, _body=body, **{name: _typed(head, name) for name in _TYPES})
        return cls(path=path)

    def facts(self, key: str) -> tuple[list[dict[str, Any]], int] | None:
        """Return facts and number of statements of the script that has *key*."""
        if self._scripts is None:
            self._scripts = _object(self._body) or {}
        found = self._scripts.get(key)
        if not isinstance(found, list) or len(found) != len(("facts", "statements")):
            return None
        facts, statements = found
        if not isinstance(statements, int) or not isinstance(facts, list):
            return None
        return (facts, statements) if all(_is_fact(each) for each in facts) else None

    @property
    def asked(self) -> Asked | None:
        """Which facts are held; ``None`` for all."""
        return Asked(*map(frozenset, self.scope)) if self.scope else None

    def holds(self, asked: Asked | None) -> bool:
        """Say whether no fact that is *asked* for was left out."""
        have = self.asked
        everything = have is None or (asked is not None and have.covers(asked))
        return bool(self.whole) and everything

    def all_facts(self) -> list[dict[str, Any]] | None:
        """Return the facts of every script in its order, if none of them is lost."""
        every: list[dict[str, Any]] = []
        for key in self.order:
            found = self.facts(key)
            if found is None:
                return None
            every += found[0]
        return every

    def hold(
        self,
        whole: str,
        scripts: dict[str, tuple[list[dict[str, Any]], int]],
        read: dict[str, Any],
        asked: Asked | None = None,
    ) -> None:
        """Remember what was read of files of which *whole* is the key, in place of all before.

        Facts that were not *asked* for may be missing; left out, none is.
        """
        self.scope = [] if asked is None else [sorted(asked.kinds), sorted(asked.others)]
        self.whole, self.order, self.read, self.changed = whole, list(scripts), read, True
        self._scripts = {key: list(found) for key, found in scripts.items()}
        self._body = json.dumps(self._scripts, separators=(",", ":")).encode()

    def keep(self, decision: Decision, key: str) -> None:
        """Remember what was decided. Only what no approval and no moment has a part in."""
        self.judged, self.decision, self.changed = key, _plain(decision), True

    def decided(self, key: str, now: datetime) -> Decision | None:
        """Return the decision that has *key*, as made *now*."""
        if not key or key != self.judged:
            return None
        try:
            return _decision(self.decision, now)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def save(self) -> None:
        """Write it, as a whole or not at all. Failing to is no failure."""
        if not self.changed:
            return
        with contextlib.suppress(OSError, ValueError):
            folder = self.path.parent
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _ours(folder.lstat(), stat.S_IFDIR):
                return
            head = {"name": self.path.name, **{name: getattr(self, name) for name in _TYPES}}
            text = json.dumps(head, separators=(",", ":")).encode() + b"\n" + self._body
            if len(text) > _LARGEST:
                return
            descriptor, made = tempfile.mkstemp(dir=folder)  # mode 0600
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
                Path(made).replace(self.path)
            except OSError:
                Path(made).unlink(missing_ok=True)
                raise
            _forget(folder)


_TYPES: Mapping[str, type] = {
    "whole": str,
    "read": dict,
    "scope": list,
    "order": list,
    "judged": str,
    "decision": dict,
}
"""What stands in the first line, without the name of the file; the second are the facts."""


def _typed(found: Mapping[str, Any], name: str) -> Any:
    value = found[name]
    if not isinstance(value, _TYPES[name]):
        raise TypeError(name)
    return value


def _loaded(folder: Path, path: Path) -> tuple[dict[str, Any], bytes] | None:
    try:
        if not _ours(folder.lstat(), stat.S_IFDIR):
            return None
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not _ours(found, stat.S_IFREG) or found.st_size > _LARGEST + _DIGEST:
                return None
            data = file.read(found.st_size + 1)
    except OSError:
        return None
    digest, _, text = data.partition(b"\n")
    if hashlib.sha256(text).hexdigest().encode() != digest:
        return None
    head, _, body = text.partition(b"\n")
    document = _object(head)
    if document is None or document.get("name") != path.name:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return document, body


_DIGEST = 65
"""Bytes of the line before the text."""


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _ours(found: os.stat_result, kind: int) -> bool:
    """Whether it is of that kind, belongs to this user, and lets nobody else write."""
    if stat.S_IFMT(found.st_mode) != kind:
        return False
    writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return found.st_uid == os.geteuid() and not writable


def _forget(folder: Path) -> None:
    kept = sorted(folder.iterdir(), key=lambda each: each.lstat().st_mtime, reverse=True)
    for old in kept[_MOST:]:
        old.unlink(missing_ok=True)


def _is_fact(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(found.get(name), str) for name in _NEEDED)


_NEEDED = ("kind", "file", "migration", "statement", "statement_hash")


# --- decisions ------------------------------------------------------------------------------------

_FINDING = ("code", "message", "solution", "about")
_PLACE = tuple(item.name for item in fields(Place))
_PLAIN = ("gate", "allow", "policy_digest", "input_digest", "engine")


def _plain(decision: Decision) -> dict[str, Any]:
    return {name: getattr(decision, name) for name in _PLAIN} | {
        part: [
            {
                **{name: getattr(each, name) for name in _FINDING},
                "level": each.level.value,
                "at": [getattr(each.at, name) for name in _PLACE] if each.at is not None else None,
            }
            for each in getattr(decision, part)
        ]
        for part in ("findings", "advice")
    }


def _decision(document: Mapping[str, Any], now: datetime) -> Decision:
    findings, advice = (
        tuple(
            Finding(
                level=Level(each["level"]),
                at=Place(**dict(zip(_PLACE, each["at"], strict=True))) if each["at"] else None,
                **{name: each[name] for name in _FINDING},
            )
            for each in document[part]
        )
        for part in ("findings", "advice")
    )
    allow = not any(each.level is Level.DENY for each in findings)
    if document["allow"] is not allow:
        msg = "its answer is not what its findings say"
        raise ValueError(msg)
    return Decision(
        at=now, findings=findings, advice=advice, **{name: document[name] for name in _PLAIN}
    )
