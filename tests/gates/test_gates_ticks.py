"""What earns a tick, and what each answer says: signature and scan, from evidence alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluiceway.gates.evidence import VULNERABILITIES, vulnerability_predicate
from sluiceway.gates.ticks import scan_tick, signature_tick
from sluiceway.model import Attestation, Evidence, Maker, Scan, Status, Vulnerability

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
MAKER = Maker(plugin="scan-osv", tool="osv", version="1")


def attested(*severities, status=Status.OK, age=timedelta(hours=3), tool="osv", **more):
    scan = Scan(
        status=status,
        subject=DIGEST,
        made_at=NOW - age,
        maker=Maker(plugin=f"scan-{tool}", tool=tool, version="1"),
        vulnerabilities=tuple(
            Vulnerability(
                id=f"GHSA-{number}",
                aliases=(),
                package="pkg:pypi/jinja2@2.4.1",
                severity=severity,
                fixed=(),
            )
            for number, severity in enumerate(severities)
        ),
        database={},
        uncovered=more.pop("uncovered", ()),
        summary="what the scanner said",
    )
    return attestation(vulnerability_predicate(scan), **more)


def attestation(predicate, **more):
    return Attestation(
        **{
            "predicate_type": VULNERABILITIES,
            "predicate": predicate,
            "subject": DIGEST,
            "digest": "sha256:" + "b" * 64,
            "verified": True,
        }
        | more
    )


@pytest.mark.parametrize(
    ("found", "good", "said"),
    [
        ([], False, "nobody attested a scan"),
        ([attested()], True, "no CRITICAL, HIGH, UNKNOWN; and none milder; scanned 3 hours ago by osv"),
        ([attested("MEDIUM", "LOW", "LOW")], True, "1 MEDIUM, 2 LOW"),
        ([attested("HIGH")], False, "1 HIGH: GHSA-0 (HIGH) in pkg:pypi/jinja2@2.4.1"),
        ([attested("CRITICAL", "LOW")], False, "1 CRITICAL: GHSA-0"),
        ([attested("UNKNOWN")], False, "1 UNKNOWN"),
        ([attested("unheard of")], False, "GHSA-0 (UNKNOWN)"),
        ([attested(*["HIGH"] * 9)], False, "and 4 more"),
        ([attested(uncovered=("a", "b"))], True, "no database covers 2 of its packages"),
        ([attested(status=Status.NO_DATA)], False, "no-data: what the scanner said"),
        ([attested(status=Status.ERROR)], False, "error: "),
        ([attested(verified=False, problem="by a stranger")], False, "by a stranger"),
        ([attested(subject="sha256:" + "c" * 64)], False, "it is about"),
        ([attested(age=timedelta(hours=-1))], False, "after now"),
        ([attested(age=timedelta(days=-900)), attested(tool="trivy")], False, "after now"),
        ([attested(age=timedelta(minutes=-1))], True, "just now"),
        ([attested(age=timedelta(days=40))], True, "40 days ago"),
        ([attestation({})], False, "error: "),
        ([attestation({"scanner": {"result": "clean"}})], False, "error: "),
        ([attested("HIGH", age=timedelta(days=2)), attested()], True, "3 hours ago"),
        ([attested(), attested("HIGH", age=timedelta(days=2))], True, "3 hours ago"),
        ([attested("HIGH", tool="other"), attested()], False, "1 HIGH"),
        ([attested(), attested(status=Status.NO_DATA, tool="other")], False, "no-data"),
    ],
)  # fmt: skip
def test_a_scan_is_ticked_only_when_it_was_made_and_found_nothing_grave(found, good, said):
    tick = scan_tick(found, DIGEST, NOW)
    assert (tick.good, tick.name) == (good, "scan")
    assert said in tick.summary


@pytest.mark.parametrize("status", list(Status))
def test_a_signature_is_ticked_only_when_it_is_ok(status):
    evidence = Evidence(
        kind="signature",
        status=status,
        subject=DIGEST,
        made_at=NOW,
        maker=MAKER,
        summary="1 of 1 signatures verify",
    )
    tick = signature_tick(evidence)
    assert tick.good == (status is Status.OK)
    assert tick.summary == evidence.summary
