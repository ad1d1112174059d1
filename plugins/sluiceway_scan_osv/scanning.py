"""One scan: SBOM and advisories in, record out; and the doctor's view of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sluiceway import __version__
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import (
    Check,
    CheckStatus,
    Image,
    Maker,
    Project,
    Sbom,
    Scan,
    Status,
    Vulnerability,
    rfc3339,
)
from sluiceway_scan_osv.components import Component, components_of
from sluiceway_scan_osv.database import (
    PLUGIN,
    VARIABLE,
    Database,
    Location,
    ecosystems_in,
    locate,
    read,
)
from sluiceway_scan_osv.matching import installed_key, match
from sluiceway_scan_osv.severity import LEVELS, UNKNOWN
from sluiceway_scan_osv.versions import COMPARABLE

__all__ = ["examine", "scan"]

_HOW = (
    "put OSV's all.zip of each ecosystem into <folder>/<Ecosystem>/ and name the folder in "
    f"[plugins.{PLUGIN}] database or in {VARIABLE}"
)
_EMPTY = Database(digest="", counts={}, newest=None, records={})


def scan(project: Project, image: Image, sbom: Sbom, settings: Mapping[str, Any]) -> Scan:
    """Return what the advisories on disk say about the packages of *sbom*.

    OK when at least one package was compared; NO_DATA when there was nothing to compare with or
    nothing to compare; ERROR when the SBOM is about another image or not understood, or when the
    database cannot be read whole.

    Raises:
        ConfigurationError: For a setting that is unknown or of the wrong type.
    """
    location = locate(project, settings)
    made_at = datetime.now(UTC)

    def answer(
        status: Status,
        summary: str,
        *,
        database: Database = _EMPTY,
        found: Sequence[Vulnerability] = (),
        uncovered: Sequence[Component] = (),
    ) -> Scan:
        return Scan(
            status=status,
            subject=image.digest,
            made_at=made_at,
            maker=Maker(plugin=PLUGIN, tool="osv", version=__version__),
            vulnerabilities=tuple(found),
            database=database.facts(location.uri if location is not None else ""),
            uncovered=tuple(component.label for component in uncovered),
            summary=summary,
        )

    if sbom.subject != image.digest:
        return answer(Status.ERROR, f"the SBOM is about {sbom.subject}, not about {image.digest}")
    try:
        components = components_of(sbom.document)
        folders = {} if location is None else ecosystems_in(location.folder)
        if not folders:
            return answer(
                Status.NO_DATA, f"not scanned: {_absence(location)}; {_HOW}", uncovered=components
            )
        database = read(folders, _wanted(components))
        found = [
            vulnerability
            for component in components
            for vulnerability in match(
                component, database.records.get((component.ecosystem, component.name), ())
            )
        ]
    except ActionFailed as error:
        return answer(Status.ERROR, error.what)
    except ValueError as error:
        return answer(Status.ERROR, f"not scanned: {error}")
    uncovered = [component for component in components if not _is_covered(component, database)]
    compared = len(components) - len(uncovered)
    if not compared and not found:
        reason = (
            "no advisory database covers any of the packages in the SBOM"
            if components
            else "the SBOM lists no package"
        )
        return answer(
            Status.NO_DATA,
            f"not scanned: {reason}",
            database=database,
            uncovered=uncovered,
        )
    return answer(
        Status.OK,
        _summary(compared, database, found, len(uncovered)),
        database=database,
        found=found,
        uncovered=uncovered,
    )


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return ``invoke doctor``'s line. Looks at names only: reading everything would take long."""
    try:
        location = locate(project, settings)
        folders = {} if location is None else ecosystems_in(location.folder)
    except (ActionFailed, ConfigurationError) as error:
        return (
            Check(name=PLUGIN, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),
        )
    if not folders:
        return (
            Check(
                name=PLUGIN,
                # A folder that was named and is not there is a mistake; none at all, a choice.
                status=CheckStatus.WARN if location is None else CheckStatus.FAIL,
                detail=f"{_absence(location)}: no image can be scanned, and gates refuse that",
                remedy=_HOW[0].upper() + _HOW[1:] + ".",
            ),
        )
    usable = [name for name in folders if name in COMPARABLE]
    others = [name for name in folders if name not in COMPARABLE]
    detail = f"advisories for {', '.join(usable) or 'nothing that can be compared'}"
    if others:
        detail += f"; not used, because their versions are not ordered here: {', '.join(others)}"
    return (
        Check(
            name=PLUGIN,
            status=CheckStatus.OK if usable else CheckStatus.WARN,
            detail=detail,
            remedy="" if usable else f"Add one of {', '.join(COMPARABLE)}.",
        ),
    )


def _absence(location: Location | None) -> str:
    if location is None:
        return "no advisory database is configured"
    if not location.folder.is_dir():
        return f"the advisory database {location.uri} is no folder"
    return f"the advisory database {location.uri} holds no <Ecosystem>/all.zip and no .json"


def _wanted(components: Sequence[Component]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for component in components:
        if component.ecosystem in COMPARABLE:
            wanted.setdefault(component.ecosystem, set()).add(component.name)
    return wanted


def _is_covered(component: Component, database: Database) -> bool:
    """A package without a version that can be compared is not judged, so it is not covered."""
    return installed_key(component) is not None and database.counts.get(component.ecosystem, 0) > 0


def _summary(
    compared: int, database: Database, found: Sequence[Vulnerability], uncovered: int
) -> str:
    levels = [
        f"{count} {level}"
        for level in (*LEVELS, UNKNOWN)
        if (count := sum(item.severity == level for item in found))
    ]
    newest = "" if database.newest is None else f" (newest {rfc3339(database.newest)[:10]})"
    said = f"known vulnerabilities: {', '.join(levels)}" if found else "no known vulnerability"
    missed = f"; {_counted(uncovered, 'package')} not covered" if uncovered else ""
    advisories = _counted(sum(database.counts.values()), "advisory", "advisories")
    return f"{_counted(compared, 'package')} compared with {advisories}{newest}: {said}{missed}"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
