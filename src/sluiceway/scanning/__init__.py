"""What scanners share: the packages of an SBOM, reading reports strictly, concluding honestly.

For authors of ``scan`` plugins; nothing here knows any scanner. Importing it is cheap.
"""

from __future__ import annotations

from sluiceway.scanning.packages import Package, package_at, packages_of, same
from sluiceway.scanning.report import (
    LEVELS,
    UNKNOWN,
    ReportError,
    conclude,
    counted,
    objects,
    read_report,
    refuse,
    severity,
    text,
)
from sluiceway.scanning.running import environment, needed, run_scanner, version_in

__all__ = [
    "LEVELS",
    "UNKNOWN",
    "Package",
    "ReportError",
    "conclude",
    "counted",
    "environment",
    "needed",
    "objects",
    "package_at",
    "packages_of",
    "read_report",
    "refuse",
    "run_scanner",
    "same",
    "severity",
    "text",
    "version_in",
]
