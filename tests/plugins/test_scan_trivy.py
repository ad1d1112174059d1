"""scan-trivy with the real trivy on a small real database, and with everything that goes wrong."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sluiceway_scan_trivy
from sluiceway.errors import ConfigurationError, PluginError
from sluiceway.model import BuildRequest, CheckStatus, Image, Scan, Status
from sluiceway.oci import push_layout
from sluiceway.oci.client import RegistryClient
from sluiceway.scanning import ReportError
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_registry_folder.server import FolderServer, bind
from sluiceway_registry_folder.storage import Store
from sluiceway_scan_trivy.report import parse

from .scan_kit import DIGEST, IMAGE, checked, program, project, sbom, trivy_cache

JINJA, SAMPLE, LODASH = (
    "pkg:pypi/jinja2@2.4.1",
    "pkg:pypi/sampleproject@3.0.0",
    "pkg:npm/lodash@4.17.11",
)
real = pytest.mark.real_tool("trivy")


def scan(root: Path, *purls: str, image: Image = IMAGE, environ: Any = None, **more: Any) -> Scan:
    settings = {"look_at": "sbom", "cache": "cache", **more}
    found = sluiceway_scan_trivy.sluiceway_scan(
        project(root, **(environ or {})),
        image,
        sbom(*purls, subject=image.digest),
        MemoryRegistry(),
        settings,
    )
    return checked(found, root)


def scan_tree(root: Path, folder: Path, **more: Any) -> Scan:
    settings = {"cache": "cache", **more}
    found = sluiceway_scan_trivy.sluiceway_scan_tree(project(root), folder, settings)
    return checked(found, root)


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    trivy_cache(tmp_path / "cache")
    return tmp_path


# --- the real one -----------------------------------------------------------------------------


@real
def test_an_sbom(cached: Path) -> None:
    found = scan(cached, JINJA, SAMPLE, "pkg:golang/example.com/x@v1.0.0")
    assert found.status is Status.OK
    (one,) = found.vulnerabilities
    assert (one.id, one.aliases, one.package) == ("CVE-2014-1402", ("GHSA-8r7q-cvjq-x353",), JINJA)
    assert (one.severity, one.installed, one.fixed) == ("MEDIUM", "2.4.1", ("2.7.2",))
    assert one.source == "GitHub Security Advisory Pip"
    assert found.maker.tool == "trivy"
    assert found.maker.version
    assert found.uncovered == ("pkg:golang/example.com/x@v1.0.0",)  # no bucket of Go's
    assert found.database["uri"] == "cache"
    assert found.database["advisories"] == 2
    assert found.database["newest"] == "2026-11-24T00:00:00Z"
    assert found.database["ecosystems"] == ["debian 12", "npm", "pip"]
    assert found.database["digest"].startswith("sha256:")
    assert found.summary == (
        "2 packages compared with 2 advisories (newest 2026-11-24): "
        "known vulnerabilities: 1 MEDIUM; 1 package not covered"
    )


@real
def test_absent_arrays_are_a_clean_scan_when_packages_were_compared(cached: Path) -> None:
    found = scan(cached, SAMPLE)
    assert (found.status, found.vulnerabilities, found.uncovered) == (Status.OK, (), ())


@real
def test_a_scanner_that_skipped_everything_and_exits_0_has_not_scanned(cached: Path) -> None:
    # Trivy knows Debian's packages only with their system, which an SPDX package need not name.
    debian = "pkg:deb/debian/libc6@2.36-9?distro=debian-12"
    found = scan(cached, debian)
    assert (found.status, found.uncovered) == (Status.NO_DATA, (debian,))
    assert found.summary.startswith("not scanned: none of the 1 package")
    assert scan(cached).status is Status.NO_DATA


@real
def test_a_source_tree(cached: Path) -> None:
    tree = cached / "tree"
    (tree / "web").mkdir(parents=True)
    (tree / "requirements.txt").write_text("jinja2==2.4.1\nsampleproject==3.0.0\n")
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "": {"dependencies": {"lodash": "4.17.11"}},
            "node_modules/lodash": {"version": "4.17.11"},
        },
    }
    (tree / "web" / "package-lock.json").write_text(json.dumps(lock))
    # What lies in a tree must not be able to leave findings out.
    (tree / ".trivyignore").write_text("CVE-2014-1402\nCVE-2019-10744\n")
    (tree / "trivy.yaml").write_text("severity: [LOW]\n")
    found = scan_tree(cached, tree)
    assert found.status is Status.OK
    assert found.subject == tree.as_uri()
    assert [(each.id, each.severity) for each in found.vulnerabilities] == [
        ("CVE-2019-10744", "CRITICAL"),
        ("CVE-2014-1402", "MEDIUM"),
    ]
    empty = cached / "empty"
    empty.mkdir()
    assert scan_tree(cached, empty).status is Status.NO_DATA


@real
def test_settings_of_trivy_s_own_do_not_hide_findings(
    cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cached / ".trivyignore").write_text("CVE-2014-1402\n")
    monkeypatch.chdir(cached)
    found = scan(cached, JINJA, environ={"TRIVY_SEVERITY": "CRITICAL", "TRIVY_QUIET": "x"})
    assert [each.id for each in found.vulnerabilities] == ["CVE-2014-1402"]


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[Image]:
    """Build an image with two Python packages by the embedded builder and push it to loopback."""
    import sluiceway_build_layers

    context = tmp_path / "context"
    for name, version in (("jinja2", "2.4.1"), ("sampleproject", "3.0.0")):
        folder = context / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(metadata)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /usr/lib/python3/site-packages/\n")
    layout = tmp_path / "layout"
    layout.mkdir()
    request = BuildRequest(
        context=context,
        dockerfile=context / "Dockerfile",
        repository="x",
        version="1",
        revision="",
        source="",
        epoch=0,
        layout=layout,
    )
    place = project(tmp_path)
    built = sluiceway_build_layers.sluiceway_build(place, request, {})
    assert built is not None
    listener = bind("127.0.0.1", 0)
    server = FolderServer(Store.open(tmp_path / "store"), listener)
    stop = threading.Event()
    thread = threading.Thread(
        target=server.run, args=(stop, 3600.0), kwargs={"poll_seconds": 0.003}
    )
    thread.start()
    try:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with RegistryClient(f"{address}/team/app") as client:
            manifest = push_layout(client, built.layout)
        yield Image(
            repository=f"{address}/team/app",
            digest=manifest.digest,
            media_type=manifest.media_type,
        )
    finally:
        stop.set()
        thread.join(10)
        server.server_close()


@real
def test_an_image_by_its_digest_from_the_registry(cached: Path, pushed: Image) -> None:
    listed = (JINJA, SAMPLE, "pkg:pypi/only-in-the-sbom@1.0")
    found = scan(cached, *listed, image=pushed, look_at="image")
    assert found.status is Status.OK, found.summary
    assert [(each.id, each.package) for each in found.vulnerabilities] == [("CVE-2014-1402", JINJA)]
    assert found.uncovered == listed[2:]  # trivy did not see it, so nobody judged it


@real
def test_an_image_that_cannot_be_pulled_is_an_error(cached: Path) -> None:
    found = scan(
        cached,
        JINJA,
        look_at="image",
        image=Image(repository="127.0.0.1:1/none", digest=DIGEST, media_type="m"),
    )
    assert found.status is Status.ERROR
    assert "trivy: it ended with code 1" in found.summary


# --- the database -----------------------------------------------------------------------------


@real
def test_no_database_is_not_scanned(tmp_path: Path) -> None:
    (tmp_path / "cache" / "db").mkdir(parents=True)  # a folder alone is none
    found = scan(tmp_path, JINJA)
    assert (found.status, found.uncovered) == (Status.NO_DATA, (JINJA,))
    assert "there is no database in cache" in found.summary
    assert "--download-db-only" in found.summary


@real
def test_a_database_from_the_future_is_an_error(tmp_path: Path) -> None:
    trivy_cache(tmp_path / "cache", updated="2999-01-01T00:00:00Z")
    found = scan(tmp_path, JINJA)
    assert found.status is Status.ERROR
    assert "from the future" in found.summary


def _cut(folder: Path) -> None:
    path = folder / "trivy.db"
    path.write_bytes(path.read_bytes()[:9000])


@real
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_cut, "its database cannot be used"),
        (lambda folder: (folder / "trivy.db").write_bytes(b""), "it is empty"),
        (lambda folder: (folder / "trivy.db").write_bytes(b"x" * 90000), "no bbolt database"),
        (lambda folder: (folder / "trivy.db").unlink(), "trivy.db"),
        (lambda folder: (folder / "metadata.json").unlink(), "metadata.json"),
        (lambda folder: (folder / "metadata.json").write_text("{"), "cannot be used"),
        (lambda folder: (folder / "metadata.json").write_text('{"Version": 3}'), "version 2"),
        (lambda folder: (folder / "metadata.json").write_text('{"Version": 2}'), "updated"),
    ],
)
def test_a_database_that_cannot_be_used_is_an_error(tmp_path: Path, spoil: Any, words: str) -> None:
    spoil(trivy_cache(tmp_path / "cache") / "db")
    found = scan(tmp_path, JINJA)
    assert found.status is Status.ERROR
    assert words in found.summary


# --- programs that went wrong -----------------------------------------------------------------

VERSION = 'if [ "$1" = version ]; then echo \'{"Version": "0.76.0"}\'; exit 0; fi'


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (('echo \'{"SchemaVersion": 2, "Res\'',), "not JSON, or cut off"),
        (("echo 'WARN something'", "echo '{}'"), "not JSON, or cut off; it begins with 'WARN"),
        (("echo '{}'",), "has schema None"),
        (("exit 0",), "it printed nothing"),
        (("echo 'FATAL no luck' >&2", "exit 1"), "ended with code 1: FATAL no luck"),
        (("sleep 60",), "did not end within"),
    ],
)
def test_a_scanner_that_fails_is_an_error(cached: Path, lines: Any, words: str) -> None:
    fake = program(cached / "trivy", VERSION, *lines)
    found = scan(cached, JINJA, program=fake, timeout_seconds=0.5)
    assert found.status is Status.ERROR
    assert words in found.summary
    assert found.uncovered == (JINJA,)


def test_a_program_that_is_not_there_says_what_to_do(cached: Path) -> None:
    with pytest.raises(PluginError, match="not on PATH") as caught:
        scan(cached, JINJA, program="no-such-trivy")
    assert "Install trivy" in caught.value.remedy
    (line,) = sluiceway_scan_trivy.sluiceway_doctor(project(cached), {"program": "no-such-trivy"})
    assert line.status is CheckStatus.FAIL


@real
def test_an_sbom_of_another_image_is_an_error(cached: Path) -> None:
    other = sbom(JINJA, subject="sha256:" + "b" * 64)
    found = sluiceway_scan_trivy.sluiceway_scan(
        project(cached), IMAGE, other, MemoryRegistry(), {"cache": "cache"}
    )
    assert checked(found, cached).status is Status.ERROR


@pytest.mark.parametrize(
    "settings", [{"look_at": "tree"}, {"timeout_seconds": 0}, {"cahce": "x"}, {"update": "yes"}]
)
def test_settings_are_checked(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="scan-trivy"):
        sluiceway_scan_trivy.sluiceway_doctor(project(tmp_path), settings)


@real
def test_doctor_says_how_old_the_database_is(cached: Path) -> None:
    (line,) = sluiceway_scan_trivy.sluiceway_doctor(project(cached), {"cache": "cache"})
    assert line.status is CheckStatus.OK
    assert "2026-11-24" in line.detail
    shutil.rmtree(cached / "cache")
    (line,) = sluiceway_scan_trivy.sluiceway_doctor(project(cached), {"cache": "cache"})
    assert line.status is CheckStatus.WARN
    assert line.detail == "no database in cache yet"
    assert "--download-db-only --cache-dir cache`" in line.remedy  # where the scan will look


# --- reports ----------------------------------------------------------------------------------

BASE = {"SchemaVersion": 2, "ArtifactName": "/tree", "ArtifactType": "filesystem"}
IN_IMAGE = {"ArtifactType": "container_image", "Metadata": {"RepoDigests": [f"x/y@{DIGEST}"]}}
HIT = {"VulnerabilityID": "CVE-1", "PkgName": "tool", "InstalledVersion": "1"}


def results(**more: Any) -> dict[str, Any]:
    return {"Results": [{"Target": "x", **more}]}


def test_reports_without_arrays_are_empty() -> None:
    for more in ({}, results(), {"Results": None}, results(Packages=None, Vulnerabilities=None)):
        found = parse(json.dumps({**BASE, **more}), kind="filesystem", name="/tree")
        assert (found.packages, found.found) == ((), ())


def test_a_finding_without_package_url_or_severity_is_kept() -> None:
    body = json.dumps({**BASE, **results(Vulnerabilities=[HIT])})
    (one,) = parse(body, kind="filesystem", name="/tree").found
    assert (one.id, one.package, one.severity, one.fixed) == ("CVE-1", "tool@1", "UNKNOWN", ())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"SchemaVersion": 3}, "schema 3"),
        ({"ArtifactType": "repository"}, "about a 'repository'"),
        ({"ArtifactName": "/other"}, "another file or folder"),
        ({"Results": {}}, "Results"),
        (results(Vulnerabilities={}), "Vulnerabilities"),
        (results(Vulnerabilities=[{**HIT, "VulnerabilityID": ""}]), "VulnerabilityID"),
        (results(Vulnerabilities=[{"VulnerabilityID": "CVE-1"}]), "PkgName"),
        (results(Packages=[{}]), "Name"),
    ],
)
def test_a_report_of_another_shape_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ReportError, match=words):
        parse(json.dumps({**BASE, **more}), kind="filesystem", name="/tree")


def test_a_report_about_another_digest_is_refused() -> None:
    body = json.dumps({**BASE, **IN_IMAGE})
    assert parse(body, kind="container_image", digest=DIGEST).packages == ()
    for digest, more in (("sha256:" + "b" * 64, IN_IMAGE), (DIGEST, {"Metadata": {}})):
        body = json.dumps({**BASE, **IN_IMAGE, **more})
        with pytest.raises(ReportError, match="not about"):
            parse(body, kind="container_image", digest=digest)
