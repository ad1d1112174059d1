"""What a check of the same files found before, so that nothing is parsed twice at the workbench.

One file for one set of paths, in a folder that is its owner's alone: the decision about all scripts, and
behind it, read by whoever needs them, the facts of each. Everything an answer depends on is part of its key: the files byte for byte, how
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
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

from sluiceway import __version__
from sluiceway.migrations.records import Asked, Script, SqlParser
from sluiceway.model import Decision, Finding, Level, Place
from sluiceway.record import Changing, field

__all__ = ["Kept", "at_the_desk", "code_digest", "folder_of", "grammar", "key_of", "script_key"]

_FORMAT = 3
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


def script_key(script: Script, more: str) -> str:
    """Return the key of the facts of a script that stands alone: of every field, whatever it is for.

    Args:
        script: What is read.
        more: The key of what else decides how (:func:`key_of`).
    """
    parts = [more.encode()]
    for value in _fields(script):
        kind, text = (b"t", value) if type(value) is str else (b"r", repr(value))
        data = text.encode("utf-8", "surrogatepass")
        parts += [b"%s%d:" % (kind, len(data)), data]
    return hashlib.sha256(b"".join(parts)).hexdigest()


_fields = attrgetter(*(item.name for item in fields(Script)))


class Kept(Changing):
    """The answers of one set of paths, as :meth:`open` finds them in their file."""

    path: Path
    whole: str = ""
    """The key of all files as one."""
    read: dict[str, Any] = field(default_factory=dict)
    """What is known beside facts: ``files``, ``statements``, ``layout``, ``skipped``."""
    scope: list[list[str]] = field(default_factory=list)
    """Which facts were asked for, as :class:`Asked` has them; empty for all."""
    judged: str = ""
    """The key of the decision."""
    decision: dict[str, Any] = field(default_factory=dict)
    changed: bool = False
    """There is something to save."""
    _facts: str = ""
    """The digest of the facts that stand in the file, before anybody has asked for them."""
    _scripts: dict[str, Any] | None = None
    """Facts and number of statements by the key of each script, in their order."""

    @classmethod
    def open(cls, folder: Path, *names: Any) -> Kept:
        """Return what is kept in *folder* about *names*; nothing, where that cannot be trusted."""
        path = folder / f"{key_of(*names)}.json"
        head = _head(path)
        if head is not None:
            with contextlib.suppress(KeyError, TypeError):
                found = {name: _typed(head, name) for name in _TYPES}
                return cls(path=path, _facts=found.pop("facts"), **found)
        return cls(path=path)

    def facts(self, key: str) -> tuple[list[dict[str, Any]], int] | None:
        """Return facts and number of statements of the script that has *key*."""
        found = (self._all() or {}).get(key)
        if not isinstance(found, list) or len(found) != len(("facts", "statements")):
            return None
        facts, statements = found
        if not isinstance(statements, int) or not isinstance(facts, list):
            return None
        return (facts, statements) if all(_is_fact(each) for each in facts) else None

    def _all(self) -> dict[str, Any] | None:
        """Return the facts of every script; ``None`` where they are lost."""
        if self._scripts is None and self._facts:
            body = _body(self.path, self._facts)
            self._scripts, self._facts = None if body is None else _object(body), ""
        return self._scripts

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
        scripts = self._all()
        if scripts is None:
            return None
        every: list[dict[str, Any]] = []
        for key in scripts:
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
        self.whole, self.read, self.changed = whole, read, True
        self._scripts = {key: list(found) for key, found in scripts.items()}

    def keep(self, decision: Decision, key: str) -> None:
        """Remember what was decided. Only what no approval and no moment has a part in."""
        self.judged, self.decision, self.changed = key, _plain(decision), True

    def decided(self, key: str, now: datetime) -> Decision | None:
        """Return the decision that has *key*, as made *now*."""
        if not key or key != self.judged:
            return None
        try:
            return _decision(self.decision, now)
        except (LookupError, TypeError, ValueError, AttributeError):
            return None

    def save(self) -> None:
        """Write it, as a whole or not at all. Failing to is no failure."""
        scripts = self._all() if self.changed else None
        if scripts is None:
            return
        with contextlib.suppress(OSError, ValueError):
            folder = self.path.parent
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _ours(folder.lstat(), stat.S_IFDIR):
                return
            facts = json.dumps(scripts, separators=(",", ":")).encode()
            about = {name: getattr(self, name) for name in _TYPES if name != "facts"}
            about |= {"name": self.path.name, "facts": hashlib.sha256(facts).hexdigest()}
            head = json.dumps(about, separators=(",", ":")).encode()
            if len(head) + len(facts) > _LARGEST:
                return
            descriptor, made = tempfile.mkstemp(dir=folder)  # mode 0600
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(
                        b"%s %012d\n" % (hashlib.sha256(head).hexdigest().encode(), len(head))
                    )
                    file.write(head)
                    file.write(facts)
                Path(made).replace(self.path)
            except OSError:
                Path(made).unlink(missing_ok=True)
                raise
            _forget(folder)


_TYPES: Mapping[str, type] = {
    "whole": str,
    "read": dict,
    "scope": list,
    "judged": str,
    "decision": dict,
    "facts": str,
}
"""What stands before the facts, without the name of the file; ``facts`` is their digest."""


def _typed(found: Mapping[str, Any], name: str) -> Any:
    value = found[name]
    if not isinstance(value, _TYPES[name]):
        raise TypeError(name)
    return value


def _head(path: Path) -> dict[str, Any] | None:
    """Return what stands before the facts, if nobody else could have written it."""
    with contextlib.suppress(OSError, ValueError), _opened(path) as file:
        digest, _, size = file.read(_FIRST).partition(b" ")
        text = file.read(min(int(size), _LARGEST))
        if hashlib.sha256(text).hexdigest().encode() != digest:
            return None
        document = _object(text)
        if document is None or document.get("name") != path.name:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return document
    return None


def _body(path: Path, digest: str) -> bytes | None:
    """Return the facts that have *digest*; ``None`` when others stand there by now."""
    with contextlib.suppress(OSError, ValueError), _opened(path) as file:
        file.seek(_FIRST + int(file.read(_FIRST).partition(b" ")[2]))
        text = file.read(_LARGEST + 1)
        if hashlib.sha256(text).hexdigest() == digest:
            return text
    return None


_FIRST = 64 + 1 + 12 + 1
"""Bytes of the first line: the digest of what stands before the facts, and how long that is."""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is this user's alone, in a folder that is, too.

    Raises:
        OSError: There is none.
    """
    if not _ours(path.parent.lstat(), stat.S_IFDIR):
        raise PermissionError(path)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not _ours(found, stat.S_IFREG) or found.st_size > _LARGEST + _FIRST:
            raise PermissionError(path)
        yield file


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
_PLACE = tuple(item.name for item in fields(Place) if item.name != "line")
_said, _placed = attrgetter(*_FINDING), attrgetter(*_PLACE)
_NOWHERE = (0,) * (len(_PLACE) + 1)
_PLAIN = ("gate", "allow", "policy_digest", "input_digest", "engine")
_PARTS = ("findings", "advice")
_LEVELS = {level.value: level for level in Level}
_TEXT = frozenset({str})


