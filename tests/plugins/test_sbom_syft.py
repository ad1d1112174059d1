"""Syft's list is about exactly this digest, the same bytes each time, or it is refused."""

from __future__ import annotations

import copy
import json
import os
import stat

import pytest
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

import sluiceway_sbom_syft as plugin
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError, SluicewayError
from sluiceway.model import CheckStatus, Image, Project, canonical
from sluiceway.scans import packages_of
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_sbom_syft.document import fit

from .sbom_kit import CREATED, file_layer, push_image, push_index

METADATA = b"Metadata-Version: 2.1\nName: Requests_Thing\nVersion: 2.0\nLicense: My Own!\n"
FILES = {
    "usr/lib/python3/site-packages/requests_thing-2.0.dist-info/METADATA": METADATA,
    "app/node_modules/b/package.json": b'{"name": "b", "version": "2.0.0", "license": "MIT"}',
    "etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
    "var/lib/dpkg/status": (
        b"Package: git\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.39-0+deb12\n"
        b"Depends: libc6\n\n"
        b"Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n"
    ),
    "var/lib/dpkg/info/libc6.md5sums": b"d41d8cd98f00b204e9800998ecf8427e  etc/os-release\n",
}


@pytest.fixture
def project(tmp_path):
    return Project(service="app", root=tmp_path, state=tmp_path, environ={})


@pytest.fixture
def registry():
    return MemoryRegistry("127.0.0.1:5555/team/app")


@pytest.fixture
def image(registry):
    return push_image(registry, file_layer(FILES))


@pytest.mark.real_tool("syft")
def test_the_document_is_about_the_digest_and_valid(project, registry, image):
    sbom = plugin.sluiceway_sbom(project, image, registry, {})
    assert sbom.subject == image.digest
    assert sbom.maker.tool == "syft"
    assert sorted(packages_of(sbom.document)) == [
        "pkg:deb/debian/git@1:2.39-0%2Bdeb12?arch=amd64&distro=debian-12",
        "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12",
        "pkg:npm/b@2.0.0",
        "pkg:pypi/requests-thing@2.0",
    ]
    assert sbom.packages == 4
    described = sbom.document["packages"][0]
    assert described["checksums"] == [
        {"algorithm": "SHA256", "checksumValue": image.digest.removeprefix("sha256:")}
    ]
    # A licence that is not in SPDX's list is declared by reference to its text.
    assert [each["extractedText"] for each in sbom.document["hasExtractedLicensingInfos"]]
    creation = sbom.document["creationInfo"]
    assert creation["created"] == CREATED
    assert creation["creators"][0] == f"Tool: syft-{sbom.maker.version}"
    kinds = {each["relationshipType"] for each in sbom.document["relationships"]}
    assert kinds == {"DESCRIBES", "CONTAINS", "DEPENDENCY_OF"}
    assert "/tmp" not in json.dumps(sbom.document)
    parsed = JsonLikeDictParser().parse(json.loads(canonical(sbom.document)))
    assert validate_full_spdx_document(parsed) == []


@pytest.mark.real_tool("syft")
def test_the_same_image_gives_the_same_bytes(project, registry, image):
    first = plugin.sluiceway_sbom(project, image, registry, {})
    second = plugin.sluiceway_sbom(project, image, registry, {})
    assert canonical(first.document) == canonical(second.document)


@pytest.mark.real_tool("syft")
def test_nobodys_configuration_leaves_something_out(
    project, registry, image, monkeypatch, isolated_environment
):
    (isolated_environment / ".syft.yaml").write_text("exclude: ['**']\n")
    monkeypatch.setenv("SYFT_EXCLUDE", "**")
    monkeypatch.chdir(isolated_environment)
    assert plugin.sluiceway_sbom(project, image, registry, {}).packages == 4


@pytest.mark.real_tool("syft")
def test_the_doctor_names_the_version(project):
    (check,) = plugin.sluiceway_doctor(project, {})
    assert check.status is CheckStatus.OK
    assert check.detail.startswith("syft ")


def test_an_index_is_refused_by_name(project, registry, image, tmp_path):
    index = push_index(registry, {"linux/amd64": image})
    with pytest.raises(ActionFailed) as caught:
        plugin.sluiceway_sbom(project, index, registry, {"program": script(tmp_path, "exit 9")})
    assert caught.value.code == "sbom.index"
    assert "catalogue" in caught.value.remedy


# --- a syft that does not do what it should ---


def script(folder, body, version='{"application": "syft", "version": "1.18.1"}') -> str:
    """Return a program that answers as syft does when asked for its version, and then *body*."""
    path = folder / "syft-like"
    path.write_text(
        f"#!/bin/sh\nif [ \"$1\" = version ]; then echo '{version}'; exit 0; fi\n{body}\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def refused(project, image, registry, **settings) -> SluicewayError:
    with pytest.raises(SluicewayError) as caught:
        plugin.sluiceway_sbom(project, image, registry, settings)
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("printf '{\"packages\": ['", "sbom.syft-output", "not whole JSON"),
        (":", "sbom.syft-output", "not whole JSON"),
        ("echo '[]'", "sbom.syft-output", "no list of packages"),
        ('echo \'{"packages": [], "relationships": []}\'', "sbom.syft-output", "SPDX-2.3"),
        ("printf '\\033[31mno such source' >&2; exit 1", "sbom.syft-failed", "no such source"),
        ("exit 2", "sbom.syft-failed", "it printed nothing"),
    ],
)
def test_what_syft_prints_is_not_believed(project, image, registry, tmp_path, body, code, said):
    error = refused(project, image, registry, program=script(tmp_path, body))
    assert error.code == code
    assert said in error.what
    assert "\x1b" not in error.what


