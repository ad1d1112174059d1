"""Running trivy: what it is asked, what it may read, and what its answer is worth."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
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
    canonical,
    rfc3339,
)
from sluiceway.oci.credentials import find_credentials
from sluiceway.scanning import (
    Package,
    ReportError,
    conclude,
    environment,
    needed,
    packages_of,
    read_report,
    refuse,
    run_scanner,
    text,
)
from sluiceway_scan_trivy.database import Cache, locate, read
from sluiceway_scan_trivy.report import Report, parse

__all__ = ["examine", "scan", "scan_tree"]

NAME = "scan-trivy"
DEFAULTS: Mapping[str, Any] = {
    "program": "trivy",
    "look_at": "image",
    "cache": "",
    "update": False,
    "timeout_seconds": 300.0,
}
_LOOKS = {"image": "container_image", "sbom": "spdx"}
_INSTALL = "Install trivy (https://trivy.dev), or name it in [plugins.scan-trivy] program."
_PROBE_SECONDS = 20.0


def scan(project: Project, image: Image, sbom: Sbom, settings: Mapping[str, Any]) -> Scan:
    """Return what trivy says about *image*, measured against the packages of *sbom*.

    Raises:
        ConfigurationError: For a setting that cannot be used.
        PluginError: Trivy is not there.
    """
    options = _options(settings)
    run = _Run(project, options, subject=image.digest)
    if sbom.subject != image.digest:
        return run.refuse(f"the SBOM is about {sbom.subject}, not about {image.digest}")
    try:
        run.packages = packages_of(sbom.document)
        credentials = _credentials(project, image) if options["look_at"] == "image" else {}
    except ValueError as error:
        return run.refuse(str(error))
    kind = _LOOKS[options["look_at"]]

    def ask(folder: Path) -> Report:
        if options["look_at"] == "sbom":
            document = folder / "sbom.spdx.json"
            document.write_bytes(canonical(sbom.document))
            printed = run.report(folder, ["sbom"], str(document))
            return parse(printed, kind=kind, name=str(document))
        command = ["image", "--image-src", "remote"]
        printed = run.report(folder, command, str(image), credentials)
        return parse(printed, kind=kind, digest=image.digest)

    return run.answer(ask)


def scan_tree(project: Project, folder: Path, settings: Mapping[str, Any]) -> Scan:
    """Return what trivy says about the lock files below *folder*.

    Raises:
        ConfigurationError: For a setting that cannot be used.
        PluginError: Trivy is not there.
    """
    place = folder.resolve()
    run = _Run(project, _options(settings), subject=place.as_uri())

    def ask(empty: Path) -> Report:
        printed = run.report(empty, ["fs"], str(place))
        report = parse(printed, kind="filesystem", name=str(place))
        run.packages = sorted(report.packages, key=lambda each: each.label)
        return report

    return run.answer(ask, where="the source tree")


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return ``invoke doctor``'s lines about the program and its database."""
    options = _options(settings)
    try:
        needed(options["program"], NAME, _INSTALL)
        cache = locate(project, options["cache"])
        database = read(cache, digested=False)
    except PluginError as error:
        return (Check(name=NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),)
    except ReportError as error:
        return (
            Check(
                name=NAME, status=CheckStatus.FAIL, detail=f"trivy: {error}", remedy=_upper(options)
            ),
        )
    if database is None:
        status = CheckStatus.OK if options["update"] else CheckStatus.WARN
        detail = f"no database in {cache.uri} yet"
        detail += "; it is fetched by the first scan" * options["update"]
        return (Check(name=NAME, status=status, detail=detail, remedy=_upper(options)),)
    detail = f"{database.advisories} advisories, updated {rfc3339(database.updated)}"
    return (Check(name=NAME, status=CheckStatus.OK, detail=detail),)