def _plain(decision: Decision) -> dict[str, Any]:
    """Return *decision* as JSON: each text once, and a row of numbers for each finding.

    A row has the places of its texts, the line last, which is 0 for one that is about no place. The same
    sentences are said of many statements, and what is long to read is long to remember.
    """
    texts: defaultdict[str, int] = defaultdict()
    texts.default_factory = texts.__len__  # a text that is new comes last

    def row(each: Finding) -> list[int]:
        at = each.at
        said = [texts[text] for text in (each.level.value, *_said(each))]
        if at is None:
            return [*said, *_NOWHERE]
        return [*said, *[texts[text] for text in _placed(at)], at.line]

    found: dict[str, Any] = {
        part: [row(each) for each in getattr(decision, part)] for part in _PARTS
    }
    return {name: getattr(decision, name) for name in _PLAIN} | found | {"texts": list(texts)}


def _decision(document: Mapping[str, Any], now: datetime) -> Decision:
    texts = document["texts"]
    if not _TEXT.issuperset(map(type, texts)):
        msg = "one of its texts is none"
        raise ValueError(msg)
    findings, advice = (tuple([_finding(row, texts) for row in document[part]]) for part in _PARTS)
    allow = not any(each.level is Level.DENY for each in findings)
    if document["allow"] is not allow:
        msg = "its answer is not what its findings say"
        raise ValueError(msg)
    return Decision(
        at=now, findings=findings, advice=advice, **{name: document[name] for name in _PLAIN}
    )


def _finding(row: Sequence[int], texts: Sequence[str]) -> Finding:
    level, code, message, solution, about, *place, line = row
    file, statement, statement_hash, table, column = place
    return Finding(
        code=texts[code],
        level=_LEVELS[texts[level]],
        message=texts[message],
        solution=texts[solution],
        about=texts[about],
        at=Place(
            file=texts[file],
            line=line,
            statement=texts[statement],
            statement_hash=texts[statement_hash],
            table=texts[table],
            column=texts[column],
        )
        if line
        else None,
    )
