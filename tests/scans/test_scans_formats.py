"""SARIF that an upload takes, and workflow commands that a stranger's text cannot extend."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from sluiceway.model import Status
from sluiceway.scans import Report, join, sarif_log, workflow_commands

from .scans_kit import DIGEST, NOW, scan, vulnerability

HOSTILE = "x\r\n::error::owned\x1b[2J\u202e %0A [click](http://evil) <b>,:%\u2028##[error]y"


def report(*scans, packages=("pkg:pypi/a@1",)) -> Report:
    return join(scans, packages, subject=DIGEST)


def sarif(*scans) -> dict[str, Any]:
    log = sarif_log(report(*scans), "deploy/Dockerfile")
    assert json.loads(json.dumps(log, allow_nan=False)) == log
    check_sarif(log)
    return log["runs"][0]


def check_sarif(log: dict[str, Any]) -> None:
    """Hold *log* against what SARIF 2.1.0's schema asks of the parts that we use."""
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    rules = [rule["id"] for rule in driver["rules"]]
    assert len(set(rules)) == len(rules)
    for rule in driver["rules"]:
        assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
        for key in ("shortDescription", "fullDescription", "help"):
            assert rule[key]["text"]
        assert isinstance(rule["properties"]["tags"], list)
        if "security-severity" in rule["properties"]:
            assert 0.1 <= float(rule["properties"]["security-severity"]) <= 10
        if "helpUri" in rule:
            assert re.fullmatch(r"https://[a-z.]+/[A-Za-z0-9?=/:._-]+", rule["helpUri"])
    for extension in run["tool"]["extensions"]:
        assert extension["name"]
    prints = []
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert re.fullmatch(r"[A-Za-z0-9._/%-]+", place["artifactLocation"]["uri"])
        assert place["region"]["startLine"] >= 1
        prints.append(result["partialFingerprints"]["primaryLocationLineHash"])
    assert len(set(prints)) == len(prints)
    (invocation,) = run["invocations"]
    assert isinstance(invocation["executionSuccessful"], bool)
    for note in invocation["toolExecutionNotifications"]:
        assert note["message"]["text"]


def test_rules_are_advisories_and_results_are_packages():
    run = sarif(
        scan(
            "a",
            vulnerability(
                "CVE-2026-12345", "GHSA-22cc-33ff-44gg", fixed=("2", "3"), summary="Bad."
            ),
            vulnerability("CVE-2026-12345", package="pkg:pypi/b@1", severity="CRITICAL"),
            vulnerability("PYSEC-2026-1", severity="UNKNOWN"),
            vulnerability("GHSA-22cc-33ff-55gg", severity="LOW"),
        )
    )
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules["CVE-2026-12345"]["helpUri"] == "https://www.cve.org/CVERecord?id=CVE-2026-12345"
    assert rules["CVE-2026-12345"]["properties"]["security-severity"] == "9.5"
    assert rules["PYSEC-2026-1"]["helpUri"] == "https://osv.dev/vulnerability/PYSEC-2026-1"
    assert "security-severity" not in rules["PYSEC-2026-1"]["properties"]
    assert rules["PYSEC-2026-1"]["defaultConfiguration"]["level"] == "warning"
    assert rules["GHSA-22cc-33ff-55gg"]["defaultConfiguration"]["level"] == "note"
    said = {(each["ruleId"], each["level"]): each["message"]["text"] for each in run["results"]}
    assert said["CVE-2026-12345", "error"].startswith("pkg:pypi/b@1 has CVE-2026-12345 (CRITICAL).")
    assert len(run["results"]) == 4


def fingerprints(*versions: str) -> list[str]:
    run = sarif(scan("a", *(vulnerability("CVE-1", package=f"pkg:pypi/a@{v}") for v in versions)))
    return [each["partialFingerprints"]["primaryLocationLineHash"] for each in run["results"]]


def test_an_upgrade_to_another_vulnerable_version_keeps_the_alert():
    assert fingerprints("1") == fingerprints("2")
    both = fingerprints("1", "2")
    assert both[0] == fingerprints("1")[0]
    assert len(set(both)) == 2


