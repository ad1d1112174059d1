"""From attestations to evidence: the newest of each scanner, joined; nothing unread passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluiceway import scans
from sluiceway.gates.evidence import (
    SPDX,
    VULNERABILITIES,
    newest_sbom,
    sbom_evidence,
    scan_evidence,
    vulnerability_predicate,
)
from sluiceway.model import Attestation, Maker, Scan, Status, Vulnerability, to_json

DIGEST = "sha256:" + "a" * 64
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def attested(kind: str, predicate: dict[str, Any], **more: Any) -> Attestation:
    fields: dict[str, Any] = {"subject": DIGEST, "digest": DIGEST, "verified": True} | more
    return Attestation(predicate_type=kind, predicate=to_json(predicate), **fields)


def spdx(*packages: str, created: str = "2026-11-24T12:00:00Z", **more: Any) -> dict[str, Any]:
    image = {"SPDXID": "I", "checksums": [{"algorithm": "SHA256", "checksumValue": "a" * 64}]}
    listed = [
        {
            "SPDXID": f"P{number}",
            "externalRefs": [{"referenceType": "purl", "referenceLocator": purl}],
        }
        for number, purl in enumerate(packages)
    ]
    return {
        "spdxVersion": "SPDX-2.3",
        "creationInfo": {"created": created, "creators": ["Tool: syft-1.18.1"]},
        "packages": [image, *listed],
        "relationships": [{"relationshipType": "DESCRIBES", "relatedSpdxElement": "I"}],
    } | more


def scanned(tool: str, *ids: str, **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "status": Status.OK,
        "subject": DIGEST,
        "made_at": NOW,
        "maker": Maker(plugin=f"scan-{tool}", tool=tool, version="1"),
        "database": {"newest": "2026-11-20T12:00:00Z", "advisories": 3},
        "uncovered": (),
        "summary": f"{tool} looked",
    } | more
    found = tuple(
        Vulnerability(
            id=name, aliases=("CVE-1",), package="pkg:pypi/a@1", severity="HIGH", fixed=()
        )
        for name in ids
    )
    return vulnerability_predicate(Scan(vulnerabilities=found, **fields))


def facts(*attestations: Attestation) -> tuple[Status, dict[str, Any]]:
    (evidence,) = scan_evidence(attestations, DIGEST)
    return evidence.status, dict(evidence.facts)


def test_two_scanners_that_found_one_thing_found_one():
    status, found = facts(
        attested(SPDX, spdx("pkg:pypi/a@1", "pkg:npm/b@1")),
        attested(VULNERABILITIES, scanned("osv", "PYSEC-1", uncovered=("pkg:npm/b@1",))),
        attested(VULNERABILITIES, scanned("trivy", "GHSA-1", uncovered=("pkg:npm/b@1",))),
    )
    assert status is Status.OK
    (match,) = found["vulnerabilities"]
    assert (match["id"], match["aliases"]) == ("CVE-1", ["GHSA-1", "PYSEC-1"])
    assert match["found_by"] == ["osv", "trivy"]
    assert found["counts"]["HIGH"] == 1
    assert found["uncovered"] == ["pkg:npm/b@1"]
    assert found["coverage"]["npm"] == {"packages": 1, "judged": 0}
    assert [each["tool"] for each in found["scanners"]] == ["osv", "trivy"]


def test_the_stalest_database_stands_for_all():
    undated = attested(VULNERABILITIES, scanned("npm", database={"newest": None}))
    old = attested(VULNERABILITIES, scanned("trivy", database={"newest": "2020-01-01T00:00:00Z"}))
    new = attested(VULNERABILITIES, scanned("osv"))
    assert facts(new, old)[1]["database"]["newest"] == "2020-01-01T00:00:00Z"
    assert facts(new, old, undated)[1]["database"]["newest"] is None


def test_a_newer_failure_is_not_hidden_by_an_older_success():
    good = attested(VULNERABILITIES, scanned("osv"))
    later = NOW + timedelta(minutes=1)
    bad = attested(VULNERABILITIES, scanned("osv", status=Status.ERROR, made_at=later))
    assert facts(bad, good)[0] is facts(good, bad)[0] is Status.ERROR
    other = attested(VULNERABILITIES, scanned("trivy"))
    assert facts(good, other)[0] is Status.OK
    assert facts(good, other, bad)[0] is Status.ERROR


def test_the_oldest_scan_dates_them_all():
    old = attested(VULNERABILITIES, scanned("trivy", made_at=NOW - timedelta(days=3)))
    assert facts(attested(VULNERABILITIES, scanned("osv")), old)[1]["scanned_at"] == (
        "2026-11-21T12:00:00Z"
    )


def test_a_scan_of_another_inventory_is_no_judgement_of_this_one():
    """Silence about a package that the scanner was never told of says nothing about it."""
    small, whole = spdx(created="2026-11-23T12:00:00Z"), spdx("pkg:pypi/a@1", "pkg:npm/b@1")
    scan = scans.scan_from(scanned("osv"), DIGEST)
    kept = [attested(SPDX, small), attested(SPDX, whole)]
    right = attested(VULNERABILITIES, vulnerability_predicate(scan, whole))
    wrong = attested(VULNERABILITIES, vulnerability_predicate(scan, small))
    status, found = facts(right, *kept)
    assert (status, found["uncovered"]) == (Status.OK, [])
    for attestations in ([wrong, *kept], [*reversed(kept), wrong], [wrong]):
        status, found = facts(*attestations)
        assert (status, found["scanned"]) == (Status.ERROR, False)
        assert "another SBOM" in found["scanners"][0]["summary"]
    assert facts(wrong, *kept)[1]["uncovered"] == ["pkg:npm/b@1", "pkg:pypi/a@1"]


FOREIGN = {
    "invocation": {},
    "scanner": {"uri": "pkg:github/else/scanner", "version": "9", "result": {"Results": []}},
    "metadata": {"scanFinishedOn": "2026-11-24T12:00:00Z"},
}


def test_a_scan_in_a_form_that_is_not_understood_is_an_error():
    status, found = facts(attested(VULNERABILITIES, FOREIGN))
    assert status is Status.ERROR
    assert found["scanned"] is False
    assert found["scanners"][0]["tool"] == "scanner"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vulnerabilities", None),
        ("vulnerabilities", {"a": 1}),
        ("vulnerabilities", ["x"]),
        ("vulnerabilities", [{"id": "CVE-1"}]),
        ("vulnerabilities", [{"id": " ", "package": "pkg:pypi/a@1"}]),
        ("vulnerabilities", [{"id": "CVE-1", "package": "pkg:pypi/a@1", "aliases": "x"}]),
        ("vulnerabilities", [{"id": "CVE-1", "package": "pkg:pypi/a@1", "fixed": 7}]),
        ("uncovered", "pkg:npm/b@1"),
        ("status", "fine"),
        ("status", None),
    ],
)
def test_a_scan_that_cannot_be_read_whole_is_an_error(key, value):
    predicate = scanned("osv", "PYSEC-1")
    predicate["scanner"]["result"][key] = value
    assert facts(attested(VULNERABILITIES, predicate))[0] is Status.ERROR


@pytest.mark.parametrize("scanner", [None, [], {}, {"result": []}, {"result": {}, "uri": None}])
def test_an_attestation_of_another_shape_is_an_error(scanner):
    assert facts(attested(VULNERABILITIES, {"scanner": scanner}))[0] is Status.ERROR
    assert facts(attested(VULNERABILITIES, {"metadata": scanner}))[0] is Status.ERROR


def test_what_is_not_verified_or_about_another_image_is_no_scan():
    other = "sha256:" + "b" * 64
    for more in ({"verified": False, "problem": "no"}, {"subject": other}):
        (evidence,) = scan_evidence([attested(VULNERABILITIES, scanned("osv"), **more)], DIGEST)
        assert evidence.status is Status.FAILED
        assert evidence.facts["attested"] is False
    assert scan_evidence([], DIGEST) == []


def test_the_newest_inventory_is_the_one_that_says_so_and_of_two_the_one_stored_last():
    old = attested(SPDX, spdx("pkg:pypi/a@1", created="2026-11-23T12:00:00Z"))
    first, last = attested(SPDX, spdx("pkg:pypi/b@1")), attested(SPDX, spdx("pkg:pypi/c@1"))
    assert newest_sbom([first, old], DIGEST) is first
    assert newest_sbom([first, last, old], DIGEST) is last
    assert newest_sbom([attested(SPDX, spdx(), verified=False)], DIGEST) is None


def test_an_inventory_says_what_it_leaves_out():
    notes = [{"comment": "not inventoried: an RPM database in /var/lib/rpm"}]
    (evidence,) = sbom_evidence([attested(SPDX, spdx("pkg:pypi/a@1", annotations=notes))], DIGEST)
    assert evidence.status is Status.OK
    assert evidence.maker.tool == "syft"
    assert evidence.facts["packages"] == 1
    assert evidence.facts["gaps"] == ["an RPM database in /var/lib/rpm"]
    assert "not inventoried" in evidence.summary


def test_an_inventory_of_another_image_fails():
    document = spdx("pkg:pypi/a@1")
    document["packages"][0]["checksums"][0]["checksumValue"] = "b" * 64
    (evidence,) = sbom_evidence([attested(SPDX, document)], DIGEST)
    assert evidence.status is Status.FAILED
