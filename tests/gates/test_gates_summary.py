"""The predicate of a verification summary: the same decision gives the same bytes."""

from __future__ import annotations

from typing import Any

from sluiceway.gates import verification_summary
from sluiceway.model import canonical

ATTESTATION = "sha256:" + "c" * 64
DOCUMENT: dict[str, Any] = {
    "run": "promote-1",
    "service": "settlement",
    "source": "dev",
    "target": "pre-prod.eu",
    "image": {"repository": "127.0.0.1:5555/settlement", "digest": "sha256:" + "a" * 64},
    "actor": {"name": "dana", "method": "ssh", "proven": True, "key": "SHA256:k"},
    "evidence": {
        "signature": {"facts": {"verified": 1}},
        "sbom": {"facts": {"attestations": [ATTESTATION]}},
        "scan": {"facts": {"attestations": ["sha256:" + "b" * 64, ATTESTATION]}},
    },
}
WAIVER = {"code": "image.vulnerability/X", "owner": "tom"}
DECISION: dict[str, Any] = {
    "gate": "promotion",
    "allow": True,
    "findings": [
        {
            "code": "image.vulnerability",
            "level": "deny",
            "message": "X is HIGH",
            "solution": "upgrade",
            "waived": WAIVER,
        }
    ],
    "policy_digest": "sha256:" + "1" * 64,
    "input_digest": "sha256:" + "2" * 64,
    "engine": "embedded",
    "at": "2026-11-23T08:00:00Z",
}


def test_it_says_what_was_verified_by_what_and_from_what():
    summary = verification_summary(DOCUMENT, DECISION, "registry.example/prod/settlement")
    assert summary["verificationResult"] == "PASSED"
    assert summary["resourceUri"] == "oci://registry.example/prod/settlement:pre-prod.eu"
    assert summary["policy"]["digest"] == {"sha256": "1" * 64}
    assert summary["timeVerified"] == DECISION["at"]
    assert summary["verifiedLevels"] == ["SLUICEWAY_PROMOTION_PRE_PROD_EU"]
    assert [item["digest"]["sha256"] for item in summary["inputAttestations"]] == [
        "b" * 64,
        "c" * 64,
    ]
    ours = summary["urn:sluiceway:decision"]
    assert ours["input_digest"] == DECISION["input_digest"]
    assert ours["findings"] == [
        {
            "code": "image.vulnerability",
            "level": "deny",
            "message": "X is HIGH",
            "waived": True,
        }
    ]


def test_a_refusal_verifies_no_level():
    summary = verification_summary(DOCUMENT, {**DECISION, "allow": False}, "r.example/app")
    assert (summary["verificationResult"], summary["verifiedLevels"]) == ("FAILED", [])


def test_one_decision_has_one_summary():
    first = verification_summary(DOCUMENT, DECISION, "r.example/app")
    again = verification_summary(dict(DOCUMENT), dict(DECISION), "r.example/app")
    assert canonical(first) == canonical(again)
