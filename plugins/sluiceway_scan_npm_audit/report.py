"""The report of ``npm audit --json``, version 2, to findings. Pure.

Source: npm's ``@npmcli/metavuln-calculator`` and ``@npmcli/arborist`` (``lib/audit-report.js``),
and reports made by npm 11. The exit code says nothing: 1 is "found something" and "the endpoint is
down" alike. A report is one that has ``auditReportVersion``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sluiceway import process
from sluiceway.model import Vulnerability
from sluiceway.scanning import Package, ReportError, read_report, severity, text

__all__ = ["parse"]

_VERSION = 2
_GHSA = re.compile(r"GHSA(?:-[0-9a-z]{4}){3}")
_UPPER = re.compile(r"<\s*(\d[0-9A-Za-z.+-]*)")
_SHOWN = 200  # characters of a message
_LINK = re.compile(r"(https?://)[^/\s@]*@")


def parse(printed: str, pinned: Mapping[str, Package]) -> tuple[Vulnerability, ...]:
    """Return what *printed* says about the packages that are *pinned* (place to package).

    Where several versions of one package are pinned, each advisory counts against all those that
    npm names: the report does not say which advisory is about which.

    Raises:
        ReportError: It is no audit report (the endpoint is down, there is no lock file), of
            another version, or contradicts itself or the lock file.
    """
    document = read_report(printed)
    if "auditReportVersion" not in document:
        msg = f"there was no audit: {_said(document)}"
        raise ReportError(msg)
    if document["auditReportVersion"] != _VERSION:
        msg = f"its report has version {document['auditReportVersion']!r}; only 2 is known"
        raise ReportError(msg)
    entries = document.get("vulnerabilities")
    if not isinstance(entries, dict) or not all(isinstance(e, dict) for e in entries.values()):
        msg = "its report has no 'vulnerabilities'"
        raise ReportError(msg)
    metadata = document.get("metadata")
    counts = metadata.get("vulnerabilities") if isinstance(metadata, dict) else None
    if not isinstance(counts, dict) or counts.get("total") != len(entries):
        msg = f"its report lists {len(entries)} packages and counts otherwise"
        raise ReportError(msg)
    found: dict[tuple[str, str], Vulnerability] = {}
    for entry in entries.values():
        for vulnerability in _entry(entry, entries, pinned):
            found.setdefault((vulnerability.id, vulnerability.package), vulnerability)
    return tuple(found.values())


def _entry(
    entry: Mapping[str, Any], entries: Mapping[str, Any], pinned: Mapping[str, Package]
) -> Iterator[Vulnerability]:
    via, nodes = entry.get("via"), entry.get("nodes")
    if not isinstance(via, list) or not isinstance(nodes, list) or not via or not nodes:
        msg = f"its report does not say why {entry.get('name')!r} is listed"
        raise ReportError(msg)
    for place in nodes:
        if place not in pinned:
            msg = f"its report speaks of {place!r}, which is not in the lock file"
            raise ReportError(msg)
    for cause in via:
        if isinstance(cause, str):  # it depends on another one, which has an entry of its own
            if cause not in entries:
                msg = f"its report blames {cause!r} and says nothing about it"
                raise ReportError(msg)
            continue
        if not isinstance(cause, dict):
            msg = "a cause in its report is no object"
            raise ReportError(msg)
        for place in nodes:
            yield _vulnerability(cause, pinned[place])


def _vulnerability(cause: Mapping[str, Any], package: Package) -> Vulnerability:
    url = text(cause, "url", needed=False)
    named = _GHSA.search(url)
    if named is None and not cause.get("source"):
        msg = "an advisory in its report has no name"
        raise ReportError(msg)
    affected = text(cause, "range", needed=False)
    return Vulnerability(
        id=named[0] if named is not None else f"npm:{cause['source']}",
        aliases=(),
        package=package.label,
        severity=severity(cause.get("severity")),
        fixed=tuple(dict.fromkeys(_UPPER.findall(affected))),
        summary=text(cause, "title", needed=False)[:_SHOWN],
        installed=package.version,
        source=url or "npm",
    )


def _said(document: Mapping[str, Any]) -> str:
    """Return npm's own words, without what may stand before an ``@`` in an address."""
    error = document.get("error")
    summary = error.get("summary") if isinstance(error, dict) else None
    said = document.get("message") or summary or "npm does not say why"
    return process.redact(_LINK.sub(r"\1***@", " ".join(str(said).split())))[:_SHOWN]
