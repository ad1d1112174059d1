"""Gates: collect evidence, build the input, have it judged by policy.

A module is imported by who needs it, and what stands here when it is asked for: the canary's takes its
analysis along, and whoever looks at a board needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.lazy import later

if TYPE_CHECKING:
    from sluiceway.gates.evidence import (
        SPDX,
        VULNERABILITIES,
        collect,
        inventoried,
        newest_sbom,
        signature_evidence,
        vulnerability_predicate,
    )
    from sluiceway.gates.summary import VERIFICATION_SUMMARY, verification_summary

__all__ = [
    "SPDX",
    "VERIFICATION_SUMMARY",
    "VULNERABILITIES",
    "collect",
    "inventoried",
    "newest_sbom",
    "signature_evidence",
    "verification_summary",
    "vulnerability_predicate",
]

__getattr__ = later(
    __name__,
    {
        "SPDX": "evidence",
        "VERIFICATION_SUMMARY": "summary",
        "VULNERABILITIES": "evidence",
        "collect": "evidence",
        "inventoried": "evidence",
        "newest_sbom": "evidence",
        "signature_evidence": "evidence",
        "verification_summary": "summary",
        "vulnerability_predicate": "evidence",
    },
)
