"""Several scans, one report: joined, deduplicated, with what nobody could judge. Pure.

:func:`join` makes a :class:`Report` of the scans about one subject; :func:`sarif_log` and
:func:`workflow_commands` say it in formats of others. What a person sees is the console's.
"""

from __future__ import annotations

from sluiceway.scans.annotations import workflow_commands
from sluiceway.scans.identity import Key, ecosystem_of, key_of
from sluiceway.scans.inventory import GAP, gaps_of, packages_of
from sluiceway.scans.join import join, latest
from sluiceway.scans.reading import scan_from
from sluiceway.scans.report import SEVERITIES, Match, Report, Scanner
from sluiceway.scans.sarif import sarif_log

__all__ = [
    "GAP",
    "SEVERITIES",
    "Key",
    "Match",
    "Report",
    "Scanner",
    "ecosystem_of",
    "gaps_of",
    "join",
    "key_of",
    "latest",
    "packages_of",
    "sarif_log",
    "scan_from",
    "workflow_commands",
]
