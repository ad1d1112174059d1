"""Two inventories of one image: the same packages, but for differences that the docs list.

Packages are compared as ``sluiceway.scans.key_of`` has it: without qualifiers, names normalised.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest

import sluiceway_build_layers
import sluiceway_sbom_catalogue as catalogue
import sluiceway_sbom_syft as syft
from sluiceway import oci
from sluiceway.model import BuildRequest, Built, Image, Project
from sluiceway.scans import gaps_of, key_of, packages_of
from sluiceway.testing.memory_registry import MemoryRegistry

from .sbom_kit import file_layer, push_image

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "scanning.md"
DPKG = Path("/var/lib/dpkg/status")

pytestmark = pytest.mark.real_tool("syft")


@pytest.fixture
def project(tmp_path):
    return Project(service="app", root=tmp_path, state=tmp_path, environ={})


@pytest.fixture
def registry():
    return MemoryRegistry("127.0.0.1:5555/team/app")


def compared(project, image, registry) -> tuple[set[str], set[str], set[str], tuple[str, ...]]:
    """Return what both list, what only the catalogue, what only syft, and the catalogue's gaps."""
    own = catalogue.sluiceway_sbom(project, image, registry, {}).document
    other = syft.sluiceway_sbom(project, image, registry, {}).document
    ours = {key_of(package): package for package in packages_of(own)}
    theirs = {key_of(package): package for package in packages_of(other)}
    both = {ours[key] for key in ours.keys() & theirs.keys()}
    only_ours = {ours[key] for key in ours.keys() - theirs.keys()}
    only_theirs = {theirs[key] for key in theirs.keys() - ours.keys()}
    return both, only_ours, only_theirs, gaps_of(own)


def test_the_example(project, registry, tmp_path):
    example = ROOT / "examples" / "settlement"
    layout = tmp_path / "layout"
    layout.mkdir()
    request = BuildRequest(
        context=example,
        dockerfile=example / "Dockerfile",
        repository=registry.repository,
        version="1",
        revision="",
        source="",
        epoch=0,
        layout=layout,
    )
    built = sluiceway_build_layers.sluiceway_build(project, request, {})
    assert isinstance(built, Built)
    manifest = oci.push_layout(registry, built.layout)
    image = Image(
        repository=registry.repository, digest=manifest.digest, media_type=manifest.media_type
    )
    both, ours, theirs, gaps = compared(project, image, registry)
    assert both == {"pkg:pypi/settlement-rounding@1.2.0"}
    assert (ours, theirs, gaps) == (set(), set(), ())


def installed_python() -> dict[str, bytes]:
    """Return the metadata of what runs this test, as an image would have it."""
    files = {}
    for each in importlib.metadata.distributions():
        body = each.read_text("METADATA")
        if body and each.name:
            folder = f"{each.name.replace('-', '_')}-{each.version}.dist-info"
            files[f"usr/lib/python3/site-packages/{folder}/METADATA"] = body.encode()
    return files


def node_modules() -> dict[str, bytes]:
    def manifest(name: str, version: str) -> bytes:
        return f'{{"name": "{name}", "version": "{version}", "license": "MIT"}}'.encode()

    return {
        "app/node_modules/@scope/a/package.json": manifest("@scope/a", "1.0.0"),
        "app/node_modules/b/package.json": manifest("b", "2.0.0"),
        "app/node_modules/b/node_modules/c/package.json": manifest("c", "1.0.0-rc.1"),
        "app/node_modules/.pnpm/p@1.0.0/node_modules/p/package.json": manifest("p", "1.0.0"),
        "app/node_modules/no-version/package.json": b'{"name": "no-version"}',
        "app/node_modules/broken/package.json": b'{"name": "broken",',
    }


SYSTEM = {
    "etc/os-release": "../usr/lib/os-release",
    "usr/lib/os-release": b'ID=debian\nVERSION_ID="12"\n',
    "lib/apk/db/installed": b"C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n\n",
    "usr/lib/python3/old_one-1.0.egg-info": b"Metadata-Version: 1.0\nName: old_one\nVersion: 1.0\n",
    "usr/lib/python3/two.egg-info/PKG-INFO": b"Metadata-Version: 1.0\nName: two\nVersion: 1.0\n",
}


def status(*states: tuple[str, str]) -> bytes:
    return b"\n".join(
        f"Package: {name}\nStatus: {state}\nArchitecture: amd64\nVersion: 1:2.0-1+b{number}\n".encode()
        for number, (name, state) in enumerate(states)
    )


