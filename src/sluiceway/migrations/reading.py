"""Files to scripts: which of them the tool would run, in which order, and as what SQL.

Nothing here knows a statement's meaning. Leaving something out is the one dangerous thing that this
room can do; so what is left out is always listed with its reason, and what is in doubt is judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from sluiceway.errors import UsageError
from sluiceway.migrations.cleaning import Draft, clean, marked, plain
from sluiceway.migrations.earlier import linked
from sluiceway.migrations.layouts import LAYOUTS, Place, is_sql, natural, places
from sluiceway.migrations.layouts.code import problem as code_problem
from sluiceway.migrations.records import Dialect, Maybe, Problem, Script
from sluiceway.migrations.walking import NAMED_TWICE, Skipped, below, file_bytes
from sluiceway.record import Record, replace

__all__ = [
    "Gathered",
    "News",
    "Reading",
    "Skipped",
    "from_texts",
    "gathered",
    "read",
    "read_all",
    "since",
    "understood",
]


class Reading(Record):
    """What a folder (or a file) of migrations holds."""

    scripts: tuple[Script, ...]
    """In the order in which the tool applies them."""
    layout: str
    """Whose folder it is; ``mixed`` when its files are of several tools."""
    skipped: tuple[Skipped, ...] = ()


class _Part(Record):
    """Files that are understood as one set."""

    files: Sequence[tuple[str, bytes]]
    skipped: Sequence[Skipped] = ()
    where: str
    alone: bool = False
    beside: Mapping[str, bytes] | None = None


class Gathered(Record):
    """What stands at some paths, byte for byte, before anybody understands it."""

    parts: tuple[_Part, ...]
    twice: tuple[Skipped, ...] = ()

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of everything that a reading of it depends on, names included."""
        whole = sha256()
        for part in self.parts:
            head = (part.where, part.alone, [(each.path, each.why) for each in part.skipped])
            beside = sorted((part.beside or {}).items())
            whole.update(_long(repr(head)))
            for path, data in (*part.files, ("", b""), *beside, ("", b"")):
                whole.update(_long(path) + b"%d:" % len(data) + data)
        whole.update(_long(repr([(each.path, each.why) for each in self.twice])))
        return "sha256:" + whole.hexdigest()


def _long(text: str) -> bytes:
    """Return a text behind its length, so that no two lists of texts look alike."""
    data = text.encode("utf-8", "surrogatepass")
    return b"%d:" % len(data) + data


def read(path: Path, dialect: Dialect, *, layout: str = "auto") -> Reading:
    """Read the migrations below *path*, a folder or one file.

    A file that is named is judged, whatever it is called; in a folder the backward halves are left
    out, and listed.

    Raises:
        UsageError: *path* does not exist, cannot be read, or holds no migration; *layout* is unknown.
    """
    return understood(gathered([path]), dialect, layout=layout)


def read_all(paths: Sequence[Path], dialect: Dialect, *, layout: str = "auto") -> Reading:
    """Read several folders and files as one: each file once, single files as one set.

    Several files that are named together are a set, as a shell's ``*.sql`` gives them: a backward half
    is left out when its forward half is named too.

    Raises:
        UsageError: as :func:`read`.
    """
    return understood(gathered(paths), dialect, layout=layout)


def gathered(paths: Sequence[Path]) -> Gathered:
    """Return the bytes of everything at and below *paths* that :func:`understood` may look at.

    Raises:
        UsageError: a path does not exist or cannot be read.
    """
    if not paths:
        raise _nothing("what was named")
    if len(paths) == 1:
        return Gathered(parts=(_only(paths[0]),))
    seen: set[Path] = set()
    parts: list[_Part] = []
    single: list[tuple[str, bytes]] = []
    twice: list[Skipped] = []
    for path in paths:
        real = path.resolve()
        if real in seen:
            twice.append(Skipped(path.as_posix(), NAMED_TWICE))
        elif path.is_dir():
            files, skipped = below(path, path.as_posix() + "/", seen)
            parts.append(_Part(files=files, skipped=skipped, where=str(path)))
        else:
            single.append((path.as_posix(), file_bytes(path)))
        seen.add(real)
    if single:
        parts.append(_Part(files=single, alone=len(single) == 1, where="what was named"))
    return Gathered(parts=tuple(parts), twice=tuple(twice))


def _only(path: Path) -> _Part:
    if path.is_dir():
        files, skipped = below(path)
        return _Part(files=files, skipped=skipped, where=str(path))
    return _Part(
        files=[(path.as_posix(), file_bytes(path))],
        alone=True,
        where=str(path),
        beside=_settings(path),
    )


