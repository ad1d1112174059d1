"""Every platform of an index, every module of a Go program, and what cannot be listed is named."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

import sluiceway_sbom_catalogue as plugin
from sluiceway.errors import ActionFailed
from sluiceway.model import Image, Project, canonical
from sluiceway.oci import manifest_from
from sluiceway.oci.media_types import IMAGE_INDEX
from sluiceway.scans import gaps_of, packages_of
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_sbom_catalogue import golang

from .sbom_kit import file_layer, push_image, push_index


@pytest.fixture
def project(tmp_path):
    return Project(service="app", root=tmp_path, state=tmp_path, environ={})


@pytest.fixture
def registry():
    return MemoryRegistry("127.0.0.1:5555/team/app")


def node(name: str, version: str = "1.0.0") -> dict[str, bytes]:
    body = json.dumps({"name": name, "version": version}).encode()
    return {f"app/node_modules/{name}/package.json": body}


def status(architecture: str) -> dict[str, bytes]:
    text = (
        f"Package: libc6\nStatus: install ok installed\nArchitecture: {architecture}\nVersion: 2\n"
    )
    return {"var/lib/dpkg/status": text.encode()}


# --- indexes ---


def test_an_index_is_the_packages_of_every_platform(project, registry):
    children = {
        f"linux/{architecture}": push_image(
            registry,
            file_layer(node("shared") | node(f"only-{architecture}") | status(architecture)),
            architecture=architecture,
        )
        for architecture in ("arm64", "amd64")
    }
    index = push_index(registry, children)
    sbom = plugin.sluiceway_sbom(project, index, registry, {})
    assert sbom.subject == index.digest
    assert sbom.packages == 5
    assert sorted(packages_of(sbom.document)) == [
        "pkg:deb/debian/libc6@2?arch=amd64",
        "pkg:deb/debian/libc6@2?arch=arm64",
        "pkg:npm/only-amd64@1.0.0",
        "pkg:npm/only-arm64@1.0.0",
        "pkg:npm/shared@1.0.0",
    ]
    root, amd64, arm64 = sbom.document["packages"][:3]
    assert root["checksums"][0]["checksumValue"] == index.digest.removeprefix("sha256:")
    assert [amd64["name"], arm64["name"]] == ["app linux/amd64", "app linux/arm64"]
    assert amd64["versionInfo"] == children["linux/amd64"].digest
    (shared,) = (each for each in sbom.document["packages"] if each["name"] == "shared")
    holders = {
        each["spdxElementId"]
        for each in sbom.document["relationships"]
        if each["relatedSpdxElement"] == shared["SPDXID"]
    }
    assert holders == {amd64["SPDXID"], arm64["SPDXID"]}
    parsed = JsonLikeDictParser().parse(json.loads(canonical(sbom.document)))
    assert validate_full_spdx_document(parsed) == []
    again = plugin.sluiceway_sbom(project, index, registry, {})
    assert canonical(again.document) == canonical(sbom.document)


def put_index(registry, manifests) -> Image:
    document = {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": manifests}
    index = manifest_from(json.dumps(document).encode(), IMAGE_INDEX)
    registry.put_manifest("build", index)
    return Image(repository=registry.repository, digest=index.digest, media_type=IMAGE_INDEX)


def described(registry, image, **more):
    body = registry.manifest(image.digest).body
    return {"mediaType": image.media_type, "digest": image.digest, "size": len(body)} | more


def test_attestations_beside_the_images_are_no_platform(project, registry):
    image = push_image(registry, file_layer(node("a")))
    beside = push_image(registry, file_layer(node("not-inside")))
    mark = {"vnd.docker.reference.type": "attestation-manifest"}
    nowhere = {"os": "unknown", "architecture": "unknown"}
    index = put_index(
        registry,
        [
            described(registry, image),
            described(registry, beside, annotations=mark, platform=nowhere),
        ],
    )
    sbom = plugin.sluiceway_sbom(project, index, registry, {})
    assert packages_of(sbom.document) == ("pkg:npm/a@1.0.0",)
    only = put_index(registry, [described(registry, beside, annotations=mark)])
    with pytest.raises(ActionFailed) as caught:
        plugin.sluiceway_sbom(project, only, registry, {})
    assert caught.value.code == "sbom.index"


def test_an_index_in_an_index_is_refused(project, registry):
    image = push_image(registry, file_layer(node("a")))
    inner = put_index(registry, [described(registry, image)])
    outer = put_index(registry, [described(registry, inner)])
    with pytest.raises(ActionFailed) as caught:
        plugin.sluiceway_sbom(project, outer, registry, {})
    assert caught.value.code == "sbom.index"


def test_an_index_of_which_a_platform_is_missing_is_no_inventory(project, registry):
    images = [push_image(registry, file_layer(node(name)), tag=name) for name in ("a", "b")]
    index = put_index(registry, [described(registry, image) for image in images])
    del registry.manifests[images[1].digest]
    with pytest.raises(ActionFailed) as caught:
        plugin.sluiceway_sbom(project, index, registry, {})
    assert caught.value.code == "sbom.unreadable"


# --- programs built by Go ---

MODULES = (
    "path\texample.com/cmd\n"
    "mod\texample.com/cmd\t(devel)\t\n"
    "dep\texample.com/a/v2\tv2.1.0\th1:x=\n"
    "dep\texample.com/b\tv1.0.0\n"
    "=>\texample.com/fork\tv1.0.1\th1:y=\n"
    "build\t-compiler=gc\n"
)


def text(body: bytes) -> bytes:
    length = b""
    number = len(body)
    while number >= 0x80:
        length += bytes([number & 0x7F | 0x80])
        number >>= 7
    return length + bytes([number]) + body


def program(
    version: str = "go1.22.1", listed: str = MODULES, *, before: int = 64, flags: int = 2
) -> bytes:
    """Return a file that is laid out as Go's linker lays out its information."""
    listing = b"0" * 16 + listed.encode() + b"1" * 16 if listed else b""
    head = b"\x7fELF" + bytes(before - 4)
    magic = b"\xff Go buildinf:" + bytes([8, flags]) + bytes(16)
    return head + magic + text(version.encode()) + text(listing) + bytes(golang.SMALLEST)


