"""Running ``npm audit`` on a copy of the lock file, away from everybody's settings."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError, PluginError
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
)
from sluiceway.record import Record
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
from sluiceway_scan_npm_audit.lock import pinned
from sluiceway_scan_npm_audit.report import parse

__all__ = ["examine", "scan", "scan_tree"]

NAME = "scan-npm-audit"
DEFAULTS: Mapping[str, Any] = {
    "program": "npm",
    "folder": ".",
    "registry": "",
    "npmrc": "",
    "with_dev": False,
    "timeout_seconds": 120.0,
}
_INSTALL = "Install Node.js with npm, or name npm in [plugins.scan-npm-audit] program."
_LOCKS = ("npm-shrinkwrap.json", "package-lock.json")  # in npm's own order
_KEPT = ("REGISTRY", "CAFILE", "PROXY", "HTTPS_PROXY", "NOPROXY")
"""What of npm's variables says where the registry is and not what to leave out."""
_PASSED = frozenset({".git", "node_modules"})
_PROBE_SECONDS = 30.0
_USER = re.compile(r"//[^/@]*@")


class Audit(Record):
    """What was said about one lock file."""

    packages: tuple[Package, ...]
    found: tuple[Vulnerability, ...]


def scan(project: Project, image: Image, sbom: Sbom, settings: Mapping[str, Any]) -> Scan:
    """Return what npm says about the service's lock file, measured against *sbom*.

    Raises:
        ConfigurationError: For a setting that cannot be used.
        PluginError: npm is not there.
    """
    options = _options(project, settings)
    run = _Run(project, options, subject=image.digest)
    if sbom.subject != image.digest:
        return run.refuse(f"the SBOM is about {sbom.subject}, not about {image.digest}")
    try:
        run.packages = packages_of(sbom.document)
    except ValueError as error:
        return run.refuse(str(error))
    folder = project.root / options["folder"]
    if _lock(folder) is None:
        return run.refuse(f"there is no package-lock.json in {options['folder']}", Status.NO_DATA)
    return run.answer([folder], folder, where="the SBOM")


def scan_tree(project: Project, folder: Path, settings: Mapping[str, Any]) -> Scan:
    """Return what npm says about every lock file below *folder*.

    Raises:
        ConfigurationError: For a setting that cannot be used.
        PluginError: npm is not there.
    """
    place = folder.resolve()
    run = _Run(project, _options(project, settings), subject=place.as_uri())
    try:
        folders = list(_folders(place))
    except OSError as error:
        return run.refuse(f"{error.filename} cannot be listed: {error.strerror}")
    if not folders:
        return run.refuse("there is no package-lock.json in the source tree", Status.NO_DATA)
    return run.answer(folders, place, where="the lock files", listed=True)


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return ``invoke doctor``'s line about npm and the lock file."""
    options = _options(project, settings)
    try:
        needed(options["program"], NAME, _INSTALL)
    except PluginError as error:
        return (Check(name=NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),)
    lock = _lock(project.root / options["folder"])
    if lock is None:
        return (
            Check(
                name=NAME,
                status=CheckStatus.WARN,
                detail=f"there is no package-lock.json in {options['folder']}",
                remedy=f"Say where it is in [plugins.{NAME}] folder.",
            ),
        )
    return (Check(name=NAME, status=CheckStatus.OK, detail=f"audits {lock.name}"),)