class _Run:
    """One run of trivy, from its version to its conclusion."""

    def __init__(self, project: Project, options: Mapping[str, Any], *, subject: str) -> None:
        needed(options["program"], NAME, _INSTALL)
        self._project = project
        self._options = options
        self._subject = subject
        self._made_at = datetime.now(UTC)
        self._cache: Cache = locate(project, options["cache"])
        self._maker = Maker(plugin=NAME, tool="trivy", version="")
        self.packages: Sequence[Package] = ()

    def answer(self, ask: Callable[[Path], Report], *, where: str = "the SBOM") -> Scan:
        """Return the record for what *ask* (given an empty folder) finds out."""
        try:
            with tempfile.TemporaryDirectory(prefix="sluiceway-trivy-") as name:
                folder = Path(name)
                self._maker = Maker(plugin=NAME, tool="trivy", version=self._version(folder))
                before = read(self._cache)
                if before is None and not self._options["update"]:
                    return self.refuse(
                        f"there is no database in {self._cache.uri}; {_fetch(self._options)}",
                        Status.NO_DATA,
                    )
                report = ask(folder)
                database = before if not self._options["update"] else read(self._cache)
        except ReportError as error:
            return self.refuse(f"trivy: {error}")
        if database is None:
            return self.refuse(f"there is no database in {self._cache.uri}", Status.NO_DATA)
        return conclude(
            subject=self._subject,
            made_at=self._made_at,
            maker=self._maker,
            database=database.facts(),
            packages=self.packages,
            judged=[each for each in report.packages if database.knows(each)],
            found=report.found,
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

    def report(
        self,
        folder: Path,
        command: Sequence[str],
        target: str,
        credentials: Mapping[str, str] | None = None,
    ) -> str:
        """Return what trivy printed about *target*."""
        timeout = self._options["timeout_seconds"]
        argv = [
            self._options["program"],
            *command,
            "--format=json",
            "--list-all-pkgs",
            "--scanners=vuln",
            "--ignorefile=",
            "--cache-backend=memory",
            "--skip-version-check",
            "--disable-telemetry",
            "--quiet",
            f"--timeout={timeout:.3f}s",
            f"--cache-dir={self._cache.folder.resolve()}",
        ]
        if not self._options["update"]:
            argv += ["--skip-db-update", "--skip-java-db-update", "--offline-scan"]
        env = environment(self._project.environ, "TRIVY_", **(credentials or {}))
        hidden = {str(self._cache.folder.resolve()): self._cache.uri}
        if secret := (credentials or {}).get("TRIVY_PASSWORD"):
            hidden[secret] = "***"
        # A second more than trivy itself takes: its own message says what it waited for.
        ended = run_scanner(
            [*argv, target],
            timeout=timeout + 1,
            cwd=folder,
            env=env,
            hidden=hidden,
        )
        return ended.stdout

    def _version(self, folder: Path) -> str:
        argv = [self._options["program"], "version", "--format=json", f"--cache-dir={folder}"]
        env = environment(self._project.environ, "TRIVY_")
        ended = run_scanner(argv, timeout=_PROBE_SECONDS, cwd=folder, env=env)
        return text(read_report(ended.stdout), "Version")


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    options = take(settings, NAME, DEFAULTS)
    if not options["timeout_seconds"] > 0:
        raise ConfigurationError(
            f"[plugins.{NAME}] timeout_seconds is not more than 0", code="configuration.range"
        )
    if options["look_at"] not in _LOOKS:
        raise ConfigurationError(
            f"[plugins.{NAME}] look_at is {options['look_at']!r}",
            remedy=f"Write one of: {', '.join(_LOOKS)}.",
            code="configuration.choice",
        )
    return options


def _credentials(project: Project, image: Image) -> dict[str, str]:
    """Return what trivy needs to read the image: by the environment, never as arguments.

    Without ``REGISTRY_USERNAME`` trivy looks into docker's ``config.json`` by itself.
    """
    host = image.repository.partition("/")[0]
    found = find_credentials(host, project.environ)
    if found is None or found.refresh:
        return {}
    return {"TRIVY_USERNAME": found.username, "TRIVY_PASSWORD": found.secret}


def _fetch(options: Mapping[str, Any]) -> str:
    """Say how a database gets to where this scanner looks, which trivy's own default may not be."""
    where = f" --cache-dir {shlex.quote(options['cache'])}" if options["cache"] else ""
    return (
        f"run `trivy image --download-db-only{where}` where there is a network, or set "
        "[plugins.scan-trivy] update = true"
    )


def _upper(options: Mapping[str, Any]) -> str:
    clause = _fetch(options)
    return clause[0].upper() + clause[1:] + "."