def _settings(path: Path) -> dict[str, bytes]:
    """Return the files beside a single one that tell how its tool runs it (Diesel, Flyway)."""
    beside = (path.with_name("metadata.toml"), path.with_name(path.name + ".conf"))
    return {other.as_posix(): file_bytes(other) for other in beside if other.is_file()}


def understood(
    found: Gathered, dialect: Dialect, *, layout: str = "auto", prefix: str = ""
) -> Reading:
    """Return what *found* says, in the order in which a tool would apply it. Pure.

    Args:
        found: What stands there.
        dialect: Whose SQL it is.
        layout: Whose tool's folder it is.
        prefix: What stands before the path of each file; the names of migrations go without it.

    Raises:
        UsageError: it holds no migration; *layout* is unknown.
    """
    readings = [
        _reading(
            part.files,
            dialect,
            layout,
            where=part.where,
            alone=part.alone,
            skipped=part.skipped,
            beside=part.beside,
            prefix=prefix,
        )
        for part in found.parts
    ]
    layouts = {reading.layout for reading in readings if reading.scripts}
    return Reading(
        scripts=linked([script for reading in readings for script in reading.scripts], dialect),
        layout=layouts.pop() if len(layouts) == 1 else "mixed",
        skipped=(*(each for reading in readings for each in reading.skipped), *found.twice),
    )


def from_texts(
    files: Sequence[tuple[str, bytes]], dialect: Dialect, layout: str = "auto"
) -> Reading:
    """Read migrations that are not on disk: ``(path, bytes)``, the paths relative, with ``/``.

    Raises:
        UsageError: none of *files* is a migration, or *layout* is unknown.
    """
    found = _reading(files, dialect, layout, where="the files")
    return replace(found, scripts=linked(found.scripts, dialect))


def _nothing(where: str) -> UsageError:
    return UsageError(
        f"there is no migration in {where}",
        means="Nothing was judged.",
        remedy="Name a file or a folder of migrations.",
        code="migrations.none",
    )


_LARGEST = 16 * 2**20
"""Bytes of a file that is judged. A larger one holds data, and is refused by a problem."""


def _reading(
    files: Sequence[tuple[str, bytes]],
    dialect: Dialect,
    layout: str,
    *,
    where: str,
    alone: bool = False,
    skipped: Sequence[Skipped] = (),
    beside: Mapping[str, bytes] | None = None,
    prefix: str = "",
) -> Reading:
    if layout not in LAYOUTS:
        raise UsageError(
            f"no layout of migrations is called {layout!r}",
            remedy=f"one of {', '.join(LAYOUTS)}",
            code="migrations.layout",
        )
    data = dict(files)
    if len(data) != len(files):
        twice = next(
            path for path, count in Counter(path for path, _ in files).items() if count > 1
        )
        raise UsageError(
            f"{twice} is given twice", remedy="Name each file once.", code="migrations.twice"
        )
    left = list(skipped)
    scripts: list[Script] = []
    code = [path for path in data if not is_sql(path)]
    if alone:
        code = [path for path in code if code_problem(path, data[path])]
    sql = [path for path in data if path not in set(code)] if code else list(data)
    around = {**(beside or {}), **data}
    found = places(list(around), around.__getitem__, dialect, layout=layout, alone=alone)
    known = frozenset(sql)
    for place in found:
        if place.path not in known:
            continue
        if place.skip and not (place.layout == "plain" and marked(data[place.path])):
            left.append(Skipped(place.path, place.skip))
            continue
        if len(data[place.path]) > _LARGEST:
            what = f"larger than {_LARGEST // 2**20} MiB, too large to be judged: keep data out of migrations"
            scripts.append(_refused(prefix + place.path, data[place.path], what, place))
            continue
        text = plain(data[place.path], dialect)
        if text is not None:
            scripts.append(_plain(prefix, place, text, data[place.path]))
            continue
        draft, tool = _draft(place, data[place.path], dialect, layout, known)
        left += [Skipped(place.path, why) for why in draft.left_out]
        scripts.append(_script(prefix, place, draft, tool, data[place.path]))
    for path in sorted(code, key=natural):
        if what := code_problem(path, data[path]):
            scripts.append(_refused(prefix + path, data[path], what))
        else:
            left.append(Skipped(path, "not SQL, and no migration"))
    if not scripts and all(each.why != NAMED_TWICE for each in skipped):
        raise _nothing(where)
    return Reading(
        scripts=tuple(_named(_ordered(scripts), prefix)),
        layout=_layout(scripts),
        skipped=tuple([Skipped(prefix + each.path, each.why) for each in left]),
    )


