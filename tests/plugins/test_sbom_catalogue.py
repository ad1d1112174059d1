"""What is inside an image: after all layers, in every database, the same bytes each time."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest
from packageurl import PackageURL
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

import sluiceway_sbom_catalogue as plugin
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import CheckStatus, Image, Project, canonical
from sluiceway.oci import manifest_from
from sluiceway.oci.media_types import (
    IMAGE_CONFIG,
    IMAGE_LAYER,
    IMAGE_LAYER_GZIP,
    IMAGE_MANIFEST,
)
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_sbom_catalogue import files as reading
from sluiceway_sbom_catalogue.packages import find

REQUESTS = b"Metadata-Version: 2.1\nName: Requests_Thing\nVersion: 2.0\nLicense: MIT\n\nText: no\n"
METADATA = "usr/lib/python3/requests_thing-2.0.dist-info/METADATA"


@pytest.fixture
def project(tmp_path):
    return Project(service="app", root=tmp_path, state=tmp_path, environ={})


@pytest.fixture
def registry():
    return MemoryRegistry("127.0.0.1:5555/team/app")


def tar(*entries):
    """Return a tar of ``(name, bytes)`` files, ``(name, None)`` folders, ``(name, str)`` links."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, body in entries:
            member = tarfile.TarInfo(name)
            if body is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(body, str):
                kind, _, member.linkname = body.partition(":")
                member.type = tarfile.LNKTYPE if kind == "hard" else tarfile.SYMTYPE
            else:
                member.size = len(body)
            archive.addfile(member, io.BytesIO(body) if isinstance(body, bytes) else None)
    return sink.getvalue()


def push(registry, *layers, created="2026-01-02T03:04:05.678+01:00", **changes):
    config = registry.put_blob(
        json.dumps({"created": created, "rootfs": {"diff_ids": ["x"] * len(layers)}}).encode()
    )
    described = []
    for layer in layers:
        blob = registry.put_blob(layer)
        kind = IMAGE_LAYER_GZIP if layer[:2] == b"\x1f\x8b" else IMAGE_LAYER
        described.append({"mediaType": kind, "digest": blob.digest, "size": blob.size} | changes)
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {"mediaType": IMAGE_CONFIG, "digest": config.digest, "size": config.size},
        "layers": described,
    }
    manifest = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    registry.put_manifest("build", manifest)
    return Image(
        repository=registry.repository, digest=manifest.digest, media_type=manifest.media_type
    )


def listed(project, registry, *layers):
    sbom = plugin.sluiceway_sbom(project, push(registry, *layers), registry, {})
    return [
        package["externalRefs"][0]["referenceLocator"] for package in sbom.document["packages"][1:]
    ]


DPKG = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u4
Description: the C library
 Package: not a field

Package: removed
Status: deinstall ok config-files
Version: 1

Package: no-version
Status: install ok installed
"""
APK = b"C:Q1abc\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n\nP:busybox\nV:1.36.1-r29\nA:x86_64\n"


def test_every_kind_of_package_is_found(project, registry):
    layer = tar(
        (METADATA, REQUESTS),
        ("app/old.egg-info/PKG-INFO", b"Name: old.one\nVersion: 1\n"),
        ("app/node_modules/@scope/a/package.json", b'{"name": "@scope/a", "version": "1.0.0"}'),
        ("app/node_modules/b/package.json", b'{"name": "b", "version": "2.0.0"}'),
        ("app/node_modules/b/test/package.json", b'{"name": "not-a-package", "version": "9"}'),
        ("etc/os-release", "soft:../usr/lib/os-release"),
        ("usr/lib/os-release", b'ID=debian\nVERSION_ID="12"\n'),
        ("var/lib/dpkg/status", DPKG),
        ("var/lib/dpkg/status.d/base", b"Package: base-files\nVersion: 12.4\n"),
        ("lib/apk/db/installed", APK),
    )
    assert listed(project, registry, layer) == [
        "pkg:apk/debian/busybox@1.36.1-r29?arch=x86_64&distro=alpine-12",
        "pkg:apk/debian/musl@1.2.5-r0?arch=x86_64&distro=alpine-12",
        "pkg:deb/debian/base-files@12.4?distro=debian-12",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12",
        "pkg:deb/debian/no-version?distro=debian-12",
        "pkg:npm/%40scope/a@1.0.0",
        "pkg:npm/b@2.0.0",
        "pkg:pypi/old-one@1",
        "pkg:pypi/requests-thing@2.0",
    ]


def test_exact_pins_are_declared_and_installed_ones_are_not_repeated(project, registry):
    pins = b"""# comment
requests_thing==2.0
Flask[async]==3.0.0 ; python_version > "3" \\
    --hash=sha256:00