def test_what_was_not_scanned_is_said_in_the_log():
    made = report(
        scan("a", status=Status.NO_DATA, summary="no database"), packages=("pkg:npm/b@1",)
    )
    log = sarif_log(made, "Dockerfile")
    check_sarif(log)
    (invocation,) = log["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    notes = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
    assert notes == ["a: no-data, no database", "1 package judged by no scanner."]
    assert invocation["endTimeUtc"] == "2026-11-24T12:00:00Z"
    check_sarif(sarif_log(report(), "Dockerfile"))


def test_a_result_is_shown_at_its_ecosystems_file():
    npm = vulnerability("CVE-2", package="pkg:npm/b@1")
    made = report(scan("a", vulnerability("CVE-1"), npm))
    log = sarif_log(made, "src", {"npm": "src/a b/package-lock.json"})
    check_sarif(log)
    places = [
        each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for each in log["runs"][0]["results"]
    ]
    assert places == ["src", "src/a%20b/package-lock.json"]


def test_a_strangers_text_in_sarif_is_text():
    hostile = vulnerability(HOSTILE, HOSTILE, package=HOSTILE, summary=HOSTILE, fixed=(HOSTILE,))
    run = sarif(scan("a", hostile, summary=HOSTILE, status=Status.ERROR, uncovered=(HOSTILE,)))
    text = run["results"][0]["message"]["text"]
    assert "\\[click\\](http" in text
    assert not re.search(r"[\x00-\x1f\u2028\u202e]", json.dumps(run["results"], ensure_ascii=False))
    assert "helpUri" not in run["tool"]["driver"]["rules"][0]


COMMAND = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")


def commands(made: Report) -> list[tuple[str, str, str]]:
    lines = workflow_commands(made)
    found = [COMMAND.fullmatch(line) for line in lines]
    assert all(found), lines
    return [(each[1], each[2], each[3]) for each in found if each]


def test_each_vulnerability_is_an_annotation_the_worst_first():
    made = report(
        scan(
            "a",
            vulnerability("CVE-3", severity="LOW"),
            vulnerability("CVE-2", severity="MEDIUM", fixed=("2",), summary="Slow: 100 %."),
            vulnerability("CVE-1"),
        )
    )
    assert commands(made) == [
        (
            "error",
            "CVE-1 (HIGH)",
            "pkg:pypi/a@1 is affected: no summary (no fixed version is known)",
        ),
        ("warning", "CVE-2 (MEDIUM)", "pkg:pypi/a@1 is affected: Slow: 100 %25. (fixed in 2)"),
        (
            "notice",
            "CVE-3 (LOW)",
            "pkg:pypi/a@1 is affected: no summary (no fixed version is known)",
        ),
    ]


def test_what_github_would_drop_is_counted():
    made = report(scan("a", *(vulnerability(f"CVE-{number}") for number in range(12))))
    found = commands(made)
    assert len(found) == 10
    assert found[-1] == ("error", "Scan", "And 3 more errors; `invoke scan` lists all.")
    assert len(commands(report(scan("a", *(vulnerability(f"CVE-{n}") for n in range(10)))))) == 10


def test_a_scan_that_failed_is_an_error_and_what_nobody_judged_a_warning():
    made = report(scan("a", status=Status.NO_DATA, summary="no database"))
    assert commands(made) == [
        ("error", "Scan by a%3A no-data", "no database"),
        ("warning", "Scan coverage", "1 package judged by no scanner, for example pkg:pypi/a@1"),
    ]
    assert commands(report())[0] == ("error", "Scan", "No scanner answered.")


@pytest.mark.parametrize("field", ["id", "package", "summary", "fixed", "tool"])
def test_a_strangers_text_cannot_become_a_command(field):
    more: dict[str, Any] = {"package": "pkg:pypi/a@1", "summary": "x", "fixed": ("1",)}
    more |= {field: (HOSTILE,) if field == "fixed" else HOSTILE} if field in more else {}
    found = vulnerability(HOSTILE if field == "id" else "CVE-1", **more)
    name = HOSTILE if field == "tool" else "a"
    made = report(scan(name, found, status=Status.ERROR, summary=HOSTILE, uncovered=(HOSTILE,)))
    for line in workflow_commands(made):
        assert line.isprintable()
    assert len(commands(made)) == 3


def test_the_moment_of_the_oldest_scan_is_told():
    made = report(scan("a"), scan("b", made_at=NOW - timedelta(days=1)))
    log = sarif_log(made, "a b/Dockerfile")
    check_sarif(log)
    assert log["runs"][0]["invocations"][0]["endTimeUtc"] == "2026-11-23T12:00:00Z"
