"""Grype's JSON report to findings. Pure.

Source: grype's ``grype/presenter/models`` and reports made by grype 0.121. ``matches`` is always
there; what grype did not understand is in no list of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.model import Vulnerability
from sluiceway.scanning import ReportError, objects, read_report, severity, text

__all__ = ["parse"]

_SHOWN = 200  # characters of a description


def parse(printed: str, *, target: str, digest: str, schema: int) -> tuple[Vulnerability, ...]:
    """Return what *printed* says.

    Args:
        printed: The output of ``grype --output json sbom:FILE``.
        target: The file that was asked about.
        digest: The image that the file describes; grype names it when it understands that.
        schema: The database's schema that the report has to be made with.

    Raises:
        ReportError: It is no such report, about something else, or made with a database that
            grype itself does not hold for valid.
    """
    document = read_report(printed)
    descriptor = _object(document, "descriptor")
    if descriptor.get("name") != "grype" or "matches" not in document:
        msg = "its report is none of grype's"
        raise ReportError(msg)
    about = _object(document, "source").get("target")
    if about != target and not (isinstance(about, dict) and about.get("manifestDigest") == digest):
        named = about.get("manifestDigest") if isinstance(about, dict) else about
        msg = f"its report is about {named!r}"
        raise ReportError(msg)
    status = _object(_object(descriptor, "db"), "status")
    if status.get("valid") is not True or status.get("error"):
        msg = f"its database is not valid: {status.get('error') or 'it does not say why'}"
        raise ReportError(msg)
    if not str(status.get("schemaVersion", "")).startswith(f"v{schema}."):
        msg = f"its database has schema {status.get('schemaVersion')!r}"
        raise ReportError(msg)
    found: dict[tuple[str, str], Vulnerability] = {}
    for match in objects(document, "matches"):
        vulnerability = _vulnerability(match)
        found.setdefault((vulnerability.id, vulnerability.package), vulnerability)
    return tuple(found.values())


def _vulnerability(match: Mapping[str, Any]) -> Vulnerability:
    about, artifact = _object(match, "vulnerability"), _object(match, "artifact")
    id_ = text(about, "id")
    related = {text(each, "id") for each in objects(match, "relatedVulnerabilities")}
    fix = about.get("fix")
    versions = fix.get("versions") if isinstance(fix, dict) else None
    version = text(artifact, "version", needed=False)
    described = " ".join(text(about, "description", needed=False).split())
    return Vulnerability(
        id=id_,
        aliases=tuple(sorted(related - {id_})),
        package=text(artifact, "purl", needed=False) or f"{text(artifact, 'name')}@{version}",
        severity=severity(about.get("severity")),
        fixed=tuple(str(each) for each in versions or ()),
        summary=described if len(described) <= _SHOWN else described[: _SHOWN - 1] + "…",
        installed=version,
        source=text(about, "dataSource", needed=False) or text(about, "namespace", needed=False),
    )


def _object(place: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = place.get(key)
    if not isinstance(value, dict):
        msg = f"its report has no {key!r}"
        raise ReportError(msg)
    return value
