"""Gates: collect evidence, build the input, have it judged by policy."""

from sluiceway.gates import decide, statements
from sluiceway.gates.evidence import (
    SPDX,
    VULNERABILITIES,
    collect,
    inventoried,
    signature_evidence,
    vulnerability_predicate,
)

__all__ = [
    "SPDX",
    "VULNERABILITIES",
    "collect",
    "decide",
    "inventoried",
    "signature_evidence",
    "statements",
    "vulnerability_predicate",
]