def test_python_node_debian_and_alpine_after_several_layers(project, registry):
    lower = {
        **SYSTEM,
        **installed_python(),
        **node_modules(),
        "gone/node_modules/d/package.json": b'{"name": "d", "version": "1.0.0"}',
        "emptied/node_modules/e/package.json": b'{"name": "e", "version": "1.0.0"}',
        "var/lib/dpkg/status": status(("old", "install ok installed")),
    }
    upper = {
        ".wh.gone": b"",
        "emptied/.wh..wh..opq": b"",
        "var/lib/dpkg/status": status(
            ("git", "install ok installed"),
            ("held", "hold ok installed"),
            ("half", "install ok half-installed"),
            ("unpacked", "install ok unpacked"),
        )
        + (b"\n" + DPKG.read_bytes() if DPKG.is_file() else b""),
    }
    image = push_image(registry, file_layer(lower), file_layer(upper))
    both, ours, theirs, gaps = compared(project, image, registry)
    config_files = {each for each in theirs if each.startswith("pkg:deb/")}  # see DIFFERENCES
    assert (ours, theirs - config_files, gaps) == (set(), set(), ())
    kinds = {key_of(each).ecosystem for each in both}
    assert kinds == {"apk", "deb", "npm", "pypi"}
    assert not {"pkg:npm/d@1.0.0", "pkg:npm/e@1.0.0"} & both
    assert len(both) > 50


@pytest.mark.real_tool("opa")
def test_a_program_built_by_go(project, registry):
    program = Path(os.path.realpath(str(shutil.which("opa")))).read_bytes()
    image = push_image(registry, file_layer({"usr/bin/opa": program}))
    both, ours, theirs, gaps = compared(project, image, registry)
    assert (ours, theirs, gaps) == (set(), set(), ())
    assert any(each.startswith("pkg:golang/stdlib@1.") for each in both)
    assert any(each.startswith("pkg:golang/github.com/open-policy-agent/opa@") for each in both)


def jar() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        archive.writestr(
            "META-INF/maven/org.example/thing/pom.properties",
            "groupId=org.example\nartifactId=thing\nversion=1.2\n",
        )
    return sink.getvalue()


# What the docs call it, the files, what only the catalogue lists, what only syft lists.
DIFFERENCES: list[tuple[str, dict[str, bytes | str], set[str], set[str]]] = [
    (
        "pins in `requirements*.txt`",
        {"app/requirements.txt": b"flask==3.0.0\n"},
        {"pkg:pypi/flask@3.0.0"},
        set(),
    ),
    (
        "`var/lib/dpkg/status.d/`",
        {"var/lib/dpkg/status.d/base": b"Package: base\nVersion: 12.4\nArchitecture: all\n"},
        {"pkg:deb/debian/base@12.4?arch=all&distro=debian-12"},
        set(),
    ),
    (
        "Debian packages of which only configuration is left",
        {"var/lib/dpkg/status": status(("removed", "deinstall ok config-files"))},
        set(),
        {"pkg:deb/debian/removed@1:2.0-1%2Bb0?arch=amd64&distro=debian-12"},
    ),
    (
        "a `package.json` outside `node_modules`",
        {"app/package.json": b'{"name": "own", "version": "1.2.3"}'},
        set(),
        {"pkg:npm/own@1.2.3"},
    ),
    (
        "a `package.json` deep inside an npm package",
        {"app/node_modules/b/test/package.json": b'{"name": "fixture", "version": "9"}'},
        set(),
        {"pkg:npm/fixture@9"},
    ),
    ("Java archives", {"app/thing.jar": jar()}, set(), {"pkg:maven/org.example/thing@1.2"}),
    (
        "Ruby gems",
        {
            "usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec": (
                b"Gem::Specification.new do |s|\n"
                b'  s.name = "rake".freeze\n  s.version = "13.0.6"\nend\n'
            )
        },
        set(),
        {"pkg:gem/rake@13.0.6"},
    ),
    (
        "PHP packages",
        {"app/vendor/composer/installed.json": b'{"packages":[{"name":"a/b","version":"1.0.0"}]}'},
        set(),
        {"pkg:composer/a/b@1.0.0"},
    ),
]
OF_ANOTHER_KIND = {"Java archives", "Ruby gems", "PHP packages"}


def test_every_difference_is_one_that_the_docs_list(project, registry):
    files: dict[str, bytes | str] = {"etc/os-release": b'ID=debian\nVERSION_ID="12"\n'}
    for _, more, _, _ in DIFFERENCES:
        files |= more
    image = push_image(registry, file_layer(files))
    both, ours, theirs, gaps = compared(project, image, registry)
    assert both == set()
    assert ours == {package for _, _, packages, _ in DIFFERENCES for package in packages}
    assert theirs == {package for _, _, _, packages in DIFFERENCES for package in packages}
    # What the catalogue does not list it either rightly leaves out, or says so.
    assert {re.sub(r" \(.*", "", gap) for gap in gaps} == OF_ANOTHER_KIND


def test_the_docs_list_these_differences_and_no_other():
    text = DOCS.read_text(encoding="utf-8")
    section = text.partition("## Where the two differ\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (?:yes|no) \|", section, flags=re.MULTILINE)
    assert rows == [name for name, *_ in DIFFERENCES]
