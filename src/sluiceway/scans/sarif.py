"""A report as SARIF 2.1.0, for whatever shows code-scanning alerts. Pure.

Sources: OASIS "Static Analysis Results Interchange Format 2.1.0"; what GitHub's upload reads of it
is "SARIF support for code scanning" in its documentation (locations, ``security-severity``,
fingerprints).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from sluiceway import __version__
from sluiceway.model import Status, rfc3339
from sluiceway.scans.identity import versionless
from sluiceway.scans.report import Match, Report, Scanner, gravity
from sluiceway.scans.words import one_line
from sluiceway.words import counted

__all__ = ["SCHEMA", "plain", "sarif_log"]

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {
    "CRITICAL": "error",
    "HIGH": "error",
    "MEDIUM": "warning",
    "UNKNOWN": "warning",
    "LOW": "note",
}
_SCORES = {"CRITICAL": "9.5", "HIGH": "8.0", "MEDIUM": "5.5", "LOW": "2.0"}
"""A number inside each band, since scanners tell the band; what is unknown gets none."""
_PAGES = (
    (re.compile(r"CVE-\d{4}-\d{4,}"), "https://www.cve.org/CVERecord?id={}"),
    (re.compile(r"GHSA(-[23456789cfghjmpqrvwx]{4}){3}"), "https://github.com/advisories/{}"),
    (re.compile(r"[A-Za-z][A-Za-z0-9]*-[A-Za-z0-9:._-]+"), "https://osv.dev/vulnerability/{}"),
)


def sarif_log(
    report: Report, artifact: str, by_ecosystem: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return *report* as a SARIF log of one run, as JSON data.

    Args:
        report: What was found.
        artifact: The file that results are shown at, relative to the repository's root and with
            ``/``: of an image its Dockerfile.
        by_ecosystem: Ecosystem to the file for its packages: of a source tree its lock files.
    """
    rules = _rules(report.vulnerabilities)
    numbers = {rule["id"]: number for number, rule in enumerate(rules)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "Sluiceway",
                "semanticVersion": __version__,
                "rules": rules,
            },
            "extensions": [
                {"name": one_line(each.tool) or "unknown", "version": one_line(each.version)}
                for each in report.scanners
            ],
        },
        "automationDetails": {"id": f"sluiceway-scan/{quote(artifact, safe='/')}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report)],
        "results": list(_results(report.vulnerabilities, numbers, artifact, by_ecosystem or {})),
        "properties": {
            "subject": report.subject,
            "status": report.status.value,
            "coverage": {name: dict(row) for name, row in report.coverage.items()},
            "uncovered": [one_line(package) for package in report.uncovered],
            "databases": [_database(scanner) for scanner in report.scanners],
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(matches: Iterable[Match]) -> list[dict[str, Any]]:
    """Return a rule for each vulnerability, as bad as the worst of its matches."""
    worst: dict[str, Match] = {}
    for match in matches:
        other = worst.get(_name(match))
        if other is None or gravity(match.severity) < gravity(other.severity):
            worst[_name(match)] = match
    return [_rule(worst[name]) for name in sorted(worst)]


def _rule(match: Match) -> dict[str, Any]:
    name = _name(match)
    title = one_line(match.summary) or f"Known vulnerability {name}"
    properties: dict[str, Any] = {
        "tags": ["security", "vulnerability", match.severity.lower()],
        "precision": "high",
        "aliases": [one_line(alias) for alias in match.aliases],
    }
    if match.severity in _SCORES:
        properties["security-severity"] = _SCORES[match.severity]
    rule: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": plain(f"{name}: {title}")},
        "fullDescription": {"text": plain(title)},
        "help": {"text": plain(f"{name}: {title}. {_advice(match)}")},
        "defaultConfiguration": {"level": _LEVELS[match.severity]},
        "properties": properties,
    }
    page = next((form.format(name) for known, form in _PAGES if known.fullmatch(name)), "")
    return rule | ({"helpUri": page} if page else {})


def _results(
    matches: Iterable[Match],
    numbers: Mapping[str, int],
    artifact: str,
    by_ecosystem: Mapping[str, str],
) -> Iterable[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for match in sorted(matches, key=lambda each: (each.id, each.package)):
        print_ = _fingerprint(match)
        seen[print_] += 1
        package = one_line(match.package)
        place = by_ecosystem.get(match.ecosystem, artifact)
        said = f"{package} has {_name(match)} ({match.severity}). {_advice(match)}"
        yield {
            "ruleId": _name(match),
            "ruleIndex": numbers[_name(match)],
            "level": _LEVELS[match.severity],
            "message": {"text": plain(said)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(place, safe="/")},
                        "region": {"startLine": 1},
                    },
                    "logicalLocations": [{"fullyQualifiedName": package, "kind": "package"}],
                }
            ],
            # Several versions of one package are told apart by counting them, so that an upgrade
            # from one vulnerable version to the next keeps the alert and what was said about it.
            "partialFingerprints": {"primaryLocationLineHash": f"{print_}:{seen[print_]}"},
            "properties": {
                "installed": one_line(match.installed),
                "fixed": [one_line(version) for version in match.fixed],
                "found_by": [one_line(tool) for tool in match.found_by],
                "sources": [one_line(source) for source in match.sources],
            },
        }


def _name(match: Match) -> str:
    return one_line(match.id) or "unnamed"


def _fingerprint(match: Match) -> str:
    said = f"{match.id}\0{versionless(match.package)}".encode(errors="replace")
    return hashlib.sha256(said).hexdigest()[:16]


def _advice(match: Match) -> str:
    fixed = ", ".join(one_line(version) for version in match.fixed)
    return f"Upgrade to {fixed}." if fixed else "No version that fixes it is known."


def _invocation(report: Report) -> dict[str, Any]:
    notes = [
        {
            "level": "error",
            "message": {"text": plain(f"{each.tool}: {each.status.value}, {each.summary}")},
        }
        for each in report.scanners
        if each.status is not Status.OK
    ]
    if report.uncovered:
        said = f"{counted(len(report.uncovered), 'package')} judged by no scanner."
        notes.append({"level": "warning", "message": {"text": said}})
    invocation: dict[str, Any] = {
        "executionSuccessful": report.status is Status.OK,
        "toolExecutionNotifications": notes,
    }
    if report.scanned_at is not None:
        invocation["endTimeUtc"] = rfc3339(report.scanned_at)
    return invocation


def _database(scanner: Scanner) -> dict[str, Any]:
    return {
        "scanner": one_line(scanner.tool),
        "uri": one_line(str(scanner.database.get("uri", ""))),
        "digest": one_line(str(scanner.database.get("digest", ""))),
        "age_days": scanner.age_days,
    }


def plain(text: str) -> str:
    r"""Return *text* as a SARIF message: ``[`` and ``]`` would make a link (section 3.11.6)."""
    return re.sub(r"([\\\[\]])", r"\\\1", one_line(text))
