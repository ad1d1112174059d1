"""``invoke scan --format``: one report, four ways to say it; stdout carries nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Shop

Run = Callable[..., tuple[int, str, str]]
ADVISORY = {
    "id": "PYSEC-1",
    "aliases": ["CVE-2026-12345"],
    "modified": "2026-11-01T00:00:00Z",
    "summary": "Bad.\n::error::owned",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "tool"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
        }
    ],
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that calls `invoke scan --fs tree ARGUMENTS` where there are advisories."""
    folder = tmp_path / "db" / "PyPI"
    folder.mkdir(parents=True)
    (folder / "PYSEC-1.json").write_text(json.dumps(ADVISORY))
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "requirements.txt").write_text("tool==1.0\n")
    monkeypatch.setenv("OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY", str(tmp_path / "db"))
    monkeypatch.setattr(sys, "argv", ["invoke"])
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        from invoke.program import Program

        from sluiceway.cli import namespace

        code = 0
        try:
            Program(namespace=namespace()).run(["sluiceway", "scan", "--fs", "tree", *arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def without_moments(text: str) -> Any:
    document = json.loads(text)
    for scan in document["scans"]:
        scan.pop("made_at")
    document["report"].pop("scanned_at")
    for scanner in document["report"]["scanners"]:
        scanner.pop("scanned_at")
        scanner.pop("age_days")
    return document


def test_json_is_one_document_whichever_way_it_is_asked_for(run: Run) -> None:
    code, first, _ = run("--json")
    again, second, _ = run("--format=json")
    assert code == again == 3
    assert without_moments(first) == without_moments(second)
    document = json.loads(first)
    assert document["clean"] is False
    (match,) = document["report"]["vulnerabilities"]
    assert (match["id"], match["aliases"]) == ("CVE-2026-12345", ["PYSEC-1"])
    assert run("--json", "--format=json")[0] == 3


def test_a_table_for_people(run: Run) -> None:
    code, out, _ = run()
    assert code == 3
    assert "CVE-2026-12345" in out
    assert run("--format=table")[1].splitlines()[0] == out.splitlines()[0]


def test_sarif_names_the_lock_file(run: Run) -> None:
    code, out, _ = run("--format", "sarif")
    assert code == 3
    (result,) = json.loads(out)["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert place == "tree/requirements.txt"


def test_annotations_and_a_summary_for_a_workflow(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    code, out, _ = run("--format=github")
    assert code == 3
    (line,) = out.splitlines()
    assert line.startswith("::warning title=CVE-2026-12345 (UNKNOWN)::pkg:pypi/tool@1.0")
    assert (tmp_path / "summary").read_text().startswith("### Scan: 1 UNKNOWN\n")


def test_an_unknown_format_names_the_nearest_and_scans_nothing(run: Run) -> None:
    code, out, err = run("--format=sarf")
    assert (code, out) == (2, "")
    assert "--format=sarif" in err
    code, out, err = run("--format=yaml!")
    assert code == 2
    assert "table, json, sarif, github" in err


def test_two_documents_at_once_are_refused(run: Run) -> None:
    code, out, _ = run("--format=sarif", "--json")
    assert code == 2
    assert json.loads(out)["error"]["code"] == "scan.format"


def test_an_error_is_json_as_well(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tree" / "requirements.txt").unlink()
    code, out, _ = run("--format=json")
    assert code == 2
    assert json.loads(out)["error"]["code"] == "scan.tree"


def test_a_released_image_is_reported_with_its_coverage(shop: Shop) -> None:
    digest = shop.release()
    code, document, _ = shop.run("ci", "scan")
    assert code == 0
    assert document["clean"] is True
    report = document["report"]
    assert report["subject"] == document["image"]["digest"] == digest
    assert report["coverage"] == {"pypi": {"packages": 1, "judged": 1}}
    assert [each["tool"] for each in report["scanners"]] == ["osv"]
    code, inventoried, _ = shop.run("ci", "sbom")
    assert (code, inventoried["packages"]) == (0, 1)
