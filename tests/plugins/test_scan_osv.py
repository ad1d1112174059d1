"""scan-osv through its hooks: databases on disk, and never more certain than it may be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import sluiceway_scan_osv
from sluiceway import __version__
from sluiceway.errors import ConfigurationError
from sluiceway.model import CheckStatus, Image, Maker, Project, Sbom, Scan, Status, canonical
from sluiceway.testing.memory_registry import MemoryRegistry

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "settlement"
REAL = ROOT.parent / "shared" / "data"
DIGEST = "sha256:" + "a" * 64
IMAGE = Image(repository="127.0.0.1:5555/service", digest=DIGEST, media_type="m")
VARIABLE = "OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY"


def sbom(*purls: str, nameless: str = "", subject: str = DIGEST) -> Sbom:
    packages: list[dict[str, Any]] = [
        {
            "SPDXID": f"SPDXRef-{number}",
            "name": purl,
            "externalRefs": [{"referenceType": "purl", "referenceLocator": purl}],
        }
        for number, purl in enumerate(("pkg:oci/service@sha256%3Aaa", *purls))
    ]
    if nameless:
        packages.append({"SPDXID": "SPDXRef-Z", "name": nameless})
    return Sbom(
        document={"spdxVersion": "SPDX-2.3", "packages": packages},
        subject=subject,
        packages=len(purls),
        maker=Maker(plugin="sbom-test", tool="t", version="1"),
    )


def project(root: Path, **environ: str) -> Project:
    return Project(service="s", root=root, state=root, environ=environ)


def scan(place: Project, document: Sbom, **settings: Any) -> Scan:
    found = sluiceway_scan_osv.sluiceway_scan(place, IMAGE, document, MemoryRegistry(), settings)
    assert isinstance(found, Scan)
    canonical(found)  # it can be attested
    assert found.subject == DIGEST
    assert found.maker == Maker(plugin="scan-osv", tool="osv", version=__version__)
    assert set(found.database) == {"uri", "digest", "advisories", "newest", "ecosystems"}
    return found


def advisory(id_: str, ecosystem: str = "PyPI", name: str = "tool", **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "modified": "2026-11-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [
                    {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}
                ],
            }
        ],
        **more,
    }


def write(folder: Path, *records: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for record in records:
        (folder / f"{record['id']}.json").write_text(json.dumps(record))
    return folder


def pack(folder: Path, *records: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    return folder


# --- the example, and real advisories ---------------------------------------------------------


def test_the_example_is_clean_and_its_older_dependency_is_not() -> None:
    place = project(EXAMPLE)
    clean = scan(place, sbom("pkg:pypi/settlement-rounding@1.2.0"), database="advisories")
    assert (clean.status, clean.vulnerabilities, clean.uncovered) == (Status.OK, (), ())
    assert clean.summary == (
        "1 package compared with 3 advisories (newest 2026-11-16): no known vulnerability"
    )
    hit = scan(place, sbom("pkg:pypi/settlement-rounding@1.1.0"), database="advisories")
    assert hit.status is Status.OK
    assert [(each.id, each.severity, each.fixed) for each in hit.vulnerabilities] == [
        ("EXAMPLE-2026-0001", "HIGH", ("1.2.0",))
    ]
    assert hit.database == clean.database
    assert hit.database["newest"] == "2026-11-16T09:00:00Z"
    assert hit.database["ecosystems"] == ["PyPI"]
    assert hit.summary.endswith("known vulnerabilities: 1 HIGH")


@pytest.mark.skipif(not (REAL / "osv").is_dir(), reason="no ../shared/data beside the checkout")
def test_real_advisories_about_old_packages() -> None:
    packages = ("jinja2@2.4.1", "requests@2.20.0", "urllib3@1.26.4", "sampleproject@3.0.0")
    found = scan(project(REAL), sbom(*(f"pkg:pypi/{each}" for each in packages)), database="osv")
    assert found.status is Status.OK
    assert {each.id: each.severity for each in found.vulnerabilities} == {
        "PYSEC-2014-8": "UNKNOWN",
        "PYSEC-2014-82": "UNKNOWN",
        "PYSEC-2019-217": "UNKNOWN",
        "PYSEC-2019-220": "UNKNOWN",
        "PYSEC-2021-66": "UNKNOWN",
        "PYSEC-2021-108": "UNKNOWN",
        "PYSEC-2023-74": "UNKNOWN",
        "PYSEC-2023-192": "HIGH",
        "PYSEC-2023-212": "MEDIUM",
    }
    by_id = {each.id: each for each in found.vulnerabilities}
    assert by_id["PYSEC-2023-74"].fixed == ("2.31.0",)
    assert "CVE-2023-32681" in by_id["PYSEC-2023-74"].aliases
    assert found.database["advisories"] == 2661
    assert str(found.database["newest"]).startswith("2024-10-10")


# --- where the database is --------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "osv-scanner", "osv-scalibr"])
@pytest.mark.parametrize("make", [write, pack])
def test_layouts(tmp_path: Path, below: str, make: Any) -> None:
    make(tmp_path / "db" / below / "npm", advisory("A-1", "npm"))
    found = scan(project(tmp_path), sbom("pkg:npm/tool@1.9.9"), database="db")
    assert [each.id for each in found.vulnerabilities] == ["A-1"]
    assert found.database["ecosystems"] == ["npm"]


def test_the_environment_names_it_where_the_settings_do_not(tmp_path: Path) -> None:
    pack(tmp_path / "far" / "osv-scanner" / "PyPI", advisory("A-1"))
    pack(tmp_path / "near" / "PyPI", advisory("B-1"))
    place = project(tmp_path, **{VARIABLE: str(tmp_path / "far")})
    far = scan(place, sbom("pkg:pypi/tool@1"))
    near = scan(place, sbom("pkg:pypi/tool@1"), database="near")
    assert [each.id for each in far.vulnerabilities] == ["A-1"]
    assert [each.id for each in near.vulnerabilities] == ["B-1"]
    # What goes into an attestation does not say where on this machine the folder is.
    assert str(tmp_path) not in canonical(far).decode() + canonical(near).decode()


def test_the_digest_names_the_content_and_nothing_else(tmp_path: Path) -> None:
    one, two = advisory("A-1"), advisory("A-2", modified="2026-11-02T00:00:00.123456789Z")
    write(tmp_path / "plain" / "PyPI", one, two)
    pack(tmp_path / "packed" / "PyPI", two, one)
    pack(tmp_path / "doubled" / "PyPI", one, two)
    write(tmp_path / "doubled" / "PyPI", one)
    pack(tmp_path / "changed" / "PyPI", one, {**two, "summary": "x"})
    facts = {
        name: scan(project(tmp_path), sbom("pkg:pypi/tool@3"), database=name).database
        for name in ("plain", "packed", "doubled", "changed")
    }
    assert facts["plain"]["digest"] == facts["packed"]["digest"] == facts["doubled"]["digest"]
    assert facts["plain"]["digest"] != facts["changed"]["digest"]
    assert {each["advisories"] for each in facts.values()} == {2}
    assert {each["newest"] for each in facts.values()} == {"2026-11-02T00:00:00.123Z"}


@pytest.mark.parametrize(
    ("settings", "environ", "words"),
    [
        ({}, {}, "no advisory database is configured"),
        ({"database": "nowhere"}, {}, "the advisory database nowhere is no folder"),
        ({"database": "empty"}, {}, "holds no <Ecosystem>/all.zip"),
        ({}, {VARIABLE: "nowhere"}, f"${VARIABLE} is no folder"),
    ],
)
def test_without_a_database_nothing_is_scanned(
    tmp_path: Path, settings: dict[str, Any], environ: dict[str, str], words: str
) -> None:
    (tmp_path / "empty" / "PyPI").mkdir(parents=True)
    place = project(tmp_path, **environ)
    found = scan(place, sbom("pkg:pypi/tool@1"), **settings)
    assert found.status is Status.NO_DATA
    assert found.summary.startswith("not scanned: ")
    assert words in found.summary
    assert "all.zip" in found.summary  # how to get one
    assert found.uncovered == ("pkg:pypi/tool@1",)
    assert (found.database["advisories"], found.database["digest"]) == (0, "")
    (line,) = sluiceway_scan_osv.sluiceway_doctor(place, settings)
    assert line.status is (CheckStatus.FAIL if settings or environ else CheckStatus.WARN)
    assert words in line.detail
    assert VARIABLE in line.remedy


# --- what is not covered ----------------------------------------------------------------------


def test_what_is_not_covered_is_listed(tmp_path: Path) -> None:
    for ecosystem in ("PyPI", "npm", "Debian", "Alpine"):
        pack(tmp_path / "db" / ecosystem, advisory("A-1", ecosystem))
    pack(tmp_path / "db" / "crates.io")  # an archive without advisories covers nothing
    purls = (
        "pkg:deb/debian/libc6@2.36-9",
        "pkg:apk/alpine/musl@1.2",
        "pkg:golang/example.com/x@v1.0.0",
        "pkg:cargo/serde@1.0.0",
        "pkg:pypi/tool",
        "pkg:npm/tool@latest",
        "pkg:generic/blob@1",
        "nonsense",
    )
    found = scan(
        project(tmp_path),
        sbom(*purls, "pkg:pypi/tool@2.0.0", nameless="busybox"),
        database="db",
    )
    assert found.status is Status.OK
    assert found.vulnerabilities == ()
    assert found.uncovered == (*purls, "busybox")
    assert found.summary.endswith("no known vulnerability; 9 packages not covered")
    assert found.database["ecosystems"] == ["PyPI", "npm"]


@pytest.mark.parametrize(
    "purls", [(), ("pkg:deb/debian/libc6@2.36",), ("pkg:npm/tool@1.0.0",), ("pkg:pypi/tool@x-y",)]
)
def test_a_scan_that_compared_nothing_is_not_clean(tmp_path: Path, purls: tuple[str, ...]) -> None:
    pack(tmp_path / "db" / "PyPI", advisory("A-1"))
    found = scan(project(tmp_path), sbom(*purls), database="db")
    assert found.status is Status.NO_DATA
    assert found.summary.startswith("not scanned: ")
    assert found.uncovered == purls


def test_a_version_that_cannot_be_ordered_is_still_found_by_name(tmp_path: Path) -> None:
    record = advisory("A-1")
    record["affected"][0]["versions"] = ["2004d-x"]
    pack(tmp_path / "db" / "PyPI", record)
    found = scan(project(tmp_path), sbom("pkg:pypi/tool@2004d-x"), database="db")
    assert found.status is Status.OK
    assert [each.id for each in found.vulnerabilities] == ["A-1"]
    assert found.uncovered == ("pkg:pypi/tool@2004d-x",)


def test_an_advisory_about_two_ecosystems_hits_both_wherever_it_lies(tmp_path: Path) -> None:
    record = advisory("A-1")
    record["affected"] += advisory("A-1", "npm")["affected"]
    record["affected"] += advisory("A-1", "npm", "other")["affected"]
    pack(tmp_path / "db" / "PyPI", record)
    purls = ("pkg:pypi/tool@1", "pkg:npm/other@1.0.0")
    found = scan(project(tmp_path), sbom(*purls), database="db")
    assert tuple(each.package for each in found.vulnerabilities) == purls
    assert found.uncovered == purls[1:]  # nobody can say what else there is about it


# --- what cannot be read ----------------------------------------------------------------------


def _broken_zip(folder: Path) -> None:
    (folder / "all.zip").write_bytes(b"PK\x03\x04 cut off")


def _bit_rot(folder: Path) -> None:
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("A-1.json", json.dumps(advisory("A-1", summary="FLIP")))
    body = (folder / "all.zip").read_bytes()
    (folder / "all.zip").write_bytes(body.replace(b"FLIP", b"FLAP"))


def _encrypted(folder: Path) -> None:
    pack(folder, advisory("A-1"))
    body = bytearray((folder / "all.zip").read_bytes())
    body[6] |= 1  # general purpose flag, bit 0, in the local header
    body[body.index(b"PK\x01\x02") + 8] |= 1  # and in the central directory
    (folder / "all.zip").write_bytes(bytes(body))


def _huge(folder: Path) -> None:
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A-1.json", b" " * (65 << 20))


def _text(body: str) -> Any:
    return lambda folder: (folder / "X.json").write_text(body)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_broken_zip, "PyPI/all.zip"),
        (_bit_rot, "PyPI/all.zip:A-1.json"),
        (_encrypted, "PyPI/all.zip:A-1.json"),
        (_huge, "no advisory is that large"),
        (_text("{"), "PyPI/X.json: it is not JSON"),
        (_text("[" * 200_000), "PyPI/X.json: it is not JSON"),
        (_text("[]"), "it has no 'id'"),
        (_text('{"id": "X"}'), "its 'modified'"),
        (_text('{"id": "X", "modified": "2026-11-01T00:00:00"}'), "its 'modified'"),
        (_text(json.dumps(advisory("X", affected=[{"package": {}}]))), "without ecosystem or name"),
        (lambda folder: (folder / "X.json").mkdir(), "PyPI/X.json"),
        (lambda folder: (folder / "X.json").symlink_to("gone.json"), "PyPI/X.json"),
        (lambda folder: write(folder, _bad_range()), "the advisory X-1 has 'ranges'"),
    ],
)
def test_a_database_that_cannot_be_read_whole_is_an_error(
    tmp_path: Path, spoil: Any, words: str
) -> None:
    folder = write(tmp_path / "db" / "PyPI", advisory("GOOD-1", name="other"))
    spoil(folder)
    found = scan(project(tmp_path), sbom("pkg:pypi/tool@1.0"), database="db")
    assert found.status is Status.ERROR
    assert words in found.summary
    assert found.vulnerabilities == ()
    assert str(tmp_path) not in found.summary


def _bad_range() -> dict[str, Any]:
    record = advisory("X-1")
    record["affected"][0]["ranges"] = {}
    return record


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_listed_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "db" / "PyPI", advisory("A-1"))
    folder.chmod(0)
    try:
        found = scan(project(tmp_path), sbom("pkg:pypi/tool@1.0"), database="db")
    finally:
        folder.chmod(0o700)
    assert found.status is Status.ERROR


def test_other_ecosystems_are_not_read(tmp_path: Path) -> None:
    pack(tmp_path / "db" / "PyPI", advisory("A-1"))
    _broken_zip(pack(tmp_path / "db" / "npm", advisory("B-1")))
    assert scan(project(tmp_path), sbom("pkg:pypi/tool@1"), database="db").status is Status.OK
    both = sbom("pkg:pypi/tool@1", "pkg:npm/tool@1.0.0")
    assert scan(project(tmp_path), both, database="db").status is Status.ERROR


def test_an_sbom_that_is_not_this_image_s_is_an_error(tmp_path: Path) -> None:
    pack(tmp_path / "db" / "PyPI", advisory("A-1"))
    other = sbom("pkg:pypi/tool@3", subject="sha256:" + "b" * 64)
    found = scan(project(tmp_path), other, database="db")
    assert found.status is Status.ERROR
    assert "sha256:bbbb" in found.summary
    shapeless = Sbom(document={}, subject=DIGEST, packages=0, maker=other.maker)
    assert scan(project(tmp_path), shapeless, database="db").status is Status.ERROR


# --- settings, doctor, cost -------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"databse": "x"}, {"database": 1}])
def test_settings_are_checked(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="scan-osv"):
        scan(project(tmp_path), sbom(), **settings)
    (line,) = sluiceway_scan_osv.sluiceway_doctor(project(tmp_path), settings)
    assert line.status is CheckStatus.FAIL
    assert line.remedy


def test_doctor_names_what_can_and_what_cannot_be_used(tmp_path: Path) -> None:
    place = project(tmp_path)
    pack(tmp_path / "db" / "Maven", advisory("A-1", "Maven"))
    (line,) = sluiceway_scan_osv.sluiceway_doctor(place, {"database": "db"})
    assert line.status is CheckStatus.WARN
    assert "Maven" in line.detail
    assert "PyPI" in line.remedy
    pack(tmp_path / "db" / "osv-scanner" / "npm", advisory("B-1", "npm"))
    (line,) = sluiceway_scan_osv.sluiceway_doctor(place, {"database": "db"})
    assert line.status is CheckStatus.OK
    assert line.detail.startswith("advisories for npm;")


def test_importing_the_plugin_is_cheap() -> None:
    code = (
        "import sys, sluiceway_scan_osv;"
        "print([name for name in ('packaging', 'packageurl', 'zipfile') if name in sys.modules],"
        "[name for name in sys.modules if name.startswith('sluiceway_scan_osv.')])"
    )
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT / "plugins")))
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ended.stdout.strip() == "[] []"
