"""Gates: collect evidence, build the input, have it judged by policy."""

from sluiceway.gates import canary, change, consent, decide, statements, ticks, waiting, waivers
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
    "canary",
    "change",
    "collect",
    "consent",
    "decide",
    "inventoried",
    "newest_sbom",
    "signature_evidence",
    "statements",
    "ticks",
    "verification_summary",
    "vulnerability_predicate",
    "waiting",
    "waivers",
]
