"""scan-npm-audit with the real npm and a registry on loopback that answers as npm's does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sluiceway_scan_npm_audit
from sluiceway.errors import ConfigurationError, PluginError
from sluiceway.model import CheckStatus, Scan, Status
from sluiceway.scanning import ReportError, package_at
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_scan_npm_audit.lock import pinned
from sluiceway_scan_npm_audit.report import parse

from .npm_kit import ADVISORY, Endpoint, answering
from .scan_kit import IMAGE, checked, program, project, sbom

real = pytest.mark.real_tool("npm")
LODASH, PAD = "pkg:npm/lodash@4.17.11", "pkg:npm/left-pad@1.3.0"
SECRET = "npm_0123456789abcdef"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with answering() as state:
        yield state


def lock(**packages: dict[str, Any]) -> dict[str, Any]:
    places = {f"node_modules/{name}": each for name, each in packages.items()}
    needs = {name: each["version"] for name, each in packages.items() if not each.get("dev")}
    own = {"name": "web", "version": "1.0.0", "dependencies": needs}
    return {"name": "web", "lockfileVersion": 3, "requires": True, "packages": {"": own, **places}}


BOTH = lock(lodash={"version": "4.17.11"}, **{"left-pad": {"version": "1.3.0", "dev": True}})


def service(root: Path, document: Any = BOTH, name: str = "web") -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package-lock.json").write_text(json.dumps(document))
    needs = {"name": "web", "version": "1.0.0", "dependencies": {"lodash": "4.17.11"}}
    (folder / "package.json").write_text(json.dumps(needs))
    return folder


def scan(root: Path, endpoint: Endpoint, *purls: str, environ: Any = None, **more: Any) -> Scan:
    settings = {"folder": "web", "registry": endpoint.url, **more}
    found = sluiceway_scan_npm_audit.sluiceway_scan(
        project(root, **(environ or {})), IMAGE, sbom(*purls), MemoryRegistry(), settings
    )
    return checked(found, root)


# --- the real one -----------------------------------------------------------------------------


@real
def test_a_critical_advisory(tmp_path: Path, endpoint: Endpoint) -> None:
    service(tmp_path)
    others = (PAD, "pkg:npm/lodash@4.17.12", "pkg:pypi/lodash@4.17.11")
    found = scan(tmp_path, endpoint, LODASH, *others)
    assert found.status is Status.OK, found.summary
    (one,) = found.vulnerabilities
    assert (one.id, one.package, one.severity) == ("GHSA-jf85-cpcp-j695", LODASH, "CRITICAL")
    assert (one.installed, one.fixed) == ("4.17.11", ("4.17.12",))
    assert one.source == ADVISORY["url"]
    # Not asked about: what only development needs, other versions, other ecosystems.
    assert found.uncovered == others
    assert endpoint.asked == [
        ("/-/npm/v1/security/advisories/bulk", {"lodash": ["4.17.11"]}),
    ]
    assert found.database["uri"] == f"{endpoint.url}/"
    assert (found.database["advisories"], found.database["newest"]) == (None, None)
    assert found.maker.tool == "npm-audit"
    assert found.maker.version


@real
def test_a_package_json_that_contradicts_the_lock_file_hides_nothing(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    folder = service(tmp_path)
    (folder / "package.json").write_text('{"name": "web", "version": "1.0.0"}')
    found = scan(tmp_path, endpoint, LODASH)
    assert [each.package for each in found.vulnerabilities] == [LODASH]


@real
def test_an_npmrc_in_the_tree_is_given_none_of_our_secrets(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    """npm puts variables into it, and it says where they are sent."""
    folder = service(tmp_path)
    host = endpoint.url.removeprefix("http:")
    (folder / ".npmrc").write_text(f"{host}/:_authToken=${{COSIGN_PASSWORD}}\n")
    scan(tmp_path, endpoint, LODASH, environ={"COSIGN_PASSWORD": SECRET})
    assert len(endpoint.tokens) == 1
    assert SECRET not in str(endpoint.tokens)


@real
def test_nothing_found(tmp_path: Path, endpoint: Endpoint) -> None:
    service(tmp_path)
    endpoint.body = {}
    found = scan(tmp_path, endpoint, LODASH)
    assert (found.status, found.vulnerabilities, found.uncovered) == (Status.OK, (), ())


@real
@pytest.mark.parametrize("status", [503, 405, 401])
def test_exit_1_that_means_the_endpoint_is_down_is_an_error(
    tmp_path: Path, endpoint: Endpoint, status: int
) -> None:
    service(tmp_path)
    endpoint.status, endpoint.body = status, {"error": "no"}
    found = scan(tmp_path, endpoint, LODASH)
    assert found.status is Status.ERROR
    assert "there was no audit" in found.summary
    assert str(status) in found.summary
    assert found.uncovered == (LODASH,)


@real
def test_a_registry_that_nobody_answers_for_is_an_error(tmp_path: Path) -> None:
    service(tmp_path)
    found = scan(tmp_path, Endpoint(url="http://127.0.0.1:1"), LODASH)
    assert found.status is Status.ERROR
    assert "there was no audit" in found.summary


@real
def test_an_image_without_the_packages_is_not_scanned(tmp_path: Path, endpoint: Endpoint) -> None:
    service(tmp_path)
    endpoint.body = {}
    found = scan(tmp_path, endpoint, "pkg:pypi/a@1")
    assert found.status is Status.NO_DATA
    assert scan(tmp_path, endpoint, LODASH, folder=".").status is Status.NO_DATA  # no lock file


@real
def test_a_source_tree_with_several_lock_files(tmp_path: Path, endpoint: Endpoint) -> None:
    tree = tmp_path / "tree"
    service(tree, name="one")
    service(tree, lock(**{"left-pad": {"version": "1.3.0"}}), name="two")
    service(tree, name="node_modules/lodash")
    settings = {"registry": endpoint.url}
    found = sluiceway_scan_npm_audit.sluiceway_scan_tree(project(tmp_path), tree, settings)
    assert checked(found, tmp_path).status is Status.OK
    assert found.subject == tree.as_uri()
    assert [each.package for each in found.vulnerabilities] == [LODASH]
    assert found.uncovered == ()
    assert len(endpoint.asked) == 2
    endpoint.status = 503  # all of them or none
    found = sluiceway_scan_npm_audit.sluiceway_scan_tree(project(tmp_path), tree, settings)
    assert found.status is Status.ERROR
    (tmp_path / "empty").mkdir()
    found = sluiceway_scan_npm_audit.sluiceway_scan_tree(
        project(tmp_path), tmp_path / "empty", settings
    )
    assert found.status is Status.NO_DATA


# --- settings of npm's own --------------------------------------------------------------------


@real
def test_a_user_s_token_is_used_only_when_its_file_is_named(
    tmp_path: Path, endpoint: Endpoint, isolated_environment: Path
) -> None:
    folder = service(tmp_path)
    host = endpoint.url.removeprefix("http:")
    (isolated_environment / ".npmrc").write_text(f"{host}/:_authToken={SECRET}\naudit=false\n")
    found = scan(tmp_path, endpoint, LODASH)
    assert endpoint.tokens == [None]
    (tmp_path / "ci.npmrc").write_text(f"{host}/:_authToken=${{TOKEN}}\n")
    environ = {"TOKEN": SECRET, "NPM_CONFIG_OMIT": "prod"}
    again = scan(tmp_path, endpoint, LODASH, environ=environ, npmrc="ci.npmrc")
    assert endpoint.tokens == [None, f"Bearer {SECRET}"]
    assert found.vulnerabilities == again.vulnerabilities
    assert SECRET not in f"{found}{again}"
    assert sorted(path.name for path in folder.iterdir()) == ["package-lock.json", "package.json"]
    assert sorted(path.name for path in isolated_environment.iterdir()) == [".npmrc"]


@real
def test_the_project_s_own_registry_is_asked(tmp_path: Path, endpoint: Endpoint) -> None:
    folder = service(tmp_path)
    (folder / ".npmrc").write_text(f"registry={endpoint.url}/\naudit-level=critical\n")
    found = scan(tmp_path, endpoint, LODASH, registry="")
    assert found.status is Status.OK
    assert len(endpoint.asked) == 1
    assert found.database["uri"] == f"{endpoint.url}/"


@pytest.mark.parametrize(
    "settings",
    [
        {"registry": f"https://me:{SECRET}@example.org/"},
        {"timeout_seconds": 0},
        {"folder": 1},
        {"omit": "dev"},
    ],
)
def test_settings_are_checked(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="scan-npm-audit") as caught:
        sluiceway_scan_npm_audit.sluiceway_doctor(project(tmp_path), settings)
    assert SECRET not in f"{caught.value.diagnostics()}"


@real
def test_doctor(tmp_path: Path) -> None:
    doctor = sluiceway_scan_npm_audit.sluiceway_doctor
    (line,) = doctor(project(tmp_path), {"folder": "web"})
    assert line.status is CheckStatus.WARN
    service(tmp_path)
    (line,) = doctor(project(tmp_path), {"folder": "web"})
    assert line.status is CheckStatus.OK
    (line,) = doctor(project(tmp_path), {"program": "no-such-npm"})
    assert line.status is CheckStatus.FAIL


# --- programs and reports that went wrong -----------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("echo '{\"auditReportVersion\": 2,'", "exit 1"), "not JSON, or cut off"),
        (("echo 'npm warn x'", "echo '{}'"), "begins with 'npm warn x"),
        (("exit 1",), "it printed nothing"),
        (("echo no luck >&2", "exit 2"), "ended with code 2: no luck"),
        (("sleep 60",), "did not end within"),
    ],
)
def test_a_scanner_that_fails_is_an_error(
    tmp_path: Path, endpoint: Endpoint, lines: Any, words: str
) -> None:
    service(tmp_path)
    probe = 'case "$1" in --version) echo 11.0.0; exit 0;; esac'
    fake = program(tmp_path / "npm", probe, *lines)
    found = scan(tmp_path, endpoint, LODASH, program=fake, timeout_seconds=0.5)
    assert found.status is Status.ERROR
    assert words in found.summary


def test_a_program_that_is_not_there_says_what_to_do(tmp_path: Path, endpoint: Endpoint) -> None:
    with pytest.raises(PluginError, match="not on PATH"):
        scan(tmp_path, endpoint, LODASH, program="no-such-npm")


PINNED = {"node_modules/lodash": package_at(LODASH)}
VIA = {"source": 1065, "url": ADVISORY["url"], "severity": "high", "range": "<4.17.12"}
ENTRY = {"name": "lodash", "via": [VIA], "nodes": ["node_modules/lodash"]}


def report(*, total: int | None = None, version: int = 2, **entries: Any) -> str:
    counts = {"total": len(entries) if total is None else total}
    return json.dumps(
        {
            "auditReportVersion": version,
            "vulnerabilities": entries,
            "metadata": {"vulnerabilities": counts},
        }
    )


def test_every_severity_and_range_is_reported() -> None:
    words = {"critical": "CRITICAL", "high": "HIGH", "moderate": "MEDIUM", "low": "LOW"}
    for word, level in {**words, "info": "LOW", "odd": "UNKNOWN"}.items():
        (found,) = parse(report(lodash={**ENTRY, "via": [{**VIA, "severity": word}]}), PINNED)
        assert found.severity == level
    ranged = {**VIA, "url": "", "range": ">=1.0.0 <1.2.5 || >=2.0.0 <2.1.0-rc.1"}
    (found,) = parse(report(lodash={**ENTRY, "via": [ranged]}), PINNED)
    assert (found.id, found.fixed, found.source) == ("npm:1065", ("1.2.5", "2.1.0-rc.1"), "npm")
    (found,) = parse(report(lodash={**ENTRY, "via": [{**VIA, "range": "*"}]}), PINNED)
    assert found.fixed == ()


def test_who_only_depends_on_a_bad_package_is_not_counted_twice() -> None:
    above = {"name": "web-kit", "via": ["lodash"], "nodes": ["node_modules/lodash"]}
    found = parse(report(lodash=ENTRY, web_kit=above), PINNED)
    assert [(each.id, each.package) for each in found] == [("GHSA-jf85-cpcp-j695", LODASH)]


@pytest.mark.parametrize(
    "printed",
    [
        "{}",
        '{"message": "down", "error": {}}',
        report(version=3),
        report(lodash=ENTRY, total=2),
        report(lodash={**ENTRY, "nodes": ["node_modules/other"]}),
        report(lodash={**ENTRY, "nodes": []}),
        report(lodash={**ENTRY, "via": []}),
        report(lodash={**ENTRY, "via": ["absent"]}),
        report(lodash={**ENTRY, "via": [1]}),
        report(lodash={**ENTRY, "via": [{"severity": "high"}]}),
        report(lodash=[]),
        '{"auditReportVersion": 2}',
        '{"auditReportVersion": 2, "vulnerabilities": {}}',
    ],
)
def test_a_report_of_another_shape_is_refused(printed: str) -> None:
    with pytest.raises(ReportError):
        parse(printed, PINNED)


def test_what_npm_says_is_told_without_what_an_address_may_hide() -> None:
    message = f"503 - POST http://me:{SECRET}@127.0.0.1/-/npm/v1"
    with pytest.raises(ReportError, match="503") as caught:
        parse(json.dumps({"message": message}), PINNED)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("body", ["{", "[]", '{"lockfileVersion": 1}', '{"lockfileVersion": 3}'])
def test_a_lock_file_that_cannot_be_read_is_refused(body: str) -> None:
    with pytest.raises(ReportError):
        pinned(body, with_dev=False)


def test_links_and_development_are_not_asked_about() -> None:
    document = {
        "lockfileVersion": 2,
        "packages": {
            "": {},
            "inner": {"version": "1.0.0"},
            "node_modules/inner": {"link": True},
            "node_modules/@a/b": {"version": "1.0.0", "dev": True},
            "node_modules/@a/b/node_modules/c": {"name": "real", "version": "2.0.0"},
        },
    }
    body = json.dumps(document)
    assert [each.label for each in pinned(body, with_dev=False).values()] == ["pkg:npm/real@2.0.0"]
    assert len(pinned(body, with_dev=True)) == 2
