"""Running grype: what it is asked, what it may read, and what its answer is worth."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
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
from sluiceway_scan_grype.database import SCHEMA, Cache, locate, read
from sluiceway_scan_grype.report import parse

__all__ = ["examine", "scan"]

NAME = "scan-grype"
DEFAULTS: Mapping[str, Any] = {
    "program": "grype",
    "cache": "",
    "update": False,
    "timeout_seconds": 300.0,
}
_INSTALL = "Install grype, or name it in [plugins.scan-grype] program."
_FETCH = (
    "Run `grype db update` where there is a network, or set [plugins.scan-grype] update = true."
)
_PROBE_SECONDS = 20.0
# The age is judged by a policy, which sees it; grype would only refuse to run.
_CONFIGURATION = """\
check-for-app-update: false
ignore: []
db:
  auto-update: {update}
  validate-age: false
"""


def scan(project: Project, image: Image, sbom: Sbom, settings: Mapping[str, Any]) -> Scan:
    """Return what grype says about the packages of *sbom*.

    Raises:
        ConfigurationError: For a setting that cannot be used.
        PluginError: Grype is not there.
    """
    options = _options(settings)
    needed(options["program"], NAME, _INSTALL)
    made_at = datetime.now(UTC)
    maker = Maker(plugin=NAME, tool="grype", version="")
    packages: Sequence[Package] = ()

    def refused(reason: str, status: Status = Status.ERROR) -> Scan:
        return refuse(
            reason,
            subject=image.digest,
            made_at=made_at,
            maker=maker,
            packages=packages,
            status=status,
        )

    if sbom.subject != image.digest:
        return refused(f"the SBOM is about {sbom.subject}, not about {image.digest}")
    cache = locate(project, options["cache"])
    env = environment(
        project.environ, "GRYPE_", "SYFT_", GRYPE_DB_CACHE_DIR=str(cache.folder.resolve())
    )
    try:
        packages = packages_of(sbom.document)
        with tempfile.TemporaryDirectory(prefix="sluiceway-grype-") as name:
            folder = Path(name)
            maker = Maker(plugin=NAME, tool="grype", version=_version(options, folder, env))
            database = read(cache)
            if database is None and not options["update"]:
                return refused(f"there is no database in {cache.uri}. {_FETCH}", Status.NO_DATA)
            document = folder / "sbom.spdx.json"
            document.write_bytes(canonical(sbom.document))
            printed = _ask(options, folder, env, f"sbom:{document}", cache)
            found = parse(printed, target=str(document), digest=image.digest, schema=SCHEMA)
            if options["update"]:
                database = read(cache)
    except ReportError as error:
        return refused(f"grype: {error}")
    except ValueError as error:
        return refused(str(error))
    if database is None:
        return refused(f"there is no database in {cache.uri}", Status.NO_DATA)
    return conclude(
        subject=image.digest,
        made_at=made_at,
        maker=maker,
        database=database.facts(),
        packages=packages,
        judged=[each for each in packages if database.knows(each)],
        found=found,
    )


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return ``invoke doctor``'s line about the program and its database."""
    options = _options(settings)
    try:
        needed(options["program"], NAME, _INSTALL)
        database = read(locate(project, options["cache"]), digested=False)
    except PluginError as error:
        return (Check(name=NAME, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),)
    except ReportError as error:
        return (Check(name=NAME, status=CheckStatus.FAIL, detail=f"grype: {error}", remedy=_FETCH),)
    if database is None:
        status = CheckStatus.OK if options["update"] else CheckStatus.WARN
        detail = "no database yet" + ("; it is fetched by the first scan" * options["update"])
        return (Check(name=NAME, status=status, detail=detail, remedy=_FETCH),)
    detail = f"{database.advisories} advisories, built {rfc3339(database.built)}"
    return (Check(name=NAME, status=CheckStatus.OK, detail=detail),)


def _ask(
    options: Mapping[str, Any], folder: Path, env: Mapping[str, str], target: str, cache: Cache
) -> str:
    config = folder / "grype.yaml"  # without one it obeys .grype.yaml here and at home
    config.write_text(_CONFIGURATION.format(update=str(options["update"]).lower()))
    argv = [options["program"], f"--config={config}", "--output=json", target]
    ended = run_scanner(
        argv,
        timeout=options["timeout_seconds"],
        cwd=folder,
        env=env,
        hidden={str(cache.folder.resolve()): cache.uri},
    )
    return ended.stdout


def _version(options: Mapping[str, Any], folder: Path, env: Mapping[str, str]) -> str:
    argv = [options["program"], "version", "--output=json"]
    ended = run_scanner(argv, timeout=_PROBE_SECONDS, cwd=folder, env=env)
    about = read_report(ended.stdout)
    if text(about, "application") != "grype":
        msg = f"it says that it is {about['application']!r}"
        raise ReportError(msg)
    return text(about, "version")


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    options = take(settings, NAME, DEFAULTS)
    if not options["timeout_seconds"] > 0:
        raise ConfigurationError(
            f"[plugins.{NAME}] timeout_seconds is not more than 0", code="configuration.range"
        )
    return options
