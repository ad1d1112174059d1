"""osv-scanner's JSON report to findings and to the packages that were looked at. Pure.

Source: osv-scanner's ``pkg/models/results.go`` and reports made by osv-scanner 2.5 with
``--all-packages``. ``vulnerabilities`` and ``groups`` are absent where there is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from sluiceway.model import Vulnerability
from sluiceway.record import Record
from sluiceway.scanning import (
    LEVELS,
    UNKNOWN,
    Package,
    ReportError,
    objects,
    package_at,
    read_report,
    severity,
    text,
)

__all__ = ["Listed", "Report", "parse"]

_TYPES = {
    "Alpine": "apk",
    "crates.io": "cargo",
    "Debian": "deb",
    "Go": "golang",
    "Hex": "hex",
    "Maven": "maven",
    "npm": "npm",
    "NuGet": "nuget",
    "Packagist": "composer",
    "Pub": "pub",
    "PyPI": "pypi",
    "RubyGems": "gem",
    "Ubuntu": "deb",
}
_RATINGS = ((9.0, "CRITICAL"), (7.0, "HIGH"), (4.0, "MEDIUM"), (0.0, "LOW"))  # CVSS v3.1, 5
_SHOWN = 200  # characters of a summary


class Listed(Record):
    """One package that osv-scanner listed."""

    package: Package
    ecosystem: str
    """With its release, as the report has it: ``PyPI``, ``Debian:12``."""
    name: str


class Report(Record):
    """What one run of osv-scanner said."""

    listed: tuple[Listed, ...]
    found: tuple[Vulnerability, ...]


def parse(printed: str, *, place: str) -> Report:
    """Return what *printed* (``--format json --all-packages``) says.

    Args:
        printed: The output.
        place: The file or folder that was asked about.

    Raises:
        ReportError: It is not such a report, or about something else.
    """
    document = read_report(printed)
    if "results" not in document:
        msg = "its report has no 'results'"
        raise ReportError(msg)
    listed: dict[str, Listed] = {}
    found: dict[tuple[str, str], Vulnerability] = {}
    for result in objects(document, "results"):
        source = result.get("source")
        path = source.get("path") if isinstance(source, dict) else None
        if not isinstance(path, str) or not PurePath(path).is_relative_to(place):
            msg = "its report is about another file or folder than the one that was asked about"
            raise ReportError(msg)
        for each in objects(result, "packages"):
            item = _listed(each.get("package"))
            listed.setdefault(item.package.label, item)
            for vulnerability in _found(each, item):
                found.setdefault((vulnerability.id, vulnerability.package), vulnerability)
    return Report(listed=tuple(listed.values()), found=tuple(found.values()))


def _listed(each: Any) -> Listed:
    from packageurl import PackageURL

    if not isinstance(each, dict):
        msg = "a package of it is no object"
        raise ReportError(msg)
    name = text(each, "name")
    version = text(each, "version", needed=False)
    ecosystem = text(each, "ecosystem", needed=False)
    family, _, release = ecosystem.partition(":")
    kind = _TYPES.get(family)
    if kind is None:
        return Listed(package=Package(label=f"{name}@{version}"), ecosystem=ecosystem, name=name)
    namespace, _, bare = name.rpartition(":" if kind == "maven" else "/")
    qualifiers = {}
    if kind in {"apk", "deb"}:
        namespace = family.casefold()
        qualifiers = {"distro": f"{namespace}-{release.removeprefix('v')}"} if release else {}
    purl = PackageURL(kind, namespace or None, bare, version or None, qualifiers)
    return Listed(package=package_at(purl.to_string()), ecosystem=ecosystem, name=name)


def _found(each: Mapping[str, Any], item: Listed) -> list[Vulnerability]:
    records = {text(record, "id"): record for record in objects(each, "vulnerabilities")}
    grouped: set[str] = set()
    found = []
    for group in objects(each, "groups"):
        ids = sorted(str(id_) for id_ in group.get("ids") or ())
        if not ids or not records.keys() >= set(ids):
            msg = "a group of it names advisories that it does not have"
            raise ReportError(msg)
        grouped.update(ids)
        found.append(_vulnerability(item, ids, group, [records[id_] for id_ in ids]))
    if missed := sorted(records.keys() - grouped):
        msg = f"{', '.join(missed)} are in no group of it"
        raise ReportError(msg)
    return found


def _vulnerability(
    item: Listed,
    ids: Sequence[str],
    group: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
) -> Vulnerability:
    names = {str(name) for name in group.get("aliases") or ()} | set(ids)
    for record in records:
        names.update(str(name) for name in record.get("aliases") or ())
    summaries = (str(record.get("summary") or record.get("details") or "") for record in records)
    summary = " ".join(next((text_ for text_ in summaries if text_), "").split())
    return Vulnerability(
        id=ids[0],
        aliases=tuple(sorted(names - {ids[0]})),
        package=item.package.label,
        severity=_severity(group, records),
        fixed=tuple(_fixes(records, item)),
        summary=summary if len(summary) <= _SHOWN else summary[: _SHOWN - 1] + "…",
        installed=item.package.version,
        source=f"https://osv.dev/vulnerability/{ids[0]}",
    )


def _severity(group: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> str:
    """Return the worst of the score that osv-scanner computed and the databases' own words."""
    levels = set()
    score = str(group.get("max_severity") or "")
    if score:
        try:
            number = float(score)
        except ValueError as error:
            msg = f"its 'max_severity' is {score!r}"
            raise ReportError(msg) from error
        levels.add(next((word for least, word in _RATINGS if number >= least), UNKNOWN))
    for record in records:
        specific = record.get("database_specific")
        if isinstance(specific, dict):
            levels.add(severity(specific.get("severity")))
    return next((level for level in LEVELS if level in levels), UNKNOWN)


def _fixes(records: Sequence[Mapping[str, Any]], item: Listed) -> list[str]:
    """Return every fixed version of the package, of all branches, in the advisories' order."""
    fixes: dict[str, None] = {}
    for record in records:
        for affected in objects(record, "affected"):
            package = affected.get("package")
            if not isinstance(package, dict) or package.get("ecosystem") != item.ecosystem:
                continue
            if str(package.get("name")).casefold() != item.name.casefold():
                continue
            for each in objects(affected, "ranges"):
                if each.get("type") != "GIT":
                    for event in objects(each, "events"):
                        fixes.update({str(event["fixed"]): None} if "fixed" in event else {})
    return list(fixes)
