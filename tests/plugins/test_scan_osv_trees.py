"""scan-osv beyond language packages of an image: source trees, Debian and Alpine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sluiceway_scan_osv
from sluiceway.model import Scan, Status
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_scan_osv import versions
from sluiceway_scan_osv.trees import packages_in

from .scan_kit import IMAGE, advisory, checked, project, sbom


def write(folder: Path, *records: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for record in records:
        (folder / f"{record['id']}.json").write_text(json.dumps(record))


def tree_of(root: Path, **files: str) -> Path:
    tree = root / "tree"
    for name, body in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)
    return tree


# --- what a tree pins -------------------------------------------------------------------------

LOCK = {
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "web"},
        "packages/inner": {"name": "inner", "version": "1.0.0"},
        "node_modules/inner": {"link": True, "resolved": "packages/inner"},
        "node_modules/lodash": {"version": "4.17.11"},
        "node_modules/a/node_modules/@scope/b": {"version": "2.0.0", "dev": True},
        "node_modules/other-name": {"name": "real-name", "version": "3.0.0"},
    },
}
POETRY = """
[[package]]
name = "Jinja2"
version = "2.4.1"
[metadata]
lock-version = "2.1"
"""
UV = """
version = 1
[[package]]
name = "web"
version = "0.1.0"
source = { virtual = "." }
[[package]]
name = "requests"
version = "2.20.0"
source = { registry = "https://index.example/simple" }
"""
PYLOCK = """
lock-version = "1.0"
[[packages]]
name = "attrs"
version = "25.1.0"
"""
PIPFILE = {"default": {"urllib3": {"version": "==1.26.4"}}, "develop": {"Pytest": {}}}
CARGO = """
version = 4
[[package]]
name = "own"
version = "0.1.0"
[[package]]
name = "serde"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
"""
REQUIREMENTS = """\
# a comment
--index-url https://example.org/simple
-i https://me:secret@example.org/simple
-r requirements-base.txt
-r other.txt
-e ./own
-c constraints.txt
jinja2==2.4.1 ; python_version > "3"  # why
Zope.Interface[test]===1.0 \\
    --hash=sha256:aaaa
