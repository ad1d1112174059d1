"""The report: what all scanners together say about one image or source tree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluiceway.model import Status
from sluiceway.record import Record, field

__all__ = ["SEVERITIES", "Match", "Report", "Scanner", "gravity"]

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")
"""``UNKNOWN`` is a level of its own: nobody says how bad it is."""

_GRAVITY = ("CRITICAL", "HIGH", "UNKNOWN", "MEDIUM", "LOW")


def gravity(severity: str) -> int:
    """Return where *severity* stands when the worst comes first; what is unknown may be bad."""
    return _GRAVITY.index(severity) if severity in _GRAVITY else _GRAVITY.index("UNKNOWN")


class Match(Record):
    """One vulnerability of one package, whoever said so and under whatever names."""

    id: str
    """A CVE number where one is known, else a GitHub advisory, else the first by name."""
    aliases: tuple[str, ...]
    """Its other names, sorted."""
    own_aliases: tuple[str, ...]
    """Those that no other vulnerability of the package has. A waiver may use these: one by a name
    that two share would excuse both, and nobody looked at the other."""
    package: str
    """Package URL, as the SBOM writes it where it has one."""
    ecosystem: str
    """The package URL's type; ``unknown`` without one."""
    installed: str
    """The version that is there; empty when nobody says."""
    severity: str
    """The worst that anybody knows; ``UNKNOWN`` only when nobody does."""
    fixed: tuple[str, ...]
    """Every version that is said to fix it."""
    summary: str
    sources: tuple[str, ...]
    """The advisories' addresses or databases, as the scanners name them."""
    found_by: tuple[str, ...]
    """The tools that found it, sorted."""


class Scanner(Record):
    """One scanner's part: how it went, and what it knew."""

    plugin: str
    tool: str
    version: str
    status: Status
    summary: str
    scanned_at: datetime
    database: Mapping[str, Any]
    """``{"uri", "digest", "advisories", "newest", "ecosystems"}``, as the scanner says."""
    age_days: float | None
    """Days from the newest advisory to the scan; ``None`` when the database has no date."""
    found: int
    """Vulnerabilities that it told of, before joining."""
    uncovered: int
    """Packages that it could not judge."""


class Report(Record):
    """Everything that scanners said about one subject."""

    subject: str
    """An image digest, or the ``file:`` address of a source tree."""
    status: Status
    """The worst of the scanners'; NO_DATA when there is none."""
    scanned_at: datetime | None
    """The oldest of the scanners'."""
    counts: Mapping[str, int]
    """Vulnerabilities by severity, each of :data:`SEVERITIES`."""
    vulnerabilities: tuple[Match, ...]
    """The worst first."""
    coverage: Mapping[str, Mapping[str, int]]
    """Ecosystem to ``{"packages", "judged"}``; empty when the list of packages is not known."""
    uncovered: tuple[str, ...]
    """Packages that no completed scan judged, sorted."""
    scanners: tuple[Scanner, ...] = field(default=())
    """Sorted by tool."""

    @property
    def clean(self) -> bool:
        """Every scanner completed and none found anything."""
        return self.status is Status.OK and not self.vulnerabilities
