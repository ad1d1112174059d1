"""scan-osv-scanner with the real program: offline, on the database that scan-osv reads too."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import sluiceway_scan_osv
import sluiceway_scan_osv_scanner
from sluiceway.errors import ConfigurationError, PluginError
from sluiceway.model import CheckStatus, Scan, Status
from sluiceway.scanning import ReportError
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_scan_osv_scanner.report import parse

from .scan_kit import DIGEST, IMAGE, REAL, advisory, checked, program, project, sbom

real = pytest.mark.real_tool("osv-scanner")
advisories = pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/data beside the checkout")
JINJA = "pkg:pypi/jinja2@2.4.1"


def scan(root: Path, *purls: str, plugin: Any = sluiceway_scan_osv_scanner, **more: Any) -> Scan:
    settings = {"database": "db", **more}
    return checked(
        plugin.sluiceway_scan(project(root), IMAGE, sbom(*purls), MemoryRegistry(), settings), root
    )


def scan_tree(root: Path, folder: Path, **more: Any) -> Scan:
    settings = {"database": "db", **more}
    found = sluiceway_scan_osv_scanner.sluiceway_scan_tree(project(root), folder, settings)
    return checked(found, root)


def pack(folder: Path, *records: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    return folder


# --- one database for both --------------------------------------------------------------------


@real
@advisories
def test_one_database_serves_both_and_both_find_the_same(tmp_path: Path) -> None:
    (tmp_path / "db").symlink_to(REAL)
    listed = [
        f"pkg:pypi/{each}"
        for each in ("jinja2@2.4.1", "requests@2.20.0", "urllib3@1.26.4", "sampleproject@3.0.0")
    ]
    listed.append("pkg:npm/lodash@4.17.11")
    own = scan(tmp_path, *listed, plugin=sluiceway_scan_osv)
    other = scan(tmp_path, *listed)
    assert own.status is other.status is Status.OK
    assert own.database == other.database  # digest, number, newest, ecosystems
    assert own.uncovered == other.uncovered == ("pkg:npm/lodash@4.17.11",)
    kept = ("id", "aliases", "package", "severity", "installed", "source")
    facts = [
        [{name: getattr(each, name) for name in kept} for each in found.vulnerabilities]
        for found in (own, other)
    ]
    assert facts[0] == facts[1]
    assert len(facts[0]) == 9
    # The one difference: scan-osv names the fixes that are above, osv-scanner those of all branches.
    for mine, theirs in zip(own.vulnerabilities, other.vulnerabilities, strict=True):
        assert set(mine.fixed) <= set(theirs.fixed)
    assert own.summary == other.summary


@real
@pytest.mark.parametrize("below", ["", "osv-scanner", "osv-scalibr"])
@pytest.mark.parametrize("loose", [False, True])
def test_layouts(tmp_path: Path, below: str, *, loose: bool) -> None:
    folder = tmp_path / "db" / below / "npm"
    record = advisory("GHSA-jf85-cpcp-j695", "npm", "lodash", "4.17.12")
    record["database_specific"] = {"severity": "CRITICAL"}
    if loose:
        folder.mkdir(parents=True)
        (folder / "GHSA-jf85-cpcp-j695.json").write_text(json.dumps(record))
    else:
        pack(folder, record)
    found = scan(tmp_path, "pkg:npm/lodash@4.17.11", "pkg:npm/lodash@4.17.12")
    assert [(each.id, each.severity, each.fixed) for each in found.vulnerabilities] == [
        ("GHSA-jf85-cpcp-j695", "CRITICAL", ("4.17.12",))
    ]
    assert found.uncovered == ()


# --- never more certain than it may be --------------------------------------------------------


@real
def test_ecosystems_without_advisories_are_not_covered(tmp_path: Path) -> None:
    pack(tmp_path / "db" / "PyPI", advisory("A-1", "PyPI", "tool", "2.0"))
    pack(tmp_path / "db" / "Debian", advisory("D-1", "Debian:12", "openssl", "3.0.14-1"))
    others = (
        "pkg:npm/tool@1.0.0",
        "pkg:deb/debian/libssl3@3.0.11-1?distro=debian-12",  # the source package is openssl
        "pkg:maven/org.a/b@1",
        "pkg:generic/blob@1",
    )
    debian = "pkg:deb/debian/openssl@3.0.11-1?distro=debian-12"
    found = scan(tmp_path, "pkg:pypi/tool@2.1", debian, *others)
    assert (found.status, found.uncovered) == (Status.OK, others)
    assert [(each.id, each.package) for each in found.vulnerabilities] == [("D-1", debian)]


@real
def test_a_scanner_that_skipped_everything_and_exits_0_has_not_scanned(tmp_path: Path) -> None:
    pack(tmp_path / "db" / "PyPI", advisory("A-1", "PyPI", "tool", "2.0"))
    found = scan(tmp_path, "pkg:npm/tool@1.0.0")
    assert (found.status, found.uncovered) == (Status.NO_DATA, ("pkg:npm/tool@1.0.0",))
    assert scan(tmp_path).status is Status.NO_DATA  # exit 128: no packages


@real
def test_without_a_database_nothing_is_scanned(tmp_path: Path) -> None:
    for settings in ({}, {"database": ""}):
        (tmp_path / "db" / "PyPI").mkdir(parents=True, exist_ok=True)  # a folder alone is none
        found = scan(tmp_path, JINJA, **settings)
        assert found.status is Status.NO_DATA
        assert "all.zip" in found.summary


@real
@pytest.mark.parametrize("body", [b"PK\x03\x04 cut off", b""])
def test_a_database_that_osv_scanner_would_only_warn_about_is_an_error(
    tmp_path: Path, body: bytes
) -> None:
    pack(tmp_path / "db" / "PyPI", advisory("A-1", "PyPI", "tool", "2.0"))
    (tmp_path / "db" / "PyPI" / "all.zip").write_bytes(body)
    assert scan(tmp_path, "pkg:pypi/tool@1.0").status is Status.ERROR


@real
def test_one_record_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    folder = pack(tmp_path / "db" / "PyPI", advisory("A-1", "PyPI", "other", "2.0"))
    (folder / "B-1.json").write_text('{"id": "B-1"')  # it may be the one about the tool
    found = scan(tmp_path, "pkg:pypi/tool@1.0")
    assert found.status is Status.ERROR
    assert "PyPI/B-1.json: it is not JSON" in found.summary


@real
def test_a_database_from_the_future_is_an_error(tmp_path: Path) -> None:
    late = advisory("A-1", "PyPI", "tool", "2.0", modified="2999-01-01T00:00:00Z")
    pack(tmp_path / "db" / "PyPI", late)
    found = scan(tmp_path, "pkg:pypi/tool@1.0")
    assert found.status is Status.ERROR
    assert "from the future" in found.summary


# --- source trees -----------------------------------------------------------------------------


@real
def test_a_source_tree(tmp_path: Path) -> None:
    pack(tmp_path / "db" / "PyPI", advisory("A-1", "PyPI", "tool", "2.0"))
    tree = tmp_path / "tree"
    tree.mkdir()
    assert scan_tree(tmp_path, tree).status is Status.NO_DATA
    (tree / "requirements.txt").write_text("tool==1.0\nother==1.0\n")
    (tree / "osv-scanner.toml").write_text('[[IgnoredVulns]]\nid = "A-1"\nreason = "hush"\n')
    lock = {
        "lockfileVersion": 3,
        "packages": {"": {}, "node_modules/lodash": {"version": "4.17.11"}},
    }
    (tree / "package-lock.json").write_text(json.dumps(lock))
    found = scan_tree(tmp_path, tree)
    assert found.status is Status.OK
    assert found.subject == tree.as_uri()
    assert [(each.id, each.package) for each in found.vulnerabilities] == [
        ("A-1", "pkg:pypi/tool@1.0")
    ]
    assert found.uncovered == ("pkg:npm/lodash@4.17.11",)


# --- programs that went wrong -----------------------------------------------------------------

VERSION = 'if [ "$1" = --version ]; then echo "osv-scanner version: 2.5.0"; exit 0; fi'
CLEAN = '{"results": []}'


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("echo '{\"results\": [{'", "exit 1"), "not JSON, or cut off"),
        (("echo 'Scanned 1 file'", f"echo '{CLEAN}'"), "begins with 'Scanned 1 file"),
        (("echo '{}'",), "has no 'results'"),
        ((f"echo '{CLEAN}'", "exit 1"), "its report says otherwise"),
        (("echo 'no luck' >&2", "exit 127"), "ended with code 127: no luck"),
        (("echo 'api down' >&2", "exit 129"), "ended with code 129"),
        (("sleep 60",), "did not end within"),
    ],
)
def test_a_scanner_that_fails_is_an_error(tmp_path: Path, lines: Any, words: str) -> None:
    pack(tmp_path / "db" / "PyPI", advisory("A-1", "PyPI", "tool", "2.0"))
    fake = program(tmp_path / "osv-scanner", VERSION, *lines)
    found = scan(tmp_path, JINJA, program=fake, timeout_seconds=0.5)
    assert found.status is Status.ERROR
    assert words in found.summary
    assert found.uncovered == (JINJA,)


def test_a_program_that_is_another_one_is_an_error(tmp_path: Path) -> None:
    found = scan(tmp_path, JINJA, program=program(tmp_path / "osv-scanner", "echo hello"))
    assert found.status is Status.ERROR
    assert "does not say its version" in found.summary


def test_a_program_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="not on PATH"):
        scan(tmp_path, JINJA, program="no-such-scanner")


def test_an_sbom_of_another_image_is_an_error(tmp_path: Path) -> None:
    other = sbom(JINJA, subject="sha256:" + "b" * 64)
    fake = {"program": program(tmp_path / "osv-scanner", VERSION)}
    found = sluiceway_scan_osv_scanner.sluiceway_scan(
        project(tmp_path), IMAGE, other, MemoryRegistry(), fake
    )
    assert (found.status, found.subject) == (Status.ERROR, DIGEST)


PACKAGE = {"package": {"name": "tool", "version": "1", "ecosystem": "PyPI"}}
RECORD = {"id": "A-1", "database_specific": {"severity": "LOW"}}


def report(**more: Any) -> str:
    source = more.pop("source", {"path": "/tree/requirements.txt", "type": "lockfile"})
    return json.dumps({"results": [{"source": source, "packages": [{**PACKAGE, **more}]}]})


@pytest.mark.parametrize(
    ("score", "level"),
    [("9.8", "CRITICAL"), ("7.0", "HIGH"), ("4", "MEDIUM"), ("0.0", "LOW"), ("", "LOW")],
)
def test_the_worst_severity_counts(score: str, level: str) -> None:
    found = parse(
        report(vulnerabilities=[RECORD], groups=[{"ids": ["A-1"], "max_severity": score}]),
        place="/tree",
    )
    assert [each.severity for each in found.found] == [level]


@pytest.mark.parametrize(
    "more",
    [
        {"vulnerabilities": [RECORD]},  # in no group: it would be lost
        {"groups": [{"ids": ["A-1"]}]},
        {"vulnerabilities": [RECORD], "groups": [{"ids": ["A-1"], "max_severity": "very"}]},
        {"vulnerabilities": {}, "groups": []},
        {"vulnerabilities": [{}], "groups": []},
        {"source": {"path": "/elsewhere/requirements.txt"}},
        {"source": None},
        {"package": None},
        {"package": {"version": "1"}},
    ],
)
def test_a_report_of_another_shape_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ReportError):
        parse(report(**more), place="/tree")


def test_settings_and_doctor(tmp_path: Path) -> None:
    doctor = sluiceway_scan_osv_scanner.sluiceway_doctor
    for wrong in ({"timeout_seconds": 0}, {"databse": "x"}):
        with pytest.raises(ConfigurationError, match="scan-osv-scanner"):
            doctor(project(tmp_path), wrong)
    fake = program(tmp_path / "osv-scanner", VERSION)
    (line,) = doctor(project(tmp_path), {"program": fake})
    assert (line.status, "all.zip" in line.remedy) == (CheckStatus.WARN, True)
    pack(tmp_path / "db" / "PyPI", advisory("A-1", "PyPI", "tool", "2.0"))
    (line,) = doctor(project(tmp_path), {"program": fake, "database": "db"})
    assert (line.status, line.detail) == (CheckStatus.OK, "advisories for PyPI")
    (line,) = doctor(project(tmp_path), {"program": "no-such-scanner"})
    assert line.status is CheckStatus.FAIL
