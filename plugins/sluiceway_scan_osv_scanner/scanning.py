"""Running osv-scanner without a network, on advisories that were read and found whole first."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError
from sluiceway.model import (
    Check,
    CheckStatus,
    Image,
    Maker,
    Project,
    Sbom,
    Scan,
    Status,
    canonical,
)
from sluiceway.scanning import (
    Package,
    ReportError,
    conclude,
    environment,
    needed,
    packages_of,
    refuse,
    run_scanner,
    version_in,
)
from sluiceway.scanning.advisories import Advisories, ecosystems_in, read_advisories
from sluiceway.scanning.packages import normal_name
from sluiceway_scan_osv_scanner.report import Listed, Report, parse

__all__ = ["examine", "scan", "scan_tree"]

NAME = "scan-osv-scanner"
DEFAULTS: Mapping[str, Any] = {"program": "osv-scanner", "database": "", "timeout_seconds": 300.0}
_VARIABLES = ("OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY", "OSV_SCALIBR_LOCAL_DB_CACHE_DIRECTORY")
_BELOW = ("osv-scalibr", "osv-scanner", "")
_ECOSYSTEMS = (
    *("AlmaLinux", "Alpaquita", "Alpine", "Android", "Bitnami", "CRAN", "Chainguard"),
    *("ConanCenter", "Debian", "GHC", "GIT", "Go", "Hackage", "Hex", "Linux", "MinimOS", "Maven"),
    *("NuGet", "Packagist", "Pub", "PyPI", "Red Hat", "Rocky Linux", "RubyGems", "SUSE"),
    *("SwiftURL", "Ubuntu", "Wolfi", "crates.io", "npm", "openEuler", "openSUSE"),
)
_INSTALL = "Install osv-scanner, or name it in [plugins.scan-osv-scanner] program."
_HOW = (
    "put OSV's all.zip of each ecosystem into <folder>/<Ecosystem>/ and name the folder in "
    f"[plugins.{NAME}] database or in {_VARIABLES[0]}"
)
_CLEAN, _FOUND, _NO_PACKAGES = 0, 1, 128
_PROBE_SECONDS = 20.0
_SYSTEMS = frozenset({"Alpine", "Debian", "Ubuntu"})


def scan(project: Project, image: Image, sbom: Sbom, settings: Mapping[str, Any]) -> Scan:
    """Return what osv-scanner says about the packages of *sbom*.

    Raises:
        ConfigurationError: For a setting that cannot be used.
        PluginError: osv-scanner is not there.
    """
    run = _Run(project, _options(settings), subject=image.digest)
    if sbom.subject != image.digest:
        return run.refuse(f"the SBOM is about {sbom.subject}, not about {image.digest}")
    try:
        run.packages = packages_of(sbom.document)
    except ValueError as error:
        return run.refuse(str(error))

    def ask(folder: Path) -> Report | None:
        document = folder / "sbom.spdx.json"  # the ending tells osv-scanner what it is
        document.write_bytes(canonical(sbom.document))
        return run.report(folder, document, f"--sbom={document}")

    return run.answer(ask)


def scan_tree(project: Project, folder: Path, settings: Mapping[str, Any]) -> Scan:
    """Return what osv-scanner says about the lock files below *folder*.

    Raises:
        ConfigurationError: For a setting that cannot be used.
        PluginError: osv-scanner is not there.
    """
    place = folder.resolve()
    run = _Run(project, _options(settings), subject=place.as_uri())

    def ask(empty: Path) -> Report | None:
        report = run.report(empty, place, "--recursive", str(place))
        listed = () if report is None else report.listed
        run.packages = sorted((each.package for each in listed), key=lambda each: each.label)
        return report

    return run.answer(ask, where="the source tree")


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return ``invoke doctor``'s line about the program and its advisories."""
    options = _options(settings)
    try:
        needed(options["program"], NAME, _INSTALL)
        folder, uri = _locate(project, options["database"])
        folders = {} if folder is None else ecosystems_in(folder, _BELOW)
    except (PluginError, ActionFailed) as error:
        return (Check(name=NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),)
    if not folders:
        detail = f"no advisories in {uri}" if uri else "no advisory database is configured"
        remedy = _HOW[0].upper() + _HOW[1:] + "."
        return (Check(name=NAME, status=CheckStatus.WARN, detail=detail, remedy=remedy),)
    return (Check(name=NAME, status=CheckStatus.OK, detail=f"advisories for {', '.join(folders)}"),)


