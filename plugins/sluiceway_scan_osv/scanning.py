"""One scan: packages and advisories in, record out; and the doctor's view of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
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
)
from sluiceway.scanning import Package, conclude, packages_of, refuse
from sluiceway.scanning.advisories import Advisories, ecosystems_in, read_advisories
from sluiceway_scan_osv.components import Component, component_of
from sluiceway_scan_osv.database import BELOW, PLUGIN, VARIABLE, Location, locate
from sluiceway_scan_osv.matching import installed_key, match
from sluiceway_scan_osv.versions import COMPARABLE, comparable, systems_installed

__all__ = ["examine", "scan", "scan_tree"]

_HOW = (
    "put OSV's all.zip of each ecosystem into <folder>/<Ecosystem>/ and name the folder in "
    f"[plugins.{PLUGIN}] database or in {VARIABLE}"
)
_MAKER = Maker(plugin=PLUGIN, tool="osv", version=__version__)


def scan(project: Project, image: Image, sbom: Sbom, settings: Mapping[str, Any]) -> Scan:
    """Return what the advisories on disk say about the packages of *sbom*.

    OK when at least one package was compared; NO_DATA when there was nothing to compare with or
    nothing to compare; ERROR when the SBOM is about another image or not understood, or when the
    database cannot be read whole.

    Raises:
        ConfigurationError: For a setting that is unknown or of the wrong type.
    """
    location = locate(project, settings)
    reason = ""
    packages: Sequence[Package] = ()
    if sbom.subject != image.digest:
        reason = f"the SBOM is about {sbom.subject}, not about {image.digest}"
    else:
        try:
            packages = packages_of(sbom.document)
        except ValueError as error:
            reason = str(error)
    if reason:
        return refuse(reason, subject=image.digest, made_at=datetime.now(UTC), maker=_MAKER)
    return _compare(location, packages, subject=image.digest, where="the SBOM")


def scan_tree(project: Project, folder: Path, settings: Mapping[str, Any]) -> Scan:
    """Return what the advisories on disk say about the packages that *folder*'s files pin.

    Raises:
        ConfigurationError: For a setting that is unknown or of the wrong type.
    """
    from sluiceway_scan_osv.trees import packages_in

    location = locate(project, settings)
    place = folder.resolve()
    try:
        packages = packages_in(place)
    except ValueError as error:
        return refuse(str(error), subject=place.as_uri(), made_at=datetime.now(UTC), maker=_MAKER)
    return _compare(location, packages, subject=place.as_uri(), where="the source tree")


def _compare(
    location: Location | None, packages: Sequence[Package], *, subject: str, where: str
) -> Scan:
    made_at = datetime.now(UTC)

    def refused(reason: str, status: Status = Status.ERROR) -> Scan:
        return refuse(
            reason,
            subject=subject,
            made_at=made_at,
            maker=_MAKER,
            packages=packages,
            status=status,
        )

    components = {each.label: component_of(each) for each in packages}
    try:
        folders = {} if location is None else ecosystems_in(location.folder, BELOW)
        if location is None or not folders:
            return refused(f"{_absence(location)}; {_HOW}", Status.NO_DATA)
        database = read_advisories(folders, _wanted(components.values()))
        found = [
            vulnerability
            for component in components.values()
            for vulnerability in match(
                component, database.records.get((component.ecosystem, component.name), ())
            )
        ]
    except ActionFailed as error:
        return refused(error.what)
    except ValueError as error:
        return refused(str(error))
    return conclude(
        subject=subject,
        made_at=made_at,
        maker=_MAKER,
        database=database.facts(location.uri),
        packages=packages,
        judged=[each for each in packages if _is_covered(components[each.label], database)],
        found=found,
        where=where,
    )


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return ``invoke doctor``'s line. Looks at names only: reading everything would take long."""
    try:
        location = locate(project, settings)
        folders = {} if location is None else ecosystems_in(location.folder, BELOW)
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
    usable = [name for name in folders if _usable(name)]
    others = [name for name in folders if not _usable(name)]
    detail = f"advisories for {', '.join(usable) or 'nothing that can be compared'}"
    if others:
        detail += f"; not used, because their versions are not ordered here: {', '.join(others)}"
    return (
        Check(
            name=PLUGIN,
            status=CheckStatus.OK if usable else CheckStatus.WARN,
            detail=detail,
            remedy="" if usable else _more(others),
        ),
    )


def _absence(location: Location | None) -> str:
    if location is None:
        return "no advisory database is configured"
    if not location.folder.is_dir():
        return f"the advisory database {location.uri} is no folder"
    return f"the advisory database {location.uri} holds no <Ecosystem>/all.zip and no .json"


def _usable(folder: str) -> bool:
    """Say whether advisories in a folder of this name can be compared with anything."""
    return comparable(folder) or (folder in {"Alpine", "Debian"} and systems_installed())


def _more(others: Sequence[str]) -> str:
    advice = f"Add one of {', '.join(COMPARABLE)}."
    if any(name.partition(":")[0] in {"Alpine", "Debian"} for name in others):
        advice += " For Debian and Alpine: pip install 'sluiceway[scan-os]'."
    return advice


def _wanted(components: Iterable[Component]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for component in components:
        if comparable(component.ecosystem):
            wanted.setdefault(component.ecosystem, set()).add(component.name)
    return wanted


def _is_covered(component: Component, database: Advisories) -> bool:
    """A package without a version that can be compared is not judged, so it is not covered.

    Advisories for Debian and Alpine are about source packages. Where only the binary package's
    name is known and no advisory is filed under it, it is more likely the wrong name than clean.
    """
    if installed_key(component) is None:
        return False
    family, _, release = component.ecosystem.partition(":")
    if not release:
        return database.counts.get(family, 0) > 0
    if component.ecosystem not in database.about:
        return False
    known = (component.ecosystem, component.name) in database.records
    return known or not component.binary_only
