"""The migrations of one release, as its signed attestation carries them.

What is judged when a digest is promoted is what was released with that digest, wherever the
promotion runs: therefore the statement holds the files themselves.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ActionFailed, SluicewayError, UsageError
from sluiceway.migrations.records import Dialect, Script
from sluiceway.migrations.uses import Uses, read_uses, uses_from
from sluiceway.model import digest_of
from sluiceway.record import Record

if TYPE_CHECKING:
    from sluiceway.config import Migrations

__all__ = [
    "MIGRATIONS",
    "Difference",
    "Migration",
    "Released",
    "collected",
    "difference",
    "from_predicate",
    "predicate",
    "scripts",
]

MIGRATIONS = "urn:sluiceway:predicate:migrations:v1"
"""in-toto predicate type of the statement."""

_LARGEST = 4 << 20
"""Bytes of all files together. The histories of large applications have a quarter of it."""
_REPEATABLE = "R__"
"""Flyway runs a migration whose name begins so again whenever its file changes."""


class Migration(Record):
    """One migration as it was released."""

    name: str
    """Its own name within its tool (:attr:`~sluiceway.migrations.records.Script.name`)."""
    path: str
    """Below the folder of migrations, with ``/``."""
    digest: str
    """``sha256:<hex>`` of the file's bytes."""
    body: bytes


class Released(Record):
    """What a release says about its database."""

    version: str
    dialect: Dialect
    layout: str
    migrations: tuple[Migration, ...]
    """In the order in which the tool applies them."""
    uses: Uses | None
    """What its code reads and writes; ``None`` when it does not say."""