loose>=1.0
wild==1.*
named @ https://example.org/named-1.0.whl
git+https://secret@example.org/x.git
./vendored/package
"""


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        (
            "requirements-dev.txt",
            REQUIREMENTS,
            [
                "-e ./own",
                "-r other.txt",
                "./vendored/package",
                "git+https://***@example.org/x.git",
                "pkg:pypi/jinja2@2.4.1",
                "pkg:pypi/loose",
                "pkg:pypi/named",
                "pkg:pypi/wild",
                "pkg:pypi/zope-interface@1.0",
            ],
        ),
        ("poetry.lock", POETRY, ["pkg:pypi/jinja2@2.4.1"]),
        ("uv.lock", UV, ["pkg:pypi/requests@2.20.0"]),
        ("pylock.toml", PYLOCK, ["pkg:pypi/attrs@25.1.0"]),
        ("pylock.web.toml", PYLOCK, ["pkg:pypi/attrs@25.1.0"]),
        ("Pipfile.lock", json.dumps(PIPFILE), ["pkg:pypi/pytest", "pkg:pypi/urllib3@1.26.4"]),
        (
            "web/package-lock.json",
            json.dumps(LOCK),
            [
                "pkg:npm/%40scope/b@2.0.0",
                "pkg:npm/lodash@4.17.11",
                "pkg:npm/real-name@3.0.0",
            ],
        ),
        ("Cargo.lock", CARGO, ["pkg:cargo/serde@1.0.0"]),
        ("node_modules/x/package-lock.json", json.dumps(LOCK), []),
        (".venv/requirements.txt", "a==1", []),
        ("go.mod", "module x", ["go.mod"]),
        ("web/yarn.lock", "", ["web/yarn.lock"]),
        ("README.md", "jinja2==2.4.1", []),
        ("web/package.json", "{}", ["web/package.json"]),
        ("setup.py", "", ["setup.py"]),
    ],
)
def test_what_a_tree_pins(tmp_path: Path, name: str, body: str, expected: list[str]) -> None:
    tree = tree_of(tmp_path, **{name: body})
    assert [each.label for each in packages_in(tree)] == expected


def test_a_manifest_is_judged_by_the_lock_file_beside_or_above_it(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "",
        "requirements.txt": "",
        "web/package-lock.json": json.dumps(LOCK),
        "web/package.json": "{}",
        "web/packages/inner/package.json": "{}",
        "docs/package.json": "{}",
        "tool/Cargo.toml": "",
    }
    labels = [each.label for each in packages_in(tree_of(tmp_path, **files))]
    assert [label for label in labels if not label.startswith("pkg:")] == [
        "docs/package.json",
        "tool/Cargo.toml",
    ]


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("package-lock.json", "{", "package-lock.json is not what its name says"),
        ("package-lock.json", '{"lockfileVersion": 1}', "2 and 3 are known"),
        ("package-lock.json", '{"lockfileVersion": 3}', "package-lock.json"),
        ("package-lock.json", "[]", "package-lock.json"),
        ("poetry.lock", "[[package]", "poetry.lock"),
        ("uv.lock", 'package = "x"', "no list of tables"),
        ("Pipfile.lock", '{"default": []', "Pipfile.lock"),
        ("Cargo.lock", '[[package]]\nsource = "x"', "Cargo.lock"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_of_the_whole_scan(
    tmp_path: Path, name: str, body: str, words: str
) -> None:
    tree = tree_of(tmp_path, **{name: body, "requirements.txt": "a==1"})
    with pytest.raises(ValueError, match=name):
        packages_in(tree)
    found = sluiceway_scan_osv.sluiceway_scan_tree(project(tmp_path), tree, {})
    assert found.status is Status.ERROR
    assert words in found.summary


def test_bytes_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    tree = tree_of(tmp_path)
    tree.mkdir()
    (tree / "requirements.txt").write_bytes(b"a==1\n\xff\xfe")
    with pytest.raises(ValueError, match=r"requirements\.txt"):
        packages_in(tree)


def test_a_tree_is_scanned(tmp_path: Path) -> None:
    write(tmp_path / "db" / "PyPI", advisory("PYSEC-1", "PyPI", "jinja2", "2.7.2"))
    tree = tree_of(tmp_path, **{"requirements.txt": REQUIREMENTS, "go.mod": "module x"})
    found = sluiceway_scan_osv.sluiceway_scan_tree(project(tmp_path), tree, {"database": "db"})
    assert checked(found, tmp_path).status is Status.OK
    assert found.subject == tree.as_uri()
    (one,) = found.vulnerabilities
    assert (one.id, one.package, one.installed) == ("PYSEC-1", "pkg:pypi/jinja2@2.4.1", "2.4.1")
    assert one.source == "https://osv.dev/vulnerability/PYSEC-1"
    # What is not pinned and what is not understood is named, never passed over.
    assert found.uncovered == (
        *("-e ./own", "-r other.txt", "./vendored/package", "git+https://***@example.org/x.git"),
        *("go.mod", "pkg:pypi/loose", "pkg:pypi/named", "pkg:pypi/wild"),
    )


def test_a_tree_without_anything_is_not_scanned(tmp_path: Path) -> None:
    write(tmp_path / "db" / "PyPI", advisory("PYSEC-1", "PyPI", "jinja2", "2.7.2"))
    for files in ({"README.md": ""}, {"go.mod": "module x"}):
        tree = tree_of(tmp_path, **files)
        found = sluiceway_scan_osv.sluiceway_scan_tree(project(tmp_path), tree, {"database": "db"})
        assert found.status is Status.NO_DATA


# --- Debian and Alpine ------------------------------------------------------------------------

OPENSSL = "pkg:deb/debian/openssl@3.0.11-1~deb12u2?distro=debian-12"
LIBSSL = "pkg:deb/debian/libssl3@3.0.11-1~deb12u2?distro=debian-12.5&upstream=openssl"
LIBC = "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?distro=debian-12"
MUSL = "pkg:apk/alpine/musl@1.2.4-r1?distro=alpine-3.19.1"


@pytest.fixture
def systems(tmp_path: Path) -> Path:
    pytest.importorskip("univers", reason="needs the extra scan-os")
    write(
        tmp_path / "db" / "Debian",
        advisory("DSA-1", "Debian:12", "openssl", "3.0.11-1~deb12u3"),
        advisory("DSA-2", "Debian:11", "openssl", "99"),
        advisory("DSA-3", "Debian:12", "glibc", "2.36-9+deb12u3"),
    )
    write(tmp_path / "db" / "Alpine:v3.19", advisory("ALP-1", "Alpine:v3.19", "musl", "1.2.4-r10"))
    return tmp_path


def scan(root: Path, *purls: str) -> Scan:
    return checked(
        sluiceway_scan_osv.sluiceway_scan(
            project(root), IMAGE, sbom(*purls), MemoryRegistry(), {"database": "db"}
        ),
        root,
    )


def test_advisories_of_the_very_release_count(systems: Path) -> None:
    found = scan(systems, OPENSSL, LIBSSL, MUSL)
    assert [(each.id, each.package, each.fixed) for each in found.vulnerabilities] == [
        ("DSA-1", OPENSSL, ("3.0.11-1~deb12u3",)),
        ("DSA-1", LIBSSL, ("3.0.11-1~deb12u3",)),
        ("ALP-1", MUSL, ("1.2.4-r10",)),
    ]
    assert found.uncovered == ()
    assert found.database["ecosystems"] == ["Alpine:v3.19", "Debian"]


@pytest.mark.parametrize(
    "purl",
    [
        "pkg:deb/debian/openssl@3.0.11-1~deb12u3?distro=debian-12",  # the fix itself
        "pkg:deb/debian/openssl@3.0.11-1?distro=debian-12",  # a tilde is before nothing
        "pkg:deb/debian/openssl@1:1.0-1?distro=debian-12",  # an epoch is above everything
    ],
)
def test_debian_s_order_of_versions(systems: Path, purl: str) -> None:
    found = scan(systems, purl)
    assert (found.status, found.vulnerabilities, found.uncovered) == (Status.OK, (), ())


@pytest.mark.parametrize(
    "purl",
    [
        LIBC,  # built from glibc, which nothing says: no advisory is filed under libc6
        "pkg:deb/debian/openssl@3.0.11-1",  # of which release?
        "pkg:deb/debian/openssl@3.0.11-1?distro=debian-10",  # no advisories for this release
        "pkg:deb/ubuntu/openssl@3.0.11-1?distro=ubuntu-22.04",  # another distribution
        "pkg:apk/wolfi/musl@1.2.4-r1?distro=wolfi-20230201",
        "pkg:apk/alpine/musl@x?distro=alpine-3.19.1",
    ],
)
def test_what_cannot_be_said_of_a_system_is_not_covered(systems: Path, purl: str) -> None:
    found = scan(systems, purl)
    assert (found.status, found.uncovered) == (Status.NO_DATA, (purl,))


def test_the_source_package_s_own_version_counts(systems: Path) -> None:
    older = "pkg:deb/debian/libc-bin@9?distro=debian-12&upstream=glibc%402.36-9%2Bdeb12u2"
    newer = "pkg:deb/debian/libc-dev@9?distro=debian-12&upstream=glibc%402.36-9%2Bdeb12u4"
    found = scan(systems, older, newer)
    assert [each.package for each in found.vulnerabilities] == [older]
    assert found.uncovered == ()


def test_without_the_extra_systems_stay_uncovered(
    systems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "systems_installed", lambda: False)
    found = scan(systems, OPENSSL, MUSL)
    assert (found.status, found.uncovered) == (Status.NO_DATA, (OPENSSL, MUSL))
    assert versions.parse("Debian:12", "1.0") is versions.parse("Alpine:v3.19", "1.0") is None
