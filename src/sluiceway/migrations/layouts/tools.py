"""Each tool's own rules for the names of its files: sources stand at each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluiceway.migrations.records import Maybe
from sluiceway.record import Record

__all__ = ["LAYOUTS", "Folders", "Peek", "Place", "natural"]

LAYOUTS = (
    "auto", "plain", "prisma", "drizzle", "diesel", "flyway", "golang-migrate", "goose", "dbmate",
    "sql-migrate", "liquibase", "node-pg-migrate", "tern", "rambler", "sqitch", "atlas", "code",
)  # fmt: skip
"""What may be asked for. ``code`` is what a reading says that holds nothing but code."""

Key = tuple[object, ...]
Peek = Callable[[str], bytes]
"""The bytes of a file, read when they are asked for."""


class Place(Record):
    """One SQL file's place among the others."""

    path: str
    name: str
    layout: str
    """``plain`` where only the file's own marks can tell more."""
    key: Key
    skip: str = ""
    """Why it is not judged; empty when it is."""
    in_transaction: Maybe | None = None
    """What the tool does with the whole file; ``None`` when the file itself may say."""


_NUMBER = re.compile(r"(\d+)", re.ASCII)


def natural(path: str) -> Key:
    """Return a key that orders by numbers where there are numbers, else by text, folder by folder."""
    return tuple([_pieces(part) for part in path.split("/")])


def _pieces(part: str) -> Key:
    """Return the key of one folder's or file's name."""
    # Every second piece is a number; one that is empty keeps texts and numbers apart.
    pieces: list[Any] = _NUMBER.split(part)
    for at in range(1, len(pieces), 2):
        pieces[at] = (int(pieces[at]), pieces[at])
    return tuple(pieces)


_FLYWAY = re.compile(r"(?:([VUB])(\d[\d._]*?)|R)__.*\.sql\Z", re.DOTALL)
_CALLBACK = re.compile(r"(?:before|after|create)[A-Z]\w*\.sql\Z")
_UP_DOWN = re.compile(r"(\d+)_(.*)\.(up|down)\.(\w+)\Z", re.DOTALL)
_STEPS = frozenset({"migration.sql", "up.sql", "down.sql"})


_Said = tuple[Key, str, Maybe | None]
"""What a tool says of one file: :attr:`Place.key`, :attr:`Place.skip` and :attr:`Place.in_transaction`."""


class _Folder(Record):
    """Where files stand, and what is the same for each of them."""

    start: str
    """Of their paths: all but the name."""
    names: set[str]
    """Of all that is in the folder."""
    root: str
    """The folder of all the migrations."""
    step: str
    """The folder of this migration alone, in those tools that give each its own; else empty."""
    layout: str
    prefix: str
    """What a migration's name has before the file's."""
    key: Key
    """Of the root."""
    ask: Callable[[_Folder, str], _Said]
    """What its tool says of the file of a name."""
    forward: Sequence[tuple[str, set[str]]]
    """Folders beside it that may hold its files' forward halves, and what is in each."""


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


