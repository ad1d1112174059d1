"""The bundle as one file: the same bytes for the same content, readable by OPA itself."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from sluiceway.policy import Bundle, EngineError, bundled_policies, load_bundle
from sluiceway.policy.answers import check_version, engine_error
from sluiceway.policy.archive import archive, revision, roots


def bundle(modules: dict[str, str], data: dict[str, object] | None = None) -> Bundle:
    return Bundle(modules=modules, data=data or {}, digest="", origin="test")


def test_it_is_the_same_for_the_same_content() -> None:
    one = bundle({"a.rego": "package a\n", "b/c.rego": "package b.c\n"}, {"x": 1, "y": 2})
    other = bundle({"b/c.rego": "package b.c\n", "a.rego": "package a\n"}, {"y": 2, "x": 1})
    assert archive(one) == archive(other)
    assert revision(one) == revision(other)


def test_every_change_changes_the_revision() -> None:
    found = {
        revision(each)
        for each in (
            bundle({"a.rego": "package a\n"}),
            bundle({"a.rego": "package a\n\n"}),
            bundle({"b.rego": "package a\n"}),
            bundle({"a.rego": "package a\n"}, {"x": 1}),
            bundle({"a.rego": "package a\n"}, {"x": True}),
            bundle({"a.rego": "package a\n"}, {"x": "1"}),
        )
    }
    assert len(found) == 6


def test_the_manifest_claims_what_the_bundle_brings_and_no_more() -> None:
    made = bundle({"a.rego": "# package no\npackage a.b\n", "d.rego": "package d\n"}, {"x": 1})
    assert roots(made) == ["a", "d", "x"]
    with tarfile.open(fileobj=io.BytesIO(archive(made))) as tar:
        names = tar.getnames()
        entry = tar.extractfile(".manifest")
        assert entry is not None
        manifest = json.load(entry)
    assert names == [".manifest", "a.rego", "d.rego", "data.json"]
    assert manifest == {"revision": revision(made), "roots": ["a", "d", "x"], "rego_version": 1}


@pytest.mark.parametrize("data", [{"system": 1}, {}])
def test_the_place_of_the_server_itself_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(EngineError) as caught:
        archive(bundle({"a.rego": "package a\n" if data else "package system.log\n"}, data))
    assert caught.value.code == "policy.layout"


@pytest.mark.real_tool("opa")
def test_opa_reads_it(tmp_path: Path) -> None:
    policies = load_bundle([bundled_policies()])
    file = tmp_path / "bundle.tar.gz"
    file.write_bytes(archive(policies))
    done = subprocess.run(
        ["opa", "inspect", "-f", "json", str(file)], capture_output=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["manifest"]["revision"] == policies.digest
    checked = subprocess.run(["opa", "check", "--strict", "--bundle", str(file)], check=False)
    assert checked.returncode == 0


@pytest.mark.parametrize(
    ("errors", "code", "words"),
    [
        ([], "policy.evaluation", "no reason"),
        ([None], "policy.evaluation", "None"),
        (["loading error: a.rego:3: rego_parse_error: x"], "policy.syntax", "a.rego:3"),
        (
            [
                {
                    "code": "rego_type_error",
                    "message": "undefined function http.send",
                    "location": {"file": "a.rego", "row": 3},
                }
            ],
            "policy.forbidden",
            "reaches the network",
        ),
        (
            [{"code": "rego_type_error", "message": "undefined function x.y"}],
            "policy.forbidden",
            "x.y",
        ),
        (
            [{"code": "rego_type_error", "message": "undefined function data.x.y"}],
            "policy.syntax",
            "data.x.y",
        ),
        ([{"code": "eval_cancel_error", "message": "cancelled"}], "policy.timeout", "cancelled"),
        ([{"code": "eval_type_error", "message": "m", "location": 1}], "policy.builtin", "m"),
        ([{"code": "eval_conflict_error", "message": "m"}], "policy.evaluation", "conflict"),
    ],
)
def test_what_opa_says_becomes_one_refusal(errors: list[object], code: str, words: str) -> None:
    error = engine_error(errors)
    assert error.code == code
    assert words in error.what
    assert error.remedy


@pytest.mark.parametrize("found", ["1.20", "1.20.0", "1.20.2", "1.20.0-rc1"])
def test_releases_of_the_line_are_accepted(found: str) -> None:
    check_version(found, "1.20", "policy-cli")


@pytest.mark.parametrize("found", ["", "1.2", "1.200", "1.21.0", "0.20.1", "2.1.20"])
def test_releases_of_another_line_are_not(found: str) -> None:
    with pytest.raises(EngineError) as caught:
        check_version(found, "1.20", "policy-cli")
    assert caught.value.code == "policy.engine-version"
