"""What scanners share: reading strictly, telling packages apart, and concluding honestly."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sluiceway.errors import ActionFailed, PluginError
from sluiceway.model import Maker, Scan, Status, Vulnerability
from sluiceway.scanning import (
    ReportError,
    conclude,
    environment,
    needed,
    objects,
    package_at,
    read_report,
    run_scanner,
    same,
    severity,
    text,
    version_in,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DATABASE = {
    "uri": "db",
    "digest": "",
    "advisories": 3,
    "newest": "2026-11-24T00:00:00Z",
    "ecosystems": ["PyPI"],
}


def told(*listed: str, judged: tuple[str, ...] = (), found: Any = (), **database: Any) -> Scan:
    return conclude(
        subject="sha256:a",
        made_at=NOW,
        maker=Maker(plugin="scan-x", tool="x", version="1"),
        database={**DATABASE, **database},
        packages=[package_at(each) for each in listed],
        judged=[package_at(each) for each in judged],
        found=found,
    )


def vulnerability(package: str, id_: str = "CVE-1") -> Vulnerability:
    return Vulnerability(id=id_, aliases=(), package=package, severity="HIGH", fixed=())


# --- one package, several spellings -----------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pkg:pypi/Zope.Interface@1.0", "pkg:pypi/zope-interface@1.0"),
        ("pkg:deb/debian/libc6@2.36-9?arch=amd64", "pkg:deb/debian/libc6@2.36-9?distro=debian-12"),
        ("pkg:deb/debian/openssl@1:3.0-1", "pkg:deb/debian/openssl@3.0-1?epoch=1"),
        ("pkg:npm/%40Angular/core@17.0.0", "pkg:npm/%40angular/core@17.0.0"),
        ("pkg:golang/example.com/x@v1.0.0", "pkg:golang/example.com/x@1.0.0"),
        ("pkg:golang/example.com/x@v1.0.0#v2", "pkg:golang/example.com/x/v2@1.0.0"),
    ],
)
def test_spellings_of_one_package_are_the_same(one: str, other: str) -> None:
    assert same(package_at(one)) == same(package_at(other)) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pkg:golang/example.com/x@v1.0.0#v2", "pkg:golang/example.com/x@1.0.0"),
        ("pkg:pypi/a@1.0", "pkg:npm/a@1.0"),
        ("pkg:pypi/a@1.0", "pkg:pypi/a@1.1"),
        ("pkg:deb/debian/a@1.0", "pkg:deb/ubuntu/a@1.0"),
        ("pkg:deb/debian/a@1:1.0", "pkg:deb/debian/a@1.0"),
        ("pkg:deb/debian/a@1.0?epoch=2", "pkg:deb/debian/a@1.0?epoch=1"),
    ],
)
def test_different_packages_are_not(one: str, other: str) -> None:
    assert same(package_at(one)) != same(package_at(other))


@pytest.mark.parametrize("label", ["pkg:pypi/a", "busybox", "", "pkg:"])
def test_a_package_without_a_version_is_the_same_as_none(label: str) -> None:
    assert same(package_at(label)) is None


# --- concluding -------------------------------------------------------------------------------


def test_ok_only_when_something_was_compared() -> None:
    listed = ("pkg:pypi/b@1", "pkg:pypi/a@1", "pkg:pypi/none")
    found = told(*listed, judged=("pkg:pypi/A@1", "pkg:pypi/none"))
    assert (found.status, found.uncovered) == (Status.OK, ("pkg:pypi/b@1", "pkg:pypi/none"))
    assert found.summary == (
        "1 package compared with 3 advisories (newest 2026-11-24): no known vulnerability; "
        "2 packages not covered"
    )


@pytest.mark.parametrize(("listed", "judged"), [((), ()), (("pkg:pypi/a@1",), ("pkg:pypi/b@1",))])
def test_everything_skipped_is_no_data(listed: tuple[str, ...], judged: tuple[str, ...]) -> None:
    found = told(*listed, judged=judged)
    assert (found.status, found.uncovered) == (Status.NO_DATA, listed)
    assert found.summary.startswith("not scanned: ")


def test_what_was_found_is_kept_whatever_it_is_about() -> None:
    found = told("pkg:pypi/b@1", found=[vulnerability("pkg:pypi/other@1")])
    assert found.status is Status.OK
    assert found.uncovered == ("pkg:pypi/b@1",)
    assert [each.package for each in found.vulnerabilities] == ["pkg:pypi/other@1"]


def test_findings_are_in_the_order_and_the_spelling_of_the_sbom() -> None:
    listed = ("pkg:pypi/Zope.Interface@1", "pkg:pypi/a@1")
    found = told(
        *listed,
        judged=listed,
        found=[
            vulnerability("pkg:pypi/unlisted@1"),
            vulnerability("pkg:pypi/a@1", "CVE-2"),
            vulnerability("pkg:pypi/a@1", "CVE-1"),
            vulnerability("pkg:pypi/zope-interface@1"),
        ],
    )
    assert [(each.package, each.id) for each in found.vulnerabilities] == [
        ("pkg:pypi/Zope.Interface@1", "CVE-1"),
        ("pkg:pypi/a@1", "CVE-1"),
        ("pkg:pypi/a@1", "CVE-2"),
        ("pkg:pypi/unlisted@1", "CVE-1"),
    ]


@pytest.mark.parametrize(
    ("newest", "status"),
    [
        ("2026-11-25T12:59:00Z", Status.OK),  # clocks differ
        ("2026-11-25T13:01:00Z", Status.ERROR),
        (None, Status.OK),
    ],
)
def test_a_database_from_the_future_is_an_error(newest: str | None, status: Status) -> None:
    found = told("pkg:pypi/a@1", judged=("pkg:pypi/a@1",), newest=newest)
    assert found.status is status


def test_a_database_that_does_not_say_how_large_it_is_is_named() -> None:
    found = told("pkg:pypi/a@1", judged=("pkg:pypi/a@1",), advisories=None, newest=None)
    assert found.summary == "1 package compared with db: no known vulnerability"


# --- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "printed", ["", " \n", "{", '{"a": [1', "[]", "null", 'WARN x\n{"a": 1}', '{"a": 1} bye']
)
def test_what_is_not_one_whole_object_is_no_report(printed: str) -> None:
    with pytest.raises(ReportError):
        read_report(printed)


def test_absent_arrays_are_empty_and_other_things_are_not_arrays() -> None:
    document = json.loads('{"null": null, "list": [{}], "text": "x", "mixed": [{}, 1]}')
    assert objects(document, "absent") == objects(document, "null") == []
    assert objects(document, "list") == [{}]
    for key in ("text", "mixed"):
        with pytest.raises(ReportError, match=key):
            objects(document, key)


def test_texts() -> None:
    assert text({}, "a", needed=False) == ""
    for place in ({}, {"a": ""}, {"a": 1}):
        with pytest.raises(ReportError, match="no 'a'"):
            text(place, "a")


@pytest.mark.parametrize(
    ("word", "level"),
    [
        *(("critical", "CRITICAL"), ("Moderate", "MEDIUM"), ("Negligible", "LOW"), ("info", "LOW")),
        *(("", "UNKNOWN"), ("dire", "UNKNOWN"), (None, "UNKNOWN"), (9, "UNKNOWN")),
    ],
)
def test_severity_words(word: Any, level: str) -> None:
    assert severity(word) == level


# --- running ----------------------------------------------------------------------------------


def test_a_scanner_is_killed_when_its_time_is_over(tmp_path: Any) -> None:
    with pytest.raises(ReportError, match=r"did not end within 0\.2 s and was killed"):
        run_scanner(["sleep", "60"], timeout=0.2, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})


def test_the_last_line_of_what_it_complained_is_told(tmp_path: Any) -> None:
    argv = ["sh", "-c", "echo one >&2; echo 'two  words' >&2; exit 7"]
    env = {"PATH": "/usr/bin:/bin"}
    with pytest.raises(ReportError, match=r"ended with code 7: two words$"):
        run_scanner(argv, timeout=10, cwd=tmp_path, env=env)
    assert run_scanner(argv, timeout=10, cwd=tmp_path, env=env, codes=frozenset({7})).code == 7
    with pytest.raises(ActionFailed, match="cannot start"):
        run_scanner([str(tmp_path / "none")], timeout=1, cwd=tmp_path, env=env)


def test_what_must_not_be_told_is_not(tmp_path: Any) -> None:
    argv = [
        "sh",
        "-c",
        f"printf '\\033[31mno %s in %s of %s\\033[0m' SECRET {tmp_path} /home/me; exit 1",
    ]
    hidden = {"/home/me": "~", "SECRET": "***"}
    with pytest.raises(ReportError, match=r"ended with code 1: no \*\*\* in \. of ~$"):
        run_scanner(argv, timeout=10, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, hidden=hidden)


def test_what_is_needed_and_not_there() -> None:
    needed("sh", "scan-x", "")
    with pytest.raises(PluginError, match="scan-x needs 'no-such-tool'") as caught:
        needed("no-such-tool", "scan-x", "Install it.")
    assert caught.value.remedy == "Install it."


def test_the_environment_is_everything_but() -> None:
    environ = {"A": "1", "TOOL_IGNORE": "all", "tool_ignore": "all", "TOOL": "x"}
    assert environment(environ, "TOOL_", B="2") == {"A": "1", "TOOL": "x", "B": "2"}


def test_versions_are_found_in_words() -> None:
    assert version_in("osv-scanner version: 2.5.0\ncommit: n/a") == "2.5.0"
    with pytest.raises(ReportError):
        version_in("hello")
