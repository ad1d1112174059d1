"""The verification summary of a gate: why a digest may stand where it stands, for any verifier.

Anyone who holds the public key can read it beside the image, without Sluiceway, its ledger or its
policies. Source: SLSA 1.1, "Verification Summary Attestation (VSA)", predicate v1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sluiceway import __version__

__all__ = ["VERIFICATION_SUMMARY", "verification_summary"]

VERIFICATION_SUMMARY = "https://slsa.dev/verification_summary/v1"
"""in-toto predicate type of a verification summary."""
DECISION = "urn:sluiceway:decision"
"""The key under which the predicate also holds the decision itself, for a replay."""

_VERIFIER = "urn:sluiceway:verifier"
_LEVEL = "SLUICEWAY_{gate}_{target}"
"""The specification keeps names that begin with ``SLSA_`` for itself; these are ours."""


def verification_summary(
    document: Mapping[str, Any], decision: Mapping[str, Any], repository: str
) -> dict[str, Any]:
    """Return the predicate for one decision of a promotion.

    The same input and decision give the same predicate: its time is the decision's, so that a
    step repeated after a crash adds no second summary.

    Args:
        document: The gate's input.
        decision: The decision's JSON, made from that input.
        repository: Where the digest is going, ``host[:port]/path``.
    """
    gate, target = str(decision["gate"]), str(document["target"])
    allow = decision["allow"] is True
    level = _LEVEL.format(gate=gate, target=target).upper().replace("-", "_").replace(".", "_")
    return {
        "verifier": {
            "id": _VERIFIER,
            "version": {"sluiceway": __version__, "engine": str(decision["engine"])},
        },
        "timeVerified": decision["at"],
        "resourceUri": f"oci://{repository}:{target}",
        "policy": {
            "uri": f"urn:sluiceway:gate:{gate}",
            "digest": _digest(str(decision["policy_digest"])),
        },
        "inputAttestations": [
            {
                "uri": f"oci://{document['image']['repository']}@{digest}",
                "digest": _digest(digest),
            }
            for digest in _attestations(document)
        ],
        "verificationResult": "PASSED" if allow else "FAILED",
        "verifiedLevels": [level] if allow else [],
        "slsaVersion": "1.1",
        DECISION: {
            "run": document["run"],
            "service": document["service"],
            "source": document["source"],
            "target": target,
            "actor": document["actor"],
            "input_digest": decision["input_digest"],
            "findings": [
                {key: finding[key] for key in ("code", "level", "message")}
                | {"waived": finding["waived"] is not None}
                for finding in decision["findings"]
            ],
        },
    }


def _attestations(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the digest of every attestation that the evidence was read from, each once."""
    found = {
        str(digest)
        for evidence in document["evidence"].values()
        for digest in evidence["facts"].get("attestations", ())
    }
    yield from sorted(found)


def _digest(text: str) -> dict[str, str]:
    algorithm, _, value = text.partition(":")
    return {algorithm: value}
