"""Each tool's own rules for the names of its files: sources stand at each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from sluiceway.migrations.records import Maybe
from sluiceway.record import Record, replace

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


@lru_cache(maxsize=1024)
def natural(path: str) -> Key:
    """Return a key that orders by numbers where there are numbers, else by text, folder by folder."""
    key: list[Key] = []
    for part in path.split("/"):
        # Every second piece is a number; one that is empty keeps texts and numbers apart.
        pieces: list[object] = list(_NUMBER.split(part))
        pieces[1::2] = [(int(str(number)), number) for number in pieces[1::2]]
        key.append(tuple(pieces))
    return tuple(key)


_FLYWAY = re.compile(r"(?:([VUB])(\d[\d._]*?)|R)__.*\.sql\Z", re.DOTALL)
_CALLBACK = re.compile(r"(?:before|after|create)[A-Z]\w*\.sql\Z")
_UP_DOWN = re.compile(r"(\d+)_(.*)\.(up|down)\.(\w+)\Z", re.DOTALL)
_STEPS = frozenset({"migration.sql", "up.sql", "down.sql"})


class _At(Record, kw_only=False):
    """Where a file stands."""

    path: str
    root: str
    """The folder of all the migrations."""
    step: str
    """The folder of this migration alone, in those tools that give each its own; else empty."""
    name: str


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


class Folders:
    """The folders of a set of files, and whose each is."""

    def __init__(self, folders: Mapping[str, set[str]], peek: Peek, layout: str) -> None:
        self._folders = folders
        self._peek = peek
        self._layout = layout
        self._known: dict[tuple[str, bool], str] = {}
        self._orders: dict[str, dict[str, int]] = {}
        self._tools: dict[str, Callable[[Place, _At], Place]] = {
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
        folder, _, name = path.rpartition("/")
        root, _, step = folder.rpartition("/")
        stepped = name in _STEPS and bool(step)
        at = _At(path, root, step, name) if stepped else _At(path, folder, "", name)
        if (layout := self._known.get((folder, stepped))) is None:
            layout = self._layout if self._layout != "auto" else self._of(folder, at)
            self._known[folder, stepped] = layout
        own = f"{at.step}/{name}" if stepped and layout != "plain" else name
        base = Place(path=path, name=own, layout=layout, key=())
        return self._tools.get(layout, self._numbered)(base, at)

    def _names(self, folder: str) -> set[str]:
        return self._folders.get(folder, set())

    def _of(self, folder: str, at: _At) -> str:
        """Return whose folder it is, by the names in it."""
        names = self._folders[folder]
        parent, _, last = folder.rpartition("/")
        signs = (
            ("drizzle", "_journal.json" in self._names(_below(at.root, "meta"))),
            ("drizzle", at.name == "migration.sql" and "snapshot.json" in names),
            ("prisma", bool(at.step) and "migration.sql" in names),
            ("diesel", bool(at.step) and "up.sql" in names),
            ("plain", bool(at.step)),
            ("flyway", any(_FLYWAY.match(name) for name in names)),
            ("golang-migrate", any((m := _UP_DOWN.match(name)) and m[3] == "up" for name in names)),
            (
                "sqitch",
                last in {"deploy", "revert", "verify"} and "sqitch.plan" in self._names(parent),
            ),
            ("atlas", "atlas.sum" in names),
        )
        return next((layout for layout, there in signs if there), "plain")

    def _plain(self, base: Place, at: _At) -> Place:
        return Place(
            path=base.path,
            name=base.name,
            layout=base.layout,
            key=(natural(at.root), 0, natural(at.name)),
            skip="" if self._layout == "plain" else self._backward(at),
        )

    def _numbered(self, base: Place, at: _At) -> Place:
        """goose, sql-migrate, Liquibase and others: by the number that the name begins with."""
        return replace(base, key=(natural(at.root), 1, natural(base.name)))

    def _backward(self, at: _At) -> str:
        """Return why a file of no known tool is a backward half: its forward half is beside it."""
        folder = at.path.rpartition("/")[0]
        names = self._folders[folder]
        for end, forward in _HALVES if at.name.endswith(_ENDS) else ():
            if at.name.endswith(end):
                stem = at.name.removesuffix(end)
                if found := names & {stem + suffix for suffix in forward}:
                    return f"the backward half of {min(found)}"
        parent, _, last = folder.rpartition("/")
        for ahead in _FORWARD_FOLDERS.get(last, ()):
            if at.name in self._names(_below(parent, ahead)):
                return f"the backward half of {ahead}/{at.name}"
        return ""

    def _prisma(self, base: Place, at: _At) -> Place:
        """``<time>_<name>/migration.sql``, by the folder's name (migrate's list_migrations)."""
        skip = "a backward half beside migration.sql" if at.name == "down.sql" else ""
        return replace(base, key=(natural(at.root), 0, at.step, at.name), skip=skip)

    def _diesel(self, base: Place, at: _At) -> Place:
        """``<version>_<name>/up.sql``; hyphens do not count (migrations_internals, version_from_string)."""
        folder = _below(at.root, at.step)
        off = "metadata.toml" in self._names(folder) and re.search(
            rb"(?m)^\s*run_in_transaction\s*=\s*false", self._peek(f"{folder}/metadata.toml")
        )
        version = at.step.partition("_")[0].replace("-", "")
        return replace(
            base,
            key=(natural(at.root), 0, version, at.step, at.name),
            skip="a backward half beside up.sql" if at.name == "down.sql" else "",
            in_transaction=Maybe.NO if off else Maybe.YES,
        )

    def _drizzle(self, base: Place, at: _At) -> Place:
        """By ``meta/_journal.json`` (drizzle-orm, migrator.ts); what is not in it comes last."""
        if at.root not in self._orders:
            self._orders[at.root] = self._journal(at.root)
        tag = at.step or at.name.removesuffix(".sql")
        order = self._orders[at.root].get(tag)
        key = (natural(at.root), int(order is None), order or 0, natural(tag))
        return replace(base, key=key, in_transaction=Maybe.YES)

    def _journal(self, root: str) -> dict[str, int]:
        folder = _below(root, "meta")
        if "_journal.json" not in self._names(folder):
            return {}
        try:
            entries = json.loads(self._peek(f"{folder}/_journal.json"))["entries"]
            return {str(entry["tag"]): index for index, entry in enumerate(entries)}
        except (ValueError, KeyError, TypeError):
            return {}

    def _flyway(self, base: Place, at: _At) -> Place:
        """By version, then the repeatable ones by description (ResourceNameParser, MigrationVersion)."""
        match = _FLYWAY.match(at.name)
        off = f"{at.name}.conf" in self._names(at.path.rpartition("/")[0]) and re.search(
            rb"(?m)^\s*executeInTransaction\s*=\s*false", self._peek(f"{at.path}.conf")
        )
        base = replace(base, in_transaction=Maybe.NO if off else Maybe.YES)
        if not match:
            first = _CALLBACK.match(at.name) and at.name.startswith(("before", "create"))
            return replace(base, key=("", 0 if first else 4, natural(at.name)))
        if not match[1]:
            return replace(base, key=("", 3, at.name))
        version = _version(match[2])
        if match[1] == "U" and self._has_version(version):
            base = replace(base, skip=f"Flyway's undo of version {match[2]}")
        return replace(base, key=("", 1, version, match[1] != "B", at.name))

    def _has_version(self, version: Key) -> bool:
        return any(
            (match := _FLYWAY.match(name)) and match[1] == "V" and _version(match[2]) == version
            for names in self._folders.values()
            for name in names
        )

    def _golang_migrate(self, base: Place, at: _At) -> Place:
        """``<number>_<name>.up.sql``, by the number (golang-migrate, source/parse.go)."""
        match = _UP_DOWN.match(at.name)
        if not match:
            return self._numbered(base, at)
        skip = "a backward half in a folder of .up.sql" if match[3] == "down" else ""
        return replace(base, key=(natural(at.root), 0, int(match[1]), at.name), skip=skip)

    def _sqitch(self, base: Place, at: _At) -> Place:
        """``deploy/`` in the order of ``sqitch.plan``; ``revert/`` and ``verify/`` beside it."""
        parent, _, last = at.root.rpartition("/")
        if parent not in self._orders:
            there = "sqitch.plan" in self._names(parent)
            plan = self._peek(_below(parent, "sqitch.plan")) if there else b""
            changes = re.findall(rb"(?m)^(?![%@#\s])(\S+)", plan)
            self._orders[parent] = {
                name.decode("utf-8", "replace"): i for i, name in enumerate(changes)
            }
        order = self._orders[parent].get(at.name.removesuffix(".sql"), len(self._orders[parent]))
        backward = last != "deploy" and at.name in self._names(_below(parent, "deploy"))
        return replace(
            base,
            key=(natural(parent), order, natural(at.name)),
            skip=f"not run by sqitch deploy ({last}/)" if backward else "",
        )

    def _atlas(self, base: Place, at: _At) -> Place:
        none = re.search(rb"(?m)^-- atlas:txmode none", self._peek(at.path))
        key = (natural(at.root), 0, at.name)
        return replace(base, key=key, in_transaction=Maybe.NO if none else Maybe.YES)

    def _dbmate(self, base: Place, at: _At) -> Place:
        """By the name as text: 10 before 9 (dbmate, FindMigrations)."""
        return replace(base, key=(natural(at.root), 0, at.name))


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