class Folders:
    """The folders of a set of files, and whose each is."""

    def __init__(self, folders: Mapping[str, set[str]], peek: Peek, layout: str) -> None:
        self._folders = folders
        self._peek = peek
        self._layout = layout
        self._known: dict[tuple[str, bool], _Folder] = {}
        self._orders: dict[str, dict[str, int]] = {}
        self._tools: dict[str, Callable[[_Folder, str], _Said]] = {
            "plain": self._plain,
            "prisma": self._prisma,
            "diesel": self._diesel,
            "drizzle": self._drizzle,
            "flyway": self._flyway,
            "golang-migrate": self._golang_migrate,
            "sqitch": self._sqitch,
            "atlas": self._atlas,
            "dbmate": self._dbmate,
        }

    def place(self, path: str) -> Place:
        """Return the place of one SQL file."""
        folder, slash, name = path.rpartition("/")
        start = folder + slash
        stepped = name in _STEPS and bool(folder.rpartition("/")[2])
        if (at := self._known.get((start, stepped))) is None:
            at = self._known[start, stepped] = self._at(start, name, stepped=stepped)
        key, skip, mode = at.ask(at, name)
        return Place(
            path=path,
            name=at.prefix + name,
            layout=at.layout,
            key=key,
            skip=skip,
            in_transaction=mode,
        )

    def _at(self, start: str, name: str, *, stepped: bool) -> _Folder:
        """Return what is the same for every file of a folder, of which *name* is the first."""
        folder = start.removesuffix("/")
        parent, _, last = folder.rpartition("/")
        root, step = (parent, last) if stepped else (folder, "")
        layout = self._layout if self._layout != "auto" else self._of(folder, root, step, name)
        return _Folder(
            start=start,
            names=self._folders[folder],
            root=root,
            step=step,
            layout=layout,
            prefix=f"{step}/" if stepped and layout != "plain" else "",
            key=natural(root),
            ask=self._tools.get(layout, self._numbered),
            forward=[
                (ahead, self._names(_below(parent, ahead)))
                for ahead in _FORWARD_FOLDERS.get(last, ())
            ],
        )

    def _names(self, folder: str) -> set[str]:
        return self._folders.get(folder, set())

    def _of(self, folder: str, root: str, step: str, first: str) -> str:
        """Return whose folder it is, by the names in it."""
        names = self._folders[folder]
        parent, _, last = folder.rpartition("/")
        signs = (
            ("drizzle", "_journal.json" in self._names(_below(root, "meta"))),
            ("drizzle", first == "migration.sql" and "snapshot.json" in names),
            ("prisma", bool(step) and "migration.sql" in names),
            ("diesel", bool(step) and "up.sql" in names),
            ("plain", bool(step)),
            ("flyway", any("__" in name and _FLYWAY.match(name) for name in names)),
            (
                "golang-migrate",
                any(
                    ".up." in name and (m := _UP_DOWN.match(name)) and m[3] == "up"
                    for name in names
                ),
            ),
            (
                "sqitch",
                last in {"deploy", "revert", "verify"} and "sqitch.plan" in self._names(parent),
            ),
            ("atlas", "atlas.sum" in names),
        )
        return next((layout for layout, there in signs if there), "plain")

    def _plain(self, at: _Folder, name: str) -> _Said:
        backward = "" if self._layout == "plain" else self._backward(at, name)
        return (at.key, 0, _pieces(name)), backward, None

    def _numbered(self, at: _Folder, name: str) -> _Said:
        """goose, sql-migrate, Liquibase and others: by the number that the name begins with."""
        return (at.key, 1, natural(at.prefix + name)), "", None

    def _backward(self, at: _Folder, name: str) -> str:
        """Return why a file of no known tool is a backward half: its forward half is beside it."""
        for end, forward in _HALVES if name.endswith(_ENDS) else ():
            if name.endswith(end):
                stem = name.removesuffix(end)
                if found := at.names & {stem + suffix for suffix in forward}:
                    return f"the backward half of {min(found)}"
        for ahead, names in at.forward:
            if name in names:
                return f"the backward half of {ahead}/{name}"
        return ""

    def _prisma(self, at: _Folder, name: str) -> _Said:
        """``<time>_<name>/migration.sql``, by the folder's name (migrate's list_migrations)."""
        skip = "a backward half beside migration.sql" if name == "down.sql" else ""
        return (at.key, 0, at.step, name), skip, None

    def _diesel(self, at: _Folder, name: str) -> _Said:
        """``<version>_<name>/up.sql``; hyphens do not count (migrations_internals, version_from_string)."""
        off = "metadata.toml" in at.names and re.search(
            rb"(?m)^\s*run_in_transaction\s*=\s*false", self._peek(f"{at.start}metadata.toml")
        )
        version = at.step.partition("_")[0].replace("-", "")
        skip = "a backward half beside up.sql" if name == "down.sql" else ""
        return (at.key, 0, version, at.step, name), skip, Maybe.NO if off else Maybe.YES

    def _drizzle(self, at: _Folder, name: str) -> _Said:
        """By ``meta/_journal.json`` (drizzle-orm, migrator.ts); what is not in it comes last."""
        if at.root not in self._orders:
            self._orders[at.root] = self._journal(at.root)
        tag = at.step or name.removesuffix(".sql")
        order = self._orders[at.root].get(tag)
        return (at.key, int(order is None), order or 0, natural(tag)), "", Maybe.YES

    def _journal(self, root: str) -> dict[str, int]:
        folder = _below(root, "meta")
        if "_journal.json" not in self._names(folder):
            return {}
        try:
            entries = json.loads(self._peek(f"{folder}/_journal.json"))["entries"]
            return {str(entry["tag"]): index for index, entry in enumerate(entries)}
        except (ValueError, KeyError, TypeError):
            return {}

    def _flyway(self, at: _Folder, name: str) -> _Said:
        """By version, then the repeatable ones by description (ResourceNameParser, MigrationVersion)."""
        match = _FLYWAY.match(name)
        off = f"{name}.conf" in at.names and re.search(
            rb"(?m)^\s*executeInTransaction\s*=\s*false", self._peek(f"{at.start}{name}.conf")
        )
        mode = Maybe.NO if off else Maybe.YES
        if not match:
            first = _CALLBACK.match(name) and name.startswith(("before", "create"))
            return ("", 0 if first else 4, natural(name)), "", mode
        if not match[1]:
            return ("", 3, name), "", mode
        version = _version(match[2])
        undone = match[1] == "U" and self._has_version(version)
        skip = f"Flyway's undo of version {match[2]}" if undone else ""
        return ("", 1, version, match[1] != "B", name), skip, mode

    def _has_version(self, version: Key) -> bool:
        return any(
            (match := _FLYWAY.match(name)) and match[1] == "V" and _version(match[2]) == version
            for names in self._folders.values()
            for name in names
        )

    def _golang_migrate(self, at: _Folder, name: str) -> _Said:
        """``<number>_<name>.up.sql``, by the number (golang-migrate, source/parse.go)."""
        match = _UP_DOWN.match(name)
        if not match:
            return self._numbered(at, name)
        skip = "a backward half in a folder of .up.sql" if match[3] == "down" else ""
        return (at.key, 0, int(match[1]), name), skip, None

    def _sqitch(self, at: _Folder, name: str) -> _Said:
        """``deploy/`` in the order of ``sqitch.plan``; ``revert/`` and ``verify/`` beside it."""
        parent, _, last = at.root.rpartition("/")
        if parent not in self._orders:
            there = "sqitch.plan" in self._names(parent)
            plan = self._peek(_below(parent, "sqitch.plan")) if there else b""
            changes = re.findall(rb"(?m)^(?![%@#\s])(\S+)", plan)
            self._orders[parent] = {
                change.decode("utf-8", "replace"): i for i, change in enumerate(changes)
            }
        order = self._orders[parent].get(name.removesuffix(".sql"), len(self._orders[parent]))
        backward = last != "deploy" and name in self._names(_below(parent, "deploy"))
        skip = f"not run by sqitch deploy ({last}/)" if backward else ""
        return (natural(parent), order, natural(name)), skip, None

    def _atlas(self, at: _Folder, name: str) -> _Said:
        none = re.search(rb"(?m)^-- atlas:txmode none", self._peek(at.start + name))
        return (at.key, 0, name), "", Maybe.NO if none else Maybe.YES

    def _dbmate(self, at: _Folder, name: str) -> _Said:
        """By the name as text: 10 before 9 (dbmate, FindMigrations)."""
        return (at.key, 0, name), "", None


_HALVES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (".down.sql", (".up.sql", ".sql")),
    ("_down.sql", ("_up.sql",)),
    ("-down.sql", ("-up.sql",)),
    (".rollback.sql", (".sql",)),
    (".undo.sql", (".do.sql", ".sql")),
    (".revert.sql", (".sql",)),
)
_ENDS = tuple(end for end, _ in _HALVES)
_FORWARD_FOLDERS = {
    "down": ("up",),
    "revert": ("deploy", "up"),
    "verify": ("deploy",),
    "rollback": ("up", "deploy", "forward"),
    "undo": ("do", "up"),
}


def _version(text: str) -> Key:
    """Return Flyway's version: numbers between dots or underscores, zeros at the end not counted."""
    numbers = [int(part) for part in re.split(r"[._]", text) if part]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
