"""Gates: collect evidence, build the input, have it judged by policy."""

from sluiceway.gates import decide, statements, ticks
from sluiceway.gates.evidence import (
    SPDX,
    VULNERABILITIES,
    collect,
    signature_evidence,
    vulnerability_predicate,
)

__all__ = [
    "SPDX",
    "VULNERABILITIES",
    "collect",
    "decide",
    "signature_evidence",
    "statements",
    "ticks",
    "vulnerability_predicate",
]