def told(body: bytes) -> bytes | None:
    return golang.build_information(io.BytesIO(body))


def test_a_go_program_says_what_it_is_made_of(project, registry):
    image = push_image(registry, file_layer({"bin/tool": program()}))
    sbom = plugin.sluiceway_sbom(project, image, registry, {})
    assert packages_of(sbom.document) == (
        "pkg:golang/example.com/a/v2@v2.1.0",
        "pkg:golang/example.com/cmd",
        "pkg:golang/example.com/fork@v1.0.1",
        "pkg:golang/stdlib@1.22.1",
    )
    assert gaps_of(sbom.document) == ()


@pytest.mark.parametrize("before", [64, (1 << 20) - 16, (1 << 20), (1 << 20) + 16, 3 << 20])
def test_the_information_is_found_wherever_it_lies(before):
    found = told(program(before=before))
    assert found is not None
    assert b"dep\texample.com/b\tv1.0.0" in found


def test_the_magic_as_a_constant_of_a_program_is_passed_over():
    # As in a debugger, which looks for it: out of step, and in step but with nothing behind it.
    constant = b"\xff Go buildinf:" + bytes(18)
    for pad in (0, 5):
        body = b"\x7fELF" + bytes(28 + pad) + constant
        body += bytes(-len(body) % 16)
        assert told(body + bytes(1 << 20)) == (None if pad % 16 else golang.PREFIX)
        found = told(body + program().replace(b"\x7fELF", bytes(4)))
        assert found is not None
        assert b"example.com/fork" in found


@pytest.mark.parametrize(
    "body", [b"", b"\x7fELF", b"#!/bin/sh\n" + program()[10:], b"\x7fELF" + bytes(1 << 20)]
)
def test_another_file_is_not_built_by_go(body):
    assert told(body) is None


@pytest.mark.parametrize("body", [program(flags=0), program(version="what"), program(listed="")])
def test_a_go_program_that_says_nothing_is_a_gap(project, registry, body):
    image = push_image(registry, file_layer({"bin/tool": body}))
    sbom = plugin.sluiceway_sbom(project, image, registry, {})
    (gap,) = gaps_of(sbom.document)
    assert gap == "Go programs that do not say which modules they are made of (/bin/tool)"


@given(st.binary(max_size=200))
def test_nothing_behind_the_magic_breaks_the_reading(noise):
    body = b"\x7fELF" + bytes(60) + b"\xff Go buildinf:\x08\x02" + bytes(16) + noise
    found = told(body)
    assert found is not None
    assert all(isinstance(name, str) for name, _ in golang.modules(found))


def test_what_an_upper_layer_replaces_is_gone(project, registry):
    image = push_image(
        registry,
        file_layer({"bin/tool": program(), "bin/other": program(listed="")}),
        file_layer({"bin/.wh.tool": b"", "bin/other": b"a script"}),
    )
    sbom = plugin.sluiceway_sbom(project, image, registry, {})
    assert packages_of(sbom.document) == gaps_of(sbom.document) == ()


# --- gaps ---


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("var/lib/rpm/rpmdb.sqlite", "RPM packages"),
        ("usr/lib/sysimage/rpm/Packages.db", "RPM packages"),
        ("opt/app/lib/x.jar", "Java archives"),
        ("usr/share/gems/specifications/default/json.gemspec", "Ruby gems"),
        ("app/vendor/composer/installed.json", "PHP packages"),
        ("app/web.deps.json", ".NET packages"),
        ("opt/conda/conda-meta/x-1-0.json", "Conda packages"),
        ("nix/var/nix/db/db.sqlite", "Nix packages"),
        ("var/lib/pacman/local/bash-5/desc", "Arch Linux packages"),
        ("var/db/pkg/app/bash-5/CONTENTS", "Gentoo packages"),
    ],
)
def test_what_cannot_be_listed_is_named(project, registry, path, kind):
    image = push_image(registry, file_layer({path: b"x", **node("a")}))
    sbom = plugin.sluiceway_sbom(project, image, registry, {})
    assert gaps_of(sbom.document) == (f"{kind} (/{path})",)
    assert sbom.packages == 1
    parsed = JsonLikeDictParser().parse(json.loads(canonical(sbom.document)))
    assert validate_full_spdx_document(parsed) == []


def test_many_files_of_one_kind_are_one_gap_and_a_removed_one_is_none(project, registry):
    image = push_image(
        registry,
        file_layer({f"app/{name}.jar": b"x" for name in "abc"} | {"app/y.deps.json": b"x"}),
        file_layer({"app/.wh.y.deps.json": b""}),
    )
    sbom = plugin.sluiceway_sbom(project, image, registry, {})
    assert gaps_of(sbom.document) == ("Java archives (/app/a.jar and 2 more files)",)


def test_the_gap_of_one_platform_names_it(project, registry):
    children = {
        "linux/amd64": push_image(registry, file_layer({"a.jar": b"x"})),
        "linux/arm64": push_image(registry, file_layer(node("a")), architecture="arm64"),
    }
    sbom = plugin.sluiceway_sbom(project, push_index(registry, children), registry, {})
    assert gaps_of(sbom.document) == ("Java archives (/a.jar) in the image for linux/amd64",)
