"""scan-grype with the real grype on a small database of its own schema, and what goes wrong."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import sluiceway_scan_grype
from sluiceway.errors import ConfigurationError, PluginError
from sluiceway.model import CheckStatus, Scan, Status
from sluiceway.scanning import ReportError
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_scan_grype.report import parse

from .scan_kit import DIGEST, IMAGE, checked, grype_cache, program, project, sbom

real = pytest.mark.real_tool("grype")
JINJA, SAMPLE, LODASH = (
    "pkg:pypi/jinja2@2.4.1",
    "pkg:pypi/sampleproject@3.0.0",
    "pkg:npm/lodash@4.17.11",
)
LIBC = "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=glibc"


def scan(root: Path, *purls: str, environ: Any = None, **more: Any) -> Scan:
    settings = {"cache": "cache", **more}
    place = project(root, **(environ or {}))
    found = sluiceway_scan_grype.sluiceway_scan(
        place, IMAGE, sbom(*purls), MemoryRegistry(), settings
    )
    return checked(found, root)


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    grype_cache(tmp_path / "cache")
    return tmp_path


# --- the real one -----------------------------------------------------------------------------


@real
def test_an_sbom(cached: Path) -> None:
    others = ("pkg:golang/example.com/x@v1.0.0", "pkg:generic/blob@1")
    found = scan(cached, JINJA, SAMPLE, LODASH, LIBC, *others)
    assert found.status is Status.OK, found.summary
    assert [
        (each.id, each.package, each.severity, each.fixed) for each in found.vulnerabilities
    ] == [
        ("GHSA-8r7q-cvjq-x353", JINJA, "HIGH", ("2.7.2",)),
        ("GHSA-jf85-cpcp-j695", LODASH, "CRITICAL", ("4.17.12",)),
        ("CVE-2023-4911", LIBC, "HIGH", ("2.36-9+deb12u3",)),
    ]
    assert found.vulnerabilities[0].aliases == ("CVE-2014-1402",)
    assert found.vulnerabilities[0].installed == "2.4.1"
    assert found.vulnerabilities[0].source == "https://example.org/GHSA-8r7q-cvjq-x353"
    assert found.uncovered == others
    assert found.maker.tool == "grype"
    assert found.database["advisories"] == 3
    assert found.database["newest"] == "2026-11-24T00:00:00Z"
    assert found.database["ecosystems"] == ["debian 12", "npm", "python"]
    assert found.database["digest"].startswith("sha256:")


@real
def test_no_match_is_a_clean_scan_when_packages_were_compared(cached: Path) -> None:
    found = scan(cached, SAMPLE)
    assert (found.status, found.vulnerabilities, found.uncovered) == (Status.OK, (), ())


@real
@pytest.mark.parametrize(
    "purl",
    [
        "pkg:golang/example.com/x@v1.0.0",
        "pkg:pypi/sampleproject",
        "pkg:deb/debian/libc6@2.36-9?distro=debian-12",  # nothing says: built from glibc
        "pkg:deb/debian/glibc@2.36-9?distro=debian-11",
        "pkg:rpm/fedora/glibc@2.36-9?distro=fedora-40",
    ],
)
def test_a_scanner_that_skipped_everything_and_exits_0_has_not_scanned(
    cached: Path, purl: str
) -> None:
    found = scan(cached, purl)
    assert (found.status, found.uncovered) == (Status.NO_DATA, (purl,))


@real
def test_settings_of_grype_s_own_do_not_hide_findings(
    cached: Path, isolated_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hush = "ignore:\n  - vulnerability: GHSA-8r7q-cvjq-x353\n"
    (isolated_environment / ".grype.yaml").write_text(hush)
    (cached / ".grype.yaml").write_text(hush)
    monkeypatch.chdir(cached)
    found = scan(cached, JINJA, environ={"GRYPE_ONLY_FIXED": "true", "GRYPE_FAIL_ON": "low"})
    assert [each.id for each in found.vulnerabilities] == ["GHSA-8r7q-cvjq-x353"]


@real
def test_a_package_without_a_version_is_reported_and_not_covered(cached: Path) -> None:
    found = scan(cached, "pkg:pypi/jinja2")
    assert [each.id for each in found.vulnerabilities] == ["GHSA-8r7q-cvjq-x353"]
    assert (found.status, found.uncovered) == (Status.OK, ("pkg:pypi/jinja2",))


# --- the database -----------------------------------------------------------------------------


@real
def test_no_database_is_not_scanned(tmp_path: Path) -> None:
    (tmp_path / "cache" / "6").mkdir(parents=True)  # a folder alone is none
    found = scan(tmp_path, JINJA)
    assert (found.status, found.uncovered) == (Status.NO_DATA, (JINJA,))
    assert "grype db update" in found.summary


@real
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"built": "2999-01-01 00:00:00+00:00"}, "from the future"),
        ({"built": "yesterday"}, "when it was built"),
        ({"model": 7}, "has schema 7"),
    ],
)
def test_a_database_that_says_odd_things_is_an_error(
    tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    grype_cache(tmp_path / "cache", **more)
    found = scan(tmp_path, JINJA)
    assert found.status is Status.ERROR
    assert words in found.summary


@real
@pytest.mark.parametrize("body", [b"", b"SQLite format 3\0 cut off", b"x" * 9000])
def test_a_database_that_is_damaged_is_an_error(cached: Path, body: bytes) -> None:
    (cached / "cache" / "6" / "vulnerability.db").write_bytes(body)
    found = scan(cached, JINJA)
    assert found.status is Status.ERROR
    assert "its database cannot be used" in found.summary


@real
def test_a_database_that_grype_does_not_accept_is_an_error(cached: Path) -> None:
    (cached / "cache" / "6" / "import.json").unlink()
    found = scan(cached, JINJA)
    assert found.status is Status.ERROR
    assert "grype: it ended with code 1" in found.summary


@real
def test_a_table_that_is_missing_is_an_error(cached: Path) -> None:
    with closing(sqlite3.connect(cached / "cache" / "6" / "vulnerability.db")) as opened:
        opened.execute("DROP TABLE operating_systems")
        opened.commit()
    assert scan(cached, JINJA).status is Status.ERROR


# --- programs and reports that went wrong -----------------------------------------------------

VERSION = (
    'if [ "$1" = version ]; then '
    'echo \'{"application": "grype", "version": "0.121.3"}\'; exit 0; fi'
)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("echo '{\"matches\": [{'",), "not JSON, or cut off"),
        (("echo 'WARN x'", "echo '{}'"), "begins with 'WARN x"),
        (("echo '{}'",), "has no 'descriptor'"),
        (("exit 0",), "it printed nothing"),
        (("echo 'no luck' >&2", "exit 1"), "ended with code 1: no luck"),
        (("sleep 60",), "did not end within"),
    ],
)
def test_a_scanner_that_fails_is_an_error(cached: Path, lines: Any, words: str) -> None:
    fake = program(cached / "grype", VERSION, *lines)
    found = scan(cached, JINJA, program=fake, timeout_seconds=0.5)
    assert found.status is Status.ERROR
    assert words in found.summary
    assert found.uncovered == (JINJA,)


def test_a_program_that_is_another_one_is_an_error(cached: Path) -> None:
    other = program(cached / "grype", 'echo \'{"application": "syft", "version": "1"}\'')
    assert scan(cached, JINJA, program=other).status is Status.ERROR


def test_a_program_that_is_not_there_says_what_to_do(cached: Path) -> None:
    with pytest.raises(PluginError, match="not on PATH"):
        scan(cached, JINJA, program="no-such-grype")


def report(**more: Any) -> str:
    status = {"schemaVersion": "v6.1.10", "valid": True}
    descriptor = {"name": "grype", "db": {"status": status}}
    base = {"matches": [], "source": {"target": "/sbom"}, "descriptor": descriptor}
    return json.dumps({**base, **more})


def made_with(**status: Any) -> dict[str, Any]:
    whole = {"schemaVersion": "v6.1.10", "valid": True, **status}
    return {"descriptor": {"name": "grype", "db": {"status": whole}}}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"matches": {}}, "matches"),
        ({"matches": [{}]}, "vulnerability"),
        ({"matches": [{"vulnerability": {"id": "A"}}]}, "artifact"),
        ({"matches": [{"vulnerability": {}, "artifact": {"purl": "x"}}]}, "'id'"),
        ({"source": {"target": "/other"}}, "about '/other'"),
        ({"source": None}, "source"),
        ({"source": {"target": {"manifestDigest": "sha256:b"}}}, "about 'sha256:b'"),
        ({"source": {"target": {}}}, "about None"),
        ({"descriptor": {"name": "syft"}}, "none of grype's"),
        (made_with(valid=False, error="too old"), "too old"),
        (made_with(error="odd"), "odd"),
        (made_with(schemaVersion="v7.0.0"), "v7"),
    ],
)
def test_a_report_of_another_shape_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ReportError, match=words):
        parse(report(**more), target="/sbom", digest=DIGEST, schema=6)


def test_a_report_without_matches_is_empty_and_one_without_the_key_is_none() -> None:
    assert parse(report(), target="/sbom", digest=DIGEST, schema=6) == ()
    image = report(source={"type": "image", "target": {"manifestDigest": DIGEST}})
    assert parse(image, target="/sbom", digest=DIGEST, schema=6) == ()
    document = json.loads(report())
    del document["matches"]
    with pytest.raises(ReportError):
        parse(json.dumps(document), target="/sbom", digest=DIGEST, schema=6)


def test_settings_and_doctor(cached: Path) -> None:
    doctor = sluiceway_scan_grype.sluiceway_doctor
    for wrong in ({"timeout_seconds": 0}, {"cahce": "x"}):
        with pytest.raises(ConfigurationError, match="scan-grype"):
            doctor(project(cached), wrong)
    fake = program(cached / "grype", VERSION)
    (line,) = doctor(project(cached), {"program": fake, "cache": "cache"})
    assert (line.status, "2026-11-24" in line.detail) == (CheckStatus.OK, True)
    (line,) = doctor(project(cached), {"program": fake, "cache": "elsewhere"})
    assert line.status is CheckStatus.WARN
    (line,) = doctor(project(cached), {"program": "no-such-grype"})
    assert line.status is CheckStatus.FAIL