def _plain(prefix: str, place: Place, text: str, data: bytes) -> Script:
    return Script(
        path=prefix + place.path,
        name=place.name,
        layout=place.layout,
        text=text,
        digest=_digest(data),
        in_transaction=_mode(place, text, Maybe.MAYBE),
    )


def _draft(
    place: Place, data: bytes, dialect: Dialect, layout: str, known: frozenset[str]
) -> tuple[Draft, str]:
    # Where names tell the tool, marks of another tool are comments like any other.
    tool = "" if place.layout == "plain" and layout == "auto" else place.layout
    return clean(data, dialect, tool=tool, path=place.path, known=known)


def _script(prefix: str, place: Place, draft: Draft, tool: str, data: bytes) -> Script:
    return Script(
        path=prefix + place.path,
        name=place.name,
        layout=tool or place.layout,
        text=draft.text,
        digest=_digest(data),
        spans=None if draft.spans is None else tuple(draft.spans),
        in_transaction=_mode(place, draft.text, draft.in_transaction),
        problems=tuple(draft.problems),
        conditional=tuple(draft.conditional),
    )


def _digest(data: bytes) -> str:
    return "sha256:" + sha256(data).hexdigest()


def _mode(place: Place, text: str, said: Maybe) -> Maybe:
    """Return whether one transaction holds the file, of which its own marks have *said* something."""
    mode = said if place.in_transaction is None else place.in_transaction
    if mode is Maybe.MAYBE and place.layout in _WHOLE and text.count(";") <= 1:
        return Maybe.NO  # sent as it stands: only several statements share a transaction
    return mode


_WHOLE = frozenset({"prisma", "golang-migrate"})
"""They send a file in one piece, which PostgreSQL runs in one transaction if it holds several."""


def _refused(path: str, data: bytes, what: str, place: Place | None = None) -> Script:
    return Script(
        path=path,
        name=place.name if place else path.rpartition("/")[2],
        layout=place.layout if place else "code",
        text="",
        digest=_digest(data),
        problems=(Problem(line=1, what=what),),
    )


def _ordered(scripts: list[Script]) -> list[Script]:
    if all(script.layout == "dbmate" for script in scripts):
        return sorted(scripts, key=lambda script: script.name)  # as text: 10 before 9
    return scripts


def _named(scripts: list[Script], prefix: str) -> list[Script]:
    """Give scripts of one name their paths for names, so that each is told from the others."""
    counts = Counter(script.name for script in scripts)
    if len(counts) == len(scripts):
        return scripts
    return [
        replace(script, name=script.path[len(prefix) :]) if counts[script.name] > 1 else script
        for script in scripts
    ]


def _layout(scripts: list[Script]) -> str:
    layouts = {script.layout for script in scripts} - {"code"} or {"code"}
    return layouts.pop() if len(layouts) == 1 else "mixed"


class News(Record):
    """What a reading holds beside what has been applied somewhere."""

    new: tuple[Script, ...]
    """Not applied yet, in order."""
    changed: tuple[Script, ...] = ()
    """Applied, and edited afterwards: what runs there is not what these files say."""
    late: tuple[Script, ...] = ()
    """Those of *new* that come before one that is applied: tools leave them out or refuse."""
    gone: tuple[str, ...] = ()
    """Names that are applied and not in the reading."""


def since(reading: Reading, applied: Mapping[str, str]) -> News:
    """Tell what of *reading* is new beside *applied*: names of migrations to digests of their files.

    Repeatable migrations of Flyway (``R__``) are new again when they were edited.
    """
    new: list[Script] = []
    changed: list[Script] = []
    last = max((i for i, s in enumerate(reading.scripts) if s.name in applied), default=-1)
    late: list[Script] = []
    for index, script in enumerate(reading.scripts):
        digest = applied.get(script.name)
        repeatable = script.layout == "flyway" and script.name.startswith("R__")
        if digest is None or (repeatable and digest != script.digest):
            new.append(script)
            if index < last and digest is None and not repeatable:
                late.append(script)
        elif digest != script.digest:
            changed.append(script)
    names = {script.name for script in reading.scripts}
    return News(
        new=tuple(new),
        changed=tuple(changed),
        late=tuple(late),
        gone=tuple(sorted(set(applied) - names)),
    )