class _Run:
    """One or more audits, from npm's version to the conclusion."""

    def __init__(self, project: Project, options: Mapping[str, Any], *, subject: str) -> None:
        needed(options["program"], NAME, _INSTALL)
        self._project = project
        self._options = options
        self._subject = subject
        self._made_at = datetime.now(UTC)
        self._maker = Maker(plugin=NAME, tool="npm-audit", version="")
        self.packages: Sequence[Package] = ()

    def answer(
        self, folders: Sequence[Path], root: Path, *, where: str, listed: bool = False
    ) -> Scan:
        """Return the record for the lock files in *folders*, all of them or none.

        With *listed* they are also what there is to judge, and not only the SBOM.
        """
        audits: list[Audit] = []
        shown = ""
        uri = ""
        try:
            with tempfile.TemporaryDirectory(prefix="sluiceway-npm-") as name:
                empty = Path(name)
                self._maker = Maker(
                    plugin=NAME,
                    tool="npm-audit",
                    version=version_in(self._npm(empty, ["--version"], _PROBE_SECONDS)),
                )
                for number, folder in enumerate(folders):
                    shown = (folder.relative_to(root) / _LOCKS[1]).as_posix()
                    copy = empty / str(number)
                    copy.mkdir()
                    audits.append(self._audit(folder, copy))
                    asked = self._npm(copy, ["config", "get", "registry"], _PROBE_SECONDS)
                    uri = uri or _USER.sub("//", asked.strip())
        except ReportError as error:
            return self.refuse(f"npm audit: {shown}: {error}" if shown else f"npm: {error}")
        except OSError as error:
            return self.refuse(f"{shown} cannot be read: {error.strerror}")
        judged = {each.label: each for audit in audits for each in audit.packages}
        return conclude(
            subject=self._subject,
            made_at=self._made_at,
            maker=self._maker,
            database={
                "uri": uri,
                "digest": "",
                "advisories": None,
                "newest": None,
                "ecosystems": ["npm"],
            },
            packages=[judged[label] for label in sorted(judged)] if listed else self.packages,
            judged=judged.values(),
            found=[each for audit in audits for each in audit.found],
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

    def _audit(self, folder: Path, copy: Path) -> Audit:
        lock = _lock(folder)
        if lock is None:
            msg = "it is gone"
            raise ReportError(msg)
        body = lock.read_text(encoding="utf-8", errors="replace")
        everything = pinned(body, with_dev=True)
        asked = pinned(body, with_dev=self._options["with_dev"])
        # Not package.json: where it contradicts the lock file, npm silently passes over whatever it
        # then finds to be nobody's dependency. What `npm ci` installs is the lock file's.
        for name in (lock.name, ".npmrc"):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, copy / name)
        arguments = ["audit", "--json", "--package-lock-only", "--audit-level=none"]
        if not self._options["with_dev"]:
            arguments.append("--omit=dev")
        printed = self._npm(copy, arguments, self._options["timeout_seconds"])
        return Audit(packages=tuple(asked.values()), found=parse(printed, everything))

    def _npm(self, folder: Path, arguments: Sequence[str], timeout: float) -> str:
        """Run npm in *folder* with a cache, logs and user settings that are thrown away.

        What npm logs would hold the addresses that it asked; a token of the user's own settings
        has no business in an audit of a public registry. Whoever needs one names the file.
        """
        npmrc = self._options["npmrc"]
        user = self._project.root / npmrc if npmrc else folder / "no-user-settings"
        values = {
            "npm_config_cache": str(folder / "cache"),
            "npm_config_logs_max": "0",
            "npm_config_userconfig": str(user),
            "npm_config_globalconfig": str(folder / "no-global-settings"),
            "npm_config_update_notifier": "false",
            "npm_config_fund": "false",
            "npm_config_fetch_retries": "1",
        }
        for name in _KEPT:
            for variable in (f"NPM_CONFIG_{name}", f"npm_config_{name.lower()}"):
                if text := self._project.environ.get(variable):
                    values[f"npm_config_{name.lower()}"] = text
        argv = [self._options["program"], *arguments]
        if self._options["registry"]:
            argv.append(f"--registry={self._options['registry']}")
        env = environment(self._project.environ, "npm_config_", **values)
        codes = frozenset({0, 1} if arguments[0] == "audit" else {0})
        ended = run_scanner(argv, timeout=timeout, cwd=folder, env=env, codes=codes)
        return ended.stdout


def _lock(folder: Path) -> Path | None:
    return next((folder / name for name in _LOCKS if (folder / name).is_file()), None)


def _folders(root: Path) -> Iterator[Path]:
    def stop(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(root, onerror=stop):
        folders[:] = sorted(name for name in folders if name not in _PASSED)
        if not set(names).isdisjoint(_LOCKS):
            yield Path(place)


def _options(project: Project, settings: Mapping[str, Any]) -> dict[str, Any]:
    options = take(settings, NAME, DEFAULTS)
    if not options["timeout_seconds"] > 0:
        raise ConfigurationError(
            f"[plugins.{NAME}] timeout_seconds is not more than 0", code="configuration.range"
        )
    if _USER.search(options["registry"]):
        raise ConfigurationError(
            f"[plugins.{NAME}] registry has a user name in it",
            means="It would be seen in the process list and in the record.",
            remedy=f"Keep it in a file and name that in [plugins.{NAME}] npmrc.",
            code="configuration.secret",
        )
    return options