loose>=1
wild==1.*
-r other.txt
git+https://example.com/x
./local
"""
    image = push(registry, tar((METADATA, REQUESTS), ("app/requirements-dev.txt", pins)))
    sbom = plugin.sluiceway_sbom(project, image, registry, {})
    flask, requests = sbom.document["packages"][1:]
    assert flask["externalRefs"][0]["referenceLocator"] == "pkg:pypi/flask@3.0.0"
    assert flask["comment"] == "Declared in /app/requirements-dev.txt; not found installed."
    assert requests["versionInfo"] == "2.0"
    assert "comment" not in requests
    kinds = [item["relationshipType"] for item in sbom.document["relationships"]]
    assert kinds == ["DESCRIBES", "DEPENDS_ON", "CONTAINS"]


def test_the_document_is_about_the_digest_and_valid(project, registry):
    image = push(registry, tar((METADATA, REQUESTS), ("lib/apk/db/installed", APK)))
    sbom = plugin.sluiceway_sbom(project, image, registry, {})
    assert sbom.subject == image.digest
    assert sbom.packages == 3
    described = sbom.document["packages"][0]
    value = image.digest.removeprefix("sha256:")
    assert described["checksums"] == [{"algorithm": "SHA256", "checksumValue": value}]
    locator = described["externalRefs"][0]["referenceLocator"]
    purl = PackageURL.from_string(locator)
    assert (purl.type, purl.name, purl.version) == ("oci", "app", image.digest)
    assert purl.qualifiers == {"repository_url": "127.0.0.1:5555/team/app"}
    assert sbom.document["creationInfo"]["created"] == "2026-01-02T02:04:05Z"
    parsed = JsonLikeDictParser().parse(json.loads(canonical(sbom.document)))
    assert validate_full_spdx_document(parsed) == []


def test_the_same_image_gives_the_same_bytes(project, registry):
    layer = tar((METADATA, REQUESTS), ("var/lib/dpkg/status", DPKG))
    first = plugin.sluiceway_sbom(project, push(registry, layer), registry, {})
    other = MemoryRegistry(registry.repository)
    second = plugin.sluiceway_sbom(project, push(other, layer), other, {})
    assert canonical(first.document) == canonical(second.document)
    changed = plugin.sluiceway_sbom(project, push(registry, layer, layer), registry, {})
    assert changed.document["documentNamespace"] != first.document["documentNamespace"]


def test_an_image_without_packages_is_an_empty_inventory(project, registry):
    sbom = plugin.sluiceway_sbom(project, push(registry, tar(("a", b"a"))), registry, {})
    assert sbom.packages == 0
    assert len(sbom.document["packages"]) == 1


@pytest.mark.parametrize("created", ["", "yesterday", "2026-01-02T03:04:05"])
def test_a_moment_that_is_none_is_the_beginning_of_1970(project, registry, created):
    image = push(registry, tar(("a", b"a")), created=created)
    sbom = plugin.sluiceway_sbom(project, image, registry, {})
    assert sbom.document["creationInfo"]["created"] == "1970-01-01T00:00:00Z"


# --- layers ---

FOLDER = METADATA.rpartition("/")[0]


@pytest.mark.parametrize(
    "upper",
    [
        [(f"{FOLDER}/.wh.METADATA", b"")],
        [("usr/lib/python3/.wh.requests_thing-2.0.dist-info", b"")],
        [("usr/.wh.lib", b"")],
        [(".wh.usr", b"")],
        [("usr/lib/.wh..wh..opq", b"")],
        [(".wh..wh..opq", b"")],
        [("./usr/lib/.wh.python3", b"")],
        [("usr/lib/python3", b"a file where the folder was")],
        [("usr/lib/python3", "soft:elsewhere")],
        [(METADATA, None)],
        [(METADATA, "soft:elsewhere")],
    ],
)
def test_what_an_upper_layer_takes_away_is_gone(project, registry, upper):
    assert listed(project, registry, tar((METADATA, REQUESTS)), tar(*upper)) == []


@pytest.mark.parametrize(
    "upper",
    [
        [("usr/lib/python3", None)],
        [("usr/lib/.wh.python", b"")],
        [("usr/lib/pytho", b"")],
        [("usr/lib/python3/other", b"")],
        [("other/.wh..wh..opq", b"")],
    ],
)
def test_what_an_upper_layer_leaves_is_there(project, registry, upper):
    lower = tar((METADATA, REQUESTS))
    assert listed(project, registry, lower, tar(*upper)) == ["pkg:pypi/requests-thing@2.0"]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_layer_takes_nothing_from_itself(project, registry, reverse):
    newer = REQUESTS.replace(b"2.0", b"3.0")
    entries = [("usr/lib/python3/.wh..wh..opq", b""), (METADATA, newer)]
    upper = tar(*(reversed(entries) if reverse else entries))
    lower = tar((METADATA, REQUESTS))
    assert listed(project, registry, lower, upper) == ["pkg:pypi/requests-thing@3.0"]


def test_a_hard_link_is_what_it_links_to(project, registry):
    body = b'{"name": "a", "version": "1.0.0"}'
    store, used = "node_modules/.store/package.json", "app/node_modules/a/package.json"
    assert listed(project, registry, tar((store, body), (used, f"hard:{store}"))) == [
        "pkg:npm/a@1.0.0"
    ]
    with pytest.raises(ActionFailed) as caught:
        listed(project, registry, tar((used, "hard:somewhere/else")))
    assert caught.value.code == "sbom.unreadable"


def test_compressed_layers_are_read(project, registry):
    layer = gzip.compress(tar((METADATA, REQUESTS)), mtime=0)
    assert listed(project, registry, layer) == ["pkg:pypi/requests-thing@2.0"]


@pytest.mark.parametrize(
    "layer",
    [
        b"not a tar archive at all, but long enough to look at" * 20,
        gzip.compress(tar((METADATA, REQUESTS)))[:-40],
        tar((METADATA, REQUESTS))[:600],
        b"\x28\xb5\x2f\xfd" + b"0" * 600,
    ],
    ids=["no archive", "cut gzip", "cut tar", "zstd"],
)
def test_a_layer_that_cannot_be_read_is_no_empty_layer(project, registry, layer):
    with pytest.raises(ActionFailed) as caught:
        listed(project, registry, tar((METADATA, REQUESTS)), layer)
    assert caught.value.code == "sbom.unreadable"


def test_a_layer_that_swells_without_end_is_refused(project, registry, monkeypatch):
    monkeypatch.setattr(reading, "_SMALL", 1 << 20)
    bomb = gzip.compress(tar(("zeros", bytes(4 << 20))))
    assert len(bomb) * reading._SWELLING < 4 << 20
    with pytest.raises(ActionFailed, match="becomes more than") as caught:
        listed(project, registry, bomb)
    assert caught.value.code == "sbom.unreadable"


def test_a_database_beyond_the_limit_is_refused_not_skipped(project, registry, monkeypatch):
    monkeypatch.setattr(reading, "_LARGEST_FILE", 10)
    with pytest.raises(ActionFailed) as caught:
        listed(project, registry, tar((METADATA, REQUESTS)))
    assert caught.value.code == "sbom.unreadable"


def test_a_tampered_layer_is_refused(project, registry):
    image = push(registry, tar((METADATA, REQUESTS)))
    for digest, body in registry.blobs.items():
        if b"dist-info" in body:
            registry.blobs[digest] = body.replace(b"Version: 2.0", b"Version: 9.9")
    with pytest.raises(ActionFailed) as caught:
        plugin.sluiceway_sbom(project, image, registry, {})
    assert caught.value.code == "registry.corrupt"


def test_a_layer_of_another_size_than_said_is_refused(project, registry):
    image = push(registry, tar((METADATA, REQUESTS)), size=7)
    with pytest.raises(ActionFailed) as caught:
        plugin.sluiceway_sbom(project, image, registry, {})
    assert caught.value.code == "sbom.unreadable"


def test_settings_are_checked(project, registry):
    image = push(registry, tar(("a", b"a" * (1 << 20))))
    with pytest.raises(ActionFailed) as caught:
        plugin.sluiceway_sbom(project, image, registry, {"largest_layer_megabytes": 1})
    assert caught.value.code == "sbom.too-large"
    with pytest.raises(ConfigurationError):
        plugin.sluiceway_sbom(project, image, registry, {"largest_layer": 1})
    (check,) = plugin.sluiceway_doctor(project, {})
    assert check.status is CheckStatus.OK


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (
            "var/lib/dpkg/status",
            "Package: libc6\nVersion: 2.36-9\nSource: glibc\n",
            "pkg:deb/debian/libc6@2.36-9?upstream=glibc",
        ),
        (
            "var/lib/dpkg/status",
            "Package: libgcc-s1\nVersion: 12.2.0-14\nSource: gcc-12 (12.2.0-14.1)\n",
            "pkg:deb/debian/libgcc-s1@12.2.0-14?upstream=gcc-12%4012.2.0-14.1",
        ),
        (
            "lib/apk/db/installed",
            "P:ssl\nV:1-r0\no:openssl\n",
            "pkg:apk/alpine/ssl@1-r0?upstream=openssl",
        ),
        ("lib/apk/db/installed", "P:musl\nV:1-r0\no:musl\n", "pkg:apk/alpine/musl@1-r0"),
    ],
)
def test_the_source_package_is_named_where_it_differs(path: str, body: str, expected: str) -> None:
    (package,) = find({path: body.encode()})
    assert package.purl == expected