class Difference(Record):
    """What one release migrates beyond another, as names in the order of the release."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    """In both, with other content. A tool that has run it once does not run it again."""
    missing: tuple[str, ...]
    """Only in the other: what has run there, and this release does not know."""
    out_of_order: tuple[str, ...]
    """New, and before one that has run already."""


def collected(settings: Migrations, version: str) -> Released:
    """Read the folder of migrations and the declaration of uses.

    Raises:
        UsageError: There is no such folder, or it holds no migration; ``migrations.uses``,
            ``migrations.size``, ``migrations.doubled``.
        ActionFailed: A file was changed while it was read.
    """
    from sluiceway.migrations import reading

    found = reading.read(settings.folder, settings.dialect, layout=settings.layout)
    migrations = tuple(_migration(settings.folder, script) for script in found.scripts)
    _check_names(migrations)
    _check_size(migrations)
    return Released(
        version=version,
        dialect=settings.dialect,
        layout=found.layout,
        migrations=migrations,
        uses=read_uses(settings.uses) if settings.uses is not None else None,
    )


def _migration(folder: Path, script: Script) -> Migration:
    path = folder / script.path if folder.is_dir() else folder
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", code="migrations.unreadable"
        ) from error
    if digest_of(body) != script.digest:
        raise ActionFailed(
            f"{script.path} was changed while it was read",
            means="What would be signed is not what would be judged.",
            remedy="Run `invoke release` again when nobody edits the migrations.",
            code="migrations.changing",
        )
    return Migration(name=script.name, path=script.path, digest=script.digest, body=body)


def _check_names(migrations: Iterable[Migration]) -> None:
    paths: dict[str, str] = {}
    for each in migrations:
        other = paths.setdefault(each.name, each.path)
        if other != each.path:
            raise UsageError(
                f"{other} and {each.path} are both the migration {each.name!r}",
                means="By its name it is told what has run in an environment and what has not.",
                remedy="Rename one of them.",
                code="migrations.doubled",
            )


def _check_size(migrations: Iterable[Migration]) -> None:
    sizes = {each.path: len(each.body) for each in migrations}
    total = sum(sizes.values())
    if total > _LARGEST:
        largest = max(sizes, key=lambda path: sizes[path])
        raise UsageError(
            f"the migrations have {total / (1 << 20):.1f} MB together; {largest} alone has "
            f"{sizes[largest] / (1 << 20):.1f} MB",
            means=f"They travel with the image in a signed statement, {_LARGEST >> 20} MB at most.",
            remedy="Load data by something else than a migration, or squash what has run everywhere.",
            code="migrations.size",
        )


def predicate(released: Released) -> dict[str, Any]:
    """Return the predicate: the same release gives the same one, so that it is attested once."""
    return {
        "version": released.version,
        "dialect": released.dialect.value,
        "layout": released.layout,
        "migrations": [
            {"name": each.name, "path": each.path, "digest": each.digest, **_text(each.body)}
            for each in released.migrations
        ],
        "uses": released.uses.to_json() if released.uses is not None else None,
    }


def _text(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii")}


def from_predicate(document: Mapping[str, Any]) -> Released:
    """Read a predicate back. A signed document may still have any shape.

    Raises:
        ValueError: With the reason, when it is none of ours or contradicts itself.
    """
    try:
        uses = document["uses"]
        released = Released(
            version=_string(document["version"]),
            dialect=Dialect(document["dialect"]),
            layout=_string(document["layout"]),
            migrations=tuple(_migration_from(each) for each in document["migrations"]),
            uses=None if uses is None else uses_from(uses, "uses"),
        )
        _check_names(released.migrations)
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        msg = f"it is not understood: {type(error).__name__}: {error}"
        raise ValueError(msg) from error
    except SluicewayError as error:
        msg = f"it is not understood: {error.what}"
        raise ValueError(msg) from error
    return released


def _migration_from(item: Mapping[str, Any]) -> Migration:
    body = (
        item["text"].encode("utf-8")
        if "text" in item
        else base64.b64decode(item["base64"], validate=True)
    )
    name, path, digest = (_string(item[key]) for key in ("name", "path", "digest"))
    if digest_of(body) != digest:
        msg = f"{path} is not what its digest says"
        raise ValueError(msg)
    return Migration(name=name, path=path, digest=digest, body=body)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        msg = f"{value!r} is no text"
        raise TypeError(msg)
    return value


def scripts(released: Released) -> tuple[Script, ...]:
    """Return the migrations as a parser reads them, in the order of the tool.

    Raises:
        UsageError: What was attested does not hold the migrations that it names.
    """
    if not released.migrations:
        return ()
    from sluiceway.migrations import reading

    files = {each.path: each.body for each in released.migrations}
    # Of a folder that is several tools' own, each file is recognised for itself again.
    layout = "auto" if released.layout == "mixed" else released.layout
    found = reading.from_texts(list(files.items()), released.dialect, layout)
    said, read = {each.name for each in released.migrations}, {each.name for each in found.scripts}
    if said != read:
        raise UsageError(
            f"the attested migrations are read as others than they were released as: "
            f"{', '.join(sorted(said ^ read))}",
            means="What would be judged is not what was released.",
            remedy="Make the release again with this version of Sluiceway.",
            code="migrations.unreadable",
        )
    return found.scripts


def difference(released: Released, held: Released | None) -> Difference:
    """Say what *released* migrates beyond *held*; everything where nothing is held. Pure."""
    before = {each.name: each.digest for each in held.migrations} if held is not None else {}
    names = [each.name for each in released.migrations]
    again = [
        each for each in released.migrations if before.get(each.name, each.digest) != each.digest
    ]
    repeated = {each.name for each in again if _repeatable(released, each.name)}
    new = [name for name in names if name not in before or name in repeated]
    last = max((index for index, name in enumerate(names) if name in before), default=-1)
    early = [name for name in names[: last + 1] if name not in before]
    return Difference(
        new=tuple(new),
        changed=tuple(each.name for each in again if each.name not in repeated),
        missing=tuple(name for name in before if name not in set(names)),
        out_of_order=tuple(each for each in early if not _repeatable(released, each)),
    )


def _repeatable(released: Released, name: str) -> bool:
    return released.layout == "flyway" and name.rpartition("/")[2].startswith(_REPEATABLE)


def taken(every: Sequence[Script], names: Iterable[str]) -> tuple[Script, ...]:
    """Return those of *every* that are called one of *names*, in their order."""
    wanted = set(names)
    return tuple(script for script in every if script.name in wanted)