def test_a_syft_that_does_not_end_is_ended(project, image, registry, tmp_path):
    program = script(tmp_path, "exec sleep 60")
    error = refused(project, image, registry, program=program, timeout_seconds=1)
    assert error.code == "sbom.syft-timeout"
    assert "timeout_seconds" in error.remedy


@pytest.mark.parametrize(
    "version",
    [
        '{"application": "syft", "version": "0.105.1"}',
        '{"application": "grype", "version": "1.18.1"}',
        '{"application": "syft", "version": "[not provided]"}',
        "syft 1.18.1",
        "[]",
    ],
)
def test_a_syft_of_no_known_or_too_old_a_version(project, image, registry, tmp_path, version):
    program = script(tmp_path, "exit 0", version)
    assert refused(project, image, registry, program=program).code == "sbom.syft-version"
    (check,) = plugin.sluiceway_doctor(project, {"program": program})
    assert check.status is CheckStatus.FAIL


def test_no_syft_at_all(project, image, registry):
    error = refused(project, image, registry, program="no-such-syft")
    assert isinstance(error, PluginError)
    assert error.code == "sbom.syft-missing"
    (check,) = plugin.sluiceway_doctor(project, {"program": "no-such-syft"})
    assert (check.status, bool(check.remedy)) == (CheckStatus.FAIL, True)


def test_syft_sees_no_secret(project, image, registry, tmp_path, monkeypatch):
    monkeypatch.setenv("COSIGN_PASSWORD", "hunter2-hunter2")
    monkeypatch.setenv("REGISTRY_PASSWORD", "hunter3-hunter3")
    seen = tmp_path / "seen"
    program = script(tmp_path, f'(env; echo "$@") > {seen}; exit 1')
    refused(project, image, registry, program=program)
    text = seen.read_text()
    assert "hunter" not in text
    assert os.environ["HOME"] not in text
    assert "SYFT_CHECK_FOR_APP_UPDATE=false" in text


def test_settings_are_checked(project, image, registry):
    for settings in ({"programme": "syft"}, {"timeout_seconds": "long"}):
        with pytest.raises(ConfigurationError):
            plugin.sluiceway_sbom(project, image, registry, settings)


# --- the document ---

DIGEST = "sha256:" + "a" * 64
IMAGE = Image(repository="127.0.0.1:5555/team/app", digest=DIGEST, media_type="m")
DOCUMENT = {
    "spdxVersion": "SPDX-2.3",
    "documentNamespace": "https://example.com/random",
    "creationInfo": {"created": "2026-11-25T00:00:00Z", "licenseListVersion": "3.25"},
    "packages": [
        {"SPDXID": "SPDXRef-P", "name": "b", "hasFiles": ["SPDXRef-F"], "filesAnalyzed": True},
        {
            "SPDXID": "SPDXRef-Root",
            "name": "/tmp/x",
            "checksums": [{"algorithm": "SHA256", "checksumValue": "a" * 64}],
        },
    ],
    "files": [{"SPDXID": "SPDXRef-F"}],
    "relationships": [
        {
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relationshipType": "DESCRIBES",
            "relatedSpdxElement": "SPDXRef-Root",
        },
        {
            "spdxElementId": "SPDXRef-P",
            "relationshipType": "OTHER",
            "relatedSpdxElement": "SPDXRef-F",
        },
    ],
}


def changed(change):
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return document


def test_files_and_what_is_by_chance_are_left_out():
    sbom = fit("app", IMAGE, DOCUMENT, "", "1.18.1")
    assert "files" not in sbom.document
    assert sbom.document["packages"][1] == {
        "SPDXID": "SPDXRef-P",
        "name": "b",
        "filesAnalyzed": False,
    }
    (relation,) = sbom.document["relationships"]
    assert relation["relatedSpdxElement"] == "SPDXRef-Image"
    assert sbom.document["documentNamespace"].startswith("urn:uuid:")
    assert sbom.document["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
    other = fit("app", IMAGE, DOCUMENT, "", "1.19.0")
    assert other.document["documentNamespace"] != sbom.document["documentNamespace"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d["packages"][1].update(checksums=[]), "sbom.other-image"),
        (lambda d: d["packages"][1].pop("checksums"), "sbom.other-image"),
        (
            lambda d: d["packages"][1]["checksums"][0].update(checksumValue="b" * 64),
            "sbom.other-image",
        ),
        (lambda d: d["packages"].pop(1), "sbom.syft-output"),
        (lambda d: d.update(relationships=[]), "sbom.syft-output"),
        (lambda d: d.update(packages={}), "sbom.syft-output"),
        (lambda d: d.update(packages=[7]), "sbom.syft-output"),
        (lambda d: d["packages"][0].pop("SPDXID"), "sbom.syft-output"),
        (lambda d: d["packages"].append(d["packages"][0]), "sbom.syft-output"),
        (lambda d: d["packages"][0].update(externalRefs="x"), "sbom.syft-output"),
        (lambda d: d.update(spdxVersion="SPDX-2.2"), "sbom.syft-output"),
    ],
)
def test_a_document_that_is_not_about_this_image_is_refused(change, code):
    with pytest.raises(ActionFailed) as caught:
        fit("app", IMAGE, changed(change), "", "1.18.1")
    assert caught.value.code == code