class _Run:
    """One run of osv-scanner, from its version to its conclusion."""

    def __init__(self, project: Project, options: Mapping[str, Any], *, subject: str) -> None:
        needed(options["program"], NAME, _INSTALL)
        self._project = project
        self._options = options
        self._subject = subject
        self._made_at = datetime.now(UTC)
        self._maker = Maker(plugin=NAME, tool="osv-scanner", version="")
        self._folders: Mapping[str, tuple[Path, ...]] = {}
        self.packages: Sequence[Package] = ()

    def answer(self, ask: Callable[[Path], Report | None], *, where: str = "the SBOM") -> Scan:
        """Return the record for what *ask* (given an empty folder) finds out."""
        folder, uri = _locate(self._project, self._options["database"])
        try:
            self._folders = {} if folder is None else ecosystems_in(folder, _BELOW)
            with tempfile.TemporaryDirectory(prefix="sluiceway-osv-scanner-") as name:
                empty = Path(name)
                self._maker = Maker(plugin=NAME, tool="osv-scanner", version=self._version(empty))
                if not self._folders:
                    missing = f"there are no advisories in {uri}" if uri else "no database is named"
                    return self.refuse(f"{missing}; {_HOW}", Status.NO_DATA)
                self._lay_out(empty)
                report = ask(empty)
            listed = () if report is None else report.listed
            # After the run, because only now it is known which ecosystems there are in a tree.
            database = read_advisories(self._folders, _wanted(listed))
        except ActionFailed as error:
            return self.refuse(error.what)
        except ReportError as error:
            return self.refuse(f"osv-scanner: {error}")
        return conclude(
            subject=self._subject,
            made_at=self._made_at,
            maker=self._maker,
            database=database.facts(uri),
            packages=self.packages,
            judged=[each.package for each in listed if _is_covered(each, database)],
            found=() if report is None else report.found,
            where=where,
        )

    def refuse(self, reason: str, status: Status = Status.ERROR) -> Scan:
        """Return the record of a scan that was not made."""
        return refuse(
            reason,
            subject=self._subject,
            made_at=self._made_at,
            maker=self._maker,
            packages=self.packages,
            status=status,
        )

    def report(self, folder: Path, place: Path, *target: str) -> Report | None:
        """Return what osv-scanner said about *place*; ``None`` when it found no package."""
        config = folder / "empty.toml"  # without one it obeys an osv-scanner.toml in the tree
        config.touch()
        argv = [
            self._options["program"],
            *("scan", "source", "--offline", "--format=json", "--all-packages"),
            *(f"--config={config}", *target),
        ]
        ended = run_scanner(
            argv,
            timeout=self._options["timeout_seconds"],
            cwd=folder,
            env=self._environment(folder),
            codes=frozenset({_CLEAN, _FOUND, _NO_PACKAGES}),
        )
        if ended.code == _NO_PACKAGES:
            return None
        report = parse(ended.stdout, place=str(place))
        if bool(report.found) is not (ended.code == _FOUND):
            msg = f"it ended with code {ended.code}, and its report says otherwise"
            raise ReportError(msg)
        return report

    def _lay_out(self, folder: Path) -> None:
        """Give osv-scanner the advisories where each of its releases looks for them.

        An ecosystem without advisories gets an empty archive: a missing one would be an error of
        the whole run, and who judges such a package is said in the record.
        """
        for below in _BELOW[:-1]:
            for name in {*_ECOSYSTEMS, *self._folders}:
                place = folder / below / name
                place.mkdir(parents=True)
                places = self._folders.get(name, ())
                whole = [each / "all.zip" for each in places if (each / "all.zip").is_file()]
                loose = [path for each in places for path in sorted(each.glob("*.json"))]
                if len(whole) == 1 and not loose:
                    (place / "all.zip").symlink_to(whole[0].resolve())
                else:
                    _pack(place / "all.zip", whole, loose)

    def _version(self, folder: Path) -> str:
        argv = [self._options["program"], "--version"]
        env = self._environment(folder)
        return version_in(run_scanner(argv, timeout=_PROBE_SECONDS, cwd=folder, env=env).stdout)

    def _environment(self, folder: Path) -> dict[str, str]:
        values = dict.fromkeys(_VARIABLES, str(folder))
        return environment(self._project.environ, "OSV_SCANNER_", "OSV_SCALIBR_", **values)


def _pack(target: Path, whole: Sequence[Path], loose: Sequence[Path]) -> None:
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
            for archive in whole:
                with zipfile.ZipFile(archive) as opened:
                    for entry in opened.infolist():
                        packed.writestr(entry.filename, opened.read(entry))
            for path in loose:
                packed.writestr(path.name, path.read_bytes())
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        msg = f"the advisories cannot be read: {target.parent.name}: {error}"
        raise ReportError(msg) from error


def _locate(project: Project, database: str) -> tuple[Path | None, str]:
    """Return the folder and how records call it: never this machine's absolute path."""
    if database:
        return project.root / database, database
    for variable in _VARIABLES:
        if named := project.environ.get(variable):
            return project.root / named, f"${variable}"
    return None, ""


def _wanted(listed: Sequence[Listed]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for each in listed:
        family = each.ecosystem.partition(":")[0]
        ecosystem = each.ecosystem if family in _SYSTEMS else family
        wanted.setdefault(ecosystem, set()).add(normal_name(family, each.name))
    return wanted


def _is_covered(item: Listed, database: Advisories) -> bool:
    """Say whether osv-scanner had anything to compare the package with.

    Debian's and Alpine's advisories are about source packages; a name under which none is filed
    is more likely a binary package's than clean.
    """
    if not item.package.version:
        return False
    family, _, release = item.ecosystem.partition(":")
    if family in _SYSTEMS:
        return (
            bool(release) and (item.ecosystem, normal_name(family, item.name)) in database.records
        )
    return database.counts.get(family, 0) > 0


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    options = take(settings, NAME, DEFAULTS)
    if not options["timeout_seconds"] > 0:
        raise ConfigurationError(
            f"[plugins.{NAME}] timeout_seconds is not more than 0", code="configuration.range"
        )
    return options
