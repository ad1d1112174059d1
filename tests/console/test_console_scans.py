"""A scan's report for people: the worst first, what nobody judged, how old the advisories are."""

from __future__ import annotations

import dataclasses
import io
import re
from typing import Any

import pytest

from sluiceway.console import Console, scan_markdown
from sluiceway.model import Maker, Scan, Status, Vulnerability, parse_time
from sluiceway.scans import Report, join

DIGEST = "sha256:" + "a" * 64
HOSTILE = "::error::x\x1b[2J\n::add-mask::y | <img src=x> [a](http://b) @team ##[group]z `q`"


def vulnerability(name: str, severity: str, **more) -> Vulnerability:
    fields: dict[str, Any] = {
        "aliases": (),
        "package": f"pkg:pypi/{name.lower()}@1",
        "fixed": ("1.1",),
    } | more
    return Vulnerability(id=name, severity=severity, **fields)


def report(*found: Vulnerability, **more) -> Report:
    fields: dict[str, Any] = {
        "status": Status.OK,
        "subject": DIGEST,
        "made_at": parse_time("2026-11-24T12:00:00Z"),
        "maker": Maker(plugin="scan-osv", tool="osv", version="1"),
        "database": {"uri": "file:db", "advisories": 7, "newest": "2026-11-14T12:00:00Z"},
        "uncovered": ("pkg:generic/thing",),
        "summary": "looked",
    } | more
    return join(
        [Scan(vulnerabilities=found, **fields)],
        ["pkg:pypi/crit-1@1", "pkg:pypi/low-1@1", "pkg:generic/thing"],
        subject=DIGEST,
    )


def shown(made: Report, *, width: int = 100) -> str:
    stream = io.StringIO()
    Console(stdout=stream, stderr=stream, width=width, environ={}).scans("127.0.0.1:5555/x", made)
    return stream.getvalue()


def test_the_worst_comes_first_with_what_fixes_it_and_what_was_not_judged():
    text = shown(report(vulnerability("LOW-1", "LOW"), vulnerability("CRIT-1", "CRITICAL")))
    assert text.index("CRIT-1") < text.index("LOW-1")
    assert re.search(r"CRITICAL +CRIT-1 +pkg:pypi/crit-1@1 +1\.1\n", text)
    assert "1 CRITICAL, 1 LOW" in text
    assert "Not covered: pkg:generic/thing" in text
    assert re.search(r"generic +1 +0\n", text)
    assert re.search(r"pypi +2 +2\n", text)
    assert re.search(r"osv 1 +ok +7 +2026-11-14 +10 d +file:db", text)


def test_a_column_is_there_when_it_says_something():
    assert "Installed" not in shown(report(vulnerability("CVE-1", "LOW")))
    apart = vulnerability("CVE-1", "LOW", package="thing", installed="7")
    assert re.search(r"LOW +CVE-1 +thing +7 +1\.1\n", shown(report(apart)))
    one, other = (report(vulnerability("CVE-1", "LOW")) for _ in range(2))
    both = dataclasses.replace(
        one,
        vulnerabilities=(dataclasses.replace(other.vulnerabilities[0], found_by=("osv", "trivy")),),
    )
    assert re.search(r"CVE-1 +pkg:pypi/cve-1@1 +1\.1 +osv, trivy\n", shown(both))


def test_a_clean_scan_claims_no_more_than_it_judged():
    assert "No known vulnerability in what was judged." in shown(report())


@pytest.mark.parametrize("status", [Status.NO_DATA, Status.ERROR])
def test_no_scan_is_no_clean_one(status):
    text = shown(report(status=status, database={}, summary="no database"))
    assert "Not scanned" in text
    assert f"osv: {status.value}, no database" in text
    assert "No known vulnerability" not in text


def test_nobody_answered():
    assert "No scanner answered." in shown(join([], (), subject=DIGEST))


def test_many_uncovered_packages_are_counted():
    names = tuple(f"thing{number:03}" for number in range(31))
    text = " ".join(shown(report(uncovered=names)).split())
    assert "thing019, and 11 more (--format=json has all)" in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_strangers_text_is_shown_and_never_obeyed(width):
    hostile = vulnerability(
        HOSTILE, "HIGH", package=HOSTILE, fixed=(HOSTILE,), installed=HOSTILE, summary=HOSTILE
    )
    made = report(hostile, uncovered=(HOSTILE,), summary=HOSTILE, status=Status.ERROR)
    text = shown(made, width=width)
    assert "\x1b" not in text
    assert "::" not in text
    assert "##[" not in text


def test_a_strangers_text_in_markdown_is_text():
    hostile = vulnerability(
        HOSTILE, "HIGH", package=HOSTILE, fixed=(HOSTILE,), installed=HOSTILE, summary=HOSTILE
    )
    made = report(hostile, uncovered=(HOSTILE,), summary=HOSTILE)
    page = scan_markdown("127.0.0.1:5555/x", made)
    (row,) = [line for line in page.splitlines() if line.startswith("| HIGH")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
    assert not re.search(r"<(?!br>)|\x1b|(?<!\\)\[|http://|@team", page)


def test_markdown_counts_what_it_leaves_out():
    found = [vulnerability(f"CVE-{number}", "LOW") for number in range(103)]
    page = scan_markdown("x", report(*found))
    assert page.startswith("### Scan: 103 LOW\n")
    assert "And 3 more vulnerabilities." in page
    assert scan_markdown("x", report()).startswith("### Scan: nothing found\n")
    assert scan_markdown("x", report(status=Status.NO_DATA)).startswith("### Scan: not scanned\n")
